/* Where a service port is entered and what happens there: sections 3.3, 3.5 and 3.6 of the service reference.
 */
#include "base/array.h"
#include "service/decide-port.h"

bool decide_accepts_external(const struct decide_input *in, const struct ip *ip)
{
    const struct forwarding_settings *s = in->settings;
    for (size_t i = 0; i < s->n_service_cidrs; i++)
        if (ip_prefix_contains(&s->service_cidrs[i], ip))
            return false;
    for (size_t i = 0; i < in->config->n_cluster_cidrs; i++)
        if (ip_prefix_contains(&in->config->cluster_cidrs[i], ip))
            return false;
    return true;
}

static bool has_accepted(const struct decide_input *in, const struct ip *ips, size_t n, enum ip_family family)
{
    for (size_t i = 0; i < n; i++)
        if (ips[i].family == family && decide_accepts_external(in, &ips[i]))
            return true;
    return false;
}

static bool external_ips_allowed(const struct decide_input *in)
{
    return !in->config->refuse_external_ips;
}

struct port_policy decide_policy(const struct decide_input *in, const struct service_port_spec *spec,
                                 enum ip_family family)
{
    const struct service *s = in->service;
    return (struct port_policy){
        .internal_local = s->internal_policy == TRAFFIC_LOCAL,
        .external_local = s->external_policy == TRAFFIC_LOCAL && service_is_externally_accessible(s),
        .external =
            spec->node_port || has_accepted(in, s->balancer_ips, s->n_balancer_ips, family) ||
            (external_ips_allowed(in) && has_accepted(in, s->external_ips, s->n_external_ips, family)),
    };
}

struct frontend_list {
    struct frontend *v;
    size_t n, capacity;
};

static struct frontend cluster_ip_frontend(const struct decide_input *in, const struct service_port *p,
                                           struct port_policy policy)
{
    int family = family_index(p->family);
    bool detects = in->settings->detectors[family].mode != DETECT_NOTHING;
    struct frontend f = {
        .kind = FRONTEND_CLUSTER_IP,
        .ip = in->service->cluster_ips[family],
        .set = policy.internal_local ? BACKENDS_LOCAL : BACKENDS_CLUSTER,
        .masquerade = in->config->masquerade_all ? MASQUERADE_ALWAYS
                      : detects                  ? MASQUERADE_OFF_CLUSTER
                                                 : MASQUERADE_NEVER,
    };
    bool served = policy.internal_local ? p->n_local : p->n_cluster;
    f.action = !p->has_any ? FRONTEND_REJECT : served ? FRONTEND_FORWARD : FRONTEND_DROP;
    return f;
}

static struct frontend external_frontend(const struct service_port *p, struct port_policy policy)
{
    struct frontend f = {
        .set = policy.external_local ? BACKENDS_LOCAL : BACKENDS_CLUSTER,
        .short_circuit = policy.external_local && p->has_any,
        .masquerade = policy.external_local ? MASQUERADE_FROM_NODE : MASQUERADE_ALWAYS,
    };
    bool served = policy.external_local ? p->n_local : p->n_cluster;
    f.action = !p->has_any ? FRONTEND_REJECT : served ? FRONTEND_FORWARD : FRONTEND_DROP;
    return f;
}

static int cmp_frontends(const void *a, const void *b)
{
    const struct frontend *p = a, *q = b;
    return p->kind != q->kind ? (int)p->kind - (int)q->kind : ip_cmp(&p->ip, &q->ip);
}

struct address_list {
    const struct ip *ips;
    size_t n;
    const char *field;
};

/* An address that is there already (as ClusterIP, or as external IP before it is a balancer's) stays what it
 * is. */
static void add_addresses(const struct decide_input *in, const struct service_port *p,
                          struct address_list list, struct frontend form, struct frontend_list *out)
{
    for (size_t i = 0; i < list.n; i++) {
        bool there = false;
        if (list.ips[i].family != p->family)
            continue;
        array_foreach (out, f)
            there = there || ip_eq(&f->ip, &list.ips[i]);
        if (there)
            continue;
        if (!decide_accepts_external(in, &list.ips[i])) {
            char text[IP_TEXT_LEN];
            omissions_add(in->omissions, "%.*s/%.*s: %s %s is in the range of pods or ClusterIPs",
                          STR_ARG(p->ns), STR_ARG(p->name), list.field, ip_format(&list.ips[i], text));
            continue;
        }
        form.ip = list.ips[i];
        *array_push(out) = form;
    }
}

struct range_list {
    struct ip_prefix *v;
    size_t n, capacity;
};

/* True if there are ranges to enforce. A range of length 0 opens the whole list, as upstream has it. */
static bool collect_ranges(const struct decide_input *in, const struct service_port *p,
                           struct range_list *out)
{
    const struct service *s = in->service;
    const struct ip *node_ip = &in->settings->node_ips[family_index(p->family)];
    bool node_inside = false;
    for (size_t i = 0; i < s->n_source_ranges; i++) {
        const struct ip_prefix *range = &s->source_ranges[i];
        if (range->ip.family != p->family)
            continue;
        if (!range->bits) {
            array_done(out);
            return false;
        }
        node_inside = node_inside || (node_ip->family != IP_NONE && ip_prefix_contains(range, node_ip));
        *array_push(out) = *range;
    }
    /* The node's own traffic to a balancer address may leave with that address as its source. */
    for (size_t i = 0; node_inside && i < s->n_balancer_ips; i++)
        if (s->balancer_ips[i].family == p->family)
            *array_push(out) = (struct ip_prefix){s->balancer_ips[i], (uint8_t)ip_bits(p->family)};
    return out->n || s->has_odd_source_range;
}

/* Takes out what another Service has the better claim to. */
static void drop_lost(const struct decide_input *in, const struct service_port *p, struct frontend_list *list)
{
    size_t n = 0;
    array_foreach (list, f) {
        char text[IP_TEXT_LEN];
        if (claims_has(in->claims, f, p->protocol, p->family, in->owner)) {
            list->v[n++] = *f;
            continue;
        }
        omissions_add(in->omissions, "%.*s/%.*s: %s port %d belongs to another Service", STR_ARG(p->ns),
                      STR_ARG(p->name), f->kind == FRONTEND_NODE_PORT ? "node" : ip_format(&f->ip, text),
                      f->port);
    }
    list->n = n;
}

void decide_frontends(const struct decide_input *in, const struct service_port_spec *spec,
                      struct service_port *p)
{
    const struct service *s = in->service;
    struct port_policy policy = decide_policy(in, spec, p->family);
    struct frontend_list list = {0};
    struct range_list ranges = {0};
    *array_push(&list) = cluster_ip_frontend(in, p, policy);
    struct frontend form = external_frontend(p, policy);
    if (external_ips_allowed(in)) {
        form.kind = FRONTEND_EXTERNAL_IP;
        add_addresses(in, p, (struct address_list){s->external_ips, s->n_external_ips, "external IP"}, form,
                      &list);
    } else if (s->n_external_ips) {
        omissions_add(in->omissions, "%.*s/%.*s: external IPs are switched off", STR_ARG(p->ns),
                      STR_ARG(p->name));
    }
    form.kind = FRONTEND_BALANCER_IP;
    form.ranged = s->n_balancer_ips && collect_ranges(in, p, &ranges);
    add_addresses(in, p, (struct address_list){s->balancer_ips, s->n_balancer_ips, "load-balancer IP"}, form,
                  &list);
    form.ranged = false;
    if (spec->node_port) {
        form.kind = FRONTEND_NODE_PORT;
        form.ip = (struct ip){0};
        *array_push(&list) = form;
    }
    array_foreach (&list, f)
        f->port = f->kind == FRONTEND_NODE_PORT ? spec->node_port : spec->port;
    drop_lost(in, p, &list);
    array_sort(&list, cmp_frontends);
    p->frontends = list.v;
    p->n_frontends = (uint32_t)list.n;
    p->source_ranges = ranges.v;
    p->n_source_ranges = (uint32_t)ranges.n;
}

struct service_port *decide_port(const struct decide_input *in, const struct service_port_spec *spec,
                                 enum ip_family family)
{
    const struct service *s = in->service;
    struct service_port *p = mem_new(struct service_port);
    p->refs = 1;
    struct strbuf text = {0};
    strbuf_reserve(&text, s->ns.len + s->name.len + spec->name.len + 1);
    strbuf_add_str(&text, s->ns);
    strbuf_add_str(&text, s->name);
    strbuf_add_str(&text, spec->name);
    p->text = strbuf_take(&text, NULL);
    p->ns = (struct str){p->text, s->ns.len};
    p->name = (struct str){p->text + s->ns.len, s->name.len};
    p->port_name = (struct str){p->text + s->ns.len + s->name.len, spec->name.len};
    p->protocol = spec->protocol;
    p->family = family;
    p->affinity_timeout_s = s->affinity_timeout_s;
    decide_backends(in, spec, p);
    decide_frontends(in, spec, p);
    return p;
}
