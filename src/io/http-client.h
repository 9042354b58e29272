/* HTTP client on the loop: a transport (io/http.h) to one server.
 *
 * Over TLS it speaks HTTP/2 with all calls on one connection, and further connections only when the server's
 * limit of streams is reached; HTTP/1.1 if the server knows no other (ALPN) and for plain HTTP, one call per
 * connection at a time. A connection that breaks ends its calls; the next call connects again (waiting before
 * that is the caller's business). A GET that was lost with a connection that had served before is sent once
 * more. An HTTP/2 connection that stays silent is asked by PING, so that a dead one ends its watches.
 * Errors name HOST:PORT. The transport must not be freed inside a callback of its calls.
 *
 *     struct http_transport *t = http_client_new(&(struct http_client_config){.loop = loop, .host = host,
 *                                                .port = 6443, .tls = tls});
 *     http_send(t, &request, &handler, self);
 */
#pragma once

#include "io/http.h"
#include "io/loop.h"

struct tls_context;

struct http_client_config {
    struct loop *loop;
    struct str host; /* name or address, an IPv6 one without brackets */
    uint16_t port;
    struct tls_context *tls; /* borrowed (tls_client_new); NULL: plain */
    struct str proxy_host;   /* optional: reached through this proxy by CONNECT; only with tls */
    uint16_t proxy_port;

    /* 0 takes the value in brackets. */
    int64_t connect_timeout_ms; /* TCP and TLS together [10 s] */
    int64_t head_timeout_ms;    /* from http_send() to the head of the reply [60 s] */
    int64_t idle_timeout_ms;    /* a connection without calls is closed [90 s] */
    int64_t ping_interval_ms;   /* silence on HTTP/2 with calls open, then a PING [30 s] */
    int64_t ping_timeout_ms;    /* and its answer [15 s] */
    size_t max_connections;     /* calls beyond what they carry wait [64] */
};

struct http_transport *http_client_new(const struct http_client_config *config);
