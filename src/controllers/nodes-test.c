#include "controllers/fixture.h"

#include <stdio.h>

#define NODES_PATH "/api/v1/nodes"

static const struct controller_type *const TYPES[] = {&nodes_controller};

static int setup(void **state)
{
    *state = fixture_new();
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static void add_range(struct fixture *f, const char *text)
{
    assert_int_equal(ip_prefix_parse(str_of(text), &f->pod_ranges[f->n_pod_ranges++]), 0);
}

static void add_node(struct fixture *f, const char *name, const char *spec)
{
    char body[300];
    snprintf(body, sizeof body, "{'metadata':{'name':'%s'},'spec':%s}", name, spec);
    fake_api_post(f->api, NODES_PATH, body);
}

static void expect(struct fixture *f, const char *name, const char *ranges)
{
    char path[100];
    snprintf(path, sizeof path, NODES_PATH "/%s", name);
    assert_str(fixture_at(f, fixture_get(f, path), "spec.podCIDRs"), ranges);
}

static void test_each_node_gets_the_next_free_range(void **state)
{
    struct fixture *f = *state;
    add_range(f, "10.244.0.0/16");
    add_node(f, "a", "{'podCIDR':'10.244.1.0/24','podCIDRs':['10.244.1.0/24']}");
    add_node(f, "b", "{}");
    add_node(f, "c", "{}");
    fixture_start(f, TYPES, 1);
    fixture_run(f, 1000);
    expect(f, "b", "[\"10.244.0.0/24\"]");
    expect(f, "c", "[\"10.244.2.0/24\"]");
    assert_str(fixture_at(f, fixture_get(f, NODES_PATH "/c"), "spec.podCIDR"), "\"10.244.2.0/24\"");
    expect(f, "a", "[\"10.244.1.0/24\"]");
    fixture_forget_writes(f);
    add_node(f, "Aa", "{}"); /* sorts before all */
    fixture_run(f, 1000);
    expect(f, "Aa", "[\"10.244.3.0/24\"]");
    fixture_expect_writes(f, "PATCH " NODES_PATH "/Aa");
}

static void test_both_families(void **state)
{
    struct fixture *f = *state;
    add_range(f, "10.244.0.0/16");
    add_range(f, "fd00:10:244::/56");
    for (int i = 0; i < 3; i++)
        add_node(f, (const char *[]){"a", "b", "c"}[i], "{}");
    fixture_start(f, TYPES, 1);
    fixture_run(f, 1000);
    expect(f, "a", "[\"10.244.0.0/24\",\"fd00:10:244::/64\"]");
    expect(f, "c", "[\"10.244.2.0/24\",\"fd00:10:244:2::/64\"]");
}

static void test_a_wider_range_of_a_node_is_respected(void **state)
{
    struct fixture *f = *state;
    add_range(f, "10.244.0.0/16");
    add_node(f, "a", "{'podCIDR':'10.244.0.0/22'}");
    add_node(f, "b", "{}");
    fixture_start(f, TYPES, 1);
    fixture_run(f, 1000);
    expect(f, "b", "[\"10.244.4.0/24\"]");
}

static void test_what_a_node_leaves_serves_another(void **state)
{
    struct fixture *f = *state;
    add_range(f, "10.244.6.0/23");
    for (int i = 0; i < 3; i++)
        add_node(f, (const char *[]){"a", "b", "c"}[i], "{}");
    fixture_start(f, TYPES, 1);
    fixture_run(f, 1000);
    expect(f, "a", "[\"10.244.6.0/24\"]");
    expect(f, "b", "[\"10.244.7.0/24\"]");
    expect(f, "c", "");
    _cleanup_(mem_freep) char *events = fixture_events(f, "default");
    assert_string_equal(events, "CIDRNotAvailable: Node c status is now: CIDRNotAvailable\n");
    fake_api_delete(f->api, NODES_PATH "/a");
    fixture_run(f, 1000);
    expect(f, "c", "[\"10.244.6.0/24\"]");
}

static void test_a_change_in_between_is_tried_again(void **state)
{
    struct fixture *f = *state;
    add_range(f, "10.244.0.0/16");
    add_node(f, "a", "{}");
    f->faults = 2;
    f->fault_status = 409;
    f->fault_part = "nodes/a";
    fixture_start(f, TYPES, 1);
    fixture_run(f, 5000);
    assert_int_equal(f->faults, 0);
    expect(f, "a", "[\"10.244.0.0/24\"]");
}

static void test_without_a_range_nodes_stay_as_they_are(void **state)
{
    struct fixture *f = *state;
    add_node(f, "a", "{}");
    fixture_start(f, TYPES, 1);
    fixture_run(f, 1000);
    fixture_expect_writes(f, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
RUN_TESTS(T(test_each_node_gets_the_next_free_range), T(test_both_families),
          T(test_a_wider_range_of_a_node_is_respected), T(test_what_a_node_leaves_serves_another),
          T(test_a_change_in_between_is_tried_again), T(test_without_a_range_nodes_stay_as_they_are))
