/* Decide: Services + EndpointSlices + this Node + configuration -> forwarding state.
 *
 * The inputs are kept as parsed values; setting one marks its Service dirty, and decide_run() recomputes what
 * is dirty and returns a new state that shares the rest. The result depends on the inputs only, never on the
 * order in which they came (decide-test.c compares random histories with a fresh start).
 *
 *     struct decide *d = decide_new(&config);
 *     decide_set_service(d, service);          // takes it
 *     decide_set_slice(d, slice);              // takes it
 *     struct forwarding_state *state = decide_run(d, &omissions);
 *     ...
 *     forwarding_state_unref(state);
 *
 * Source: section 3 of the service reference; deviations: an empty list of node port addresses means all
 * local addresses, and a non-empty one opens nothing in a family it does not name (docs/COMPAT.md).
 */
#pragma once

#include "service/endpointslice.h"
#include "service/forwarding-state.h"
#include "service/node.h"
#include "service/service.h"

/* --detect-local-mode */
enum detect_local {
    DETECT_LOCAL_CLUSTER_CIDR,
    DETECT_LOCAL_NODE_CIDR,
    DETECT_LOCAL_BRIDGE,
    DETECT_LOCAL_INTERFACE_PREFIX,
};

#define DECIDE_MAX_CLUSTER_CIDRS 8

struct decide_config {
    char node_name[254];
    enum detect_local detect_local;
    struct ip_prefix cluster_cidrs[DECIDE_MAX_CLUSTER_CIDRS]; /* the first of a family counts */
    size_t n_cluster_cidrs;
    char interface[DETECTOR_INTERFACE_LEN]; /* bridge, or prefix of pod interfaces */
    bool masquerade_all;
    bool node_ports_primary; /* --nodeport-addresses=primary */
    struct ip_prefix node_port_cidrs[NODE_PORT_MAX_CIDRS];
    size_t n_node_port_cidrs;
    bool localhost_node_ports;
    struct ip bind_address;   /* overrides the Node's address of its family unless none or unspecified */
    bool refuse_external_ips; /* spec.externalIPs are not programmed */
    struct ip_prefix service_cidrs[SERVICE_MAX_CIDRS];
    size_t n_service_cidrs;
};

struct decide;

/* CONFIG is copied. */
struct decide *decide_new(const struct decide_config *config);
void decide_free(struct decide *d);

/* Each takes the value and replaces the one of the same namespace and name (for the node: the only one; NULL
 * forgets it). Removing what is not there is fine. */
void decide_set_service(struct decide *d, struct service *service);
void decide_remove_service(struct decide *d, struct str ns, struct str name);
void decide_set_slice(struct decide *d, struct endpointslice *slice);
void decide_remove_slice(struct decide *d, struct str ns, struct str name);
void decide_set_node(struct decide *d, struct node *node);
/* The ranges of ClusterIPs, as far as known; beyond SERVICE_MAX_CIDRS they are ignored. */
void decide_set_service_cidrs(struct decide *d, const struct ip_prefix *cidrs, size_t n);

/* Whether decide_run() would recompute anything. */
bool decide_is_dirty(const struct decide *d);

/* The state for the inputs as they are; a reference for the caller. The same pointer as last time if nothing
 * is dirty. OMISSIONS (may be NULL) names what was not programmed and why. Never fails. */
struct forwarding_state *decide_run(struct decide *d, struct omissions *omissions);

/* The node's own address of a family: bind address, else of the Node; IP_NONE if unknown. */
struct ip decide_node_ip(const struct decide *d, enum ip_family family);
