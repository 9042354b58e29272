#include "object/validate.h"

#include "base/test.h"
#include "object/test-schema.h"

static struct json *parse(struct arena *a, const char *text)
{
    struct json *v = NULL;
    assert_int_equal(json_parse(a, str_of(text), NULL, &v, NULL), 0);
    return v;
}

static void test_schema_rules(void **state)
{
    static const struct {
        const struct schema_resource *r;
        const char *object, *old, *errors;
    } rows[] = {
        {&test_services, "{\"spec\":{\"ports\":[{\"port\":80,\"protocol\":\"UDP\"}],\"type\":\"NodePort\"}}",
         NULL, ""},
        {&test_services, "{\"spec\":{\"ports\":[{},{\"port\":65536,\"protocol\":\"X\"}]}}", NULL,
         "[spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive, spec.ports[1].port: "
         "Invalid value: "
         "65536: must be between 1 and 65535, inclusive, spec.ports[1].protocol: Unsupported value: \"X\": "
         "supported values: "
         "\"SCTP\", \"TCP\", \"UDP\"]"},
        {&test_deployments,
         "{\"spec\":{\"replicas\":-1,\"selector\":{},\"template\":{\"spec\":{\"containers\":[]}}}}", NULL,
         "[spec.replicas: Invalid value: -1: must be greater than or equal to 0, "
         "spec.template.spec.containers: Required value]"},
        {&test_deployments, "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"\"}]}}}}", NULL,
         "[spec.selector: Required value, spec.template.spec.containers[0].name: Required value]"},
        {&test_deployments, "{\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}},\"template\":{}}}",
         "{\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"c\"}}}}",
         "spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"b\"}}: field is immutable"},
        {&test_deployments, "{\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}},\"template\":{}}}",
         "{\"spec\":{}}", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_(arena_done) struct arena a = {0};
        struct field_errors e = {.arena = &a};
        const struct json *old = rows[i].old ? parse(&a, rows[i].old) : NULL;
        validate_schema(&e, NULL, rows[i].r->type, parse(&a, rows[i].object), old);
        assert_str(field_errors_text(&e), rows[i].errors);
    }
}

static void test_metadata(void **state)
{
    static const struct {
        const char *meta;
        bool namespaced;
        const char *errors; /* how they begin */
    } rows[] = {
        {"{\"name\":\"a\",\"namespace\":\"b\",\"labels\":{\"x.io/a\":\"B\"},\"finalizers\":[\"a/b\"]}", true,
         ""},
        {"{}", true,
         "[metadata.name: Required value: name or generateName is required, metadata.namespace: Required "
         "value]"},
        {"{\"name\":\"a\",\"namespace\":\"b\"}", false,
         "metadata.namespace: Forbidden: not allowed on this type"},
        {"{\"name\":\"A\",\"namespace\":\"b\"}", true,
         "metadata.name: Invalid value: \"A\": a lowercase RFC 1123 label"},
        {"{\"generateName\":\"A-\",\"name\":\"a\",\"namespace\":\"b\"}", true,
         "metadata.generateName: Invalid value: \"A-\": a"},
        {"{\"generateName\":\"a-\",\"name\":\"a\",\"namespace\":\"b\"}", true, ""},
        {"{\"name\":\"a\",\"labels\":{\"a b\":\"c d\"}}", false,
         "[metadata.labels: Invalid value: \"a b\": name part must consist"},
        {"{\"name\":\"a\",\"annotations\":{\"X.io/A\":\"any thing\"}}", false, ""},
        {"{\"name\":\"a\",\"annotations\":{\"/A\":\"any thing\"}}", false,
         "metadata.annotations: Invalid value: \"/A\": prefix part must be non-empty"},
        {"{\"name\":\"a\",\"finalizers\":[\"orphan\",\"foregroundDeletion\"]}", false,
         "metadata.finalizers: Invalid value: [\"orphan\",\"foregroundDeletion\"]: finalizer "
         "foregroundDeletion and orphan cannot "
         "be both set"},
        {"{\"name\":\"a\",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":\"x\"}]}",
         false, "metadata.ownerReferences.uid: Invalid value: \"\": must not be empty"},
        {"{\"name\":\"a\",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"P\",\"name\":\"x\",\"uid\":"
         "\"1\",\"controller\":true},"
         "{\"apiVersion\":\"v1\",\"kind\":\"Q\",\"name\":\"y\",\"uid\":\"2\",\"controller\":true}]}",
         false,
         "metadata.ownerReferences: Invalid value: "
         "[{\"apiVersion\":\"v1\",\"kind\":\"P\",\"name\":\"x\",\"uid\":\"1\","},
        {"{\"name\":\"a\",\"managedFields\":[{\"operation\":\"X\"}]}", false,
         "metadata.managedFields.operation: Invalid value: \"X\": must be `Apply` or `Update`"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_(arena_done) struct arena a = {0};
        struct field_errors e = {.arena = &a};
        validate_meta(&e, parse(&a, rows[i].meta),
                      &(struct meta_rules){name_check_dns1123_label, rows[i].namespaced});
        struct str text = field_errors_text(&e);
        if (!str_has_prefix(text, str_of(rows[i].errors)) || (!rows[i].errors[0] && text.len))
            fail_msg("%s: %.*s", rows[i].meta, STR_ARG(text));
    }
}

static void test_annotations_have_a_limit(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct field_errors e = {.arena = &a};
    struct json *annotations = json_object(&a);
    char *big = arena_alloc(&a, VALIDATE_MAX_ANNOTATION_BYTES);
    memset(big, 'x', VALIDATE_MAX_ANNOTATION_BYTES);
    json_setz(annotations, "a", json_string(&a, (struct str){big, VALIDATE_MAX_ANNOTATION_BYTES - 1}));
    validate_annotations(&e, FIELD(NULL, "a"), annotations);
    assert_int_equal(e.n, 0);
    json_setz(annotations, "ab", json_string(&a, STR("")));
    validate_annotations(&e, FIELD(NULL, "a"), annotations);
    assert_str(field_errors_text(&e), "a: Too long: may not be more than 262144 bytes");
}

static void test_updates(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct field_errors e = {.arena = &a};
    struct json *old = parse(
        &a, "{\"name\":\"a\",\"uid\":\"1\",\"generation\":2,\"deletionTimestamp\":\"2026-11-24T08:14:15Z\","
            "\"finalizers\":[\"a/b\"]}");
    validate_meta_update(&e,
                         parse(&a, "{\"name\":\"a\",\"uid\":\"1\",\"generation\":2,\"resourceVersion\":\"5\","
                                   "\"deletionTimestamp\":\"2026-11-24T08:14:15Z\"}"),
                         old);
    assert_int_equal(e.n, 0);
    validate_meta_update(&e,
                         parse(&a, "{\"name\":\"b\",\"uid\":\"1\",\"generation\":1,\"finalizers\":[\"c/d\"],"
                                   "\"deletionTimestamp\":\"2026-11-24T08:14:15Z\"}"),
                         old);
    assert_str(field_errors_text(&e), "[metadata.finalizers: Forbidden: no new finalizers can be added if "
                                      "the object is being deleted, found new "
                                      "finalizers []string{\"c/d\"}, metadata.resourceVersion: Invalid "
                                      "value: \"\": must be specified for an update, "
                                      "metadata.generation: Invalid value: 1: must not be decremented, "
                                      "metadata.name: Invalid value: \"b\": field is "
                                      "immutable]");
}

/* 200,000 of them on both sides: a walk for each would take minutes. */
static void test_many_finalizers(void **state)
{
    enum { N = 200000 };
    _cleanup_(arena_done) struct arena a = {0};
    struct json *meta = parse(&a, "{\"resourceVersion\":\"1\",\"deletionTimestamp\":\"x\"}");
    struct json *list = json_ensure_array(&a, meta, "finalizers");
    for (int i = 0; i < N; i++)
        json_append(list, json_stringf(&a, "x.io/f%d", i));
    struct json *old = json_copy(&a, meta);
    json_append(list, json_string(&a, STR("x.io/new")));
    struct field_errors e = {.arena = &a};
    validate_meta_update(&e, meta, old);
    assert_int_equal(e.n, 1);
}

static void test_label_selectors(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct field_errors e = {.arena = &a};
    validate_label_selector(
        &e, FIELD(NULL, "selector"),
        parse(&a, "{\"matchLabels\":{\"a\":\"b\"},\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\"},"
                  "{\"key\":\"a\",\"operator\":\"Exists\",\"values\":[\"b\"]},{\"key\":\"a\",\"operator\":"
                  "\"x\"}]}"));
    assert_str(
        field_errors_text(&e),
        "[selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or "
        "'NotIn', "
        "selector.matchExpressions[1].values: Forbidden: may not be specified when `operator` is 'Exists' or "
        "'DoesNotExist', selector.matchExpressions[2].operator: Invalid value: \"x\": not a valid selector "
        "operator]");
}

RUN_TESTS(cmocka_unit_test(test_schema_rules), cmocka_unit_test(test_metadata),
          cmocka_unit_test(test_annotations_have_a_limit), cmocka_unit_test(test_updates),
          cmocka_unit_test(test_many_finalizers), cmocka_unit_test(test_label_selectors))
