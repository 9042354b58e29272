#include "watch/item-table.h"

#include "base/map.h"

static struct item_slot *slot_of(const struct item_table *t, uint64_t hash, struct str key)
{
    size_t mask = t->n_slots - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct item_slot *s = &t->slots[i];
        if (!s->value || (s->hash == hash && (!t->same || t->same(s->value, key))))
            return s;
    }
}

struct item_slot *item_table_find(const struct item_table *t, struct str key)
{
    if (!t->n)
        return NULL;
    struct item_slot *s = slot_of(t, map_hash(key), key);
    return s->value ? s : NULL;
}

static void resize(struct item_table *t, size_t n_slots)
{
    struct item_slot *old = t->slots;
    size_t n_old = t->n_slots, mask = n_slots - 1;
    t->slots = mem_zalloc(n_slots * sizeof *t->slots);
    t->n_slots = n_slots;
    for (size_t k = 0; k < n_old; k++) {
        size_t i = old[k].hash & mask;
        if (!old[k].value)
            continue;
        while (t->slots[i].value)
            i = (i + 1) & mask;
        t->slots[i] = old[k];
    }
    free(old);
}

void item_table_put(struct item_table *t, struct str key, void *value)
{
    uint64_t hash = map_hash(key);
    if ((t->n + 1) * 5 > t->n_slots * 4)
        resize(t, t->n_slots ? t->n_slots * 2 : 8);
    struct item_slot *s = slot_of(t, hash, key);
    t->n += !s->value;
    *s = (struct item_slot){hash, value};
}

/* Closes the gap behind a removed slot, so that every key is still found from its first place on. */
static void close_gap(struct item_table *t, size_t gap)
{
    size_t mask = t->n_slots - 1;
    for (size_t i = (gap + 1) & mask; t->slots[i].value; i = (i + 1) & mask) {
        size_t home = t->slots[i].hash & mask;
        if (((i - home) & mask) < ((i - gap) & mask))
            continue;
        t->slots[gap] = t->slots[i];
        gap = i;
    }
    t->slots[gap] = (struct item_slot){0};
}

void item_table_delete(struct item_table *t, struct str key)
{
    struct item_slot *s = item_table_find(t, key);
    if (!s)
        return;
    close_gap(t, (size_t)(s - t->slots));
    t->n--;
}

void item_table_done(struct item_table *t, void (*free_value)(void *value))
{
    item_table_foreach (t, s) {
        if (free_value)
            free_value(s->value);
    }
    free(t->slots);
    t->slots = NULL;
    t->n = t->n_slots = 0;
}
