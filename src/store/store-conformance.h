/* What every store body must do, as test cases that run unchanged against each: a body's test gives a maker
 * of empty stores and runs store_conformance_run(). */
#pragma once

#include "io/loop.h"
#include "store/store.h"

struct store_maker {
    /* A new empty store on LOOP. */
    struct store *(*make)(struct loop *loop, void *user);
    /* After the store was closed: removes what it left. May be NULL. */
    void (*clean)(void *user);
    struct loop *(*make_loop)(void);
    void *user;
};

/* Returns the number of failed cases. */
int store_conformance_run(const struct store_maker *maker);
