#include "node/registration.h"

#include "base/test.h"
#include "watch/fake-api.h"

struct rig {
    struct loop *loop;
    struct random random;
    struct fake_api *api;
    struct client *client;
    struct registration *registration;
    int registered;
};

static void on_registered(void *user)
{
    ((struct rig *)user)->registered++;
}

static int setup(void **state)
{
    struct rig *r = mem_new(struct rig);
    r->loop = loop_new_scripted((struct monotime){0}, (struct walltime){1795507200 * TIME_S_NS});
    random_seed(&r->random, 1);
    r->api = fake_api_new(r->loop);
    r->client = client_new(&(struct client_config){.loop = r->loop, .transport = fake_api_transport(r->api)});
    struct registration_config config = {
        .loop = r->loop,
        .random = &r->random,
        .client = r->client,
        .node_name = "n1",
        .host_name = "n1",
        .facts = {.architecture = "amd64", .memory_bytes = 1 << 30, .n_cpus = 2},
        .version = "v1.36.2",
        .registered = on_registered,
        .user = r,
    };
    assert_int_equal(ip_parse(STR("192.0.2.1"), &config.ips[0]), 0);
    r->registration = registration_new(&config);
    registration_start(r->registration);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    registration_free(r->registration);
    client_free(r->client);
    fake_api_free(r->api);
    loop_free(r->loop);
    free(r);
    return 0;
}

static void test_node_and_lease_appear(void **state)
{
    struct rig *r = *state;
    _cleanup_(arena_done) struct arena a = {0};
    loop_script_advance(r->loop, 100);
    struct json *node = fake_api_get(r->api, "/api/v1/nodes/n1", &a);
    assert_str(json_string_at(json_at(json_path(node, "status", "addresses", NULL), 0), "address"),
               "192.0.2.1");
    assert_str(json_string_at(node, "metadata", "labels", "kubernetes.io/os"), "linux");
    struct json *lease =
        fake_api_get(r->api, "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1", &a);
    assert_str(json_string_at(lease, "spec", "holderIdentity"), "n1");
    assert_int_equal(r->registered, 1);
}

static void test_deleted_node_comes_back(void **state)
{
    struct rig *r = *state;
    _cleanup_(arena_done) struct arena a = {0};
    loop_script_advance(r->loop, 100);
    fake_api_delete(r->api, "/api/v1/nodes/n1");
    loop_script_advance(r->loop, 310000);
    assert_non_null(fake_api_get(r->api, "/api/v1/nodes/n1", &a));
    assert_int_equal(r->registered, 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
RUN_TESTS(CASE(test_node_and_lease_appear), CASE(test_deleted_node_comes_back))
