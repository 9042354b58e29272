/* A Service as the proxy needs it: parsed from JSON once, then never changed.
 *
 * Everything is validated again as hostile input; odd values are dropped and named in the omissions, so that
 * one bad value costs its Service no more than itself. Which Services concern a proxy at all is decided here
 * (service_is_proxied); what is forwarded where is decided in decide.h.
 *
 * Source: section 3.1 of the service reference (kube-proxy 1.36 pkg/proxy/serviceport.go).
 */
#pragma once

#include "base/err.h"
#include "service/address.h"
#include "service/omissions.h"
#include "wire/json.h"

/* Limits per Service; what is beyond them is dropped. The API allows no more ports than fit 1.5 MiB. */
#define SERVICE_MAX_PORTS         1000
#define SERVICE_MAX_ADDRESSES     256 /* external IPs, and load-balancer addresses */
#define SERVICE_MAX_SOURCE_RANGES 1000

enum service_type { SERVICE_CLUSTER_IP, SERVICE_NODE_PORT, SERVICE_LOAD_BALANCER, SERVICE_EXTERNAL_NAME };
enum traffic_policy { TRAFFIC_CLUSTER, TRAFFIC_LOCAL };

struct service_port_spec {
    struct str name; /* "" if unnamed; the join key to slices, with the protocol */
    enum protocol protocol;
    uint16_t port;
    uint16_t node_port; /* 0: none */
};

struct service {
    struct str ns, name;
    enum service_type type;
    bool headless;
    bool foreign_proxy;       /* labelled for another proxy */
    struct ip cluster_ips[2]; /* one per family; IP_NONE where there is none */
    enum traffic_policy internal_policy, external_policy;
    uint32_t affinity_timeout_s;     /* 0: no affinity */
    uint16_t health_check_node_port; /* 0: none */
    int64_t created_ns;              /* creation time, 0 if unknown; the older claim to an address wins */

    struct service_port_spec *ports;
    struct ip *external_ips;
    struct ip *balancer_ips; /* from the status; without those of mode Proxy */
    struct ip_prefix *source_ranges;
    bool has_odd_source_range; /* one was dropped: then an empty list must not mean "all" */
    size_t n_ports, n_external_ips, n_balancer_ips, n_source_ranges;
};

/* Parses a v1 Service. The result is owned by the caller (service_free).
 * Errors: -EINVAL if it is not an object or has no name or namespace. OMISSIONS may be NULL. */
int service_parse(const struct json *json, struct omissions *omissions, struct service **ret,
                  struct err *err);
void service_free(struct service *s);

/* Whether a proxy programs anything for it. */
bool service_is_proxied(const struct service *s);

/* Reached from outside the cluster by type or external address: what externalTrafficPolicy is about. */
bool service_is_externally_accessible(const struct service *s);
