/* Watchers: the open watches of a store and what they still have to hear.
 *
 * A body publishes each committed revision once, in order. A watch hears it at once, unless it is catching up
 * with history: then its share waits in order behind what history will bring. A handler may close any watch.
 */
#pragma once

#include "base/array.h"
#include "base/list.h"
#include "store/record.h"

struct watchers {
    struct list
        open; /* struct watcher; a closed one stays until no publication runs, which may stand on it */
    int publishing;
    bool has_closed;
};

struct watcher {
    struct store_watch watch; /* first: it is what callers hold */
    struct list node;
    struct watchers *set;
    const struct store_watch_handler *handler;
    void *user;
    char *prefix;
    size_t prefix_len;
    int64_t last; /* revision up to which it has heard everything */
    bool is_catching_up, is_closed;
    ARRAY_OF(struct store_record *) waiting; /* published while catching up */
};

void watchers_init(struct watchers *set);
void watchers_done(struct watchers *set);
/* No watch hears anything any more, and each can still be closed, until watchers_done(). */
void watchers_silence(struct watchers *set);

/* A new watch that has heard everything up to AFTER. */
struct watcher *watchers_open(struct watchers *set, struct store *store, struct str prefix, int64_t after,
                              const struct store_watch_handler *handler, void *user);
void watchers_close(struct watcher *w);
static inline struct watcher *watcher_of(struct store_watch *w)
{
    return (struct watcher *)w;
}

/* Hands the records of one revision to every watch they concern. */
void watchers_publish(struct watchers *set, struct store_record *const *records, size_t n);
/* Hands records of history (any revisions, in order) to one watch that is catching up. */
void watcher_replay(struct watcher *w, struct store_record *const *records, size_t n);
/* History is through: hands on what waited. */
void watcher_caught_up(struct watcher *w);
/* Ends the watch with STATUS and frees it. */
void watcher_end(struct watcher *w, int status, const struct err *err);
