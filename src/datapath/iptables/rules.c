/* The top chains and the jumps into them. */
#include "datapath/iptables/rules.h"

#include "datapath/iptables/rules-format.h"

#define NEW "-m conntrack --ctstate NEW "

const struct rule_jump rule_jumps[] = {
    /* Ours first, so that it ends up behind KUBE-SERVICES, which may drop instead of refuse. */
    {TABLE_FILTER, "FORWARD", "KUBE-FAIRLEAD-FILTER",
     NEW "-m comment --comment \"fairlead: other ports of a ClusterIP\""},
    {TABLE_FILTER, "OUTPUT", "KUBE-FAIRLEAD-FILTER",
     NEW "-m comment --comment \"fairlead: other ports of a ClusterIP\""},
    /* kube-proxy lets the node's own packets to an external address without endpoints go out to the network.
     */
    {TABLE_FILTER, "OUTPUT", "KUBE-EXTERNAL-SERVICES",
     NEW "-m comment --comment \"fairlead: externally-visible service portals, from this node\""},
    {TABLE_FILTER, "INPUT", "KUBE-EXTERNAL-SERVICES",
     NEW "-m comment --comment \"kubernetes externally-visible service portals\""},
    {TABLE_FILTER, "FORWARD", "KUBE-EXTERNAL-SERVICES",
     NEW "-m comment --comment \"kubernetes externally-visible service portals\""},
    {TABLE_FILTER, "INPUT", "KUBE-NODEPORTS",
     "-m comment --comment \"kubernetes health check service ports\""},
    {TABLE_FILTER, "FORWARD", "KUBE-SERVICES", NEW "-m comment --comment \"kubernetes service portals\""},
    {TABLE_FILTER, "OUTPUT", "KUBE-SERVICES", NEW "-m comment --comment \"kubernetes service portals\""},
    {TABLE_FILTER, "FORWARD", "KUBE-FORWARD", "-m comment --comment \"kubernetes forwarding rules\""},
    {TABLE_FILTER, "INPUT", "KUBE-PROXY-FIREWALL",
     NEW "-m comment --comment \"kubernetes load balancer firewall\""},
    {TABLE_FILTER, "OUTPUT", "KUBE-PROXY-FIREWALL",
     NEW "-m comment --comment \"kubernetes load balancer firewall\""},
    {TABLE_FILTER, "FORWARD", "KUBE-PROXY-FIREWALL",
     NEW "-m comment --comment \"kubernetes load balancer firewall\""},
    {TABLE_NAT, "OUTPUT", "KUBE-SERVICES", "-m comment --comment \"kubernetes service portals\""},
    {TABLE_NAT, "PREROUTING", "KUBE-SERVICES", "-m comment --comment \"kubernetes service portals\""},
    {TABLE_NAT, "POSTROUTING", "KUBE-POSTROUTING", "-m comment --comment \"kubernetes postrouting rules\""},
    {TABLE_FILTER, "INPUT", RULES_SHARED_CHAIN, ""},
    {TABLE_FILTER, "OUTPUT", RULES_SHARED_CHAIN, ""},
    {TABLE_FILTER, NULL, NULL, NULL},
};

void rules_format_jump(const struct rule_jump *jump, const char *operation, struct strbuf *out)
{
    strbuf_addf(out, "%s %s %s%s-j %s", operation, jump->from, jump->match, *jump->match ? " " : "",
                jump->to);
}

const struct rule_chain rule_chains[] = {
    {TABLE_NAT, "KUBE-SERVICES"},
    {TABLE_NAT, "KUBE-NODEPORTS"},
    {TABLE_NAT, "KUBE-POSTROUTING"},
    {TABLE_NAT, "KUBE-MARK-MASQ"},
    {TABLE_NAT, "KUBE-PROXY-CANARY"},
    {TABLE_FILTER, "KUBE-SERVICES"},
    {TABLE_FILTER, "KUBE-EXTERNAL-SERVICES"},
    {TABLE_FILTER, "KUBE-NODEPORTS"},
    {TABLE_FILTER, "KUBE-PROXY-FIREWALL"},
    {TABLE_FILTER, "KUBE-FORWARD"},
    {TABLE_FILTER, "KUBE-FAIRLEAD-FILTER"},
    {TABLE_FILTER, "KUBE-FAIRLEAD-CLUSTER-IPS"},
    {TABLE_FILTER, "KUBE-FAIRLEAD-REFUSE"},
    {TABLE_FILTER, "KUBE-PROXY-CANARY"},
    {TABLE_MANGLE, "KUBE-PROXY-CANARY"},
    {TABLE_FILTER, NULL},
};

static const struct rule_chain section_chains[N_SECTIONS] = {
    [SECTION_NAT_SERVICES] = {TABLE_NAT, "KUBE-SERVICES"},
    [SECTION_NAT_NODE_PORTS] = {TABLE_NAT, "KUBE-NODEPORTS"},
    [SECTION_FILTER_SERVICES] = {TABLE_FILTER, "KUBE-SERVICES"},
    [SECTION_FILTER_EXTERNAL] = {TABLE_FILTER, "KUBE-EXTERNAL-SERVICES"},
    [SECTION_FILTER_FIREWALL] = {TABLE_FILTER, "KUBE-PROXY-FIREWALL"},
    [SECTION_FILTER_CLUSTER_IPS] = {TABLE_FILTER, "KUBE-FAIRLEAD-CLUSTER-IPS"},
};

bool rules_have_comments(const struct forwarding_state *state)
{
    return state->n_backends <= RULES_LARGE_ENDPOINTS;
}

/* The last rules of nat KUBE-SERVICES: whatever goes to this node itself. */
static void dispatch_node_ports(const struct rule_context *c, const struct forwarding_settings *s,
                                struct strbuf *out)
{
    static const char rest[] =
        " -m comment --comment \"kubernetes service nodeports; NOTE: this must be the last rule "
        "in this chain\" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS\n";
    const struct node_port_addresses *a = &s->node_ports[family_index(c->family)];
    const struct ip_prefix *loopback = rules_loopback(c->family);
    bool takes_loopback = rules_take_loopback(c, s);
    if (a->all) {
        rule_begin(out, "KUBE-SERVICES");
        if (!takes_loopback)
            rule_prefix(out, "! -d", loopback);
        strbuf_addz(out, rest);
        return;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (ip_prefix_overlaps(&a->cidrs[i], loopback) && !takes_loopback) {
            rule_begin(out, "KUBE-SERVICES");
            rule_prefix(out, "-d", loopback);
            rule_jump_to(out, "RETURN");
        }
        rule_begin(out, "KUBE-SERVICES");
        rule_prefix(out, "-d", &a->cidrs[i]);
        strbuf_addz(out, rest);
    }
}

static const struct ip *cluster_ip_of(const struct service_port *p, enum ip_family family)
{
    for (size_t i = 0; p->family == family && i < p->n_frontends; i++)
        if (p->frontends[i].kind == FRONTEND_CLUSTER_IP)
            return &p->frontends[i].ip;
    return NULL;
}

/* One rule per ClusterIP, not per port: the ports of a Service stand together. */
static bool same_cluster_ip(const struct forwarding_state *state, size_t i, enum ip_family family)
{
    const struct ip *ip = cluster_ip_of(state->ports[i], family);
    for (size_t k = i; ip && k-- > 0 && str_eq(state->ports[k]->name, state->ports[i]->name) &&
                       str_eq(state->ports[k]->ns, state->ports[i]->ns);) {
        const struct ip *before = cluster_ip_of(state->ports[k], family);
        if (before && ip_eq(before, ip))
            return true;
    }
    return false;
}

void rules_section_chain(const struct rule_context *c, const struct forwarding_state *state,
                         enum rule_section section, struct chain_list *out)
{
    chain_list_begin(out, section_chains[section].table, section_chains[section].name);
    for (size_t i = 0; i < state->n_ports; i++)
        if (section != SECTION_FILTER_CLUSTER_IPS || !same_cluster_ip(state, i, c->family))
            rules_port_section(c, &state->settings, state->ports[i], section, &out->text);
    if (section == SECTION_NAT_SERVICES)
        dispatch_node_ports(c, &state->settings, &out->text);
    chain_list_end(out);
}

/* The shortest list of bits that all ClusterIPs share: whatever is outside needs no look at them one by one.
 */
static bool covering_prefix(const struct forwarding_state *state, enum ip_family family,
                            struct ip_prefix *ret)
{
    bool any = false;
    struct ip_prefix cover = {0};
    for (size_t i = 0; i < state->n_ports; i++) {
        const struct ip *ip = cluster_ip_of(state->ports[i], family);
        if (!ip)
            continue;
        if (!any)
            cover = (struct ip_prefix){*ip, (uint8_t)ip_bits(family)};
        any = true;
        while (!ip_prefix_contains(&cover, ip))
            cover.bits--;
    }
    cover.ip = any ? ip_prefix_first(&cover) : cover.ip;
    *ret = cover;
    return any;
}

static void filter_chain(const struct rule_context *c, const struct forwarding_state *state,
                         struct chain_list *out)
{
    struct ip_prefix cover;
    chain_list_begin(out, TABLE_FILTER, "KUBE-FAIRLEAD-FILTER");
    /* Somebody who put a ClusterIP on this node (a node-local DNS cache) wants its packets. */
    strbuf_addz(&out->text, "-A KUBE-FAIRLEAD-FILTER -m addrtype --dst-type LOCAL -j RETURN\n");
    if (covering_prefix(state, c->family, &cover)) {
        rule_begin(&out->text, "KUBE-FAIRLEAD-FILTER");
        if (cover.bits)
            rule_prefix(&out->text, "-d", &cover);
        rule_jump_to(&out->text, "KUBE-FAIRLEAD-CLUSTER-IPS");
    }
    for (size_t i = 0; i < state->settings.n_service_cidrs; i++) {
        const struct ip_prefix *cidr = &state->settings.service_cidrs[i];
        if (cidr->ip.family != c->family || !cidr->bits)
            continue;
        rule_begin(&out->text, "KUBE-FAIRLEAD-FILTER");
        rule_prefix(&out->text, "-d", cidr);
        strbuf_addz(&out->text, " -m comment --comment \"ClusterIP that no Service has\"");
        rule_jump_to(&out->text, "DROP");
    }
    chain_list_end(out);
    chain_list_begin(out, TABLE_FILTER, "KUBE-FAIRLEAD-REFUSE");
    strbuf_addz(&out->text, "-A KUBE-FAIRLEAD-REFUSE -p tcp -j REJECT --reject-with tcp-reset\n");
    rule_begin(&out->text, "KUBE-FAIRLEAD-REFUSE");
    rule_unreachable(&out->text, c->family);
    chain_list_end(out);
}

static void postrouting_chains(const struct rule_context *c, struct chain_list *out)
{
    chain_list_begin(out, TABLE_NAT, "KUBE-MARK-MASQ");
    strbuf_addf(&out->text, "-A KUBE-MARK-MASQ -j MARK --set-xmark %#x/%#x\n", c->mark, c->mark);
    chain_list_end(out);
    chain_list_begin(out, TABLE_NAT, "KUBE-POSTROUTING");
    strbuf_addf(&out->text, "-A KUBE-POSTROUTING -m mark ! --mark %#x/%#x -j RETURN\n", c->mark, c->mark);
    /* The mark goes before anything else may see the packet again. */
    strbuf_addf(&out->text, "-A KUBE-POSTROUTING -j MARK --set-xmark %#x/0x0\n", c->mark);
    strbuf_addz(&out->text,
                "-A KUBE-POSTROUTING -m comment --comment \"kubernetes service traffic requiring SNAT\" "
                "-j MASQUERADE --random-fully\n");
    chain_list_end(out);
}

static void forward_chain(const struct rule_context *c, struct chain_list *out)
{
    chain_list_begin(out, TABLE_FILTER, "KUBE-FORWARD");
    if (c->drop_invalid)
        strbuf_addz(&out->text, "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP\n");
    strbuf_addf(&out->text,
                "-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding rules\" -m mark --mark %#x/%#x "
                "-j ACCEPT\n",
                c->mark, c->mark);
    strbuf_addz(&out->text, "-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding conntrack rule\" "
                            "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n");
    chain_list_end(out);
}

static void health_check_chain(const struct forwarding_state *state, struct chain_list *out)
{
    chain_list_begin(out, TABLE_FILTER, "KUBE-NODEPORTS");
    for (size_t i = 0; i < state->n_health_checks; i++) {
        const struct health_check *h = &state->health_checks[i];
        strbuf_addf(&out->text,
                    "-A KUBE-NODEPORTS -p tcp -m comment --comment \"%.*s/%.*s health check node port\" "
                    "-m tcp --dport %d -j ACCEPT\n",
                    STR_ARG(h->ns), STR_ARG(h->name), h->port);
    }
    chain_list_end(out);
}

void rules_fixed_chains(const struct rule_context *c, const struct forwarding_state *state,
                        struct chain_list *out)
{
    for (int table = 0; table < N_TABLES; table++) {
        chain_list_begin(out, (enum iptables_table)table, "KUBE-PROXY-CANARY");
        chain_list_end(out);
    }
    postrouting_chains(c, out);
    forward_chain(c, out);
    health_check_chain(state, out);
    filter_chain(c, state, out);
}

bool rules_need_route_localnet(const struct forwarding_state *state)
{
    struct rule_context v4 = {.family = IP_V4};
    if (!rules_take_loopback(&v4, &state->settings))
        return false;
    for (size_t i = 0; i < state->n_ports; i++)
        for (size_t k = 0; state->ports[i]->family == IP_V4 && k < state->ports[i]->n_frontends; k++)
            if (state->ports[i]->frontends[k].kind == FRONTEND_NODE_PORT)
                return true;
    return false;
}

void rules_shared_rule(const struct rule_context *c, const struct forwarding_settings *settings,
                       struct strbuf *out)
{
    if (rules_take_loopback(c, settings))
        strbuf_addz(out, "-A " RULES_SHARED_CHAIN
                         " ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment \"block incoming "
                         "localnet connections\" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP");
}
