/* The proxy against a double of the API server and the fake datapath, on a scripted clock. */
#include "proxy/proxy.h"

#include <errno.h>

#include "base/test.h"
#include "datapath/fake/fake.h"
#include "watch/fake-api.h"

struct rig {
    struct loop *loop;
    struct random random;
    struct fake_api *api;
    struct client *client;
    struct proxy *proxy;
    int first_syncs;
};

static void on_first_sync(void *user)
{
    ((struct rig *)user)->first_syncs++;
}

static void rig_start(struct rig *r)
{
    struct proxy_config config = {
        .loop = r->loop,
        .random = &r->random,
        .client = r->client,
        .mode = "fake",
        .datapath = {.loop = r->loop, .families = {true, true}},
        .decide = {.node_name = "n1"},
        .sync_period_ms = 30000,
        .first_sync = on_first_sync,
        .user = r,
    };
    struct err err = {0};
    r->proxy = proxy_new(&config, &err);
    assert_non_null(r->proxy);
    proxy_start(r->proxy);
}

static int setup(void **state)
{
    struct rig *r = mem_new(struct rig);
    r->loop = loop_new_scripted((struct monotime){0}, (struct walltime){0});
    random_seed(&r->random, 1);
    r->api = fake_api_new(r->loop);
    r->client = client_new(&(struct client_config){.loop = r->loop, .transport = fake_api_transport(r->api)});
    fake_api_post(
        r->api, "/api/v1/nodes",
        "{'metadata':{'name':'n1'},'status':{'addresses':[{'type':'InternalIP','address':'192.0.2.1'}]}}");
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    proxy_free(r->proxy);
    client_free(r->client);
    fake_api_free(r->api);
    loop_free(r->loop);
    free(r);
    return 0;
}

static void post_service(struct rig *r, const char *name, const char *ip)
{
    _cleanup_(arena_done) struct arena a = {0};
    fake_api_post(
        r->api, "/api/v1/namespaces/default/services",
        arena_format(
            &a,
            "{'metadata':{'name':'%s','namespace':'default'},'spec':{'type':'ClusterIP','clusterIP':'%s',"
            "'clusterIPs':['%s'],'ipFamilies':['IPv4'],'ports':[{'name':'http','port':80,'protocol':'TCP'}]}"
            "}",
            name, ip, ip)
            .p);
}

static void post_slice(struct rig *r, const char *name, const char *address)
{
    _cleanup_(arena_done) struct arena a = {0};
    fake_api_post(
        r->api, "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
        arena_format(
            &a,
            "{'metadata':{'name':'%s-1','namespace':'default','labels':{'kubernetes.io/service-name':'%s'}},"
            "'addressType':'IPv4','ports':[{'name':'http','port':8080,'protocol':'TCP'}],"
            "'endpoints':[{'addresses':['%s'],'conditions':{'ready':true}}]}",
            name, name, address)
            .p);
}

static void assert_kernel(struct rig *r, const char *want)
{
    _cleanup_(strbuf_done) struct strbuf out = {0};
    forwarding_state_print(fake_kernel(fake_of(proxy_datapath(r->proxy))), &out);
    if (str_find(strbuf_str(&out), str_of(want)) < 0)
        fail_msg("the kernel has\n%s\nand not: %s", strbuf_cstr(&out), want);
}

static void test_change_is_applied_at_once(void **state)
{
    struct rig *r = *state;
    post_service(r, "web", "10.96.0.10");
    post_slice(r, "web", "10.244.0.5");
    rig_start(r);
    loop_script_advance(r->loop, 100);
    assert_int_equal(r->first_syncs, 1);
    assert_kernel(r, "10.96.0.10");
    assert_kernel(r, "10.244.0.5:8080");

    fake_api_put(
        r->api, "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/web-1",
        "{'metadata':{'name':'web-1','namespace':'default','labels':{'kubernetes.io/"
        "service-name':'web'}},'addressType':'IPv4',"
        "'ports':[{'name':'http','port':8080,'protocol':'TCP'}],'endpoints':[{'addresses':['10.244.0.6']}]}");
    loop_script_advance(r->loop, 10);
    assert_kernel(r, "10.244.0.6:8080");
    assert_true(proxy_is_settled(r->proxy));
}

static void test_failed_apply_keeps_rules_and_is_tried_again(void **state)
{
    struct rig *r = *state;
    post_service(r, "web", "10.96.0.10");
    post_slice(r, "web", "10.244.0.5");
    rig_start(r);
    loop_script_advance(r->loop, 100);
    fake_fail_next(fake_of(proxy_datapath(r->proxy)), 6, -EIO);
    post_service(r, "api", "10.96.0.11");
    loop_script_advance(r->loop, 100);
    assert_kernel(r, "10.96.0.10");
    assert_false(proxy_is_settled(r->proxy));
    assert_true(proxy_health(r->proxy).healthy);
    loop_script_advance(r->loop, 40000);
    assert_kernel(r, "10.96.0.11");
    assert_true(proxy_is_settled(r->proxy));
}

static void test_unhealthy_when_a_change_waits_too_long(void **state)
{
    struct rig *r = *state;
    rig_start(r);
    loop_script_advance(r->loop, 100);
    fake_fail_next(fake_of(proxy_datapath(r->proxy)), 1000, -EIO);
    post_service(r, "web", "10.96.0.10");
    loop_script_advance(r->loop, 61000);
    assert_false(proxy_health(r->proxy).healthy);
    fake_fail_next(fake_of(proxy_datapath(r->proxy)), 0, 0);
    loop_script_advance(r->loop, 61000);
    assert_true(proxy_health(r->proxy).healthy);
}

static void test_lost_rules_are_repaired(void **state)
{
    struct rig *r = *state;
    post_service(r, "web", "10.96.0.10");
    rig_start(r);
    loop_script_advance(r->loop, 100);
    fake_lose(fake_of(proxy_datapath(r->proxy)));
    loop_script_advance(r->loop, 31000);
    assert_kernel(r, "10.96.0.10");
}

/* The API server being away changes nothing. */
static int refuse_all(void *user, struct str method, struct str target)
{
    return -ECONNREFUSED;
}

static void test_api_loss_changes_nothing(void **state)
{
    struct rig *r = *state;
    post_service(r, "web", "10.96.0.10");
    rig_start(r);
    loop_script_advance(r->loop, 100);
    fake_api_set_fault(r->api, refuse_all, NULL);
    fake_api_cut_watches(r->api, ECONNRESET);
    loop_script_advance(r->loop, 120000);
    assert_kernel(r, "10.96.0.10");
    assert_true(proxy_health(r->proxy).healthy);
    fake_api_set_fault(r->api, NULL, NULL);
    post_service(r, "api", "10.96.0.11");
    loop_script_advance(r->loop, 60000);
    assert_kernel(r, "10.96.0.11");
}

/* CVE-2021-25737: what got past the API's validation is not programmed either. */
static void test_hostile_endpoint_is_not_programmed(void **state)
{
    struct rig *r = *state;
    post_service(r, "web", "10.96.0.10");
    post_slice(r, "web", "127.0.0.1");
    rig_start(r);
    loop_script_advance(r->loop, 100);
    _cleanup_(strbuf_done) struct strbuf out = {0};
    forwarding_state_print(fake_kernel(fake_of(proxy_datapath(r->proxy))), &out);
    assert_true(str_find(strbuf_str(&out), STR("127.0.0.1")) < 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
RUN_TESTS(CASE(test_change_is_applied_at_once), CASE(test_failed_apply_keeps_rules_and_is_tried_again),
          CASE(test_unhealthy_when_a_change_waits_too_long), CASE(test_lost_rules_are_repaired),
          CASE(test_api_loss_changes_nothing), CASE(test_hostile_endpoint_is_not_programmed))
