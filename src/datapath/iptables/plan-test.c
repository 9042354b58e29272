/* Chain names, golden plans, and random histories through a model of iptables-restore. */
#include <errno.h>
#include <stdio.h>

#include "datapath/iptables/chain-name.h"
#include "datapath/iptables/plan.h"
#include "service/random-world-test.h"

static struct service_port make_port(const char *ns, const char *name, const char *port,
                                     enum protocol protocol)
{
    return (struct service_port){
        .ns = str_of(ns), .name = str_of(name), .port_name = str_of(port), .protocol = protocol};
}

/* Test vectors of 4.1 of the service reference. */
static void test_chain_names(void **state)
{
    (void)state;
    struct chain_names n;
    struct service_port p = make_port("default", "kubernetes", "https", PROTOCOL_TCP);
    chain_names_of(&p, &n);
    assert_string_equal(n.svc, "KUBE-SVC-NPX46M4PTMTKRN6Y");
    p = make_port("kube-system", "kube-dns", "dns", PROTOCOL_UDP);
    chain_names_of(&p, &n);
    assert_string_equal(n.svl, "KUBE-SVL-TCOU7JCQXEZGVUNU");
    p = make_port("ns1", "svc1", "p80", PROTOCOL_TCP);
    chain_names_of(&p, &n);
    assert_string_equal(n.ext, "KUBE-EXT-XPGD46QRK7WJZT7O");
    assert_string_equal(n.fw, "KUBE-FW-XPGD46QRK7WJZT7O");
    struct backend b = {.ip = {IP_V4, {10, 180, 0, 1}}, .port = 80};
    char sep[CHAIN_NAME_LEN];
    chain_name_of_backend(&p, &b, sep);
    assert_string_equal(sep, "KUBE-SEP-SXIVWICOYRO3J4NJ");
    assert_true(chain_name_is_hashed(STR("KUBE-FW-XPGD46QRK7WJZT7O")));
    assert_false(chain_name_is_hashed(STR("KUBE-SERVICES")));
}

static const struct rule_context v4 = {.family = IP_V4, .mark = 0x4000, .drop_invalid = true};
static const struct rule_context v6 = {.family = IP_V6, .mark = 0x4000, .drop_invalid = true};

static const struct decide_config default_config = {
    .node_name = "n1",
    .cluster_cidrs = {{{IP_V4, {10, 244}}, 16}, {{IP_V6, {0xfd, 0, 2, 0x44}}, 32}},
    .n_cluster_cidrs = 2,
};

static struct forwarding_state *decide_text(const struct decide_config *config, const char *service,
                                            const char *slice)
{
    struct decide *d = decide_new(config);
    decide_set_service(d, parse_service_text(service));
    if (slice)
        decide_set_slice(d, parse_slice_text(slice));
    struct forwarding_state *s = decide_run(d, NULL);
    decide_free(d);
    return s;
}

/* The rules of one table that name any of the chains, in the order of the plan. */
static void check_rules(struct str plan, const char *table, const char *chain, const char *expected)
{
    _cleanup_(strbuf_done) struct strbuf got = {0};
    _cleanup_(strbuf_done) struct strbuf prefix = {0};
    struct str line;
    bool in_table = false;
    strbuf_addf(&prefix, "-A %s ", chain);
    while (str_split(&plan, '\n', &line)) {
        if (line.len && line.p[0] == '*')
            in_table = str_eqz(str_slice(line, 1, line.len), table);
        if (!in_table || !str_has_prefix(line, strbuf_str(&prefix)))
            continue;
        strbuf_add_str(&got, str_slice(line, prefix.len, line.len));
        strbuf_addc(&got, '\n');
    }
    assert_string_equal(strbuf_cstr(&got), expected);
}

#define SLICE_TWO                                                                                            \
    "{\"metadata\":{\"namespace\":\"ns1\",\"name\":\"x\",\"labels\":{\"kubernetes.io/"                       \
    "service-name\":\"svc1\"}},"                                                                             \
    "\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"p80\",\"port\":80}],\"endpoints\":["                    \
    "{\"addresses\":[\"10.180.0.1\"],\"nodeName\":\"n1\"},{\"addresses\":[\"10.180.0.2\"],\"nodeName\":"     \
    "\"n2\"}]}"
#define SERVICE_WITH(spec)                                                                                   \
    "{\"metadata\":{\"namespace\":\"ns1\",\"name\":\"svc1\"},\"spec\":{\"clusterIP\":\"172.30.0.41\"," spec  \
    "}}"
#define COMMENT(text) "-m comment --comment \"ns1/svc1:p80" text "\" "
#define SVC           "KUBE-SVC-XPGD46QRK7WJZT7O"
#define SVL           "KUBE-SVL-XPGD46QRK7WJZT7O"
#define EXT           "KUBE-EXT-XPGD46QRK7WJZT7O"
#define FW            "KUBE-FW-XPGD46QRK7WJZT7O"
#define SEP_1         "KUBE-SEP-SXIVWICOYRO3J4NJ"

static void plan_text(const char *service, const char *slice, struct strbuf *out)
{
    struct iptables_dump nothing = {0};
    struct forwarding_state *s = decide_text(&default_config, service, slice);
    plan_from_dump(&v4, &nothing, s, out);
    forwarding_state_unref(s);
}

static void test_golden_cluster_ip(void **state)
{
    (void)state;
    _cleanup_(strbuf_done) struct strbuf plan = {0};
    plan_text(SERVICE_WITH("\"ports\":[{\"name\":\"p80\",\"port\":80}]"), SLICE_TWO, &plan);
    struct str p = strbuf_str(&plan);
    check_rules(p, "nat", "KUBE-SERVICES",
                "-d 172.30.0.41/32 -p tcp " COMMENT(
                    " cluster IP") "-m tcp --dport 80 -j " SVC "\n"
                                   "! -d 127.0.0.0/8 -m comment --comment \"kubernetes service nodeports; "
                                   "NOTE: this must be the last rule in "
                                   "this chain\" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS\n");
    check_rules(
        p, "nat", SVC,
        "! -s 10.244.0.0/16 -d 172.30.0.41/32 -p tcp " COMMENT(
            " cluster IP") "-m tcp --dport 80 -j KUBE-MARK-MASQ\n" COMMENT(" -> 10.180.0.1:80") "-m "
                                                                                                "statistic "
                                                                                                "--mode "
                                                                                                "random "
                                                                                                "--"
                                                                                                "probability "
                                                                                                "0."
                                                                                                "5000000000 "
                                                                                                "-j " SEP_1
                                                                                                "\n" COMMENT(
                                                                                                    " -> "
                                                                                                    "10.180."
                                                                                                    "0.2:80") "-j KUBE-SEP-LXVODXWDISEETFEF\n");
    check_rules(p, "nat", SEP_1,
                "-s 10.180.0.1/32 " COMMENT("") "-j KUBE-MARK-MASQ\n"
                                                "-p tcp " COMMENT(
                                                    "") "-m tcp -j DNAT --to-destination 10.180.0.1:80\n");
    check_rules(p, "nat", "KUBE-MARK-MASQ", "-j MARK --set-xmark 0x4000/0x4000\n");
    check_rules(
        p, "nat", "KUBE-POSTROUTING",
        "-m mark ! --mark 0x4000/0x4000 -j RETURN\n-j MARK --set-xmark 0x4000/0x0\n"
        "-m comment --comment \"kubernetes service traffic requiring SNAT\" -j MASQUERADE --random-fully\n");
    check_rules(
        p, "filter", "KUBE-FORWARD",
        "-m conntrack --ctstate INVALID -j DROP\n"
        "-m comment --comment \"kubernetes forwarding rules\" -m mark --mark 0x4000/0x4000 -j ACCEPT\n"
        "-m comment --comment \"kubernetes forwarding conntrack rule\" -m conntrack --ctstate "
        "RELATED,ESTABLISHED -j ACCEPT\n");
    check_rules(p, "filter", "KUBE-SERVICES", "");
}

static void test_golden_refusal(void **state)
{
    (void)state;
    _cleanup_(strbuf_done) struct strbuf plan = {0};
    plan_text(
        SERVICE_WITH("\"type\":\"NodePort\",\"ports\":[{\"name\":\"p80\",\"port\":80,\"nodePort\":30080}]"),
        NULL, &plan);
    struct str p = strbuf_str(&plan);
    check_rules(p, "filter", "KUBE-SERVICES",
                "-d 172.30.0.41/32 -p tcp " COMMENT(
                    " has no endpoints") "-m tcp --dport 80 -j REJECT --reject-with tcp-reset\n");
    check_rules(p, "filter", "KUBE-EXTERNAL-SERVICES",
                "! -d 127.0.0.0/8 -p tcp " COMMENT(
                    " has no endpoints") "-m addrtype --dst-type LOCAL -m tcp --dport 30080 "
                                         "-j REJECT --reject-with tcp-reset\n");
    check_rules(p, "filter", "KUBE-FAIRLEAD-FILTER",
                "-m addrtype --dst-type LOCAL -j RETURN\n-d 172.30.0.41/32 -j KUBE-FAIRLEAD-CLUSTER-IPS\n");
    check_rules(p, "nat", "KUBE-NODEPORTS", "");
}

static void test_golden_external(void **state)
{
    (void)state;
    _cleanup_(strbuf_done) struct strbuf plan = {0};
    plan_text(
        "{\"metadata\":{\"namespace\":\"ns1\",\"name\":\"svc1\"},\"spec\":{\"type\":\"LoadBalancer\","
        "\"clusterIP\":\"172.30.0.41\",\"externalTrafficPolicy\":\"Local\",\"healthCheckNodePort\":30000,"
        "\"externalIPs\":[\"192.168.99.11\"],\"loadBalancerSourceRanges\":[\"203.0.113.0/25\"],"
        "\"ports\":[{\"name\":\"p80\",\"port\":80,\"nodePort\":3001}]},"
        "\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"1.2.3.4\"}]}}}",
        SLICE_TWO, &plan);
    struct str p = strbuf_str(&plan);
    check_rules(p, "nat", "KUBE-NODEPORTS", "-p tcp " COMMENT("") "-m tcp --dport 3001 -j " EXT "\n");
    check_rules(
        p, "nat", EXT,
        "-s 10.244.0.0/16 -m comment --comment \"pod traffic for ns1/svc1:p80 external destinations\" -j " SVC
        "\n"
        "-m comment --comment \"masquerade LOCAL traffic for ns1/svc1:p80 external destinations\" "
        "-m addrtype --src-type LOCAL -j KUBE-MARK-MASQ\n"
        "-m comment --comment \"route LOCAL traffic for ns1/svc1:p80 external destinations\" "
        "-m addrtype --src-type LOCAL -j " SVC "\n"
        "-j " SVL "\n");
    check_rules(p, "nat", SVL, COMMENT(" -> 10.180.0.1:80") "-j " SEP_1 "\n");
    check_rules(p, "nat", FW,
                "-s 203.0.113.0/25 " COMMENT(
                    " loadbalancer IP") "-j " EXT "\n"
                                        "-m comment --comment \"other traffic to ns1/svc1:p80 will be "
                                        "dropped by KUBE-PROXY-FIREWALL\"\n");
    check_rules(
        p, "filter", "KUBE-PROXY-FIREWALL",
        "-d 1.2.3.4/32 -p tcp " COMMENT(" traffic not accepted by " FW) "-m tcp --dport 80 -j DROP\n");
    check_rules(
        p, "filter", "KUBE-NODEPORTS",
        "-p tcp -m comment --comment \"ns1/svc1 health check node port\" -m tcp --dport 30000 -j ACCEPT\n");
}

static void test_golden_affinity(void **state)
{
    (void)state;
    _cleanup_(strbuf_done) struct strbuf plan = {0};
    plan_text(SERVICE_WITH("\"sessionAffinity\":\"ClientIP\",\"ports\":[{\"name\":\"p80\",\"port\":80}]"),
              SLICE_TWO, &plan);
    check_rules(strbuf_str(&plan), "nat", SEP_1,
                "-s 10.180.0.1/32 " COMMENT("") "-j KUBE-MARK-MASQ\n"
                                                "-p tcp " COMMENT(
                                                    "") "-m recent --set --name " SEP_1
                                                        " --mask 255.255.255.255 --rsource -m tcp -j DNAT "
                                                        "--to-destination 10.180.0.1:80\n");
    assert_true(str_find(strbuf_str(&plan), STR("--rcheck --seconds 10800 --reap --name " SEP_1)) > 0);
}

static void test_canonical(void **state)
{
    (void)state;
    static const char *const same[][2] = {
        {"-A X -m comment --comment \"a b\" -j Y", "-A X  -m comment --comment \"a b\" -j Y"},
        {"-A X -m comment --comment \"plain\" -j Y", "-A X -m comment --comment plain -j Y"},
        {"-A X --probability 0.3333333333 -j Y", "-A X --probability 0.33333333349 -j Y"},
        {"-A X --comment \"a \\\" b\"", "-A X --comment \"a \"\\\"\" b\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(same); i++) {
        _cleanup_(strbuf_done) struct strbuf a = {0}, b = {0};
        iptables_rule_canonical(str_of(same[i][0]), &a);
        iptables_rule_canonical(str_of(same[i][1]), &b);
        assert_string_equal(strbuf_cstr(&a), strbuf_cstr(&b));
    }
    _cleanup_(strbuf_done) struct strbuf a = {0}, b = {0};
    iptables_rule_canonical(STR("-A X --probability 0.3333333333"), &a);
    iptables_rule_canonical(STR("-A X --probability 0.3333333300"), &b);
    assert_string_not_equal(strbuf_cstr(&a), strbuf_cstr(&b));
}

static void test_dump(void **state)
{
    (void)state;
    struct iptables_dump d = {0};
    struct str text =
        STR("# Generated\n*raw\n:KUBE-X - [0:0]\n-A KUBE-X -j Y\nCOMMIT\n*nat\n:PREROUTING ACCEPT [1:2]\n"
            ":KUBE-SVC-A - [0:0]\n:OTHER - [0:0]\n-A OTHER -j RETURN\n"
            "-A PREROUTING -m comment --comment \"x y\" -j KUBE-SVC-A\n-A KUBE-SVC-A -j ACCEPT\nCOMMIT\n");
    assert_int_equal(iptables_dump_parse(text, STR("KUBE-"), STR("KUBE-FIREWALL"), &d, NULL), 0);
    assert_true(iptables_dump_has_chain(&d, TABLE_NAT, STR("KUBE-SVC-A")));
    assert_false(iptables_dump_has_chain(&d, TABLE_NAT, STR("KUBE-X")));
    assert_true(iptables_dump_has_same(&d, TABLE_NAT, "KUBE-SVC-A", STR("-A KUBE-SVC-A -j ACCEPT\n")));
    assert_false(iptables_dump_has_same(&d, TABLE_NAT, "KUBE-SVC-A", STR("-A KUBE-SVC-A -j DROP\n")));
    assert_false(iptables_dump_has_same(&d, TABLE_NAT, "KUBE-SVC-A", STR("")));
    assert_true(iptables_dump_has_rule(&d, TABLE_NAT,
                                       STR("-A PREROUTING -m comment --comment \"x y\" -j KUBE-SVC-A")));
    assert_false(iptables_dump_has_rule(&d, TABLE_FILTER, STR("-A PREROUTING -j KUBE-SVC-A")));
    iptables_dump_done(&d);
    struct err err = {0};
    assert_int_equal(iptables_dump_parse(STR("*nat\nnonsense\n"), STR("KUBE-"), STR(""), &d, &err), -EINVAL);
    assert_non_null(strstr(err.text, "line 2"));
}

/* A model of iptables-restore --noflush: chains of rules, by "table name". */
struct kernel {
    struct map chains; /* -> struct strbuf */
};

static void free_rules(void *value)
{
    strbuf_done(value);
    free(value);
}

static struct strbuf *kernel_chain(struct kernel *k, const char *table, struct str name)
{
    _cleanup_(strbuf_done) struct strbuf key = {0};
    strbuf_addf(&key, "%s %.*s", table, STR_ARG(name));
    return map_find(&k->chains, strbuf_str(&key));
}

static void declare_chain(struct kernel *k, const char *table, struct str name)
{
    _cleanup_(strbuf_done) struct strbuf key = {0};
    struct strbuf *there = kernel_chain(k, table, name);
    if (there) {
        strbuf_truncate(there, 0);
        return;
    }
    strbuf_addf(&key, "%s %.*s", table, STR_ARG(name));
    (void)map_put(&k->chains, strbuf_str(&key), mem_new(struct strbuf));
}

static struct str word(struct str line, int n)
{
    struct str w = {0};
    for (int i = 0; i <= n; i++)
        (void)str_split(&line, ' ', &w);
    return w;
}

/* Where line N begins; fails the test if there are fewer. */
static size_t line_offset(struct str rules, size_t n)
{
    size_t at = 0;
    for (; n; n--) {
        ptrdiff_t end = str_find_char(str_slice(rules, at, rules.len), '\n');
        assert_true(end >= 0);
        at += (size_t)end + 1;
    }
    return at;
}

/* "-I CHAIN [N] RULE" and "-D CHAIN RULE". */
static void edit_rules(struct strbuf *rules, struct str line, struct str chain)
{
    _cleanup_(strbuf_done) struct strbuf rule = {0}, after = {0};
    struct str rest = str_slice(line, strlen("-I ") + chain.len, line.len);
    uint64_t n = 1;
    if (line.p[1] == 'I' && str_to_uint64(word(line, 2), &n) == 0)
        rest = str_slice(rest, 1 + word(line, 2).len, rest.len);
    strbuf_addf(&rule, "-A %.*s%.*s\n", STR_ARG(chain), STR_ARG(rest));
    size_t at = line_offset(strbuf_str(rules), n - 1), end = at;
    if (line.p[1] == 'D') {
        ptrdiff_t found = str_find(strbuf_str(rules), strbuf_str(&rule));
        if (found < 0)
            fail_msg("%.*s: no such rule", STR_ARG(line));
        at = (size_t)found;
        end = at + rule.len;
        strbuf_truncate(&rule, 0);
    }
    strbuf_add_str(&after, str_slice(strbuf_str(rules), 0, at));
    strbuf_add_str(&after, strbuf_str(&rule));
    strbuf_add_str(&after, str_slice(strbuf_str(rules), end, rules->len));
    strbuf_truncate(rules, 0);
    strbuf_add_str(rules, strbuf_str(&after));
}

static void restore_line(struct kernel *k, const char *table, struct str line)
{
    struct str name = line.p[0] == ':' ? str_slice(word(line, 0), 1, line.len) : word(line, 1);
    if (line.p[0] == ':') {
        declare_chain(k, table, name);
        return;
    }
    struct strbuf *rules = kernel_chain(k, table, name);
    if (line.p[1] == 'I' && !rules) { /* a built-in chain */
        declare_chain(k, table, name);
        rules = kernel_chain(k, table, name);
    }
    if (!rules)
        fail_msg("%.*s: no such chain in %s", STR_ARG(line), table);
    if (line.p[1] == 'X') {
        _cleanup_(strbuf_done) struct strbuf key = {0};
        assert_int_equal(rules->len, 0);
        strbuf_addf(&key, "%s %.*s", table, STR_ARG(name));
        free_rules(map_delete(&k->chains, strbuf_str(&key)));
        return;
    }
    if (line.p[1] == 'A') {
        strbuf_add_str(rules, line);
        strbuf_addc(rules, '\n');
    } else {
        edit_rules(rules, line, name);
    }
}

static void restore(struct kernel *k, struct str input)
{
    char table[16] = "";
    struct str line;
    while (str_split(&input, '\n', &line)) {
        if (!line.len || str_eqz(line, "COMMIT"))
            continue;
        if (line.p[0] == '*')
            (void)snprintf(table, sizeof table, "%.*s", STR_ARG(str_slice(line, 1, line.len)));
        else
            restore_line(k, table, line);
    }
}

/* Every jump to a chain of ours must lead somewhere, or iptables-restore would have failed. */
static void check_jumps(struct kernel *k)
{
    map_foreach (&k->chains, it) {
        struct str rules = strbuf_str(it->value), line, table = word(it->key, 0);
        char name[16];
        (void)snprintf(name, sizeof name, "%.*s", STR_ARG(table));
        while (str_split(&rules, '\n', &line)) {
            ptrdiff_t at = str_find(line, STR("-j KUBE-"));
            if (at >= 0 && !kernel_chain(k, name, word(str_slice(line, (size_t)at, line.len), 1)))
                fail_msg("%.*s leads nowhere", STR_ARG(line));
        }
    }
}

static void save(const struct kernel *k, struct iptables_dump *dump)
{
    static const char *const tables[] = {"nat", "filter", "mangle"};
    _cleanup_(strbuf_done) struct strbuf text = {0};
    for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
        strbuf_addf(&text, "*%s\n", tables[t]);
        for (int pass = 0; pass < 2; pass++) {
            map_foreach (&k->chains, it) {
                if (!str_eqz(word(it->key, 0), tables[t]))
                    continue;
                if (pass)
                    strbuf_add_str(&text, strbuf_str(it->value));
                else
                    strbuf_addf(&text, ":%.*s - [0:0]\n", STR_ARG(word(it->key, 1)));
            }
        }
        strbuf_addz(&text, "COMMIT\n");
    }
    assert_int_equal(
        iptables_dump_parse(strbuf_str(&text), STR(PLAN_CHAIN_PREFIX), STR(RULES_SHARED_CHAIN), dump, NULL),
        0);
}

/* After a difference was applied, a look at the kernel must find nothing left to do. */
static void check_complete(const struct rule_context *c, struct kernel *k,
                           const struct forwarding_state *want, uint64_t seed)
{
    struct iptables_dump dump = {0};
    _cleanup_(strbuf_done) struct strbuf rest = {0};
    check_jumps(k);
    save(k, &dump);
    plan_from_dump(c, &dump, want, &rest);
    iptables_dump_done(&dump);
    if (rest.len)
        fail_msg("seed %lu: left to do:\n%s", (unsigned long)seed, strbuf_cstr(&rest));
}

static void run_history(const struct rule_context *c, const struct decide_config *config, uint64_t seed)
{
    struct random r;
    struct kernel k = {0};
    struct iptables_dump nothing = {0};
    struct random_world w = {0};
    struct decide *d = decide_new(config);
    struct forwarding_state *have = decide_run(d, NULL);
    _cleanup_(strbuf_done) struct strbuf plan = {0};
    random_seed(&r, seed);
    plan_from_dump(c, &nothing, have, &plan);
    restore(&k, strbuf_str(&plan));
    check_complete(c, &k, have, seed);
    for (int step = 0; step < 40; step++) {
        random_world_step(&w, &r, d);
        struct forwarding_state *want = decide_run(d, NULL);
        strbuf_truncate(&plan, 0);
        if (plan_knows_difference(have, want)) {
            plan_from_difference(c, have, want, &plan);
        } else {
            struct iptables_dump dump = {0};
            save(&k, &dump);
            plan_from_dump(c, &dump, want, &plan);
            iptables_dump_done(&dump);
        }
        restore(&k, strbuf_str(&plan));
        check_complete(c, &k, want, seed);
        forwarding_state_unref(have);
        have = want;
    }
    struct iptables_dump dump = {0};
    strbuf_truncate(&plan, 0);
    save(&k, &dump);
    plan_cleanup(&dump, &plan);
    iptables_dump_done(&dump);
    forwarding_state_unref(have);
    decide_free(d);
    random_world_done(&w);
    map_done(&k.chains, free_rules);
}

/* One Service more among forty: KUBE-SERVICES of nat is edited, and holds what a plan from nothing writes. */
static void test_long_chains_are_edited(void **state)
{
    (void)state;
    struct kernel k = {0};
    struct iptables_dump nothing = {0};
    struct decide *d = decide_new(&default_config);
    _cleanup_(strbuf_done) struct strbuf plan = {0};
    struct forwarding_state *have = NULL;
    static const int order[] = {0, 39,
                                20}; /* the last three to get their endpoints: both ends and the middle */
    static const int steps[] = {0, 1, 2, 3, 2, 1, 0}; /* and back */
    for (size_t n = 0; n < ARRAY_LEN(steps); n++) {
        int step = steps[n];
        for (int i = 0; i < 40; i++) {
            char service[300], slice[400];
            bool waits = false;
            for (int o = step; o < (int)ARRAY_LEN(order); o++)
                waits = waits || order[o] == i;
            snprintf(service, sizeof service,
                     "{\"metadata\":{\"namespace\":\"a\",\"name\":\"s%02d\"},\"spec\":{\"clusterIP\":\"172."
                     "30.0.%d\","
                     "\"ports\":[{\"name\":\"p\",\"port\":80}]}}",
                     i, i + 1);
            snprintf(slice, sizeof slice,
                     "{\"metadata\":{\"namespace\":\"a\",\"name\":\"s%02d\",\"labels\":{\"kubernetes.io/"
                     "service-name\":"
                     "\"s%02d\"}},\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"p\",\"port\":80}],"
                     "\"endpoints\":[%s]}",
                     i, i, waits ? "" : "{\"addresses\":[\"10.180.0.1\"]}");
            decide_set_service(d, parse_service_text(service));
            decide_set_slice(d, parse_slice_text(slice));
        }
        struct forwarding_state *want = decide_run(d, NULL);
        strbuf_truncate(&plan, 0);
        if (have)
            plan_from_difference(&v4, have, want, &plan);
        else
            plan_from_dump(&v4, &nothing, want, &plan);
        if (have)
            assert_true(str_find(strbuf_str(&plan), steps[n - 1] < step ? STR("-I KUBE-SERVICES ")
                                                                        : STR("-D KUBE-SERVICES ")) > 0 &&
                        str_find(strbuf_str(&plan), STR("nat\n:KUBE-SERVICES")) < 0);
        restore(&k, strbuf_str(&plan));
        check_complete(&v4, &k, want, 0);
        forwarding_state_unref(have);
        have = want;
    }
    forwarding_state_unref(have);
    decide_free(d);
    map_done(&k.chains, free_rules);
}

static void test_random_histories(void **state)
{
    (void)state;
    struct decide_config primary = default_config;
    primary.node_ports_primary = true;
    primary.localhost_node_ports = true;
    for (uint64_t seed = 1; seed <= 12; seed++)
        run_history(seed % 2 ? &v4 : &v6, seed % 3 ? &default_config : &primary, seed);
}

RUN_TESTS(cmocka_unit_test(test_chain_names), cmocka_unit_test(test_golden_cluster_ip),
          cmocka_unit_test(test_golden_refusal), cmocka_unit_test(test_golden_external),
          cmocka_unit_test(test_golden_affinity), cmocka_unit_test(test_canonical),
          cmocka_unit_test(test_dump), cmocka_unit_test(test_long_chains_are_edited),
          cmocka_unit_test(test_random_histories))
