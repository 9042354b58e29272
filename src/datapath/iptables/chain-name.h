/* Names of the chains of one service port, as kube-proxy makes them. */
#pragma once

#include "service/forwarding-state.h"

#define CHAIN_NAME_LEN 29 /* with the NUL; the kernel's limit */

enum chain_role {
    CHAIN_SVC, /* balances over the cluster set */
    CHAIN_SVL, /* balances over the local set */
    CHAIN_EXT, /* traffic from outside */
    CHAIN_FW,  /* source ranges */
    CHAIN_SEP, /* one backend */
};

struct chain_names {
    char svc[CHAIN_NAME_LEN], svl[CHAIN_NAME_LEN], ext[CHAIN_NAME_LEN], fw[CHAIN_NAME_LEN];
};

/* Prefix, then 16 characters of base32 of SHA-256 over "namespace/name:port" and the protocol in lower case.
 * Source: 4.1 of the service reference (kube-proxy pkg/proxy/iptables/proxier.go, portProtoHash). */
void chain_names_of(const struct service_port *p, struct chain_names *ret);
/* The same with "ip:port" appended to what is hashed. */
void chain_name_of_backend(const struct service_port *p, const struct backend *b,
                           char ret[static CHAIN_NAME_LEN]);

/* Whether a chain of that name is made for a service port, by us or a predecessor. */
bool chain_name_is_hashed(struct str name);
