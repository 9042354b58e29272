#include "controllers/fixture.h"

#define NAMESPACES_PATH "/api/v1/namespaces"
#define PODS_PATH       "/api/v1/namespaces/a/pods"

static const struct controller_type *const TYPES[] = {&namespace_controller};

static int setup(void **state)
{
    struct fixture *f = fixture_new();
    fake_api_post(f->api, NAMESPACES_PATH, "{'metadata':{'name':'a'},'spec':{'finalizers':['kubernetes']}}");
    fake_api_post(f->api, NAMESPACES_PATH, "{'metadata':{'name':'b'},'spec':{'finalizers':['kubernetes']}}");
    fake_api_post(f->api, PODS_PATH, "{'metadata':{'name':'p1'}}");
    fake_api_post(f->api, "/api/v1/namespaces/a/events", "{'metadata':{'name':'e'}}");
    fake_api_post(f->api, "/apis/apps/v1/namespaces/a/deployments", "{'metadata':{'name':'d'}}");
    fake_api_post(f->api, "/api/v1/namespaces/b/pods", "{'metadata':{'name':'other'}}");
    fixture_start(f, TYPES, 1);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static void test_content_goes_and_then_the_namespace(void **state)
{
    struct fixture *f = *state;
    fixture_expect_writes(f, "");
    fake_api_delete(f->api, NAMESPACES_PATH "/a");
    fixture_run(f, 2000);
    assert_null(fake_api_get(f->api, NAMESPACES_PATH "/a", &f->arena));
    assert_int_equal(fixture_count(f, PODS_PATH), 0);
    assert_int_equal(fixture_count(f, "/api/v1/namespaces/a/events"), 0);
    assert_int_equal(fixture_count(f, "/apis/apps/v1/namespaces/a/deployments"), 0);
    assert_int_equal(fixture_count(f, "/api/v1/namespaces/b/pods"), 1);
    fixture_get(f, NAMESPACES_PATH "/b");
}

static void test_what_is_held_is_reported_and_waited_for(void **state)
{
    struct fixture *f = *state;
    fake_api_patch(f->api, PODS_PATH "/p1", "{'metadata':{'finalizers':['x']}}");
    fake_api_delete(f->api, NAMESPACES_PATH "/a");
    fixture_run(f, 10000);
    struct json *ns = fixture_get(f, NAMESPACES_PATH "/a");
    const struct json *conditions = json_path(ns, "status", "conditions", NULL);
    assert_str(json_string_at(value_condition(conditions, STR("NamespaceContentRemaining")), "message"),
               "Some resources are remaining: pods. has 1 resource instances");
    assert_str(json_string_at(value_condition(conditions, STR("NamespaceFinalizersRemaining")), "reason"),
               "SomeFinalizersRemain");
    assert_str(json_string_at(value_condition(conditions, STR("NamespaceDeletionContentFailure")), "status"),
               "False");
    fake_api_patch(f->api, PODS_PATH "/p1", "{'metadata':{'finalizers':null}}");
    fixture_run(f, 2000);
    assert_null(fake_api_get(f->api, NAMESPACES_PATH "/a", &f->arena));
}

static void test_failures_are_reported_and_tried_again(void **state)
{
    struct fixture *f = *state;
    fixture_run(f, 100);
    f->faults = 4;
    f->fault_status = 500;
    f->fault_part = "deployments";
    fake_api_delete(f->api, NAMESPACES_PATH "/a");
    loop_script_advance(f->loop, 50);
    const struct json *conditions =
        json_path(fixture_get(f, NAMESPACES_PATH "/a"), "status", "conditions", NULL);
    assert_str(json_string_at(value_condition(conditions, STR("NamespaceDeletionContentFailure")), "message"),
               "Failed to delete all resource types: deployments");
    fixture_run(f, 100000);
    assert_null(fake_api_get(f->api, NAMESPACES_PATH "/a", &f->arena));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
RUN_TESTS(T(test_content_goes_and_then_the_namespace), T(test_what_is_held_is_reported_and_waited_for),
          T(test_failures_are_reported_and_tried_again))
