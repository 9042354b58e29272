#include "service/service.h"

#include <errno.h>

#include "base/array.h"
#include "base/datetime.h"

static struct str dup_str(struct str s)
{
    return (struct str){mem_dup(s.p ? s.p : "", s.len), s.len};
}

static bool has_ip(const struct ip *list, size_t n, const struct ip *ip)
{
    for (size_t i = 0; i < n; i++)
        if (ip_eq(&list[i], ip))
            return true;
    return false;
}

static enum service_type parse_type(struct str s, struct omissions *o)
{
    if (!s.len || str_eqz(s, "ClusterIP"))
        return SERVICE_CLUSTER_IP;
    if (str_eqz(s, "NodePort"))
        return SERVICE_NODE_PORT;
    if (str_eqz(s, "LoadBalancer"))
        return SERVICE_LOAD_BALANCER;
    if (!str_eqz(s, "ExternalName"))
        omissions_add(o, "unknown type \"%.*s\": nothing is programmed", STR_ARG(s));
    return SERVICE_EXTERNAL_NAME;
}

/* Unknown words mean Cluster, which is what the field means when it is absent. */
static enum traffic_policy parse_policy(const struct json *spec, const char *field, struct omissions *o)
{
    struct str s = json_str(json_getz(spec, field));
    if (str_eqz(s, "Local"))
        return TRAFFIC_LOCAL;
    if (s.len && !str_eqz(s, "Cluster"))
        omissions_add(o, "unknown %s \"%.*s\" taken as Cluster", field, STR_ARG(s));
    return TRAFFIC_CLUSTER;
}

static void parse_cluster_ip(struct service *s, struct str text, struct omissions *o)
{
    if (str_eqz(text, "None")) {
        s->headless = true;
        return;
    }
    if (!text.len)
        return;
    struct ip ip;
    const char *reason;
    if (address_parse(text, &ip, &reason) < 0) {
        omissions_add(o, "clusterIP \"%.*s\" %s", STR_ARG(text), reason);
        return;
    }
    struct ip *slot = &s->cluster_ips[ip.family == IP_V6];
    if (slot->family != IP_NONE && !ip_eq(slot, &ip))
        omissions_add(o, "clusterIP \"%.*s\" is a second one of its family", STR_ARG(text));
    else
        *slot = ip;
}

static void parse_cluster_ips(struct service *s, const struct json *spec, struct omissions *o)
{
    const struct json *list = json_getz(spec, "clusterIPs");
    if (!json_is(list, JSON_ARRAY) || !list->n) {
        parse_cluster_ip(s, json_str(json_getz(spec, "clusterIP")), o);
        return;
    }
    json_foreach (list, it)
        parse_cluster_ip(s, json_str(it), o);
}

static void parse_affinity(struct service *s, const struct json *spec, struct omissions *o)
{
    struct str mode = json_str(json_getz(spec, "sessionAffinity"));
    if (!str_eqz(mode, "ClientIP")) {
        if (mode.len && !str_eqz(mode, "None"))
            omissions_add(o, "unknown sessionAffinity \"%.*s\" taken as None", STR_ARG(mode));
        return;
    }
    int64_t seconds = json_int_at(spec, 10800, "sessionAffinityConfig", "clientIP", "timeoutSeconds");
    if (seconds < 1 || seconds > 86400) {
        omissions_add(o, "affinity timeout %lld taken as 10800", (long long)seconds);
        seconds = 10800;
    }
    s->affinity_timeout_s = (uint32_t)seconds;
}

/* Names end in rule comments: nothing but the API's own alphabet passes. */
static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.'))
            return false;
    }
    return true;
}

static bool parse_port(const struct json *json, struct service_port_spec *ret, struct omissions *o)
{
    struct service_port_spec p = {.name = json_str(json_getz(json, "name"))};
    struct str protocol = json_str(json_getz(json, "protocol"));
    int64_t port = json_int_or(json_getz(json, "port"), 0);
    int64_t node_port = json_int_or(json_getz(json, "nodePort"), 0);
    if (p.name.len > 63) {
        omissions_add(o, "a port name is longer than 63 bytes");
        return false;
    }
    if (protocol_parse(protocol, &p.protocol) < 0) {
        omissions_add(o, "port \"%.*s\": unknown protocol \"%.*s\"", STR_ARG(p.name), STR_ARG(protocol));
        return false;
    }
    if (port < 1 || port > 65535) {
        omissions_add(o, "port \"%.*s\": number %lld out of range", STR_ARG(p.name), (long long)port);
        return false;
    }
    if (node_port < 0 || node_port > 65535) {
        omissions_add(o, "port \"%.*s\": node port %lld out of range", STR_ARG(p.name), (long long)node_port);
        node_port = 0;
    }
    p.port = (uint16_t)port;
    p.node_port = (uint16_t)node_port;
    *ret = p;
    return true;
}

static void parse_ports(struct service *s, const struct json *spec, struct omissions *o)
{
    ARRAY_OF(struct service_port_spec) ports = {0};
    json_foreach (json_getz(spec, "ports"), it) {
        struct service_port_spec p;
        if (!parse_port(it, &p, o))
            continue;
        if (!is_name(p.name)) {
            omissions_add(o, "a port name has characters that no port name may have");
            continue;
        }
        bool twice = false;
        array_foreach (&ports, q)
            twice = twice || (q->protocol == p.protocol && (q->port == p.port || str_eq(q->name, p.name)));
        if (twice) {
            omissions_add(o, "port \"%.*s\" (%d) is there twice", STR_ARG(p.name), p.port);
            continue;
        }
        if (ports.n == SERVICE_MAX_PORTS) {
            omissions_add(o, "ports beyond %d", SERVICE_MAX_PORTS);
            break;
        }
        p.name = dup_str(p.name);
        *array_push(&ports) = p;
    }
    s->ports = ports.v;
    s->n_ports = ports.n;
}

struct ip_list {
    struct ip *v;
    size_t n, capacity;
};

static void add_address(struct ip_list *list, struct str text, const char *field, struct omissions *o)
{
    struct ip ip;
    const char *reason;
    if (address_parse(text, &ip, &reason) < 0)
        omissions_add(o, "%s \"%.*s\" %s", field, STR_ARG(text), reason);
    else if (list->n == SERVICE_MAX_ADDRESSES)
        omissions_add(o, "%s beyond %d", field, SERVICE_MAX_ADDRESSES);
    else if (!has_ip(list->v, list->n, &ip))
        *array_push(list) = ip;
}

static void parse_external_ips(struct service *s, const struct json *spec, struct omissions *o)
{
    struct ip_list list = {0};
    json_foreach (json_getz(spec, "externalIPs"), it)
        add_address(&list, json_str(it), "external IP", o);
    s->external_ips = list.v;
    s->n_external_ips = list.n;
}

static void parse_balancer_ips(struct service *s, const struct json *root, struct omissions *o)
{
    struct ip_list list = {0};
    json_foreach (json_path(root, "status", "loadBalancer", "ingress", NULL), it) {
        struct str ip = json_str(json_getz(it, "ip"));
        if (ip.len && !str_eqz(json_str(json_getz(it, "ipMode")), "Proxy"))
            add_address(&list, ip, "load-balancer IP", o);
    }
    s->balancer_ips = list.v;
    s->n_balancer_ips = list.n;
}

static void parse_source_ranges(struct service *s, const struct json *spec, struct omissions *o)
{
    ARRAY_OF(struct ip_prefix) list = {0};
    json_foreach (json_getz(spec, "loadBalancerSourceRanges"), it) {
        struct ip_prefix p;
        struct str text = str_trim(json_str(it)); /* padding is part of the API */
        if (ip_prefix_parse_sloppy(text, &p) < 0) {
            /* Dropping the whole list would open the Service to all: an unreadable range allows nobody. */
            omissions_add(o, "source range \"%.*s\" is not a CIDR and allows nobody", STR_ARG(text));
            s->has_odd_source_range = true;
            continue;
        }
        if (list.n == SERVICE_MAX_SOURCE_RANGES) {
            omissions_add(o, "source ranges beyond %d allow nobody", SERVICE_MAX_SOURCE_RANGES);
            s->has_odd_source_range = true;
            break;
        }
        p.ip = ip_prefix_first(&p);
        *array_push(&list) = p;
    }
    s->source_ranges = list.v;
    s->n_source_ranges = list.n;
}

static void parse_meta(struct service *s, const struct json *root)
{
    struct walltime created;
    if (walltime_parse(json_string_at(root, "metadata", "creationTimestamp"), &created) == 0)
        s->created_ns = created.ns;
    s->foreign_proxy =
        json_path(root, "metadata", "labels", "service.kubernetes.io/service-proxy-name", NULL);
}

int service_parse(const struct json *json, struct omissions *omissions, struct service **ret, struct err *err)
{
    struct str ns = json_string_at(json, "metadata", "namespace");
    struct str name = json_string_at(json, "metadata", "name");
    if (!json_is(json, JSON_OBJECT))
        return err_set(err, -EINVAL, "a Service must be an object, not %s",
                       json ? json_type_name(json->type) : "nothing");
    if (!name.len || !ns.len || name.len > 63 || ns.len > 63 || !is_name(name) || !is_name(ns))
        return err_set(err, -EINVAL, "a Service without a valid name and namespace");

    const struct json *spec = json_getz(json, "spec");
    struct service *s = mem_new(struct service);
    s->ns = dup_str(ns);
    s->name = dup_str(name);
    s->type = parse_type(json_str(json_getz(spec, "type")), omissions);
    parse_meta(s, json);
    if (s->type != SERVICE_EXTERNAL_NAME)
        parse_cluster_ips(s, spec, omissions);
    if (service_is_proxied(s)) {
        s->internal_policy = parse_policy(spec, "internalTrafficPolicy", omissions);
        s->external_policy = parse_policy(spec, "externalTrafficPolicy", omissions);
        parse_affinity(s, spec, omissions);
        parse_ports(s, spec, omissions);
        parse_external_ips(s, spec, omissions);
        if (s->type == SERVICE_LOAD_BALANCER) {
            parse_balancer_ips(s, json, omissions);
            parse_source_ranges(s, spec, omissions);
            int64_t port = json_int_at(spec, 0, "healthCheckNodePort");
            if (s->external_policy == TRAFFIC_LOCAL && port > 0 && port <= 65535)
                s->health_check_node_port = (uint16_t)port;
        }
    }
    *ret = s;
    return 0;
}

void service_free(struct service *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_ports; i++)
        free((char *)s->ports[i].name.p);
    free((char *)s->ns.p);
    free((char *)s->name.p);
    free(s->ports);
    free(s->external_ips);
    free(s->balancer_ips);
    free(s->source_ranges);
    free(s);
}

bool service_is_proxied(const struct service *s)
{
    return s->type != SERVICE_EXTERNAL_NAME && !s->headless && !s->foreign_proxy &&
           (s->cluster_ips[0].family != IP_NONE || s->cluster_ips[1].family != IP_NONE);
}

bool service_is_externally_accessible(const struct service *s)
{
    return s->type == SERVICE_NODE_PORT || s->type == SERVICE_LOAD_BALANCER || s->n_external_ips > 0;
}
