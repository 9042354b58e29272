#include "base/test.h"

#include <errno.h>

#include "io/clock.h"
#include "io/tls-cert.h"
#include "io/tls.h"

static struct walltime after_s(int64_t s)
{
    return (struct walltime){clock_wall().ns + s * TIME_S_NS};
}

static void test_generate(void **state)
{
    struct err err = {0};
    _cleanup_(tls_pem_done) struct tls_pem ca = {0}, other = {0}, cert = {0};
    struct tls_cert_spec spec = {
        .common_name = STR("our-ca"), .not_before = after_s(-60), .not_after = after_s(3600)};
    assert_int_equal(tls_generate_ca(&spec, &ca, &err), 0);
    assert_int_equal(tls_generate_ca(&spec, &other, &err), 0);
    struct str groups[] = {STR("system:masters"), STR("b")}, names[] = {STR("a.example"), STR("*.b.example")};
    struct ip ips[2];
    assert_int_equal(ip_parse(STR("10.96.0.1"), &ips[0]), 0);
    assert_int_equal(ip_parse(STR("fd00::1"), &ips[1]), 0);
    spec = (struct tls_cert_spec){.common_name = STR("admin"),
                                  .organizations = groups,
                                  .n_organizations = 2,
                                  .dns_names = names,
                                  .n_dns_names = 2,
                                  .ips = ips,
                                  .n_ips = 2,
                                  .usage = TLS_FOR_SERVER | TLS_FOR_CLIENT,
                                  .not_before = spec.not_before,
                                  .not_after = spec.not_after};
    assert_int_equal(tls_generate_cert(&spec, &ca, &cert, &err), 0);

    struct str pem = strbuf_str(&cert.cert);
    struct tls_cert_info info;
    assert_int_equal(tls_cert_read(pem, &info, &err), 0);
    assert_string_equal(info.common_name.p, "admin");
    assert_false(info.is_ca);
    assert_int_equal(info.not_after.ns / TIME_S_NS, spec.not_after.ns / TIME_S_NS);
    strbuf_done(&info.common_name);
    assert_int_equal(tls_cert_read(strbuf_str(&ca.cert), &info, &err), 0);
    assert_true(info.is_ca);
    strbuf_done(&info.common_name);

    assert_true(tls_cert_has_name(pem, STR("a.example")));
    assert_true(tls_cert_has_name(pem, STR("x.b.example")));
    assert_true(tls_cert_has_name(pem, STR("10.96.0.1")));
    assert_true(tls_cert_has_name(pem, STR("fd00::1")));
    assert_false(tls_cert_has_name(pem, STR("10.96.0.2")));
    assert_false(tls_cert_has_name(pem, STR("b.example")));
    assert_false(tls_cert_has_name(pem, STR("admin")));
    assert_true(tls_cert_matches(pem, strbuf_str(&cert.key), strbuf_str(&ca.cert)));
    assert_false(tls_cert_matches(pem, strbuf_str(&cert.key), strbuf_str(&other.cert)));
    assert_false(tls_cert_matches(pem, strbuf_str(&other.key), strbuf_str(&ca.cert)));
}

static void test_generate_refuses(void **state)
{
    struct err err = {0};
    _cleanup_(tls_pem_done) struct tls_pem ca = {0}, cert = {0};
    struct tls_cert_spec spec = {.common_name = STR(""), .not_before = after_s(0), .not_after = after_s(1)};
    assert_int_equal(tls_generate_ca(&spec, &ca, &err), -EINVAL);
    char longer[200];
    memset(longer, 'a', sizeof longer);
    spec.common_name = (struct str){longer, sizeof longer};
    assert_int_equal(tls_generate_ca(&spec, &ca, &err), -EINVAL);
    spec.common_name = STR("x");
    assert_int_equal(tls_generate_cert(&spec, &ca, &cert, &err), -EINVAL);
    assert_int_equal(tls_generate_key(&cert, &err), 0);
    assert_non_null(strstr(cert.cert.p, "PUBLIC KEY"));
    assert_non_null(strstr(cert.key.p, "PRIVATE KEY"));
}

static void test_context_refuses(void **state)
{
    struct err err = {0};
    struct tls_context *tls = NULL;
    _cleanup_(tls_pem_done) struct tls_pem a = {0}, b = {0};
    struct tls_cert_spec spec = {.common_name = STR("x"), .not_before = after_s(0), .not_after = after_s(60)};
    assert_int_equal(tls_generate_ca(&spec, &a, &err), 0);
    assert_int_equal(tls_generate_ca(&spec, &b, &err), 0);
    struct tls_server_config config = {.cert_pem = STR("junk"), .key_pem = strbuf_str(&a.key)};
    assert_int_equal(tls_server_new(&config, &tls, &err), -EINVAL);
    assert_non_null(strstr(err.text, "certificate"));
    config.cert_pem = strbuf_str(&b.cert);
    assert_int_equal(tls_server_new(&config, &tls, &err), -EINVAL);
    assert_non_null(strstr(err.text, "does not belong"));
    config.cert_pem = strbuf_str(&a.cert);
    config.client_ca_pem = STR("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert_int_equal(tls_server_new(&config, &tls, &err), -EINVAL);
    config.client_ca_pem = strbuf_str(&b.cert);
    assert_int_equal(tls_server_new(&config, &tls, &err), 0);
    tls_free(tls);
    struct tls_client_config client = {.ca_pem = STR("junk"), .server_name = STR("a")};
    assert_int_equal(tls_client_new(&client, &tls, &err), -EINVAL);
    assert_non_null(strstr(err.text, "CA"));
}

static void test_secrets(void **state)
{
    _cleanup_(strbuf_done) struct strbuf a = {0}, b = {0};
    tls_random_token(32, &a);
    tls_random_token(32, &b);
    assert_int_equal(a.len, 43);
    assert_string_not_equal(a.p, b.p);
    assert_true(tls_secret_eq(STR("abc"), STR("abc")));
    assert_false(tls_secret_eq(STR("abc"), STR("abd")));
    assert_false(tls_secret_eq(STR("abc"), STR("abcd")));
    assert_true(tls_secret_eq(STR_NONE, STR("")));
}

RUN_TESTS(cmocka_unit_test(test_generate), cmocka_unit_test(test_generate_refuses),
          cmocka_unit_test(test_context_refuses), cmocka_unit_test(test_secrets))
