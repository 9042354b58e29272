#include "controllers/fixture.h"
#include "controllers/pods.h"
#include "controllers/rollout.h"

#define DEPLOYMENTS_PATH "/apis/apps/v1/namespaces/a/deployments"
#define SETS_PATH        "/apis/apps/v1/namespaces/a/replicasets"
#define PODS_PATH        "/api/v1/namespaces/a/pods"

static const struct controller_type *const TYPES[] = {&replicaset_controller, &deployment_controller};

static int setup(void **state)
{
    struct fixture *f = fixture_new();
    fake_api_post(
        f->api, DEPLOYMENTS_PATH,
        "{'metadata':{'name':'web','annotations':{'note':'n'}},'spec':{'replicas':4,'selector':{'matchLabels'"
        ":{"
        "'app':'web'}},'strategy':{'type':'RollingUpdate','rollingUpdate':{'maxSurge':1,'maxUnavailable':1}},"
        "'revisionHistoryLimit':2,'progressDeadlineSeconds':60,'template':{'metadata':{'labels':{'app':'web'}"
        "},"
        "'spec':{'containers':[{'name':'c','image':'v1'}]}}}}");
    fixture_start(f, TYPES, 2);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

/* Plays the kubelet: every pod that is not ready becomes so, except those with this image. */
static void make_ready(struct fixture *f, const char *except_image)
{
    char now[WALLTIME_MAX_LEN];
    json_foreach (fake_api_list(f->api, PODS_PATH, &f->arena), pod) {
        struct str image = json_string_at(json_at(json_path(pod, "spec", "containers", NULL), 0), "image");
        if (pod_is_ready(pod) || str_eqz(image, except_image))
            continue;
        struct str path = arena_format(&f->arena, PODS_PATH "/%.*s/status",
                                       STR_ARG(json_string_at(pod, "metadata", "name")));
        fake_api_patch(
            f->api, path.p,
            arena_format(&f->arena,
                         "{'status':{'phase':'Running','conditions':[{'type':'Ready','status':'True',"
                         "'lastTransitionTime':'%s'}]}}",
                         walltime_format(loop_wall_now(f->loop), now))
                .p);
    }
}

static size_t ready_pods(struct fixture *f)
{
    size_t n = 0;
    json_foreach (fake_api_list(f->api, PODS_PATH, &f->arena), pod)
        n += pod_is_ready(pod);
    return n;
}

/* Lets the rollout go on until it rests, holding the bounds of maxSurge and maxUnavailable all the way. */
static void settle(struct fixture *f, size_t min_ready, size_t max_pods)
{
    for (int i = 0; i < 40; i++) {
        fixture_run(f, 500);
        assert_in_range(ready_pods(f), min_ready, max_pods);
        assert_in_range(fixture_count(f, PODS_PATH), min_ready, max_pods);
        make_ready(f, "");
    }
}

static void set_image(struct fixture *f, const char *image)
{
    fake_api_patch(f->api, DEPLOYMENTS_PATH "/web",
                   arena_format(&f->arena,
                                "{'spec':{'template':{'spec':{'containers':[{'name':'c','image':'%s'}]}}}}",
                                image)
                       .p);
}

static struct json *deployment(struct fixture *f)
{
    return fixture_get(f, DEPLOYMENTS_PATH "/web");
}

static struct str condition_reason(struct fixture *f, const char *type)
{
    return json_string_at(
        value_condition(json_path(deployment(f), "status", "conditions", NULL), str_of(type)), "reason");
}

static struct json *set_with_image(struct fixture *f, const char *image)
{
    json_foreach (fake_api_list(f->api, SETS_PATH, &f->arena), set) {
        if (str_eqz(json_string_at(json_at(json_path(set, "spec", "template", "spec", "containers", NULL), 0),
                                   "image"),
                    image))
            return set;
    }
    fail_msg("no replica set with image %s", image);
    return NULL;
}

static void test_a_deployment_makes_a_set_and_becomes_available(void **state)
{
    struct fixture *f = *state;
    fixture_run(f, 2000);
    struct json *set = fixture_only(f, SETS_PATH);
    struct str hash = value_label(set, ROLLOUT_HASH_LABEL);
    assert_true(hash.len > 0);
    assert_str(json_string_at(set, "metadata", "name"), arena_format(&f->arena, "web-%.*s", STR_ARG(hash)).p);
    assert_str(fixture_at(f, set, "spec.selector.matchLabels"),
               arena_format(&f->arena, "{\"app\":\"web\",\"pod-template-hash\":\"%.*s\"}", STR_ARG(hash)).p);
    assert_str(value_annotation(set, ROLLOUT_REVISION), "1");
    assert_str(value_annotation(set, ROLLOUT_DESIRED), "4");
    assert_str(value_annotation(set, ROLLOUT_MAX_REPLICAS), "5");
    assert_str(value_annotation(set, "note"), "n");
    assert_str(value_annotation(deployment(f), ROLLOUT_REVISION), "1");
    assert_str(condition_reason(f, "Available"), "MinimumReplicasUnavailable");
    make_ready(f, "");
    fixture_run(f, 2000);
    assert_str(condition_reason(f, "Available"), "MinimumReplicasAvailable");
    assert_str(condition_reason(f, "Progressing"), "NewReplicaSetAvailable");
    static const char *const counts[] = {"replicas", "updatedReplicas", "readyReplicas", "availableReplicas"};
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        assert_int_equal(json_int_at(deployment(f), 0, "status", counts[i]), 4);
    assert_int_equal(json_int_at(deployment(f), 0, "status", "observedGeneration"), 1);
    _cleanup_(mem_freep) char *events = fixture_events(f, "a");
    assert_non_null(strstr(events, "ScalingReplicaSet: Scaled up replica set web-"));
    fixture_forget_writes(f);
    fixture_run(f, 3600000);
    fixture_expect_writes(f, "");
}

static void test_a_rolling_update_keeps_its_bounds(void **state)
{
    struct fixture *f = *state;
    fixture_run(f, 2000);
    make_ready(f, "");
    fixture_run(f, 2000);
    set_image(f, "v2");
    settle(f, 3, 5);
    assert_int_equal(rollout_set_replicas(set_with_image(f, "v1")), 0);
    assert_int_equal(rollout_set_replicas(set_with_image(f, "v2")), 4);
    assert_str(value_annotation(deployment(f), ROLLOUT_REVISION), "2");
    assert_str(condition_reason(f, "Progressing"), "NewReplicaSetAvailable");
    assert_int_equal(json_int_at(deployment(f), 0, "status", "updatedReplicas"), 4);

    set_image(f, "v1"); /* what kubectl rollout undo does */
    settle(f, 3, 5);
    assert_int_equal(fixture_count(f, SETS_PATH), 2);
    assert_str(value_annotation(set_with_image(f, "v1"), ROLLOUT_REVISION), "3");
    assert_str(value_annotation(set_with_image(f, "v1"), ROLLOUT_HISTORY), "1");
    assert_str(value_annotation(deployment(f), ROLLOUT_REVISION), "3");
}

static void test_old_sets_are_kept_up_to_the_limit(void **state)
{
    struct fixture *f = *state;
    static const char *const images[] = {"v2", "v3", "v4", "v5"};
    fixture_run(f, 2000);
    make_ready(f, "");
    for (size_t i = 0; i < ARRAY_LEN(images); i++) {
        set_image(f, images[i]);
        settle(f, 3, 5);
    }
    assert_int_equal(fixture_count(f, SETS_PATH), 3);
    assert_str(value_annotation(set_with_image(f, "v3"), ROLLOUT_REVISION), "3");
}

static void test_a_stuck_rollout_exceeds_its_deadline_and_keeps_serving(void **state)
{
    struct fixture *f = *state;
    fixture_run(f, 2000);
    make_ready(f, "");
    fixture_run(f, 2000);
    set_image(f, "bad");
    for (int i = 0; i < 100; i++) {
        fixture_run(f, 1000);
        make_ready(f, "bad");
    }
    assert_str(condition_reason(f, "Progressing"), "ProgressDeadlineExceeded");
    assert_int_equal(ready_pods(f), 3);
    assert_str(condition_reason(f, "Available"), "MinimumReplicasAvailable");
    set_image(f, "v3");
    settle(f, 3, 5);
    assert_int_equal(rollout_set_replicas(set_with_image(f, "bad")), 0);
    assert_str(condition_reason(f, "Progressing"), "NewReplicaSetAvailable");
}

static void test_scaling_changes_no_template(void **state)
{
    struct fixture *f = *state;
    fixture_run(f, 2000);
    make_ready(f, "");
    fake_api_patch(f->api, DEPLOYMENTS_PATH "/web", "{'spec':{'replicas':9}}");
    fixture_run(f, 2000);
    make_ready(f, "");
    fixture_run(f, 2000);
    assert_int_equal(rollout_set_replicas(fixture_only(f, SETS_PATH)), 9);
    assert_int_equal(json_int_at(deployment(f), 0, "status", "availableReplicas"), 9);
    fake_api_patch(f->api, DEPLOYMENTS_PATH "/web", "{'spec':{'replicas':0}}");
    fixture_run(f, 4000);
    assert_int_equal(fixture_count(f, PODS_PATH), 0);
    assert_str(condition_reason(f, "Available"), "MinimumReplicasAvailable");
}

static void test_scaling_in_the_middle_is_shared(void **state)
{
    struct fixture *f = *state;
    fake_api_patch(f->api, DEPLOYMENTS_PATH "/web",
                   "{'spec':{'replicas':10,'strategy':{'rollingUpdate':{'maxSurge':3,'maxUnavailable':2}}}}");
    fixture_run(f, 2000);
    make_ready(f, "");
    fixture_run(f, 2000);
    set_image(f, "bad");
    fixture_run(f, 5000);
    int64_t old = rollout_set_replicas(set_with_image(f, "v1")),
            new = rollout_set_replicas(set_with_image(f, "bad"));
    assert_int_equal(old, 8);
    assert_int_equal(new, 5);
    fake_api_patch(f->api, DEPLOYMENTS_PATH "/web", "{'spec':{'replicas':15}}");
    fixture_run(f, 5000);
    old = rollout_set_replicas(set_with_image(f, "v1"));
    new = rollout_set_replicas(set_with_image(f, "bad"));
    assert_int_equal(old + new, 18);
    assert_in_range(old, 10, 12);
}

static void test_recreate_ends_the_old_pods_first(void **state)
{
    struct fixture *f = *state;
    fake_api_patch(f->api, DEPLOYMENTS_PATH "/web",
                   "{'spec':{'strategy':{'type':'Recreate','rollingUpdate':null}}}");
    fixture_run(f, 2000);
    make_ready(f, "");
    json_foreach (fake_api_list(f->api, PODS_PATH, &f->arena), pod) /* they leave slowly */
        fake_api_patch(
            f->api,
            arena_format(&f->arena, PODS_PATH "/%.*s", STR_ARG(json_string_at(pod, "metadata", "name"))).p,
            "{'metadata':{'finalizers':['x']}}");
    set_image(f, "v2");
    fixture_run(f, 5000);
    assert_int_equal(fixture_count(f, SETS_PATH), 1);
    assert_int_equal(fixture_count(f, PODS_PATH), 4);
    json_foreach (fake_api_list(f->api, PODS_PATH, &f->arena), pod)
        fake_api_patch(
            f->api,
            arena_format(&f->arena, PODS_PATH "/%.*s", STR_ARG(json_string_at(pod, "metadata", "name"))).p,
            "{'metadata':{'finalizers':null}}");
    fixture_run(f, 5000);
    assert_int_equal(rollout_set_replicas(set_with_image(f, "v2")), 4);
    assert_int_equal(fixture_count(f, PODS_PATH), 4);
}

static void test_a_paused_deployment_does_not_roll(void **state)
{
    struct fixture *f = *state;
    fixture_run(f, 2000);
    make_ready(f, "");
    fake_api_patch(f->api, DEPLOYMENTS_PATH "/web", "{'spec':{'paused':true}}");
    fixture_run(f, 2000);
    assert_str(condition_reason(f, "Progressing"), "DeploymentPaused");
    set_image(f, "v2");
    fake_api_patch(f->api, DEPLOYMENTS_PATH "/web", "{'spec':{'replicas':2}}");
    fixture_run(f, 5000);
    assert_int_equal(rollout_set_replicas(fixture_only(f, SETS_PATH)), 2);
    fake_api_patch(f->api, DEPLOYMENTS_PATH "/web", "{'spec':{'paused':null}}");
    settle(f, 1, 3);
    assert_int_equal(rollout_set_replicas(set_with_image(f, "v2")), 2);
    assert_str(condition_reason(f, "Progressing"), "NewReplicaSetAvailable");
}

static void test_converges_under_conflicts(void **state)
{
    struct fixture *f = *state;
    f->faults = 30;
    f->fault_status = 409;
    f->fault_part = "/";
    fixture_run(f, 100000);
    make_ready(f, "");
    fixture_run(f, 2000);
    set_image(f, "v2");
    f->faults = 30;
    for (int i = 0; i < 200; i++) {
        fixture_run(f, 1000);
        make_ready(f, "");
    }
    assert_int_equal(rollout_set_replicas(set_with_image(f, "v2")), 4);
    assert_int_equal(json_int_at(deployment(f), 0, "status", "availableReplicas"), 4);
    fixture_forget_writes(f);
    fixture_run(f, 1000000);
    fixture_expect_writes(f, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
RUN_TESTS(T(test_a_deployment_makes_a_set_and_becomes_available), T(test_a_rolling_update_keeps_its_bounds),
          T(test_old_sets_are_kept_up_to_the_limit),
          T(test_a_stuck_rollout_exceeds_its_deadline_and_keeps_serving), T(test_scaling_changes_no_template),
          T(test_scaling_in_the_middle_is_shared), T(test_recreate_ends_the_old_pods_first),
          T(test_a_paused_deployment_does_not_roll), T(test_converges_under_conflicts))
