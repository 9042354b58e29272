#include "watch/items.h"

#include <stdlib.h>

struct json *informer_item_parse(const struct informer_item *item, struct arena *a)
{
    struct json *object = NULL;
    if (item)
        (void)json_parse(a, arena_str(a, item->bytes), NULL, &object, NULL); /* we wrote it: it parses */
    return object;
}

void informer_index_add(struct informer_index_keys *out, struct str key)
{
    *array_push(&out->keys) = key;
}

void informer_index_labels(const struct json *object, struct informer_index_keys *out)
{
    struct str ns = json_string_at(object, "metadata", "namespace");
    json_foreach (json_path(object, "metadata", "labels", NULL), label) {
        struct str value = json_str(label);
        informer_index_add(out, arena_format(out->arena, "%.*s/%.*s=%.*s", STR_ARG(ns), STR_ARG(label->key),
                                             STR_ARG(value)));
    }
}

void informer_index_owners(const struct json *object, struct informer_index_keys *out)
{
    json_foreach (json_path(object, "metadata", "ownerReferences", NULL), owner) {
        struct str uid = json_string_at(owner, "uid");
        if (uid.len)
            informer_index_add(out, uid);
    }
}

void informer_index_namespace(const struct json *object, struct informer_index_keys *out)
{
    struct str ns = json_string_at(object, "metadata", "namespace");
    if (ns.len)
        informer_index_add(out, ns);
}

struct str items_key_of(const struct json *object, struct arena *a)
{
    struct str ns = json_string_at(object, "metadata", "namespace");
    struct str name = json_string_at(object, "metadata", "name");
    if (!name.len || !ns.len)
        return name;
    return arena_format(a, "%.*s/%.*s", STR_ARG(ns), STR_ARG(name));
}

static bool same_key(const void *value, struct str key)
{
    return str_eq(((const struct informer_item *)value)->key, key);
}

void items_init(struct items *items, informer_index_fn *const *indexes, size_t n_indexes,
                items_changed_fn *changed, void *user)
{
    *items = (struct items){.n_indexes = MIN(n_indexes, (size_t)ITEMS_MAX_INDEXES),
                            .by_key = {.same = same_key},
                            .staged = {.same = same_key},
                            .changed = changed,
                            .user = user};
    for (size_t i = 0; i < items->n_indexes; i++)
        items->index_fns[i] = indexes[i];
}

/* Most index keys have one item, so a value is the item itself, or a bucket with the lowest bit set. */
static struct informer_bucket *bucket_of(void *value)
{
    return (uintptr_t)value & 1 ? (void *)((uintptr_t)value - 1) : NULL;
}

static void free_index_value(void *value)
{
    struct informer_bucket *bucket = bucket_of(value);
    if (bucket)
        free(bucket->v);
    free(bucket);
}

void items_stage_clear(struct items *items)
{
    item_table_done(&items->staged, free);
    items->n_staged_bytes = 0;
}

void items_done(struct items *items)
{
    items_stage_clear(items);
    for (size_t i = 0; i < items->n_indexes; i++)
        item_table_done(&items->indexes[i], free_index_value);
    item_table_done(&items->by_key, free);
}

static struct informer_item *item_in(const struct item_table *table, struct str key)
{
    struct item_slot *slot = item_table_find(table, key);
    return slot ? slot->value : NULL;
}

struct informer_item *items_find(const struct items *items, struct str key)
{
    return item_in(&items->by_key, key);
}

struct informer_bucket items_find_indexed(const struct items *items, size_t index, struct str index_key)
{
    struct item_slot *slot =
        index < items->n_indexes ? item_table_find(&items->indexes[index], index_key) : NULL;
    if (!slot)
        return (struct informer_bucket){0};
    const struct informer_bucket *bucket = bucket_of(slot->value);
    return bucket ? *bucket : (struct informer_bucket){.v = (struct informer_item **)&slot->value, .n = 1};
}

/* One allocation: the struct, the key, the bytes. */
static struct informer_item *make_item(const struct json *object, struct arena *a)
{
    struct str key = items_key_of(object, a);
    struct str ns = json_string_at(object, "metadata", "namespace");
    _cleanup_(strbuf_done) struct strbuf text = {0};

    if (!key.len)
        return NULL;
    json_write(object, &text);
    struct informer_item *item = mem_zalloc(sizeof *item + key.len + text.len + 2);
    char *p = (char *)(item + 1);
    memcpy(p, key.p, key.len);
    item->key = (struct str){p, key.len};
    if (ns.len) {
        item->namespace = str_slice(item->key, 0, ns.len);
        item->name = str_slice(item->key, ns.len + 1, key.len);
    } else {
        item->name = item->key;
    }
    p += key.len + 1;
    memcpy(p, text.p, text.len);
    item->bytes = (struct str){p, text.len};
    if (str_to_uint64(json_string_at(object, "metadata", "resourceVersion"), &item->rv) < 0)
        item->rv = 0;
    return item;
}

static void index_add(struct item_table *index, struct str key, struct informer_item *item)
{
    struct item_slot *slot = item_table_find(index, key);
    if (!slot) {
        item_table_put(index, key, item);
        return;
    }
    struct informer_bucket *bucket = bucket_of(slot->value);
    if (!bucket) {
        bucket = mem_new(struct informer_bucket);
        *array_push(bucket) = slot->value;
        slot->value = (void *)((uintptr_t)bucket | 1);
    }
    *array_push(bucket) = item;
}

static void index_remove(struct item_table *index, struct str key, const struct informer_item *item)
{
    struct item_slot *slot = item_table_find(index, key);
    struct informer_bucket *bucket = slot ? bucket_of(slot->value) : NULL;
    if (slot && slot->value == item)
        item_table_delete(index, key);
    for (size_t i = 0; bucket && i < bucket->n; i++) {
        if (bucket->v[i] != item)
            continue;
        bucket->v[i] = bucket->v[--bucket->n];
        break;
    }
    if (bucket && bucket->n == 1) {
        slot->value = bucket->v[0];
        free(bucket->v);
        free(bucket);
    }
}

enum index_change { INDEX_ADD, INDEX_REMOVE };

static void update_indexes(struct items *items, struct informer_item *item, const struct json *object,
                           enum index_change change, struct arena *a)
{
    for (size_t i = 0; i < items->n_indexes; i++) {
        struct informer_index_keys keys = {.arena = a};
        items->index_fns[i](object, &keys);
        array_foreach (&keys.keys, key) {
            if (change == INDEX_ADD)
                index_add(&items->indexes[i], *key, item);
            else
                index_remove(&items->indexes[i], *key, item);
        }
        array_done(&keys.keys);
    }
}

/* Replaces BEFORE by AFTER (either may be NULL) in the map and the indexes, reports it and frees BEFORE. */
static void exchange(struct items *items, struct informer_item *before, struct informer_item *after,
                     const struct json *after_object, struct arena *a)
{
    const struct json *old = informer_item_parse(before, a);
    struct informer_change change = {
        .before = before, .after = after, .object = after ? after_object : old, .old_object = old};

    if (before) {
        update_indexes(items, before, old, INDEX_REMOVE, a);
        items->n_bytes -= before->bytes.len;
    }
    if (after) {
        item_table_put(&items->by_key, after->key, after); /* what it replaces is BEFORE */
        update_indexes(items, after, after_object, INDEX_ADD, a);
        items->n_bytes += after->bytes.len;
    } else {
        item_table_delete(&items->by_key, before->key);
    }
    items->changed(items->user, &change);
    free(before);
}

bool items_put(struct items *items, const struct json *object)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct informer_item *item = make_item(object, &a);
    if (!item)
        return false;
    struct informer_item *before = items_find(items, item->key);
    if (before && str_eq(before->bytes, item->bytes))
        free(item);
    else
        exchange(items, before, item, object, &a);
    return true;
}

bool items_remove(struct items *items, const struct json *object)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct str key = items_key_of(object, &a);
    struct informer_item *before = key.len ? items_find(items, key) : NULL;
    if (before)
        exchange(items, before, NULL, NULL, &a);
    return key.len > 0;
}

bool items_stage(struct items *items, const struct json *object)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct informer_item *item = make_item(object, &a);
    if (!item)
        return false;
    items->n_staged_bytes += item->bytes.len;
    struct informer_item *had = item_in(&items->staged, item->key);
    item_table_put(&items->staged, item->key, item);
    free(had);
    return true;
}

void items_unstage(struct items *items, const struct json *object)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct str key = items_key_of(object, &a);
    struct informer_item *had = item_in(&items->staged, key);
    if (!had)
        return;
    items->n_staged_bytes -= had->bytes.len;
    item_table_delete(&items->staged, key);
    free(had);
}

static int item_cmp(const void *a, const void *b)
{
    const struct informer_item *const *x = a, *const *y = b;
    return str_cmp((*x)->key, (*y)->key);
}

static struct informer_item **sorted(const struct item_table *m)
{
    struct informer_item **v = mem_realloc_array(NULL, m->n + 1, sizeof *v);
    size_t n = 0;
    item_table_foreach (m, e)
        v[n++] = e->value;
    qsort(v, n, sizeof *v, item_cmp);
    return v;
}

struct informer_item **items_sorted(const struct items *items, size_t *ret_n)
{
    *ret_n = items->by_key.n;
    return sorted(&items->by_key);
}

void items_commit(struct items *items)
{
    struct item_table staged = items->staged;
    items->staged = (struct item_table){.same = same_key};
    items->n_staged_bytes = 0;

    _cleanup_(mem_freep) struct informer_item **old = sorted(&items->by_key);
    size_t n_old = items->by_key.n;
    for (size_t i = 0; i < n_old; i++) {
        _cleanup_(arena_done) struct arena a = {0};
        if (!item_in(&staged, old[i]->key))
            exchange(items, old[i], NULL, NULL, &a);
    }

    _cleanup_(mem_freep) struct informer_item **new = sorted(&staged);
    size_t n_new = staged.n;
    for (size_t i = 0; i < n_new; i++) {
        _cleanup_(arena_done) struct arena a = {0};
        struct informer_item *before = items_find(items, new[i]->key);
        if (before && str_eq(before->bytes, new[i]->bytes))
            free(new[i]);
        else
            exchange(items, before, new[i], informer_item_parse(new[i], &a), &a);
    }
    item_table_done(&staged, NULL); /* its items have moved or are freed */
}
