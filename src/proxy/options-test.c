#include "proxy/options.h"

#include "base/test.h"

static int resolve(const char *const *argv, struct proxy_resolved *ret, struct err *err)
{
    struct proxy_options options = {0};
    struct flag_set set = {.flags = proxy_flags, .n_flags = n_proxy_flags, .values = &options};
    int argc = 0;
    while (argv[argc])
        argc++;
    int r = flags_parse(&set, 1, argc, argv, err);
    if (r == 0)
        r = proxy_options_resolve(&options, "Host-1", ret, err);
    flags_done(&set, 1);
    return r;
}

static void test_defaults_and_forms(void **state)
{
    struct proxy_resolved p;
    struct err err = {0};
    const char *const none[] = {NULL};
    assert_int_equal(resolve(none, &p, &err), 0);
    assert_string_equal(p.decide.node_name, "host-1");
    assert_int_equal(p.health.port, 10256);
    assert_int_equal(p.metrics.port, 10249);
    assert_int_equal(p.sync_period_ms, 30000);
    assert_true(p.decide.localhost_node_ports);

    const char *const argv[] = {"--healthz-bind-address=[::]:1000",
                                "--metrics-bind-address=::1",
                                "--metrics-port=7",
                                "--nodeport-addresses=10.0.0.0/8,fd00::/8",
                                "--cluster-cidr",
                                "10.244.0.0/16",
                                "--hostname-override= N ",
                                NULL};
    assert_int_equal(resolve(argv, &p, &err), 0);
    assert_true(p.health.ip.family == IP_V6 && p.health.port == 1000);
    assert_true(p.metrics.ip.family == IP_V6 && p.metrics.port == 7);
    assert_true(p.decide.n_node_port_cidrs == 2 && p.decide.n_cluster_cidrs == 1);
    assert_string_equal(p.decide.node_name, "n");

    const char *const off[] = {"--healthz-bind-address=", "--metrics-port=0", NULL};
    assert_int_equal(resolve(off, &p, &err), 0);
    assert_true(p.health.port == 0 && p.metrics.port == 0);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *argv[3];
        const char *text;
    } rows[] = {
        {{"--bind-address=x"}, "--bind-address: \"x\" is not an IP address"},
        {{"--nodeport-addresses=primary,10.0.0.0/8"}, "--nodeport-addresses: primary stands alone"},
        {{"--nodeport-addresses=eth0"},
         "--nodeport-addresses: \"eth0\" is neither a CIDR nor the word primary"},
        {{"--cluster-cidr=10.0.0.0"}, "--cluster-cidr: \"10.0.0.0\" is not a CIDR"},
        {{"--detect-local-mode=BridgeInterface"},
         "--pod-bridge-interface: \"\" is not an interface name; --detect-local-mode needs one"},
        {{"--detect-local-mode=InterfaceNamePrefix", "--pod-interface-name-prefix=a -j"},
         "--pod-interface-name-prefix: \"a -j\" is not an interface name; --detect-local-mode needs one"},
        {{"--healthz-bind-address=1.2.3.4:99999"},
         "--healthz-bind-address: \"1.2.3.4:99999\" has no port between 0 and 65535"},
        {{"--metrics-bind-address=localhost:1"},
         "--metrics-bind-address: \"localhost:1\" is not an IP address with an optional port"},
        {{"--iptables-min-sync-period=1m"},
         "--iptables-min-sync-period is longer than --iptables-sync-period"},
        {{"--ipvs-scheduler=rr"}, "--ipvs-scheduler is not supported: ipvs mode is not built yet"},
        {{"--proxy-mode=ipvs"}, "--proxy-mode: \"ipvs\" is not one of iptables, fake, none"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct proxy_resolved p;
        struct err err = {0};
        assert_true(resolve(rows[i].argv, &p, &err) < 0);
        assert_string_equal(err.text, rows[i].text);
    }
}

RUN_TESTS(cmocka_unit_test(test_defaults_and_forms), cmocka_unit_test(test_refusals))
