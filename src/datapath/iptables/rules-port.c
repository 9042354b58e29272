/* What one service port contributes. */
#include <stdio.h>

#include "datapath/iptables/rules-format.h"

/* Everything one call works on. */
struct port_rules {
    const struct rule_context *c;
    const struct forwarding_settings *settings;
    const struct service_port *p;
    struct chain_names names;
    struct strbuf *out;
};

static bool is_external(const struct frontend *f)
{
    return f->kind != FRONTEND_CLUSTER_IP;
}

static const struct detector *detector(const struct port_rules *r)
{
    return &r->settings->detectors[family_index(r->p->family)];
}

static const char *kind_comment(enum frontend_kind kind)
{
    return kind == FRONTEND_CLUSTER_IP    ? "cluster IP"
           : kind == FRONTEND_EXTERNAL_IP ? "external IP"
                                          : "loadbalancer IP";
}

static const char *set_chain(const struct port_rules *r, enum backend_set set)
{
    return set == BACKENDS_LOCAL ? r->names.svl : r->names.svc;
}

/* nat KUBE-SERVICES: addresses of their own. */
static void nat_services(const struct port_rules *r, const struct frontend *f)
{
    const char *target = f->kind == FRONTEND_CLUSTER_IP ? set_chain(r, f->set)
                         : f->ranged                    ? r->names.fw
                                                        : r->names.ext;
    bool served = f->kind == FRONTEND_CLUSTER_IP ? f->action == FRONTEND_FORWARD : r->p->has_any;
    if (!served || f->kind == FRONTEND_NODE_PORT)
        return;
    rule_begin(r->out, "KUBE-SERVICES");
    rule_address(r->out, "-d", &f->ip);
    rule_protocol(r->out, r->p);
    rule_comment(r->out, r->p, kind_comment(f->kind));
    rule_dport(r->out, r->p, f->port);
    rule_jump_to(r->out, target);
}

static void nat_node_ports(const struct port_rules *r, const struct frontend *f)
{
    if (f->kind != FRONTEND_NODE_PORT || !r->p->has_any)
        return;
    rule_begin(r->out, "KUBE-NODEPORTS");
    rule_protocol(r->out, r->p);
    rule_comment(r->out, r->p, "");
    rule_dport(r->out, r->p, f->port);
    rule_jump_to(r->out, r->names.ext);
}

static const char *refusal_comment(enum frontend_action action)
{
    return action == FRONTEND_REJECT ? "has no endpoints" : "has no local endpoints";
}

/* What follows the addresses of a refusing rule. */
static void end_refusal(const struct port_rules *r, const struct frontend *f, enum frontend_action action,
                        const char *match)
{
    rule_protocol(r->out, r->p);
    rule_comment(r->out, r->p, refusal_comment(f->action));
    strbuf_addz(r->out, match);
    rule_dport(r->out, r->p, f->port);
    rule_refuse(r->out, r->p, action);
}

static void filter_services(const struct port_rules *r, const struct frontend *f)
{
    if (f->kind != FRONTEND_CLUSTER_IP || f->action == FRONTEND_FORWARD)
        return;
    rule_begin(r->out, "KUBE-SERVICES");
    rule_address(r->out, "-d", &f->ip);
    end_refusal(r, f, f->action, "");
}

/* A refusal is an answer too: only those in range get it. */
static void ranged_rejection(const struct port_rules *r, const struct frontend *f)
{
    for (size_t i = 0; i < r->p->n_source_ranges; i++) {
        rule_begin(r->out, "KUBE-EXTERNAL-SERVICES");
        rule_prefix(r->out, "-s", &r->p->source_ranges[i]);
        rule_address(r->out, "-d", &f->ip);
        end_refusal(r, f, FRONTEND_REJECT, "");
    }
    rule_begin(r->out, "KUBE-EXTERNAL-SERVICES");
    rule_address(r->out, "-d", &f->ip);
    end_refusal(r, f, FRONTEND_DROP, "");
}

/* The same destinations as those of the dispatch to KUBE-NODEPORTS. */
static void refused_node_port(const struct port_rules *r, const struct frontend *f)
{
    static const char local[] = " -m addrtype --dst-type LOCAL";
    const struct node_port_addresses *a = &r->settings->node_ports[family_index(r->p->family)];
    if (a->all) {
        rule_begin(r->out, "KUBE-EXTERNAL-SERVICES");
        if (!rules_take_loopback(r->c, r->settings))
            rule_prefix(r->out, "! -d", rules_loopback(r->p->family));
        end_refusal(r, f, f->action, local);
        return;
    }
    for (size_t i = 0; i < a->n; i++) {
        rule_begin(r->out, "KUBE-EXTERNAL-SERVICES");
        if (a->cidrs[i].bits)
            rule_prefix(r->out, "-d", &a->cidrs[i]);
        end_refusal(r, f, f->action, local);
    }
}

static void filter_external(const struct port_rules *r, const struct frontend *f)
{
    if (!is_external(f) || f->action == FRONTEND_FORWARD)
        return;
    if (f->kind == FRONTEND_NODE_PORT) {
        refused_node_port(r, f);
    } else if (f->ranged && f->action == FRONTEND_REJECT) {
        ranged_rejection(r, f);
    } else {
        rule_begin(r->out, "KUBE-EXTERNAL-SERVICES");
        rule_address(r->out, "-d", &f->ip);
        end_refusal(r, f, f->action, "");
    }
}

static void filter_firewall(const struct port_rules *r, const struct frontend *f)
{
    char text[64];
    if (!f->ranged || !r->p->has_any)
        return;
    (void)snprintf(text, sizeof text, "traffic not accepted by %s", r->names.fw);
    rule_begin(r->out, "KUBE-PROXY-FIREWALL");
    rule_address(r->out, "-d", &f->ip);
    rule_protocol(r->out, r->p);
    rule_comment(r->out, r->p, text);
    rule_dport(r->out, r->p, f->port);
    rule_jump_to(r->out, "DROP");
}

static void filter_cluster_ips(const struct port_rules *r, const struct frontend *f)
{
    if (f->kind != FRONTEND_CLUSTER_IP)
        return;
    rule_begin(r->out, "KUBE-FAIRLEAD-CLUSTER-IPS");
    rule_address(r->out, "-d", &f->ip);
    rule_jump_to(r->out, "KUBE-FAIRLEAD-REFUSE");
}

static void (*const section_writers[N_SECTIONS])(const struct port_rules *r, const struct frontend *f) = {
    [SECTION_NAT_SERVICES] = nat_services,       [SECTION_NAT_NODE_PORTS] = nat_node_ports,
    [SECTION_FILTER_SERVICES] = filter_services, [SECTION_FILTER_EXTERNAL] = filter_external,
    [SECTION_FILTER_FIREWALL] = filter_firewall, [SECTION_FILTER_CLUSTER_IPS] = filter_cluster_ips,
};

void rules_port_section(const struct rule_context *c, const struct forwarding_settings *settings,
                        const struct service_port *p, enum rule_section section, struct strbuf *out)
{
    struct port_rules r = {.c = c, .settings = settings, .p = p, .out = out};
    bool names_chains = section == SECTION_NAT_SERVICES || section == SECTION_NAT_NODE_PORTS ||
                        (section == SECTION_FILTER_FIREWALL && p->n_source_ranges);
    if (p->family != c->family)
        return;
    if (names_chains)
        chain_names_of(p, &r.names);
    for (size_t i = 0; i < p->n_frontends; i++)
        section_writers[section](&r, &p->frontends[i]);
}

/* Traffic to the ClusterIP that must come back through this node. */
static void cluster_ip_masquerade(const struct port_rules *r, const char *chain, const struct frontend *f)
{
    if (f->masquerade == MASQUERADE_NEVER)
        return;
    rule_begin(r->out, chain);
    if (f->masquerade == MASQUERADE_OFF_CLUSTER && detector(r)->mode == DETECT_CIDR)
        rule_detect(r->out, detector(r), DETECT_IS_NOT_LOCAL);
    rule_address(r->out, "-d", &f->ip);
    if (f->masquerade == MASQUERADE_OFF_CLUSTER && detector(r)->mode != DETECT_CIDR)
        rule_detect(r->out, detector(r), DETECT_IS_NOT_LOCAL);
    rule_protocol(r->out, r->p);
    rule_comment(r->out, r->p, "cluster IP");
    rule_dport(r->out, r->p, f->port);
    rule_jump_to(r->out, "KUBE-MARK-MASQ");
}

static void backend_comment(const struct port_rules *r, const struct backend *b)
{
    char text[IP_TEXT_LEN + 16], ip[IP_TEXT_LEN];
    const char *form = b->ip.family == IP_V6 ? "-> [%s]:%d" : "-> %s:%d";
    if (!r->c->comments)
        return;
    (void)snprintf(text, sizeof text, form, ip_format(&b->ip, ip), b->port);
    rule_comment(r->out, r->p, text);
}

/* The list of clients has the name of the backend's chain. */
static void recent(const struct port_rules *r, const char *what, const char *name)
{
    bool v6 = r->p->family == IP_V6;
    strbuf_addf(r->out, " -m recent %s --name %s --mask %s --rsource", what, name,
                v6 ? "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" : "255.255.255.255");
}

static bool in_set(const struct backend *b, enum backend_set set)
{
    return set == BACKENDS_LOCAL ? b->in_local : b->in_cluster;
}

static void affinity_rules(const struct port_rules *r, const char *chain, enum backend_set set)
{
    char sep[CHAIN_NAME_LEN], what[64];
    (void)snprintf(what, sizeof what, "--rcheck --seconds %u --reap", r->p->affinity_timeout_s);
    for (size_t i = 0; r->p->affinity_timeout_s && i < r->p->n_backends; i++) {
        const struct backend *b = &r->p->backends[i];
        if (!in_set(b, set))
            continue;
        chain_name_of_backend(r->p, b, sep);
        rule_begin(r->out, chain);
        backend_comment(r, b);
        recent(r, what, sep);
        rule_jump_to(r->out, sep);
    }
}

static void balance_rules(const struct port_rules *r, const char *chain, enum backend_set set)
{
    char sep[CHAIN_NAME_LEN];
    uint32_t left = set == BACKENDS_LOCAL ? r->p->n_local : r->p->n_cluster;
    for (size_t i = 0; i < r->p->n_backends; i++) {
        const struct backend *b = &r->p->backends[i];
        if (!in_set(b, set))
            continue;
        chain_name_of_backend(r->p, b, sep);
        rule_begin(r->out, chain);
        backend_comment(r, b);
        if (left > 1)
            strbuf_addf(r->out, " -m statistic --mode random --probability %.10f", 1.0 / left);
        rule_jump_to(r->out, sep);
        left--;
    }
}

static void set_chains(const struct port_rules *r, struct chain_list *out, enum backend_set set)
{
    const struct service_port *p = r->p;
    const char *chain = set_chain(r, set);
    if (!(set == BACKENDS_LOCAL ? p->n_local : p->n_cluster))
        return;
    chain_list_begin(out, TABLE_NAT, chain);
    for (size_t i = 0; i < p->n_frontends; i++)
        if (p->frontends[i].kind == FRONTEND_CLUSTER_IP && p->frontends[i].set == set)
            cluster_ip_masquerade(r, chain, &p->frontends[i]);
    affinity_rules(r, chain, set);
    balance_rules(r, chain, set);
    chain_list_end(out);
}

static void backend_chains(const struct port_rules *r, struct chain_list *out)
{
    char sep[CHAIN_NAME_LEN], ip[IP_TEXT_LEN];
    for (size_t i = 0; i < r->p->n_backends; i++) {
        const struct backend *b = &r->p->backends[i];
        if (!b->in_cluster && !b->in_local)
            continue;
        chain_name_of_backend(r->p, b, sep);
        chain_list_begin(out, TABLE_NAT, sep);
        rule_begin(r->out,
                   sep); /* a pod that reaches itself must see another address, or the answer is lost */
        rule_address(r->out, "-s", &b->ip);
        if (r->c->comments)
            rule_comment(r->out, r->p, "");
        rule_jump_to(r->out, "KUBE-MARK-MASQ");
        rule_begin(r->out, sep);
        rule_protocol(r->out, r->p);
        if (r->c->comments)
            rule_comment(r->out, r->p, "");
        if (r->p->affinity_timeout_s)
            recent(r, "--set", sep);
        strbuf_addf(r->out, " -m %s -j DNAT --to-destination ", protocol_name_lower(r->p->protocol));
        strbuf_addf(r->out, b->ip.family == IP_V6 ? "[%s]:%d\n" : "%s:%d\n", ip_format(&b->ip, ip), b->port);
        chain_list_end(out);
    }
}

static void local_external_rules(const struct port_rules *r)
{
    static const char *const texts[] = {"pod traffic for %s external destinations",
                                        "masquerade LOCAL traffic for %s external destinations",
                                        "route LOCAL traffic for %s external destinations"};
    const char *ext = r->names.ext;
    _cleanup_(strbuf_done) struct strbuf name = {0};
    service_port_format_name(r->p, &name);
    for (int i = 0; i < 3; i++) {
        if (i == 0 && detector(r)->mode == DETECT_NOTHING)
            continue;
        rule_begin(r->out, ext);
        if (i == 0)
            rule_detect(r->out, detector(r), DETECT_IS_LOCAL);
        strbuf_addz(r->out, " -m comment --comment \"");
        strbuf_addf(r->out, texts[i], strbuf_cstr(&name));
        strbuf_addz(r->out, i == 0 ? "\"" : "\" -m addrtype --src-type LOCAL");
        rule_jump_to(r->out, i == 1 ? "KUBE-MARK-MASQ" : r->names.svc);
    }
    if (!r->p->n_local)
        return;
    rule_begin(r->out, ext);
    rule_jump_to(r->out, r->names.svl);
}

static void cluster_external_rules(const struct port_rules *r)
{
    _cleanup_(strbuf_done) struct strbuf name = {0};
    service_port_format_name(r->p, &name);
    strbuf_addf(r->out, "-A %s -m comment --comment \"masquerade traffic for %s external destinations\"",
                r->names.ext, strbuf_cstr(&name));
    rule_jump_to(r->out, "KUBE-MARK-MASQ");
    rule_begin(r->out, r->names.ext);
    rule_jump_to(r->out, r->names.svc);
}

/* All external frontends of a service port are treated alike. */
static const struct frontend *first_external(const struct service_port *p)
{
    for (size_t i = 0; i < p->n_frontends; i++)
        if (is_external(&p->frontends[i]))
            return &p->frontends[i];
    return NULL;
}

static void external_chain(const struct port_rules *r, struct chain_list *out)
{
    const struct frontend *f = first_external(r->p);
    if (!f || !r->p->has_any)
        return;
    chain_list_begin(out, TABLE_NAT, r->names.ext);
    if (f->short_circuit)
        local_external_rules(r);
    else
        cluster_external_rules(r);
    chain_list_end(out);
}

static void firewall_chain(const struct port_rules *r, struct chain_list *out)
{
    bool ranged = false;
    for (size_t i = 0; i < r->p->n_frontends; i++)
        ranged = ranged || r->p->frontends[i].ranged;
    if (!ranged || !r->p->has_any)
        return;
    chain_list_begin(out, TABLE_NAT, r->names.fw);
    for (size_t i = 0; i < r->p->n_source_ranges; i++) {
        rule_begin(r->out, r->names.fw);
        rule_prefix(r->out, "-s", &r->p->source_ranges[i]);
        rule_comment(r->out, r->p, "loadbalancer IP");
        rule_jump_to(r->out, r->names.ext);
    }
    strbuf_addf(r->out, "-A %s -m comment --comment \"other traffic to ", r->names.fw);
    service_port_format_name(r->p, r->out);
    strbuf_addz(r->out, " will be dropped by KUBE-PROXY-FIREWALL\"\n");
    chain_list_end(out);
}

void rules_port_chains(const struct rule_context *c, const struct forwarding_settings *settings,
                       const struct service_port *p, struct chain_list *out)
{
    struct port_rules r = {.c = c, .settings = settings, .p = p, .out = &out->text};
    if (p->family != c->family)
        return;
    chain_names_of(p, &r.names);
    set_chains(&r, out, BACKENDS_CLUSTER);
    set_chains(&r, out, BACKENDS_LOCAL);
    external_chain(&r, out);
    firewall_chain(&r, out);
    backend_chains(&r, out);
}
