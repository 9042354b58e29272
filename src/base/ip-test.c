#include "base/ip.h"

#include "base/test.h"

static void test_text_forms(void **state)
{
    /* text, strict result or NULL, sloppy result or NULL */
    static const char *const rows[][3] = {
        {"10.0.0.1", "10.0.0.1", "10.0.0.1"},
        {"010.000.0.01", NULL, "10.0.0.1"},
        {"::ffff:1.2.3.4", NULL, "1.2.3.4"},
        {"2001:DB8::0001", "2001:db8::1", "2001:db8::1"},
        {"::", "::", "::"},
        {"1.2.3", NULL, NULL},
        {"1.2.3.4.5", NULL, NULL},
        {"256.1.1.1", NULL, NULL},
        {"1.2.3.4 ", NULL, NULL},
        {"fe80::1%eth0", NULL, NULL},
        {"", NULL, NULL},
        {"1..2.3", NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ip ip;
        char buf[IP_TEXT_LEN];
        int strict = ip_parse(str_of(rows[i][0]), &ip);
        assert_int_equal(strict == 0, rows[i][1] != NULL);
        if (!strict)
            assert_string_equal(ip_format(&ip, buf), rows[i][1]);
        int sloppy = ip_parse_sloppy(str_of(rows[i][0]), &ip);
        assert_int_equal(sloppy == 0, rows[i][2] != NULL);
        if (!sloppy)
            assert_string_equal(ip_format(&ip, buf), rows[i][2]);
    }
}

static struct ip_prefix prefix(const char *text)
{
    struct ip_prefix p;
    assert_int_equal(ip_prefix_parse(str_of(text), &p), 0);
    return p;
}

static struct ip address(const char *text)
{
    struct ip ip;
    assert_int_equal(ip_parse(str_of(text), &ip), 0);
    return ip;
}

static void test_prefixes(void **state)
{
    struct ip_prefix a = prefix("10.96.0.0/16"), b = prefix("10.96.5.0/24"), c = prefix("fd00::/108");
    struct ip in = address("10.96.255.255"), out = address("10.97.0.0"), six = address("fd00::1");
    char buf[IP_TEXT_LEN];
    assert_true(ip_prefix_contains(&a, &in) && !ip_prefix_contains(&a, &out) &&
                !ip_prefix_contains(&a, &six));
    assert_true(ip_prefix_contains(&c, &six) && ip_prefix_overlaps(&a, &b) && ip_prefix_overlaps(&b, &a));
    assert_false(ip_prefix_overlaps(&a, &c));
    assert_true(ip_prefix_is_canonical(&a));
    struct ip_prefix host = prefix("10.0.0.1/8");
    assert_false(ip_prefix_is_canonical(&host));
    struct ip last = ip_prefix_last(&c);
    assert_string_equal(ip_format(&last, buf), "fd00::f:ffff");
    assert_string_equal(ip_prefix_format(&c, buf), "fd00::/108");
    struct ip_prefix p;
    static const char *const bad[] = {"10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08",
                                      "::/129",   "/8",          "a/8"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_true(ip_prefix_parse(str_of(bad[i]), &p) < 0);
}

static void test_arithmetic(void **state)
{
    struct ip a = address("10.0.0.250"), b = ip_add(&a, 300), c = address("fd00::ffff:ffff"),
              d = ip_add(&c, 1);
    char buf[IP_TEXT_LEN];
    assert_string_equal(ip_format(&b, buf), "10.0.2.38");
    assert_int_equal(ip_distance(&a, &b), 300);
    assert_string_equal(ip_format(&d, buf), "fd00::1:0:0");
}

static void test_classes(void **state)
{
    static const struct {
        const char *text;
        int unspecified, loopback, link_local, ll_multicast, multicast;
    } rows[] = {{"0.0.0.0", 1, 0, 0, 0, 0},   {"127.9.9.9", 0, 1, 0, 0, 0}, {"169.254.1.1", 0, 0, 1, 0, 0},
                {"224.0.0.9", 0, 0, 0, 1, 1}, {"239.1.1.1", 0, 0, 0, 0, 1}, {"10.1.1.1", 0, 0, 0, 0, 0},
                {"::", 1, 0, 0, 0, 0},        {"::1", 0, 1, 0, 0, 0},       {"fe80::1", 0, 0, 1, 0, 0},
                {"ff02::1", 0, 0, 0, 1, 1},   {"ff05::1", 0, 0, 0, 0, 1},   {"fd00::1", 0, 0, 0, 0, 0}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ip ip = address(rows[i].text);
        assert_int_equal(ip_is_unspecified(&ip), rows[i].unspecified);
        assert_int_equal(ip_is_loopback(&ip), rows[i].loopback);
        assert_int_equal(ip_is_link_local(&ip), rows[i].link_local);
        assert_int_equal(ip_is_link_local_multicast(&ip), rows[i].ll_multicast);
        assert_int_equal(ip_is_multicast(&ip), rows[i].multicast);
    }
}

RUN_TESTS(cmocka_unit_test(test_text_forms), cmocka_unit_test(test_prefixes),
          cmocka_unit_test(test_arithmetic), cmocka_unit_test(test_classes))
