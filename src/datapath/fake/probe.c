#include "datapath/fake/probe.h"

const char *probe_verdict_name(enum probe_verdict verdict)
{
    static const char *const names[] = {"pass", "forward", "reject", "drop"};
    return names[verdict];
}

/* The node itself, by what the kernel sees: no input interface, or one of its addresses as source. */
static bool is_node(const struct probe_node *node, const struct ip *ip)
{
    if (ip_is_loopback(ip))
        return true;
    for (size_t i = 0; i < node->n_ips; i++)
        if (ip_eq(&node->ips[i], ip))
            return true;
    return false;
}

static bool is_local_pod(const struct detector *d, const struct probe_packet *packet)
{
    const char *interface = packet->in_interface ? packet->in_interface : "";
    switch (d->mode) {
    case DETECT_NOTHING:
        return false;
    case DETECT_CIDR:
        return ip_prefix_contains(&d->cidr, &packet->src);
    case DETECT_INTERFACE:
        return strcmp(interface, d->interface) == 0;
    case DETECT_INTERFACE_PREFIX:
        return strncmp(interface, d->interface, strlen(d->interface)) == 0;
    }
    return false;
}

static bool takes_node_ports(const struct forwarding_settings *s, const struct probe_node *node,
                             const struct ip *ip)
{
    const struct node_port_addresses *a = &s->node_ports[family_index(ip->family)];
    if (!is_node(node, ip))
        return false;
    if (ip_is_loopback(ip) && (ip->family == IP_V6 || !s->localhost_node_ports))
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (ip_prefix_contains(&a->cidrs[i], ip))
            return true;
    return a->all;
}

static bool meets(const struct forwarding_state *state, const struct probe_node *node,
                  const struct frontend *f, const struct probe_packet *packet)
{
    if (f->port != packet->dst_port)
        return false;
    if (f->kind == FRONTEND_NODE_PORT)
        return takes_node_ports(&state->settings, node, &packet->dst);
    return ip_eq(&f->ip, &packet->dst);
}

/* Addresses of their own come before node ports; of two claims to one the first Service has it. */
static void find_frontend(const struct forwarding_state *state, const struct probe_node *node,
                          const struct probe_packet *packet, struct probe_result *ret)
{
    for (size_t i = 0; i < state->n_ports; i++) {
        const struct service_port *p = state->ports[i];
        if (p->family != packet->dst.family || p->protocol != packet->protocol)
            continue;
        for (size_t k = 0; k < p->n_frontends; k++) {
            const struct frontend *f = &p->frontends[k];
            bool better = !ret->frontend ||
                          (ret->frontend->kind == FRONTEND_NODE_PORT && f->kind != FRONTEND_NODE_PORT);
            if (!better || !meets(state, node, f, packet))
                continue;
            ret->port = p;
            ret->frontend = f;
        }
    }
}

static bool source_allowed(const struct service_port *p, const struct ip *src)
{
    for (size_t i = 0; i < p->n_source_ranges; i++)
        if (ip_prefix_contains(&p->source_ranges[i], src))
            return true;
    return false;
}

static bool is_cluster_ip(const struct forwarding_state *state, const struct ip *ip)
{
    for (size_t i = 0; i < state->n_ports; i++)
        for (size_t k = 0; k < state->ports[i]->n_frontends; k++) {
            const struct frontend *f = &state->ports[i]->frontends[k];
            if (f->kind == FRONTEND_CLUSTER_IP && ip_eq(&f->ip, ip))
                return true;
        }
    return false;
}

static bool is_service_address(const struct forwarding_state *state, const struct ip *ip)
{
    for (size_t i = 0; i < state->settings.n_service_cidrs; i++)
        if (ip_prefix_contains(&state->settings.service_cidrs[i], ip))
            return true;
    return false;
}

static bool masquerades(const struct frontend *f, bool local_pod, bool from_node)
{
    switch (f->masquerade) {
    case MASQUERADE_NEVER:
        return false;
    case MASQUERADE_OFF_CLUSTER:
        return !local_pod;
    case MASQUERADE_FROM_NODE:
        return from_node && !local_pod;
    case MASQUERADE_ALWAYS:
        return true;
    }
    return false;
}

static void apply_frontend(const struct forwarding_state *state, const struct probe_node *node,
                           const struct probe_packet *packet, struct probe_result *ret)
{
    const struct frontend *f = ret->frontend;
    bool local_pod = is_local_pod(&state->settings.detectors[family_index(packet->dst.family)], packet);
    bool from_node = is_node(node, &packet->src);
    if (f->ranged && !source_allowed(ret->port, &packet->src)) {
        /* Without any backend there is nothing to protect, but an outsider still learns nothing. */
        ret->verdict = PROBE_DROP;
        return;
    }
    if (f->short_circuit && (local_pod || from_node)) {
        ret->verdict = ret->port->n_cluster ? PROBE_FORWARD : PROBE_DROP;
        ret->set = BACKENDS_CLUSTER;
    } else {
        ret->verdict = f->action == FRONTEND_FORWARD ? PROBE_FORWARD
                       : f->action == FRONTEND_DROP  ? PROBE_DROP
                                                     : PROBE_REJECT;
        ret->set = f->set;
    }
    ret->masquerade = ret->verdict == PROBE_FORWARD && masquerades(f, local_pod, from_node);
}

void probe(const struct forwarding_state *state, const struct probe_node *node,
           const struct probe_packet *packet, struct probe_result *ret)
{
    *ret = (struct probe_result){.verdict = PROBE_PASS};
    find_frontend(state, node, packet, ret);
    if (ret->frontend)
        apply_frontend(state, node, packet, ret);
    else if (is_node(node, &packet->dst))
        ret->verdict = PROBE_PASS; /* a listener on this node may have taken the address on purpose */
    else if (is_cluster_ip(state, &packet->dst))
        ret->verdict = PROBE_REJECT;
    else if (is_service_address(state, &packet->dst))
        ret->verdict = PROBE_DROP;
}

static bool in_set(const struct probe_result *result, const struct backend *b)
{
    return result->set == BACKENDS_LOCAL ? b->in_local : b->in_cluster;
}

uint32_t probe_n_backends(const struct probe_result *result)
{
    if (result->verdict != PROBE_FORWARD)
        return 0;
    return result->set == BACKENDS_LOCAL ? result->port->n_local : result->port->n_cluster;
}

const struct backend *probe_backend(const struct probe_result *result, uint32_t i)
{
    for (size_t k = 0; result->port && k < result->port->n_backends; k++) {
        if (!in_set(result, &result->port->backends[k]))
            continue;
        if (!i--)
            return &result->port->backends[k];
    }
    return NULL;
}
