#include "datapath/iptables/rules-format.h"

void rule_begin(struct strbuf *out, const char *chain)
{
    strbuf_addz(out, "-A ");
    strbuf_addz(out, chain);
}

void rule_prefix(struct strbuf *out, const char *option, const struct ip_prefix *prefix)
{
    char text[IP_TEXT_LEN];
    strbuf_addf(out, " %s %s", option, ip_prefix_format(prefix, text));
}

void rule_address(struct strbuf *out, const char *option, const struct ip *ip)
{
    struct ip_prefix prefix = {*ip, (uint8_t)ip_bits(ip->family)};
    rule_prefix(out, option, &prefix);
}

void rule_comment(struct strbuf *out, const struct service_port *p, const char *text)
{
    strbuf_addz(out, " -m comment --comment \"");
    service_port_format_name(p, out);
    if (*text) {
        strbuf_addc(out, ' ');
        strbuf_addz(out, text);
    }
    strbuf_addc(out, '"');
}

void rule_protocol(struct strbuf *out, const struct service_port *p)
{
    strbuf_addz(out, " -p ");
    strbuf_addz(out, protocol_name_lower(p->protocol));
}

void rule_dport(struct strbuf *out, const struct service_port *p, uint16_t port)
{
    strbuf_addf(out, " -m %s --dport %d", protocol_name_lower(p->protocol), port);
}

void rule_jump_to(struct strbuf *out, const char *target)
{
    strbuf_addz(out, " -j ");
    strbuf_addz(out, target);
    strbuf_addc(out, '\n');
}

void rule_refuse(struct strbuf *out, const struct service_port *p, enum frontend_action action)
{
    if (action == FRONTEND_DROP)
        rule_jump_to(out, "DROP");
    else if (p->protocol == PROTOCOL_TCP)
        rule_jump_to(out, "REJECT --reject-with tcp-reset");
    else
        rule_unreachable(out, p->family);
}

void rule_unreachable(struct strbuf *out, enum ip_family family)
{
    if (family == IP_V6)
        rule_jump_to(out, "REJECT --reject-with icmp6-port-unreachable");
    else
        rule_jump_to(out, "REJECT --reject-with icmp-port-unreachable");
}

void rule_detect(struct strbuf *out, const struct detector *d, enum detect_sense sense)
{
    bool plus = d->mode == DETECT_INTERFACE_PREFIX;
    if (sense == DETECT_IS_NOT_LOCAL)
        strbuf_addz(out, " !");
    if (d->mode == DETECT_CIDR)
        rule_prefix(out, "-s", &d->cidr);
    else
        strbuf_addf(out, " -i %s%s", d->interface, plus ? "+" : "");
}

const struct ip_prefix *rules_loopback(enum ip_family family)
{
    static const struct ip_prefix v4 = {{IP_V4, {127}}, 8}, v6 = {{IP_V6, {[15] = 1}}, 128};
    return family == IP_V6 ? &v6 : &v4;
}

bool rules_take_loopback(const struct rule_context *c, const struct forwarding_settings *s)
{
    const struct node_port_addresses *a = &s->node_ports[family_index(c->family)];
    if (c->family != IP_V4 || !s->localhost_node_ports)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (ip_prefix_overlaps(&a->cidrs[i], rules_loopback(IP_V4)))
            return true;
    return a->all;
}
