/* The forwarding state as text: one line per frontend. */
#include "service/forwarding-state.h"

static const char *const kind_names[] = {
    [FRONTEND_CLUSTER_IP] = "cluster-ip",
    [FRONTEND_EXTERNAL_IP] = "external-ip",
    [FRONTEND_BALANCER_IP] = "balancer-ip",
    [FRONTEND_NODE_PORT] = "node-port",
};

static const char *const masquerade_names[] = {
    [MASQUERADE_NEVER] = "never",
    [MASQUERADE_OFF_CLUSTER] = "off-cluster",
    [MASQUERADE_FROM_NODE] = "from-node",
    [MASQUERADE_ALWAYS] = "always",
};

static void print_address(const struct ip *ip, uint16_t port, struct strbuf *out)
{
    char text[IP_TEXT_LEN];
    if (ip->family == IP_NONE)
        strbuf_addf(out, "*:%d", port);
    else
        strbuf_addf(out, ip->family == IP_V6 ? "[%s]:%d" : "%s:%d", ip_format(ip, text), port);
}

static void print_set(const struct service_port *p, enum backend_set set, struct strbuf *out)
{
    const char *sep = "";
    strbuf_addz(out, set == BACKENDS_LOCAL ? " local{" : " cluster{");
    for (size_t i = 0; i < p->n_backends; i++) {
        const struct backend *b = &p->backends[i];
        if (set == BACKENDS_LOCAL ? !b->in_local : !b->in_cluster)
            continue;
        strbuf_addz(out, sep);
        print_address(&b->ip, b->port, out);
        sep = " ";
    }
    strbuf_addc(out, '}');
}

static void print_frontend(const struct service_port *p, const struct frontend *f, struct strbuf *out)
{
    service_port_format_name(p, out);
    strbuf_addf(out, " %s %s ", protocol_name_lower(p->protocol), kind_names[f->kind]);
    if (f->kind == FRONTEND_NODE_PORT)
        strbuf_addf(out, "%s ", p->family == IP_V6 ? "v6" : "v4");
    print_address(&f->ip, f->port, out);
    if (f->action == FRONTEND_FORWARD) {
        strbuf_addz(out, " forward");
        print_set(p, f->set, out);
    } else {
        strbuf_addz(out, f->action == FRONTEND_REJECT ? " reject" : " drop");
    }
    if (f->short_circuit) {
        strbuf_addz(out, " short-circuit");
        print_set(p, BACKENDS_CLUSTER, out);
    }
    strbuf_addf(out, " masquerade=%s", masquerade_names[f->masquerade]);
    if (p->affinity_timeout_s)
        strbuf_addf(out, " affinity=%us", p->affinity_timeout_s);
    for (size_t i = 0; f->ranged && i < p->n_source_ranges; i++) {
        char text[IP_TEXT_LEN];
        strbuf_addf(out, "%s%s", i ? "," : " sources=", ip_prefix_format(&p->source_ranges[i], text));
    }
    strbuf_addc(out, '\n');
}

void service_port_print(const struct service_port *p, struct strbuf *out)
{
    for (size_t i = 0; i < p->n_frontends; i++)
        print_frontend(p, &p->frontends[i], out);
}

void forwarding_state_print(const struct forwarding_state *s, struct strbuf *out)
{
    for (size_t i = 0; i < s->n_ports; i++)
        service_port_print(s->ports[i], out);
    for (size_t i = 0; i < s->n_health_checks; i++) {
        const struct health_check *h = &s->health_checks[i];
        strbuf_addf(out, "%.*s/%.*s health-check :%d v4=%u v6=%u\n", STR_ARG(h->ns), STR_ARG(h->name),
                    h->port, h->n_local[0], h->n_local[1]);
    }
}
