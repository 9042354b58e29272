#include "watch/kubeconfig.h"

#include "base/test.h"

#define HEAD                                                                                                 \
    "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts:\n- {name: c, context: {cluster: k, user: "  \
    "u}}\n"

static void test_what_is_written_reads_back(void **state)
{
    const struct kubeconfig_spec spec = {
        .server = STR("https://[fd00::1]:6443"),
        .cluster = STR("fairlead"),
        .user = STR("admin"),
        .ca_pem = STR("-----CA-----\n"),
        .cert_pem = STR("-----CERT-----\n"),
        .key_pem = STR("-----KEY-----\n"),
    };
    _cleanup_(strbuf_done) struct strbuf text = {0};
    struct kubeconfig k = {0};
    struct err err = {0};
    kubeconfig_write(&spec, &text);
    assert_int_equal(kubeconfig_parse(strbuf_str(&text), "k", "/", &k, &err), 0);
    assert_str(k.host, "fd00::1");
    assert_str(k.server_name, "fd00::1");
    assert_int_equal(k.port, 6443);
    assert_str(k.ca_pem, "-----CA-----\n");
    assert_str(k.cert_pem, "-----CERT-----\n");
    assert_str(k.key_pem, "-----KEY-----\n");
    kubeconfig_done(&k);
}

static void test_forms(void **state)
{
    struct kubeconfig k = {0};
    assert_int_equal(
        kubeconfig_parse(STR(HEAD
                             "clusters:\n- name: k\n  cluster: {server: 'http://h', tls-server-name: other}\n"
                             "users:\n- {name: u, user: {token: abc}}\n"),
                         "k", "/", &k, NULL),
        0);
    assert_true(k.is_plain && k.port == 80);
    assert_str(k.server_name, "other");
    assert_str(k.token, "abc");
    kubeconfig_done(&k);
    assert_int_equal(
        kubeconfig_parse(
            STR(HEAD
                "clusters:\n- name: k\n  cluster: {server: 'https://h/path', proxy-url: 'http://p:3128'}\n"
                "users:\n- {name: u, user: {}}\n"),
            "k", "/", &k, NULL),
        0);
    assert_true(!k.is_plain && k.port == 443 && k.proxy_port == 3128);
    kubeconfig_done(&k);
}

static void test_refusals_name_file_and_field(void **state)
{
    static const char *const rows[][2] = {
        {"[]", "f: this is not a kubeconfig"},
        {"{}", "f: current-context is not set"},
        {"current-context: x", "f: there is no context \"x\", which current-context names"},
        {HEAD, "f: there is no cluster \"k\", which context \"c\" names"},
        {HEAD "clusters:\n- {name: k, cluster: {server: 'ftp://h'}}\nusers: [{name: u, user: {}}]",
         "f: the cluster's server \"ftp://h\" is neither https:// nor http://"},
        {HEAD "clusters:\n- {name: k, cluster: {server: 'https://h:99999'}}\nusers: [{name: u, user: {}}]",
         "f: the cluster's server \"https://h:99999\" has no usable host and port"},
        {HEAD "clusters:\n- {name: k, cluster: {server: 'https://h'}}\nusers: [{name: u, user: {exec: "
              "{command: x}}}]",
         "f: the user's \"exec\" is not supported: use a client certificate, a token or a tokenFile"},
        {HEAD "clusters:\n- {name: k, cluster: {server: 'https://h', certificate-authority-data: "
              "'*'}}\nusers: [{name: u, user: {}}]",
         "f: certificate-authority-data is not base64"},
        {HEAD "clusters:\n- {name: k, cluster: {server: 'https://h'}}\nusers: [{name: u, user: "
              "{client-key-data: YQ==}}]",
         "f: the user has only one of client-certificate and client-key"},
        {HEAD "clusters:\n- {name: k, cluster: {server: 'https://h', certificate-authority: "
              "no-such}}\nusers: [{name: u, user: {}}]",
         NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct kubeconfig k = {0};
        struct err err = {0};
        assert_true(kubeconfig_parse(str_of(rows[i][0]), "f", "/nowhere", &k, &err) < 0);
        if (rows[i][1])
            assert_string_equal(err.text, rows[i][1]);
        else
            assert_true(str_find(str_of(err.text), STR("/nowhere/no-such")) >= 0);
    }
}

RUN_TESTS(cmocka_unit_test(test_what_is_written_reads_back), cmocka_unit_test(test_forms),
          cmocka_unit_test(test_refusals_name_file_and_field))
