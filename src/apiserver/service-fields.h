/* The fields of a Service as the API server's rules look at them, and the pure part of those rules.
 *
 * Rules run on the JSON object in the order of upstream's registry: carry over what the client left out,
 * mirror clusterIP and clusterIPs, wipe what the type no longer has, decide the IP families; then addresses
 * and ports are allocated (service-strategy.c) and the result is validated (service-validate.c). Nothing here
 * allocates or looks at other objects. Source: upstream's registry/core/service, 1.36; service-semantics
 * sections 1.6 and 1.7.
 */
#pragma once

#include "base/ip.h"
#include "object/field-errors.h"
#include "wire/json.h"

struct str service_type(const struct json *service); /* "ClusterIP" when unset */
bool service_is_type(const struct json *service, const char *type);
bool service_needs_cluster_ip(const struct json *service); /* all types but ExternalName */
bool service_needs_node_ports(const struct json *service); /* NodePort and LoadBalancer */
bool service_allocates_node_ports(
    const struct json *service); /* ... unless allocateLoadBalancerNodePorts is false */
bool service_needs_health_port(
    const struct json *service); /* LoadBalancer with externalTrafficPolicy Local */
bool service_takes_external_traffic(const struct json *service);
bool service_is_headless(const struct json *service); /* clusterIP or clusterIPs[0] is None */
bool service_has_selector(const struct json *service);

/* Defaults that depend on other fields. Idempotent. */
void service_apply_defaults(struct arena *a, struct json *service);

/* Fills in what an update left out and the old object had: addresses, node ports by port name, health port.
 */
void service_carry_over(struct arena *a, struct json *service, const struct json *old);

/* Makes clusterIPs follow clusterIP for clients that know only the latter. OLD NULL: creation. */
void service_mirror_cluster_ips(struct arena *a, struct json *service, const struct json *old);

/* Removes what the new type has no use for, as far as the client left it as it was. */
void service_wipe_for_type(struct json *service, const struct json *old);

/* IP families the cluster is configured for: primary first. */
struct service_families {
    enum ip_family v[2];
    size_t n; /* 1 or 2 */
};

/* Decides ipFamilyPolicy and ipFamilies (section 1.6). OLD NULL: creation. What is wrong goes to ERRORS. */
void service_decide_families(struct arena *a, struct json *service, const struct json *old,
                             const struct service_families *cluster, struct field_errors *errors);

/* The families of a decided Service; at most 2. */
struct service_families service_families(const struct json *service);

/* True if both lists of strings are equal element by element; NULL is an empty list. */
bool service_lists_equal(const struct json *a, const struct json *b);
