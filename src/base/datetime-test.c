#include "base/datetime.h"

#include "base/test.h"

static void test_wall_times(void **state)
{
    static const char *const rows[][2] = {
        {"2026-11-24T08:14:15Z", "2026-11-24T08:14:15Z"},
        {"2026-11-24T10:14:15.5+02:00", "2026-11-24T08:14:15.5Z"},
        {"1969-12-31T23:59:59.999999999Z", "1969-12-31T23:59:59.999999999Z"},
        {"2024-02-29t00:00:00z", "2024-02-29T00:00:00Z"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct walltime t;
        char buf[WALLTIME_MAX_LEN];
        assert_int_equal(walltime_parse(str_of(rows[i][0]), &t), 0);
        assert_string_equal(walltime_format_nano(t, buf), rows[i][1]);
    }
    static const char *const bad[] = {"",
                                      "2026-11-24",
                                      "2026-13-01T00:00:00Z",
                                      "2025-02-29T00:00:00Z",
                                      "2026-11-24T08:14:15",
                                      "2026-11-24T24:00:00Z",
                                      "2026-11-24T08:14:15Zx",
                                      "2026-11-24T08:14:15.Z",
                                      "0001-01-01T00:00:00Z"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct walltime t;
        assert_true(walltime_parse(str_of(bad[i]), &t) < 0);
    }
}

static void test_durations(void **state)
{
    static const struct {
        const char *text, *printed;
        int64_t ns;
    } rows[] = {{"1h15m30.5s", "1h15m30.5s", 4530500000000},
                {"300ms", "300ms", 300000000},
                {"0", "0s", 0},
                {"15m", "15m0s", 900000000000},
                {"-2s", "-2s", -2000000000},
                {"1.5h", "1h30m0s", 5400000000000}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int64_t ns;
        char buf[WALLTIME_MAX_LEN];
        assert_int_equal(duration_parse_ns(str_of(rows[i].text), &ns), 0);
        assert_true(ns == rows[i].ns);
        assert_string_equal(duration_format_ns(ns, buf), rows[i].printed);
    }
    static const char *const bad[] = {"", "1", "s", "1x", ".s", "1h-5m", "99999999999h"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t ns;
        assert_true(duration_parse_ns(str_of(bad[i]), &ns) < 0);
    }
}

static void test_ages(void **state)
{
    static const struct {
        int64_t s;
        const char *text;
    } rows[] = {{0, "0s"},           {119, "119s"},          {125, "2m5s"},    {600, "10m"},
                {10800, "3h"},       {11000, "3h3m"},        {172800, "2d"},   {180000, "2d2h"},
                {86400 * 30, "30d"}, {86400 * 800, "2y70d"}, {-5, "<invalid>"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char buf[WALLTIME_MAX_LEN];
        assert_string_equal(duration_format_age(rows[i].s, buf), rows[i].text);
    }
}

RUN_TESTS(cmocka_unit_test(test_wall_times), cmocka_unit_test(test_durations), cmocka_unit_test(test_ages))
