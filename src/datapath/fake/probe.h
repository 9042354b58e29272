/* What a forwarding state means: the verdict for one packet that opens a connection.
 *
 * This is the model. The conformance suite compares every datapath with it, and the simulation forwards with
 * it. It reads the state only, in the most literal way, and knows nothing of how a kernel is told.
 */
#pragma once

#include "service/forwarding-state.h"

#define PROBE_MAX_NODE_IPS 16

/* The node as its kernel knows it. */
struct probe_node {
    struct ip ips[PROBE_MAX_NODE_IPS]; /* local addresses besides loopback */
    size_t n_ips;
};

struct probe_packet {
    struct ip src, dst;
    uint8_t protocol; /* IPPROTO_*; without ports (ICMP) only addresses count */
    uint16_t dst_port;
    const char *in_interface; /* NULL: sent by the node itself */
};

enum probe_verdict {
    PROBE_PASS,    /* none of ours: routed as if there were no Services */
    PROBE_FORWARD, /* to a backend of the set */
    PROBE_REJECT,
    PROBE_DROP,
};

struct probe_result {
    enum probe_verdict verdict;
    const struct service_port *port; /* borrowed from the state; NULL if no frontend was met */
    const struct frontend *frontend;
    enum backend_set set; /* of PROBE_FORWARD */
    bool masquerade;      /* for all backends; a backend that is the source itself is masqueraded anyway */
};

void probe(const struct forwarding_state *state, const struct probe_node *node,
           const struct probe_packet *packet, struct probe_result *ret);

/* Backends of the set of PROBE_FORWARD, by index, in the state's order. */
uint32_t probe_n_backends(const struct probe_result *result);
const struct backend *probe_backend(const struct probe_result *result, uint32_t i);

const char *probe_verdict_name(enum probe_verdict verdict);
