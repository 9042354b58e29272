/* Which UDP connections are stale: the decision, without the kernel. */
#include "base/map.h"
#include "datapath/netfilter/conntrack.h"

/* Keys are bytes: an address and port, or a port alone for node ports. */
#define KEY_MAX_LEN 18

struct stale_rules {
    struct map frontends;  /* address and port -> service port; of this state */
    struct map node_ports; /* port -> service port */
    struct map gone;       /* frontends and node ports of the last state that this one lacks -> itself */
    struct forwarding_settings settings;
    enum ip_family family;
};

static struct str make_key(const struct ip *ip, uint16_t port, char buf[static KEY_MAX_LEN])
{
    size_t n = ip ? ip_len(ip->family) : 0;
    if (n)
        memcpy(buf, ip->bytes, n);
    memcpy(buf + n, &port, sizeof port);
    return (struct str){buf, n + sizeof port};
}

static struct map *frontend_map(struct stale_rules *r, const struct frontend *f)
{
    return f->kind == FRONTEND_NODE_PORT ? &r->node_ports : &r->frontends;
}

static struct str frontend_key(const struct frontend *f, char buf[static KEY_MAX_LEN])
{
    return make_key(f->kind == FRONTEND_NODE_PORT ? NULL : &f->ip, f->port, buf);
}

static void add_port(struct stale_rules *r, struct service_port *p)
{
    char buf[KEY_MAX_LEN];
    for (size_t i = 0; i < p->n_frontends; i++) {
        struct map *m = frontend_map(r, &p->frontends[i]);
        struct str key = frontend_key(&p->frontends[i], buf);
        if (!map_has(m, key))
            (void)map_put(m, key, p); /* the first of two claims holds, as in the rules */
    }
}

static void add_gone(struct stale_rules *r, struct service_port *p)
{
    char buf[KEY_MAX_LEN];
    for (size_t i = 0; i < p->n_frontends; i++) {
        struct map *m = frontend_map(r, &p->frontends[i]);
        struct str key = frontend_key(&p->frontends[i], buf);
        if (!map_has(m, key))
            (void)map_put(&r->gone, key, r); /* whether it was there does not matter */
    }
}

struct stale_rules *stale_rules_new(const struct forwarding_state *was, const struct forwarding_state *is,
                                    enum ip_family family)
{
    struct stale_rules *r = mem_new(struct stale_rules);
    r->family = family;
    r->settings = is->settings;
    for (size_t i = 0; i < is->n_ports; i++)
        if (is->ports[i]->protocol == PROTOCOL_UDP && is->ports[i]->family == family)
            add_port(r, is->ports[i]);
    for (size_t i = 0; was && i < was->n_ports; i++)
        if (was->ports[i]->protocol == PROTOCOL_UDP && was->ports[i]->family == family)
            add_gone(r, was->ports[i]);
    return r;
}

void stale_rules_free(struct stale_rules *r)
{
    if (!r)
        return;
    map_done(&r->frontends, NULL);
    map_done(&r->node_ports, NULL);
    map_done(&r->gone, NULL);
    free(r);
}

/* Any backend that serves is valid, in whichever set: moving a living connection is never right. */
static bool is_backend(const struct service_port *p, const struct ip *ip, uint16_t port)
{
    for (size_t i = 0; i < p->n_backends; i++)
        if (p->backends[i].port == port && ip_eq(&p->backends[i].ip, ip))
            return true;
    return false;
}

/* Node ports match any destination, so only what is provably ours may count: translated, or to this node's
 * address. */
static bool is_node_port_flow(const struct stale_rules *r, const struct conntrack_flow *flow)
{
    return flow->translated || ip_eq(&flow->original_dst, &r->settings.node_ips[family_index(r->family)]);
}

static bool in_service_cidrs(const struct stale_rules *r, const struct ip *ip)
{
    for (size_t i = 0; i < r->settings.n_service_cidrs; i++)
        if (ip_prefix_contains(&r->settings.service_cidrs[i], ip))
            return true;
    return false;
}

bool stale_rules_match(const struct stale_rules *r, const struct conntrack_flow *flow)
{
    char vip_buf[KEY_MAX_LEN], port_buf[KEY_MAX_LEN];
    struct str vip = make_key(&flow->original_dst, flow->original_dport, vip_buf);
    struct str port = make_key(NULL, flow->original_dport, port_buf);
    const struct service_port *p = map_find(&r->frontends, vip);
    if (p)
        return !is_backend(p, &flow->reply_src, flow->reply_sport);
    if (map_has(&r->gone, vip))
        return true;
    /* A predecessor's Service that is gone: its address is still in the range, and something translated it.
     */
    if (in_service_cidrs(r, &flow->original_dst))
        return flow->translated;
    if (!is_node_port_flow(r, flow))
        return false;
    p = map_find(&r->node_ports, port);
    return p ? !is_backend(p, &flow->reply_src, flow->reply_sport) : map_has(&r->gone, port);
}
