#include "controllers/fixture.h"
#include "controllers/slice-plan.h"

#define SERVICES_PATH  "/api/v1/namespaces/a/services"
#define ENDPOINTS_PATH "/api/v1/namespaces/a/endpoints"
#define SLICES_PATH    "/apis/discovery.k8s.io/v1/namespaces/a/endpointslices"

static const struct controller_type *const TYPES[] = {&mirroring_controller};

static int setup(void **state)
{
    struct fixture *f = fixture_new();
    fake_api_post(f->api, SERVICES_PATH, "{'metadata':{'name':'db'},'spec':{'ports':[{'port':80}]}}");
    fake_api_post(f->api, ENDPOINTS_PATH,
                  "{'metadata':{'name':'db','labels':{'team':'x'},'annotations':{'note':'n',"
                  "'kubectl.kubernetes.io/"
                  "last-applied-configuration':'{}'}},'subsets':[{'addresses':[{'ip':'10.1.0.1'},"
                  "{'ip':'fd00::1'},{'ip':'nonsense'}],'notReadyAddresses':[{'ip':'10.1.0.2'}],'ports':[{'"
                  "port':5432}]}]}");
    fixture_start(f, TYPES, 1);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static struct json *slice_of_type(struct fixture *f, const char *type)
{
    struct json *found = NULL;
    json_foreach (fake_api_list(f->api, SLICES_PATH, &f->arena), slice) {
        if (str_eqz(json_string_at(slice, "addressType"), type))
            found = slice;
    }
    assert_non_null(found);
    return found;
}

static void test_endpoints_are_mirrored_by_family(void **state)
{
    struct fixture *f = *state;
    fixture_expect_writes(f, "POST " SLICES_PATH "\nPOST " SLICES_PATH);
    struct json *v4 = slice_of_type(f, "IPv4"), *v6 = slice_of_type(f, "IPv6");
    assert_str(fixture_at(f, v4, "endpoints.0"),
               "{\"addresses\":[\"10.1.0.1\"],\"conditions\":{\"ready\":true}}");
    assert_str(fixture_at(f, v4, "endpoints.1"),
               "{\"addresses\":[\"10.1.0.2\"],\"conditions\":{\"ready\":false}}");
    assert_str(fixture_at(f, v4, "ports"), "[{\"name\":\"\",\"protocol\":\"TCP\",\"port\":5432}]");
    assert_str(fixture_at(f, v4, "metadata.annotations"), "{\"note\":\"n\"}");
    assert_str(value_label(v4, SLICE_LABEL_MANAGED_BY), "endpointslicemirroring-controller.k8s.io");
    assert_str(value_label(v4, "team"), "x");
    assert_str(fixture_at(f, v4, "metadata.ownerReferences.0.kind"), "\"Endpoints\"");
    assert_str(fixture_at(f, v6, "endpoints.0.addresses.0"), "\"fd00::1\"");
    _cleanup_(mem_freep) char *events = fixture_events(f, "a");
    assert_string_equal(
        events, "InvalidIPAddress: Skipped 1 invalid IP addresses when mirroring to EndpointSlices\n");
    fixture_run(f, 600000);
    fixture_expect_writes(f, "");
}

static void test_changes_stay_in_the_slice_and_annotations_follow(void **state)
{
    struct fixture *f = *state;
    fixture_forget_writes(f);
    struct str path = arena_format(&f->arena, "PUT " SLICES_PATH "/%.*s",
                                   STR_ARG(json_string_at(slice_of_type(f, "IPv4"), "metadata", "name")));
    fake_api_patch(
        f->api, ENDPOINTS_PATH "/db",
        "{'subsets':[{'addresses':[{'ip':'10.1.0.2'},{'ip':'fd00::1'}],'ports':[{'port':5432}]}]}");
    fixture_expect_writes(f, path.p);
    assert_str(fixture_at(f, slice_of_type(f, "IPv4"), "endpoints"),
               "[{\"addresses\":[\"10.1.0.2\"],\"conditions\":{\"ready\":true}}]");
    fake_api_patch(f->api, ENDPOINTS_PATH "/db", "{'metadata':{'annotations':{'note':'m'}}}");
    fixture_forget_writes(f);
    assert_str(value_annotation(slice_of_type(f, "IPv6"), "note"), "m");
}

static void test_what_is_not_to_be_mirrored_any_more_goes(void **state)
{
    static const char *const patches[][2] = {
        {ENDPOINTS_PATH "/db", "{'metadata':{'labels':{'endpointslice.kubernetes.io/skip-mirror':'true'}}}"},
        {ENDPOINTS_PATH "/db",
         "{'metadata':{'annotations':{'control-plane.alpha.kubernetes.io/leader':'{}'}}}"},
        {SERVICES_PATH "/db", "{'spec':{'selector':{'app':'db'}}}"},
    };
    static const char *const undo[] = {
        "{'metadata':{'labels':{'endpointslice.kubernetes.io/skip-mirror':null}}}",
        "{'metadata':{'annotations':{'control-plane.alpha.kubernetes.io/leader':null}}}",
        "{'spec':{'selector':null}}",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(patches); i++) {
        fixture_forget_writes(f);
        assert_int_equal(fixture_count(f, SLICES_PATH), 2);
        fake_api_patch(f->api, patches[i][0], patches[i][1]);
        fixture_forget_writes(f);
        assert_int_equal(fixture_count(f, SLICES_PATH), 0);
        fake_api_patch(f->api, patches[i][0], undo[i]);
    }
    fixture_forget_writes(f);
    fake_api_delete(f->api, ENDPOINTS_PATH "/db");
    fixture_forget_writes(f);
    assert_int_equal(fixture_count(f, SLICES_PATH), 0);
}

static void test_slices_of_others_are_left_alone(void **state)
{
    struct fixture *f = *state;
    fake_api_post(f->api, SLICES_PATH,
                  "{'metadata':{'name':'mine','labels':{'kubernetes.io/service-name':'db'}},"
                  "'addressType':'IPv4','endpoints':[]}");
    fixture_forget_writes(f);
    fake_api_delete(f->api, ENDPOINTS_PATH "/db");
    fixture_forget_writes(f);
    assert_str(json_string_at(fixture_only(f, SLICES_PATH), "metadata", "name"), "mine");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
RUN_TESTS(T(test_endpoints_are_mirrored_by_family), T(test_changes_stay_in_the_slice_and_annotations_follow),
          T(test_what_is_not_to_be_mirrored_any_more_goes), T(test_slices_of_others_are_left_alone))
