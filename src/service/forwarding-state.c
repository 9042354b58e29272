#include "service/forwarding-state.h"

struct service_port *service_port_ref(struct service_port *p)
{
    p->refs++;
    return p;
}

void service_port_unref(struct service_port *p)
{
    if (!p || --p->refs)
        return;
    free(p->backends);
    free(p->frontends);
    free(p->source_ranges);
    free(p->text);
    free(p);
}

int service_port_cmp(const struct service_port *a, const struct service_port *b)
{
    int r = str_cmp(a->ns, b->ns);
    if (!r)
        r = str_cmp(a->name, b->name);
    if (!r)
        r = str_cmp(a->port_name, b->port_name);
    if (!r)
        r = (int)a->protocol - (int)b->protocol;
    return r ? r : (int)a->family - (int)b->family;
}

static bool prefix_eq(const struct ip_prefix *a, const struct ip_prefix *b)
{
    return a->bits == b->bits && ip_eq(&a->ip, &b->ip);
}

static bool prefixes_eq(const struct ip_prefix *a, size_t n, const struct ip_prefix *b, size_t m)
{
    for (size_t i = 0; i < n && n == m; i++)
        if (!prefix_eq(&a[i], &b[i]))
            return false;
    return n == m;
}

static bool backend_eq(const struct backend *a, const struct backend *b)
{
    return a->port == b->port && a->local == b->local && a->in_cluster == b->in_cluster &&
           a->in_local == b->in_local && a->serving == b->serving && ip_eq(&a->ip, &b->ip);
}

static bool frontend_eq(const struct frontend *a, const struct frontend *b)
{
    return a->kind == b->kind && a->port == b->port && a->action == b->action && a->set == b->set &&
           a->short_circuit == b->short_circuit && a->ranged == b->ranged && a->masquerade == b->masquerade &&
           ip_eq(&a->ip, &b->ip);
}

bool service_port_equal(const struct service_port *a, const struct service_port *b)
{
    if (a == b)
        return true;
    if (service_port_cmp(a, b) != 0 || a->affinity_timeout_s != b->affinity_timeout_s ||
        a->has_any != b->has_any || a->n_backends != b->n_backends || a->n_frontends != b->n_frontends ||
        a->n_cluster != b->n_cluster || a->n_local != b->n_local)
        return false;
    for (size_t i = 0; i < a->n_backends; i++)
        if (!backend_eq(&a->backends[i], &b->backends[i]))
            return false;
    for (size_t i = 0; i < a->n_frontends; i++)
        if (!frontend_eq(&a->frontends[i], &b->frontends[i]))
            return false;
    return prefixes_eq(a->source_ranges, a->n_source_ranges, b->source_ranges, b->n_source_ranges);
}

void service_port_format_name(const struct service_port *p, struct strbuf *out)
{
    strbuf_add_str(out, p->ns);
    strbuf_addc(out, '/');
    strbuf_add_str(out, p->name);
    if (p->port_name.len) {
        strbuf_addc(out, ':');
        strbuf_add_str(out, p->port_name);
    }
}

struct forwarding_state *forwarding_state_new(void)
{
    struct forwarding_state *s = mem_new(struct forwarding_state);
    s->refs = 1;
    return s;
}

struct forwarding_state *forwarding_state_ref(struct forwarding_state *s)
{
    s->refs++;
    return s;
}

void forwarding_state_unref(struct forwarding_state *s)
{
    if (!s || --s->refs)
        return;
    for (size_t i = 0; i < s->n_ports; i++)
        service_port_unref(s->ports[i]);
    for (size_t i = 0; i < s->n_health_checks; i++)
        free((char *)s->health_checks[i].ns.p);
    free(s->ports);
    free(s->health_checks);
    free(s);
}

static bool detector_eq(const struct detector *a, const struct detector *b)
{
    return a->mode == b->mode && prefix_eq(&a->cidr, &b->cidr) && strcmp(a->interface, b->interface) == 0;
}

bool forwarding_settings_equal(const struct forwarding_settings *a, const struct forwarding_settings *b)
{
    for (int f = 0; f < 2; f++) {
        const struct node_port_addresses *p = &a->node_ports[f], *q = &b->node_ports[f];
        if (!ip_eq(&a->node_ips[f], &b->node_ips[f]) || !detector_eq(&a->detectors[f], &b->detectors[f]) ||
            p->all != q->all || !prefixes_eq(p->cidrs, p->n, q->cidrs, q->n))
            return false;
    }
    return a->localhost_node_ports == b->localhost_node_ports &&
           prefixes_eq(a->service_cidrs, a->n_service_cidrs, b->service_cidrs, b->n_service_cidrs);
}

static bool health_check_eq(const struct health_check *a, const struct health_check *b)
{
    return a->port == b->port && a->n_local[0] == b->n_local[0] && a->n_local[1] == b->n_local[1] &&
           str_eq(a->ns, b->ns) && str_eq(a->name, b->name);
}

bool forwarding_state_equal(const struct forwarding_state *a, const struct forwarding_state *b)
{
    if (a->n_ports != b->n_ports || a->n_health_checks != b->n_health_checks ||
        a->n_backends != b->n_backends || !forwarding_settings_equal(&a->settings, &b->settings))
        return false;
    for (size_t i = 0; i < a->n_ports; i++)
        if (!service_port_equal(a->ports[i], b->ports[i]))
            return false;
    for (size_t i = 0; i < a->n_health_checks; i++)
        if (!health_check_eq(&a->health_checks[i], &b->health_checks[i]))
            return false;
    return true;
}

struct forwarding_diff forwarding_diff_start(const struct forwarding_state *from,
                                             const struct forwarding_state *to)
{
    return (struct forwarding_diff){.from = from, .to = to};
}

bool forwarding_diff_next(struct forwarding_diff *d, const struct service_port **ret_was,
                          const struct service_port **ret_is)
{
    size_t n_from = d->from ? d->from->n_ports : 0;
    size_t n_to = d->to ? d->to->n_ports : 0;
    while (d->i < n_from || d->j < n_to) {
        const struct service_port *was = d->i < n_from ? d->from->ports[d->i] : NULL;
        const struct service_port *is = d->j < n_to ? d->to->ports[d->j] : NULL;
        int order = !was ? 1 : !is ? -1 : was == is ? 0 : service_port_cmp(was, is);
        d->i += order <= 0;
        d->j += order >= 0;
        if (order == 0 && service_port_equal(was, is))
            continue;
        *ret_was = order <= 0 ? was : NULL;
        *ret_is = order >= 0 ? is : NULL;
        return true;
    }
    return false;
}
