#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/server.h"
#include "object/names.h"

#define AT(member) offsetof(struct server_options, member)

static const char *const stores[] = {"embedded", "memory", NULL};

const struct flag server_flags[] = {
    {.name = "data-dir",
     .type = FLAG_STRING,
     .offset = AT(data_dir),
     .initial = "/var/lib/fairlead",
     .help = "Where objects, certificates and the admin kubeconfig are kept."},
    {.name = "bind-address",
     .type = FLAG_STRING,
     .offset = AT(bind_address),
     .help = "Address the API listens on. Empty: 0.0.0.0 for root, else 127.0.0.1."},
    {.name = "secure-port",
     .type = FLAG_INT,
     .offset = AT(secure_port),
     .initial = "6443",
     .max = 65535,
     .help = "Port of the API; 0 picks a free one."},
    {.name = "advertise-address",
     .type = FLAG_STRING,
     .offset = AT(advertise_address),
     .help = "Address at which others reach the API. Empty: the node's address."},
    {.name = "service-cluster-ip-range",
     .type = FLAG_LIST,
     .offset = AT(service_cluster_ip_range),
     .initial = "10.96.0.0/16",
     .help = "Addresses of Services, one CIDR or one per family."},
    {.name = "service-node-port-range",
     .type = FLAG_STRING,
     .offset = AT(service_node_port_range),
     .initial = "30000-32767",
     .help = "Ports for Services of type NodePort."},
    {.name = "store",
     .type = FLAG_STRING,
     .offset = AT(store),
     .initial = "embedded",
     .choices = stores,
     .help = "embedded keeps objects in the data directory, memory forgets them at the end."},
    {.name = "token-auth-file",
     .type = FLAG_STRING,
     .offset = AT(token_auth_file),
     .help = "File of bearer tokens: token,user,uid,\"group1,group2\" in each line."},
    {.name = "node-name",
     .type = FLAG_STRING,
     .offset = AT(node_name),
     .help = "Name of this host's Node. Empty: the host name."},
    {.name = "node-ip",
     .type = FLAG_STRING,
     .offset = AT(node_ip),
     .help = "Address of this host. Empty: the source address of the default route."},
    {.name = "disable-agent",
     .type = FLAG_BOOL,
     .offset = AT(disable_agent),
     .help = "Run the control plane only."},
    {.name = "etcd-servers",
     .type = FLAG_REFUSED,
     .help = "the etcd store is not built yet; --store=embedded keeps objects on this disk"},
    {.name = "version", .type = FLAG_BOOL, .offset = AT(version), .help = "Print the version, and exit."},
};
const size_t n_server_flags = ARRAY_LEN(server_flags);

static int resolve_ip(const char *flag, const char *text, struct ip *ret, struct err *err)
{
    return ip_parse(str_of(text), ret) == 0
               ? 0
               : err_set(err, -EINVAL, "--%s: \"%s\" is not an IP address", flag, text);
}

static int resolve_addresses(const struct server_options *o, struct server_resolved *r, struct err *err)
{
    const char *bind = *o->bind_address ? o->bind_address : geteuid() == 0 ? "0.0.0.0" : "127.0.0.1";
    int e = resolve_ip("bind-address", bind, &r->bind, err);
    if (e < 0)
        return e;
    if (*o->node_ip)
        e = resolve_ip("node-ip", o->node_ip, &r->node_ip, err);
    else if (host_default_address(IP_NONE, &r->node_ip, err) < 0)
        e = resolve_ip("node-ip", "127.0.0.1", &r->node_ip, err); /* a host by itself still serves itself */
    if (e < 0)
        return e;
    r->advertise = r->node_ip;
    return *o->advertise_address ? resolve_ip("advertise-address", o->advertise_address, &r->advertise, err)
                                 : 0;
}

static int resolve_ranges(const struct server_options *o, struct server_resolved *r, struct err *err)
{
    const struct flag_list *list = &o->service_cluster_ip_range;
    if (list->n < 1 || list->n > 2)
        return err_set(err, -EINVAL, "--service-cluster-ip-range takes one CIDR or one per family, not %zu",
                       list->n);
    for (size_t i = 0; i < list->n; i++) {
        struct ip_prefix *prefix = &r->service_ranges[i];
        if (ip_prefix_parse(list->v[i], prefix) < 0 || !ip_prefix_is_canonical(prefix))
            return err_set(err, -EINVAL,
                           "--service-cluster-ip-range: \"%.*s\" is not a CIDR such as 10.96.0.0/16",
                           STR_ARG(list->v[i]));
        int host_bits = ip_bits(prefix->ip.family) - prefix->bits;
        if (host_bits < 3 || host_bits > 64)
            return err_set(err, -EINVAL, "--service-cluster-ip-range: %.*s holds too %s addresses",
                           STR_ARG(list->v[i]), host_bits < 3 ? "few" : "many");
    }
    if (list->n == 2 && r->service_ranges[0].ip.family == r->service_ranges[1].ip.family)
        return err_set(err, -EINVAL, "--service-cluster-ip-range: two CIDRs must be of different families");
    r->n_service_ranges = list->n;
    return 0;
}

static int add_pod_range(struct server_resolved *r, struct str text, struct err *err)
{
    struct ip_prefix p;
    if (ip_prefix_parse(text, &p) < 0 || !ip_prefix_is_canonical(&p))
        return err_set(err, -EINVAL, "--cluster-cidr: \"%.*s\" is not a CIDR such as 10.244.0.0/16",
                       STR_ARG(text));
    int most = p.ip.family == IP_V4 ? 24 : 64;
    if (p.bits > most || p.bits < most - 16)
        return err_set(err, -EINVAL, "--cluster-cidr: %.*s cannot be divided into a /%d for each node",
                       STR_ARG(text), most);
    for (size_t i = 0; i < r->n_service_ranges; i++) {
        if (r->service_ranges[i].ip.family == p.ip.family && ip_prefix_overlaps(&r->service_ranges[i], &p))
            return err_set(err, -EINVAL, "%.*s for pods (--cluster-cidr) overlaps --service-cluster-ip-range",
                           STR_ARG(text));
    }
    r->pod_ranges[r->n_pod_ranges++] = p;
    return 0;
}

static const struct str default_pod_ranges[] = {STR_INIT("10.244.0.0/16"), STR_INIT("fd00:10:244::/56")};

/* Pods live in as many families as Services do, in the same order. */
static int resolve_pod_ranges(const struct flag_list *given, struct server_resolved *r, struct err *err)
{
    int e = 0;
    if (given->n > 2)
        return err_set(err, -EINVAL, "--cluster-cidr takes one CIDR or one per family, not %zu", given->n);
    for (size_t i = 0; i < given->n && e == 0; i++)
        e = add_pod_range(r, given->v[i], err);
    if (e == 0 && r->n_pod_ranges == 2 && r->pod_ranges[0].ip.family == r->pod_ranges[1].ip.family)
        return err_set(err, -EINVAL, "--cluster-cidr: two CIDRs must be of different families");
    for (size_t i = 0; i < r->n_service_ranges && e == 0 && !given->n; i++)
        e = add_pod_range(r, default_pod_ranges[r->service_ranges[i].ip.family == IP_V6], err);
    if (e < 0 && !given->n) { /* nobody asked for pods in this range */
        log_warn("%s; nodes get no podCIDR until --cluster-cidr names one", err->text);
        *err = (struct err){0};
        r->n_pod_ranges = 0;
        e = 0;
    }
    return e;
}

static int resolve_node_ports(const struct server_options *o, struct server_resolved *r, struct err *err)
{
    struct str text = str_of(o->service_node_port_range);
    ptrdiff_t dash = str_find_char(text, '-');
    uint64_t first, last;
    if (dash < 0 || str_to_uint64(str_slice(text, 0, dash), &first) < 0 ||
        str_to_uint64(str_slice(text, dash + 1, text.len), &last) < 0 || first < 1 || last > 65535 ||
        first > last)
        return err_set(err, -EINVAL, "--service-node-port-range: \"%s\" is not a range such as 30000-32767",
                       o->service_node_port_range);
    r->node_port_first = (uint16_t)first;
    r->node_port_last = (uint16_t)last;
    return 0;
}

static bool is_node_name(const char *name)
{
    struct name_problems problems = {0};
    name_check_dns1123_subdomain(str_of(name), &problems);
    return problems.n == 0;
}

static int resolve_node_name(const struct server_options *o, struct server_resolved *r, struct err *err)
{
    int e = 0;
    if (!*o->node_name)
        e = host_name(r->node_name, err);
    else if (strlen(o->node_name) >= sizeof r->node_name)
        return err_set(err, -EINVAL, "--node-name is longer than %zu characters", sizeof r->node_name - 1);
    else
        snprintf(r->node_name, sizeof r->node_name, "%s", o->node_name);
    if (e == 0 && !is_node_name(r->node_name))
        return err_set(err, -EINVAL,
                       "\"%s\" cannot be the name of a Node (lower case letters, digits, - and .); give "
                       "--node-name",
                       r->node_name);
    return e;
}

int server_options_resolve(const struct server_options *o, const struct proxy_options *proxy,
                           struct server_resolved *ret, struct err *err)
{
    struct server_resolved r = {
        .data_dir = o->data_dir,
        .port = (uint16_t)o->secure_port,
        .in_memory = strcmp(o->store, "memory") == 0,
    };
    int e = *o->data_dir ? 0 : err_set(err, -EINVAL, "--data-dir is empty");
    if (e == 0)
        e = resolve_addresses(o, &r, err);
    if (e == 0)
        e = resolve_ranges(o, &r, err);
    if (e == 0)
        e = resolve_pod_ranges(&proxy->cluster_cidr, &r, err);
    if (e == 0)
        e = resolve_node_ports(o, &r, err);
    if (e == 0)
        e = resolve_node_name(o, &r, err);
    if (e == 0)
        *ret = r;
    return e;
}
