#include "base/str.h"

#include "base/test.h"

static void test_split_and_trim(void **state)
{
    struct str rest = STR("a,,b"), part;
    const char *const want[] = {"a", "", "b"};
    for (int i = 0; i < 3; i++) {
        assert_true(str_split(&rest, ',', &part));
        assert_str(part, want[i]);
    }
    assert_false(str_split(&rest, ',', &part));
    assert_str(str_trim(STR(" \t x y \r\n")), "x y");
}

static void test_numbers(void **state)
{
    int64_t v;
    uint64_t u;
    assert_int_equal(str_to_int64(STR("-9223372036854775808"), &v), 0);
    assert_true(v == INT64_MIN);
    assert_true(str_to_int64(STR("9223372036854775808"), &v) < 0);
    assert_int_equal(str_to_uint64(STR("18446744073709551615"), &u), 0);
    assert_true(str_to_uint64(STR("18446744073709551616"), &u) < 0);
    assert_true(str_to_int64(STR(""), &v) < 0 && str_to_int64(STR("-"), &v) < 0 &&
                str_to_int64(STR("1 "), &v) < 0);
}

static void test_buffer(void **state)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    for (int i = 0; i < 1000; i++)
        strbuf_addf(&b, "%d,", i);
    strbuf_consume(&b, 4);
    assert_true(str_has_prefix(strbuf_str(&b), STR("2,3,4,")));
    assert_true(str_has_suffix(strbuf_str(&b), STR(",998,999,")));
    strbuf_truncate(&b, 3);
    assert_str(strbuf_str(&b), "2,3");
    assert_true(str_cmp(STR("a"), STR("ab")) < 0 && str_cmp(STR("b"), STR("ab")) > 0);
}

RUN_TESTS(cmocka_unit_test(test_split_and_trim), cmocka_unit_test(test_numbers),
          cmocka_unit_test(test_buffer))
