#include "controllers/fixture.h"

#define CONFIGS_PATH "/api/v1/namespaces/a/configmaps"
#define SETS_PATH    "/apis/apps/v1/namespaces/a/replicasets"
#define PODS_PATH    "/api/v1/namespaces/a/pods"

static const struct controller_type *const TYPES[] = {&garbage_controller};

static int setup(void **state)
{
    struct fixture *f = fixture_new();
    fake_api_post(f->api, SETS_PATH, "{'metadata':{'name':'set','uid':'set-1'}}");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static void add_pod(struct fixture *f, const char *name, const char *owner_name, const char *owner_uid,
                    const char *more)
{
    fake_api_post(
        f->api, PODS_PATH,
        arena_format(
            &f->arena,
            "{'metadata':{'name':'%s','uid':'u-%s','ownerReferences':[{'apiVersion':'apps/v1','kind':"
            "'ReplicaSet','name':'%s','uid':'%s','controller':true%s}]}}",
            name, name, owner_name, owner_uid, more)
            .p);
}

static void test_dependents_follow_their_owner(void **state)
{
    struct fixture *f = *state;
    add_pod(f, "p1", "set", "set-1", "");
    fixture_start(f, TYPES, 1);
    add_pod(f, "p2", "set", "set-1", "");
    fake_api_post(f->api, PODS_PATH, "{'metadata':{'name':'free'}}");
    fake_api_post(f->api, CONFIGS_PATH,
                  "{'metadata':{'name':'c','ownerReferences':[{'apiVersion':'v1','kind':'Pod','name':"
                  "'p1','uid':'u-p1'}]},'data':{'k':'v'}}");
    fixture_expect_writes(f, "");
    fake_api_delete(f->api, SETS_PATH "/set");
    fixture_expect_writes(f, "DELETE " PODS_PATH "/p1\nDELETE " PODS_PATH "/p2\nDELETE " CONFIGS_PATH "/c");
    assert_str(json_string_at(fixture_only(f, PODS_PATH), "metadata", "name"), "free");
}

static void test_orphans_from_before_the_start_are_found(void **state)
{
    struct fixture *f = *state;
    add_pod(f, "gone", "set", "set-0", ""); /* a set of that name, but another one */
    add_pod(f, "lost", "nowhere", "x", "");
    add_pod(f, "kept", "set", "set-1", "");
    fixture_start(f, TYPES, 1);
    fixture_expect_writes(f, "DELETE " PODS_PATH "/gone\nDELETE " PODS_PATH "/lost");
}

static void test_an_owner_that_the_caches_miss_is_asked_for(void **state)
{
    struct fixture *f = *state;
    fixture_start(f, TYPES, 1);
    fixture_run(f, 1000);
    fake_api_hold_watches(f->api, true);
    fake_api_post(f->api, SETS_PATH, "{'metadata':{'name':'new','uid':'new-1'}}");
    add_pod(f, "p1", "new", "new-1", "");
    fake_api_inject(
        f->api,
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"namespace\":\"a\",\"name\":\"p1\",\"uid\":\"u-p1\","
        "\"resourceVersion\":\"90\",\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":"
        "\"ReplicaSet\",\"name\":\"new\",\"uid\":\"new-1\"}]}}}\n");
    fixture_run(f, 1000);
    assert_true(fake_api_requests(f->api, "GET " SETS_PATH "/new") > 0);
    assert_int_equal(fixture_count(f, PODS_PATH), 1);
}

static void test_an_unreachable_api_deletes_nothing(void **state)
{
    struct fixture *f = *state;
    add_pod(f, "odd", "x", "y", "");
    fake_api_patch(f->api, PODS_PATH "/odd",
                   "{'metadata':{'ownerReferences':[{'apiVersion':'example.com/v1','kind':'Thing',"
                   "'name':'t','uid':'t'}]}}");
    fixture_start(f, TYPES, 1);
    fixture_run(f, 60000);
    assert_int_equal(fixture_count(f, PODS_PATH), 1);
}

static void test_one_owner_left_is_enough(void **state)
{
    struct fixture *f = *state;
    add_pod(f, "p1", "set", "set-1",
            "},{'apiVersion':'apps/v1','kind':'ReplicaSet','name':'no','uid':'no-1'");
    fixture_start(f, TYPES, 1);
    fixture_expect_writes(f, "PATCH " PODS_PATH "/p1");
    assert_str(fixture_at(f, fixture_get(f, PODS_PATH "/p1"), "metadata.ownerReferences.0.uid"), "\"set-1\"");
    assert_str(fixture_at(f, fixture_get(f, PODS_PATH "/p1"), "metadata.ownerReferences.1"), "");
}

static void test_foreground_deletion_ends_with_the_owner(void **state)
{
    struct fixture *f = *state;
    add_pod(f, "p1", "set", "set-1", ",'blockOwnerDeletion':true");
    add_pod(f, "p2", "set", "set-1", "");
    fake_api_patch(f->api, PODS_PATH "/p1", "{'metadata':{'finalizers':['slow']}}");
    fixture_start(f, TYPES, 1);
    fixture_run(f, 1000);
    fake_api_patch(f->api, SETS_PATH "/set", "{'metadata':{'finalizers':['foregroundDeletion']}}");
    fake_api_delete(f->api, SETS_PATH "/set");
    fixture_run(f, 5000);
    assert_str(json_string_at(fixture_only(f, PODS_PATH), "metadata", "name"), "p1");
    assert_int_equal(fixture_count(f, SETS_PATH), 1); /* p1 blocks it */
    fake_api_patch(f->api, PODS_PATH "/p1", "{'metadata':{'finalizers':null}}");
    fixture_run(f, 5000);
    assert_int_equal(fixture_count(f, PODS_PATH), 0);
    assert_int_equal(fixture_count(f, SETS_PATH), 0);
}

static void test_orphaned_dependents_stay_without_the_owner(void **state)
{
    struct fixture *f = *state;
    add_pod(f, "p1", "set", "set-1", "");
    add_pod(f, "p2", "set", "set-1", "");
    fixture_start(f, TYPES, 1);
    fixture_run(f, 1000);
    fake_api_patch(f->api, SETS_PATH "/set", "{'metadata':{'finalizers':['orphan']}}");
    f->faults = 2;
    f->fault_status = 409;
    f->fault_part = "pods";
    fake_api_delete(f->api, SETS_PATH "/set");
    fixture_run(f, 60000);
    assert_int_equal(fixture_count(f, SETS_PATH), 0);
    assert_int_equal(fixture_count(f, PODS_PATH), 2);
    assert_str(fixture_at(f, fixture_get(f, PODS_PATH "/p1"), "metadata.ownerReferences"), "[]");
    fixture_forget_writes(f);
    fixture_run(f, 600000);
    fixture_expect_writes(f, "");
}

static void test_converges_under_failures(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 20; i++)
        add_pod(f, arena_format(&f->arena, "p%d", i).p, "set", "set-1", "");
    fixture_start(f, TYPES, 1);
    fixture_run(f, 1000);
    f->faults = 30;
    f->fault_status = 500;
    f->fault_part = "pods";
    fake_api_delete(f->api, SETS_PATH "/set");
    fixture_run(f, 600000);
    assert_int_equal(fixture_count(f, PODS_PATH), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
RUN_TESTS(T(test_dependents_follow_their_owner), T(test_orphans_from_before_the_start_are_found),
          T(test_an_owner_that_the_caches_miss_is_asked_for), T(test_an_unreachable_api_deletes_nothing),
          T(test_one_owner_left_is_enough), T(test_foreground_deletion_ends_with_the_owner),
          T(test_orphaned_dependents_stay_without_the_owner), T(test_converges_under_failures))
