/* The decision table of section 1.6: what a client gives, and the families and policy it gets. */
#include "apiserver/service-fields.h"

#include "base/test.h"
#include "object/status.h"

#define V4                                                                                                   \
    {                                                                                                        \
        {IP_V4}, 1                                                                                           \
    }
#define V6                                                                                                   \
    {                                                                                                        \
        {IP_V6}, 1                                                                                           \
    }
#define DUAL                                                                                                 \
    {                                                                                                        \
        {IP_V4, IP_V6}, 2                                                                                    \
    }
#define DUAL6                                                                                                \
    {                                                                                                        \
        {IP_V6, IP_V4}, 2                                                                                    \
    }

static const struct row {
    const char *spec, *old; /* JSON; old NULL on creation */
    struct service_families cluster;
    const char *want; /* "policy families", or the error */
} rows[] = {
    {"{}", NULL, V4, "SingleStack [\"IPv4\"]"},
    {"{}", NULL, DUAL6, "SingleStack [\"IPv6\"]"},
    {"{\"ipFamilyPolicy\":\"PreferDualStack\"}", NULL, DUAL, "PreferDualStack [\"IPv4\",\"IPv6\"]"},
    {"{\"ipFamilyPolicy\":\"PreferDualStack\"}", NULL, V4, "PreferDualStack [\"IPv4\"]"},
    {"{\"ipFamilyPolicy\":\"RequireDualStack\",\"ipFamilies\":[\"IPv6\"]}", NULL, DUAL,
     "RequireDualStack [\"IPv6\",\"IPv4\"]"},
    {"{\"ipFamilyPolicy\":\"RequireDualStack\"}", NULL, V4,
     "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": this cluster is not configured for "
     "dual-stack services"},
    {"{\"ipFamilies\":[\"IPv6\"]}", NULL, V4,
     "spec.ipFamilies[0]: Invalid value: \"IPv6\": not configured on this cluster"},
    {"{\"ipFamilies\":[\"IPv4\",\"IPv6\"]}", NULL, DUAL,
     "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be RequireDualStack or PreferDualStack when "
     "multiple IP families are specified"},
    {"{\"clusterIP\":\"fd00::1\",\"clusterIPs\":[\"fd00::1\"]}", NULL, DUAL, "SingleStack [\"IPv6\"]"},
    {"{\"clusterIP\":\"fd00::1\",\"clusterIPs\":[\"fd00::1\"]}", NULL, V4,
     "spec.clusterIPs[0]: Invalid value: \"fd00::1\": IPv6 is not configured on this cluster"},
    {"{\"clusterIP\":\"None\",\"clusterIPs\":[\"None\"]}", NULL, V4, "RequireDualStack [\"IPv4\",\"IPv6\"]"},
    {"{\"clusterIP\":\"None\",\"clusterIPs\":[\"None\"],\"selector\":{\"a\":\"b\"}}", NULL, DUAL,
     "SingleStack [\"IPv4\"]"},
    {"{\"ipFamilies\":[\"IPv9\"]}", NULL, V4,
     "spec.ipFamilies[0]: Unsupported value: \"IPv9\": supported values: \"IPv4\", \"IPv6\""},
    {"{\"type\":\"ExternalName\"}", NULL, V4, " null"},
    /* updates */
    {"{\"ipFamilyPolicy\":\"SingleStack\",\"clusterIPs\":[\"10.0.0.1\",\"fd00::1\"],\"ipFamilies\":[\"IPv4\","
     "\"IPv6\"]}",
     "{\"ipFamilyPolicy\":\"PreferDualStack\",\"clusterIPs\":[\"10.0.0.1\",\"fd00::1\"],\"ipFamilies\":["
     "\"IPv4\",\"IPv6\"]}",
     DUAL, "SingleStack [\"IPv4\"]"},
    {"{\"ipFamilyPolicy\":\"PreferDualStack\",\"clusterIPs\":[\"10.0.0.1\"],\"ipFamilies\":[\"IPv4\"]}",
     "{\"ipFamilyPolicy\":\"SingleStack\",\"clusterIPs\":[\"10.0.0.1\"],\"ipFamilies\":[\"IPv4\"]}", DUAL,
     "PreferDualStack [\"IPv4\",\"IPv6\"]"},
    {"{\"ipFamilyPolicy\":\"PreferDualStack\",\"clusterIPs\":[\"10.0.0.1\"],\"ipFamilies\":[\"IPv4\"]}",
     "{\"ipFamilyPolicy\":\"PreferDualStack\",\"clusterIPs\":[\"10.0.0.1\"],\"ipFamilies\":[\"IPv4\"]}", DUAL,
     "PreferDualStack [\"IPv4\"]"},
    {"{\"clusterIPs\":[\"10.0.0.1\"],\"ipFamilies\":[\"IPv4\"]}",
     "{\"ipFamilyPolicy\":\"RequireDualStack\",\"clusterIPs\":[\"10.0.0.1\",\"fd00::1\"],\"ipFamilies\":["
     "\"IPv4\",\"IPv6\"]}",
     DUAL,
     "[spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": must be 'SingleStack' to release the "
     "secondary cluster IP, "
     "spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": must be 'SingleStack' to release the "
     "secondary IP family]"},
};

static struct json *service(struct arena *a, const char *spec)
{
    struct json *s;
    struct str text = arena_format(a, "{\"spec\":%s}", spec);
    assert_int_equal(json_parse(a, text, NULL, &s, NULL), 0);
    return s;
}

static void test_decision_table(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_(arena_done) struct arena a = {0};
        _cleanup_(strbuf_done) struct strbuf got = {0};
        struct field_errors errors = {.arena = &a};
        struct json *new = service(&a, rows[i].spec), *old = rows[i].old ? service(&a, rows[i].old) : NULL;
        service_decide_families(&a, new, old, &rows[i].cluster, &errors);
        const struct json *families = json_path(new, "spec", "ipFamilies", NULL);
        if (errors.n) {
            strbuf_add_str(&got, field_errors_text(&errors));
        } else {
            strbuf_addf(&got, "%.*s ", STR_ARG(json_string_at(new, "spec", "ipFamilyPolicy")));
            json_write(families ? families : json_null(&a), &got);
        }
        assert_str(strbuf_str(&got), rows[i].want);
    }
}

/* What an update leaves out is carried over, and what the new type has no use for goes. */
static void test_type_transitions(void **state)
{
    static const struct {
        const char *old, *new, *want;
    } changes[] = {
        {"{\"type\":\"NodePort\",\"clusterIP\":\"10.0.0.1\",\"clusterIPs\":[\"10.0.0.1\"],\"ports\":[{"
         "\"port\":80,\"nodePort\":30001}]}",
         "{\"type\":\"NodePort\",\"ports\":[{\"port\":81}]}",
         "{\"type\":\"NodePort\",\"ports\":[{\"port\":81,\"nodePort\":30001}],\"clusterIP\":\"10.0.0.1\","
         "\"clusterIPs\":[\"10.0.0.1\"]}"},
        {"{\"type\":\"NodePort\",\"clusterIP\":\"10.0.0.1\",\"clusterIPs\":[\"10.0.0.1\"],"
         "\"externalTrafficPolicy\":\"Cluster\","
         "\"ports\":[{\"port\":80,\"nodePort\":30001}]}",
         "{\"type\":\"ClusterIP\",\"clusterIP\":\"10.0.0.1\",\"clusterIPs\":[\"10.0.0.1\"],"
         "\"externalTrafficPolicy\":\"Cluster\","
         "\"ports\":[{\"port\":80,\"nodePort\":30001}]}",
         "{\"type\":\"ClusterIP\",\"clusterIP\":\"10.0.0.1\",\"clusterIPs\":[\"10.0.0.1\"],\"ports\":[{"
         "\"port\":80}]}"},
        {"{\"type\":\"ClusterIP\",\"clusterIP\":\"10.0.0.1\",\"clusterIPs\":[\"10.0.0.1\"],\"ipFamilies\":["
         "\"IPv4\"],"
         "\"ipFamilyPolicy\":\"SingleStack\"}",
         "{\"type\":\"ExternalName\",\"externalName\":\"a.b\",\"clusterIP\":\"10.0.0.1\",\"clusterIPs\":["
         "\"10.0.0.1\"],"
         "\"ipFamilies\":[\"IPv4\"],\"ipFamilyPolicy\":\"SingleStack\"}",
         "{\"type\":\"ExternalName\",\"externalName\":\"a.b\"}"},
        {"{\"type\":\"LoadBalancer\",\"externalTrafficPolicy\":\"Local\",\"healthCheckNodePort\":31000,"
         "\"loadBalancerClass\":\"a/b\","
         "\"allocateLoadBalancerNodePorts\":true}",
         "{\"type\":\"NodePort\",\"externalTrafficPolicy\":\"Local\",\"healthCheckNodePort\":31000,"
         "\"loadBalancerClass\":\"a/b\","
         "\"allocateLoadBalancerNodePorts\":true}",
         "{\"type\":\"NodePort\",\"externalTrafficPolicy\":\"Local\"}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        _cleanup_(arena_done) struct arena a = {0};
        _cleanup_(strbuf_done) struct strbuf got = {0};
        struct json *new = service(&a, changes[i].new), *old = service(&a, changes[i].old);
        service_carry_over(&a, new, old);
        service_mirror_cluster_ips(&a, new, old);
        service_wipe_for_type(new, old);
        json_write(json_getz(new, "spec"), &got);
        assert_str(strbuf_str(&got), changes[i].want);
    }
}

RUN_TESTS(cmocka_unit_test(test_decision_table), cmocka_unit_test(test_type_transitions))
