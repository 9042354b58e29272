/* Item table: pointers by the hash of their key, sixteen bytes each: what informers of ten thousand objects
 * need.
 *
 * The key is not stored: with a SAME function it is found in the value; without one the 64-bit hash stands
 * for it, and whoever looks something up must be able to live with a stranger once in 2^64. Order of
 * iteration is by slot. A zeroed struct is empty.
 */
#pragma once

#include "base/str.h"

struct item_slot {
    uint64_t hash;
    void *value; /* NULL: empty */
};

typedef bool item_same_fn(const void *value, struct str key);

struct item_table {
    struct item_slot *slots;
    size_t n, n_slots; /* n_slots is 0 or a power of two */
    item_same_fn *same;
};

/* The slot of KEY, or NULL. It moves with the next put or delete. */
struct item_slot *item_table_find(const struct item_table *t, struct str key);
/* Puts VALUE (not NULL) under KEY, replacing what is there. */
void item_table_put(struct item_table *t, struct str key, void *value);
void item_table_delete(struct item_table *t, struct str key);
/* Frees the table; FREE_VALUE, unless NULL, is called on each value. */
void item_table_done(struct item_table *t, void (*free_value)(void *value));

#define item_table_foreach(t, it)                                                                            \
    for (struct item_slot *it = (t)->slots, *it##_end = it + (t)->n_slots; it < it##_end; it++)              \
        if (it->value)
