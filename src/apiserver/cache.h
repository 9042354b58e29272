/* Watch cache: every stored object's serialized bytes once, and the recent events, per resource.
 *
 * One store_watch on "/registry/" feeds it; lists, gets and watches read from it and never from the store. An
 * object is an immutable blob, counted by references: the table, the window of recent events, a reply under
 * way and a queued watch all hold the same one. metadata.resourceVersion is spliced into the bytes when they
 * arrive.
 *
 * The window is bounded in events and bytes. A watch from a revision that the window no longer covers is told
 * CACHE_EXPIRED (410). Selectors look at parsed objects: an event is parsed once, however many watchers look.
 *
 * Events reach listeners in the order of revisions, before the writer hears of its write.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "object/schema.h"
#include "store/store.h"
#include "wire/json.h"

struct loop;
struct cache;
struct cache_resource;

enum { CACHE_EXPIRED = 1, CACHE_FUTURE = 2 };

struct cache_object {
    uint32_t n_refs;
    uint32_t key_len; /* of the key below the resource's prefix: "default/web" */
    uint32_t len;     /* of the JSON text */
    int64_t revision; /* mod_revision; of a deleted object: the deletion's */
    char bytes[];     /* JSON, NUL, key, NUL */
};

static inline struct str cache_object_json(const struct cache_object *o)
{
    return (struct str){o->bytes, o->len};
}
static inline struct str cache_object_key(const struct cache_object *o)
{
    return (struct str){o->bytes + o->len + 1, o->key_len};
}
struct cache_object *cache_object_ref(struct cache_object *o);
void cache_object_unref(struct cache_object *o); /* NULL is fine */
/* The parts of its key: the namespace is empty for cluster scope. */
struct str cache_object_name(const struct cache_object *o);
struct str cache_object_namespace(const struct cache_object *o);

/* A put without OLD is an addition; NEW of a deletion is the last state with the deletion's revision. */
struct cache_event {
    bool deleted;
    struct cache_object *old; /* what was there before, or NULL */
    struct cache_object *new;
};

/* An event with both states parsed on demand, shared by all who look at it. Valid during the callback. */
struct cache_view {
    const struct cache_event *event;
    struct arena *arena;
    struct json *new_parsed, *old_parsed; /* NULL until asked for */
    struct str lines[3];                  /* what watches print for it, by event type; NULL until one did */
};
struct json *cache_view_new(struct cache_view *v);
struct json *cache_view_old(struct cache_view *v); /* NULL if there was none */

/* Someone who hears the events of one resource. Embedded in its owner. */
struct cache_listener {
    struct list node;
    void (*event)(struct cache_listener *l, struct cache_view *view);
    void *owner; /* whatever the listener likes */
};

/* VALUE with metadata.resourceVersion set to REVISION. Errors: -EINVAL if it is no JSON object. */
int cache_splice_revision(struct str value, int64_t revision, struct strbuf *out);

struct cache_options {
    struct loop *loop;
    struct store *store;
    size_t window_events; /* per resource; 0: 4096 */
    size_t window_bytes;  /* per resource, of event objects; 0: 8 MiB */
};

struct cache *cache_new(const struct cache_options *options);
void cache_free(struct cache *c);

/* Declares a resource, before cache_start(). PREFIX is schema->storage_prefix. */
struct cache_resource *cache_add_resource(struct cache *c, struct str prefix);
/* HOOK hears every object at load and every event, first of all. One per resource. */
void cache_resource_observe(struct cache_resource *r,
                            void (*hook)(void *user, struct cache_object *old, struct cache_object *new),
                            void *user);

/* Loads everything in pages, then watches. READY is called once, with 0 or why not. */
void cache_start(struct cache *c, void (*ready)(void *user, int status, const struct err *err), void *user);
/* READY is called once when the next load has ended. */
void cache_on_ready(struct cache *c, void (*ready)(void *user, int status, const struct err *err),
                    void *user);
bool cache_is_ready(const struct cache *c);

/* Revision up to which the cache is complete. */
int64_t cache_revision(const struct cache *c);
/* Calls BACK once the cache has reached REVISION, at once if it has; the wait is bounded by the caller. */
struct cache_wait {
    struct list node;
    int64_t revision;
    void (*reached)(struct cache_wait *w);
};
/* True if it is reached already, else W waits in the list. */
bool cache_wait_for(struct cache *c, struct cache_wait *w, int64_t revision);
void cache_wait_cancel(struct cache_wait *w);

/* KEY is "namespace/name" or "name". Borrowed; NULL if absent. */
struct cache_object *cache_find(const struct cache_resource *r, struct str key);
size_t cache_count(const struct cache_resource *r);

/* The first object whose key begins with PREFIX and sorts after AFTER (STR_NONE: from the start); NULL at the
 * end. For iteration: pass the key of the last one. */
struct cache_object *cache_next(const struct cache_resource *r, struct str prefix, struct str after);

/* Objects as cache_snapshot finds them, each with a reference. */
struct cache_snapshot {
    struct cache_object **v;
    size_t n;
};
/* All objects whose key begins with PREFIX. */
void cache_snapshot(const struct cache_resource *r, struct str prefix, struct cache_snapshot *ret);
void cache_snapshot_done(struct cache_snapshot *s);

/* The state of the resource as of an older revision, rebuilt from the window, for continue tokens and exact
 * lists. Errors: CACHE_EXPIRED, CACHE_FUTURE. */
int cache_snapshot_at(const struct cache_resource *r, struct str prefix, int64_t revision,
                      struct cache_snapshot *ret);

/* Calls EACH for every event behind REVISION that is still in the window. Errors: CACHE_EXPIRED, CACHE_FUTURE
 * (nothing called). */
int cache_replay(struct cache_resource *r, int64_t revision,
                 void (*each)(void *user, struct cache_view *view), void *user);
/* The oldest revision that cache_replay() and cache_snapshot_at() accept. */
int64_t cache_oldest(const struct cache_resource *r);

/* LISTENER hears what comes from now on. */
void cache_listen(struct cache_resource *r, struct cache_listener *listener);
void cache_unlisten(struct cache_listener *listener);

struct cache_stats {
    size_t n_objects, n_bytes, n_window_events, n_window_bytes;
    uint64_t n_unreadable; /* stored values that are no JSON objects */
};
void cache_stats(const struct cache *c, struct cache_stats *ret);
