#include "proxy/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#define AT(member) offsetof(struct proxy_options, member)

static const char *const modes[] = {"iptables", "fake", "none", NULL};
static const char *const detect_modes[] = {"ClusterCIDR", "NodeCIDR", "BridgeInterface",
                                           "InterfaceNamePrefix", NULL};
static const char *const formats[] = {"text", "json", NULL};

#define LATER     "it is not built yet"
#define WINDOWS   "fairlead runs on Linux only"
#define IPVS      "ipvs mode is not built yet"
#define CONNTRACK "the proxy does not set this sysctl yet; set it in /etc/sysctl.d"

const struct flag proxy_flags[] = {
    {.name = "kubeconfig",
     .type = FLAG_STRING,
     .offset = AT(kubeconfig),
     .help = "File that says where the API server is and who we are. Without it the pod's own service "
             "account is used."},
    {.name = "hostname-override",
     .type = FLAG_STRING,
     .offset = AT(hostname_override),
     .help = "Name of this node's Node object, if it is not the host name."},
    {.name = "bind-address",
     .type = FLAG_STRING,
     .offset = AT(bind_address),
     .initial = "0.0.0.0",
     .help = "Overrides the address of this node, unless it is 0.0.0.0 or ::."},
    {.name = "bind-address-hard-fail",
     .type = FLAG_BOOL,
     .offset = AT(bind_address_hard_fail),
     .help = "Stop if the health or metrics port cannot be opened."},
    {.name = "healthz-bind-address",
     .type = FLAG_STRING,
     .offset = AT(healthz_bind_address),
     .initial = "0.0.0.0:10256",
     .help = "Address and port of /healthz and /livez; empty for none."},
    {.name = "metrics-bind-address",
     .type = FLAG_STRING,
     .offset = AT(metrics_bind_address),
     .initial = "127.0.0.1:10249",
     .help = "Address and port of /metrics; empty for none."},
    {.name = "healthz-port",
     .type = FLAG_INT,
     .offset = AT(healthz_port),
     .initial = "10256",
     .max = 65535,
     .help = "Port of --healthz-bind-address if that names none; 0 for none. Deprecated."},
    {.name = "metrics-port",
     .type = FLAG_INT,
     .offset = AT(metrics_port),
     .initial = "10249",
     .max = 65535,
     .help = "Port of --metrics-bind-address if that names none; 0 for none. Deprecated."},
    {.name = "proxy-mode",
     .type = FLAG_STRING,
     .offset = AT(mode),
     .choices = modes,
     .help = "How Services are programmed: iptables. Empty chooses the best this kernel supports."},
    {.name = "iptables-masquerade-bit",
     .type = FLAG_INT,
     .offset = AT(masquerade_bit),
     .initial = "14",
     .max = 31,
     .help = "Bit of the packet mark that asks for masquerading."},
    {.name = "masquerade-all",
     .type = FLAG_BOOL,
     .offset = AT(masquerade_all),
     .help = "Masquerade everything sent to a cluster IP."},
    {.name = "iptables-localhost-nodeports",
     .type = FLAG_BOOL,
     .offset = AT(localhost_node_ports),
     .initial = "true",
     .help = "Answer node ports on 127.0.0.1 too, in iptables mode."},
    {.name = "iptables-sync-period",
     .type = FLAG_DURATION,
     .offset = AT(sync_period_ns),
     .initial = "30s",
     .min = TIME_S_NS,
     .max = 24 * 3600 * TIME_S_NS,
     .help = "Longest time between looks at what the kernel has."},
    {.name = "iptables-min-sync-period",
     .type = FLAG_DURATION,
     .offset = AT(min_sync_period_ns),
     .initial = "1s",
     .max = 3600 * TIME_S_NS,
     .help = "Upper bound for coalescing changes. A change is applied at once when nothing is under way, so "
             "it is never waited for."},
    {.name = "detect-local-mode",
     .type = FLAG_STRING,
     .offset = AT(detect_local_mode),
     .choices = detect_modes,
     .help = "How traffic of this node's pods is recognised: ClusterCIDR (default), NodeCIDR, "
             "BridgeInterface or InterfaceNamePrefix."},
    {.name = "cluster-cidr",
     .type = FLAG_LIST,
     .offset = AT(cluster_cidr),
     .help = "Addresses of pods, one CIDR per family; for ClusterCIDR."},
    {.name = "pod-bridge-interface",
     .type = FLAG_STRING,
     .offset = AT(pod_bridge_interface),
     .help = "For BridgeInterface."},
    {.name = "pod-interface-name-prefix",
     .type = FLAG_STRING,
     .offset = AT(pod_interface_prefix),
     .help = "For InterfaceNamePrefix."},
    {.name = "nodeport-addresses",
     .type = FLAG_LIST,
     .offset = AT(node_port_addresses),
     .help =
         "CIDRs of the addresses that answer node ports, or the word primary. Empty: all local addresses."},
    {.name = "oom-score-adj",
     .type = FLAG_INT,
     .offset = AT(oom_score_adj),
     .initial = "-999",
     .min = -1000,
     .max = 1000,
     .help = "The kernel's readiness to kill this process when memory is short."},
    {.name = "cleanup",
     .type = FLAG_BOOL,
     .offset = AT(cleanup),
     .help = "Remove every rule of ours, and exit."},
    {.name = "v", .type = FLAG_INT, .offset = AT(verbosity), .max = 10, .help = "Verbosity of the log."},
    {.name = "logging-format",
     .type = FLAG_STRING,
     .offset = AT(logging_format),
     .initial = "text",
     .choices = formats,
     .help = "text or json."},
    {.name = "version", .type = FLAG_BOOL, .offset = AT(version), .help = "Print the version, and exit."},

    {.name = "config", .type = FLAG_REFUSED, .help = LATER "; say it with flags"},
    {.name = "write-config-to", .type = FLAG_REFUSED, .help = LATER},
    {.name = "init-only", .type = FLAG_REFUSED, .help = LATER},
    {.name = "master", .type = FLAG_REFUSED, .help = "name the server in the kubeconfig"},
    {.name = "kube-api-content-type", .type = FLAG_REFUSED, .help = "the API is spoken in JSON"},
    {.name = "kube-api-qps",
     .type = FLAG_REFUSED,
     .help = "the proxy only watches, so there is no rate to limit"},
    {.name = "kube-api-burst",
     .type = FLAG_REFUSED,
     .help = "the proxy only watches, so there is no rate to limit"},
    {.name = "config-sync-period", .type = FLAG_REFUSED, .help = "caches follow watches and need no resync"},
    {.name = "profiling", .type = FLAG_REFUSED, .help = LATER},
    {.name = "show-hidden-metrics-for-version", .type = FLAG_REFUSED, .help = "there are no hidden metrics"},
    {.name = "feature-gates", .type = FLAG_REFUSED, .help = "there are no feature gates"},
    {.name = "ipvs-sync-period", .type = FLAG_REFUSED, .help = IPVS},
    {.name = "ipvs-min-sync-period", .type = FLAG_REFUSED, .help = IPVS},
    {.name = "ipvs-scheduler", .type = FLAG_REFUSED, .help = IPVS},
    {.name = "ipvs-exclude-cidrs", .type = FLAG_REFUSED, .help = IPVS},
    {.name = "ipvs-strict-arp", .type = FLAG_REFUSED, .help = IPVS},
    {.name = "ipvs-tcp-timeout", .type = FLAG_REFUSED, .help = IPVS},
    {.name = "ipvs-tcpfin-timeout", .type = FLAG_REFUSED, .help = IPVS},
    {.name = "ipvs-udp-timeout", .type = FLAG_REFUSED, .help = IPVS},
    {.name = "conntrack-max-per-core", .type = FLAG_REFUSED, .help = CONNTRACK},
    {.name = "conntrack-min", .type = FLAG_REFUSED, .help = CONNTRACK},
    {.name = "conntrack-tcp-timeout-established", .type = FLAG_REFUSED, .help = CONNTRACK},
    {.name = "conntrack-tcp-timeout-close-wait", .type = FLAG_REFUSED, .help = CONNTRACK},
    {.name = "conntrack-tcp-be-liberal", .type = FLAG_REFUSED, .help = CONNTRACK},
    {.name = "conntrack-udp-timeout", .type = FLAG_REFUSED, .help = CONNTRACK},
    {.name = "conntrack-udp-timeout-stream", .type = FLAG_REFUSED, .help = CONNTRACK},
    {.name = "vmodule", .type = FLAG_REFUSED, .help = LATER},
    {.name = "log-flush-frequency", .type = FLAG_REFUSED, .help = "every line is written at once"},
    {.name = "windows-service", .type = FLAG_REFUSED, .help = WINDOWS},
    {.name = "source-vip", .type = FLAG_REFUSED, .help = WINDOWS},
    {.name = "network-name", .type = FLAG_REFUSED, .help = WINDOWS},
    {.name = "enable-dsr", .type = FLAG_REFUSED, .help = WINDOWS},
    {.name = "root-hnsendpoint-name", .type = FLAG_REFUSED, .help = WINDOWS},
    {.name = "forward-healthcheck-vip", .type = FLAG_REFUSED, .help = WINDOWS},
};
const size_t n_proxy_flags = ARRAY_LEN(proxy_flags);

/* "ADDRESS:PORT", "[V6]:PORT" or "ADDRESS" with PORT from its own flag; empty: none. */
static int resolve_listen(const char *flag, const char *text, int64_t port, struct proxy_listen *ret,
                          struct err *err)
{
    struct str s = str_of(text), host = s;
    uint64_t number = (uint64_t)port;
    *ret = (struct proxy_listen){0};
    if (!s.len || port == 0)
        return 0;
    ptrdiff_t bracket = str_find_char(s, ']'), colon = -1;
    for (size_t i = 0; i < s.len; i++)
        colon = s.p[i] == ':' ? (ptrdiff_t)i : colon;
    bool bare_v6 = bracket < 0 && colon >= 0 && str_find_char(s, ':') != colon;
    if (colon > bracket && !bare_v6) {
        if (str_to_uint64(str_slice(s, colon + 1, s.len), &number) < 0 || number > 65535)
            return err_set(err, -EINVAL, "--%s: \"%s\" has no port between 0 and 65535", flag, text);
        host = str_slice(s, 0, colon);
    }
    if (bracket > 0)
        host = str_slice(s, 1, bracket);
    if (ip_parse(host, &ret->ip) < 0)
        return err_set(err, -EINVAL, "--%s: \"%s\" is not an IP address with an optional port", flag, text);
    ret->port = (uint16_t)number;
    return 0;
}

static int resolve_node_name(const struct proxy_options *o, const char *host_name, char ret[static 254],
                             struct err *err)
{
    struct str name = str_trim(str_of(*o->hostname_override ? o->hostname_override : host_name));
    if (!name.len || name.len > 253)
        return err_set(err, -EINVAL, "--hostname-override: \"%.*s\" is not a node name", STR_ARG(name));
    for (size_t i = 0; i < name.len; i++)
        ret[i] = (char)tolower((unsigned char)name.p[i]);
    ret[name.len] = 0;
    return 0;
}

static int resolve_interface(const char *flag, const char *text, char ret[static DETECTOR_INTERFACE_LEN],
                             struct err *err)
{
    size_t len = strlen(text);
    bool valid = len && len < DETECTOR_INTERFACE_LEN;
    for (size_t i = 0; i < len; i++) /* it ends in rules as it is, where these would mean something */
        valid = valid && isgraph((unsigned char)text[i]) && !strchr("/:\"'\\+!", text[i]);
    if (!valid)
        return err_set(err, -EINVAL, "--%s: \"%s\" is not an interface name; --detect-local-mode needs one",
                       flag, text);
    memcpy(ret, text, len + 1);
    return 0;
}

static int resolve_detection(const struct proxy_options *o, struct decide_config *ret, struct err *err)
{
    static const char *const no_cidr = "--cluster-cidr: \"%.*s\" is not a CIDR";
    for (size_t i = 0; i < o->cluster_cidr.n; i++) {
        if (ret->n_cluster_cidrs == DECIDE_MAX_CLUSTER_CIDRS)
            return err_set(err, -EINVAL, "--cluster-cidr: more than %d CIDRs", DECIDE_MAX_CLUSTER_CIDRS);
        if (ip_prefix_parse(o->cluster_cidr.v[i], &ret->cluster_cidrs[ret->n_cluster_cidrs++]) < 0)
            return err_set(err, -EINVAL, no_cidr, STR_ARG(o->cluster_cidr.v[i]));
    }
    if (strcmp(o->detect_local_mode, "NodeCIDR") == 0) {
        ret->detect_local = DETECT_LOCAL_NODE_CIDR;
    } else if (strcmp(o->detect_local_mode, "BridgeInterface") == 0) {
        ret->detect_local = DETECT_LOCAL_BRIDGE;
        return resolve_interface("pod-bridge-interface", o->pod_bridge_interface, ret->interface, err);
    } else if (strcmp(o->detect_local_mode, "InterfaceNamePrefix") == 0) {
        ret->detect_local = DETECT_LOCAL_INTERFACE_PREFIX;
        return resolve_interface("pod-interface-name-prefix", o->pod_interface_prefix, ret->interface, err);
    }
    return 0;
}

static int resolve_node_port_addresses(const struct proxy_options *o, struct decide_config *ret,
                                       struct err *err)
{
    for (size_t i = 0; i < o->node_port_addresses.n; i++) {
        struct str text = o->node_port_addresses.v[i];
        if (str_eqz(text, "primary")) {
            if (o->node_port_addresses.n > 1)
                return err_set(err, -EINVAL, "--nodeport-addresses: primary stands alone");
            ret->node_ports_primary = true;
            return 0;
        }
        if (ret->n_node_port_cidrs == NODE_PORT_MAX_CIDRS)
            return err_set(err, -EINVAL, "--nodeport-addresses: more than %d CIDRs", NODE_PORT_MAX_CIDRS);
        if (ip_prefix_parse(text, &ret->node_port_cidrs[ret->n_node_port_cidrs++]) < 0)
            return err_set(err, -EINVAL,
                           "--nodeport-addresses: \"%.*s\" is neither a CIDR nor the word primary",
                           STR_ARG(text));
    }
    return 0;
}

int proxy_options_resolve(const struct proxy_options *o, const char *host_name, struct proxy_resolved *ret,
                          struct err *err)
{
    struct proxy_resolved p = {.mode = o->mode, .sync_period_ms = o->sync_period_ns / TIME_MS_NS};
    p.decide.masquerade_all = o->masquerade_all;
    p.decide.localhost_node_ports = o->localhost_node_ports;
    p.datapath.masquerade_bit = (int)o->masquerade_bit;
    if (o->min_sync_period_ns > o->sync_period_ns)
        return err_set(err, -EINVAL, "--iptables-min-sync-period is longer than --iptables-sync-period");
    if (ip_parse(str_of(o->bind_address), &p.decide.bind_address) < 0)
        return err_set(err, -EINVAL, "--bind-address: \"%s\" is not an IP address", o->bind_address);
    int r = resolve_node_name(o, host_name, p.decide.node_name, err);
    if (r == 0)
        r = resolve_detection(o, &p.decide, err);
    if (r == 0)
        r = resolve_node_port_addresses(o, &p.decide, err);
    if (r == 0)
        r = resolve_listen("healthz-bind-address", o->healthz_bind_address, o->healthz_port, &p.health, err);
    if (r == 0)
        r = resolve_listen("metrics-bind-address", o->metrics_bind_address, o->metrics_port, &p.metrics, err);
    if (r == 0)
        *ret = p;
    return r;
}
