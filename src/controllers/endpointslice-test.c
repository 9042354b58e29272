#include <stdio.h>

#include "controllers/fixture.h"
#include "controllers/slice-plan.h"

#define SERVICES_PATH "/api/v1/namespaces/a/services"
#define PODS_PATH     "/api/v1/namespaces/a/pods"
#define SLICES_PATH   "/apis/discovery.k8s.io/v1/namespaces/a/endpointslices"
#define NODES_PATH    "/api/v1/nodes"

static const struct controller_type *const TYPES[] = {&endpointslice_controller};

static int setup(void **state)
{
    struct fixture *f = fixture_new();
    fake_api_post(f->api, NODES_PATH,
                  "{'metadata':{'name':'n1','labels':{'topology.kubernetes.io/zone':'z1'}}}");
    fake_api_post(f->api, NODES_PATH,
                  "{'metadata':{'name':'n2','labels':{'topology.kubernetes.io/zone':'z2'}}}");
    fake_api_post(
        f->api, SERVICES_PATH,
        "{'metadata':{'name':'web','labels':{'team':'x','endpointslice.kubernetes.io/managed-by':'me'}},"
        "'spec':{'selector':{'app':'web'},'clusterIP':'10.0.0.1','ipFamilies':['IPv4'],"
        "'ports':[{'name':'http','port':80,'targetPort':'www','protocol':'TCP'}]}}");
    fixture_start(f, TYPES, 1);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static struct str pod_json(struct fixture *f, const char *name, const char *ip, const char *ready)
{
    return arena_format(
        &f->arena,
        "{'metadata':{'name':'%s','labels':{'app':'web'}},'spec':{'nodeName':'n1','containers':[{'ports':"
        "[{'name':'www','containerPort':8080,'protocol':'TCP'}]}]},'status':{'phase':'Running','podIP':'%s',"
        "'podIPs':[{'ip':'%s'}],'conditions':[{'type':'Ready','status':'%s',"
        "'lastTransitionTime':'2020-09-13T12:30:00Z'}]}}",
        name, ip, ip, ready);
}

static void add_pod(struct fixture *f, const char *name, const char *ip)
{
    fake_api_post(f->api, PODS_PATH, pod_json(f, name, ip, "True").p);
}

static void expect_at(struct fixture *f, const struct json *object, const char *path, const char *expected)
{
    assert_str(fixture_at(f, object, path), expected);
}

static void test_a_service_without_pods_has_a_placeholder(void **state)
{
    struct fixture *f = *state;
    fixture_expect_writes(f, "POST " SLICES_PATH);
    struct json *slice = fixture_only(f, SLICES_PATH);
    expect_at(f, slice, "endpoints", "[]");
    expect_at(f, slice, "ports", "[]");
    expect_at(f, slice, "addressType", "\"IPv4\"");
    expect_at(
        f, slice, "metadata.labels",
        "{\"team\":\"x\",\"endpointslice.kubernetes.io/managed-by\":\"endpointslice-controller.k8s.io\","
        "\"kubernetes.io/service-name\":\"web\"}");
    expect_at(f, slice, "metadata.ownerReferences.0.kind", "\"Service\"");
    expect_at(f, slice, "metadata.ownerReferences.0.controller", "true");
    fixture_run(f, 600000);
    fixture_expect_writes(f, "");
}

static void test_pods_become_endpoints_in_the_same_slice(void **state)
{
    struct fixture *f = *state;
    fixture_forget_writes(f);
    struct str name = json_string_at(fixture_only(f, SLICES_PATH), "metadata", "name");
    add_pod(f, "p1", "10.1.0.1");
    fixture_expect_writes(f, arena_format(&f->arena, "PUT " SLICES_PATH "/%.*s", STR_ARG(name)).p);
    struct json *slice = fixture_only(f, SLICES_PATH);
    expect_at(f, slice, "ports", "[{\"name\":\"http\",\"protocol\":\"TCP\",\"port\":8080}]");
    expect_at(f, slice, "endpoints.0.addresses", "[\"10.1.0.1\"]");
    expect_at(f, slice, "endpoints.0.conditions", "{\"ready\":true,\"serving\":true,\"terminating\":false}");
    expect_at(f, slice, "endpoints.0.nodeName", "\"n1\"");
    expect_at(f, slice, "endpoints.0.zone", "\"z1\"");
    expect_at(f, slice, "endpoints.0.targetRef.name", "\"p1\"");
    assert_str(value_annotation(slice, SLICE_TRIGGER_TIME), "2020-09-13T12:30:00Z");

    fake_api_patch(f->api, PODS_PATH "/p1", "{'metadata':{'finalizers':['x']}}");
    fixture_expect_writes(f, ""); /* nothing that endpoints show */
    fake_api_delete(f->api, PODS_PATH "/p1");
    fixture_forget_writes(f);
    expect_at(f, fixture_only(f, SLICES_PATH), "endpoints.0.conditions",
              "{\"ready\":false,\"serving\":true,\"terminating\":true}");
    fake_api_patch(f->api, PODS_PATH "/p1", "{'metadata':{'finalizers':null}}");
    fixture_forget_writes(f);
    expect_at(f, fixture_only(f, SLICES_PATH), "endpoints", "[]");
    expect_at(f, fixture_only(f, SLICES_PATH), "metadata.name",
              arena_format(&f->arena, "\"%.*s\"", STR_ARG(name)).p);
}

static void test_pods_that_do_not_count_are_left_out(void **state)
{
    struct fixture *f = *state;
    add_pod(f, "noip", "");
    fake_api_post(f->api, PODS_PATH,
                  "{'metadata':{'name':'done','labels':{'app':'web'}},'status':{'phase':'Succeeded','podIP':'"
                  "10.1.0.9'}}");
    fake_api_post(f->api, PODS_PATH,
                  "{'metadata':{'name':'other','labels':{'app':'db'}},'status':{'podIP':'10.1.0.8'}}");
    fake_api_post(f->api, PODS_PATH,
                  "{'metadata':{'name':'v6','labels':{'app':'web'}},'status':{'podIPs':[{'ip':'fd00::1'}]}}");
    fake_api_post(f->api, PODS_PATH,
                  "{'metadata':{'name':'lost','labels':{'app':'web'}},'spec':{'nodeName':'gone'},"
                  "'status':{'podIP':'10.1.0.7'}}");
    fixture_forget_writes(f);
    expect_at(f, fixture_only(f, SLICES_PATH), "endpoints", "[]");
    fake_api_post(f->api, NODES_PATH, "{'metadata':{'name':'gone'}}");
    fixture_forget_writes(f);
    expect_at(f, fixture_only(f, SLICES_PATH), "endpoints.0.addresses", "[\"10.1.0.7\"]");
}

static void test_different_port_numbers_make_different_slices(void **state)
{
    struct fixture *f = *state;
    add_pod(f, "p1", "10.1.0.1");
    fake_api_post(
        f->api, PODS_PATH,
        "{'metadata':{'name':'p2','labels':{'app':'web'}},'spec':{'containers':[],'initContainers':["
        "{'restartPolicy':'Always','ports':[{'name':'www','containerPort':9090}]}]},"
        "'status':{'podIP':'10.1.0.2'}}");
    fake_api_post(f->api, PODS_PATH,
                  "{'metadata':{'name':'p3','labels':{'app':'web'}},'status':{'podIP':'10.1.0.3'}}");
    fixture_forget_writes(f);
    struct json *all = fake_api_list(f->api, SLICES_PATH, &f->arena);
    assert_int_equal(all->n, 3); /* 8080, 9090, and no port at all */
    uint64_t seen = 0;
    json_foreach (all, slice)
        seen += (uint64_t)json_int_at(json_at(json_getz(slice, "ports"), 0), 1, "port");
    assert_int_equal(seen, 8080 + 9090 + 1);
}

static void test_slices_are_filled_to_a_hundred(void **state)
{
    struct fixture *f = *state;
    char name[16], ip[16];
    for (int i = 0; i < 250; i++) {
        (void)snprintf(name, sizeof name, "p%03d", i);
        (void)snprintf(ip, sizeof ip, "10.1.1.%d", i);
        add_pod(f, name, ip);
    }
    fixture_forget_writes(f);
    assert_int_equal(fixture_count(f, SLICES_PATH), 3);
    add_pod(f, "x", "10.1.2.1");
    fixture_run(f, 1000);
    _cleanup_(mem_freep) char *writes = fake_api_take_writes(f->api);
    assert_non_null(strstr(writes, "PUT"));
    assert_null(strstr(writes, "POST"));
    assert_int_equal(fixture_count(f, SLICES_PATH), 3);
    size_t n = 0;
    json_foreach (fake_api_list(f->api, SLICES_PATH, &f->arena), slice)
        n += json_getz(slice, "endpoints")->n;
    assert_int_equal(n, 251);
}

static void test_writes_converge_under_conflicts(void **state)
{
    struct fixture *f = *state;
    fixture_forget_writes(f);
    f->faults = 5;
    f->fault_status = 409;
    f->fault_part = "endpointslices";
    add_pod(f, "p1", "10.1.0.1");
    add_pod(f, "p2", "10.1.0.2");
    fixture_run(f, 100000);
    assert_int_equal(f->faults, 0);
    assert_int_equal(json_getz(fixture_only(f, SLICES_PATH), "endpoints")->n, 2);
    fixture_forget_writes(f);
    fixture_run(f, 600000);
    fixture_expect_writes(f, "");
}

static void test_somebody_elses_change_is_put_right(void **state)
{
    struct fixture *f = *state;
    add_pod(f, "p1", "10.1.0.1");
    fixture_forget_writes(f);
    struct str path = arena_format(&f->arena, SLICES_PATH "/%.*s",
                                   STR_ARG(json_string_at(fixture_only(f, SLICES_PATH), "metadata", "name")));
    fake_api_patch(f->api, path.p, "{'endpoints':[],'metadata':{'labels':{'team':'y'}}}");
    fixture_forget_writes(f);
    expect_at(f, fixture_only(f, SLICES_PATH), "endpoints.0.addresses", "[\"10.1.0.1\"]");
    expect_at(f, fixture_only(f, SLICES_PATH), "metadata.labels.team", "\"x\"");
    fake_api_delete(f->api, path.p);
    fixture_forget_writes(f);
    expect_at(f, fixture_only(f, SLICES_PATH), "endpoints.0.addresses", "[\"10.1.0.1\"]");
}

static void test_families_headless_hostname_and_unready_publication(void **state)
{
    struct fixture *f = *state;
    fake_api_patch(f->api, SERVICES_PATH "/web",
                   "{'spec':{'clusterIP':'None','ipFamilies':['IPv6','IPv4'],'publishNotReadyAddresses':true,"
                   "'ports':null}}");
    fake_api_post(f->api, PODS_PATH,
                  "{'metadata':{'name':'p1','labels':{'app':'web'}},'spec':{'hostname':'h','subdomain':'web',"
                  "'nodeName':'gone'},"
                  "'status':{'podIPs':[{'ip':'10.1.0.1'},{'ip':'FD00::0:1'}]}}");
    fixture_forget_writes(f);
    struct json *all = fake_api_list(f->api, SLICES_PATH, &f->arena);
    assert_int_equal(all->n, 2);
    json_foreach (all, slice) {
        bool v6 = str_eq(json_string_at(slice, "addressType"), STR("IPv6"));
        expect_at(f, slice, "endpoints.0.addresses.0", v6 ? "\"fd00::1\"" : "\"10.1.0.1\"");
        expect_at(f, slice, "endpoints.0.hostname", "\"h\"");
        expect_at(f, slice, "endpoints.0.conditions.ready", "true");
        expect_at(f, slice, "endpoints.0.conditions.serving", "false");
        expect_at(f, slice, "metadata.labels",
                  "{\"team\":\"x\",\"endpointslice.kubernetes.io/managed-by\":"
                  "\"endpointslice-controller.k8s.io\",\"service.kubernetes.io/headless\":\"\","
                  "\"kubernetes.io/service-name\":\"web\"}");
    }
    fake_api_patch(f->api, SERVICES_PATH "/web", "{'spec':{'ipFamilies':['IPv4']}}");
    fixture_forget_writes(f);
    expect_at(f, fixture_only(f, SLICES_PATH), "addressType", "\"IPv4\"");
}

static void test_traffic_distribution_gives_hints(void **state)
{
    struct fixture *f = *state;
    add_pod(f, "p1", "10.1.0.1");
    fake_api_post(f->api, PODS_PATH, pod_json(f, "p2", "10.1.0.2", "False").p);
    fake_api_patch(f->api, SERVICES_PATH "/web", "{'spec':{'trafficDistribution':'PreferSameNode'}}");
    fixture_forget_writes(f);
    struct json *slice = fixture_only(f, SLICES_PATH);
    expect_at(f, slice, "endpoints.0.hints",
              "{\"forZones\":[{\"name\":\"z1\"}],\"forNodes\":[{\"name\":\"n1\"}]}");
    expect_at(f, slice, "endpoints.1.hints", "");
    fake_api_patch(f->api, SERVICES_PATH "/web", "{'spec':{'trafficDistribution':null}}");
    fixture_forget_writes(f);
    expect_at(f, fixture_only(f, SLICES_PATH), "endpoints.0.hints", "");
}

static void test_topology_mode_shares_endpoints_by_cpu(void **state)
{
    struct fixture *f = *state;
    static const char *const status =
        "{'status':{'allocatable':{'cpu':'4'},'conditions':[{'type':'Ready','status':'True'}]}}";
    fake_api_patch(f->api, NODES_PATH "/n1/status", status);
    fake_api_patch(f->api, NODES_PATH "/n2/status", status);
    fake_api_patch(f->api, SERVICES_PATH "/web",
                   "{'metadata':{'annotations':{'service.kubernetes.io/topology-mode':'Auto'}}}");
    for (int i = 1; i <= 4; i++) {
        char name[16], ip[16];
        (void)snprintf(name, sizeof name, "p%d", i);
        (void)snprintf(ip, sizeof ip, "10.1.0.%d", i);
        add_pod(f, name, ip); /* all in z1 */
    }
    fixture_forget_writes(f);
    struct json *slice = fixture_only(f, SLICES_PATH);
    size_t z2 = 0;
    for (size_t i = 0; i < 4; i++) {
        struct str zone = json_string_at(
            json_at(json_path(json_at(json_getz(slice, "endpoints"), i), "hints", "forZones", NULL), 0),
            "name");
        assert_true(zone.len > 0);
        z2 += str_eq(zone, STR("z2"));
    }
    assert_int_equal(z2, 2);
    _cleanup_(mem_freep) char *events = fixture_events(f, "a");
    assert_non_null(strstr(events, "TopologyAwareHintsEnabled"));
    fixture_run(f, 600000);
    fixture_expect_writes(f, "");
    fake_api_delete(f->api, NODES_PATH "/n2");
    fixture_run(f, 2000);
    expect_at(f, fixture_only(f, SLICES_PATH), "endpoints.0.hints", "");
}

static void test_selectorless_and_external_services_are_left_alone(void **state)
{
    struct fixture *f = *state;
    fixture_forget_writes(f);
    fake_api_post(f->api, SERVICES_PATH, "{'metadata':{'name':'manual'},'spec':{}}");
    fake_api_post(f->api, SERVICES_PATH,
                  "{'metadata':{'name':'out'},'spec':{'type':'ExternalName','selector':{'app':'web'}}}");
    fixture_expect_writes(f, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
RUN_TESTS(T(test_a_service_without_pods_has_a_placeholder), T(test_pods_become_endpoints_in_the_same_slice),
          T(test_pods_that_do_not_count_are_left_out), T(test_different_port_numbers_make_different_slices),
          T(test_slices_are_filled_to_a_hundred), T(test_writes_converge_under_conflicts),
          T(test_somebody_elses_change_is_put_right),
          T(test_families_headless_hostname_and_unready_publication),
          T(test_traffic_distribution_gives_hints), T(test_topology_mode_shares_endpoints_by_cpu),
          T(test_selectorless_and_external_services_are_left_alone))
