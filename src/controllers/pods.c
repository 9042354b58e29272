#include "controllers/pods.h"

#include "controllers/values.h"

static const struct json *ready_condition(const struct json *pod)
{
    return value_condition(json_path(pod, "status", "conditions", NULL), STR("Ready"));
}

bool pod_is_ready(const struct json *pod)
{
    return str_eq(json_string_at(ready_condition(pod), "status"), STR("True"));
}

bool pod_is_terminal(const struct json *pod)
{
    struct str phase = json_string_at(pod, "status", "phase");
    return str_eq(phase, STR("Succeeded")) || str_eq(phase, STR("Failed"));
}

bool pod_is_available(const struct json *pod, int64_t min_ready_s, struct walltime now, int64_t *ret_wait_ms)
{
    struct walltime since;
    *ret_wait_ms = 0;
    if (!pod_is_ready(pod))
        return false;
    if (min_ready_s <= 0)
        return true;
    if (walltime_parse(json_string_at(ready_condition(pod), "lastTransitionTime"), &since) < 0)
        return false;
    int64_t left_ns = since.ns + min_ready_s * TIME_S_NS - now.ns;
    if (left_ns <= 0)
        return true;
    *ret_wait_ms = left_ns / TIME_MS_NS + 1;
    return false;
}

static struct str canonical(struct str text, enum ip_family family, struct arena *a)
{
    struct ip ip;
    char buf[IP_TEXT_LEN];
    if (ip_parse_sloppy(text, &ip) < 0 || ip.family != family)
        return STR("");
    return arena_str(a, str_of(ip_format(&ip, buf)));
}

struct str pod_ip(const struct json *pod, enum ip_family family, struct arena *a)
{
    json_foreach (json_path(pod, "status", "podIPs", NULL), entry) {
        struct str text = canonical(json_string_at(entry, "ip"), family, a);
        if (text.len)
            return text;
    }
    return canonical(json_string_at(pod, "status", "podIP"), family, a);
}

static struct str protocol_of(const struct json *port)
{
    struct str protocol = json_string_at(port, "protocol");
    return protocol.len ? protocol : STR("TCP");
}

static int64_t find_port(const struct json *container, struct str name, struct str protocol)
{
    json_foreach (json_getz(container, "ports"), port) {
        if (str_eq(json_string_at(port, "name"), name) && str_eq(protocol_of(port), protocol))
            return json_int_at(port, 0, "containerPort");
    }
    return 0;
}

int64_t pod_target_port(const struct json *pod, const struct json *service_port)
{
    const struct json *target = json_getz(service_port, "targetPort");
    struct str protocol = protocol_of(service_port);

    if (!json_is(target, JSON_STRING)) {
        int64_t number = json_int_or(target, 0);
        return number ? number : json_int_at(service_port, 0, "port");
    }
    struct str name = json_str(target);
    json_foreach (json_path(pod, "spec", "containers", NULL), container) {
        int64_t port = find_port(container, name, protocol);
        if (port)
            return port;
    }
    json_foreach (json_path(pod, "spec", "initContainers", NULL), container) {
        bool sidecar = str_eq(json_string_at(container, "restartPolicy"), STR("Always"));
        int64_t port = sidecar ? find_port(container, name, protocol) : 0;
        if (port)
            return port;
    }
    return 0;
}

bool pod_endpoints_differ(const struct json *before, const struct json *after)
{
    static const char *const paths[][2] = {
        {"metadata", "labels"}, {"metadata", "deletionTimestamp"},
        {"metadata", "uid"},    {"spec", "nodeName"},
        {"spec", "hostname"},   {"spec", "subdomain"},
        {"status", "podIPs"},   {"status", "podIP"},
        {"status", "phase"},
    };
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (!value_same(json_path(before, paths[i][0], paths[i][1], NULL),
                        json_path(after, paths[i][0], paths[i][1], NULL)))
            return true;
    }
    return pod_is_ready(before) != pod_is_ready(after);
}
