/* Registration: keeps this host's Node object and its heartbeat in the API.
 *
 * Creates the Node if it is not there (labels of ours are kept, those of others stay), writes its status when
 * it changed and every five minutes, and renews a Lease in kube-node-lease every ten seconds. What fails is
 * tried again with the next heartbeat. Without a container runtime the Node is not Ready and says why;
 * Services work all the same.
 */
#pragma once

#include "io/host.h"
#include "watch/client.h"

struct registration_config {
    struct loop *loop;
    struct random *random;
    struct client *client;
    const char *node_name, *host_name;
    struct ip ips[2]; /* InternalIP addresses; IP_NONE where there is none */
    struct host_facts facts;
    const char *version; /* "v1.36.2+fairlead0.1.0" */
    /* Called once, when the Node is there. Optional. */
    void (*registered)(void *user);
    void *user;
};

struct registration;

/* CONFIG is copied; its strings outlive the registration. */
struct registration *registration_new(const struct registration_config *config);
void registration_start(struct registration *r);
void registration_free(struct registration *r);
