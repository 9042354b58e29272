/* The parts of `fairlead server`. */
#pragma once

#include "apiserver/apiserver.h"
#include "base/flags.h"
#include "cmd/server-pki.h"
#include "io/host.h"
#include "proxy/options.h"

struct server_options {
    const char *data_dir, *bind_address, *store, *node_name, *node_ip, *advertise_address, *token_auth_file;
    const char *service_node_port_range;
    int64_t secure_port;
    struct flag_list service_cluster_ip_range;
    bool disable_agent, version;
};

extern const struct flag server_flags[];
extern const size_t n_server_flags;

/* The options as the server works with them. */
struct server_resolved {
    const char *data_dir;
    struct ip bind, advertise, node_ip;
    uint16_t port; /* 0: a free one */
    char node_name[HOST_NAME_LEN];
    struct ip_prefix service_ranges[2];
    size_t n_service_ranges;
    struct ip_prefix pod_ranges[2]; /* of which each Node gets its podCIDR */
    size_t n_pod_ranges;
    uint16_t node_port_first, node_port_last;
    bool in_memory;
};

/* PROXY: its --cluster-cidr is where pods live, 10.244.0.0/16 if not given. Errors: -EINVAL with a sentence
 * that names the flag; host's. */
int server_options_resolve(const struct server_options *options, const struct proxy_options *proxy,
                           struct server_resolved *ret, struct err *err);
