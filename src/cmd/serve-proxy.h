/* A proxy with its ports, as the verbs proxy and agent run it. */
#pragma once

#include "proxy/options.h"
#include "proxy/proxy.h"

struct http_server;

struct served_proxy {
    struct proxy *proxy;
    struct http_server *health, *metrics;
};

/* Chooses the mode, opens the datapath and the ports, drops what rights are no longer needed, and starts.
 * VERB is for messages. Errors: a sentence. */
int serve_proxy_start(struct served_proxy *s, const struct proxy_options *options,
                      const struct proxy_resolved *resolved, struct loop *loop, struct random *random,
                      struct client *client, struct err *err);
void serve_proxy_stop(struct served_proxy *s);

/* Removes every rule of every mode. Returns the exit status. */
int serve_proxy_cleanup(const struct proxy_resolved *resolved, struct loop *loop);
