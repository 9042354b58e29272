/* Inside of the watch cache: shared by cache.c (table, loading, events) and cache-window.c (history). */
#pragma once

#include "apiserver/cache.h"
#include "base/array.h"
#include "io/loop.h"

/* Ring of events in the order of revisions. */
struct cache_window {
    struct cache_event *v;
    size_t first, n, capacity;
    size_t n_bytes;
    int64_t floor; /* history is complete behind this revision */
};

struct cache_resource {
    struct cache *cache;
    struct str prefix;                       /* "services/specs/" */
    ARRAY_OF(struct cache_object *) objects; /* sorted by key */
    ARRAY_OF(struct cache_object *) loading; /* the same, of a load under way */
    struct cache_window window;
    struct list listeners;
    void (*observe)(void *user, struct cache_object *old, struct cache_object *new);
    void *observe_user;
    size_t n_bytes; /* of objects */
};

struct cache {
    struct cache_options options;
    ARRAY_OF(struct cache_resource *) resources;
    struct store_watch *watch;
    struct list waits;
    struct timer retry;   /* of a load or watch that failed */
    struct timer compact; /* armed while there is history to forget */
    int64_t compact_revision;
    int64_t revision, load_revision;
    bool is_ready, is_loading;
    struct strbuf load_from; /* where the next page begins */
    void (*ready)(void *user, int status, const struct err *err);
    void *ready_user;
    uint64_t n_unreadable, n_reloads;
};

/* Adds an event, dropping old ones beyond the bounds. Takes references of its own. */
void cache_window_add(struct cache_resource *r, const struct cache_event *e);
void cache_window_clear(struct cache_resource *r, int64_t floor);

/* Index of the first object whose key is not before KEY. */
size_t cache_lower_bound(const struct cache_resource *r, struct str key);
