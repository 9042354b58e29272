/* A connection to an API server, from a kubeconfig. */
#pragma once

#include "watch/client.h"
#include "watch/kubeconfig.h"

struct connection {
    struct kubeconfig kubeconfig;
    struct tls_context *tls;
    struct http_transport *transport;
    struct client *client;
};

/* PATH empty: from inside a pod. USER_AGENT is what the server logs. Nothing is sent yet.
 * Errors: kubeconfig's and tls', in a sentence. */
int connection_open(struct connection *c, struct loop *loop, const char *path, struct str user_agent,
                    struct err *err);
void connection_close(struct connection *c);
