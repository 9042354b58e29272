#include "base/encoding.h"

#include "base/test.h"

static void test_base64_round_trip(void **state)
{
    for (size_t len = 0; len < 70; len++) {
        char bytes[70];
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)(i * 37 + len);
        _cleanup_(strbuf_done) struct strbuf text = {0}, back = {0}, url = {0}, url_back = {0};
        base64_encode((struct str){bytes, len}, &text);
        assert_int_equal(base64_decode(strbuf_str(&text), &back), 0);
        assert_true(str_eq(strbuf_str(&back), (struct str){bytes, len}));
        base64url_encode((struct str){bytes, len}, &url);
        assert_int_equal(base64url_decode(strbuf_str(&url), &url_back), 0);
        assert_true(str_eq(strbuf_str(&url_back), (struct str){bytes, len}));
    }
}

static void test_base64_refuses_bad_text(void **state)
{
    static const char *const bad[] = {"A", "AA", "AAA", "AA*=", "A===", "====", "AA==AA==", "AAA=\n"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        _cleanup_(strbuf_done) struct strbuf out = {0};
        assert_true(base64_decode(str_of(bad[i]), &out) < 0);
    }
}

/* Source: RFC 4648 section 10. */
static void test_base32_vectors(void **state)
{
    static const char *const rows[][2] = {{"f", "MY======"},     {"fo", "MZXQ===="},
                                          {"foo", "MZXW6==="},   {"foob", "MZXW6YQ="},
                                          {"fooba", "MZXW6YTB"}, {"foobar", "MZXW6YTBOI======"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_(strbuf_done) struct strbuf out = {0};
        base32_encode(str_of(rows[i][0]), &out);
        assert_str(strbuf_str(&out), rows[i][1]);
    }
}

static void test_percent(void **state)
{
    _cleanup_(strbuf_done) struct strbuf out = {0}, back = {0};
    assert_int_equal(percent_decode(STR("a%3Db+c%20d%7e"), PERCENT_QUERY, &out), 0);
    assert_str(strbuf_str(&out), "a=b c d~");
    percent_encode(STR("a=b c"), &back);
    assert_str(strbuf_str(&back), "a%3Db%20c");
    assert_true(percent_decode(STR("%4"), PERCENT_PATH, &out) < 0);
    assert_true(percent_decode(STR("%zz"), PERCENT_PATH, &out) < 0);
    assert_true(percent_decode(STR("%"), PERCENT_PATH, &out) < 0);
}

RUN_TESTS(cmocka_unit_test(test_base64_round_trip), cmocka_unit_test(test_base64_refuses_bad_text),
          cmocka_unit_test(test_base32_vectors), cmocka_unit_test(test_percent))
