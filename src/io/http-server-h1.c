/* The server's side of HTTP/1.1: one request at a time, pipelined ones wait in the buffer. */
#include <errno.h>

#include "io/http-server-conn.h"

#define LINGER_MS 2000

static void process(struct server_conn *conn);

static void enter(struct server_conn *conn, enum http1_phase phase)
{
    conn->phase = phase;
    conn->since = loop_now(conn->server->config.loop);
}

/* --- replies --- */

static struct server_exchange *exchange_of(const struct http_exchange *ex)
{
    return container_of(ex, struct server_exchange, ex);
}

/* The handler is done. Goes on with the next request, by the task if this is not the top of the stack. */
static void finish(struct server_exchange *se)
{
    struct server_conn *conn = se->conn;
    se->ended = true;
    server_exchange_free(se);
    if (!conn || conn->closed)
        return;
    bool was_body = conn->phase == H1_BODY;
    enter(conn, H1_HEAD);
    if (!conn->keep_alive || conn->server->draining) {
        conn->linger =
            was_body || conn->in.len; /* bytes of the body may still come: a reset would destroy the reply */
        enter(conn, H1_LINGER);
    } else if (!conn->in_process) {
        task_post(conn->server->config.loop, &conn->task);
    }
    stream_wake(&conn->stream);
}

static void send_body(struct server_exchange *se, struct str bytes)
{
    struct stream *s = &se->conn->stream;
    if (!bytes.len || se->head_only)
        return;
    if (!se->chunked) {
        stream_send(s, bytes);
        return;
    }
    char size[24];
    struct str head = {size, 0};
    static const char digits[] = "0123456789abcdef";
    char reversed[16];
    int n = 0;
    for (size_t left = bytes.len; left; left >>= 4)
        reversed[n++] = digits[left & 15];
    while (n)
        size[head.len++] = reversed[--n];
    size[head.len++] = '\r';
    size[head.len++] = '\n';
    stream_send(s, head);
    stream_send(s, bytes);
    stream_send(s, STR("\r\n"));
}

static void h1_end(struct http_exchange *ex)
{
    struct server_exchange *se = exchange_of(ex);
    if (se->conn && se->chunked && !se->head_only)
        stream_send(&se->conn->stream, STR("0\r\n\r\n"));
    finish(se);
}

static void h1_reply(struct http_exchange *ex, int status, const struct http_header *headers,
                     size_t n_headers, struct str body, bool last)
{
    struct server_exchange *se = exchange_of(ex);
    struct server_conn *conn = se->conn;
    if (!conn) {
        if (last)
            finish(se);
        return;
    }
    bool close_after = false, bodiless = http_status_has_no_body(status);
    struct http_header *all;
    size_t n = server_reply_headers(se, headers, n_headers, last && !bodiless ? (int64_t)body.len : -1, &all,
                                    &close_after);
    conn->keep_alive &= !close_after && !conn->server->draining;
    se->head_only |= bodiless;
    se->chunked = !last && !conn->peer_is_http10;
    if (!last && !se->chunked)
        conn->keep_alive = false; /* HTTP/1.0: the end of the connection ends the body */
    _cleanup_(strbuf_done) struct strbuf head = {0};
    http1_write_response(status, all, n, &head);
    strbuf_truncate(&head, head.len - 2); /* two more headers may come */
    if (se->chunked && !bodiless)
        strbuf_addz(&head, "transfer-encoding: chunked\r\n");
    if (!conn->keep_alive)
        strbuf_addz(&head, "connection: close\r\n");
    else if (conn->peer_is_http10)
        strbuf_addz(&head, "connection: keep-alive\r\n");
    strbuf_addz(&head, "\r\n");
    stream_send(&conn->stream, strbuf_str(&head));
    bool chunked = se->chunked;
    se->chunked = chunked && !last;
    send_body(se, body);
    se->was_queued = true;
    if (last)
        finish(se);
}

static void h1_write(struct http_exchange *ex, struct str bytes)
{
    struct server_exchange *se = exchange_of(ex);
    if (!se->conn)
        return;
    send_body(se, bytes);
    se->was_queued = true;
}

static size_t h1_queued(const struct http_exchange *ex)
{
    const struct server_exchange *se = exchange_of(ex);
    return se->conn ? stream_queued(&se->conn->stream) : 0;
}

static const struct http_exchange_ops h1_ops = {h1_reply, h1_write, h1_end, h1_queued};

/* --- requests --- */

/* Answers and ends the connection: where the next request starts is unknown. */
static void refuse(struct server_conn *conn, int status, const char *message)
{
    if (!conn->current)
        conn->current = server_exchange_new(conn, &h1_ops);
    conn->keep_alive = false;
    enter(conn, H1_BODY);
    server_exchange_refuse(conn->current, status, message);
}

static void refuse_body(struct server_conn *conn, int status)
{
    _cleanup_(strbuf_done) struct strbuf text = {0};
    if (status == 413)
        strbuf_addf(&text, "the request body is larger than %zu bytes", conn->server->config.max_body_len);
    else
        strbuf_addz(&text, "the server is receiving too many large requests, try again later");
    refuse(conn, status, text.p);
}

static void dispatch(struct server_conn *conn)
{
    enter(conn, H1_HANDLER);
    server_exchange_dispatch(conn->current);
}

static void begin_body(struct server_conn *conn, const struct http1_head *head)
{
    conn->body = head->body;
    conn->body_left = head->content_length;
    conn->chunked = (struct http1_chunked){0};
    enter(conn, H1_BODY);
    if (conn->body == HTTP1_LENGTH && conn->body_left > conn->server->config.max_body_len)
        refuse_body(conn, 413);
    else if (conn->body == HTTP1_NO_BODY || (conn->body == HTTP1_LENGTH && !conn->body_left))
        dispatch(conn);
    else if (head->expect_continue && !conn->in.len)
        stream_send(&conn->stream, STR("HTTP/1.1 100 Continue\r\n\r\n"));
}

/* Returns false when more bytes are needed. */
static bool process_head(struct server_conn *conn)
{
    ptrdiff_t len = conn->in.len ? http1_head_len(conn->in.p, conn->in.len, &conn->scanned) : 0;
    if (len == 0)
        return false;
    if (len < 0) {
        refuse(conn, len == -E2BIG ? 431 : 400,
               len == -E2BIG ? "the request head is larger than 64 KiB"
                             : "a line of the request head does not end in CRLF");
        return true;
    }
    struct server_exchange *se = conn->current = server_exchange_new(conn, &h1_ops);
    struct http1_head head;
    struct err err = {0};
    char *bytes = arena_dup(&se->arena, conn->in.p, (size_t)len);
    strbuf_consume(&conn->in, (size_t)len);
    conn->scanned = 0;
    head.keep_alive = false;
    int status = http1_parse_request(bytes, (size_t)len, &head, &err);
    conn->keep_alive = head.keep_alive;
    if (status) {
        refuse(conn, status, err.text);
        return true;
    }
    conn->peer_is_http10 = head.minor == 0;
    struct http_header *headers = arena_new_array(&se->arena, struct http_header, head.n_headers + 1);
    memcpy(headers, head.headers, head.n_headers * sizeof *headers);
    se->request = (struct http_request){head.method, head.target, headers, head.n_headers, STR_NONE};
    se->head_only = str_eq(head.method, STR("HEAD"));
    begin_body(conn, &head);
    return true;
}

/* Takes what there is of a body with a length. Returns 0, -EAGAIN or the status to refuse with; 1 when
 * complete. */
static int take_length(struct server_conn *conn, struct str *in)
{
    struct str part = str_slice(*in, 0, (size_t)MIN(conn->body_left, (uint64_t)in->len));
    *in = str_slice(*in, part.len, in->len);
    conn->body_left -= part.len;
    int status = server_exchange_add_body(conn->current, part);
    return status ? status : conn->body_left == 0;
}

static int take_chunks(struct server_conn *conn, struct str *in)
{
    while (in->len) {
        struct str part;
        int r = http1_chunked_next(&conn->chunked, in, &part, NULL);
        if (r < 0)
            return 400;
        int status = server_exchange_add_body(conn->current, part);
        if (status || r == HTTP1_END)
            return status ? status : 1;
    }
    return 0;
}

static bool process_body(struct server_conn *conn)
{
    if (!conn->in.len)
        return false;
    struct str in = strbuf_str(&conn->in);
    int r = conn->body == HTTP1_LENGTH ? take_length(conn, &in) : take_chunks(conn, &in);
    strbuf_consume(&conn->in, conn->in.len - in.len);
    if (r == 1)
        dispatch(conn);
    else if (r == 400)
        refuse(conn, 400, "the chunked request body is malformed");
    else if (r)
        refuse_body(conn, r);
    return r != 0;
}

/* Works on the buffered bytes until more are needed or a handler is busy. */
static void process(struct server_conn *conn)
{
    bool more = true;
    if (conn->in_process)
        return;
    conn->in_process = true;
    while (more && !conn->closed) {
        if (conn->phase == H1_HEAD)
            more = process_head(conn);
        else if (conn->phase == H1_BODY)
            more = process_body(conn);
        else
            more = false;
    }
    conn->in_process = false;
    if (conn->closed)
        return;
    if (conn->phase == H1_LINGER || !conn->in.len)
        strbuf_done(&conn->in); /* an idle connection keeps nothing */
    /* Pipelined requests wait in the kernel once enough of them wait here. */
    stream_pause(&conn->stream, conn->phase == H1_HANDLER && conn->in.len > HTTP1_MAX_HEAD_LEN);
}

void server_h1_open(struct server_conn *conn)
{
    enter(conn, H1_HEAD);
    conn->keep_alive = true;
}

void server_h1_data(struct server_conn *conn, struct str bytes)
{
    if (conn->phase == H1_LINGER)
        return;
    if (conn->phase == H1_HEAD && !conn->in.len)
        conn->since = loop_now(conn->server->config.loop);
    strbuf_add_str(&conn->in, bytes);
    process(conn);
}

void server_h1_continue(struct server_conn *conn)
{
    process(conn);
}

void server_h1_fill(struct server_conn *conn)
{
    if (stream_queued(&conn->stream))
        return;
    struct server_exchange *se = conn->current;
    if (se && se->dispatched && se->was_queued) {
        se->was_queued = false;
        if (se->ex.on_drained)
            se->ex.on_drained(&se->ex, se->ex.user);
        return;
    }
    if (conn->phase != H1_LINGER)
        return;
    if (conn->linger)
        stream_shutdown(&conn->stream);
    else
        server_conn_close(conn);
}

bool server_h1_is_overdue(const struct server_conn *conn, struct monotime now)
{
    const struct http_server_config *config = &conn->server->config;
    int64_t age_ms = monotime_since_ms(now, conn->since);
    switch (conn->phase) {
    case H1_HEAD:
        return age_ms >= (conn->in.len ? config->head_timeout_ms : config->idle_timeout_ms);
    case H1_BODY:
        return age_ms >= config->body_timeout_ms;
    case H1_LINGER:
        return conn->linger && age_ms >= LINGER_MS && !stream_queued(&conn->stream);
    case H1_HANDLER:
        break; /* as long as the handler wants */
    }
    return false;
}
