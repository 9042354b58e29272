/* The client's side of HTTP/1.1: one call at a time. */
#include <errno.h>

#include "io/http-client-conn.h"

static struct http_call *current(const struct client_conn *conn)
{
    return list_is_empty(&conn->calls) ? NULL : container_of(conn->calls.next, struct http_call, node);
}

static bool is_ours(struct str name)
{
    return str_eq(name, STR("host")) || str_eq(name, STR("connection")) ||
           str_eq(name, STR("content-length")) || str_eq(name, STR("transfer-encoding"));
}

void client_h1_start(struct client_conn *conn, struct http_call *call)
{
    const struct http_request *r = &call->request;
    struct http_header *headers = arena_new_array(&call->arena, struct http_header, r->n_headers + 2);
    size_t n = 0;
    struct str host = http_request_header(r, STR("host"));
    headers[n++] = (struct http_header){STR("host"), host.p ? host : strbuf_str(&conn->client->name)};
    for (size_t i = 0; i < r->n_headers; i++)
        if (!is_ours(r->headers[i].name))
            headers[n++] = r->headers[i];
    if (r->body.len || str_eq(r->method, STR("POST")) || str_eq(r->method, STR("PUT")) ||
        str_eq(r->method, STR("PATCH")))
        headers[n++] =
            (struct http_header){STR("content-length"), arena_format(&call->arena, "%zu", r->body.len)};
    _cleanup_(strbuf_done) struct strbuf head = {0};
    http1_write_request(r->method, r->target, headers, n, &head);
    stream_send(&conn->stream, strbuf_str(&head));
    stream_send(&conn->stream, r->body);
    conn->in_body = false;
    conn->scanned = 0;
}

static void fail(struct client_conn *conn, const char *what)
{
    struct err err = {0};
    err_set(&err, -EBADMSG, "%s", what);
    client_conn_fail(conn, &err);
}

static void finish(struct client_conn *conn)
{
    conn->in_body = false;
    if (!conn->keep_alive)
        client_conn_close(conn);
    client_call_end(current(conn), NULL);
}

/* Returns false when more bytes are needed. */
static bool take_head(struct client_conn *conn, struct http_call *call)
{
    struct err err = {0};
    struct http1_head head;
    ptrdiff_t len = http1_head_len(conn->in.p, conn->in.len, &conn->scanned);
    if (len == 0)
        return false;
    if (len < 0) {
        fail(conn, "the head of the reply is too large or malformed");
        return false;
    }
    _cleanup_(mem_freep) char *bytes = mem_dup(conn->in.p, (size_t)len);
    strbuf_consume(&conn->in, (size_t)len);
    conn->scanned = 0;
    if (http1_parse_response(bytes, (size_t)len, call->request.method, &head, &err) < 0) {
        client_conn_fail(conn, &err);
        return false;
    }
    if (head.status <
        200) /* there was no Upgrade to agree to: only 100 and 103 make sense, and mean nothing here */
        return head.status != 101 || (fail(conn, "the server switches protocols unasked"), false);
    conn->body = head.body;
    conn->body_left = head.content_length;
    conn->chunked = (struct http1_chunked){0};
    conn->keep_alive = head.keep_alive;
    conn->in_body = true;
    client_call_head(call, head.status, head.headers, head.n_headers);
    if (conn->phase != CLIENT_OPEN)
        return false; /* cancelled */
    if (conn->body == HTTP1_NO_BODY || (conn->body == HTTP1_LENGTH && !conn->body_left))
        finish(conn);
    return true;
}

static bool tell_data(struct client_conn *conn, struct http_call *call, struct str bytes)
{
    if (bytes.len && call->handler->data)
        call->handler->data(call->user, bytes);
    return conn->phase == CLIENT_OPEN; /* else cancelled */
}

static bool take_plain(struct client_conn *conn, struct http_call *call)
{
    struct strbuf in = conn->in; /* callbacks must not find half-used bytes there */
    size_t len = conn->body == HTTP1_LENGTH ? (size_t)MIN(conn->body_left, (uint64_t)in.len) : in.len;
    conn->in = (struct strbuf){0};
    conn->body_left -= conn->body == HTTP1_LENGTH ? len : 0;
    bool open = tell_data(conn, call, (struct str){in.p, len});
    strbuf_consume(&in, len);
    if (open) {
        conn->in = in;
        if (conn->body == HTTP1_LENGTH && conn->body_left == 0)
            finish(conn);
    } else {
        strbuf_done(&in);
    }
    return open;
}

static bool take_chunks(struct client_conn *conn, struct http_call *call)
{
    _cleanup_(strbuf_done) struct strbuf in = conn->in;
    struct str rest = strbuf_str(&in);
    int r = 0;
    conn->in = (struct strbuf){0};
    while (rest.len && r == 0) {
        struct str data;
        struct err err = {0};
        r = http1_chunked_next(&conn->chunked, &rest, &data, &err);
        if (r < 0) {
            client_conn_fail(conn, &err);
            return false;
        }
        if (!tell_data(conn, call, data))
            return false;
    }
    if (r == HTTP1_END) {
        strbuf_add_str(&conn->in, rest);
        finish(conn);
    }
    return true;
}

void client_h1_data(struct client_conn *conn, struct str bytes)
{
    bool more = true;
    strbuf_add_str(&conn->in, bytes);
    while (more && conn->phase == CLIENT_OPEN && conn->in.len) {
        struct http_call *call = current(conn);
        if (!call) {
            fail(conn, "the server sends bytes that belong to no call");
            return;
        }
        more = !conn->in_body                ? take_head(conn, call)
               : conn->body == HTTP1_CHUNKED ? take_chunks(conn, call)
                                             : take_plain(conn, call);
    }
    if (!conn->in.len)
        strbuf_done(&conn->in);
}

bool client_h1_eof(struct client_conn *conn)
{
    if (!current(conn) || !conn->in_body || conn->body != HTTP1_UNTIL_CLOSE)
        return false;
    finish(conn);
    return true;
}
