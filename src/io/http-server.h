/* HTTP server on the loop: HTTP/1.1 and HTTP/2 on one port, by ALPN, with or without TLS.
 *
 * The handler gets whole requests as exchanges (io/http.h). What the server itself refuses (malformed, too
 * large, too slow) it answers with a body made by format_error. Everything a client can grow has a limit
 * here. A handler that answers with "connection: close" ends the connection after the reply.
 *
 *     http_server_new(&config, &server);
 *     http_server_listen(server, &ip, 6443, &port, &err);
 *     ...
 *     http_server_drain(server);  // refuses new requests, lets the others end
 *     http_server_free(server);   // aborts what is left
 */
#pragma once

#include "io/http.h"
#include "io/loop.h"

struct http_server;
struct tls_context;

struct http_server_config {
    struct loop *loop;
    struct tls_context *tls; /* borrowed; NULL: plain HTTP/1.1 */
    http_handle_fn *handle;
    void *ctx;
    /* Optional: the body of an answer that the server makes itself, and its type. Else a line of text. */
    void (*format_error)(void *ctx, int status, const char *message, struct strbuf *out);
    const char *error_content_type;

    /* Limits; 0 takes the value in brackets. */
    size_t max_body_len;     /* of one request: else 413 [3 MiB] */
    size_t max_bodies_len;   /* of all requests being received: else 503 [64 MiB] */
    size_t max_connections;  /* more wait in the kernel's queue [4096] */
    uint32_t max_streams;    /* requests at once on an HTTP/2 connection [100] */
    int64_t idle_timeout_ms; /* without a request [180 s] */
    int64_t head_timeout_ms; /* handshake; from the first byte of a head to its last [10 s] */
    int64_t body_timeout_ms; /* from the head to the last byte of the body [60 s] */
    int64_t send_timeout_ms; /* something to send and the other side takes nothing [60 s] */
};

void http_server_new(const struct http_server_config *config, struct http_server **ret);

/* Listens on IP:PORT; port 0 picks a free one. May be called several times. RET_PORT may be NULL.
 * Errors: -EADDRINUSE, -EACCES, -EADDRNOTAVAIL and others with a sentence that names the address. */
int http_server_listen(struct http_server *server, const struct ip *ip, uint16_t port, uint16_t *ret_port,
                       struct err *err);

/* Later connections use this context; NULL is not allowed. Borrowed. */
void http_server_set_tls(struct http_server *server, struct tls_context *tls);

/* Stops listening, closes idle connections, and closes the others as soon as their replies have ended. */
void http_server_drain(struct http_server *server);

/* Aborts every exchange (on_abort is called) and closes everything. Not from inside a handler. */
void http_server_free(struct http_server *server);

struct http_server_stats {
    size_t n_connections, n_exchanges;
    uint64_t n_accepted, n_requests, n_refused; /* refused: answered by the server itself */
};
void http_server_stats_get(const struct http_server *server, struct http_server_stats *ret);
