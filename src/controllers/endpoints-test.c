#include <stdio.h>

#include "controllers/fixture.h"

#define SERVICES_PATH  "/api/v1/namespaces/a/services"
#define PODS_PATH      "/api/v1/namespaces/a/pods"
#define ENDPOINTS_PATH "/api/v1/namespaces/a/endpoints"

static const struct controller_type *const TYPES[] = {&endpoints_controller};

static int setup(void **state)
{
    struct fixture *f = fixture_new();
    fake_api_post(f->api, SERVICES_PATH,
                  "{'metadata':{'name':'web','labels':{'team':'x'}},'spec':{'selector':{'app':'web'},'"
                  "clusterIP':'10.0.0.1',"
                  "'ipFamilies':['IPv4'],'ports':[{'name':'http','port':80,'targetPort':'www'},{'name':'s','"
                  "port':443}]}}");
    fixture_start(f, TYPES, 1);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static void add_pod(struct fixture *f, const char *name, const char *ip, int www, const char *ready)
{
    fake_api_post(
        f->api, PODS_PATH,
        arena_format(&f->arena,
                     "{'metadata':{'name':'%s','uid':'u-%s','labels':{'app':'web'}},'spec':{'nodeName':'n1',"
                     "'containers':[{'ports':[{'name':'www','containerPort':%d}]}]},'status':{'podIP':'%s',"
                     "'conditions':[{'type':'Ready','status':'%s'}]}}",
                     name, name, www, ip, ready)
            .p);
}

static void test_ports_with_the_same_addresses_share_a_subset(void **state)
{
    struct fixture *f = *state;
    fixture_expect_writes(f, "POST " ENDPOINTS_PATH);
    add_pod(f, "p1", "10.1.0.1", 8080, "True");
    add_pod(f, "p2", "10.1.0.2", 8080, "False");
    fixture_expect_writes(f, "PUT " ENDPOINTS_PATH "/web");
    struct json *e = fixture_only(f, ENDPOINTS_PATH);
    assert_str(fixture_at(f, e, "subsets.0.addresses.0"),
               "{\"ip\":\"10.1.0.1\",\"nodeName\":\"n1\",\"targetRef\":{\"kind\":\"Pod\",\"namespace\":\"a\","
               "\"name\":\"p1\",\"uid\":\"u-p1\"}}");
    assert_str(fixture_at(f, e, "subsets.0.notReadyAddresses.0.ip"), "\"10.1.0.2\"");
    assert_str(fixture_at(f, e, "subsets.0.ports"), "[{\"name\":\"http\",\"port\":8080,\"protocol\":\"TCP\"},"
                                                    "{\"name\":\"s\",\"port\":443,\"protocol\":\"TCP\"}]");
    assert_int_equal(json_getz(e, "subsets")->n, 1);
    assert_str(fixture_at(f, e, "metadata.labels"),
               "{\"team\":\"x\",\"endpoints.kubernetes.io/managed-by\":\"endpoint-controller\"}");
    add_pod(f, "p3", "10.1.0.3", 9090, "True");
    fixture_expect_writes(f, "PUT " ENDPOINTS_PATH "/web");
    assert_int_equal(json_getz(fixture_only(f, ENDPOINTS_PATH), "subsets")->n, 3);
    fixture_run(f, 600000);
    fixture_expect_writes(f, "");
}

static void test_terminating_pods_leave_and_services_take_their_endpoints_along(void **state)
{
    struct fixture *f = *state;
    add_pod(f, "p1", "10.1.0.1", 8080, "True");
    fixture_forget_writes(f);
    fake_api_patch(f->api, PODS_PATH "/p1", "{'metadata':{'finalizers':['x']}}");
    fake_api_delete(f->api, PODS_PATH "/p1");
    fixture_expect_writes(f, "PUT " ENDPOINTS_PATH "/web");
    assert_str(fixture_at(f, fixture_only(f, ENDPOINTS_PATH), "subsets"), "[]");
    fake_api_delete(f->api, SERVICES_PATH "/web");
    fixture_expect_writes(f, "DELETE " ENDPOINTS_PATH "/web");
}

static void test_endpoints_written_by_people_stay(void **state)
{
    struct fixture *f = *state;
    fixture_forget_writes(f);
    fake_api_post(f->api, ENDPOINTS_PATH,
                  "{'metadata':{'name':'early'},'subsets':[{'addresses':[{'ip':'1.2.3.4'}]}]}");
    fixture_expect_writes(f, "");
    fake_api_post(f->api, SERVICES_PATH, "{'metadata':{'name':'early'},'spec':{'ports':[{'port':80}]}}");
    fixture_expect_writes(f, "");
}

static void test_more_than_a_thousand_addresses_are_cut(void **state)
{
    struct fixture *f = *state;
    char name[16], ip[16];
    for (int i = 0; i < 1010; i++) {
        (void)snprintf(name, sizeof name, "p%04d", i);
        (void)snprintf(ip, sizeof ip, "10.1.%d.%d", i / 250, i % 250 + 1);
        add_pod(f, name, ip, 8080, i % 2 ? "True" : "False");
    }
    fixture_forget_writes(f);
    struct json *e = fixture_only(f, ENDPOINTS_PATH);
    assert_int_equal(json_getz(json_at(json_getz(e, "subsets"), 0), "addresses")->n, 505);
    assert_int_equal(json_getz(json_at(json_getz(e, "subsets"), 0), "notReadyAddresses")->n, 495);
    assert_str(value_annotation(e, "endpoints.kubernetes.io/over-capacity"), "truncated");
    fixture_run(f, 10000);
    fixture_expect_writes(f, "");
}

static void test_converges_under_conflicts(void **state)
{
    struct fixture *f = *state;
    fixture_forget_writes(f);
    f->faults = 4;
    f->fault_status = 409;
    f->fault_part = "endpoints";
    add_pod(f, "p1", "10.1.0.1", 8080, "True");
    fixture_run(f, 60000);
    assert_str(fixture_at(f, fixture_only(f, ENDPOINTS_PATH), "subsets.0.addresses.0.ip"), "\"10.1.0.1\"");
    fixture_forget_writes(f);
    fixture_run(f, 600000);
    fixture_expect_writes(f, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
RUN_TESTS(T(test_ports_with_the_same_addresses_share_a_subset),
          T(test_terminating_pods_leave_and_services_take_their_endpoints_along),
          T(test_endpoints_written_by_people_stay), T(test_more_than_a_thousand_addresses_are_cut),
          T(test_converges_under_conflicts))
