/* Controllers: everything that keeps objects as they are meant to be, over one connection to the API.
 *
 * Endpoint slices, Endpoints and mirrored slices, Deployments and ReplicaSets, deletion of namespaces,
 * garbage collection by owner references, service CIDRs, the pod ranges of Nodes. Each is level-triggered:
 * what it does follows from the objects as they are now, so it may be stopped and started at any moment.
 * Time, chance and the transport are arguments.
 *
 *     struct controllers *c = controllers_new(&config);
 *     controllers_start(c);
 */
#pragma once

#include "base/ip.h"
#include "io/http.h"
#include "io/loop.h"

struct random;
struct client_token_source;

struct controllers_config {
    struct loop *loop;
    struct http_transport *transport; /* borrowed; its identity may do everything */
    struct random *random;
    unsigned max_endpoints_per_slice;            /* 0: 100 */
    unsigned mirroring_max_endpoints_per_subset; /* 0: 1000 */
    /* Every Node gets a /24 (IPv6: a /64) of each, at most one per family. 0 ranges: Nodes keep what they
     * have. */
    struct ip_prefix pod_ranges[2];
    size_t n_pod_ranges;
};

struct controllers;

struct controllers *controllers_new(const struct controllers_config *config);
void controllers_free(struct controllers *c);

/* Fills the caches, then begins to work. */
void controllers_start(struct controllers *c);

/* Every cache has had its first list. */
bool controllers_are_synced(const struct controllers *c);
/* No key waits or is being worked on. What waits for a time to come is not counted. */
bool controllers_are_idle(const struct controllers *c);
