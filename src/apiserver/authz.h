/* Rights: who may do what, until rights exist as objects. One gate for every route, closed by default.
 *
 *   system:masters                     everything
 *   system:kube-proxy (user or group)  reads what a proxy needs, creates and patches Events
 *   system:nodes + system:node:NAME    its own Node, Leases, Events, and the status of Pods bound to it
 *   any authenticated user             discovery, OpenAPI, health, version
 *   nobody                             health and version
 *
 * The rules are a table (authz_rules), so that a test can walk it.
 */
#pragma once

#include "apiserver/authn.h"

/* What is asked. A list or watch has the namespace and name that its path and field selector fix, so the
 * answer covers everything that will be read. */
struct authz_request {
    struct str verb; /* "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection" */
    struct str group, resource, subresource; /* resource empty: a path */
    struct str ns, name;
    struct str path;
};

struct authz_rule {
    const char *group;     /* who */
    const char *user;      /* who as well, or NULL */
    const char *verbs;     /* "get list watch", "*" */
    const char *api_group; /* "", "apps", "*" */
    const char *resources; /* "services services/status", "*"; NULL: paths */
    const char *paths;     /* "/version /healthz*" */
    const char *ns;        /* only this namespace, or NULL */
    bool own_name;         /* only the object named as the node of the user */
};

extern const struct authz_rule authz_rules[];
extern const size_t authz_n_rules;

bool authz_allows(const struct identity *id, const struct authz_request *request);

/* True if PATH answers without credentials. */
bool authz_is_public(struct str path);

/* NAME of "system:node:NAME" in group system:nodes, or STR_NONE. */
struct str authz_node_name(const struct identity *id);
