#include "apiserver/service-fields.h"

static const struct json *service_spec(const struct json *service, const char *field)
{
    return json_path(service, "spec", field, NULL);
}

struct str service_type(const struct json *service)
{
    struct str type = json_str(service_spec(service, "type"));
    return type.len ? type : STR("ClusterIP");
}

bool service_is_type(const struct json *service, const char *type)
{
    return str_eqz(service_type(service), type);
}

bool service_needs_cluster_ip(const struct json *service)
{
    return !service_is_type(service, "ExternalName");
}

bool service_needs_node_ports(const struct json *service)
{
    return service_is_type(service, "NodePort") || service_is_type(service, "LoadBalancer");
}

bool service_allocates_node_ports(const struct json *service)
{
    return service_is_type(service, "NodePort") ||
           (service_is_type(service, "LoadBalancer") &&
            json_bool_or(service_spec(service, "allocateLoadBalancerNodePorts"), true));
}

bool service_needs_health_port(const struct json *service)
{
    return service_is_type(service, "LoadBalancer") &&
           str_eqz(json_str(service_spec(service, "externalTrafficPolicy")), "Local");
}

bool service_takes_external_traffic(const struct json *service)
{
    const struct json *external = service_spec(service, "externalIPs");
    return service_needs_node_ports(service) ||
           (service_is_type(service, "ClusterIP") && json_n(external) > 0);
}

bool service_is_headless(const struct json *service)
{
    return str_eqz(json_str(service_spec(service, "clusterIP")), "None") ||
           str_eqz(json_str(json_at(service_spec(service, "clusterIPs"), 0)), "None");
}

bool service_has_selector(const struct json *service)
{
    const struct json *selector = service_spec(service, "selector");
    return json_is(selector, JSON_OBJECT) && selector->n;
}

bool service_lists_equal(const struct json *a, const struct json *b)
{
    const struct json *x = json_is(a, JSON_ARRAY) ? a->first : NULL,
                      *y = json_is(b, JSON_ARRAY) ? b->first : NULL;
    for (; x && y; x = x->next, y = y->next)
        if (!json_equal(x, y))
            return false;
    return !x && !y;
}

static bool service_same(const struct json *a, const struct json *b, const char *field)
{
    const struct json *x = service_spec(a, field), *y = service_spec(b, field);
    return (!x && !y) || (x && y && json_equal(x, y));
}

static void service_default_ports(struct arena *a, struct json *spec)
{
    json_foreach (json_getz(spec, "ports"), port) {
        const struct json *target = json_getz(port, "targetPort");
        bool unset = !target || (target->type == JSON_INT && target->integer == 0) ||
                     (target->type == JSON_STRING && !target->text.len);
        if (json_is(port, JSON_OBJECT) && unset && json_is(json_getz(port, "port"), JSON_INT))
            json_setz(port, "targetPort", json_int(a, json_int_at(port, 0, "port")));
    }
}

static void service_default_ingress_mode(struct arena *a, struct json *service)
{
    if (!service_is_type(service, "LoadBalancer"))
        return;
    json_foreach (json_path(service, "status", "loadBalancer", "ingress", NULL), ingress) {
        if (json_str(json_getz(ingress, "ip")).len && !json_getz(ingress, "ipMode"))
            json_setz(ingress, "ipMode", json_string(a, STR("VIP")));
    }
}

static void service_default_affinity(struct arena *a, struct json *spec)
{
    struct str affinity = json_str(json_getz(spec, "sessionAffinity"));
    if (str_eqz(affinity, "None"))
        json_unsetz(spec, "sessionAffinityConfig");
    if (!str_eqz(affinity, "ClientIP"))
        return;
    struct json *config = json_ensure_object(a, spec, "sessionAffinityConfig");
    struct json *client = json_is(config, JSON_OBJECT) ? json_ensure_object(a, config, "clientIP") : NULL;
    if (json_is(client, JSON_OBJECT) && !json_getz(client, "timeoutSeconds"))
        json_setz(client, "timeoutSeconds", json_int(a, 10800));
}

void service_apply_defaults(struct arena *a, struct json *service)
{
    struct json *spec = json_getz(service, "spec");
    if (!json_is(spec, JSON_OBJECT))
        return;
    service_default_ports(a, spec);
    service_default_affinity(a, spec);
    service_default_ingress_mode(a, service);
    if (service_takes_external_traffic(service) && !json_str(json_getz(spec, "externalTrafficPolicy")).len)
        json_setz(spec, "externalTrafficPolicy", json_string(a, STR("Cluster")));
    if (service_needs_cluster_ip(service) && !json_getz(spec, "internalTrafficPolicy"))
        json_setz(spec, "internalTrafficPolicy", json_string(a, STR("Cluster")));
    if (service_is_type(service, "LoadBalancer") && !json_getz(spec, "allocateLoadBalancerNodePorts"))
        json_setz(spec, "allocateLoadBalancerNodePorts", json_bool(a, true));
}

static bool service_port_list_has(const struct json *service, int64_t node_port)
{
    json_foreach (service_spec(service, "ports"), port) {
        if (json_int_at(port, 0, "nodePort") == node_port)
            return true;
    }
    return false;
}

/* The node port that the old object's port of this name has; 0 if none. */
static int64_t service_old_node_port(const struct json *old, struct str name)
{
    int64_t found = 0;
    json_foreach (service_spec(old, "ports"), port) {
        if (str_eq(json_str(json_getz(port, "name")), name))
            found = json_int_at(port, 0, "nodePort");
    }
    return found;
}

static void service_carry_node_ports(struct arena *a, struct json *service, const struct json *old)
{
    json_foreach (service_spec(service, "ports"), port) {
        if (json_int_at(port, 0, "nodePort"))
            continue;
        int64_t value = service_old_node_port(old, json_str(json_getz(port, "name")));
        if (value && !service_port_list_has(service, value)) /* also true for one carried over just before */
            json_setz(port, "nodePort", json_int(a, value));
    }
}

void service_carry_over(struct arena *a, struct json *service, const struct json *old)
{
    struct json *spec = json_getz(service, "spec");
    if (service_needs_cluster_ip(service) && service_needs_cluster_ip(old)) {
        struct str old_ip = json_str(service_spec(old, "clusterIP"));
        if (!json_str(json_getz(spec, "clusterIP")).len && old_ip.len)
            json_setz(spec, "clusterIP", json_string(a, old_ip));
        const struct json *old_ips = service_spec(old, "clusterIPs");
        if (!json_n(json_getz(spec, "clusterIPs")) && old_ips &&
            str_eq(json_str(json_getz(spec, "clusterIP")), old_ip))
            json_setz(spec, "clusterIPs", json_copy(a, old_ips));
    }
    if (service_needs_node_ports(service) && service_needs_node_ports(old))
        service_carry_node_ports(a, service, old);
    int64_t old_health = json_int_or(service_spec(old, "healthCheckNodePort"), 0);
    if (service_needs_health_port(service) && service_needs_health_port(old) && old_health &&
        !json_int_at(spec, 0, "healthCheckNodePort"))
        json_setz(spec, "healthCheckNodePort", json_int(a, old_health));
}

static struct json *service_one_ip(struct arena *a, struct str ip)
{
    struct json *list = json_array(a);
    json_append(list, json_string(a, ip));
    return list;
}

void service_mirror_cluster_ips(struct arena *a, struct json *service, const struct json *old)
{
    struct json *spec = json_getz(service, "spec");
    struct str ip = json_str(json_getz(spec, "clusterIP"));
    bool no_list = !json_n(json_getz(spec, "clusterIPs"));
    if (!old) {
        if (ip.len && no_list)
            json_setz(spec, "clusterIPs", service_one_ip(a, ip));
        return;
    }
    struct str old_ip = json_str(service_spec(old, "clusterIP"));
    const struct json *old_list = service_spec(old, "clusterIPs");
    if (str_eq(ip, old_ip)) {
        if (no_list && json_n(old_list))
            json_setz(spec, "clusterIPs", json_copy(a, old_list));
        return;
    }
    if (!service_lists_equal(json_getz(spec, "clusterIPs"), old_list))
        return; /* the client speaks for both fields: validation compares them */
    if (ip.len)
        json_setz(spec, "clusterIPs", service_one_ip(a, ip));
    else
        json_unsetz(spec, "clusterIPs");
}

/* No node port in the new object that the old one had not. */
static bool service_no_new_node_port(const struct json *service, const struct json *old)
{
    json_foreach (service_spec(service, "ports"), port) {
        int64_t node_port = json_int_at(port, 0, "nodePort");
        if (node_port && !service_port_list_has(old, node_port))
            return false;
    }
    return true;
}

static void service_wipe_same(struct json *service, const struct json *old, const char *field)
{
    if (service_same(service, old, field))
        json_unsetz(json_getz(service, "spec"), field);
}

void service_wipe_for_type(struct json *service, const struct json *old)
{
    struct json *spec = json_getz(service, "spec");
    if (service_needs_cluster_ip(old) && !service_needs_cluster_ip(service)) {
        if (service_lists_equal(json_getz(spec, "clusterIPs"), service_spec(old, "clusterIPs"))) {
            json_unsetz(spec, "clusterIP");
            json_unsetz(spec, "clusterIPs");
        }
        service_wipe_same(service, old, "ipFamilies");
        service_wipe_same(service, old, "ipFamilyPolicy");
    }
    if (service_needs_node_ports(old) && !service_needs_node_ports(service) &&
        service_no_new_node_port(service, old)) {
        json_foreach (json_getz(spec, "ports"), port) {
            json_unsetz(port, "nodePort");
        }
    }
    if (service_needs_health_port(old) && !service_needs_health_port(service))
        service_wipe_same(service, old, "healthCheckNodePort");
    if (service_is_type(old, "LoadBalancer") && !service_is_type(service, "LoadBalancer")) {
        service_wipe_same(service, old, "allocateLoadBalancerNodePorts");
        service_wipe_same(service, old, "loadBalancerClass");
        json_unsetz(json_getz(service, "status"), "loadBalancer");
    }
    if (service_takes_external_traffic(old) && !service_takes_external_traffic(service))
        service_wipe_same(service, old, "externalTrafficPolicy");
}
