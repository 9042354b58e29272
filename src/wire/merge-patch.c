#include "wire/merge-patch.h"

#include "base/array.h"
#include "base/map.h"
#include "wire/json-tree.h"

#define MERGE_INDEX_FROM 16

/* Finds members of an object, through a map when it is big: a walk for each would cost n * n. */
struct merge_index {
    const struct json *object;
    struct map map;
};

static struct merge_index merge_index(const struct json *object)
{
    struct merge_index index = {.object = object};
    if (object->n < MERGE_INDEX_FROM)
        return index;
    json_foreach (object, m) {
        map_put(&index.map, m->key, m);
    }
    return index;
}

static const struct json *merge_find(struct merge_index *index, struct str key)
{
    return index->map.n ? map_find(&index->map, key) : json_get(index->object, key);
}

/* Two objects still to merge into one; OLD may be NULL. */
struct merge_pair {
    struct json *into;
    const struct json *old, *patch;
};

struct merge {
    struct arena *arena;
    ARRAY_OF(struct merge_pair) pairs;
};

/* The value that PATCH makes of OLD (NULL: absent); objects are filled later. PATCH is not null. */
static struct json *merge_value(struct merge *m, const struct json *old, const struct json *patch)
{
    if (patch->type != JSON_OBJECT)
        return json_copy_shape(m->arena, patch);
    struct json *into = json_object(m->arena);
    *array_push(&m->pairs) = (struct merge_pair){into, json_is(old, JSON_OBJECT) ? old : NULL, patch};
    return into;
}

static void merge_members(struct merge *m, struct merge_pair pair)
{
    struct json nothing = {.type = JSON_OBJECT};
    struct merge_index patch = merge_index(pair.patch), old = merge_index(pair.old ? pair.old : &nothing);
    json_foreach (old.object, member) {
        const struct json *change = merge_find(&patch, member->key);
        if (!change)
            json_add(pair.into, member->key, json_copy_shape(m->arena, member));
        else if (change->type != JSON_NULL)
            json_add(pair.into, member->key, merge_value(m, member, change));
    }
    json_foreach (pair.patch, member) {
        if (member->type != JSON_NULL && !merge_find(&old, member->key))
            json_add(pair.into, member->key, merge_value(m, NULL, member));
    }
    map_done(&patch.map, NULL);
    map_done(&old.map, NULL);
}

struct json *merge_patch_apply(struct arena *a, const struct json *doc, const struct json *patch)
{
    struct merge m = {.arena = a};
    struct json *result = merge_value(&m, doc, patch);
    while (m.pairs.n)
        merge_members(&m, m.pairs.v[--m.pairs.n]);
    array_done(&m.pairs);
    return result;
}
