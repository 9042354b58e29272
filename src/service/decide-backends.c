/* Which endpoints a service port uses: sections 3.2 to 3.4 of the service reference. */
#include <stdio.h>

#include "base/array.h"
#include "service/decide-port.h"

#define CANDIDATE_TEXT_LEN 56 /* "[v6 address]:65535" */

struct candidate {
    const struct slice_endpoint *endpoint;
    const struct str *hints; /* of the endpoint */
    uint16_t port;
    bool local;
    unsigned order; /* in which the slices, sorted by name, name it */
    char text[CANDIDATE_TEXT_LEN];
};

struct candidates {
    struct candidate *v;
    size_t n, capacity;
};

enum topology { TOPOLOGY_NONE, TOPOLOGY_ZONE, TOPOLOGY_NODE };

static bool is_local(const struct decide_input *in, const struct slice_endpoint *e)
{
    return e->node_name.len && str_eqz(e->node_name, in->config->node_name);
}

static void format_candidate(struct candidate *c)
{
    char ip[IP_TEXT_LEN];
    const char *form = c->endpoint->ip.family == IP_V6 ? "[%s]:%u" : "%s:%u";
    (void)snprintf(c->text, sizeof c->text, form, ip_format(&c->endpoint->ip, ip), c->port);
}

static void collect(const struct decide_input *in, const struct service_port_spec *spec,
                    enum ip_family family, struct candidates *out)
{
    for (size_t i = 0; i < in->n_slices; i++) {
        const struct endpointslice *slice = in->slices[i];
        if (slice->family != family)
            continue;
        const struct slice_port *port = NULL;
        for (size_t k = 0; k < slice->n_ports && !port; k++)
            if (slice->ports[k].protocol == spec->protocol && str_eq(slice->ports[k].name, spec->name))
                port = &slice->ports[k];
        for (size_t k = 0; port && k < slice->n_endpoints; k++) {
            const struct slice_endpoint *e = &slice->endpoints[k];
            struct candidate *c = array_push(out);
            *c = (struct candidate){.endpoint = e, .port = port->port, .local = is_local(in, e)};
            c->hints = slice->hints ? slice->hints + e->hints : NULL;
            c->order = (unsigned)out->n;
            format_candidate(c);
        }
    }
}

static int cmp_candidates(const void *a, const void *b)
{
    const struct candidate *p = a, *q = b;
    int r = strcmp(p->text, q->text);
    return r ? r : (p->order > q->order) - (p->order < q->order);
}

/* Of several entries for one address and port the last that is not terminating wins, else the first: a pod's
 * address may be taken by a new pod while the old one still terminates. */
static void deduplicate(struct candidates *list)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        struct candidate *c = &list->v[i];
        if (n && strcmp(list->v[n - 1].text, c->text) == 0) {
            if (!c->endpoint->terminating)
                list->v[n - 1] = *c;
            continue;
        }
        list->v[n++] = *c;
    }
    list->n = n;
}

static bool names(const struct str *hints, size_t n, struct str what)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(hints[i], what))
            return true;
    return false;
}

static bool names_zone(const struct decide_input *in, const struct candidate *c)
{
    return in->node && in->node->zone.len && names(c->hints, c->endpoint->n_zones, in->node->zone);
}

static bool names_node(const struct decide_input *in, const struct candidate *c)
{
    const struct str *nodes = c->hints ? c->hints + c->endpoint->n_zones : NULL;
    return names(nodes, c->endpoint->n_nodes, str_of(in->config->node_name));
}

/* A single ready endpoint without hints turns a level off. */
static enum topology find_topology(const struct decide_input *in, const struct candidates *list)
{
    bool all_nodes = true, all_zones = true, this_node = false, this_zone = false;
    array_foreach (list, c) {
        if (!c->endpoint->ready)
            continue;
        all_nodes = all_nodes && c->endpoint->n_nodes;
        all_zones = all_zones && c->endpoint->n_zones;
        this_node = this_node || names_node(in, c);
        this_zone = this_zone || names_zone(in, c);
    }
    if (all_nodes && this_node)
        return TOPOLOGY_NODE;
    return all_zones && this_zone ? TOPOLOGY_ZONE : TOPOLOGY_NONE;
}

static bool is_leaving(const struct candidate *c)
{
    return c->endpoint->serving && c->endpoint->terminating;
}

static bool fits(const struct decide_input *in, enum topology topology, const struct candidate *c)
{
    return topology == TOPOLOGY_NODE   ? names_node(in, c)
           : topology == TOPOLOGY_ZONE ? names_zone(in, c)
                                       : true;
}

/* What holds for all candidates, found before they are sorted into sets. */
struct overview {
    enum topology topology;
    bool any_ready, any_leaving, local_ready;
};

static struct overview look(const struct decide_input *in, const struct candidates *list)
{
    struct overview o = {.topology = find_topology(in, list)};
    array_foreach (list, c) {
        o.any_ready = o.any_ready || c->endpoint->ready;
        o.any_leaving = o.any_leaving || is_leaving(c);
        o.local_ready = o.local_ready || (c->endpoint->ready && c->local);
    }
    return o;
}

void decide_backends(const struct decide_input *in, const struct service_port_spec *spec,
                     struct service_port *p)
{
    struct port_policy policy = decide_policy(in, spec, p->family);
    bool uses_cluster = !policy.internal_local || policy.external;
    bool uses_local = policy.internal_local || (policy.external_local && policy.external);
    struct candidates list = {0};
    collect(in, spec, p->family, &list);
    array_sort(&list, cmp_candidates);
    deduplicate(&list);
    struct overview o = look(in, &list);
    p->has_any = o.any_ready || o.any_leaving;
    p->backends = list.n ? mem_zalloc(MIN(list.n, SERVICE_PORT_MAX_BACKENDS) * sizeof *p->backends) : NULL;
    array_foreach (&list, c) {
        const struct slice_endpoint *e = c->endpoint;
        struct backend b = {.ip = e->ip, .port = c->port, .local = c->local, .serving = e->serving};
        b.in_cluster = uses_cluster && (o.any_ready ? e->ready && fits(in, o.topology, c) : is_leaving(c));
        b.in_local = uses_local && c->local && (o.local_ready ? e->ready : is_leaving(c));
        if (!b.serving && !b.in_cluster && !b.in_local)
            continue;
        if (p->n_backends == SERVICE_PORT_MAX_BACKENDS) {
            omissions_add(in->omissions, "%.*s/%.*s: endpoints beyond %d", STR_ARG(in->service->ns),
                          STR_ARG(in->service->name), SERVICE_PORT_MAX_BACKENDS);
            break;
        }
        p->n_cluster += b.in_cluster;
        p->n_local += b.in_local;
        p->backends[p->n_backends++] = b;
    }
    array_done(&list);
}

static int cmp_ips(const void *a, const void *b)
{
    return ip_cmp(a, b);
}

uint32_t decide_local_ready(const struct decide_input *in, enum ip_family family)
{
    ARRAY_OF(struct ip) ips = {0};
    for (size_t i = 0; i < in->n_slices; i++) {
        const struct endpointslice *slice = in->slices[i];
        if (slice->family != family || !slice->n_ports)
            continue;
        for (size_t k = 0; k < slice->n_endpoints; k++) {
            const struct slice_endpoint *e = &slice->endpoints[k];
            if (e->ready && !e->terminating && is_local(in, e))
                *array_push(&ips) = e->ip;
        }
    }
    array_sort(&ips, cmp_ips);
    uint32_t n = 0;
    for (size_t i = 0; i < ips.n; i++)
        n += !i || !ip_eq(&ips.v[i - 1], &ips.v[i]);
    array_done(&ips);
    return n;
}
