#include "controllers/fixture.h"

#define CIDRS_PATH     "/apis/networking.k8s.io/v1/servicecidrs"
#define ADDRESSES_PATH "/apis/networking.k8s.io/v1/ipaddresses"

static const struct controller_type *const TYPES[] = {&servicecidr_controller};

static int setup(void **state)
{
    struct fixture *f = fixture_new();
    fake_api_post(f->api, CIDRS_PATH, "{'metadata':{'name':'one'},'spec':{'cidrs':['10.0.0.0/24']}}");
    fixture_start(f, TYPES, 1);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static struct str ready(struct fixture *f, const char *path, const char *member)
{
    const struct json *list = json_path(fixture_get(f, path), "status", "conditions", NULL);
    return json_string_at(value_condition(list, STR("Ready")), member);
}

static void add_address(struct fixture *f)
{
    fake_api_post(f->api, ADDRESSES_PATH,
                  "{'metadata':{'name':'10.0.0.7','labels':{'ipaddress.kubernetes.io/"
                  "managed-by':'ipallocator.k8s.io'}}}");
}

static void test_a_range_gets_its_finalizer_and_is_ready(void **state)
{
    struct fixture *f = *state;
    fixture_expect_writes(f, "PATCH " CIDRS_PATH "/one\nPUT " CIDRS_PATH "/one/status");
    assert_str(ready(f, CIDRS_PATH "/one", "status"), "True");
    assert_str(fixture_at(f, fixture_get(f, CIDRS_PATH "/one"), "metadata.finalizers"),
               "[\"networking.k8s.io/service-cidr-finalizer\"]");
    fixture_expect_writes(f, "");
}

static void test_an_unused_range_goes_after_the_grace(void **state)
{
    struct fixture *f = *state;
    fixture_run(f, 1000);
    fake_api_delete(f->api, CIDRS_PATH "/one");
    fixture_run(f, 9000);
    fixture_get(f, CIDRS_PATH "/one");
    fixture_run(f, 2000);
    assert_null(fake_api_get(f->api, CIDRS_PATH "/one", &f->arena));
}

static void test_a_range_with_addresses_waits_for_them(void **state)
{
    struct fixture *f = *state;
    fixture_run(f, 1000);
    add_address(f);
    fake_api_delete(f->api, CIDRS_PATH "/one");
    fixture_run(f, 60000);
    assert_str(ready(f, CIDRS_PATH "/one", "reason"), "Terminating");
    fake_api_delete(f->api, ADDRESSES_PATH "/10.0.0.7");
    fixture_run(f, 2000);
    assert_null(fake_api_get(f->api, CIDRS_PATH "/one", &f->arena));
}

static void test_a_range_that_another_one_covers_may_go(void **state)
{
    struct fixture *f = *state;
    fixture_run(f, 1000);
    add_address(f);
    fake_api_delete(f->api, CIDRS_PATH "/one");
    fixture_run(f, 60000);
    fixture_get(f, CIDRS_PATH "/one");
    fake_api_post(f->api, CIDRS_PATH, "{'metadata':{'name':'wide'},'spec':{'cidrs':['10.0.0.0/16']}}");
    fixture_run(f, 2000);
    assert_null(fake_api_get(f->api, CIDRS_PATH "/one", &f->arena));
    assert_str(ready(f, CIDRS_PATH "/wide", "status"), "True");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
RUN_TESTS(T(test_a_range_gets_its_finalizer_and_is_ready), T(test_an_unused_range_goes_after_the_grace),
          T(test_a_range_with_addresses_waits_for_them), T(test_a_range_that_another_one_covers_may_go))
