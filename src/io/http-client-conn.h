/* A connection of the HTTP client and its calls: what http-client.c shares with the two protocols. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "io/http-client.h"
#include "io/http1.h"
#include "io/resolve.h"
#include "io/stream.h"

struct http_client {
    struct http_transport transport;
    struct http_client_config config;
    struct strbuf host, proxy_host;
    struct strbuf name;        /* HOST:PORT, for the Host header and messages */
    struct list conns, closed; /* closed: on their way out */
    size_t n_conns;
    struct list waiting; /* calls without a connection */
    bool speaks_h1;      /* what the last connection spoke */
    struct task pump;
    struct timer tick;
};

struct http_call {
    struct http_client *client;
    struct client_conn *conn; /* NULL while waiting */
    struct list node;         /* in conn->calls or client->waiting */
    const struct http_call_handler *handler;
    void *user;
    struct arena arena; /* the request, then the head of the reply; empty once that was told */
    struct http_request request;
    struct monotime since;
    bool head_told;
    bool retried;

    /* HTTP/2 */
    int32_t stream_id;
    size_t body_at;
    int status;
    struct http_header *headers;
    size_t n_headers, headers_capacity, head_len;
};

enum client_phase {
    CLIENT_CONNECTING, /* name, TCP, TLS */
    CLIENT_PROXY,      /* the proxy's answer to CONNECT is awaited */
    CLIENT_OPEN,
    CLIENT_CLOSED,
};

struct client_conn {
    struct http_client *client;
    struct list node;
    struct stream stream;
    struct task task; /* tries the next address, or frees the connection */
    enum client_phase phase;
    bool is_h2;
    struct list calls;
    size_t n_calls;
    uint64_t n_served;     /* calls ever given to it */
    bool draining;         /* takes no new calls */
    struct monotime since; /* start of connecting; later the last time a call began or ended */

    struct resolve *resolve;
    struct resolve_result addrs;
    int next_addr;
    struct err err; /* why the last address failed */

    /* HTTP/1.1, also the proxy's answer */
    struct strbuf in;
    size_t scanned;
    bool in_body, keep_alive;
    enum http1_body body;
    uint64_t body_left;
    struct http1_chunked chunked;

    /* HTTP/2 */
    nghttp2_session *session;
    uint64_t seen; /* bytes received at the last look */
    struct monotime seen_at;
    bool pinged;
};

/* Ends the call: NULL after a whole reply. The call is gone. */
void client_call_end(struct http_call *call, const struct err *err);
void client_call_head(struct http_call *call, int status, const struct http_header *headers,
                      size_t n_headers);
/* Takes a call off its connection, back to the front of those waiting. */
void client_call_retry(struct http_call *call);
/* Closes the connection; calls that are still on it must be ended by the caller. */
void client_conn_close(struct client_conn *conn);
/* Closes the connection; its calls end with ERR or go elsewhere. */
void client_conn_fail(struct client_conn *conn, const struct err *err);
/* More calls may go on, here or elsewhere. */
void client_pump(struct http_client *client);

void client_h1_start(struct client_conn *conn, struct http_call *call);
void client_h1_data(struct client_conn *conn, struct str bytes);
/* The connection ended: whether this was the end of a whole reply, which is then told. */
bool client_h1_eof(struct client_conn *conn);

int client_h2_open(struct client_conn *conn);
bool client_h2_has_room(const struct client_conn *conn);
void client_h2_start(struct client_conn *conn, struct http_call *call);
void client_h2_cancel(struct client_conn *conn, struct http_call *call);
void client_h2_data(struct client_conn *conn, struct str bytes);
void client_h2_fill(struct client_conn *conn);
