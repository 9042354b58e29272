/* All controllers under seeded faults: refused and broken requests, cut, held and expired watches, pods that
 * come and go. When the faults end, everything must become what it should be, and then stay still. */
#include <stdio.h>

#include "controllers/fixture.h"
#include "controllers/pods.h"
#include "controllers/rollout.h"
#include "controllers/slice-plan.h"

#define N_SEEDS          12
#define N_STEPS          150
#define N_SERVICES       3
#define SERVICES_PATH    "/api/v1/namespaces/a/services"
#define PODS_PATH        "/api/v1/namespaces/a/pods"
#define DEPLOYMENTS_PATH "/apis/apps/v1/namespaces/a/deployments"
#define SETS_PATH        "/apis/apps/v1/namespaces/a/replicasets"
#define SLICES_PATH      "/apis/discovery.k8s.io/v1/namespaces/a/endpointslices"

static const struct controller_type *const TYPES[] = {
    &endpointslice_controller, &endpoints_controller, &replicaset_controller,
    &deployment_controller,    &garbage_controller,
};

struct chaos {
    struct fixture *f;
    struct random random;
    uint64_t fault_percent;
    int next_ip;
};

static int fault(void *user, struct str method, struct str target)
{
    static const int outcomes[] = {409, 500, 500, 503, -104, -110, 410, 429};
    struct chaos *c = user;
    if (random_below(&c->random, 100) >= c->fault_percent)
        return 0;
    int outcome = outcomes[random_below(&c->random, ARRAY_LEN(outcomes))];
    bool read = str_eq(method, STR("GET"));
    return (outcome == 409 && read) || (outcome == 410 && !read) ? 500 : outcome;
}

static struct str path_of(struct chaos *c, const char *collection, const struct json *object,
                          const char *more)
{
    return arena_format(&c->f->arena, "%s/%.*s%s", collection,
                        STR_ARG(json_string_at(object, "metadata", "name")), more);
}

static struct json *any(struct chaos *c, const char *collection)
{
    struct json *all = fake_api_list(c->f->api, collection, &c->f->arena);
    return all->n ? json_at(all, random_below(&c->random, all->n)) : NULL;
}

/* Plays the kubelet and the network for one pod. */
static void make_ready(struct chaos *c, const struct json *pod)
{
    int n = c->next_ip++;
    char now[WALLTIME_MAX_LEN];
    if (!pod || pod_is_ready(pod))
        return;
    struct str status = arena_format(
        &c->f->arena,
        "{'status':{'phase':'Running','podIP':'10.1.%d.%d','conditions':[{'type':'Ready','status':"
        "'True','lastTransitionTime':'%s'}]}}",
        n / 250, n % 250 + 1, walltime_format(loop_wall_now(c->f->loop), now));
    fake_api_patch(c->f->api, path_of(c, PODS_PATH, pod, "/status").p, status.p);
}

static void change_deployment(struct chaos *c, const struct json *deployment)
{
    int n = (int)random_below(&c->random, 8), image = (int)random_below(&c->random, 3);
    const char *patch =
        random_below(&c->random, 2)
            ? arena_format(&c->f->arena, "{'spec':{'replicas':%d}}", n).p
            : arena_format(&c->f->arena,
                           "{'spec':{'template':{'spec':{'containers':[{'name':'c','image':'v%d'}]}}}}",
                           image)
                  .p;
    fake_api_patch(c->f->api, path_of(c, DEPLOYMENTS_PATH, deployment, "").p, patch);
}

static void step(struct chaos *c)
{
    struct fake_api *api = c->f->api;
    struct json *pod = any(c, PODS_PATH), *slice = any(c, SLICES_PATH);
    switch (random_below(&c->random, 14)) {
    case 0:
        fake_api_cut_watches(api, random_below(&c->random, 2) ? -104 : 0);
        break;
    case 1:
        fake_api_compact(api);
        break;
    case 2:
        fake_api_hold_watches(api, random_below(&c->random, 3) == 0);
        break;
    case 3:
        if (pod)
            fake_api_delete(api, path_of(c, PODS_PATH, pod, "").p);
        break;
    case 4:
        change_deployment(c, any(c, DEPLOYMENTS_PATH));
        break;
    case 5:
        if (slice)
            fake_api_delete(api, path_of(c, SLICES_PATH, slice, "").p);
        break;
    case 6: /* killed and started again, in the middle of whatever it was doing */
        controllers_free(c->f->controllers);
        fixture_start(c->f, TYPES, ARRAY_LEN(TYPES));
        break;
    default:
        make_ready(c, pod);
    }
    fixture_run(c->f, (int64_t)random_below(&c->random, 2000));
}

static void make_objects(struct chaos *c)
{
    for (int i = 0; i < N_SERVICES; i++) {
        fake_api_post(
            c->f->api, SERVICES_PATH,
            arena_format(&c->f->arena,
                         "{'metadata':{'name':'s%d'},'spec':{'selector':{'app':'d%d'},'ipFamilies':['IPv4'],"
                         "'ports':[{'port':80}]}}",
                         i, i)
                .p);
        fake_api_post(
            c->f->api, DEPLOYMENTS_PATH,
            arena_format(&c->f->arena,
                         "{'metadata':{'name':'d%d'},'spec':{'replicas':3,'selector':{'matchLabels':{'app':"
                         "'d%d'}},'template':{'metadata':{'labels':{'app':'d%d'}},'spec':{'containers':[{"
                         "'name':'c','image':'v0'}]}}}}",
                         i, i, i)
                .p);
    }
}

/* Every ready pod is in exactly one slice of its service, and nothing else is. */
static void check_service(struct chaos *c, int i)
{
    struct fixture *f = c->f;
    struct map in_slices = {0};
    struct str name = arena_format(&f->arena, "s%d", i), app = arena_format(&f->arena, "d%d", i);
    size_t n_pods = 0;
    json_foreach (fake_api_list(f->api, SLICES_PATH, &f->arena), slice) {
        if (!str_eq(value_label(slice, SLICE_LABEL_SERVICE), name))
            continue;
        json_foreach (json_getz(slice, "endpoints"), e) {
            struct str pod = json_string_at(e, "targetRef", "name");
            assert_null(map_put(&in_slices, pod, slice));
        }
    }
    json_foreach (fake_api_list(f->api, PODS_PATH, &f->arena), pod) {
        if (!str_eq(value_label(pod, "app"), app))
            continue;
        n_pods++;
        assert_non_null(map_delete(&in_slices, json_string_at(pod, "metadata", "name")));
    }
    assert_int_equal(in_slices.n, 0);
    map_done(&in_slices, NULL);
    struct json *deployment =
        fixture_get(f, arena_format(&f->arena, DEPLOYMENTS_PATH "/%.*s", STR_ARG(app)).p);
    int64_t replicas = json_int_at(deployment, 1, "spec", "replicas");
    if (n_pods != (size_t)replicas || json_int_at(deployment, 0, "status", "availableReplicas") != replicas) {
        struct strbuf o = {0};
        json_write_pretty(deployment, 1, &o);
        json_write_pretty(fake_api_list(f->api, SETS_PATH, &f->arena), 1, &o);
        fprintf(stderr, "%s\n", o.p);
    }
    assert_int_equal(n_pods, replicas);
    assert_int_equal(json_int_at(deployment, 0, "status", "availableReplicas"), replicas);
    assert_int_equal(json_int_at(deployment, 0, "status", "updatedReplicas"), replicas);
}

static void settle(struct chaos *c)
{
    c->fault_percent = 0;
    fake_api_hold_watches(c->f->api, false);
    for (int i = 0; i < 60; i++) {
        fixture_run(c->f, 30000); /* back-offs have grown */
        json_foreach (fake_api_list(c->f->api, PODS_PATH, &c->f->arena), pod)
            make_ready(c, pod);
    }
    fixture_forget_writes(c->f);
    fixture_run(c->f, 1000000);
    fixture_expect_writes(c->f, "");
}

static void run_seed(uint64_t seed)
{
    struct chaos c = {.f = fixture_new(), .fault_percent = 15};
    random_seed(&c.random, seed);
    map_set_seed(seed);
    make_objects(&c);
    fake_api_set_fault(c.f->api, fault, &c);
    fixture_start(c.f, TYPES, ARRAY_LEN(TYPES));
    for (int i = 0; i < N_STEPS; i++)
        step(&c);
    settle(&c);
    for (int i = 0; i < N_SERVICES; i++)
        check_service(&c, i);
    json_foreach (fake_api_list(c.f->api, DEPLOYMENTS_PATH, &c.f->arena), deployment)
        fake_api_delete(c.f->api, path_of(&c, DEPLOYMENTS_PATH, deployment, "").p);
    fixture_run(c.f, 300000); /* three watches in a row may just be between two tries */
    assert_int_equal(fixture_count(c.f, SETS_PATH), 0);
    assert_int_equal(fixture_count(c.f, PODS_PATH), 0);
    fixture_free(c.f);
}

static void test_faults_delay_but_do_not_change_the_outcome(void **state)
{
    for (uint64_t seed = 1; seed <= N_SEEDS; seed++) {
        (void)printf("# seed %u\n", (unsigned)seed);
        run_seed(seed);
    }
}

RUN_TESTS(cmocka_unit_test(test_faults_delay_but_do_not_change_the_outcome))
