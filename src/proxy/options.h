/* kube-proxy's command line, as far as it is built; everything else of it is refused with the reason.
 *
 * One table yields parser, defaults and help (base/flags.h). proxy_options_resolve() turns texts into what
 * the proxy works with and refuses combinations that make no sense. Source: section 6.1 of the semantics.
 */
#pragma once

#include "base/flags.h"
#include "proxy/proxy.h"

struct proxy_options {
    const char *kubeconfig, *hostname_override, *bind_address;
    const char *healthz_bind_address, *metrics_bind_address;
    const char *mode, *detect_local_mode;
    const char *pod_bridge_interface, *pod_interface_prefix;
    int64_t healthz_port, metrics_port, masquerade_bit, oom_score_adj, verbosity;
    int64_t sync_period_ns, min_sync_period_ns;
    struct flag_list cluster_cidr, node_port_addresses;
    const char *logging_format;
    bool masquerade_all, localhost_node_ports, cleanup, bind_address_hard_fail, version;
};

extern const struct flag proxy_flags[];
extern const size_t n_proxy_flags;

/* A socket address to listen on; port 0: none. */
struct proxy_listen {
    struct ip ip;
    uint16_t port;
};

struct proxy_resolved {
    struct decide_config decide;
    struct datapath_options datapath; /* without the loop */
    const char *mode;                 /* "" when the best is to be chosen */
    int64_t sync_period_ms;
    struct proxy_listen health, metrics;
};

/* HOST_NAME is used unless --hostname-override is given. Errors: -EINVAL with a sentence that names the flag.
 */
int proxy_options_resolve(const struct proxy_options *options, const char *host_name,
                          struct proxy_resolved *ret, struct err *err);
