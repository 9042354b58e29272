#include "apiserver/printers.h"

#include <inttypes.h>

#include "base/array.h"

#define NONE       "<none>"
#define MAX_LISTED 3 /* of endpoints; the rest is counted */

/* Services. */

struct json *printer_service_cluster_ip(struct arena *a, const struct json *o, struct walltime now)
{
    const struct json *ips = json_path(o, "spec", "clusterIPs", NULL);
    struct str ip = ips && ips->n ? json_str(json_at(ips, 0)) : json_string_at(o, "spec", "clusterIP");
    return json_string(a, ip.len ? arena_str(a, ip) : STR(NONE));
}

struct json *printer_service_external_ip(struct arena *a, const struct json *o, struct walltime now)
{
    struct str type = json_string_at(o, "spec", "type");
    ARRAY_OF(struct str) all = {0};
    bool balanced = str_eq(type, STR("LoadBalancer"));
    if (str_eq(type, STR("ExternalName")))
        return json_string(a, arena_str(a, json_string_at(o, "spec", "externalName")));
    json_foreach (balanced ? json_path(o, "status", "loadBalancer", "ingress", NULL) : NULL, ingress) {
        struct str ip = json_string_at(ingress, "ip");
        *array_push(&all) = ip.len ? ip : json_string_at(ingress, "hostname");
    }
    if (all.n > 1)
        qsort(all.v, all.n, sizeof *all.v, str_cmp_qsort);
    json_foreach (json_path(o, "spec", "externalIPs", NULL), ip)
        *array_push(&all) = json_str(ip);
    struct str text = balanced && !all.n ? STR("<pending>") : printer_join(a, all.v, all.n, 0);
    array_done(&all);
    return json_string(a, text);
}

struct json *printer_service_ports(struct arena *a, const struct json *o, struct walltime now)
{
    ARRAY_OF(struct str) all = {0};
    json_foreach (json_path(o, "spec", "ports", NULL), port) {
        int64_t number = json_int_at(port, 0, "port"), node = json_int_at(port, 0, "nodePort");
        struct str protocol = json_string_at(port, "protocol");
        *array_push(&all) =
            node ? arena_format(a, "%" PRId64 ":%" PRId64 "/%.*s", number, node, STR_ARG(protocol))
                 : arena_format(a, "%" PRId64 "/%.*s", number, STR_ARG(protocol));
    }
    struct str text = printer_join(a, all.v, all.n, 0);
    array_done(&all);
    return json_string(a, text);
}

struct json *printer_service_selector(struct arena *a, const struct json *o, struct walltime now)
{
    ARRAY_OF(struct str) all = {0};
    json_foreach (json_path(o, "spec", "selector", NULL), label)
        *array_push(&all) = arena_format(a, "%.*s=%.*s", STR_ARG(label->key), STR_ARG(json_str(label)));
    if (all.n > 1)
        qsort(all.v, all.n, sizeof *all.v, str_cmp_qsort);
    struct str text = printer_join(a, all.v, all.n, 0);
    array_done(&all);
    return json_string(a, text);
}

/* Endpoints. */

static struct str with_port(struct arena *a, struct str ip, int64_t port)
{
    bool v6 = str_find_char(ip, ':') >= 0;
    return arena_format(a, "%s%.*s%s:%" PRId64, v6 ? "[" : "", STR_ARG(ip), v6 ? "]" : "", port);
}

struct json *printer_endpoints(struct arena *a, const struct json *o, struct walltime now)
{
    ARRAY_OF(struct str) all = {0};
    json_foreach (json_getz(o, "subsets"), subset) {
        const struct json *ports = json_getz(subset, "ports"), *addresses = json_getz(subset, "addresses");
        json_foreach (ports && ports->n ? NULL : addresses, address)
            *array_push(&all) = json_string_at(address, "ip");
        json_foreach (ports, port) {
            json_foreach (addresses, address)
                *array_push(&all) = with_port(a, json_string_at(address, "ip"), json_int_at(port, 0, "port"));
        }
    }
    struct str text = printer_join(a, all.v, all.n, MAX_LISTED);
    array_done(&all);
    return json_string(a, text);
}

struct json *printer_endpointslice_ports(struct arena *a, const struct json *o, struct walltime now)
{
    ARRAY_OF(struct str) all = {0};
    json_foreach (json_getz(o, "ports"), port) {
        const struct json *number = json_getz(port, "port");
        struct str name = json_string_at(port, "name");
        *array_push(&all) = number     ? arena_format(a, "%" PRId64, json_int_or(number, 0))
                            : name.len ? name
                                       : STR("*");
    }
    struct str text = all.n ? printer_join(a, all.v, all.n, MAX_LISTED) : STR("<unset>");
    array_done(&all);
    return json_string(a, text);
}

struct json *printer_endpointslice_endpoints(struct arena *a, const struct json *o, struct walltime now)
{
    ARRAY_OF(struct str) all = {0};
    json_foreach (json_getz(o, "endpoints"), endpoint) {
        json_foreach (json_getz(endpoint, "addresses"), address)
            *array_push(&all) = json_str(address);
    }
    struct str text = all.n ? printer_join(a, all.v, all.n, MAX_LISTED) : STR("<unset>");
    array_done(&all);
    return json_string(a, text);
}
