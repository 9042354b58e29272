/* Which UDP connections count as stale. */
#include "base/test.h"
#include "datapath/netfilter/conntrack.h"
#include "service/decide.h"

static struct forwarding_state *make_state(const char *services, const char *endpoints, bool cidrs)
{
    struct decide_config config = {.node_name = "n1", .bind_address = {IP_V4, {192, 0, 2, 1}}};
    if (cidrs) {
        config.service_cidrs[0] = (struct ip_prefix){{IP_V4, {10, 96}}, 16};
        config.n_service_cidrs = 1;
    }
    struct decide *d = decide_new(&config);
    _cleanup_(arena_done) struct arena a = {0};
    struct json *json;
    if (*services) {
        struct str text = arena_format(
            &a, "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"dns\"},\"spec\":{%s}}", services);
        struct service *service;
        assert_int_equal(json_parse(&a, text, NULL, &json, NULL), 0);
        assert_int_equal(service_parse(json, NULL, &service, NULL), 0);
        decide_set_service(d, service);
    }
    struct str text =
        arena_format(&a,
                     "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"dns-1\",\"labels\":{"
                     "\"kubernetes.io/service-name\":\"dns\"}},\"addressType\":\"IPv4\",\"ports\":[{"
                     "\"name\":\"\",\"port\":53,\"protocol\":\"UDP\"}],\"endpoints\":[%s]}",
                     endpoints);
    struct endpointslice *slice;
    assert_int_equal(json_parse(&a, text, NULL, &json, NULL), 0);
    assert_int_equal(endpointslice_parse(json, NULL, &slice, NULL), 0);
    decide_set_slice(d, slice);
    struct forwarding_state *s = decide_run(d, NULL);
    decide_free(d);
    return s;
}

#define DNS                                                                                                  \
    "\"type\":\"NodePort\",\"clusterIP\":\"10.96.0.10\",\"ports\":[{\"port\":53,\"protocol\":\"UDP\","       \
    "\"nodePort\":30053}]"
#define EP_2 "{\"addresses\":[\"10.244.0.2\"]}"
#define EP_3                                                                                                 \
    "{\"addresses\":[\"10.244.0.3\"],\"conditions\":{\"ready\":false,\"serving\":true,\"terminating\":true}" \
    "}"

struct row {
    const char *dst;
    int dport;
    const char *from;
    int sport;
    bool stale;
};

static void check(struct forwarding_state *was, struct forwarding_state *is, const struct row *rows, size_t n)
{
    struct stale_rules *r = stale_rules_new(was, is, IP_V4);
    for (size_t i = 0; i < n; i++) {
        struct conntrack_flow flow = {.original_dport = (uint16_t)rows[i].dport,
                                      .reply_sport = (uint16_t)rows[i].sport};
        assert_int_equal(ip_parse(str_of(rows[i].dst), &flow.original_dst), 0);
        assert_int_equal(ip_parse(str_of(rows[i].from), &flow.reply_src), 0);
        flow.translated = !ip_eq(&flow.original_dst, &flow.reply_src);
        if (stale_rules_match(r, &flow) != rows[i].stale)
            fail_msg("row %zu: %s:%d answered by %s:%d", i, rows[i].dst, rows[i].dport, rows[i].from,
                     rows[i].sport);
    }
    stale_rules_free(r);
    forwarding_state_unref(was);
    forwarding_state_unref(is);
}

static void test_backends(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"10.96.0.10", 53, "10.244.0.2", 53, false},
        {"10.96.0.10", 53, "10.244.0.3", 53, false}, /* terminating but serving: leave it */
        {"10.96.0.10", 53, "10.244.0.9", 53, true},
        {"10.96.0.10", 53, "10.244.0.2", 54, true},  /* the target port changed */
        {"10.96.0.10", 53, "10.96.0.10", 53, true},  /* never translated: sent before there were rules */
        {"10.96.0.10", 54, "10.244.0.9", 53, false}, /* not one of ours */
        {"192.0.2.1", 30053, "10.244.0.2", 53, false},
        {"192.0.2.1", 30053, "10.244.0.9", 53, true},
        {"192.0.2.1", 30053, "192.0.2.1", 30053, true},
        {"198.51.100.1", 30053, "198.51.100.1", 30053, false}, /* somebody talks to an outside server */
        {"192.0.2.1", 30054, "10.244.0.9", 53, false},
        {"8.8.8.8", 53, "8.8.8.8", 53, false},
    };
    check(NULL, make_state(DNS, EP_2 "," EP_3, false), rows, ARRAY_LEN(rows));
}

static void test_no_backends(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"10.96.0.10", 53, "10.244.0.2", 53, true},
        {"192.0.2.1", 30053, "10.244.0.2", 53, true},
    };
    check(NULL, make_state(DNS, "", false), rows, ARRAY_LEN(rows));
}

static void test_gone_service(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"10.96.0.10", 53, "10.244.0.2", 53, true},
        {"192.0.2.1", 30053, "10.244.0.2", 53, true},
        {"10.96.0.11", 53, "10.244.0.2", 53, false},
    };
    check(make_state(DNS, EP_2, false), make_state("", EP_2, false), rows, ARRAY_LEN(rows));
    /* After a start nothing is known of what was, but the range of ClusterIPs is. */
    static const struct row after_start[] = {
        {"10.96.0.11", 53, "10.244.0.2", 53, true},
        {"10.96.0.11", 53, "10.96.0.11", 53, false},
        {"10.97.0.11", 53, "10.244.0.2", 53, false},
    };
    check(NULL, make_state("", EP_2, true), after_start, ARRAY_LEN(after_start));
}

RUN_TESTS(cmocka_unit_test(test_backends), cmocka_unit_test(test_no_backends),
          cmocka_unit_test(test_gone_service))
