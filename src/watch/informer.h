/* Cache: a resource's objects, kept equal to the API server by list and watch.
 *
 * A cache lists (in pages, or as a stream of initial events), then watches from there. What breaks is resumed
 * from the last resourceVersion; only when the server no longer has that history (410), or has sent events
 * that make no sense, is everything listed again, and then only the difference reaches the handlers. A list
 * is taken over whole or not at all. Handlers hear "look at this key"; they must not free the cache, and do
 * no more than mark work.
 *
 *     struct informer *pods = informer_new(&(struct informer_config){.client = client, .loop = loop, .random
 * = random, .resource = &client_pods}); informer_add_handler(pods, &handler, self); informer_start(pods);
 *     struct informer_item *pod = informer_find(pods, STR("default"), STR("web-1"));
 */
#pragma once

#include "watch/client.h"
#include "watch/items.h"

enum informer_list_mode {
    INFORMER_LIST_PAGED,  /* GET with limit and continue */
    INFORMER_LIST_STREAM, /* watch with sendInitialEvents; falls back to pages if the server does not know it
                           */
};

struct informer_config {
    struct client *client;
    struct loop *loop;
    struct random *random;
    const struct client_resource *resource;
    struct str namespace, label_selector, field_selector; /* copied; empty: no restriction */
    enum informer_list_mode list_mode;
    size_t page_limit; /* objects per page; 0: 500 */
    size_t max_bytes;  /* of all objects; 0: 1 GiB. Beyond it the list fails and is tried again later */
    int watch_seconds; /* what the server is asked to end a watch after; 0: 300 to 600 by chance */
    /* Optional: cuts an object down to what is worth keeping, in place. managedFields are dropped always. */
    void (*reduce)(struct json *object, struct arena *a);
    informer_index_fn *const *indexes;
    size_t n_indexes;
};

struct informer;

struct informer_handler {
    void (*changed)(void *user, struct informer *cache, const struct informer_change *change);
    void (*synced)(void *user, struct informer *cache); /* the first list is complete; optional */
};

#define INFORMER_MAX_HANDLERS 16

struct informer *informer_new(const struct informer_config *config);
void informer_free(struct informer *c);

/* Before informer_start(). HANDLER is borrowed. */
void informer_add_handler(struct informer *c, const struct informer_handler *handler, void *user);
void informer_start(struct informer *c);

bool informer_is_synced(const struct informer *c);
/* All of them; N may be 0. */
bool informer_are_synced(struct informer *const *caches, size_t n);
/* Whether a watch is open now, as far as is known. */
bool informer_is_watching(const struct informer *c);
/* Every write up to this resourceVersion is in the cache; 0 before the first list. */
uint64_t informer_position(const struct informer *c);

struct informer_item *informer_find(const struct informer *c, struct str namespace, struct str name);
struct informer_item *informer_find_key(const struct informer *c, struct str key);
struct informer_bucket informer_find_indexed(const struct informer *c, size_t index, struct str index_key);
/* For iteration with item_table_foreach; values are struct informer_item. Not sorted. */
const struct item_table *informer_items(const struct informer *c);
/* The same, sorted by key; the array is the caller's to free. */
struct informer_item **informer_items_sorted(const struct informer *c, size_t *ret_n);

struct informer_stats {
    uint64_t lists, list_failures, watches, watch_failures, events, ignored_events;
};
struct informer_stats informer_stats(const struct informer *c);
