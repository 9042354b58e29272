#include "object/quantity.h"

#include "base/test.h"

static void test_canonical(void **state)
{
    static const char *const rows[][2] = {
        {"0", "0"},
        {".54Ti", "593736279k"},
        {"2.9296875Ki", "3k"},
        {"0.000000001Ki", "1024n"},
        {"-0", "0"},
        {"0Ki", "0"},
        {"1", "1"},
        {"+1", "1"},
        {"1000", "1k"},
        {"1500", "1500"},
        {"1.5", "1500m"},
        {"0.5", "500m"},
        {"100m", "100m"},
        {"1000m", "1"},
        {"1500m", "1500m"},
        {"1Ki", "1Ki"},
        {"1024", "1024"},
        {"1024Ki", "1Mi"},
        {"1.5Gi", "1536Mi"},
        {"0.5Ki", "512"},
        {"1023Ki", "1023Ki"},
        {"0.0001Ki", "102400u"},
        {"1e3", "1e3"},
        {"100e1", "1e3"},
        {"1e-3", "1e-3"},
        {"1E", "1E"},
        {"1E3", "1e3"},
        {"12e0", "12"},
        {".5", "500m"},
        {"5.", "5"},
        {"1n", "1n"},
        {"0.1n", "1n"},
        {"-0.1n", "-1n"},
        {"1.0000000001", "1000000001n"},
        {"9Ei", "9223372036854775807"},
        {"100E", "9223372036854775807"},
        {"1e999999", "9223372036854775807"},
        {"1e-999999", "1e-9"},
        {"-5M", "-5M"},
        {"007", "7"},
        {"1.234567891234n", "2n"},
        {"2000Ei", "9223372036854775807"},
        {"1000000000000000000000000000000", "9223372036854775807"},
        {"0.000000000000000000001", "1n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct quantity q;
        struct err err = {0};
        char buf[QUANTITY_MAX_LEN];
        if (quantity_parse(str_of(rows[i][0]), &q, &err) < 0)
            fail_msg("%s: %s", rows[i][0], err.text);
        assert_string_equal(quantity_format(&q, buf), rows[i][1]);
        struct quantity again;
        assert_int_equal(quantity_parse(str_of(buf), &again, NULL), 0);
        bool rounded = rows[i][0][0] == '.' && rows[i][0][1] == '5' && rows[i][0][2] == '4';
        assert_int_equal(quantity_cmp(&q, &again) != 0, rounded);
    }
}

static void test_refusals(void **state)
{
    static const char *const rows[][2] = {
        {"", "quantities must match"},
        {"a", "quantities must match"},
        {".", "quantities must match"},
        {"1 ", "quantities must match"},
        {" 1", "quantities must match"},
        {"1Kib", "quantities must match"},
        {"1K", "unable to parse quantity's suffix"},
        {"1ki", "unable to parse quantity's suffix"},
        {"1e", "unable to parse quantity's suffix"},
        {"1i", "unable to parse quantity's suffix"},
        {"1.2.3", "unable to parse numeric part"},
        {"--1", "quantities must match"},
        {"1e99999999999", "unable to parse quantity's suffix"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct quantity q;
        struct err err = {0};
        assert_true(quantity_parse(str_of(rows[i][0]), &q, &err) < 0);
        if (!str_has_prefix(str_of(err.text), str_of(rows[i][1])))
            fail_msg("%s: %s", rows[i][0], err.text);
    }
}

static void test_compare_and_add(void **state)
{
    struct quantity a, b;
    char buf[QUANTITY_MAX_LEN];
    quantity_parse(STR("1Gi"), &a, NULL);
    quantity_parse(STR("1G"), &b, NULL);
    assert_true(quantity_cmp(&a, &b) > 0 && quantity_cmp(&b, &a) < 0);
    quantity_parse(STR("1000m"), &a, NULL);
    quantity_parse(STR("1"), &b, NULL);
    assert_int_equal(quantity_cmp(&a, &b), 0);
    struct quantity sum = quantity_add(&a, &b);
    assert_string_equal(quantity_format(&sum, buf), "2");
    quantity_parse(STR("9Ei"), &a, NULL);
    sum = quantity_add(&a, &a);
    assert_string_equal(quantity_format(&sum, buf), "9223372036854775807");
}

RUN_TESTS(cmocka_unit_test(test_canonical), cmocka_unit_test(test_refusals),
          cmocka_unit_test(test_compare_and_add))
