/* The Node a proxy runs on, as the proxy needs it. */
#pragma once

#include "base/err.h"
#include "service/address.h"
#include "service/omissions.h"
#include "wire/json.h"

#define NODE_MAX_POD_CIDRS 8

struct node {
    struct str name;
    struct str zone;                                /* of the label topology.kubernetes.io/zone, or "" */
    struct ip ips[2];                               /* by family (v4, v6), IP_NONE if unknown */
    enum ip_family primary;                         /* family of the first address, or IP_NONE */
    struct ip_prefix pod_cidrs[NODE_MAX_POD_CIDRS]; /* canonical */
    size_t n_pod_cidrs;
    bool
        eligible; /* not being deleted and not tainted ToBeDeletedByClusterAutoscaler: new traffic may come */
};

/* Parses a v1 Node. Internal addresses come before external ones. The result is the caller's (node_free).
 * Errors: -EINVAL if it is not an object with a name. Source: 6.3 and 6.4 of the service reference. */
int node_parse(const struct json *json, struct omissions *omissions, struct node **ret, struct err *err);
void node_free(struct node *n);
