#include "apiserver/node-ports.h"

#include "base/test.h"

static void test_dynamic_choice_leaves_the_band_for_last(void **state)
{
    struct random random;
    random_seed(&random, 7);
    struct node_ports *p = node_ports_new(30000, 30063); /* 64 ports: a band of 16 */
    for (int i = 0; i < 64; i++) {
        int port = 0;
        assert_int_equal(node_ports_pick(p, &random, &port), 0);
        assert_int_equal(port >= 30016, i < 48);
    }
    int port;
    assert_int_equal(node_ports_pick(p, &random, &port), NODE_PORT_RANGE_FULL);
    assert_int_equal(node_ports_n_taken(p), 64);
    node_ports_free(p);
}

static void test_held_and_reserved_are_counted_apart(void **state)
{
    struct node_ports *p = node_ports_new(30000, 32767);
    assert_int_equal(node_ports_reserve(p, 29999), NODE_PORT_OUT_OF_RANGE);
    assert_int_equal(node_ports_reserve(p, 30001), 0);
    assert_int_equal(node_ports_reserve(p, 30001), NODE_PORT_TAKEN);
    node_ports_hold(p, 30001); /* the change was committed: stored, then no longer reserved */
    node_ports_unreserve(p, 30001);
    assert_int_equal(node_ports_reserve(p, 30001), NODE_PORT_TAKEN);
    node_ports_hold(p, 30001); /* two Services with one number, from a foreign writer */
    node_ports_release(p, 30001);
    assert_int_equal(node_ports_reserve(p, 30001), NODE_PORT_TAKEN);
    node_ports_release(p, 30001);
    node_ports_release(p, 30001);
    node_ports_hold(p, 80);
    assert_int_equal(node_ports_n_taken(p), 0);
    node_ports_free(p);
}

RUN_TESTS(cmocka_unit_test(test_dynamic_choice_leaves_the_band_for_last),
          cmocka_unit_test(test_held_and_reserved_are_counted_apart))
