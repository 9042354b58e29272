/* Map from byte strings to pointers: open addressing, xxhash with a per-process seed.
 *
 * Keys are copied and owned by the map; values are the caller's. A zeroed struct is an empty map. Order of
 * iteration is by slot and means nothing: whatever must be deterministic (plans, simulation) sorts
 * them first. Put and delete inside map_foreach are not allowed.
 *
 *     struct map by_name = {0};
 *     map_put(&by_name, STR("a"), thing);
 *     struct thing *t = map_find(&by_name, key);
 *     map_done(&by_name, NULL);
 */
#pragma once

#include "base/str.h"

struct map_entry {
    struct str key; /* p is NULL in an empty slot */
    uint64_t hash;
    void *value;
};

struct map {
    struct map_entry *slots;
    size_t n, n_slots; /* n_slots is 0 or a power of two */
};

/* The value under KEY, or NULL. */
void *map_find(const struct map *m, struct str key);
bool map_has(const struct map *m, struct str key);

/* Puts VALUE (not NULL) under KEY and returns the value it replaces, or NULL. */
void *map_put(struct map *m, struct str key, void *value);

/* Removes KEY and returns its value, or NULL. */
void *map_delete(struct map *m, struct str key);

/* Frees the map; FREE_VALUE, unless NULL, is called on each value. */
void map_done(struct map *m, void (*free_value)(void *value));

#define map_foreach(m, it)                                                                                   \
    for (struct map_entry *it = (m)->slots, *it##_end = it ? it + (m)->n_slots : it; it < it##_end; it++)    \
        if (it->key.p)

/* The hash of KEY under the process's seed, for tables of another shape. */
uint64_t map_hash(struct str key);

/* Sets the seed of all maps of the process; the simulation calls it first so that runs repeat. */
void map_set_seed(uint64_t seed);
