/* Objects from protocol buffers, as Go's encoder writes them. */
#include "object/protobuf-object.h"

#include <errno.h>
#include <stdio.h>

#include "base/test.h"
#include "object/decode.h"
#include "wire/protobuf.h"

/* The envelope around CONTENT, which is used up. */
static void wrap(struct strbuf *out, const char *api_version, const char *kind, struct strbuf *content)
{
    strbuf_add(out, "k8s", 4);
    size_t meta = protobuf_begin(out, 1);
    protobuf_put_string(out, 1, str_of(api_version));
    protobuf_put_string(out, 2, str_of(kind));
    protobuf_end(out, meta);
    protobuf_put_string(out, 2, strbuf_str(content));
    protobuf_put_string(out, 3, STR(""));
    protobuf_put_string(out, 4, STR(""));
    strbuf_done(content);
}

static void put_metadata(struct strbuf *out, const char *name)
{
    size_t at = protobuf_begin(out, 1), time;
    protobuf_put_string(out, 1, str_of(name));
    protobuf_put_string(out, 2, STR(""));
    protobuf_put_string(out, 3, STR(""));
    protobuf_put_varint(out, 7, 0);
    time = protobuf_begin(out, 8); /* a time that is not set */
    protobuf_end(out, time);
    size_t label = protobuf_begin(out, 11);
    protobuf_put_string(out, 1, STR("app"));
    protobuf_put_string(out, 2, STR("web"));
    protobuf_end(out, label);
    protobuf_end(out, at);
}

static void check(const char *plural, const char *group, struct strbuf *body, const char *expected)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf text = {0};
    struct json *object, *wanted;
    struct err err = {0};
    const struct schema_resource *r = schema_find_resource(str_of(group), STR("v1"), str_of(plural));
    assert_non_null(r);
    if (protobuf_object_decode(&a, r->type, strbuf_str(body), &object, &err) < 0)
        fail_msg("%s", err.text);
    struct decode_report report;
    const struct decode_options options = {.arena = &a, .resource = r, .strictness = DECODE_STRICT};
    assert_null(object_decode(&options, object, &report));
    assert_int_equal(json_parse(&a, str_of(expected), NULL, &wanted, NULL), 0);
    json_write(object, &text);
    if (!json_equal(object, wanted))
        fail_msg("%s", strbuf_cstr(&text));
    strbuf_done(body);
}

static void test_service(void **state)
{
    struct strbuf c = {0}, body = {0};
    put_metadata(&c, "web");
    size_t spec = protobuf_begin(&c, 2), port = protobuf_begin(&c, 1);
    protobuf_put_string(&c, 1, STR("http"));
    protobuf_put_string(&c, 2, STR("TCP"));
    protobuf_put_varint(&c, 3, 80);
    size_t target = protobuf_begin(&c, 4);
    protobuf_put_varint(&c, 1, 1);
    protobuf_put_varint(&c, 2, 0);
    protobuf_put_string(&c, 3, STR("web"));
    protobuf_end(&c, target);
    protobuf_put_varint(&c, 5, 0);
    protobuf_end(&c, port);
    protobuf_put_string(&c, 3, STR(""));
    protobuf_put_string(&c, 4, STR("LoadBalancer"));
    protobuf_put_varint(&c, 20, 0); /* a pointer to false */
    protobuf_put_varint(&c, 13, 0); /* a false that is no pointer */
    protobuf_end(&c, spec);
    size_t status = protobuf_begin(&c, 3), lb = protobuf_begin(&c, 1);
    protobuf_end(&c, lb);
    protobuf_end(&c, status);
    wrap(&body, "v1", "Service", &c);
    check("services", "", &body,
          "{\"kind\":\"Service\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"web\",\"labels\":{\"app\":"
          "\"web\"}},"
          "\"spec\":{\"ports\":[{\"name\":\"http\",\"protocol\":\"TCP\",\"port\":80,\"targetPort\":\"web\"}],"
          "\"type\":\"LoadBalancer\",\"allocateLoadBalancerNodePorts\":false}}");
}

static void test_secret_and_scaled_to_zero(void **state)
{
    struct strbuf c = {0}, body = {0};
    put_metadata(&c, "s");
    size_t entry = protobuf_begin(&c, 2);
    protobuf_put_string(&c, 1, STR("k"));
    protobuf_put_string(&c, 2, STR("\xff\x00v"));
    protobuf_end(&c, entry);
    wrap(&body, "v1", "Secret", &c);
    check("secrets", "", &body,
          "{\"kind\":\"Secret\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"s\",\"labels\":{\"app\":"
          "\"web\"}},"
          "\"data\":{\"k\":\"/wB2\"}}");
    put_metadata(&c, "d");
    size_t spec = protobuf_begin(&c, 2);
    protobuf_put_varint(&c, 1, 0);
    protobuf_put_varint(&c, 5, 0);
    protobuf_end(&c, spec);
    wrap(&body, "apps/v1", "Deployment", &c);
    check("deployments", "apps", &body,
          "{\"kind\":\"Deployment\",\"apiVersion\":\"apps/"
          "v1\",\"metadata\":{\"name\":\"d\",\"labels\":{\"app\":\"web\"}},"
          "\"spec\":{\"replicas\":0}}");
}

static int refuse(struct strbuf *body, char *text, size_t len)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *object = NULL;
    struct err err = {0};
    const struct schema_resource *r = schema_find_resource(STR(""), STR("v1"), STR("services"));
    int status = protobuf_object_decode(&a, r->type, strbuf_str(body), &object, &err);
    (void)snprintf(text, len, "%s", err.text);
    strbuf_done(body);
    return status;
}

static void test_refusals(void **state)
{
    struct strbuf c = {0}, body = {0};
    char text[480];
    strbuf_addz(&body, "{}");
    assert_int_equal(refuse(&body, text, sizeof text), -EINVAL);
    protobuf_put_varint(&c, 77, 1);
    wrap(&body, "v1", "Service", &c);
    assert_int_equal(refuse(&body, text, sizeof text), -EINVAL);
    assert_string_equal(text, "field 77 of Service is not known in protocol buffers here; send JSON");
    put_metadata(&c, "a\xc0\x80");
    wrap(&body, "v1", "Service", &c);
    assert_int_equal(refuse(&body, text, sizeof text), -EINVAL);
    assert_string_equal(text, "a string in the protocol buffer is not UTF-8");
    protobuf_put_string(&c, 1, STR("\x0a\x7f"));
    wrap(&body, "v1", "Service", &c);
    assert_int_equal(refuse(&body, text, sizeof text), -EINVAL);
    protobuf_put_varint(&c, 1, 7); /* metadata as a number */
    wrap(&body, "v1", "Service", &c);
    assert_int_equal(refuse(&body, text, sizeof text), -EINVAL);
}

/* Every name in the table of numbers is a field of its type. */
static void walk(const struct schema_type *type, int depth)
{
    struct protobuf_tag tag;
    while (type && (type->kind == SCHEMA_LIST || type->kind == SCHEMA_MAP))
        type = type->element;
    if (!type || type->kind != SCHEMA_OBJECT || depth > 8)
        return;
    for (uint32_t n = 1; n < 64; n++) {
        if (!protobuf_tag_find(type, STR(""), n, &tag) || tag.is_inlined)
            continue;
        const struct schema_field *f = schema_find_field(type, tag.name);
        if (!f)
            fail_msg("%.*s has no field %.*s", STR_ARG(type->name), STR_ARG(tag.name));
        walk(f->type, depth + 1);
    }
}

static void test_every_number_names_a_field(void **state)
{
    struct protobuf_tag tag;
    for (size_t i = 0; i < n_schema_resources; i++)
        walk(schema_resources[i]->type, 0);
    assert_true(
        protobuf_tag_find(schema_find_resource(STR(""), STR("v1"), STR("services"))->type, STR(""), 2, &tag));
    assert_str(tag.name, "spec");
}

RUN_TESTS(cmocka_unit_test(test_service), cmocka_unit_test(test_secret_and_scaled_to_zero),
          cmocka_unit_test(test_refusals), cmocka_unit_test(test_every_number_names_a_field))
