#include "wire/json.h"

#include <errno.h>
#include <stdio.h>

#include "base/test.h"

static void test_round_trip(void **state)
{
    static const char *const texts[] = {
        "{\"b\":1,\"a\":[true,false,null,-7,1.50,1e400,123456789012345678901]}",
        "\"a\\u0000b\"",
        "[]",
        "{}",
        "[[[[]]]]",
        "\"\\u003cb\\u003e \\u0026 \\u2028 \xc3\xa9 \xf0\x9f\x98\x80\"",
        "9007199254740993",
        "-0",
        "{\"\":\"\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        _cleanup_(arena_done) struct arena a = {0};
        _cleanup_(strbuf_done) struct strbuf out = {0};
        struct json *v;
        struct err err = {0};
        if (json_parse(&a, str_of(texts[i]), NULL, &v, &err) < 0)
            fail_msg("%s: %s", texts[i], err.text);
        json_write(v, &out);
        assert_str(strbuf_str(&out), texts[i]);
        assert_true(json_equal(v, json_copy(&a, v)));
    }
}

static void test_escapes(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *v;
    assert_int_equal(json_parse(&a,
                                STR("\"\\ud83d\\ude00 \\ud83d \\udc00x \\ud83d\\u0041 \\/\\b\\f\\n\\r\\t\""),
                                NULL, &v, NULL),
                     0);
    assert_str(v->text, "\xf0\x9f\x98\x80 \xef\xbf\xbd \xef\xbf\xbdx \xef\xbf\xbd"
                        "A /\b\f\n\r\t");
}

static void test_refusals_say_where(void **state)
{
    static const char *const rows[][2] = {
        {"", "JSON ends at line 1 column 1, expected a value"},
        {"{\"a\":1,}", "invalid JSON at line 1 column 8: expected a member name in quotes, found '}'"},
        {"[1,\n 2 3]", "invalid JSON at line 2 column 4: expected ',' or ']', found '3'"},
        {"01", "invalid JSON at line 1 column 2: expected nothing after the value, found '1'"},
        {"'a'", "invalid JSON at line 1 column 1: expected a value, found '''"},
        {"\"\x01\"",
         "invalid JSON at line 1 column 2: expected no control character inside a string, found 0x01"},
        {"\"\xff\"", "invalid JSON at line 1 column 2: expected valid UTF-8, found 0xff"},
        {"\"\\x\"", "invalid JSON at line 1 column 3: expected one of the escapes \\\" \\\\ \\/ \\b \\f \\n "
                    "\\r \\t \\u, found 'x'"},
        {"nul", "invalid JSON at line 1 column 1: expected a value, found 'n'"},
        {"1.", "JSON ends at line 1 column 3, expected a digit after the decimal point"},
        {"\"abc\\", "JSON ends at line 1 column 6, expected an escape character"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_(arena_done) struct arena a = {0};
        struct json *v;
        struct err err = {0};
        assert_int_equal(json_parse(&a, str_of(rows[i][0]), NULL, &v, &err), -EINVAL);
        assert_string_equal(err.text, rows[i][1]);
    }
}

static void test_depth_is_limited(void **state)
{
    for (int extra = 0; extra < 2; extra++) {
        size_t depth = JSON_MAX_DEPTH + extra;
        _cleanup_(strbuf_done) struct strbuf b = {0};
        for (size_t i = 0; i < depth; i++)
            strbuf_addc(&b, '[');
        for (size_t i = 0; i < depth; i++)
            strbuf_addc(&b, ']');
        _cleanup_(arena_done) struct arena a = {0};
        struct json *v;
        struct err err = {0};
        assert_int_equal(json_parse(&a, strbuf_str(&b), NULL, &v, &err), extra ? -E2BIG : 0);
    }
}

static void test_duplicates_have_paths(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json_parse_info info = {0};
    struct json *v;
    assert_int_equal(
        json_parse(&a,
                   STR("{\"spec\":{\"ports\":[{\"name\":\"x\"},{\"name\":\"a\",\"name\":\"b\"}]},\"spec2\":1,"
                       "\"spec2\":{\"c\":2}}"),
                   &info, &v, NULL),
        0);
    assert_int_equal(info.n_duplicates, 2);
    assert_str(info.duplicates[0].path, "spec.ports[1].name");
    assert_str(info.duplicates[1].path, "spec2");
    assert_str(json_str(json_getz(json_at(json_path(v, "spec", "ports", NULL), 1), "name")), "b");
    assert_int_equal(json_int_at(v, 0, "spec2", "c"), 2);
}

static void test_many_members_are_not_quadratic(void **state)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    strbuf_addc(&b, '{');
    for (int i = 0; i < 200000; i++)
        strbuf_addf(&b, "\"k%d\":%d,", i % 199999, i);
    strbuf_addz(&b, "\"z\":0}");
    _cleanup_(arena_done) struct arena a = {0};
    struct json_parse_info info = {0};
    struct json *v;
    assert_int_equal(json_parse(&a, strbuf_str(&b), &info, &v, NULL), 0);
    assert_int_equal(v->n, 200000);
    assert_int_equal(info.n_duplicates, 1);
    assert_true(json_equal(v, v));
}

static void test_changes(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf out = {0};
    struct json *v;
    assert_int_equal(json_parse(&a, STR("{\"a\":1,\"b\":[1,2,3],\"c\":null}"), NULL, &v, NULL), 0);
    json_setz(v, "a", json_stringf(&a, "%s", "x"));
    json_setz(v, "d", json_bool(&a, true));
    assert_true(json_unsetz(v, "c"));
    assert_false(json_unsetz(v, "c"));
    struct json *b = json_getz(v, "b");
    json_insert(b, 0, json_int(&a, 0));
    json_insert(b, 4, json_int(&a, 4));
    assert_int_equal(json_remove_at(b, 2)->integer, 2);
    assert_int_equal(json_remove_at(b, 3)->integer, 4);
    json_append(b, json_null(&a));
    json_setz(json_ensure_object(&a, v, "e"), "f", json_array(&a));
    json_write(v, &out);
    assert_str(strbuf_str(&out), "{\"a\":\"x\",\"b\":[0,1,3,null],\"d\":true,\"e\":{\"f\":[]}}");
    strbuf_truncate(&out, 0);
    json_write_pretty(json_getz(v, "e"), 2, &out);
    assert_str(strbuf_str(&out), "{\n  \"f\": []\n}");
}

static void test_numbers_compare_by_value(void **state)
{
    static const struct {
        const char *a, *b;
        int equal;
    } rows[] = {{"1", "1.0", 1},
                {"100", "1e2", 1},
                {"-0", "0", 1},
                {"1e400", "1e401", 0},
                {"0.1", "1e-1", 1},
                {"1", "-1", 0},
                {"9007199254740993", "9007199254740992", 0},
                {"1.50", "1.5", 1}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_(arena_done) struct arena a = {0};
        struct json *x, *y;
        assert_int_equal(json_parse(&a, str_of(rows[i].a), NULL, &x, NULL), 0);
        assert_int_equal(json_parse(&a, str_of(rows[i].b), NULL, &y, NULL), 0);
        assert_int_equal(json_equal(x, y), rows[i].equal);
    }
}

RUN_TESTS(cmocka_unit_test(test_round_trip), cmocka_unit_test(test_escapes),
          cmocka_unit_test(test_refusals_say_where), cmocka_unit_test(test_depth_is_limited),
          cmocka_unit_test(test_duplicates_have_paths), cmocka_unit_test(test_many_members_are_not_quadratic),
          cmocka_unit_test(test_changes), cmocka_unit_test(test_numbers_compare_by_value))
