#include "object/field-set.h"

#include "base/test.h"

/* JSON in the tables has ' for ", and ` for a " inside a string. */
static struct str quoted(struct arena *a, const char *text)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    for (const char *c = text; *c; c++)
        strbuf_addf(&b, *c == '`' ? "\\\"" : "%c", *c == '\'' ? '"' : *c);
    return arena_str(a, strbuf_str(&b));
}

static struct json *parse(struct arena *a, const char *text)
{
    struct json *v = NULL;
    struct err err = {0};
    if (json_parse(a, quoted(a, text), NULL, &v, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return v;
}

static struct field_set *set(struct arena *a, const char *text)
{
    struct field_set *s = NULL;
    struct err err = {0};
    if (field_set_parse(a, parse(a, text), &s, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return s;
}

static void assert_set(const struct field_set *s, const char *expected)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf out = {0}, want = {0};
    json_write(field_set_to_json(&a, s), &out);
    json_write(parse(&a, expected), &want);
    assert_string_equal(strbuf_cstr(&out), strbuf_cstr(&want));
}

static void test_round_trip_sorts(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    assert_set(set(&a, "{'f:spec':{'f:replicas':{},'f:ports':{'k:{`protocol`:`TCP`,`port`:80}':{'.':{},'f:"
                       "port':{}},'.':{}}},"
                       "'f:metadata':{'f:finalizers':{'v:`a\\/b`':{}}},'i:3':{},'f:empty':{'.':{}}}"),
               "{'f:empty':{},'f:metadata':{'f:finalizers':{'v:`a/b`':{}}},'f:spec':{'f:ports':{'.':{},"
               "'k:{`port`:80,`protocol`:`TCP`}':{'.':{},'f:port':{}}},'f:replicas':{}},'i:3':{}}");
    assert_set(set(&a, "{}"), "{}");
    assert_set(set(&a, "{'.':{}}"), "{}");
    assert_set(NULL, "{}");
}

static void test_refusals(void **state)
{
    static const char *const rows[] = {"[]",         "{'f:a':1}", "{'x:a':{}}", "{'f':{}}", "{'k:[]':{}}",
                                       "{'k:{':{}}", "{'v:':{}}", "{'i:x':{}}", "{'':{}}"};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_(arena_done) struct arena a = {0};
        struct field_set *s = NULL;
        struct err err = {0};
        if (field_set_parse(&a, parse(&a, rows[i]), &s, &err) == 0)
            fail_msg("%s passes", rows[i]);
        assert_true(err.text[0]);
    }
}

static void test_algebra(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    const struct field_set *x = set(&a, "{'f:a':{},'f:b':{'.':{},'f:c':{}},'f:d':{'f:e':{}}}");
    const struct field_set *y = set(&a, "{'f:b':{'f:c':{},'f:x':{}},'f:d':{}}");
    assert_set(field_set_union(&a, x, y),
               "{'f:a':{},'f:b':{'.':{},'f:c':{},'f:x':{}},'f:d':{'.':{},'f:e':{}}}");
    assert_set(field_set_intersect(&a, x, y), "{'f:b':{'f:c':{}}}");
    assert_set(field_set_subtract(&a, x, y), "{'f:a':{},'f:b':{},'f:d':{'f:e':{}}}");
    assert_true(field_set_is_empty(field_set_subtract(&a, x, x)));
    assert_true(field_set_equal(field_set_union(&a, x, NULL), x));
    assert_false(field_set_equal(x, y));
    assert_true(field_set_is_empty(field_set_intersect(&a, x, NULL)));
}

static void collect(void *user, struct str path)
{
    strbuf_addf(user, "%.*s\n", STR_ARG(path));
}

static void test_paths(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf out = {0};
    field_set_visit(set(&a, "{'f:spec':{'f:ports':{'k:{`port`:80,`protocol`:`TCP`}':{'.':{},'f:port':{}}}},"
                            "'f:metadata':{'f:finalizers':{'v:`a/b`':{}}},'f:l':{'i:3':{}}}"),
                    collect, &out);
    assert_str(strbuf_str(&out),
               ".l[3]\n.metadata.finalizers[=\"a/b\"]\n.spec.ports[port=80,protocol=\"TCP\"]\n"
               ".spec.ports[port=80,protocol=\"TCP\"].port\n");
}

RUN_TESTS(cmocka_unit_test(test_round_trip_sorts), cmocka_unit_test(test_refusals),
          cmocka_unit_test(test_algebra), cmocka_unit_test(test_paths))
