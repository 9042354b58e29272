/* The generated tables: that they hold what upstream's types have (counts of fields recorded from the
 * Kubernetes 1.36 API), and that their rules reach the code that reads them. */
#include "base/test.h"

#include "object/defaults.h"
#include "object/schema.h"

struct expected {
    const char *path; /* a kind and field names; steps into elements of lists and maps */
    size_t n_fields;
};

static const struct schema_type *step(const struct schema_type *type, struct str name)
{
    const struct schema_field *field = schema_find_field(type, name);
    assert_non_null(field);
    type = field->type;
    while (type->element)
        type = type->element;
    return type;
}

static const struct schema_type *type_at(struct str path)
{
    struct str part;
    str_split(&path, '.', &part);
    const struct schema_type *type = NULL;
    for (size_t i = 0; i < n_schema_resources; i++) {
        if (str_eq(schema_resources[i]->kind, part) && !schema_resources[i]->stored_as)
            type = schema_resources[i]->type;
    }
    assert_non_null(type);
    while (str_split(&path, '.', &part))
        type = step(type, part);
    return type;
}

static void test_fields_are_complete(void **state)
{
    static const struct expected expected[] = {
        {"Pod", 5},
        {"Pod.metadata", 15},
        {"Pod.metadata.managedFields", 7},
        {"Pod.spec", 42},
        {"Pod.spec.containers", 25},
        {"Pod.spec.ephemeralContainers", 26},
        {"Pod.spec.containers.livenessProbe", 10},
        {"Pod.spec.containers.securityContext", 12},
        {"Pod.spec.securityContext", 13},
        {"Pod.spec.volumes", 31},
        {"Pod.spec.volumes.projected.sources", 6},
        {"Pod.spec.topologySpreadConstraints", 8},
        {"Pod.status", 21},
        {"Pod.status.containerStatuses", 15},
        {"Service.spec", 20},
        {"Service.spec.ports", 6},
        {"Service.status", 2},
        {"Node.spec", 7},
        {"Node.status", 14},
        {"Node.status.nodeInfo", 11},
        {"EndpointSlice", 6},
        {"EndpointSlice.endpoints", 8},
        {"Endpoints.subsets", 3},
        {"Event", 17},
        {"Lease.spec", 7},
        {"Deployment.spec", 8},
        {"Deployment.status", 9},
        {"ReplicaSet.spec", 4},
        {"ReplicaSet.status", 7},
        {"Secret", 7},
        {"ServiceAccount", 6},
        {"IPAddress.spec.parentRef", 4},
    };
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        const struct schema_type *type = type_at(str_of(expected[i].path));
        if (type->n_fields != expected[i].n_fields)
            fail_msg("%s has %zu fields, not %zu", expected[i].path, type->n_fields, expected[i].n_fields);
    }
}

/* Fails on a field without a sentence, in TYPE and what belongs to it; other groups of types may be bare. */
static void check_documented(const struct schema_type *type, struct str belongs)
{
    while (type->element)
        type = type->element;
    if (type->kind != SCHEMA_OBJECT || !str_has_prefix(type->openapi, belongs))
        return;
    assert_true(type->doc.len > 0);
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct schema_field *f = &type->fields[i];
        if (!f->doc.len)
            fail_msg("%.*s.%.*s has no sentence", STR_ARG(type->name), STR_ARG(f->name));
        check_documented(f->type, belongs);
    }
}

static void test_fields_are_documented(void **state)
{
    static const char *const core[] = {"Service", "Endpoints", "ConfigMap", "Secret", "Namespace", "Event"};
    static const char *const others[] = {"EndpointSlice", "Lease",      "ServiceCIDR",
                                         "IPAddress",     "Deployment", "ReplicaSet"};
    for (size_t i = 0; i < ARRAY_LEN(core); i++)
        check_documented(type_at(str_of(core[i])), STR("io.k8s.api.core."));
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        const struct schema_type *type = type_at(str_of(others[i]));
        check_documented(type, str_slice(type->openapi, 0, type->openapi.len - type->name.len));
    }
    check_documented(&schema_ObjectMeta, STR("io.k8s.apimachinery."));
    check_documented(&schema_Status, STR("io.k8s.apimachinery."));
    check_documented(&schema_DeleteOptions, STR("io.k8s.apimachinery."));
}

static void test_merge_rules(void **state)
{
    const struct schema_field *ports = schema_find_field(type_at(STR("Service.spec")), STR("ports"));
    assert_int_equal(ports->merge, SCHEMA_MAP_KEYS);
    assert_int_equal(ports->n_map_keys, 2);
    assert_str(ports->map_keys[0], "port");
    assert_str(ports->map_keys[1], "protocol");
    assert_str(ports->patch_merge_key, "port");
    const struct schema_field *volumes = schema_find_field(type_at(STR("Pod.spec")), STR("volumes"));
    assert_true(volumes->patch_merge && volumes->patch_retain_keys);
    const struct schema_field *tolerations = schema_find_field(type_at(STR("Pod.spec")), STR("tolerations"));
    assert_int_equal(tolerations->merge, SCHEMA_ATOMIC);
    assert_false(tolerations->patch_merge);
    const struct schema_field *selector = schema_find_field(type_at(STR("Deployment.spec")), STR("selector"));
    assert_int_equal(selector->merge, SCHEMA_ATOMIC);
    assert_true(selector->immutable);
}

static void check_default(const char *kind, const char *in, const char *out)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf text = {0};
    struct json *object;
    assert_int_equal(json_parse(&a, str_of(in), NULL, &object, NULL), 0);
    defaults_apply(&a, type_at(str_of(kind)), object);
    json_write(object, &text);
    assert_string_equal(strbuf_cstr(&text), out);
}

static void test_defaults(void **state)
{
    check_default(
        "Deployment.spec.strategy", "{}",
        "{\"type\":\"RollingUpdate\",\"rollingUpdate\":{\"maxSurge\":\"25%\",\"maxUnavailable\":\"25%\"}}");
    check_default("Deployment.spec.strategy", "{\"type\":\"Recreate\"}", "{\"type\":\"Recreate\"}");
    check_default(
        "Pod.spec.containers.livenessProbe", "{\"periodSeconds\":0,\"timeoutSeconds\":5}",
        "{\"periodSeconds\":10,\"timeoutSeconds\":5,\"failureThreshold\":3,\"successThreshold\":1}");
    check_default("Pod.spec.imagePullSecrets", "{}", "{}");
    check_default("Service.spec.ports", "{\"port\":80,\"protocol\":\"\"}",
                  "{\"port\":80,\"protocol\":\"TCP\"}");
    check_default("Deployment.spec", "{\"replicas\":0,\"strategy\":{\"type\":\"Recreate\"}}",
                  "{\"replicas\":0,\"strategy\":{\"type\":\"Recreate\"},\"progressDeadlineSeconds\":600,"
                  "\"revisionHistoryLimit\":10}");
}

static void test_look_ups(void **state)
{
    const struct schema_resource *slices =
        schema_find_resource(STR("discovery.k8s.io"), STR("v1"), STR("endpointslices"));
    assert_non_null(slices);
    assert_ptr_equal(schema_find_kind(STR("discovery.k8s.io"), STR("v1"), STR("EndpointSlice")), slices);
    assert_null(schema_find_resource(STR(""), STR("v1"), STR("endpointslices")));
    assert_null(schema_find_kind(STR("apps"), STR("v1"), STR("Service")));
    assert_false(schema_has_verb(schema_find_resource(STR(""), STR("v1"), STR("namespaces")),
                                 STR("deletecollection")));
    assert_true(schema_has_verb(slices, STR("deletecollection")));
    const struct schema_resource *events =
        schema_find_resource(STR("events.k8s.io"), STR("v1"), STR("events"));
    assert_ptr_equal(events->stored_as, schema_find_resource(STR(""), STR("v1"), STR("events")));
    assert_ptr_not_equal(events->type, events->stored_as->type);
    assert_null(schema_find_field(&schema_ObjectMeta, STR("nothing")));
}

RUN_TESTS(cmocka_unit_test(test_fields_are_complete), cmocka_unit_test(test_fields_are_documented),
          cmocka_unit_test(test_merge_rules), cmocka_unit_test(test_defaults),
          cmocka_unit_test(test_look_ups))
