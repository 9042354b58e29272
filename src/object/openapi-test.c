/* OpenAPI documents: every reference leads somewhere, what kubectl looks for is where it looks, and the
 * protocol buffers say the same as the JSON. */
#include <errno.h>

#include "base/test.h"

#include "object/openapi.h"
#include "wire/json.h"
#include "wire/protobuf.h"

struct document {
    struct arena arena;
    struct strbuf text;
    struct json *root;
};

static void document_done(struct document *d)
{
    arena_done(&d->arena);
    strbuf_done(&d->text);
}

static void parse(struct document *d)
{
    struct json_parse_info info = {0};
    struct err err = {0};
    if (json_parse(&d->arena, strbuf_str(&d->text), &info, &d->root, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(info.n_duplicates, 0);
}

static void load_v3(struct document *d, const char *path)
{
    assert_int_equal(openapi_v3(str_of(path), STR("v1.36.2"), &d->text), 0);
    parse(d);
}

static void load_v2(struct document *d)
{
    openapi_v2(STR("v1.36.2"), OPENAPI_JSON, &d->text);
    parse(d);
}

/* Counts references and fails on one that leads nowhere. */
static size_t check_refs(const struct json *v, const struct json *schemas, struct str prefix)
{
    size_t n = 0;
    json_foreach (v, m) {
        if (str_eqz(m->key, "$ref") && m->type == JSON_STRING) {
            assert_true(str_has_prefix(m->text, prefix));
            if (!json_get(schemas, str_slice(m->text, prefix.len, m->text.len)))
                fail_msg("%.*s leads nowhere", STR_ARG(m->text));
            n++;
        }
        n += check_refs(m, schemas, prefix);
    }
    return n;
}

static void test_v3_references(void **state)
{
    _cleanup_(strbuf_done) struct strbuf text = {0};
    _cleanup_(arena_done) struct arena a = {0};
    struct json *index;
    openapi_v3_index(&text);
    assert_int_equal(json_parse(&a, strbuf_str(&text), NULL, &index, NULL), 0);
    struct json *paths = json_getz(index, "paths");
    assert_true(paths->n >= 6);
    json_foreach (paths, p) {
        _cleanup_(document_done) struct document d = {0};
        assert_int_equal(openapi_v3(p->key, STR("v1.36.2"), &d.text), 0);
        parse(&d);
        const struct json *schemas = json_path(d.root, "components", "schemas", NULL);
        assert_true(check_refs(d.root, schemas, STR("#/components/schemas/")) > 20);
        struct str url = json_string_at(p, "serverRelativeURL");
        assert_true(str_find(url, p->key) > 0 && str_find(url, openapi_hash()) > 0);
    }
    _cleanup_(strbuf_done) struct strbuf none = {0};
    assert_int_equal(openapi_v3(STR("apis/apps/v2"), STR("v"), &none), -ENOENT);
}

static void test_v3_service(void **state)
{
    _cleanup_(document_done) struct document d = {0};
    load_v3(&d, "api/v1");
    const struct json *schemas = json_path(d.root, "components", "schemas", NULL);
    const struct json *service = json_getz(schemas, "io.k8s.api.core.v1.Service");
    const struct json *kinds = json_getz(service, "x-kubernetes-group-version-kind");
    assert_int_equal(kinds->n, 1);
    assert_str(json_string_at(json_at(kinds, 0), "kind"), "Service");
    const struct json *ports =
        json_path(schemas, "io.k8s.api.core.v1.ServiceSpec", "properties", "ports", NULL);
    assert_str(json_string_at(ports, "x-kubernetes-list-type"), "map");
    assert_str(json_str(json_at(json_getz(ports, "x-kubernetes-list-map-keys"), 1)), "protocol");
    assert_str(json_string_at(ports, "x-kubernetes-patch-merge-key"), "port");
    assert_str(json_string_at(ports, "x-kubernetes-patch-strategy"), "merge");
    const struct json *protocol =
        json_path(schemas, "io.k8s.api.core.v1.ServicePort", "properties", "protocol", NULL);
    assert_str(json_string_at(protocol, "default"), "TCP");
    assert_int_equal(json_getz(protocol, "enum")->n, 3);
    const struct json *pod = json_path(schemas, "io.k8s.api.core.v1.PodSpec", "properties", "volumes", NULL);
    assert_str(json_string_at(pod, "x-kubernetes-patch-strategy"), "merge,retainKeys");
}

static bool has_query_parameter(const struct json *operation, const char *name)
{
    json_foreach (json_getz(operation, "parameters"), p) {
        if (str_eqz(json_string_at(p, "name"), name) && str_eqz(json_string_at(p, "in"), "query"))
            return true;
    }
    return false;
}

static void check_patch(const struct json *operation)
{
    static const char *const names[] = {"dryRun", "fieldManager", "fieldValidation", "force"};
    assert_non_null(operation);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        assert_true(has_query_parameter(operation, names[i]));
    assert_str(json_string_at(operation, "x-kubernetes-action"), "patch");
}

static void test_v3_paths(void **state)
{
    _cleanup_(document_done) struct document d = {0};
    load_v3(&d, "apis/apps/v1");
    const struct json *paths = json_getz(d.root, "paths");
    const char *one = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}";
    const struct json *patch = json_path(paths, one, "patch", NULL);
    check_patch(patch);
    assert_str(json_string_at(patch, "operationId"), "patchAppsV1NamespacedDeployment");
    assert_str(json_string_at(patch, "x-kubernetes-group-version-kind", "kind"), "Deployment");
    assert_non_null(json_path(patch, "requestBody", "content", "application/apply-patch+yaml", NULL));
    assert_int_equal(json_path(paths, one, "parameters", NULL)->n, 2);
    const char *scale = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale";
    assert_str(json_string_at(paths, scale, "get", "x-kubernetes-group-version-kind", "group"),
               "autoscaling");
    assert_null(json_path(paths, scale, "delete", NULL));
    const struct json *list = json_path(paths, "/apis/apps/v1/deployments", "get", NULL);
    assert_str(json_string_at(list, "operationId"), "listAppsV1DeploymentForAllNamespaces");
    assert_true(has_query_parameter(list, "watch"));
    assert_null(json_path(paths, "/apis/apps/v1/deployments", "post", NULL));
}

static void test_v2(void **state)
{
    _cleanup_(document_done) struct document d = {0};
    load_v2(&d);
    const struct json *definitions = json_getz(d.root, "definitions");
    assert_true(check_refs(d.root, definitions, STR("#/definitions/")) > 500);
    check_patch(json_path(d.root, "paths", "/api/v1/namespaces/{namespace}/services/{name}", "patch", NULL));
    assert_null(json_path(d.root, "paths", "/api/v1/namespaces", "delete", NULL));
    const struct json *kinds =
        json_path(definitions, "io.k8s.api.events.v1.Event", "x-kubernetes-group-version-kind", NULL);
    assert_str(json_string_at(json_at(kinds, 0), "group"), "events.k8s.io");
}

/* The content of field NUMBER of a message, the I-th one. */
static struct str field_at(struct str message, uint32_t number, size_t i)
{
    struct protobuf_reader r = protobuf_reader(message);
    struct str found = STR_NONE;
    for (struct protobuf_field f; protobuf_next(&r, &f);) {
        if (f.number == number && f.type == PROTOBUF_BYTES && i-- == 0)
            found = f.bytes;
    }
    assert_int_equal(r.error, 0);
    return found;
}

static size_t count_fields(struct str message, uint32_t number)
{
    struct protobuf_reader r = protobuf_reader(message);
    size_t n = 0;
    for (struct protobuf_field f; protobuf_next(&r, &f);)
        n += f.number == number;
    assert_int_equal(r.error, 0);
    return n;
}

/* The value of the pair NAME among the pairs in field NUMBER. */
static struct str named(struct str message, uint32_t number, const char *name)
{
    size_t n = count_fields(message, number);
    for (size_t i = 0; i < n; i++) {
        struct str pair = field_at(message, number, i);
        if (str_eqz(field_at(pair, 1, 0), name))
            return field_at(pair, 2, 0);
    }
    return STR_NONE;
}

static void test_protobuf(void **state)
{
    _cleanup_(document_done) struct document d = {0};
    _cleanup_(strbuf_done) struct strbuf bytes = {0};
    load_v2(&d);
    openapi_v2(STR("v1.36.2"), OPENAPI_PROTOBUF, &bytes);
    struct str document = strbuf_str(&bytes);
    assert_str(field_at(document, 1, 0), "2.0");
    assert_str(field_at(field_at(document, 2, 0), 2, 0), "v1.36.2");
    struct str definitions = field_at(document, 9, 0), paths = field_at(document, 8, 0);
    assert_int_equal(count_fields(definitions, 1), json_getz(d.root, "definitions")->n);
    assert_int_equal(count_fields(paths, 2), json_getz(d.root, "paths")->n);

    struct str spec = named(definitions, 1, "io.k8s.api.core.v1.ServiceSpec");
    struct str properties = field_at(spec, 25, 0);
    assert_int_equal(count_fields(properties, 1), 20);
    struct str ports = named(properties, 1, "ports");
    assert_str(field_at(field_at(ports, 22, 0), 1, 0), "array");
    assert_str(field_at(field_at(field_at(ports, 23, 0), 1, 0), 1, 0),
               "#/definitions/io.k8s.api.core.v1.ServicePort");
    assert_str(field_at(named(ports, 31, "x-kubernetes-patch-merge-key"), 2, 0), "\"port\"\n");
    struct str selector = named(properties, 1, "selector");
    struct str values = field_at(field_at(selector, 21, 0), 1, 0); /* additionalProperties.schema */
    assert_str(field_at(field_at(values, 22, 0), 1, 0), "string");

    struct str patch = field_at(named(paths, 2, "/api/v1/namespaces/{namespace}/services/{name}"), 8, 0);
    assert_str(field_at(patch, 5, 0), "patchCoreV1NamespacedService");
    struct str first = field_at(field_at(patch, 8, 0), 1, 0); /* ParametersItem.parameter */
    struct str query = field_at(field_at(first, 2, 0), 3, 0); /* non_body_parameter.query */
    assert_str(field_at(query, 4, 0), "dryRun");
    struct str ok = named(field_at(patch, 9, 0), 1, "200"); /* responses */
    assert_str(field_at(field_at(ok, 1, 0), 1, 0), "OK");
    assert_int_equal(count_fields(patch, 13), 2); /* extensions */
}

RUN_TESTS(cmocka_unit_test(test_v3_references), cmocka_unit_test(test_v3_service),
          cmocka_unit_test(test_v3_paths), cmocka_unit_test(test_v2), cmocka_unit_test(test_protobuf))
