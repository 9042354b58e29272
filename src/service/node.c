#include "service/node.h"

#include <errno.h>

static void take_addresses(struct node *n, const struct json *list, const char *type, struct omissions *o)
{
    json_foreach (list, it) {
        if (!str_eqz(json_str(json_getz(it, "type")), type))
            continue;
        struct str text = json_str(json_getz(it, "address"));
        struct ip ip;
        if (ip_parse_sloppy(text, &ip) < 0) {
            omissions_add(o, "node address \"%.*s\" is not an IP address", STR_ARG(text));
            continue;
        }
        if (n->primary == IP_NONE)
            n->primary = ip.family;
        struct ip *slot = &n->ips[ip.family == IP_V6];
        if (slot->family == IP_NONE)
            *slot = ip;
    }
}

static void take_pod_cidr(struct node *n, struct str text, struct omissions *o)
{
    struct ip_prefix p;
    if (!text.len)
        return;
    if (ip_prefix_parse_sloppy(text, &p) < 0) {
        omissions_add(o, "podCIDR \"%.*s\" is not a CIDR", STR_ARG(text));
        return;
    }
    p.ip = ip_prefix_first(&p);
    if (n->n_pod_cidrs < NODE_MAX_POD_CIDRS)
        n->pod_cidrs[n->n_pod_cidrs++] = p;
    else
        omissions_add(o, "podCIDRs beyond %d", NODE_MAX_POD_CIDRS);
}

int node_parse(const struct json *json, struct omissions *omissions, struct node **ret, struct err *err)
{
    struct str name = json_string_at(json, "metadata", "name");
    if (!json_is(json, JSON_OBJECT) || !name.len)
        return err_set(err, -EINVAL, "a Node must be an object with a name");
    struct str zone = json_string_at(json, "metadata", "labels", "topology.kubernetes.io/zone");
    struct node *n = mem_new(struct node);
    n->name = (struct str){mem_dup(name.p, name.len), name.len};
    n->zone = (struct str){mem_dup(zone.p ? zone.p : "", zone.len), zone.len};
    const struct json *addresses = json_path(json, "status", "addresses", NULL);
    take_addresses(n, addresses, "InternalIP", omissions);
    take_addresses(n, addresses, "ExternalIP", omissions);
    const struct json *cidrs = json_path(json, "spec", "podCIDRs", NULL);
    if (json_is(cidrs, JSON_ARRAY) && cidrs->n) {
        json_foreach (cidrs, it)
            take_pod_cidr(n, json_str(it), omissions);
    } else {
        take_pod_cidr(n, json_string_at(json, "spec", "podCIDR"), omissions);
    }
    n->eligible = !json_string_at(json, "metadata", "deletionTimestamp").len;
    json_foreach (json_path(json, "spec", "taints", NULL), it) {
        if (str_eqz(json_str(json_getz(it, "key")), "ToBeDeletedByClusterAutoscaler"))
            n->eligible = false;
    }
    *ret = n;
    return 0;
}

void node_free(struct node *n)
{
    if (!n)
        return;
    free((char *)n->name.p);
    free((char *)n->zone.p);
    free(n);
}
