#include "watch/item-table.h"

#include <stdio.h>

#include "base/map.h"
#include "base/random.h"
#include "base/test.h"

struct thing {
    char key[16];
    bool there;
};

static bool same(const void *value, struct str key)
{
    return str_eqz(key, ((const struct thing *)value)->key);
}

/* Random puts and deletes against a plain array; a table of 200 slots wraps and closes gaps all the time. */
static void test_it_holds_what_was_put(void **state)
{
    static struct thing things[160];
    struct item_table t = {.same = same};
    struct random random;
    size_t n = 0;

    random_seed(&random, 4);
    map_set_seed(9);
    for (size_t i = 0; i < ARRAY_LEN(things); i++)
        (void)snprintf(things[i].key, sizeof things[i].key, "key-%zu", i);
    for (int step = 0; step < 20000; step++) {
        struct thing *x = &things[random_below(&random, ARRAY_LEN(things))];
        if (x->there)
            item_table_delete(&t, str_of(x->key));
        else
            item_table_put(&t, str_of(x->key), x);
        x->there = !x->there;
        n += x->there ? 1 : (size_t)-1;
        assert_int_equal(t.n, n);
        struct thing *other = &things[random_below(&random, ARRAY_LEN(things))];
        struct item_slot *slot = item_table_find(&t, str_of(other->key));
        assert_ptr_equal(slot ? slot->value : NULL, other->there ? other : NULL);
    }
    for (size_t i = 0; i < ARRAY_LEN(things); i++)
        assert_int_equal(item_table_find(&t, str_of(things[i].key)) != NULL, things[i].there);
    size_t seen = 0;
    item_table_foreach (&t, slot)
        seen += ((struct thing *)slot->value)->there;
    assert_int_equal(seen, n);
    item_table_done(&t, NULL);
}

static void test_a_put_replaces(void **state)
{
    struct item_table t = {0};
    int a, b;
    assert_null(item_table_find(&t, STR("k")));
    item_table_delete(&t, STR("k"));
    item_table_put(&t, STR("k"), &a);
    item_table_put(&t, STR("k"), &b);
    assert_int_equal(t.n, 1);
    assert_ptr_equal(item_table_find(&t, STR("k"))->value, &b);
    item_table_done(&t, NULL);
}

RUN_TESTS(cmocka_unit_test(test_it_holds_what_was_put), cmocka_unit_test(test_a_put_replaces))
