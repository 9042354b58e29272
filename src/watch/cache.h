/* Cache: a resource's objects, kept equal to the API server by list and watch.
 *
 * A cache lists (in pages, or as a stream of initial events), then watches from there. What breaks is resumed
 * from the last resourceVersion; only when the server no longer has that history (410), or has sent events
 * that make no sense, is everything listed again, and then only the difference reaches the handlers. A list
 * is taken over whole or not at all. Handlers hear "look at this key"; they must not free the cache, and do
 * no more than mark work.
 *
 *     struct cache *pods = cache_new(&(struct cache_config){.client = client, .loop = loop, .random = random,
 *                                                           .resource = &client_pods});
 *     cache_add_handler(pods, &handler, self);
 *     cache_start(pods);
 *     struct cache_item *pod = cache_find(pods, STR("default"), STR("web-1"));
 */
#pragma once

#include "watch/client.h"
#include "watch/items.h"

enum cache_list_mode {
    CACHE_LIST_PAGED,  /* GET with limit and continue */
    CACHE_LIST_STREAM, /* watch with sendInitialEvents; falls back to pages if the server does not know it */
};

struct cache_config {
    struct client *client;
    struct loop *loop;
    struct random *random;
    const struct client_resource *resource;
    struct str namespace, label_selector, field_selector; /* copied; empty: no restriction */
    enum cache_list_mode list_mode;
    size_t page_limit; /* objects per page; 0: 500 */
    size_t max_bytes;  /* of all objects; 0: 1 GiB. Beyond it the list fails and is tried again later */
    int watch_seconds; /* what the server is asked to end a watch after; 0: 300 to 600 by chance */
    /* Optional: cuts an object down to what is worth keeping, in place. managedFields are dropped always. */
    void (*reduce)(struct json *object, struct arena *a);
    cache_index_fn *const *indexes;
    size_t n_indexes;
};

struct cache;

struct cache_handler {
    void (*changed)(void *user, struct cache *cache, const struct cache_change *change);
    void (*synced)(void *user, struct cache *cache); /* the first list is complete; optional */
};

#define CACHE_MAX_HANDLERS 16

struct cache *cache_new(const struct cache_config *config);
void cache_free(struct cache *c);

/* Before cache_start(). HANDLER is borrowed. */
void cache_add_handler(struct cache *c, const struct cache_handler *handler, void *user);
void cache_start(struct cache *c);

bool cache_is_synced(const struct cache *c);
/* All of them; N may be 0. */
bool cache_are_synced(struct cache *const *caches, size_t n);
/* Whether a watch is open now, as far as is known. */
bool cache_is_watching(const struct cache *c);
/* Every write up to this resourceVersion is in the cache; 0 before the first list. */
uint64_t cache_position(const struct cache *c);

const struct client_resource *cache_resource(const struct cache *c);
struct cache_item *cache_find(const struct cache *c, struct str namespace, struct str name);
struct cache_item *cache_find_key(const struct cache *c, struct str key);
struct cache_bucket cache_find_indexed(const struct cache *c, size_t index, struct str index_key);
/* For iteration with map_foreach; values are struct cache_item. Not sorted. */
const struct map *cache_items(const struct cache *c);
/* The same, sorted by key; the array is the caller's to free. */
struct cache_item **cache_items_sorted(const struct cache *c, size_t *ret_n);

struct cache_stats {
    uint64_t lists, list_failures, watches, watch_failures, events, ignored_events;
};
struct cache_stats cache_stats(const struct cache *c);
