#include "wire/merge-patch.h"

#include "base/test.h"

static struct json *parse(struct arena *a, struct str text)
{
    struct json *v;
    struct err err = {0};
    if (json_parse(a, text, NULL, &v, &err) < 0)
        fail_msg("%.*s: %s", STR_ARG(text), err.text);
    return v;
}

static void check(const char *doc_text, const char *patch_text, const char *want)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf before = {0}, after = {0};
    struct json *doc = parse(&a, str_of(doc_text)), *patch = parse(&a, str_of(patch_text));
    json_write(doc, &before);
    json_write(patch, &before);
    struct json *got = merge_patch_apply(&a, doc, patch);
    json_write(doc, &after);
    json_write(patch, &after);
    assert_string_equal(strbuf_cstr(&before), strbuf_cstr(&after));
    if (!json_equal(got, parse(&a, str_of(want)))) {
        strbuf_truncate(&after, 0);
        json_write(got, &after);
        fail_msg("%s with %s gives %s, expected %s", doc_text, patch_text, strbuf_cstr(&after), want);
    }
}

/* RFC 7386 appendix A, every row: original, patch, result. */
static void test_rfc_7386_appendix(void **state)
{
    static const char *const rows[][3] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
        /* The example of section 3. */
        {"{\"title\":\"Goodbye!\",\"author\":{\"givenName\":\"John\",\"familyName\":\"Doe\"},"
         "\"tags\":[\"example\",\"sample\"],\"content\":\"This will be unchanged\"}",
         "{\"title\":\"Hello!\",\"phoneNumber\":\"+01-123-456-7890\",\"author\":{\"familyName\":null},"
         "\"tags\":[\"example\"]}",
         "{\"title\":\"Hello!\",\"author\":{\"givenName\":\"John\"},\"tags\":[\"example\"],"
         "\"content\":\"This will be unchanged\",\"phoneNumber\":\"+01-123-456-7890\"}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(rows[i][0], rows[i][1], rows[i][2]);
}

static void test_order_and_absence(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf out = {0};
    json_write(
        merge_patch_apply(&a, parse(&a, STR("{\"z\":1,\"m\":{\"k\":1},\"a\":3}")),
                          parse(&a, STR("{\"n\":{\"y\":[null,{\"q\":null}]},\"a\":0,\"m\":{\"l\":2}}"))),
        &out);
    /* Members keep their places, new ones follow in the patch's order; inside arrays null is a value. */
    assert_string_equal(strbuf_cstr(&out),
                        "{\"z\":1,\"m\":{\"k\":1,\"l\":2},\"a\":0,\"n\":{\"y\":[null,{\"q\":null}]}}");
    strbuf_truncate(&out, 0);
    json_write(merge_patch_apply(&a, NULL, parse(&a, STR("{\"a\":null,\"b\":{\"c\":null,\"d\":1}}"))), &out);
    assert_string_equal(strbuf_cstr(&out), "{\"b\":{\"d\":1}}");
}

/* 20,000 members on both sides: quick only if each is looked up by hash. */
static void test_big_objects_are_linear(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *doc = json_object(&a), *patch = json_object(&a);
    for (int i = 0; i < 20000; i++) {
        json_add(doc, arena_format(&a, "k%d", i), json_int(&a, i));
        json_add(patch, arena_format(&a, "k%d", i + 10000), i % 2 ? json_null(&a) : json_int(&a, -i));
    }
    struct json *got = merge_patch_apply(&a, doc, patch);
    assert_int_equal(got->n, 20000);
    assert_null(json_getz(got, "k10001"));
    assert_int_equal(json_int_or(json_getz(got, "k10002"), 0), -2);
    assert_int_equal(json_int_or(json_getz(got, "k29998"), 0), -19998);
}

static void test_cve_2023_3341_deep(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *doc = json_object(&a), *patch = json_object(&a), *d = doc, *p = patch;
    for (int i = 0; i < 200000; i++) {
        json_setz(d, "a", json_object(&a));
        json_setz(p, "a", json_object(&a));
        d = d->first;
        p = p->first;
    }
    json_setz(p, "end", json_int(&a, 7));
    struct json *v = merge_patch_apply(&a, doc, patch);
    for (int i = 0; i < 200000; i++)
        v = json_getz(v, "a");
    assert_int_equal(json_int_or(json_getz(v, "end"), 0), 7);
}

RUN_TESTS(cmocka_unit_test(test_rfc_7386_appendix), cmocka_unit_test(test_order_and_absence),
          cmocka_unit_test(test_big_objects_are_linear), cmocka_unit_test(test_cve_2023_3341_deep))
