/* Golden rows: what upstream prints of these objects. The time is 2026-11-24T08:00:00Z. */
#include "apiserver/printers.h"
#include "apiserver/registry.h"
#include "apiserver/table.h"
#include "base/test.h"

#define NOW     "2026-11-24T08:00:00Z"
#define CREATED "\"creationTimestamp\":\"2026-11-24T07:00:00Z\""

static struct json *parse(struct arena *a, const char *text)
{
    struct json *v;
    struct err err = {0};
    if (json_parse(a, str_of(text), NULL, &v, &err) < 0)
        fail_msg("%s in %s", err.text, text);
    return v;
}

/* The row of a Table for OBJECT. */
static const struct json *row_of(struct arena *a, const char *plural, const char *object)
{
    const struct schema_resource *schema = NULL;
    for (size_t i = 0; i < n_schema_resources; i++) {
        if (str_eqz(schema_resources[i]->plural, plural) && !schema_resources[i]->stored_as)
            schema = schema_resources[i];
    }
    assert_non_null(schema);
    const struct resource resource = {.schema = schema, .stored = schema};
    struct table_options o = {.resource = &resource, .version = STR("v1")};
    assert_int_equal(walltime_parse(STR(NOW), &o.now), 0);
    return json_at(json_getz(table_of_one(a, &o, parse(a, object)), "rows"), 0);
}

/* Compares the cells, with " | " between them. */
static void check_row(const char *plural, const char *object, const char *expected)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf text = {0};
    json_foreach (json_getz(row_of(&a, plural, object), "cells"), cell) {
        strbuf_addz(&text, text.len ? " | " : "");
        if (cell->type == JSON_STRING)
            strbuf_add_str(&text, cell->text);
        else
            json_write(cell, &text);
    }
    assert_string_equal(strbuf_cstr(&text), expected);
}

static void test_empty_objects(void **state)
{
    for (size_t i = 0; i < n_schema_resources; i++) {
        _cleanup_(arena_done) struct arena a = {0};
        char *plural = mem_dup(schema_resources[i]->plural.p, schema_resources[i]->plural.len);
        const struct json *cells = json_getz(row_of(&a, plural, "{}"), "cells");
        assert_int_equal(cells->n, schema_resources[i]->n_columns);
        free(plural);
    }
}

static void test_services(void **state)
{
    check_row("services",
              "{\"metadata\":{\"name\":\"web\"," CREATED
              "},\"spec\":{\"type\":\"ClusterIP\",\"clusterIP\":\"10.96.0.7\","
              "\"clusterIPs\":[\"10.96.0.7\"],\"selector\":{\"tier\":\"front\",\"app\":\"web\"},"
              "\"ports\":[{\"port\":80,\"protocol\":\"TCP\"},{\"port\":53,\"protocol\":\"UDP\"}]}}",
              "web | ClusterIP | 10.96.0.7 | <none> | 80/TCP,53/UDP | 60m | app=web,tier=front");
    check_row("services",
              "{\"metadata\":{\"name\":\"np\"," CREATED
              "},\"spec\":{\"type\":\"NodePort\",\"clusterIPs\":[\"fd00::1\"],"
              "\"externalIPs\":[\"192.0.2.1\",\"192.0.2.2\"],"
              "\"ports\":[{\"port\":80,\"nodePort\":30080,\"protocol\":\"TCP\"}]}}",
              "np | NodePort | fd00::1 | 192.0.2.1,192.0.2.2 | 80:30080/TCP | 60m | <none>");
    check_row(
        "services",
        "{\"metadata\":{\"name\":\"lb\"},\"spec\":{\"type\":\"LoadBalancer\",\"clusterIPs\":[\"10.96.0.8\"],"
        "\"externalIPs\":[\"192.0.2.9\"]},\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"203.0.113.2\"}"
        ","
        "{\"hostname\":\"a.example\"}]}}}",
        "lb | LoadBalancer | 10.96.0.8 | 203.0.113.2,a.example,192.0.2.9 | <none> | <unknown> | <none>");
    check_row(
        "services",
        "{\"metadata\":{\"name\":\"lb\"},\"spec\":{\"type\":\"LoadBalancer\",\"clusterIPs\":[\"None\"]}}",
        "lb | LoadBalancer | None | <pending> | <none> | <unknown> | <none>");
    check_row("services",
              "{\"metadata\":{\"name\":\"ext\"," CREATED
              "},\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"db.example\"}}",
              "ext | ExternalName | <none> | db.example | <none> | 60m | <none>");
}

#define POD(spec, status)                                                                                    \
    "{\"metadata\":{\"name\":\"p\"," CREATED "},\"spec\":{" spec "},\"status\":{" status "}}"
#define TWO          "\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"}]"
#define RUNS(name)   "{\"name\":\"" name "\",\"ready\":true,\"restartCount\":0,\"state\":{\"running\":{}}}"
#define NOTHING_WIDE " | <none> | <none> | <none> | <none>"

static void test_pods(void **state)
{
    check_row("pods", POD(TWO, "\"phase\":\"Pending\""), "p | 0/2 | Pending | 0 | 60m" NOTHING_WIDE);
    check_row(
        "pods",
        POD(TWO
            ",\"nodeName\":\"n1\",\"readinessGates\":[{\"conditionType\":\"x/y\"},{\"conditionType\":\"z\"}]",
            "\"phase\":\"Running\",\"podIPs\":[{\"ip\":\"10.244.0.4\"}],\"conditions\":[{\"type\":\"x/y\","
            "\"status\":\"True\"}],\"containerStatuses\":[" RUNS("a") "," RUNS("b") "]"),
        "p | 2/2 | Running | 0 | 60m | 10.244.0.4 | n1 | <none> | 1/2");
    check_row(
        "pods",
        POD(TWO,
            "\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"a\",\"restartCount\":3,\"state\":"
            "{\"waiting\":{\"reason\":\"CrashLoopBackOff\"}},\"lastState\":{\"terminated\":{\"finishedAt\":"
            "\"2026-11-24T07:55:00Z\"}}}," RUNS("b") "]"),
        "p | 1/2 | CrashLoopBackOff | 3 (5m ago) | 60m" NOTHING_WIDE);
    check_row("pods",
              POD(TWO,
                  "\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"a\",\"restartCount\":0,\"state\":"
                  "{\"terminated\":{\"exitCode\":0,\"reason\":\"Completed\"}}}," RUNS("b") "]"),
              "p | 1/2 | NotReady | 0 | 60m" NOTHING_WIDE);
    check_row("pods",
              POD(TWO,
                  "\"phase\":\"Failed\",\"containerStatuses\":[{\"name\":\"a\",\"restartCount\":0,\"state\":"
                  "{\"terminated\":{\"exitCode\":137,\"signal\":9}}}]"),
              "p | 0/2 | Signal:9 | 0 | 60m" NOTHING_WIDE);
    check_row("pods", POD(TWO, "\"phase\":\"Failed\",\"reason\":\"Evicted\""),
              "p | 0/2 | Evicted | 0 | 60m" NOTHING_WIDE);
    check_row("pods",
              POD(TWO, "\"phase\":\"Pending\",\"conditions\":[{\"type\":\"PodScheduled\",\"reason\":"
                       "\"SchedulingGated\"}]"),
              "p | 0/2 | SchedulingGated | 0 | 60m" NOTHING_WIDE);
    check_row("pods",
              "{\"metadata\":{\"name\":\"p\",\"deletionTimestamp\":\"" NOW "\"},\"spec\":{" TWO
              "},\"status\":{\"phase\":\"Running\"}}",
              "p | 0/2 | Terminating | 0 | <unknown>" NOTHING_WIDE);
}

#define INITS "\"initContainers\":[{\"name\":\"i\"},{\"name\":\"s\",\"restartPolicy\":\"Always\"}]," TWO

static void test_pods_with_init_containers(void **state)
{
    check_row(
        "pods",
        POD(INITS,
            "\"phase\":\"Pending\",\"initContainerStatuses\":[{\"name\":\"i\",\"restartCount\":2,\"state\":"
            "{\"running\":{}}}]"),
        "p | 0/3 | Init:0/2 | 2 | 60m" NOTHING_WIDE);
    check_row(
        "pods",
        POD(INITS,
            "\"phase\":\"Pending\",\"initContainerStatuses\":[{\"name\":\"i\",\"restartCount\":2,\"state\":"
            "{\"terminated\":{\"exitCode\":4}}}]"),
        "p | 0/3 | Init:ExitCode:4 | 2 | 60m" NOTHING_WIDE);
    check_row("pods",
              POD(INITS,
                  "\"phase\":\"Pending\",\"initContainerStatuses\":[{\"name\":\"i\",\"state\":{\"waiting\":"
                  "{\"reason\":\"ImagePullBackOff\"}}}]"),
              "p | 0/3 | Init:ImagePullBackOff | 0 | 60m" NOTHING_WIDE);
    check_row(
        "pods",
        POD(INITS,
            "\"phase\":\"Running\",\"initContainerStatuses\":[{\"name\":\"i\",\"restartCount\":2,\"state\":"
            "{\"terminated\":{\"exitCode\":0}}},{\"name\":\"s\",\"ready\":true,\"started\":true,"
            "\"restartCount\":1,"
            "\"state\":{\"running\":{}}}],\"containerStatuses\":[" RUNS("a") "," RUNS("b") "]"),
        "p | 3/3 | Running | 1 | 60m" NOTHING_WIDE);
}

static void test_nodes(void **state)
{
    check_row("nodes",
              "{\"metadata\":{\"name\":\"n\"," CREATED ",\"labels\":{\"node-role.kubernetes.io/worker\":\"\","
              "\"node-role.kubernetes.io/control-plane\":\"\",\"kubernetes.io/"
              "role\":\"worker\"}},\"spec\":{\"unschedulable\":true},"
              "\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}],\"addresses\":[{"
              "\"type\":\"InternalIP\","
              "\"address\":\"192.0.2.3\"}],\"nodeInfo\":{\"kubeletVersion\":\"v1\",\"osImage\":\"Debian\"}}}",
              "n | Ready,SchedulingDisabled | control-plane,worker | 60m | v1 | 192.0.2.3 | <none> | Debian "
              "| <unknown> | "
              "<unknown>");
    check_row("nodes",
              "{\"metadata\":{\"name\":\"n\"},\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":"
              "\"Unknown\"}]}}",
              "n | NotReady | <none> | <unknown> |  | <none> | <none> | <unknown> | <unknown> | <unknown>");
    check_row("nodes", "{\"metadata\":{\"name\":\"n\"}}",
              "n | Unknown | <none> | <unknown> |  | <none> | <none> | <unknown> | <unknown> | <unknown>");
}

static void test_workloads(void **state)
{
    static const char spec[] = "{\"metadata\":{\"name\":\"d\"," CREATED
                               "},\"spec\":{\"replicas\":3,\"selector\":{\"matchLabels\":{\"app\":\"d\"},"
                               "\"matchExpressions\":[{\"key\":\"tier\",\"operator\":\"In\",\"values\":["
                               "\"b\",\"a\"]},{\"key\":\"old\",\"operator\":"
                               "\"DoesNotExist\"}]},\"template\":{\"spec\":{\"containers\":[{\"name\":\"x\","
                               "\"image\":\"x:1\"},{\"name\":\"y\","
                               "\"image\":\"y:2\"}]}}},\"status\":{\"replicas\":3,\"readyReplicas\":2,"
                               "\"updatedReplicas\":3,\"availableReplicas\":1}}";
    check_row("deployments", spec, "d | 2/3 | 3 | 1 | 60m | x,y | x:1,y:2 | app=d,!old,tier in (a,b)");
    check_row("replicasets", spec, "d | 3 | 3 | 2 | 60m | x,y | x:1,y:2 | app=d,!old,tier in (a,b)");
}

static void test_endpoints(void **state)
{
    check_row("endpoints",
              "{\"metadata\":{\"name\":\"e\"," CREATED
              "},\"subsets\":[{\"addresses\":[{\"ip\":\"10.0.0.1\"},{\"ip\":\"10.0.0.2\"}],"
              "\"ports\":[{\"port\":80},{\"port\":443}]}]}",
              "e | 10.0.0.1:80,10.0.0.2:80,10.0.0.1:443 + 1 more... | 60m");
    check_row("endpoints",
              "{\"metadata\":{\"name\":\"e\"},\"subsets\":[{\"addresses\":[{\"ip\":\"fd00::1\"}],\"ports\":[{"
              "\"port\":80}]}]}",
              "e | [fd00::1]:80 | <unknown>");
    check_row("endpoints",
              "{\"metadata\":{\"name\":\"e\"},\"subsets\":[{\"addresses\":[{\"ip\":\"10.0.0.1\"}]}]}",
              "e | 10.0.0.1 | <unknown>");
    check_row("endpoints", "{\"metadata\":{\"name\":\"e\"}}", "e | <none> | <unknown>");
    check_row("endpointslices",
              "{\"metadata\":{\"name\":\"s\"," CREATED
              "},\"addressType\":\"IPv4\",\"ports\":[{\"port\":80},{\"name\":\"any\"},{}],"
              "\"endpoints\":[{\"addresses\":[\"10.0.0.1\"]},{\"addresses\":[\"10.0.0.2\"]},{\"addresses\":["
              "\"10.0.0.3\"]},"
              "{\"addresses\":[\"10.0.0.4\"]},{\"addresses\":[\"10.0.0.5\"]}]}",
              "s | IPv4 | 80,any,* | 10.0.0.1,10.0.0.2,10.0.0.3 + 2 more... | 60m");
    check_row("endpointslices", "{\"metadata\":{\"name\":\"s\"},\"addressType\":\"IPv6\"}",
              "s | IPv6 | <unset> | <unset> | <unknown>");
}

static void test_events(void **state)
{
    check_row("events",
              "{\"metadata\":{\"name\":\"e.1\"},\"type\":\"Warning\",\"reason\":\"Failed\",\"message\":\" no "
              "image\\n\","
              "\"involvedObject\":{\"kind\":\"Pod\",\"name\":\"p\",\"fieldPath\":\"spec.containers{a}\"},"
              "\"source\":{"
              "\"component\":\"kubelet\",\"host\":\"n1\"},\"firstTimestamp\":\"2026-11-24T07:50:00Z\","
              "\"lastTimestamp\":"
              "\"2026-11-24T07:59:30Z\",\"count\":7}",
              "30s | Warning | Failed | pod/p | spec.containers{a} | kubelet, n1 | no image | 10m | 7 | e.1");
    check_row("events",
              "{\"metadata\":{\"name\":\"e.2\"},\"type\":\"Normal\",\"reason\":\"Made\",\"eventTime\":\"2026-"
              "11-24T07:00:00.000000Z\","
              "\"involvedObject\":{\"kind\":\"ReplicaSet\",\"name\":\"r\"},\"reportingComponent\":"
              "\"fairlead\",\"series\":"
              "{\"count\":4,\"lastObservedTime\":\"2026-11-24T07:58:00.000000Z\"}}",
              "2m | Normal | Made | replicaset/r |  | fairlead |  | 60m | 4 | e.2");
    check_row("events",
              "{\"metadata\":{\"name\":\"e.3\"},\"type\":\"Normal\",\"reason\":\"Made\",\"message\":\"done\","
              "\"eventTime\":"
              "\"2026-11-24T07:00:00.000000Z\",\"involvedObject\":{\"kind\":\"Node\"},\"reportingComponent\":"
              "\"c\",\"reportingInstance\":"
              "\"c-1\"}",
              "60m | Normal | Made | node |  | c, c-1 | done | 60m | 1 | e.3");
}

static void test_small_kinds(void **state)
{
    check_row("namespaces", "{\"metadata\":{\"name\":\"n\"," CREATED "},\"status\":{\"phase\":\"Active\"}}",
              "n | Active | 60m");
    check_row("configmaps",
              "{\"metadata\":{\"name\":\"c\"," CREATED
              "},\"data\":{\"a\":\"1\",\"b\":\"2\"},\"binaryData\":{\"c\":\"\"}}",
              "c | 3 | 60m");
    check_row("secrets",
              "{\"metadata\":{\"name\":\"s\"," CREATED "},\"type\":\"Opaque\",\"data\":{\"a\":\"\"}}",
              "s | Opaque | 1 | 60m");
    check_row("serviceaccounts", "{\"metadata\":{\"name\":\"a\"," CREATED "},\"secrets\":[{\"name\":\"t\"}]}",
              "a | 1 | 60m");
    check_row("leases", "{\"metadata\":{\"name\":\"l\"," CREATED "},\"spec\":{\"holderIdentity\":\"n1\"}}",
              "l | n1 | 60m");
    check_row("servicecidrs",
              "{\"metadata\":{\"name\":\"k\"," CREATED
              "},\"spec\":{\"cidrs\":[\"10.96.0.0/16\",\"fd00::/112\"]}}",
              "k | 10.96.0.0/16,fd00::/112 | 60m");
    check_row("ipaddresses",
              "{\"metadata\":{\"name\":\"10.96.0.1\"," CREATED
              "},\"spec\":{\"parentRef\":{\"resource\":\"services\",\"namespace\":"
              "\"default\",\"name\":\"kubernetes\"}}}",
              "10.96.0.1 | services/default/kubernetes | 60m");
}

static void test_harmless(void **state)
{
    check_row("events",
              "{\"metadata\":{\"name\":\"e\"},\"message\":\"a\\u001b[2Jb\\u0007 \\u202ec \\u009bd "
              "\\u00e9\\u007f\"}",
              "<unknown> |  |  |  |  |  | a\\x1b[2Jb\\x07 \\xe2\\x80\\xaec \\xc2\\x9bd \xc3\xa9\\x7f | "
              "<unknown> | 1 | e");
}

static void test_ended_pods(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    const struct json *row = row_of(&a, "pods", "{\"status\":{\"phase\":\"Succeeded\"}}");
    const struct json *condition = json_at(json_getz(row, "conditions"), 0);
    assert_str(json_string_at(condition, "type"), "Completed");
    assert_str(json_string_at(condition, "reason"), "Succeeded");
    assert_null(json_getz(row_of(&a, "pods", "{\"status\":{\"phase\":\"Running\"}}"), "conditions"));
    check_row("pods",
              "{\"metadata\":{\"name\":\"p\",\"deletionTimestamp\":\"" NOW "\"},\"spec\":{" TWO
              "},\"status\":{\"phase\":\"Failed\",\"reason\":\"Evicted\"}}",
              "p | 0/2 | Evicted | 0 | <unknown>" NOTHING_WIDE);
}

RUN_TESTS(cmocka_unit_test(test_empty_objects), cmocka_unit_test(test_services), cmocka_unit_test(test_pods),
          cmocka_unit_test(test_pods_with_init_containers), cmocka_unit_test(test_nodes),
          cmocka_unit_test(test_workloads), cmocka_unit_test(test_endpoints), cmocka_unit_test(test_events),
          cmocka_unit_test(test_small_kinds), cmocka_unit_test(test_harmless),
          cmocka_unit_test(test_ended_pods))
