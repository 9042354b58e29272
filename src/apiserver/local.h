/* A transport into a server of the same process: requests with a given identity, answered without a socket.
 *
 * Controllers, the simulation and tests use it. What comes back arrives on the loop, never from inside
 * http_send(), and honours the flow of a real connection: what is written counts as queued until the loop has
 * handed it on.
 *
 *     struct http_transport *t = local_transport_new(&(struct local_options){
 *         .loop = loop, .handle = apiserver_handle, .ctx = server, .user = STR("system:admin"), ...});
 */
#pragma once

#include "io/http.h"
#include "io/loop.h"

struct local_options {
    struct loop *loop;
    http_handle_fn *handle;
    void *ctx;
    struct str user; /* copied; empty: nobody */
    const struct str *groups;
    size_t n_groups; /* at most 8 */
};

struct http_transport *local_transport_new(const struct local_options *options);

/* While paused, nothing is handed on and everything written stays queued: a client that does not read. */
void local_transport_pause(struct http_transport *t, bool paused);
