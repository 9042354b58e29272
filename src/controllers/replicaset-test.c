#include "controllers/fixture.h"

#define SETS_PATH "/apis/apps/v1/namespaces/a/replicasets"
#define PODS_PATH "/api/v1/namespaces/a/pods"

static const struct controller_type *const TYPES[] = {&replicaset_controller};

static int setup(void **state)
{
    struct fixture *f = fixture_new();
    fake_api_post(f->api, SETS_PATH,
                  "{'metadata':{'name':'web'},'spec':{'replicas':3,'selector':{'matchLabels':{'app':'web'}},'"
                  "template':{"
                  "'metadata':{'labels':{'app':'web'},'annotations':{'n':'m'}},'spec':{'containers':[{'name':"
                  "'c'}]}}}}");
    fixture_start(f, TYPES, 1);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static void set_ready(struct fixture *f, size_t i)
{
    const struct json *pod = json_at(fake_api_list(f->api, PODS_PATH, &f->arena), i);
    struct str path =
        arena_format(&f->arena, PODS_PATH "/%.*s/status", STR_ARG(json_string_at(pod, "metadata", "name")));
    char now[WALLTIME_MAX_LEN];
    fake_api_patch(f->api, path.p,
                   arena_format(&f->arena,
                                "{'status':{'phase':'Running','conditions':[{'type':'Ready','status':'True',"
                                "'lastTransitionTime':'%s'}]}}",
                                walltime_format(loop_wall_now(f->loop), now))
                       .p);
}

static void test_pods_are_made_from_the_template(void **state)
{
    struct fixture *f = *state;
    fixture_expect_writes(f, "POST " PODS_PATH "\nPOST " PODS_PATH "\nPOST " PODS_PATH "\nPUT " SETS_PATH
                             "/web/status\nPUT " SETS_PATH "/web/status");
    const struct json *pod = json_at(fake_api_list(f->api, PODS_PATH, &f->arena), 0);
    assert_true(str_has_prefix(json_string_at(pod, "metadata", "name"), STR("web-")));
    assert_str(fixture_at(f, pod, "spec"), "{\"containers\":[{\"name\":\"c\"}]}");
    assert_str(fixture_at(f, pod, "metadata.annotations"), "{\"n\":\"m\"}");
    assert_str(fixture_at(f, pod, "metadata.ownerReferences.0.name"), "\"web\"");
    assert_str(fixture_at(f, fixture_get(f, SETS_PATH "/web"), "status"),
               "{\"replicas\":3,\"observedGeneration\":1,\"fullyLabeledReplicas\":3}");
    _cleanup_(mem_freep) char *events = fixture_events(f, "a");
    assert_non_null(strstr(events, "SuccessfulCreate: Created pod: web-"));
    set_ready(f, 0);
    fixture_expect_writes(f, "PUT " SETS_PATH "/web/status");
    assert_str(fixture_at(f, fixture_get(f, SETS_PATH "/web"), "status.readyReplicas"), "1");
    fixture_run(f, 600000);
    fixture_expect_writes(f, "");
}

static void test_a_slow_watch_does_not_make_pods_twice(void **state)
{
    struct fixture *f = *state;
    fixture_forget_writes(f);
    fake_api_hold_watches(f->api, true);
    fake_api_delete(
        f->api, arena_format(&f->arena, PODS_PATH "/%.*s",
                             STR_ARG(json_string_at(json_at(fake_api_list(f->api, PODS_PATH, &f->arena), 0),
                                                    "metadata", "name")))
                    .p);
    fake_api_patch(f->api, SETS_PATH "/web", "{'spec':{'replicas':5}}");
    fake_api_hold_watches(f->api, false);
    loop_step(f->loop, 0);
    fake_api_hold_watches(f->api, true);
    fixture_run(f, 10000);
    assert_in_range(fixture_count(f, PODS_PATH), 2, 5);
    fake_api_hold_watches(f->api, false);
    fixture_run(f, 10000);
    assert_int_equal(fixture_count(f, PODS_PATH), 5);
}

static void test_the_least_useful_pods_go_first(void **state)
{
    struct fixture *f = *state;
    fixture_forget_writes(f);
    set_ready(f, 1);
    fixture_run(f, 5000);
    struct str keep =
        json_string_at(json_at(fake_api_list(f->api, PODS_PATH, &f->arena), 1), "metadata", "name");
    fake_api_patch(f->api, SETS_PATH "/web", "{'spec':{'replicas':1}}");
    fixture_run(f, 5000);
    assert_str(json_string_at(fixture_only(f, PODS_PATH), "metadata", "name"),
               arena_format(&f->arena, "%.*s", STR_ARG(keep)).p);
    _cleanup_(mem_freep) char *events = fixture_events(f, "a");
    assert_non_null(strstr(events, "SuccessfulDelete: Deleted pod: web-"));
}

static void test_orphans_are_adopted_and_strangers_released(void **state)
{
    struct fixture *f = *state;
    fixture_forget_writes(f);
    const struct json *pod = json_at(fake_api_list(f->api, PODS_PATH, &f->arena), 0);
    struct str path =
        arena_format(&f->arena, PODS_PATH "/%.*s", STR_ARG(json_string_at(pod, "metadata", "name")));
    fake_api_patch(f->api, path.p, "{'metadata':{'labels':{'app':'debug'}}}");
    fixture_run(f, 5000);
    assert_int_equal(fixture_count(f, PODS_PATH), 4);
    assert_str(fixture_at(f, fixture_get(f, path.p), "metadata.ownerReferences"), "[]");
    fake_api_patch(f->api, path.p, "{'metadata':{'labels':{'app':'web'}}}");
    fixture_run(f, 5000);
    assert_int_equal(fixture_count(f, PODS_PATH), 3); /* adopted, and then one too many */
    json_foreach (fake_api_list(f->api, PODS_PATH, &f->arena), p)
        assert_str(fixture_at(f, p, "metadata.ownerReferences.0.name"), "\"web\"");
}

static void test_a_refusal_stops_the_batch_and_is_reported(void **state)
{
    struct fixture *f = *state;
    fixture_forget_writes(f);
    f->faults = 1000;
    f->fault_status = 403;
    f->fault_part = "/pods";
    fake_api_patch(f->api, SETS_PATH "/web", "{'spec':{'replicas':40}}");
    fixture_run(f, 1000);
    assert_in_range(f->faults, 1000 - 14, 999); /* a try per sync, not thirty-seven */
    assert_int_equal(fixture_count(f, PODS_PATH), 3);
    assert_str(fixture_at(f, fixture_get(f, SETS_PATH "/web"), "status.conditions.0.reason"),
               "\"FailedCreate\"");
    f->faults = 0;
    fixture_run(f, 60000);
    assert_int_equal(fixture_count(f, PODS_PATH), 40);
    _cleanup_(mem_freep) char *events = fixture_events(f, "a");
    assert_non_null(strstr(events, "FailedCreate: Error creating: "));
    fixture_run(f, 1000000);
    assert_str(fixture_at(f, fixture_get(f, SETS_PATH "/web"), "status.conditions"), "");
}

static void test_min_ready_seconds_delays_availability(void **state)
{
    struct fixture *f = *state;
    fake_api_patch(f->api, SETS_PATH "/web", "{'spec':{'replicas':1,'minReadySeconds':30}}");
    fixture_run(f, 5000);
    set_ready(f, 0);
    fixture_run(f, 20000);
    assert_str(fixture_at(f, fixture_get(f, SETS_PATH "/web"), "status.readyReplicas"), "1");
    assert_str(fixture_at(f, fixture_get(f, SETS_PATH "/web"), "status.availableReplicas"), "");
    fixture_run(f, 12000);
    assert_str(fixture_at(f, fixture_get(f, SETS_PATH "/web"), "status.availableReplicas"), "1");
}

static void test_converges_under_conflicts(void **state)
{
    struct fixture *f = *state;
    f->faults = 10;
    f->fault_status = 409;
    f->fault_part = "/";
    fixture_run(f, 100000);
    assert_int_equal(fixture_count(f, PODS_PATH), 3);
    assert_str(fixture_at(f, fixture_get(f, SETS_PATH "/web"), "status.replicas"), "3");
    fixture_forget_writes(f);
    fixture_run(f, 1000000);
    fixture_expect_writes(f, "");
}

/* Upstream's replica_set.go: every creation will fail, so there is nothing to do and nothing to report. */
static void test_a_namespace_that_ends_is_no_failure(void **state)
{
    struct fixture *f = *state;
    fixture_run(f, 1000);
    fake_api_post(f->api, "/api/v1/namespaces",
                  "{'metadata':{'name':'a'},'spec':{'finalizers':['kubernetes']}}");
    fake_api_delete(f->api, "/api/v1/namespaces/a");
    fixture_forget_writes(f);
    fake_api_patch(f->api, SETS_PATH "/web", "{'spec':{'replicas':40}}");
    fixture_run(f, 1000);
    assert_int_equal(fixture_count(f, PODS_PATH), 3);
    assert_str(fixture_at(f, fixture_get(f, SETS_PATH "/web"), "status.conditions"), "");
    _cleanup_(mem_freep) char *events = fixture_events(f, "a");
    assert_null(strstr(events, "FailedCreate"));
    fixture_forget_writes(f);
    fixture_run(f, 3600000);
    fixture_expect_writes(f, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
RUN_TESTS(T(test_pods_are_made_from_the_template), T(test_a_slow_watch_does_not_make_pods_twice),
          T(test_the_least_useful_pods_go_first), T(test_orphans_are_adopted_and_strangers_released),
          T(test_a_refusal_stops_the_batch_and_is_reported), T(test_min_ready_seconds_delays_availability),
          T(test_a_namespace_that_ends_is_no_failure), T(test_converges_under_conflicts))
