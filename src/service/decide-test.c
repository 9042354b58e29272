/* Golden tests of section 3 of the service reference: JSON in, printed forwarding state out. */
#include <errno.h>

#include "base/test.h"
#include "service/decide.h"

static const struct decide_config default_config = {
    .node_name = "n1",
    .cluster_cidrs = {{{IP_V4, {10, 244}}, 16}, {{IP_V6, {0xfd, 0x00, 0x02, 0x44}}, 32}},
    .n_cluster_cidrs = 2,
};

static const char node_json[] =
    "{'metadata':{'name':'n1','labels':{'topology.kubernetes.io/zone':'z1'}},"
    "'status':{'addresses':[{'type':'Hostname','address':'n1'},{'type':'InternalIP','address':'192.0.2.1'},"
    "{'type':'InternalIP','address':'2001:db8::1'}]}}";

/* The literals say ' for ", which no value here needs. */
static struct json *parse(struct arena *a, const char *text)
{
    char *copy = arena_dup(a, text, strlen(text));
    for (char *p = copy; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    struct json *v;
    struct err err = {0};
    if (json_parse(a, str_of(copy), NULL, &v, &err) < 0)
        fail_msg("%s: %s", err.text, text);
    return v;
}

static void add(struct decide *d, const char *text, struct omissions *o)
{
    _cleanup_(arena_done) struct arena a = {0};
    json_foreach (parse(&a, text), it) {
        struct service *service;
        struct endpointslice *slice;
        if (json_getz(it, "addressType")) {
            assert_int_equal(endpointslice_parse(it, o, &slice, NULL), 0);
            decide_set_slice(d, slice);
        } else {
            assert_int_equal(service_parse(it, o, &service, NULL), 0);
            decide_set_service(d, service);
        }
    }
}

static void set_node(struct decide *d, const char *text)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct node *node;
    assert_int_equal(node_parse(parse(&a, text), NULL, &node, NULL), 0);
    decide_set_node(d, node);
}

static void check_with(const struct decide_config *config, const char *objects, const char *expected)
{
    struct decide *d = decide_new(config);
    set_node(d, node_json);
    add(d, objects, NULL);
    struct forwarding_state *s = decide_run(d, NULL);
    _cleanup_(strbuf_done) struct strbuf out = {0};
    forwarding_state_print(s, &out);
    assert_string_equal(strbuf_cstr(&out), expected);
    forwarding_state_unref(s);
    decide_free(d);
}

static void check(const char *objects, const char *expected)
{
    check_with(&default_config, objects, expected);
}

#define SERVICE(spec)    "{'metadata':{'namespace':'ns1','name':'svc1'},'spec':{" spec "}}"
#define SLICE(endpoints) SLICE_NAMED("s1", "IPv4", endpoints)
#define SLICE_NAMED(name, type, endpoints)                                                                   \
    "{'metadata':{'namespace':'ns1','name':'" name "','labels':{'kubernetes.io/service-name':'svc1'}},"      \
    "'addressType':'" type "','ports':[{'name':'p80','port':8080}],'endpoints':[" endpoints "]}"
#define ON(node, ip) "{'addresses':['" ip "'],'nodeName':'" node "'}"
#define ON_IS(node, ip, conditions)                                                                          \
    "{'addresses':['" ip "'],'nodeName':'" node "','conditions':{" conditions "}}"
#define PORTS     "'clusterIP':'10.96.0.10','ports':[{'name':'p80','port':80}]"
#define NODE_PORT "'clusterIP':'10.96.0.10','ports':[{'name':'p80','port':80,'nodePort':30080}]"
#define LEAVING   "'ready':false,'serving':true,'terminating':true"

static void test_cluster_ip(void **state)
{
    (void)state;
    check("[" SERVICE(PORTS) "," SLICE(ON("n1", "10.244.1.2") "," ON("n2", "10.244.2.2")) "]",
          "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 forward cluster{10.244.1.2:8080 10.244.2.2:8080} "
          "masquerade=off-cluster\n");
    check("[" SERVICE(PORTS) "]",
          "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 reject masquerade=off-cluster\n");
    check("[" SERVICE(PORTS ",'sessionAffinity':'ClientIP'") "," SLICE(ON("n1", "10.244.1.2")) "]",
          "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 forward cluster{10.244.1.2:8080} masquerade=off-cluster "
          "affinity=10800s\n");
}

static void test_not_proxied(void **state)
{
    (void)state;
    check("[" SERVICE("'clusterIP':'None','ports':[{'name':'p80','port':80}]") "]", "");
    check("[" SERVICE("'type':'ExternalName','externalName':'a.b'") "]", "");
    check(
        "[{'metadata':{'namespace':'a','name':'b','labels':{'service.kubernetes.io/service-proxy-name':'x'}},"
        "'spec':{" PORTS "}}]",
        "");
    check("[" SLICE(ON("n1", "10.244.1.2")) "]", "");
}

static void test_terminating_fallback(void **state)
{
    (void)state;
    check("[" SERVICE(PORTS) "," SLICE(ON_IS("n1", "10.244.1.2", LEAVING) "," ON("n2", "10.244.2.2")) "]",
          "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 forward cluster{10.244.2.2:8080} "
          "masquerade=off-cluster\n");
    check("[" SERVICE(PORTS) "," SLICE(ON_IS("n1", "10.244.1.2", LEAVING) "," ON_IS(
              "n2", "10.244.2.2", "'ready':false,'serving':false")) "]",
          "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 forward cluster{10.244.1.2:8080} "
          "masquerade=off-cluster\n");
    check("[" SERVICE(PORTS) "," SLICE(ON_IS("n1", "10.244.1.2", "'ready':false,'serving':true")) "]",
          "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 reject masquerade=off-cluster\n");
}

static void test_duplicates(void **state)
{
    (void)state;
    /* The address was taken over by a new pod on n1 while the old one on n2 terminates: it is local. */
    check(
        "[" SERVICE(PORTS ",'internalTrafficPolicy':'Local'") "," SLICE_NAMED(
            "a", "IPv4", ON("n1", "10.244.1.2")) "," SLICE_NAMED("b", "IPv4",
                                                                 ON_IS("n2", "10.244.1.2", LEAVING)) "]",
        "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 forward local{10.244.1.2:8080} masquerade=off-cluster\n");
}

static void test_internal_local(void **state)
{
    (void)state;
    check("[" SERVICE(PORTS ",'internalTrafficPolicy':'Local'") "," SLICE(ON("n2", "10.244.2.2")) "]",
          "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 drop masquerade=off-cluster\n");
    check(
        "[" SERVICE(PORTS ",'internalTrafficPolicy':'Local'") "," SLICE(
            ON("n2", "10.244.2.2") "," ON_IS("n1", "10.244.1.2", LEAVING)) "]",
        "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 forward local{10.244.1.2:8080} masquerade=off-cluster\n");
    check("[" SERVICE(PORTS ",'internalTrafficPolicy':'Local'") "]",
          "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 reject masquerade=off-cluster\n");
}

static void test_external_local(void **state)
{
    (void)state;
    check(
        "[" SERVICE("'type':'NodePort','externalTrafficPolicy':'Local'," NODE_PORT) "," SLICE(
            ON("n2", "10.244.2.2")) "]",
        "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 forward cluster{10.244.2.2:8080} masquerade=off-cluster\n"
        "ns1/svc1:p80 tcp node-port v4 *:30080 drop short-circuit cluster{10.244.2.2:8080} "
        "masquerade=from-node\n");
    check("[" SERVICE("'type':'NodePort','externalTrafficPolicy':'Local'," NODE_PORT) "," SLICE(
              ON("n2", "10.244.2.2") "," ON("n1", "10.244.1.2")) "]",
          "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 forward cluster{10.244.1.2:8080 10.244.2.2:8080} "
          "masquerade=off-cluster\n"
          "ns1/svc1:p80 tcp node-port v4 *:30080 forward local{10.244.1.2:8080} short-circuit "
          "cluster{10.244.1.2:8080 10.244.2.2:8080} masquerade=from-node\n");
    check("[" SERVICE("'type':'NodePort','externalTrafficPolicy':'Local'," NODE_PORT) "]",
          "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 reject masquerade=off-cluster\n"
          "ns1/svc1:p80 tcp node-port v4 *:30080 reject masquerade=from-node\n");
}

#define BALANCER(more)                                                                                       \
    "{'metadata':{'namespace':'ns1','name':'svc1'},'spec':{'type':'LoadBalancer'," NODE_PORT more "},"       \
    "'status':{'loadBalancer':{'ingress':[{'ip':'203.0.113.7'},{'ip':'203.0.113.8','ipMode':'Proxy'},"       \
    "{'hostname':'lb.example'}]}}}"

static void test_balancer(void **state)
{
    (void)state;
    check(
        "[" BALANCER(",'loadBalancerSourceRanges':[' 198.51.100.0/24 ','2001:db8::/32'],"
                     "'externalIPs':['198.51.100.9']") "," SLICE(ON("n1", "10.244.1.2")) "]",
        "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 forward cluster{10.244.1.2:8080} masquerade=off-cluster\n"
        "ns1/svc1:p80 tcp external-ip 198.51.100.9:80 forward cluster{10.244.1.2:8080} masquerade=always\n"
        "ns1/svc1:p80 tcp balancer-ip 203.0.113.7:80 forward cluster{10.244.1.2:8080} masquerade=always "
        "sources=198.51.100.0/24\n"
        "ns1/svc1:p80 tcp node-port v4 *:30080 forward cluster{10.244.1.2:8080} masquerade=always\n");
    /* The node's address in a range lets the balancer address itself in; a zero range opens the list. */
    check("[" BALANCER(",'loadBalancerSourceRanges':['192.0.2.0/24']") "]",
          "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 reject masquerade=off-cluster\n"
          "ns1/svc1:p80 tcp balancer-ip 203.0.113.7:80 reject masquerade=always "
          "sources=192.0.2.0/24,203.0.113.7/32\n"
          "ns1/svc1:p80 tcp node-port v4 *:30080 reject masquerade=always\n");
    check("[" BALANCER(",'loadBalancerSourceRanges':['192.0.2.0/24','0.0.0.0/0']") "]",
          "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 reject masquerade=off-cluster\n"
          "ns1/svc1:p80 tcp balancer-ip 203.0.113.7:80 reject masquerade=always\n"
          "ns1/svc1:p80 tcp node-port v4 *:30080 reject masquerade=always\n");
}

static void test_health_check(void **state)
{
    (void)state;
    check(
        "[" BALANCER(",'externalTrafficPolicy':'Local','healthCheckNodePort':32000") "," SLICE(
            ON("n1", "10.244.1.2") "," ON_IS("n1", "10.244.1.3", LEAVING)) "]",
        "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 forward cluster{10.244.1.2:8080} masquerade=off-cluster\n"
        "ns1/svc1:p80 tcp balancer-ip 203.0.113.7:80 forward local{10.244.1.2:8080} short-circuit "
        "cluster{10.244.1.2:8080} masquerade=from-node\n"
        "ns1/svc1:p80 tcp node-port v4 *:30080 forward local{10.244.1.2:8080} short-circuit "
        "cluster{10.244.1.2:8080} masquerade=from-node\n"
        "ns1/svc1 health-check :32000 v4=1 v6=0\n");
}

#define HINTED(node, ip, hints) "{'addresses':['" ip "'],'nodeName':'" node "','hints':{" hints "}}"

static void test_topology(void **state)
{
    (void)state;
    const char z1[] = "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 forward cluster{10.244.1.2:8080} "
                      "masquerade=off-cluster\n";
    const char all[] =
        "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 forward cluster{10.244.1.2:8080 10.244.2.2:8080} "
        "masquerade=off-cluster\n";
    check("[" SERVICE(PORTS) "," SLICE(HINTED("n9", "10.244.1.2", "'forZones':[{'name':'z1'}]") "," HINTED(
              "n2", "10.244.2.2", "'forZones':[{'name':'z2'}]")) "]",
          z1);
    check("[" SERVICE(PORTS) "," SLICE(
              HINTED("n9", "10.244.1.2", "'forZones':[{'name':'z1'}]") "," ON("n2", "10.244.2.2")) "]",
          all);
    check("[" SERVICE(PORTS) "," SLICE(HINTED("n9", "10.244.1.2", "'forZones':[{'name':'z3'}]") "," HINTED(
              "n2", "10.244.2.2", "'forZones':[{'name':'z2'}]")) "]",
          all);
    check("[" SERVICE(PORTS) "," SLICE(
              HINTED("n9", "10.244.1.2", "'forZones':[{'name':'z2'}],'forNodes':[{'name':'n1'}]") "," HINTED(
                  "n2", "10.244.2.2", "'forZones':[{'name':'z1'}],'forNodes':[{'name':'n2'}]")) "]",
          z1);
}

/* CVE-2021-25737: whoever plants these in the store reaches nothing with them. */
static void test_cve_2021_25737(void **state)
{
    (void)state;
    static const char *const addresses[] = {"127.0.0.1",
                                            "127.0.0.2",
                                            "127.0.1.1",
                                            "127.1.2.3",
                                            "127.255.255.254",
                                            "127.255.255.255",
                                            "127.0.0.0",
                                            "169.254.0.0",
                                            "169.254.0.1",
                                            "169.254.1.1",
                                            "169.254.169.254",
                                            "169.254.170.2",
                                            "169.254.255.255",
                                            "224.0.0.1",
                                            "224.0.0.22",
                                            "224.0.0.251",
                                            "224.0.1.1",
                                            "232.1.1.1",
                                            "239.1.2.3",
                                            "239.255.255.255",
                                            "0.0.0.0",
                                            "000.0.0.0",
                                            "0127.0.0.1",
                                            "127.0.0.01",
                                            "127.00.0.1",
                                            "0169.254.1.1",
                                            "::1",
                                            "0:0:0:0:0:0:0:1",
                                            "::0001",
                                            "::",
                                            "0::0",
                                            "0:0:0:0:0:0:0:0",
                                            "fe80::1",
                                            "fe80::",
                                            "fe80::a00:27ff:fe4e:66a1",
                                            "fe9f::1",
                                            "feaf::1",
                                            "febf::1",
                                            "febf:ffff::",
                                            "ff00::",
                                            "ff01::1",
                                            "ff02::1",
                                            "ff02::2",
                                            "ff02::1:ff00:1",
                                            "ff05::2",
                                            "ff0e::1",
                                            "ffff::1",
                                            "::ffff:127.0.0.1",
                                            "::ffff:127.1.2.3",
                                            "::FFFF:127.0.0.1",
                                            "::ffff:7f00:1",
                                            "0:0:0:0:0:ffff:127.0.0.1",
                                            "::ffff:169.254.169.254",
                                            "::ffff:a9fe:a9fe",
                                            "::ffff:224.0.0.1",
                                            "::ffff:0.0.0.0",
                                            "::ffff:10.0.0.1",
                                            "localhost",
                                            "",
                                            " ",
                                            "10.0.0",
                                            "10.0.0.1/32",
                                            "10.0.0.1 ",
                                            " 10.0.0.1",
                                            "10.0.0.256",
                                            "10.0.0.1.1",
                                            "0x7f.0.0.1",
                                            "0x7f000001",
                                            "2130706433",
                                            "fe80::1%eth0",
                                            "[::1]",
                                            "::1/128",
                                            "1::2::3"};
    static const char *const types[] = {"IPv4", "IPv6"};
    for (size_t i = 0; i < ARRAY_LEN(addresses) * 2; i++) {
        _cleanup_(arena_done) struct arena a = {0};
        _cleanup_(omissions_done) struct omissions o = {0};
        const char *address = addresses[i / 2];
        if (i % 2 == 0 && strcmp(address, "::ffff:10.0.0.1") == 0)
            continue; /* an IPv4 address in a sloppy form is fine in an IPv4 slice */
        struct str slice = arena_format(&a, SLICE_NAMED("s1", "%s", ON("n1", "%s")), types[i % 2], address);
        struct endpointslice *s;
        assert_int_equal(endpointslice_parse(parse(&a, slice.p), &o, &s, NULL), 0);
        if (s->n_endpoints)
            fail_msg("%s taken in an %s slice", address, types[i % 2]);
        assert_int_equal(o.n, 1);
        endpointslice_free(s);
        struct str service = arena_format(&a, SERVICE("'externalIPs':['%s']," PORTS), address);
        struct service *v;
        assert_int_equal(service_parse(parse(&a, service.p), &o, &v, NULL), 0);
        if (v->n_external_ips && strcmp(address, "::ffff:10.0.0.1") != 0)
            fail_msg("%s taken as an external IP", address);
        service_free(v);
    }
}

static void test_odd_values(void **state)
{
    (void)state;
    struct decide *d = decide_new(&default_config);
    _cleanup_(omissions_done) struct omissions o = {0};
    add(d,
        "[" SERVICE(
            "'type':'LoadBalancer','clusterIP':'10.96.0.10','externalIPs':['10.244.9.9'],"
            "'sessionAffinity':'ClientIP','sessionAffinityConfig':{'clientIP':{'timeoutSeconds':99999999999}}"
            ","
            "'loadBalancerSourceRanges':['everyone'],"
            "'ports':[{'name':'a','port':0},{'name':'b','port':70000},{'name':'c','port':80,'nodePort':-1},"
            "{'name':'c','port':81},{'name':'x\\ny','port':82},{'name':'d','port':'80'},{'name':'e','port':"
            "83,"
            "'protocol':'ICMP'},null,7]") "]",
        &o);
    struct forwarding_state *s = decide_run(d, &o);
    _cleanup_(strbuf_done) struct strbuf out = {0};
    forwarding_state_print(s, &out);
    assert_string_equal(strbuf_cstr(&out),
                        "ns1/svc1:c tcp cluster-ip 10.96.0.10:80 reject masquerade=off-cluster "
                        "affinity=10800s\n");
    assert_int_equal(o.n, 12);
    forwarding_state_unref(s);
    decide_free(d);
    struct service *v;
    _cleanup_(arena_done) struct arena a = {0};
    assert_int_equal(
        service_parse(parse(&a, "{'metadata':{'namespace':'a','name':'b\\n-A X'}}"), NULL, &v, NULL),
        -EINVAL);
    assert_int_equal(service_parse(parse(&a, "[]"), NULL, &v, NULL), -EINVAL);
    assert_int_equal(service_parse(NULL, NULL, &v, NULL), -EINVAL);
}

static void test_dual_stack(void **state)
{
    (void)state;
    check(
        "[" SERVICE("'clusterIPs':['10.96.0.10','fd00:10:96::a'],'ports':[{'name':'p80','port':80}]") "," SLICE(
            ON("n1", "10.244.1.2")) "," SLICE_NAMED("s2", "IPv6", ON("n1", "fd00:244::2")) "]",
        "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 forward cluster{10.244.1.2:8080} masquerade=off-cluster\n"
        "ns1/svc1:p80 tcp cluster-ip [fd00:10:96::a]:80 forward cluster{[fd00:244::2]:8080} "
        "masquerade=off-cluster\n");
}

static void test_node_port_addresses(void **state)
{
    (void)state;
    struct decide_config c = default_config;
    struct decide *d = decide_new(&c);
    struct forwarding_state *s = decide_run(d, NULL);
    assert_true(s->settings.node_ports[0].all && s->settings.node_ports[1].all);
    forwarding_state_unref(s);
    decide_free(d);

    c.node_port_cidrs[0] = (struct ip_prefix){{IP_V4, {192, 0, 2}}, 24};
    c.n_node_port_cidrs = 1;
    d = decide_new(&c);
    s = decide_run(d, NULL);
    assert_false(s->settings.node_ports[0].all || s->settings.node_ports[1].all);
    assert_int_equal(s->settings.node_ports[0].n, 1);
    assert_int_equal(s->settings.node_ports[1].n, 0);
    forwarding_state_unref(s);
    decide_free(d);

    c = default_config;
    c.node_ports_primary = true;
    d = decide_new(&c);
    set_node(d, node_json);
    s = decide_run(d, NULL);
    assert_false(s->settings.node_ports[0].all);
    assert_int_equal(s->settings.node_ports[0].cidrs[0].bits, 32);
    assert_int_equal(s->settings.node_ports[1].cidrs[0].bits, 128);
    forwarding_state_unref(s);
    decide_free(d);
}

static void test_detectors(void **state)
{
    (void)state;
    struct decide_config c = {.node_name = "n1", .detect_local = DETECT_LOCAL_NODE_CIDR};
    const char *objects = "[" SERVICE(PORTS) "]";
    check_with(&c, objects, "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 reject masquerade=never\n");
    c.masquerade_all = true;
    check_with(&c, objects, "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 reject masquerade=always\n");
    c = (struct decide_config){.node_name = "n1", .detect_local = DETECT_LOCAL_BRIDGE, .interface = "cbr0"};
    check_with(&c, objects, "ns1/svc1:p80 tcp cluster-ip 10.96.0.10:80 reject masquerade=off-cluster\n");
}

static void test_sharing(void **state)
{
    (void)state;
    struct decide *d = decide_new(&default_config);
    set_node(d, node_json);
    add(d,
        "[{'metadata':{'namespace':'ns1','name':'other'},'spec':{'clusterIP':'10.96.0.11','ports':[{'port':1}"
        "]}}," SERVICE(PORTS) "," SLICE(ON("n1", "10.244.1.2")) "]",
        NULL);
    struct forwarding_state *a = decide_run(d, NULL);
    assert_false(decide_is_dirty(d));
    struct forwarding_state *same = decide_run(d, NULL);
    assert_ptr_equal(a, same);
    forwarding_state_unref(same);

    add(d, "[" SLICE(ON("n1", "10.244.1.3")) "]", NULL);
    struct forwarding_state *b = decide_run(d, NULL);
    assert_ptr_equal(a->ports[0], b->ports[0]);
    assert_ptr_not_equal(a->ports[1], b->ports[1]);
    struct forwarding_diff diff = forwarding_diff_start(a, b);
    const struct service_port *was, *is;
    assert_true(forwarding_diff_next(&diff, &was, &is));
    assert_ptr_equal(was, a->ports[1]);
    assert_ptr_equal(is, b->ports[1]);
    assert_false(forwarding_diff_next(&diff, &was, &is));

    decide_remove_service(d, STR("ns1"), STR("svc1"));
    struct forwarding_state *c = decide_run(d, NULL);
    assert_int_equal(c->n_ports, 1);
    diff = forwarding_diff_start(b, c);
    assert_true(forwarding_diff_next(&diff, &was, &is));
    assert_null(is);
    forwarding_state_unref(a);
    forwarding_state_unref(b);
    forwarding_state_unref(c);
    decide_free(d);
}

#define CLAIMING(name, created, spec)                                                                        \
    "{'metadata':{'namespace':'ns1','name':'" name "','creationTimestamp':'" created "'},'spec':{" spec "}}"
#define CLAIM_80(ip) "'clusterIP':'" ip "','externalIPs':['203.0.113.1'],'ports':[{'port':80}]"

static void test_claims(void **state)
{
    (void)state;
    /* The older Service has the external IP, whatever its name; nobody takes another one's ClusterIP. */
    check("[" CLAIMING("a", "2026-01-02T00:00:00Z", CLAIM_80("10.96.0.1")) "," CLAIMING(
              "b", "2026-01-01T00:00:00Z", CLAIM_80("10.96.0.2")) "]",
          "ns1/a tcp cluster-ip 10.96.0.1:80 reject masquerade=off-cluster\n"
          "ns1/b tcp cluster-ip 10.96.0.2:80 reject masquerade=off-cluster\n"
          "ns1/b tcp external-ip 203.0.113.1:80 reject masquerade=always\n");
    struct decide *d = decide_new(&default_config);
    add(d,
        "[" CLAIMING(
            "thief", "2020-01-01T00:00:00Z",
            "'clusterIP':'10.96.0.1','externalIPs':['10.96.0.2'],"
            "'ports':[{'port':80}]") "," CLAIMING("web", "2026-01-01T00:00:00Z",
                                                  "'clusterIP':'10.96.0.2','ports':[{'port':80}]") "]",
        NULL);
    struct forwarding_state *s = decide_run(d, NULL);
    _cleanup_(strbuf_done) struct strbuf out = {0};
    forwarding_state_print(s, &out);
    assert_string_equal(strbuf_cstr(&out),
                        "ns1/thief tcp cluster-ip 10.96.0.1:80 reject masquerade=off-cluster\n"
                        "ns1/web tcp cluster-ip 10.96.0.2:80 reject masquerade=off-cluster\n");
    forwarding_state_unref(s);
    /* What the winner leaves, the other gets. */
    decide_remove_service(d, STR("ns1"), STR("web"));
    s = decide_run(d, NULL);
    assert_int_equal(s->ports[0]->n_frontends, 2);
    forwarding_state_unref(s);
    decide_free(d);
}

RUN_TESTS(cmocka_unit_test(test_claims), cmocka_unit_test(test_cluster_ip),
          cmocka_unit_test(test_not_proxied), cmocka_unit_test(test_terminating_fallback),
          cmocka_unit_test(test_duplicates), cmocka_unit_test(test_internal_local),
          cmocka_unit_test(test_external_local), cmocka_unit_test(test_balancer),
          cmocka_unit_test(test_health_check), cmocka_unit_test(test_topology),
          cmocka_unit_test(test_cve_2021_25737), cmocka_unit_test(test_odd_values),
          cmocka_unit_test(test_dual_stack), cmocka_unit_test(test_node_port_addresses),
          cmocka_unit_test(test_detectors), cmocka_unit_test(test_sharing))
