#include "base/map.h"

#include <stdio.h>

#include "base/random.h"
#include "base/test.h"

/* A random history against an array as the model. */
static void test_history_matches_model(void **state)
{
    enum { KEYS = 500 };
    static int values[KEYS];
    void *model[KEYS] = {0};
    struct map m = {0};
    struct random r;
    random_seed(&r, 1);
    for (int i = 0; i < 50000; i++) {
        int k = (int)random_below(&r, KEYS);
        char name[16];
        struct str key = {name, (size_t)snprintf(name, sizeof name, "k%d", k)};
        if (random_below(&r, 2)) {
            assert_ptr_equal(map_put(&m, key, &values[k]), model[k]);
            model[k] = &values[k];
        } else {
            assert_ptr_equal(map_delete(&m, key), model[k]);
            model[k] = NULL;
        }
        int other = (int)random_below(&r, KEYS);
        key.len = (size_t)snprintf(name, sizeof name, "k%d", other);
        assert_ptr_equal(map_find(&m, key), model[other]);
    }
    size_t n = 0, n_model = 0;
    map_foreach (&m, e)
        n++;
    for (int k = 0; k < KEYS; k++)
        n_model += model[k] != NULL;
    assert_int_equal(n, n_model);
    assert_int_equal(m.n, n_model);
    map_done(&m, NULL);
}

RUN_TESTS(cmocka_unit_test(test_history_matches_model))
