#include "wire/json-patch.h"

#include "base/test.h"

static struct json *parse(struct arena *a, struct str text)
{
    struct json *v;
    struct err err = {0};
    if (json_parse(a, text, NULL, &v, &err) < 0)
        fail_msg("%.*s: %s", STR_ARG(text), err.text);
    return v;
}

/* Applies and compares; WANT is the document, or, for an outcome other than 0, words of the error. */
static void check(const char *doc_text, const char *patch_text, int outcome, const char *want)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf before = {0}, after = {0}, out = {0};
    struct json *doc = parse(&a, str_of(doc_text)), *patch = parse(&a, str_of(patch_text)), *got = NULL;
    json_write(doc, &before);
    json_write(patch, &before);
    struct err err = {0};
    int r = json_patch_apply(&a, doc, patch, &got, &err);
    json_write(doc, &after);
    json_write(patch, &after);
    assert_string_equal(strbuf_cstr(&before), strbuf_cstr(&after));
    if (r != outcome)
        fail_msg("%s on %s: outcome %d (%s), expected %d", patch_text, doc_text, r, err.text, outcome);
    if (r) {
        assert_null(got);
        assert_int_equal(err.code, r);
        if (!strstr(err.text, want))
            fail_msg("%s: says \"%s\", not \"%s\"", patch_text, err.text, want);
        return;
    }
    json_write(got, &out);
    assert_string_equal(strbuf_cstr(&out), want);
}

static void test_operations(void **state)
{
    static const char *const rows[][3] = {
        {"{\"a\":1}", "[]", "{\"a\":1}"},
        {"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/b\",\"value\":[]}]", "{\"a\":1,\"b\":[]}"},
        {"{\"a\":1,\"b\":2}", "[{\"op\":\"add\",\"path\":\"/a\",\"value\":{}}]", "{\"a\":{},\"b\":2}"},
        {"[1,2]", "[{\"op\":\"add\",\"path\":\"/1\",\"value\":9}]", "[1,9,2]"},
        {"[1,2]", "[{\"op\":\"add\",\"path\":\"/0\",\"value\":9}]", "[9,1,2]"},
        {"[1,2]", "[{\"op\":\"add\",\"path\":\"/2\",\"value\":9}]", "[1,2,9]"},
        {"[1,2]",
         "[{\"op\":\"add\",\"path\":\"/-\",\"value\":9},{\"op\":\"add\",\"path\":\"/-\",\"value\":8}]",
         "[1,2,9,8]"},
        {"[]", "[{\"op\":\"add\",\"path\":\"/-\",\"value\":null}]", "[null]"},
        {"{\"a/b\":1,\"m~n\":2,\"~1\":3}",
         "[{\"op\":\"remove\",\"path\":\"/a~1b\"},{\"op\":\"replace\",\"path\":\"/m~0n\",\"value\":0},"
         "{\"op\":\"test\",\"path\":\"/~01\",\"value\":3}]",
         "{\"m~n\":0,\"~1\":3}"},
        {"{\"\":{\"\":1}}", "[{\"op\":\"replace\",\"path\":\"//\",\"value\":2}]", "{\"\":{\"\":2}}"},
        {"[1,2,3]", "[{\"op\":\"remove\",\"path\":\"/2\"},{\"op\":\"add\",\"path\":\"/-\",\"value\":4}]",
         "[1,2,4]"},
        {"{\"a\":[1,2],\"b\":{}}", "[{\"op\":\"move\",\"from\":\"/a/0\",\"path\":\"/b/x\"}]",
         "{\"a\":[2],\"b\":{\"x\":1}}"},
        {"{\"a\":[1,2]}", "[{\"op\":\"move\",\"from\":\"/a/0\",\"path\":\"/a/1\"}]", "{\"a\":[2,1]}"},
        {"{\"a\":1}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a\"}]", "{\"a\":1}"},
        {"{\"a\":{\"b\":1}}", "[{\"op\":\"copy\",\"from\":\"\",\"path\":\"/c\"}]",
         "{\"a\":{\"b\":1},\"c\":{\"a\":{\"b\":1}}}"},
        {"{\"a\":[1]}",
         "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b\"},{\"op\":\"add\",\"path\":\"/b/-\",\"value\":2}]",
         "{\"a\":[1],\"b\":[1,2]}"},
        {"{\"a\":{\"x\":1}}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"\"}]", "{\"x\":1}"},
        {"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":[1]}]", "[1]"},
        {"{\"a\":1.0,\"b\":{\"x\":1,\"y\":2}}",
         "[{\"op\":\"test\",\"path\":\"/a\",\"value\":1},{\"op\":\"test\",\"path\":\"/"
         "b\",\"value\":{\"y\":2,\"x\":1}}]",
         "{\"a\":1.0,\"b\":{\"x\":1,\"y\":2}}"},
        {"{\"ab\":1,\"a\":2}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/ab\"}]", "{\"ab\":2}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(rows[i][0], rows[i][1], 0, rows[i][2]);
}

/* Observed through kubectl 1.32 (evanphx/json-patch v4.12). */
static void test_as_kube_apiserver(void **state)
{
    check("{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/b\",\"value\":2}]", 0, "{\"a\":1,\"b\":2}");
    check("{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/b\",\"value\":null}]", 0, "{\"a\":1}");
    check("[1,2]", "[{\"op\":\"remove\",\"path\":\"/-1\"}]", 0, "[1]");
    check("[1,2]", "[{\"op\":\"add\",\"path\":\"/-1\",\"value\":3}]", 0, "[1,2,3]");
    check("[1,2]", "[{\"op\":\"add\",\"path\":\"/-3\",\"value\":3}]", 0, "[3,1,2]");
    check("[1,2]", "[{\"op\":\"remove\",\"path\":\"/-3\"}]", JSON_PATCH_FAILED, "out of bounds");
    check("{}", "[{\"op\":\"remove\",\"path\":\"/b\"}]", JSON_PATCH_FAILED, "nothing to remove");
    check("{}", "[{\"op\":\"add\",\"path\":\"/b/c\",\"value\":1}]", JSON_PATCH_FAILED,
          "member that does not exist");
    check("{}", "[{\"op\":\"test\",\"path\":\"/b/c\",\"value\":null}]", JSON_PATCH_FAILED, "does not exist");
    check("[1]", "[{\"op\":\"test\",\"path\":\"/1\",\"value\":null}]", JSON_PATCH_FAILED, "out of bounds");
    check("[1]", "[{\"op\":\"replace\",\"path\":\"/-\",\"value\":2}]", JSON_PATCH_FAILED, "index");
}

static void test_refusals_say_which_and_why(void **state)
{
    static const char *const rows[][3] = {
        {"{}", "[{\"op\":\"test\",\"path\":\"\",\"value\":{}},{\"op\":\"remove\",\"path\":\"/x\"}]",
         "operation [1] (remove \"/x\")"},
        {"{}", "[{\"op\":\"bogus\",\"path\":\"/x\"}]", "none of add, remove"},
        {"{}", "[{\"path\":\"/x\"}]", "\"op\" is none"},
        {"{}", "[{\"op\":\"remove\"}]", "\"path\" is missing"},
        {"{}", "[{\"op\":\"remove\",\"path\":7}]", "\"path\" is missing or not a string"},
        {"{}", "[{\"op\":\"copy\",\"path\":\"/x\"}]", "\"from\" is missing"},
        {"{}", "[{\"op\":\"add\",\"path\":\"/x\"}]", "\"value\" is missing"},
        {"{}", "[{\"op\":\"test\",\"path\":\"/x\"}]", "\"value\" is missing"},
        {"{}", "[{\"op\":\"add\",\"path\":\"x\",\"value\":1}]", "begins with '/'"},
        {"{}", "[{\"op\":\"add\",\"path\":\"/~2\",\"value\":1}]", "'~'"},
        {"{}", "[{\"op\":\"add\",\"path\":\"/~\",\"value\":1}]", "'~'"},
        {"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/a/b\",\"value\":1}]", "neither object nor array"},
        {"[1,2]", "[{\"op\":\"remove\",\"path\":\"/01\"}]", "index"},
        {"[1,2]", "[{\"op\":\"remove\",\"path\":\"/1e0\"}]", "index"},
        {"[1,2]", "[{\"op\":\"remove\",\"path\":\"/\"}]", "index"},
        {"[1,2]", "[{\"op\":\"remove\",\"path\":\"/-0\"}]", "index"},
        {"[1,2]", "[{\"op\":\"remove\",\"path\":\"/99999999999999999999\"}]", "index"},
        {"[1,2]", "[{\"op\":\"add\",\"path\":\"/3\",\"value\":1}]", "index"},
        {"{}", "[{\"op\":\"remove\",\"path\":\"\"}]", "whole document"},
        {"{\"a\":{}}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b\"}]", "into itself"},
        {"{\"a\":{}}", "[{\"op\":\"move\",\"from\":\"\",\"path\":\"/a\"}]", "into itself"},
        {"{}", "[{\"op\":\"move\",\"from\":\"/q\",\"path\":\"/a\"}]", "\"from\" names does not exist"},
        {"{}", "[{\"op\":\"copy\",\"from\":\"/q/r\",\"path\":\"/a\"}]", "from \"/q/r\": operation [0]"},
        {"{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":\"1\"}]", "the value differs"},
        {"{}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":1}]", "the path does not exist"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(rows[i][0], rows[i][1], JSON_PATCH_FAILED, rows[i][2]);
    check("{}", "{\"op\":\"remove\",\"path\":\"/x\"}", JSON_PATCH_MALFORMED,
          "array of operations, this is an object");
    check("{}", "[1]", JSON_PATCH_MALFORMED, "operation [0] of the JSON patch is not an object");
}

static struct str repeat(struct arena *a, const char *head, struct str unit, size_t n, const char *tail)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    strbuf_addz(&b, head);
    for (size_t i = 0; i < n; i++) {
        strbuf_addz(&b, i ? "," : "");
        strbuf_add_str(&b, unit);
    }
    strbuf_addz(&b, tail);
    return arena_str(a, strbuf_str(&b));
}

static int apply(struct arena *a, struct str doc, struct str patch, struct err *err)
{
    struct json *got;
    return json_patch_apply(a, parse(a, doc), parse(a, patch), &got, err);
}

static void test_cve_2019_1002100_many_operations(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct str op = STR("{\"op\":\"add\",\"path\":\"/a\",\"value\":1}");
    struct err err = {0};
    assert_int_equal(apply(&a, STR("{}"), repeat(&a, "[", op, JSON_PATCH_MAX_OPERATIONS, "]"), &err), 0);
    assert_int_equal(apply(&a, STR("{}"), repeat(&a, "[", op, JSON_PATCH_MAX_OPERATIONS + 1, "]"), &err),
                     JSON_PATCH_TOO_LARGE);
    assert_string_equal(err.text, "the allowed maximum operations in a JSON patch is 10000, got 10001");
}

static void test_cve_2019_1002100_copy_growth(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct err err = {0};
    /* Each copy doubles the document. */
    struct str copy = STR("{\"op\":\"copy\",\"from\":\"\",\"path\":\"/-\"}");
    assert_int_equal(apply(&a, STR("[1]"), repeat(&a, "[", copy, 60, "]"), &err), JSON_PATCH_FAILED);
    assert_non_null(strstr(err.text, "the copy operations make more than 3 MiB"));
    assert_true(a.total_len < (size_t)256 * 1024 * 1024);
    /* One large string, copied a little at a time. */
    struct str big = repeat(&a, "[\"", STR("0123456789abcdef"), 10000, "\"]");
    struct str first = STR("{\"op\":\"copy\",\"from\":\"/0\",\"path\":\"/-\"}");
    assert_int_equal(apply(&a, big, repeat(&a, "[", first, 10, "]"), &err), 0);
    assert_int_equal(apply(&a, big, repeat(&a, "[", first, 10000, "]"), &err), JSON_PATCH_FAILED);
}

static void test_cve_2019_1002100_result_size(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct err err = {0};
    struct str half = repeat(&a, "", STR("0123456789abcdef"), 100000, "");
    struct str doc = arena_format(&a, "{\"a\":\"%.*s\"}", STR_ARG(half));
    struct str patch =
        arena_format(&a, "[{\"op\":\"add\",\"path\":\"/b\",\"value\":\"%.*s\"}]", STR_ARG(half));
    assert_int_equal(apply(&a, doc, patch, &err), JSON_PATCH_TOO_LARGE);
    assert_non_null(strstr(err.text, "larger than 3145728 bytes"));
}

/* Lists are walked, so operations on a long one are charged. */
static void test_walks_are_bounded(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct err err = {0};
    struct str doc = repeat(&a, "[", STR("1"), 200000, "]");
    struct str op = STR("{\"op\":\"test\",\"path\":\"/-1\",\"value\":1}");
    assert_int_equal(apply(&a, doc, repeat(&a, "[", op, 100, "]"), &err), 0);
    assert_int_equal(apply(&a, doc, repeat(&a, "[", op, 1000, "]"), &err), JSON_PATCH_FAILED);
    assert_non_null(strstr(err.text, "too much work"));
}

/* Copies nest the document into itself far beyond what the parser takes. */
static void test_cve_2023_3341_deep_results(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf patch = {0};
    struct err err = {0};
    strbuf_addz(&patch, "[");
    for (int i = 0; i < 2000; i++)
        strbuf_addf(&patch,
                    "%s{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/b/a\"},{\"op\":\"move\",\"from\":\"/"
                    "b\",\"path\":\"/a\"},"
                    "{\"op\":\"add\",\"path\":\"/b\",\"value\":{}}",
                    i ? "," : "");
    strbuf_addz(&patch, "]");
    assert_int_equal(apply(&a, STR("{\"a\":{},\"b\":{}}"), strbuf_str(&patch), &err), JSON_PATCH_FAILED);
    assert_non_null(strstr(err.text, "nested deeper than 512 levels"));
}

RUN_TESTS(cmocka_unit_test(test_operations), cmocka_unit_test(test_as_kube_apiserver),
          cmocka_unit_test(test_refusals_say_which_and_why),
          cmocka_unit_test(test_cve_2019_1002100_many_operations),
          cmocka_unit_test(test_cve_2019_1002100_copy_growth),
          cmocka_unit_test(test_cve_2019_1002100_result_size), cmocka_unit_test(test_walks_are_bounded),
          cmocka_unit_test(test_cve_2023_3341_deep_results))
