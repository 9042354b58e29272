/* The server's certificates on disk: made on first start, kept, renewed before they expire.
 *
 * DIR/pki/ca.crt, ca.key: the cluster's own authority, 10 years. Everything it signs lives a year and is made
 * again at start when fewer than 30 days are left, when the authority changed, or when the names it must have
 * changed.
 */
#pragma once

#include "io/tls-cert.h"

struct server_pki {
    struct tls_pem ca, server, admin, agent;
};

struct server_pki_options {
    const char *dir; /* data directory */
    const char *node_name;
    const struct str *dns_names; /* of the server */
    size_t n_dns_names;
    const struct ip *ips;
    size_t n_ips;
    struct walltime now;
};

/* Errors: file's and tls-cert's, with the path. */
int server_pki_load(const struct server_pki_options *options, struct server_pki *ret, struct err *err);
void server_pki_done(struct server_pki *pki);
