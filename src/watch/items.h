/* Items: the objects of one resource, as bytes, by key and by index.
 *
 * Each object is kept once, serialized; whoever needs more than its key parses it into an arena of its own. A
 * key is "NAMESPACE/NAME", or "NAME" in cluster scope. Indexes are functions from an object to any number of
 * index keys ("default/app=web"); the items under one are found without looking at the others.
 *
 * items_stage() and items_commit() replace the whole content at once and report the difference, so that a
 * reader never sees half of a list. Nothing here knows a network.
 *
 *     items_init(&items, indexes, ARRAY_LEN(indexes));
 *     struct informer_item *item = items_find(&items, STR("default/web"));
 *     struct json *object = informer_item_parse(item, arena);
 */
#pragma once

#include "base/array.h"
#include "watch/item-table.h"
#include "wire/json.h"

struct informer_item {
    struct str key, namespace, name; /* the last two are parts of the first */
    struct str bytes;                /* JSON */
    uint64_t rv;                     /* metadata.resourceVersion; 0 if it is not a number */
};

/* A copy of the object in arena A, bytes and all: it outlives the item. NULL if ITEM is NULL. */
struct json *informer_item_parse(const struct informer_item *item, struct arena *a);

/* Collects the index keys of one object. */
struct informer_index_keys {
    struct arena *arena;
    ARRAY_OF(struct str) keys;
};
typedef void informer_index_fn(const struct json *object, struct informer_index_keys *out);
/* Adds KEY, which must live as long as the arena of OUT or the object. */
void informer_index_add(struct informer_index_keys *out, struct str key);

/* Ready-made indexes. */
informer_index_fn informer_index_labels;    /* "NAMESPACE/LABEL=VALUE" for each label */
informer_index_fn informer_index_owners;    /* uid of each owner reference */
informer_index_fn informer_index_namespace; /* "NAMESPACE" */

/* The items under one index key, until the next change. As the key itself is not kept, a stranger may be
 * among them once in 2^64: look at what you find. */
struct informer_bucket {
    struct informer_item **v;
    size_t n, capacity;
};

#define ITEMS_MAX_INDEXES 4

/* One difference. BEFORE is NULL for a new item, AFTER for one that is gone; both live during the call only.
 */
struct informer_change {
    const struct informer_item *before, *after;
    const struct json *object;     /* of AFTER, or of BEFORE if it is gone */
    const struct json *old_object; /* of BEFORE, or NULL */
};
typedef void items_changed_fn(void *user, const struct informer_change *change);

struct items {
    struct item_table by_key;
    /* Index key -> the one item under it, or a struct informer_bucket with the lowest bit of its address set.
     */
    struct item_table indexes[ITEMS_MAX_INDEXES];
    informer_index_fn *index_fns[ITEMS_MAX_INDEXES];
    size_t n_indexes;
    struct item_table staged;
    size_t n_bytes, n_staged_bytes;
    items_changed_fn *changed;
    void *user;
};

void items_init(struct items *items, informer_index_fn *const *indexes, size_t n_indexes,
                items_changed_fn *changed, void *user);
void items_done(struct items *items);

struct informer_item *items_find(const struct items *items, struct str key);
struct informer_bucket items_find_indexed(const struct items *items, size_t index, struct str index_key);
/* All of them by key; the array is the caller's to free. */
struct informer_item **items_sorted(const struct items *items, size_t *ret_n);

/* Puts OBJECT, or removes it; reports what changed. Putting equal bytes reports nothing. False if the object
 * has no name. */
bool items_put(struct items *items, const struct json *object);
bool items_remove(struct items *items, const struct json *object);

/* Collects OBJECT for the next commit; of one key the last wins. */
bool items_stage(struct items *items, const struct json *object);
/* Forgets the staged object of that key. */
void items_unstage(struct items *items, const struct json *object);
void items_stage_clear(struct items *items);
/* Makes the staged objects the content; reports additions, changes and removals, in the order of keys. */
void items_commit(struct items *items);

/* "NAMESPACE/NAME" of an object, in arena A; len 0 if it has no name. */
struct str items_key_of(const struct json *object, struct arena *a);
