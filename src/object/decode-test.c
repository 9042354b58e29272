#include "object/decode.h"

#include "base/test.h"
#include "object/defaults.h"
#include "object/test-schema.h"

/* Decodes TEXT and compares what comes out with EXPECTED, or the refusal's message if it is one. */
static void assert_decoded(const struct schema_resource *r, enum decode_strictness strictness,
                           const char *text, const char *expected)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf out = {0};
    struct json_parse_info info = {0};
    struct json *v = NULL;
    assert_int_equal(json_parse(&a, str_of(text), &info, &v, NULL), 0);
    const struct decode_options options = {&a, r, strictness, &info};
    struct decode_report report;
    const struct status *s = object_decode(&options, v, &report);
    if (s) {
        assert_int_equal(s->code, 400);
        assert_str(s->message, expected);
        return;
    }
    json_write(v, &out);
    for (size_t i = 0; i < report.n; i++)
        strbuf_addf(&out, "\n%.*s", STR_ARG(report.problems[i]));
    assert_str(strbuf_str(&out), expected);
}

#define HEAD     "{\"kind\":\"Service\",\"apiVersion\":\"v1\""
#define HEAD_DEP "{\"kind\":\"Deployment\",\"apiVersion\":\"apps/v1\""
#define REFUSED  "Service in version \"v1\" cannot be handled as a Service: "

static void test_strictness(void **state)
{
    static const char *const text = HEAD ",\"foo\":1,\"spec\":{\"bar\":{\"x\":1,\"x\":2},\"type\":\"a\","
                                         "\"type\":\"b\",\"ports\":[{\"port\":1},"
                                         "{\"port\":2,\"baz\":1}]}}";
    assert_decoded(&test_services, DECODE_IGNORE, text,
                   HEAD ",\"spec\":{\"type\":\"b\",\"ports\":[{\"port\":1},{\"port\":2}]}}");
    assert_decoded(&test_services, DECODE_WARN, text,
                   HEAD ",\"spec\":{\"type\":\"b\",\"ports\":[{\"port\":1},{\"port\":2}]}}\nunknown field "
                        "\"foo\"\nunknown field "
                        "\"spec.bar\"\nunknown field \"spec.ports[1].baz\"\nduplicate field \"spec.type\"");
    assert_decoded(&test_services, DECODE_STRICT, text,
                   REFUSED
                   "strict decoding error: unknown field \"foo\", unknown field \"spec.bar\", unknown field "
                   "\"spec.ports[1].baz\", duplicate field \"spec.type\"");
    assert_decoded(&test_services, DECODE_STRICT, HEAD ",\"Spec\":{}}",
                   REFUSED "strict decoding error: unknown field \"Spec\"");
}

static void test_type_meta(void **state)
{
    assert_decoded(&test_deployments, DECODE_STRICT, "{}",
                   "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\"}");
    assert_decoded(&test_services, DECODE_STRICT, "{\"apiVersion\":\"apps/v1\",\"kind\":\"Service\"}",
                   "the API version in the data (apps/v1) does not match the expected API version (v1)");
    assert_decoded(&test_services, DECODE_STRICT, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}",
                   "Pod in version \"v1\" cannot be handled as a Service: the kind in the data does not "
                   "match the resource");
    assert_decoded(&test_services, DECODE_STRICT, "[]",
                   "couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value "
                   "of type struct { "
                   "APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
                   "\"json:\\\"kind,omitempty\\\"\" }");
}

static void test_wrong_types(void **state)
{
    static const char *const rows[][2] = {
        {"\"spec\":{\"ports\":[{\"port\":\"80\"}]}",
         "json: cannot unmarshal string into Go struct field ServicePort.spec.ports.port of type int32"},
        {"\"spec\":{\"ports\":[{\"port\":70000000000}]}",
         "json: cannot unmarshal number 70000000000 into Go struct field ServicePort.spec.ports.port of type "
         "int32"},
        {"\"spec\":{\"ports\":[{\"port\":1.5}]}",
         "json: cannot unmarshal number 1.5 into Go struct field ServicePort.spec.ports.port of type int32"},
        {"\"spec\":{\"ports\":{}}", "json: cannot unmarshal object into Go struct field "
                                    "ServiceSpec.spec.ports of type []v1.ServicePort"},
        {"\"spec\":[]",
         "json: cannot unmarshal array into Go struct field Service.spec of type v1.ServiceSpec"},
        {"\"spec\":{\"type\":1}",
         "json: cannot unmarshal number into Go struct field ServiceSpec.spec.type of type string"},
        {"\"metadata\":{\"labels\":{\"a\":true}}",
         "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type string"},
        {"\"metadata\":{\"labels\":\"a\"}", "json: cannot unmarshal string into Go struct field "
                                            "ObjectMeta.metadata.labels of type map[string]string"},
        {"\"metadata\":{\"generation\":true}",
         "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.generation of type int64"},
        {"\"spec\":{\"publishNotReadyAddresses\":\"yes\"}",
         "json: cannot unmarshal string into Go struct field ServiceSpec.spec.publishNotReadyAddresses of "
         "type bool"},
        {"\"spec\":{\"ports\":[{\"targetPort\":true}]}",
         "json: cannot unmarshal bool into Go value of type int32"},
        {"\"metadata\":{\"creationTimestamp\":\"x\"}",
         "parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"x\" as \"2006\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_(arena_done) struct arena a = {0};
        struct str text = arena_format(&a, HEAD ",%s}", rows[i][0]),
                   expected = arena_format(&a, REFUSED "%s", rows[i][1]);
        assert_decoded(&test_services, DECODE_IGNORE, text.p, expected.p);
    }
}

static void test_canonical_values(void **state)
{
    assert_decoded(
        &test_deployments, DECODE_STRICT,
        HEAD_DEP ",\"metadata\":{\"creationTimestamp\":\"2026-11-24T09:14:15.5+01:00\",\"generation\":-0},"
                 "\"spec\":{\"ratio\":1.50,\"template\":{\"spec\":{\"containers\":[{\"resources\":{"
                 "\"limits\":{\"cpu\":0.5,"
                 "\"memory\":\"1024Mi\"}}}]}}},\"status\":{\"probed\":\"2026-11-24T08:14:15Z\"}}",
        HEAD_DEP ",\"metadata\":{\"creationTimestamp\":\"2026-11-24T08:14:15Z\",\"generation\":0},"
                 "\"spec\":{\"ratio\":1.50,\"template\":{\"spec\":{\"containers\":[{\"resources\":{"
                 "\"limits\":{\"cpu\":\"500m\","
                 "\"memory\":\"1Gi\"}}}]}}},\"status\":{\"probed\":\"2026-11-24T08:14:15.000000Z\"}}");
    assert_decoded(&test_configmaps, DECODE_STRICT,
                   "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"binaryData\":{\"a\":\"aGVs\\nbG8=\"}}",
                   "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"binaryData\":{\"a\":\"aGVsbG8=\"}}");
    assert_decoded(
        &test_configmaps, DECODE_STRICT,
        "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"binaryData\":{\"a\":\"aGV*\"}}",
        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: illegal base64 data at input byte 3");
    assert_decoded(&test_deployments, DECODE_STRICT,
                   HEAD_DEP ",\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"resources\":{\"limits\":{"
                            "\"cpu\":\"x\"}}}]}}}}",
                   "Deployment in version \"apps/v1\" cannot be handled as a Deployment: quantities must "
                   "match the regular "
                   "expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
}

static void test_nulls_and_empties(void **state)
{
    assert_decoded(&test_services, DECODE_STRICT,
                   HEAD ",\"metadata\":{\"creationTimestamp\":null,\"labels\":{},\"annotations\":{\"a\":null}"
                        ",\"finalizers\":[null]},"
                        "\"spec\":{\"ports\":[],\"type\":null,\"selector\":{\"a\":\"\"}},\"status\":{}}",
                   HEAD ",\"metadata\":{\"annotations\":{\"a\":\"\"},\"finalizers\":[\"\"]},\"spec\":{"
                        "\"selector\":{\"a\":\"\"}},"
                        "\"status\":{}}");
    assert_decoded(&test_deployments, DECODE_STRICT,
                   HEAD_DEP ",\"metadata\":{\"managedFields\":[{}]},\"spec\":{\"template\":{\"spec\":{"
                            "\"containers\":[],\"volumes\":"
                            "[{\"name\":\"a\",\"emptyDir\":{}}, null]}}}}",
                   HEAD_DEP ",\"metadata\":{\"managedFields\":[{}]},\"spec\":{\"template\":{\"spec\":{"
                            "\"containers\":[],\"volumes\":"
                            "[{\"name\":\"a\",\"emptyDir\":{}},{}]}}}}");
}

static void test_problems_are_limited(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf text = {0};
    strbuf_addz(&text, "{");
    for (int i = 0; i < DECODE_MAX_PROBLEMS + 10; i++)
        strbuf_addf(&text, "\"x%d\":1,", i);
    strbuf_addz(&text, "\"metadata\":{}}");
    struct json *v = NULL;
    assert_int_equal(json_parse(&a, strbuf_str(&text), NULL, &v, NULL), 0);
    const struct decode_options options = {&a, &test_services, DECODE_WARN, NULL};
    struct decode_report report;
    assert_null(object_decode(&options, v, &report));
    assert_int_equal(report.n, DECODE_MAX_PROBLEMS);
    assert_int_equal(v->n, 3);
}

static void test_defaults(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf out = {0};
    struct json *v = NULL;
    assert_int_equal(json_parse(&a, STR("{\"a\":1}"), NULL, &v, NULL), 0);
    for (int twice = 0; twice < 2; twice++)
        defaults_apply(&a, test_services.type, v);
    json_write(v, &out);
    assert_str(strbuf_str(&out), "{\"a\":1,\"spec\":{\"sessionAffinity\":\"None\",\"type\":\"ClusterIP\"}}");
    strbuf_truncate(&out, 0);
    assert_int_equal(json_parse(&a,
                                STR("{\"ports\":[{\"port\":1},{\"protocol\":\"UDP\"}],\"type\":\"NodePort\","
                                    "\"sessionAffinity\":\"x\"}"),
                                NULL, &v, NULL),
                     0);
    defaults_apply(&a, schema_find_field(test_services.type, STR("spec"))->type, v);
    json_write(v, &out);
    assert_str(strbuf_str(&out),
               "{\"ports\":[{\"port\":1,\"protocol\":\"TCP\"},{\"protocol\":\"UDP\"}],\"type\":\"NodePort\","
               "\"sessionAffinity\":\"x\"}");
}

RUN_TESTS(cmocka_unit_test(test_strictness), cmocka_unit_test(test_type_meta),
          cmocka_unit_test(test_wrong_types), cmocka_unit_test(test_canonical_values),
          cmocka_unit_test(test_nulls_and_empties), cmocka_unit_test(test_problems_are_limited),
          cmocka_unit_test(test_defaults))
