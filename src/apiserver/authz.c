#include "apiserver/authz.h"

#include <stdio.h>

#define DISCOVERY_PATHS "/api /api/* /apis /apis/* /openapi/* /version /healthz* /livez* /readyz*"
#define EVENT_RULES(who)                                                                                     \
    {.group = (who), .verbs = "create patch update", .api_group = "", .resources = "events"},                \
    {                                                                                                        \
        .group = (who), .verbs = "create patch update", .api_group = "events.k8s.io", .resources = "events"  \
    }

const struct authz_rule authz_rules[] = {
    {.group = "system:masters", .verbs = "*", .api_group = "*", .resources = "*"},
    {.group = "system:masters", .verbs = "*", .paths = "*"},
    {.group = "system:authenticated", .verbs = "get", .paths = DISCOVERY_PATHS},

    {.group = "system:kube-proxy",
     .user = "system:kube-proxy",
     .verbs = "get list watch",
     .api_group = "",
     .resources = "services endpoints nodes namespaces"},
    {.group = "system:kube-proxy",
     .user = "system:kube-proxy",
     .verbs = "get list watch",
     .api_group = "discovery.k8s.io",
     .resources = "endpointslices"},
    {.group = "system:kube-proxy",
     .user = "system:kube-proxy",
     .verbs = "get list watch",
     .api_group = "networking.k8s.io",
     .resources = "servicecidrs"},
    {.group = "system:kube-proxy",
     .user = "system:kube-proxy",
     .verbs = "create patch update",
     .api_group = "",
     .resources = "events"},
    {.group = "system:kube-proxy",
     .user = "system:kube-proxy",
     .verbs = "create patch update",
     .api_group = "events.k8s.io",
     .resources = "events"},

    {.group = "system:nodes",
     .verbs = "get list watch",
     .api_group = "",
     .resources = "services endpoints nodes namespaces pods"},
    {.group = "system:nodes",
     .verbs = "get list watch",
     .api_group = "discovery.k8s.io",
     .resources = "endpointslices"},
    {.group = "system:nodes",
     .verbs = "get list watch",
     .api_group = "networking.k8s.io",
     .resources = "servicecidrs"},
    {.group = "system:nodes",
     .verbs = "create",
     .api_group = "",
     .resources = "nodes"}, /* named as itself: admission */
    {.group = "system:nodes",
     .verbs = "update patch",
     .api_group = "",
     .resources = "nodes nodes/status",
     .own_name = true},
    {.group = "system:nodes",
     .verbs = "update patch",
     .api_group = "",
     .resources = "pods/status"},                                                       /* bound: admission */
    {.group = "system:nodes", .verbs = "delete", .api_group = "", .resources = "pods"}, /* bound: admission */
    {.group = "system:nodes",
     .verbs = "create",
     .api_group = "coordination.k8s.io",
     .resources = "leases",
     .ns = "kube-node-lease"},
    {.group = "system:nodes",
     .verbs = "get update patch delete",
     .api_group = "coordination.k8s.io",
     .resources = "leases",
     .ns = "kube-node-lease",
     .own_name = true},
    EVENT_RULES("system:nodes"),
};
const size_t authz_n_rules = ARRAY_LEN(authz_rules);

/* WORD in the blank-separated LIST; an item that ends with '*' is a prefix. */
static bool list_has(const char *list, struct str word)
{
    struct str rest = str_of(list), item;
    while (str_split(&rest, ' ', &item)) {
        if (item.len && item.p[item.len - 1] == '*' && str_has_prefix(word, str_slice(item, 0, item.len - 1)))
            return true;
        if (item.len && str_eq(item, word))
            return true;
    }
    return false;
}

static bool list_has_resource(const char *list, const struct authz_request *q)
{
    char text[160];
    int len = snprintf(text, sizeof text, q->subresource.len ? "%.*s/%.*s" : "%.*s%.*s", STR_ARG(q->resource),
                       STR_ARG(q->subresource));
    return len > 0 && (size_t)len < sizeof text && list_has(list, (struct str){text, (size_t)len});
}

struct str authz_node_name(const struct identity *id)
{
    if (!identity_has_group(id, STR("system:nodes")) || !str_has_prefix(id->user, STR("system:node:")))
        return STR_NONE;
    return str_slice(id->user, sizeof "system:node:" - 1, id->user.len);
}

static bool rule_is_for(const struct authz_rule *rule, const struct identity *id)
{
    /* A node without a node's name has no rights of a node. */
    if (str_eqz(STR("system:nodes"), rule->group))
        return authz_node_name(id).len > 0;
    return identity_has_group(id, str_of(rule->group)) || (rule->user && str_eqz(id->user, rule->user));
}

static bool rule_covers(const struct authz_rule *rule, const struct identity *id,
                        const struct authz_request *q)
{
    if (!rule_is_for(rule, id) || !list_has(rule->verbs, q->verb))
        return false;
    if (!q->resource.len)
        return rule->paths && list_has(rule->paths, q->path);
    if (!rule->resources || (rule->api_group[0] != '*' && !str_eqz(q->group, rule->api_group)))
        return false;
    if (!list_has_resource(rule->resources, q) || (rule->ns && !str_eqz(q->ns, rule->ns)))
        return false;
    return !rule->own_name || str_eq(q->name, authz_node_name(id));
}

bool authz_allows(const struct identity *id, const struct authz_request *request)
{
    if (identity_is_anonymous(id))
        return !request->resource.len && str_eq(request->verb, STR("get")) && authz_is_public(request->path);
    for (size_t i = 0; i < authz_n_rules; i++) {
        if (rule_covers(&authz_rules[i], id, request))
            return true;
    }
    return false;
}

bool authz_is_public(struct str path)
{
    return list_has("/version /healthz /healthz/* /livez /livez/* /readyz /readyz/*", path);
}
