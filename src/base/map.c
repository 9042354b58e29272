#include "base/map.h"

#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* One seed for the process: keys come from clients, who must not be able to choose collisions. It is the
 * only mutable static here, written once before use. */
static uint64_t map_seed;
static bool map_seed_known;

void map_set_seed(uint64_t seed)
{
    map_seed = seed;
    map_seed_known = true;
}

uint64_t map_hash(struct str key)
{
    if (!map_seed_known) {
        uint64_t seed;
        if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
            seed = (uint64_t)(uintptr_t)&map_seed; /* address layout is random too */
        map_set_seed(seed);
    }
    return XXH3_64bits_withSeed(key.p ? key.p : "", key.len, map_seed);
}

static struct map_entry *map_slot(const struct map *m, struct str key, uint64_t hash)
{
    size_t mask = m->n_slots - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct map_entry *e = &m->slots[i];
        if (!e->key.p || (e->hash == hash && str_eq(e->key, key)))
            return e;
    }
}

static const struct map_entry *map_lookup(const struct map *m, struct str key)
{
    if (!m->n)
        return NULL;
    const struct map_entry *e = map_slot(m, key, map_hash(key));
    return e->key.p ? e : NULL;
}

void *map_find(const struct map *m, struct str key)
{
    const struct map_entry *e = map_lookup(m, key);
    return e ? e->value : NULL;
}

bool map_has(const struct map *m, struct str key)
{
    return map_lookup(m, key) != NULL;
}

static void map_resize(struct map *m, size_t n_slots)
{
    struct map_entry *old = m->slots;
    size_t n_old = m->n_slots;
    m->slots = mem_zalloc(n_slots * sizeof *m->slots);
    m->n_slots = n_slots;
    for (size_t i = 0; i < n_old; i++)
        if (old[i].key.p)
            *map_slot(m, old[i].key, old[i].hash) = old[i];
    free(old);
}

void *map_put(struct map *m, struct str key, void *value)
{
    if ((m->n + 1) * 4 > m->n_slots * 3)
        map_resize(m, m->n_slots ? m->n_slots * 2 : 8);
    uint64_t hash = map_hash(key);
    struct map_entry *e = map_slot(m, key, hash);
    if (e->key.p) {
        void *old = e->value;
        e->value = value;
        return old;
    }
    *e = (struct map_entry){{mem_dup(key.p, key.len), key.len}, hash, value};
    m->n++;
    return NULL;
}

void *map_delete(struct map *m, struct str key)
{
    struct map_entry *e = (struct map_entry *)map_lookup(m, key);
    if (!e)
        return NULL;
    void *value = e->value;
    free((char *)e->key.p);
    m->n--;
    /* Close the gap, so that no marks of deleted entries are needed. */
    size_t mask = m->n_slots - 1, gap = e - m->slots;
    for (size_t i = (gap + 1) & mask; m->slots[i].key.p; i = (i + 1) & mask) {
        size_t home = m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            m->slots[gap] = m->slots[i];
            gap = i;
        }
    }
    m->slots[gap] = (struct map_entry){0};
    return value;
}

void map_done(struct map *m, void (*free_value)(void *value))
{
    map_foreach (m, e) {
        free((char *)e->key.p);
        if (free_value)
            free_value(e->value);
    }
    free(m->slots);
    *m = (struct map){0};
}
