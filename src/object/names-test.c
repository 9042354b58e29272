#include "object/names.h"

#include "base/test.h"

static const struct str long64 = STR_INIT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");

static void test_valid_and_invalid(void **state)
{
    const struct {
        name_check_fn *check;
        struct str value;
        size_t n; /* problems */
    } rows[] = {
        {name_check_dns1123_label, STR("web-1"), 0},
        {name_check_dns1123_label, STR("1web"), 0},
        {name_check_dns1123_label, STR(""), 1},
        {name_check_dns1123_label, STR("-a"), 1},
        {name_check_dns1123_label, STR("a-"), 1},
        {name_check_dns1123_label, STR("A"), 1},
        {name_check_dns1123_label, STR("a.b"), 1},
        {name_check_dns1123_label, STR("a\0b"), 1},
        {name_check_dns1123_label, long64, 1},
        {name_check_dns1123_subdomain, STR("a.b-c.d"), 0},
        {name_check_dns1123_subdomain, STR("a..b"), 1},
        {name_check_dns1123_subdomain, STR("a."), 1},
        {name_check_dns1123_subdomain, STR(""), 1},
        {name_check_dns1123_subdomain, STR_NONE, 1},
        {name_check_dns1035_label, STR("a1"), 0},
        {name_check_dns1035_label, STR("1a"), 1},
        {name_check_label_key, STR("a"), 0},
        {name_check_label_key, STR("A_b.c-1"), 0},
        {name_check_label_key, STR("x.io/A"), 0},
        {name_check_label_key, STR("/a"), 1},
        {name_check_label_key, STR("x/"), 2},
        {name_check_label_key, STR("a/b/c"), 1},
        {name_check_label_key, STR("X/a"), 1},
        {name_check_label_key, STR("a b"), 1},
        {name_check_label_key, long64, 1},
        {name_check_label_value, STR(""), 0},
        {name_check_label_value, STR("v1.2_3"), 0},
        {name_check_label_value, STR("-v"), 1},
        {name_check_label_value, long64, 1},
        {name_check_port_name, STR("http"), 0},
        {name_check_port_name, STR("80"), 1},
        {name_check_port_name, STR("a--b"), 1},
        {name_check_port_name, STR("-a"), 1},
        {name_check_port_name, STR("abcdefghijklmnop"), 1},
        {name_check_port_name, STR(""), 2},
        {name_check_path_segment, STR("a:b"), 0},
        {name_check_path_segment, STR(".."), 1},
        {name_check_path_segment, STR("a/b%"), 2},
        {name_check_config_key, STR("a.conf"), 0},
        {name_check_config_key, STR(".."), 1},
        {name_check_config_key, STR("..a"), 1},
        {name_check_config_key, STR("a/b"), 1},
        {name_check_env_var, STR("A B"), 0},
        {name_check_env_var, STR("A=B"), 1},
        {name_check_wildcard_dns1123_subdomain, STR("*.a.b"), 0},
        {name_check_wildcard_dns1123_subdomain, STR("*."), 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct name_problems p;
        rows[i].check(rows[i].value, &p);
        if (p.n != rows[i].n)
            fail_msg("%.*s: %zu problems, expected %zu", STR_ARG(rows[i].value), p.n, rows[i].n);
    }
}

static void test_words(void **state)
{
    struct name_problems p;
    name_check_dns1123_label(STR("A"), &p);
    assert_string_equal(
        p.text[0],
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
        "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
        "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')");
    name_check_label_key(STR("x/"), &p);
    assert_string_equal(p.text[0], "name part must be non-empty");
    assert_string_equal(
        p.text[1],
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
        "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used "
        "for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')");
    name_check_dns1123_label(STR("a.b"), &p);
    assert_string_equal(p.text[0], "must not contain dots");
    name_check_dns1123_label(long64, &p);
    assert_string_equal(p.text[0], "must be no more than 63 bytes");
}

static void test_field_errors(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct field_errors e = {.arena = &a};
    name_validate(&e, FIELD(NULL, "name"), STR("80"), name_check_port_name);
    assert_str(field_errors_text(&e), "name: Invalid value: \"80\": must contain at least one letter (a-z)");
}

RUN_TESTS(cmocka_unit_test(test_valid_and_invalid), cmocka_unit_test(test_words),
          cmocka_unit_test(test_field_errors))
