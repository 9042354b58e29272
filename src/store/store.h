/* Store: an ordered history of keys and values, with etcd's meaning.
 *
 * Every committed write gets the next revision of one counter. A write is a set of operations that commit
 * together or not at all, each with the revision its key must have (compare and set). Watches deliver
 * committed writes in order, none skipped or repeated, from any revision not yet compacted. An acknowledged
 * write is on disk.
 *
 * Calls are asynchronous, because etcd and group commit are: results arrive on the loop, never from inside
 * the call. Events of a write reach the watches before its own result does, so whoever has seen a write
 * acknowledged finds it in a cache fed by a watch. One loop, no locks; the embedded store's writer thread
 * stays inside it.
 *
 * Bodies: memory/ (nothing on disk), embedded/ (SQLite), etcd/ (to come). Keys are Kubernetes' own:
 * "/registry/services/specs/default/web".
 *
 *     struct store_op op = {.type = STORE_PUT, .key = key, .value = bytes, .expect = STORE_ABSENT};
 *     store_write(store, &op, 1, on_written, self);
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

struct loop;

/* Outcomes that callers handle. */
enum {
    STORE_CONFLICT = 1,  /* a key does not have the expected revision; nothing was written */
    STORE_COMPACTED = 2, /* the revision asked for is no longer kept */
    STORE_FUTURE = 3,    /* the revision asked for is not there yet */
};

#define STORE_ANY    INT64_C(-1) /* no condition */
#define STORE_ABSENT INT64_C(0)  /* the key must not exist */

#define STORE_MAX_VALUE_LEN ((size_t)(3 * 1024 * 1024 + 512 * 1024))
#define STORE_MAX_KEY_LEN   ((size_t)1024)
#define STORE_MAX_OPS       128

struct store_item {
    struct str key, value;
    int64_t create_revision; /* of the write that created the key */
    int64_t mod_revision;    /* of its last write */
};

enum store_op_type {
    STORE_PUT,
    STORE_DELETE, /* deleting what is absent writes nothing for that key */
    STORE_CHECK,  /* only the condition */
};

struct store_op {
    enum store_op_type type;
    struct str key;
    struct str value;
    int64_t expect; /* mod_revision the key must have, or STORE_ANY, STORE_ABSENT */
};

struct store_result {
    int status; /* 0; STORE_CONFLICT; negative errno: nothing was written, and err says why in one sentence
                 * (-ENOSPC: the disk is full; -EIO; -E2BIG; -ESHUTDOWN: closing) */
    int64_t revision;                 /* of this write; when nothing changed, the current one */
    size_t conflict;                  /* index of the operation whose condition failed */
    const struct store_item *current; /* what that key has, NULL if absent; valid during the call */
    const struct err *err;
};
typedef void store_write_fn(void *user, const struct store_result *result);

struct store_page {
    int status;                     /* 0; STORE_COMPACTED; STORE_FUTURE; negative errno */
    const struct store_item *items; /* sorted by key; valid during the call */
    size_t n_items;
    bool more;        /* the limit cut the page; continue from behind the last key at this revision */
    int64_t revision; /* of the state that was read */
    const struct err *err;
};
typedef void store_read_fn(void *user, const struct store_page *page);

struct store_event {
    enum store_op_type type; /* STORE_PUT or STORE_DELETE */
    struct store_item item;  /* of a deletion: the key, value empty, mod_revision of the deletion */
};

struct store_watch_handler {
    /* All events of one revision at a time, in order; valid during the call. */
    void (*events)(void *user, int64_t revision, const struct store_event *events, size_t n_events);
    /* The watch has ended: STORE_COMPACTED or a negative errno. It is closed already: not to be closed again.
     */
    void (*end)(void *user, int status, const struct err *err);
};

struct store;
struct store_watch;

/* Writes OPS (copied), at most STORE_MAX_OPS with distinct keys. */
void store_write(struct store *s, const struct store_op *ops, size_t n_ops, store_write_fn *done, void *user);

/* Reads keys in [FROM, TO) as of REVISION (0: now), at most LIMIT (0: all). TO empty: only the key FROM. */
void store_read(struct store *s, struct str from, struct str to, int64_t revision, size_t limit,
                store_read_fn *done, void *user);

/* Watches keys beginning with PREFIX, from the revision behind AFTER on. If AFTER is compacted, END is
 * called. */
struct store_watch *store_watch_open(struct store *s, struct str prefix, int64_t after,
                                     const struct store_watch_handler *handler, void *user);
/* No callback comes any more. */
void store_watch_close(struct store_watch *w);

/* Revision of the last committed write, and the oldest one that can still be read or watched from. */
int64_t store_revision(const struct store *s);
int64_t store_compacted(const struct store *s);

/* Forgets history up to and including REVISION, but for what is current there. */
void store_compact(struct store *s, int64_t revision);

/* Finishes writes under way and calls back for each of them, drops reads and watches silently, then closes.
 * Those callbacks may close watches. What they begin is not done any more: of a write they hear -ESHUTDOWN,
 * still inside store_close(), and must not try again; a read or watch is dropped. */
void store_close(struct store *s);

/* The arguments of store_read(). */
struct store_range {
    struct str from, to;
    int64_t revision;
    size_t limit;
};

/* What a body implements: the functions above, with its struct starting with struct store. */
struct store_ops {
    void (*write)(struct store *, const struct store_op *, size_t, store_write_fn *, void *);
    void (*read)(struct store *, const struct store_range *, store_read_fn *, void *);
    struct store_watch *(*watch_open)(struct store *, struct str, int64_t, const struct store_watch_handler *,
                                      void *);
    void (*watch_close)(struct store_watch *);
    void (*compact)(struct store *, int64_t);
    void (*close)(struct store *);
};

struct store {
    const struct store_ops *ops;
    int64_t revision, compacted; /* kept by the body */
};
struct store_watch {
    struct store *store;
};

/* For bodies. Errors: -E2BIG a key or value beyond the limits. */
int store_check_ops(const struct store_op *ops, size_t n_ops, struct err *err);

/* The end of the range of keys that begin with PREFIX; appended to OUT. */
void store_prefix_end(struct str prefix, struct strbuf *out);
