/* The order of read, plan and apply, seen through the fake provider on a scripted clock. */
#include <errno.h>

#include "base/test.h"
#include "datapath/fake/fake.h"
#include "service/decide.h"

struct fixture {
    struct loop *loop;
    struct datapath *dp;
    struct fake *fake;
    struct decide *decide;
    int calls, result;
    char text[128];
};

static void on_done(void *user, int result, const struct err *err)
{
    struct fixture *f = user;
    f->calls++;
    f->result = result;
    f->text[0] = 0;
    if (result < 0)
        memcpy(f->text, err->text, sizeof f->text);
}

static struct datapath_callback callback(struct fixture *f)
{
    return (struct datapath_callback){on_done, f};
}

static void open_fixture(struct fixture *f)
{
    *f = (struct fixture){.loop = loop_new_scripted((struct monotime){0}, (struct walltime){0})};
    struct datapath_options options = {.loop = f->loop, .families = {true, true}};
    assert_int_equal(datapath_open("fake", &options, &f->dp, NULL), 0);
    f->fake = fake_of(f->dp);
    f->decide = decide_new(&(struct decide_config){.node_name = "n1"});
}

static void close_fixture(struct fixture *f)
{
    datapath_close(f->dp);
    decide_free(f->decide);
    loop_free(f->loop);
}

/* A Service svcN with ClusterIP 10.96.0.N and N endpoints. */
static struct forwarding_state *state_with(struct fixture *f, int n)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct str text = arena_format(&a,
                                   "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"svc%d\"},\"spec\":"
                                   "{\"clusterIP\":\"10.96.0.%d\",\"ports\":[{\"port\":80}]}}",
                                   n, n);
    struct json *json;
    struct service *service;
    assert_int_equal(json_parse(&a, text, NULL, &json, NULL), 0);
    assert_int_equal(service_parse(json, NULL, &service, NULL), 0);
    decide_set_service(f->decide, service);
    return decide_run(f->decide, NULL);
}

static void apply(struct fixture *f, struct forwarding_state *state)
{
    datapath_apply(f->dp, state, callback(f));
    loop_run(f->loop);
}

static void test_apply(void **unused)
{
    (void)unused;
    struct fixture f;
    open_fixture(&f);
    struct forwarding_state *one = state_with(&f, 1);
    datapath_apply(f.dp, one, callback(&f));
    assert_true(datapath_is_applying(f.dp));
    assert_int_equal(f.calls, 0); /* never inside the call */
    loop_run(f.loop);
    assert_int_equal(f.calls, 1);
    assert_int_equal(f.result, 0);
    assert_true(forwarding_state_equal(fake_kernel(f.fake), one));
    assert_ptr_equal(datapath_applied(f.dp), one);
    assert_int_equal(datapath_stats(f.dp)->full, 1);

    apply(&f, one); /* nothing to do, and still not inside the call */
    assert_int_equal(f.calls, 2);
    assert_int_equal(datapath_stats(f.dp)->unchanged, 1);

    struct forwarding_state *two = state_with(&f, 2);
    apply(&f, two);
    assert_int_equal(datapath_stats(f.dp)->partial, 1);
    assert_int_equal(fake_kernel(f.fake)->n_ports, 2);
    forwarding_state_unref(one);
    forwarding_state_unref(two);
    close_fixture(&f);
}

static void test_failure_is_repeated_in_full(void **unused)
{
    (void)unused;
    struct fixture f;
    open_fixture(&f);
    struct forwarding_state *one = state_with(&f, 1), *two = state_with(&f, 2), *three = state_with(&f, 3);
    apply(&f, one);
    fake_fail_next(f.fake, 1, -EIO);
    apply(&f, two);
    assert_int_equal(f.result, 0);
    assert_int_equal(datapath_stats(f.dp)->failures, 1);
    assert_int_equal(datapath_stats(f.dp)->full, 2);
    assert_true(forwarding_state_equal(fake_kernel(f.fake), two));

    fake_fail_next(f.fake, 2, -EIO);
    apply(&f, three);
    assert_int_equal(f.result, -EIO);
    assert_non_null(strstr(f.text, "told to fail"));
    assert_ptr_equal(datapath_applied(f.dp), two);
    assert_true(forwarding_state_equal(fake_kernel(f.fake), two));
    apply(&f, three);
    assert_int_equal(f.result, 0);
    assert_true(forwarding_state_equal(fake_kernel(f.fake), three));
    forwarding_state_unref(one);
    forwarding_state_unref(two);
    forwarding_state_unref(three);
    close_fixture(&f);
}

static void test_repair(void **unused)
{
    (void)unused;
    struct fixture f;
    open_fixture(&f);
    datapath_repair(f.dp, callback(&f));
    loop_run(f.loop);
    assert_int_equal(f.result, 0);
    struct forwarding_state *one = state_with(&f, 1);
    apply(&f, one);
    datapath_repair(f.dp, callback(&f));
    loop_run(f.loop);
    assert_int_equal(f.result, 0);
    fake_lose(f.fake);
    datapath_repair(f.dp, callback(&f));
    loop_run(f.loop);
    assert_int_equal(f.result, DATAPATH_REPAIRED);
    assert_true(forwarding_state_equal(fake_kernel(f.fake), one));
    datapath_cleanup(f.dp, callback(&f));
    loop_run(f.loop);
    assert_int_equal(f.result, 0);
    assert_int_equal(fake_kernel(f.fake)->n_ports, 0);
    forwarding_state_unref(one);
    close_fixture(&f);
}

static void test_close_while_busy(void **unused)
{
    (void)unused;
    struct fixture f;
    open_fixture(&f);
    fake_set_delay_ms(f.fake, 1000);
    struct forwarding_state *one = state_with(&f, 1);
    datapath_apply(f.dp, one, callback(&f));
    loop_script_advance(f.loop, 1500); /* read, and in the middle of the apply */
    assert_int_equal(f.calls, 0);
    datapath_close(TAKE(f.dp));
    loop_run(f.loop);
    assert_int_equal(f.calls, 0);
    forwarding_state_unref(one);
    close_fixture(&f);
}

static void test_names(void **unused)
{
    (void)unused;
    struct err err = {0};
    struct datapath_options options = {0};
    assert_string_equal(datapath_name(0), "fake");
    assert_int_equal(datapath_supported("fake", &options, &err), 0);
    assert_int_equal(datapath_supported("nonsense", &options, &err), -ENOENT);
    assert_non_null(strstr(err.text, "nonsense"));
    struct datapath *dp;
    options.variant = "odd";
    assert_int_equal(datapath_open("iptables", &options, &dp, &err), -EINVAL);
    assert_non_null(strstr(err.text, "\"odd\""));
    options.variant = NULL;
    options.masquerade_bit = 32;
    assert_int_equal(datapath_open("iptables", &options, &dp, &err), -EINVAL);
}

RUN_TESTS(cmocka_unit_test(test_apply), cmocka_unit_test(test_failure_is_repeated_in_full),
          cmocka_unit_test(test_repair), cmocka_unit_test(test_close_while_busy),
          cmocka_unit_test(test_names))
