/* Random histories: what decide says after many small changes equals what it says to the outcome at once. */
#include <stdio.h>

#include "service/random-world-test.h"

static void check_equal(const struct forwarding_state *a, const struct forwarding_state *b, uint64_t seed,
                        int step)
{
    _cleanup_(strbuf_done) struct strbuf x = {0}, y = {0};
    forwarding_state_print(a, &x);
    forwarding_state_print(b, &y);
    if (!str_eq(strbuf_str(&x), strbuf_str(&y)))
        fail_msg("seed %lu step %d:\n%s-- from scratch --\n%s", (unsigned long)seed, step, strbuf_cstr(&x),
                 strbuf_cstr(&y));
    if (!forwarding_state_equal(a, b))
        fail_msg("seed %lu step %d: equal in print only\n%s", (unsigned long)seed, step, strbuf_cstr(&x));
}

static void check_sorted(const struct forwarding_state *s)
{
    for (size_t i = 1; i < s->n_ports; i++)
        assert_true(service_port_cmp(s->ports[i - 1], s->ports[i]) < 0);
}

/* The walk over a difference must lead from one state to the other. */
static void check_difference(const struct forwarding_state *from, const struct forwarding_state *to)
{
    struct forwarding_diff d = forwarding_diff_start(from, to);
    const struct service_port *was, *is;
    size_t n = from->n_ports;
    while (forwarding_diff_next(&d, &was, &is)) {
        assert_true(was || is);
        assert_false(was && is && service_port_equal(was, is));
        n += (is != NULL) - (was != NULL);
    }
    assert_int_equal(n, to->n_ports);
}

static void run_history(const struct decide_config *config, uint64_t seed)
{
    struct random r;
    struct random_world w = {0};
    struct decide *d = decide_new(config);
    struct forwarding_state *last = decide_run(d, NULL);
    random_seed(&r, seed);
    for (int step = 0; step < 60; step++) {
        random_world_step(&w, &r, d);
        if (chance(&r, 50))
            continue;
        struct forwarding_state *now = decide_run(d, NULL);
        struct forwarding_state *fresh = random_world_from_scratch(&w, config);
        check_equal(now, fresh, seed, step);
        check_sorted(now);
        check_difference(last, now);
        forwarding_state_unref(fresh);
        forwarding_state_unref(last);
        last = now;
    }
    forwarding_state_unref(last);
    decide_free(d);
    random_world_done(&w);
}

static void test_histories(void **state)
{
    (void)state;
    struct decide_config configs[] = {
        {.node_name = "n1", .cluster_cidrs = {{{IP_V4, {10, 244}}, 16}}, .n_cluster_cidrs = 1},
        {.node_name = "n1", .detect_local = DETECT_LOCAL_NODE_CIDR, .masquerade_all = true},
        {.node_name = "n1", .node_ports_primary = true, .refuse_external_ips = true},
    };
    for (uint64_t seed = 1; seed <= 60; seed++)
        run_history(&configs[seed % ARRAY_LEN(configs)], seed);
}

RUN_TESTS(cmocka_unit_test(test_histories))
