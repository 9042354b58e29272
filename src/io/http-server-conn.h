/* A connection of the HTTP server and its exchanges: what http-server.c shares with the two protocols. */
#pragma once

#include <nghttp2/nghttp2.h>

#include "io/http-server.h"
#include "io/http1.h"
#include "io/stream.h"
#include "io/tls.h"

#define DATE_LEN 32

struct http_server {
    struct http_server_config config;
    struct list listeners, conns;
    struct http_server_stats stats;
    size_t bodies_len; /* of all requests being received */
    struct timer sweep;
    bool accept_paused, draining;
    char date[DATE_LEN]; /* of date_s */
    int64_t date_s;
};

enum http1_phase {
    H1_HEAD,    /* idle, or a head is arriving */
    H1_BODY,    /* a body is arriving */
    H1_HANDLER, /* the reply is awaited or being written */
    H1_LINGER,  /* said good-bye, drops what still comes */
};

struct server_conn {
    struct http_server *server;
    struct list node;
    struct stream stream;
    struct task task; /* goes on with pipelined requests, or frees the connection */
    bool closed;
    bool is_h2;
    struct http_peer peer;
    struct tls_client_identity identity;
    struct list exchanges;
    size_t n_exchanges;
    struct monotime since;      /* start of the phase: handshake, idle, head, body, linger */
    struct monotime sent_since; /* last progress of sending */
    uint64_t sent_seen;

    /* HTTP/1.1 */
    enum http1_phase phase;
    struct strbuf in; /* bytes not yet understood */
    size_t scanned;
    struct server_exchange *current;
    struct http1_chunked chunked;
    uint64_t body_left;
    bool keep_alive, linger, in_process, peer_is_http10;
    enum http1_body body;

    /* HTTP/2 */
    nghttp2_session *session;
    int64_t flood_s; /* second that flood_n counts */
    int flood_n;
};

struct server_exchange {
    struct http_exchange ex;
    struct http_request request;
    struct arena arena;
    struct server_conn *conn; /* NULL: the client is gone, the handler does not know it yet */
    struct list node;
    struct strbuf body;    /* of the request while it arrives */
    struct monotime since; /* when its head was complete */
    bool dispatched;       /* the handler has it */
    bool ended;            /* the handler is done with it */
    bool received;         /* the request is whole */
    bool head_only;        /* a HEAD request: no body goes out */
    bool chunked;          /* HTTP/1.1 */
    bool was_queued;       /* on_drained is due when the queue is empty */

    /* HTTP/2 */
    int32_t stream_id;
    struct strbuf out;
    size_t out_at;
    bool deferred;
    size_t head_len;
    size_t headers_capacity;
    int refuse; /* status to answer instead, with refuse_text */
    const char *refuse_text;
};

/* conn: shared by both protocols (http-server.c) */
void server_conn_close(struct server_conn *conn);
struct server_exchange *server_exchange_new(struct server_conn *conn, const struct http_exchange_ops *ops);
void server_exchange_free(struct server_exchange *se);
/* The client is gone: tells the handler, frees what can be. */
void server_exchange_abort(struct server_exchange *se);
/* Adds to the body of the request. Returns 0, or the status to refuse with. */
int server_exchange_add_body(struct server_exchange *se, struct str bytes);
void server_exchange_dispatch(struct server_exchange *se);
/* Answers it by the server itself. */
void server_exchange_refuse(struct server_exchange *se, int status, const char *message);

/* The reply's headers with date and, unless BODY_LEN is -1, content-length; in the exchange's arena.
 * Hop-by-hop headers are left out, and RET_CLOSE tells whether the handler asked for the end of the
 * connection. */
size_t server_reply_headers(struct server_exchange *se, const struct http_header *headers, size_t n_headers,
                            int64_t body_len, struct http_header **ret, bool *ret_close);

void server_h1_open(struct server_conn *conn);
void server_h1_data(struct server_conn *conn, struct str bytes);
void server_h1_fill(struct server_conn *conn);
void server_h1_continue(struct server_conn *conn);
bool server_h1_is_overdue(const struct server_conn *conn, struct monotime now);

int server_h2_open(struct server_conn *conn);
void server_h2_data(struct server_conn *conn, struct str bytes);
void server_h2_fill(struct server_conn *conn);
void server_h2_drain(struct server_conn *conn);
void server_h2_done(struct server_conn *conn);
bool server_h2_is_overdue(const struct server_conn *conn, struct monotime now);
