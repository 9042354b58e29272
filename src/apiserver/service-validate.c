#include "apiserver/service-validate.h"

#include "apiserver/addresses.h"
#include "apiserver/ports.h"
#include "apiserver/service-fields.h"
#include "object/names.h"

/* What the checks of one Service look at. */
struct check {
    const struct json *service, *spec, *old_spec; /* old_spec NULL on creation */
    struct field_errors *errors;
    const struct field_path *path; /* "spec" */
};

#define CHECK_FIELD(c, name) json_getz((c)->spec, name)

static void check_supported(struct check *c, const char *field, const struct str *values, size_t n)
{
    const struct json *v = CHECK_FIELD(c, field);
    const struct field_path *path = FIELD_STR(c->path, str_of(field));
    if (!json_str(v).len) {
        field_required(c->errors, path, "%s", "");
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (str_eq(json_str(v), values[i]))
            return;
    field_not_supported(c->errors, path, v, values, n);
}

static void check_target_port(struct check *c, const struct json *target, const struct field_path *path)
{
    if (json_is(target, JSON_STRING)) {
        name_validate(c->errors, path, target->text, name_check_port_name);
    } else if (json_is(target, JSON_INT)) {
        port_validate_number(c->errors, path, target);
    }
}

/* Is NAME the name of a port before ports[I]? */
static bool check_name_is_taken(struct check *c, size_t i, struct str name)
{
    const struct json *port = CHECK_FIELD(c, "ports")->first;
    for (size_t k = 0; k < i; k++, port = port->next)
        if (str_eq(json_str(json_getz(port, "name")), name))
            return true;
    return false;
}

static void check_port(struct check *c, const struct json *port, size_t i, const struct field_path *path)
{
    struct str name = json_str(json_getz(port, "name"));
    const struct json *protocol = json_getz(port, "protocol");
    const struct field_path *name_path = FIELD(path, "name");
    if (!name.len && json_n(CHECK_FIELD(c, "ports")) > 1) {
        field_required(c->errors, name_path, "%s", "");
    } else if (name.len) {
        name_validate(c->errors, name_path, name, name_check_dns1123_label);
        if (check_name_is_taken(c, i, name))
            field_duplicate(c->errors, name_path, json_getz(port, "name"));
    }
    port_validate_number(c->errors, FIELD(path, "port"), json_getz(port, "port"));
    if (!json_str(protocol).len)
        field_required(c->errors, FIELD(path, "protocol"), "%s", "");
    else
        port_validate_protocol(c->errors, FIELD(path, "protocol"), protocol);
    check_target_port(c, json_getz(port, "targetPort"), FIELD(path, "targetPort"));
    port_validate_app_protocol(c->errors, FIELD(path, "appProtocol"), json_getz(port, "appProtocol"));
}

/* (protocol, FIELD) pairs that stand twice; zero is no value. */
static void check_pairs(struct check *c, const char *field)
{
    const struct json *ports = CHECK_FIELD(c, "ports");
    bool is_node_port = strcmp(field, "nodePort") == 0;
    size_t i = 0;
    json_foreach (ports, port) {
        const struct field_path *path = FIELD_INDEX(FIELD(c->path, "ports"), i++);
        int64_t number = json_int_at(port, 0, field);
        struct str protocol = json_str(json_getz(port, "protocol"));
        bool twice = false;
        for (const struct json *other = ports->first; other != port && number; other = other->next)
            twice = twice || (json_int_at(other, 0, field) == number &&
                              str_eq(json_str(json_getz(other, "protocol")), protocol));
        if (!twice)
            continue;
        struct json *key = json_object(c->errors->arena);
        json_setz(key, "protocol", json_string(c->errors->arena, protocol));
        json_setz(key, field, json_int(c->errors->arena, number));
        field_duplicate(c->errors, is_node_port ? FIELD(path, "nodePort") : path,
                        is_node_port ? json_getz(port, "nodePort") : key);
    }
}

/* Above this the pairwise checks would cost too much; upstream has no such limit, nor any user. */
#define SERVICE_MAX_PORTS 2000

static void check_ports(struct check *c)
{
    const struct json *ports = CHECK_FIELD(c, "ports");
    const struct field_path *list = FIELD(c->path, "ports");
    if (!json_n(ports) && !service_is_headless(c->service) && !service_is_type(c->service, "ExternalName"))
        field_required(c->errors, list, "%s", "");
    if (json_n(ports) > SERVICE_MAX_PORTS) {
        field_too_many(c->errors, list, json_n(ports), SERVICE_MAX_PORTS);
        return;
    }
    size_t i = 0;
    json_foreach (ports, port) {
        const struct field_path *path = FIELD_INDEX(list, i);
        check_port(c, port, i, path);
        if (service_is_type(c->service, "ClusterIP") && json_int_at(port, 0, "nodePort"))
            field_forbidden(c->errors, FIELD(path, "nodePort"), "may not be used when `type` is 'ClusterIP'");
        i++;
    }
    check_pairs(c, "port");
    if (service_needs_node_ports(c->service))
        check_pairs(c, "nodePort");
}

static void check_external_name(struct check *c)
{
    static const char *const unset[] = {"clusterIPs", "ipFamilies", "ipFamilyPolicy"};
    for (size_t i = 0; i < ARRAY_LEN(unset); i++) {
        const struct json *v = CHECK_FIELD(c, unset[i]);
        if (json_n(v) || json_str(v).len)
            field_forbidden(c->errors, FIELD_STR(c->path, str_of(unset[i])),
                            "may not be set for ExternalName services");
    }
    struct str name = json_str(CHECK_FIELD(c, "externalName"));
    if (str_has_suffix(name, STR(".")))
        name.len--;
    if (name.len)
        name_validate(c->errors, FIELD(c->path, "externalName"), name, name_check_dns1123_subdomain);
    else
        field_required(c->errors, FIELD(c->path, "externalName"), "%s", "");
}

static void check_affinity(struct check *c)
{
    static const struct str values[] = {STR_INIT("ClientIP"), STR_INIT("None")};
    check_supported(c, "sessionAffinity", values, 2);
    const struct json *config = CHECK_FIELD(c, "sessionAffinityConfig");
    const struct field_path *path = FIELD(c->path, "sessionAffinityConfig");
    struct str affinity = json_str(CHECK_FIELD(c, "sessionAffinity"));
    if (str_eqz(affinity, "None") && config)
        field_forbidden(c->errors, path, "must not be set when session affinity is None");
    if (!str_eqz(affinity, "ClientIP"))
        return;
    const struct json *timeout = json_path(config, "clientIP", "timeoutSeconds", NULL);
    if (!timeout)
        field_required(c->errors, path, "when session affinity type is ClientIP");
    else if (timeout->type == JSON_INT && (timeout->integer <= 0 || timeout->integer > 86400))
        field_invalid(c->errors, FIELD(FIELD(path, "clientIP"), "timeoutSeconds"), timeout,
                      "must be greater than 0 and less than 86400");
}

static void check_cluster_ip_list(struct check *c)
{
    const struct json *ips = CHECK_FIELD(c, "clusterIPs"), *old = json_getz(c->old_spec, "clusterIPs");
    const struct json *families = CHECK_FIELD(c, "ipFamilies");
    const struct field_path *path = FIELD(c->path, "clusterIPs");
    enum ip_family seen[2] = {IP_NONE, IP_NONE};
    size_t i = 0;
    json_foreach (ips, v) {
        const struct field_path *at = FIELD_INDEX(path, i);
        struct str text = json_str(v);
        struct ip ip;
        if (str_eqz(text, "None")) {
            if (ips->n > 1)
                field_invalid(c->errors, path, ips, "'None' must be the first and only value");
            return;
        }
        if (!address_validate(c->errors, at, text, old) || ip_parse_sloppy(text, &ip) < 0 || i >= 2)
            return;
        seen[i] = ip.family;
        struct str want = json_str(json_at(families, i));
        if (want.len && !str_eqz(want, ip_family_name(ip.family)))
            field_invalid(c->errors, at, v, "expected an %.*s value as indicated by `ipFamilies[%zu]`",
                          STR_ARG(want), i);
        i++;
    }
    if (i == 2 && seen[0] == seen[1])
        field_invalid(c->errors, path, ips, "may specify no more than one IP for each IP family");
}

static void check_cluster_ips(struct check *c)
{
    struct str ip = json_str(CHECK_FIELD(c, "clusterIP"));
    const struct json *ips = CHECK_FIELD(c, "clusterIPs");
    const struct field_path *path = FIELD(c->path, "clusterIPs");
    if (!ip.len && json_n(ips))
        field_invalid(c->errors, path, ips, "must be empty when `clusterIP` is not specified");
    else if (ip.len && !json_n(ips))
        field_required(c->errors, path, "%s", "");
    else if (ip.len && !str_eq(json_str(ips->first), ip))
        field_invalid(c->errors, path, ips, "first value must match `clusterIP`");
    static const char *const types[] = {"LoadBalancer", "NodePort"};
    for (size_t i = 0; i < 2; i++)
        if (service_is_type(c->service, types[i]) && service_is_headless(c->service))
            field_invalid(c->errors, FIELD_INDEX(path, 0), json_at(ips, 0),
                          "may not be set to 'None' for %s services", types[i]);
    check_cluster_ip_list(c);
}

static void check_external_ips(struct check *c)
{
    const struct json *old = json_getz(c->old_spec, "externalIPs");
    size_t i = 0;
    json_foreach (CHECK_FIELD(c, "externalIPs"), v) {
        const struct field_path *path = FIELD_INDEX(FIELD(c->path, "externalIPs"), i++);
        if (address_validate(c->errors, path, json_str(v), old))
            address_validate_special(c->errors, path, json_str(v), ADDRESS_OF_SERVICE);
    }
}

#define SOURCE_RANGES_ANNOTATION "service.beta.kubernetes.io/load-balancer-source-ranges"

static void check_source_ranges(struct check *c)
{
    const struct json *ranges = CHECK_FIELD(c, "loadBalancerSourceRanges");
    const struct json *old = json_getz(c->old_spec, "loadBalancerSourceRanges");
    struct str annotation = json_string_at(c->service, "metadata", "annotations", SOURCE_RANGES_ANNOTATION);
    bool is_balancer = service_is_type(c->service, "LoadBalancer");
    const struct field_path *path = FIELD(c->path, "loadBalancerSourceRanges");
    const struct field_path *annotation_path =
        FIELD_KEY(FIELD(FIELD(NULL, "metadata"), "annotations"), STR(SOURCE_RANGES_ANNOTATION));
    if (json_n(ranges)) {
        if (!is_balancer)
            field_forbidden(c->errors, path, "may only be used when `type` is 'LoadBalancer'");
        size_t i = 0;
        json_foreach (ranges, v) {
            /* Padding is part of this field's syntax. */
            address_validate_prefix(c->errors, FIELD_INDEX(path, i++), str_trim(json_str(v)), old);
        }
        return;
    }
    if (!annotation.p)
        return;
    if (!is_balancer) {
        field_forbidden(c->errors, annotation_path, "may only be used when `type` is 'LoadBalancer'");
        return;
    }
    struct str rest = annotation, part;
    while (str_trim(annotation).len && str_split(&rest, ',', &part)) {
        struct ip_prefix prefix;
        if (ip_prefix_parse_sloppy(str_trim(part), &prefix) < 0) {
            field_invalid_str(c->errors, annotation_path, annotation,
                              "must be a comma separated list of CIDRs e.g. 192.168.0.0/16,10.0.0.0/8");
            return;
        }
    }
}

static void check_balancer_fields(struct check *c)
{
    bool is_balancer = service_is_type(c->service, "LoadBalancer");
    const struct json *allocate = CHECK_FIELD(c, "allocateLoadBalancerNodePorts");
    const struct json *class = CHECK_FIELD(c, "loadBalancerClass");
    const struct field_path *allocate_path = FIELD(c->path, "allocateLoadBalancerNodePorts");
    const struct field_path *class_path = FIELD(c->path, "loadBalancerClass");
    if (is_balancer && !allocate)
        field_required(c->errors, allocate_path, "%s", "");
    if (!is_balancer && allocate)
        field_forbidden(c->errors, allocate_path, "may only be used when `type` is 'LoadBalancer'");
    if (!is_balancer && class)
        field_forbidden(c->errors, class_path, "may only be used when `type` is 'LoadBalancer'");
    if (is_balancer && class)
        name_validate(c->errors, class_path, json_str(class), name_check_label_key);
    check_source_ranges(c);
}

static void check_policies(struct check *c)
{
    static const struct str policies[] = {STR_INIT("Cluster"), STR_INIT("Local")};
    static const struct str distributions[] = {STR_INIT("PreferClose"), STR_INIT("PreferSameNode"),
                                               STR_INIT("PreferSameZone")};
    const struct json *external = CHECK_FIELD(c, "externalTrafficPolicy");
    if (service_takes_external_traffic(c->service))
        check_supported(c, "externalTrafficPolicy", policies, 2);
    else if (json_str(external).len)
        field_invalid(c->errors, FIELD(c->path, "externalTrafficPolicy"), external,
                      "may only be set for externally-accessible services");
    if (service_needs_cluster_ip(c->service))
        check_supported(c, "internalTrafficPolicy", policies, 2);
    if (CHECK_FIELD(c, "trafficDistribution"))
        check_supported(c, "trafficDistribution", distributions, 3);
    const struct json *health = CHECK_FIELD(c, "healthCheckNodePort");
    const struct field_path *path = FIELD(c->path, "healthCheckNodePort");
    if (!service_needs_health_port(c->service) && json_int_or(health, 0))
        field_invalid(c->errors, path, health,
                      "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'");
    else if (service_needs_health_port(c->service))
        port_validate_number(c->errors, path, health);
}

static void check_selector(struct check *c)
{
    json_foreach (CHECK_FIELD(c, "selector"), label) {
        const struct field_path *path = FIELD(c->path, "selector");
        name_validate(c->errors, path, label->key, name_check_label_key);
        name_validate(c->errors, FIELD_KEY(path, label->key), json_str(label), name_check_label_value);
    }
}

static void check_topology_annotations(struct check *c)
{
    const struct json *annotations = json_path(c->service, "metadata", "annotations", NULL);
    struct str mode = json_str(json_getz(annotations, "service.kubernetes.io/topology-mode"));
    struct str hints = json_str(json_getz(annotations, "service.kubernetes.io/topology-aware-hints"));
    if (mode.p && hints.p && !str_eq(mode, hints))
        field_invalid_str(
            c->errors,
            FIELD_KEY(FIELD(FIELD(NULL, "metadata"), "annotations"),
                      STR("service.kubernetes.io/topology-mode")),
            mode,
            "must match annotations[service.kubernetes.io/topology-aware-hints] when both are specified");
}

void service_validate(const struct json *service, const struct json *old, struct field_errors *errors)
{
    static const struct str types[] = {STR_INIT("ClusterIP"), STR_INIT("ExternalName"),
                                       STR_INIT("LoadBalancer"), STR_INIT("NodePort")};
    struct check c = {service, json_getz(service, "spec"), json_getz(old, "spec"), errors,
                      FIELD(NULL, "spec")};
    check_topology_annotations(&c);
    check_ports(&c);
    if (service_is_type(service, "ExternalName"))
        check_external_name(&c);
    else
        check_cluster_ips(&c);
    check_selector(&c);
    check_affinity(&c);
    check_external_ips(&c);
    check_supported(&c, "type", types, 4);
    check_balancer_fields(&c);
    check_policies(&c);
}

/* Errors unless element I of FIELD stays: WHAT names it. */
static void check_stays(struct check *c, const char *field, const char *what)
{
    const struct json *new = CHECK_FIELD(c, field), *old = json_getz(c->old_spec, field);
    const struct field_path *path = FIELD_STR(c->path, str_of(field));
    if (!json_n(old))
        return;
    if (!json_n(new))
        field_invalid(c->errors, FIELD_INDEX(path, 0), new, "primary %s can not be unset", what);
    else if (!json_equal(new->first, old->first))
        field_invalid(c->errors, FIELD_INDEX(path, 0), new, "may not change once set");
    if (json_n(old) == 2 && json_n(new) == 2 && !json_equal(new->first->next, old->first->next))
        field_invalid(c->errors, FIELD_INDEX(path, 1), new, "may not change once set");
    if (json_n(old) == 2 && json_n(new) == 1 &&
        !str_eqz(json_str(CHECK_FIELD(c, "ipFamilyPolicy")), "SingleStack"))
        field_invalid(c->errors, FIELD_INDEX(path, 0), new,
                      "must be 'SingleStack' when releasing the secondary %s", what);
}

void service_validate_update(const struct json *service, const struct json *old, struct field_errors *errors)
{
    struct check c = {service, json_getz(service, "spec"), json_getz(old, "spec"), errors,
                      FIELD(NULL, "spec")};
    if (service_needs_cluster_ip(service) && service_needs_cluster_ip(old)) {
        bool headless = service_is_headless(service), was_headless = service_is_headless(old);
        if (!headless || !was_headless)
            check_stays(&c, "clusterIPs", "clusterIP");
        if (!headless && !was_headless)
            check_stays(&c, "ipFamilies", "ipFamily");
    }
    const struct json *class = json_getz(c.spec, "loadBalancerClass"),
                      *old_class = json_getz(c.old_spec, "loadBalancerClass");
    bool both_balancers = service_is_type(service, "LoadBalancer") && service_is_type(old, "LoadBalancer");
    if (both_balancers && !str_eq(json_str(class), json_str(old_class)))
        field_invalid(errors, FIELD(c.path, "loadBalancerClass"), class, "may not change once set");
    if (service_needs_health_port(service) && service_needs_health_port(old) &&
        json_int_at(c.spec, 0, "healthCheckNodePort") != json_int_at(c.old_spec, 0, "healthCheckNodePort"))
        field_invalid(errors, FIELD(c.path, "healthCheckNodePort"), json_getz(c.spec, "healthCheckNodePort"),
                      "field is immutable");
}

/* The addresses of the stored ingress list as a list of strings. */
static const struct json *status_stored_ips(struct arena *a, const struct json *old)
{
    struct json *list = json_array(a);
    json_foreach (json_path(old, "status", "loadBalancer", "ingress", NULL), ingress) {
        json_append(list, json_string(a, json_str(json_getz(ingress, "ip"))));
    }
    return list;
}

static void check_ingress(struct field_errors *errors, const struct json *ingress,
                          const struct field_path *path, const struct json *stored)
{
    static const struct str modes[] = {STR_INIT("Proxy"), STR_INIT("VIP")};
    struct str ip = json_str(json_getz(ingress, "ip")), host = json_str(json_getz(ingress, "hostname"));
    const struct json *mode = json_getz(ingress, "ipMode");
    struct ip parsed;
    if (ip.len)
        address_validate(errors, FIELD(path, "ip"), ip, stored);
    if (ip.len && !mode)
        field_required(errors, FIELD(path, "ipMode"), "must be specified when `ip` is set");
    if (!ip.len && mode)
        field_forbidden(errors, FIELD(path, "ipMode"), "may not be specified when `ip` is not set");
    if (ip.len && mode && !str_eq(json_str(mode), modes[0]) && !str_eq(json_str(mode), modes[1]))
        field_not_supported(errors, FIELD(path, "ipMode"), mode, modes, 2);
    if (!host.len)
        return;
    name_validate(errors, FIELD(path, "hostname"), host, name_check_dns1123_subdomain);
    if (ip_parse_sloppy(host, &parsed) == 0)
        field_invalid_str(errors, FIELD(path, "hostname"), host, "must be a DNS name, not an IP address");
}

void service_validate_status(const struct json *service, const struct json *old, struct field_errors *errors)
{
    const struct json *list = json_path(service, "status", "loadBalancer", "ingress", NULL);
    const struct json *old_list = json_path(old, "status", "loadBalancer", "ingress", NULL);
    const struct field_path *path = FIELD(FIELD(FIELD(NULL, "status"), "loadBalancer"), "ingress");
    if (!json_n(list))
        return;
    if (!service_is_type(service, "LoadBalancer") && !(old_list && json_equal(list, old_list)))
        field_forbidden(errors, path, "may only be used when `spec.type` is LoadBalancer");
    const struct json *stored = status_stored_ips(errors->arena, old);
    size_t i = 0;
    json_foreach (list, ingress) {
        check_ingress(errors, ingress, FIELD_INDEX(path, i++), stored);
    }
}
