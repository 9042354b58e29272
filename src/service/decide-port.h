/* Decides one service port in one family. Inside of decide: callers use decide.h. */
#pragma once

#include "service/claims.h"
#include "service/decide.h"

/* Backends of one service port; beyond it they are left out. */
#define SERVICE_PORT_MAX_BACKENDS 32768

struct decide_input {
    const struct decide_config *config;
    const struct node *node; /* NULL if not known yet */
    const struct forwarding_settings *settings;
    const struct service *service;
    const struct endpointslice *const *slices; /* of the service, sorted by name, all families */
    size_t n_slices;
    struct omissions *omissions;
    const struct claims *claims;
    const void *owner; /* the Service's name in the claims */
};

/* The service port, with one reference for the caller. */
struct service_port *decide_port(const struct decide_input *in, const struct service_port_spec *spec,
                                 enum ip_family family);

/* Distinct addresses of ready local endpoints. */
uint32_t decide_local_ready(const struct decide_input *in, enum ip_family family);

/* Fills P->backends, the counts of both sets and has_any. */
void decide_backends(const struct decide_input *in, const struct service_port_spec *spec,
                     struct service_port *p);
/* Fills P->frontends and the source ranges; the backends must be there. */
void decide_frontends(const struct decide_input *in, const struct service_port_spec *spec,
                      struct service_port *p);

struct port_policy {
    bool internal_local, external_local; /* Local is asked for and means something */
    bool external; /* the port is reached from outside: node port, balancer address or external IP of the
                      family */
};
struct port_policy decide_policy(const struct decide_input *in, const struct service_port_spec *spec,
                                 enum ip_family family);

/* Whether a Service may have IP as an external or balancer address; adds to the omissions if not. */
bool decide_accepts_external(const struct decide_input *in, const struct ip *ip);
