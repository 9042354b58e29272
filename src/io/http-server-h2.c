/* The server's side of HTTP/2, over nghttp2's memory interface.
 *
 * Floods (CVE-2019-951x, CVE-2020-11080, CVE-2023-44487, CVE-2024-28182): streams, header bytes, settings,
 * resets and unanswered acks are limited by nghttp2 as set here, frames that cost work and carry nothing by
 * flood_frame(). Nothing is produced while STREAM_QUEUE_LEN bytes wait for the network.
 */
#include <errno.h>

#include "io/http-server-conn.h"

#define MAX_HEADER_LEN                                                                                       \
    ((size_t)64 * 1024) /* names and values of a request with 32 bytes each, as HPACK counts */
#define MAX_HEADERS       128
#define MAX_SETTINGS      32   /* entries of a SETTINGS frame */
#define MAX_ACKS          256  /* queued answers to PING and SETTINGS */
#define MAX_IDLE_FRAMES   1000 /* frames per second without a request or body in them */
#define RESET_BURST       500  /* streams reset by the client at once, */
#define RESET_RATE        50   /* and per second in the long run */
#define STREAM_WINDOW_LEN ((int32_t)256 * 1024)
#define CONN_WINDOW_LEN   ((int32_t)1024 * 1024)

static struct server_exchange *exchange_of(const struct http_exchange *ex)
{
    return container_of(ex, struct server_exchange, ex);
}

static nghttp2_nv nv_of(struct str name, struct str value)
{
    return (nghttp2_nv){(uint8_t *)name.p, (uint8_t *)value.p, name.len, value.len, NGHTTP2_NV_FLAG_NONE};
}

/* --- replies --- */

static void finish(struct server_exchange *se)
{
    se->ended = true;
    if (!se->conn)
        server_exchange_free(se); /* else when the stream has closed */
}

/* Lets the stream go on sending. */
static void resume(struct server_exchange *se)
{
    if (se->deferred) {
        se->deferred = false;
        (void)nghttp2_session_resume_data(se->conn->session,
                                          se->stream_id); /* fails if the stream is closing */
    }
    stream_wake(&se->conn->stream);
}

static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *buf, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct server_exchange *se = source->ptr;
    (void)session, (void)stream_id, (void)user;
    size_t n = MIN(se->out.len - se->out_at, size);
    if (n == 0 && !se->ended) {
        se->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n)
        memcpy(buf, se->out.p + se->out_at, n);
    se->out_at += n;
    if (se->out_at == se->out.len) {
        strbuf_done(&se->out);
        se->out_at = 0;
        if (se->ended)
            *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)n;
}

static void submit(struct server_exchange *se, int status, const struct http_header *headers, size_t n,
                   bool has_body)
{
    nghttp2_nv *nva = arena_new_array(&se->arena, nghttp2_nv, n + 1);
    nva[0] = nv_of(STR(":status"), arena_format(&se->arena, "%d", status));
    for (size_t i = 0; i < n; i++)
        nva[i + 1] = nv_of(headers[i].name, headers[i].value);
    nghttp2_data_provider body = {.source.ptr = se, .read_callback = read_body};
    if (nghttp2_submit_response(se->conn->session, se->stream_id, nva, n + 1, has_body ? &body : NULL) != 0)
        server_conn_close(se->conn); /* out of memory */
}

static void h2_reply(struct http_exchange *ex, int status, const struct http_header *headers,
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
    se->head_only |= bodiless;
    if (!se->head_only)
        strbuf_add_str(&se->out, body);
    se->was_queued = se->out.len > 0;
    se->ended = last;
    if (close_after)
        server_h2_drain(conn);
    submit(se, status, all, n, !se->head_only && (!last || body.len));
    stream_wake(&conn->stream);
}

static void h2_write(struct http_exchange *ex, struct str bytes)
{
    struct server_exchange *se = exchange_of(ex);
    if (!se->conn || se->head_only || !bytes.len)
        return;
    if (se->out_at > STREAM_QUEUE_LEN && se->out_at > se->out.len / 2) {
        strbuf_consume(&se->out, se->out_at);
        se->out_at = 0;
    }
    strbuf_add_str(&se->out, bytes);
    se->was_queued = true;
    resume(se);
}

static void h2_end(struct http_exchange *ex)
{
    struct server_exchange *se = exchange_of(ex);
    bool connected = se->conn;
    finish(se);
    if (connected)
        resume(se);
}

static size_t h2_queued(const struct http_exchange *ex)
{
    const struct server_exchange *se = exchange_of(ex);
    return se->out.len - se->out_at;
}

static const struct http_exchange_ops h2_ops = {h2_reply, h2_write, h2_end, h2_queued};

/* --- requests --- */

static void set_refusal(struct server_exchange *se, int status, const char *text)
{
    if (se->refuse)
        return;
    se->refuse = status;
    se->refuse_text = text;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct server_conn *conn = user;
    if (conn->closed)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct server_exchange *se = server_exchange_new(conn, &h2_ops);
    se->stream_id = frame->hd.stream_id;
    nghttp2_session_set_stream_user_data(session, se->stream_id, se);
    return 0;
}

static void add_header(struct server_exchange *se, struct str name, struct str value)
{
    struct http_request *r = &se->request;
    if (r->n_headers == se->headers_capacity) {
        size_t capacity = se->headers_capacity ? se->headers_capacity * 2 : 16;
        struct http_header *more = arena_new_array(&se->arena, struct http_header, capacity);
        if (r->n_headers)
            memcpy(more, r->headers, r->n_headers * sizeof *more);
        r->headers = more;
        se->headers_capacity = capacity;
    }
    ((struct http_header *)r->headers)[r->n_headers++] =
        (struct http_header){arena_str(&se->arena, name), arena_str(&se->arena, value)};
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name_p,
                     size_t name_len, const uint8_t *value_p, size_t value_len, uint8_t flags, void *user)
{
    struct server_exchange *se = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    struct str name = {(const char *)name_p, name_len}, value = {(const char *)value_p, value_len};
    (void)flags, (void)user; /* on_begin_headers() has looked whether the connection is closed */
    if (!se || se->refuse || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0; /* trailers are dropped */
    se->head_len += name_len + value_len + 32;
    if (se->head_len > MAX_HEADER_LEN)
        set_refusal(se, 431, "the request head is larger than 64 KiB");
    else if (se->request.n_headers == MAX_HEADERS)
        set_refusal(se, 431, "there are more than 128 headers");
    else if (str_eq(name, STR(":method")))
        se->request.method = arena_str(&se->arena, value);
    else if (str_eq(name, STR(":path")))
        se->request.target = arena_str(&se->arena, value);
    else if (str_eq(name, STR(":authority")))
        add_header(se, STR("host"), value);
    else if (name.p[0] != ':')
        add_header(se, name, value);
    return 0;
}

static bool is_path(struct str target)
{
    for (size_t i = 0; i < target.len; i++)
        if (target.p[i] <= 0x20 || target.p[i] >= 0x7f)
            return false;
    return target.len > 0 && target.p[0] == '/';
}

/* The head is there: what can be refused without the body is. */
static void head_complete(struct server_exchange *se)
{
    struct str length = http_request_header(&se->request, STR("content-length"));
    uint64_t n = 0;
    se->head_only = str_eq(se->request.method, STR("HEAD"));
    if (!is_path(se->request.target))
        set_refusal(se, 400, "the request target is not a path");
    else if (length.p && str_to_uint64(length, &n) == 0 && n > se->conn->server->config.max_body_len)
        set_refusal(se, 413, NULL);
    if (!se->request.headers)
        se->request.headers = arena_new_array(&se->arena, struct http_header, 1);
}

static void refuse(struct server_exchange *se)
{
    _cleanup_(strbuf_done) struct strbuf text = {0};
    if (se->dispatched)
        return;
    se->dispatched = true; /* once */
    if (se->refuse == 413)
        strbuf_addf(&text, "the request body is larger than %zu bytes",
                    se->conn->server->config.max_body_len);
    else
        strbuf_addz(&text, se->refuse_text);
    server_exchange_refuse(se, se->refuse, text.p);
}

/* Frames that make no progress: a client may send some, not thousands a second. */
static int flood_frame(struct server_conn *conn)
{
    int64_t now_s = loop_now(conn->server->config.loop).ns / TIME_S_NS;
    if (now_s != conn->flood_s) {
        conn->flood_s = now_s;
        conn->flood_n = 0;
    }
    if (++conn->flood_n <= MAX_IDLE_FRAMES)
        return 0;
    conn->server->stats.n_refused++;
    return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct server_conn *conn = user;
    bool ends = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (conn->closed)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (frame->hd.type != NGHTTP2_HEADERS &&
        (frame->hd.type != NGHTTP2_DATA || (!frame->hd.length && !ends)) &&
        frame->hd.type != NGHTTP2_WINDOW_UPDATE)
        return flood_frame(conn);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    struct server_exchange *se = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!se)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        head_complete(se);
    se->received = ends;
    if (se->refuse)
        refuse(se);
    else if (ends)
        server_exchange_dispatch(se);
    return 0;
}

static int on_body(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *p, size_t len,
                   void *user)
{
    struct server_conn *conn = user;
    (void)flags;
    if (conn->closed) /* by a callback before; its exchanges are gone */
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    struct server_exchange *se = nghttp2_session_get_stream_user_data(session, stream_id);
    if (!se || se->refuse)
        return 0; /* answered already: curl takes a reset for a failure, so the rest is read and dropped */
    int status = server_exchange_add_body(se, (struct str){(const char *)p, len});
    if (status) {
        set_refusal(se, status, "the server is receiving too many large requests, try again later");
        refuse(se);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code, void *user)
{
    struct server_conn *conn = user;
    (void)error_code;
    if (conn->closed)
        return 0;
    struct server_exchange *se = nghttp2_session_get_stream_user_data(session, stream_id);
    if (!se)
        return 0;
    nghttp2_session_set_stream_user_data(session, stream_id, NULL);
    conn->since = loop_now(conn->server->config.loop);
    server_exchange_abort(se); /* only frees it if it has ended */
    return 0;
}

/* --- the session --- */

static nghttp2_session_callbacks *callbacks_new(void)
{
    nghttp2_session_callbacks *cb;
    if (nghttp2_session_callbacks_new(&cb) != 0)
        return NULL;
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_body);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    return cb;
}

int server_h2_open(struct server_conn *conn)
{
    nghttp2_session_callbacks *cb = callbacks_new();
    nghttp2_option *option = NULL;
    if (!cb || nghttp2_option_new(&option) != 0) {
        nghttp2_session_callbacks_del(cb);
        return -ENOMEM;
    }
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_settings(option, MAX_SETTINGS);
    nghttp2_option_set_max_outbound_ack(option, MAX_ACKS);
    nghttp2_option_set_stream_reset_rate_limit(option, RESET_BURST, RESET_RATE);
    nghttp2_option_set_max_continuations(option, 8);
    int r = nghttp2_session_server_new2(&conn->session, cb, conn, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(cb);
    if (r != 0)
        return -ENOMEM;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, conn->server->config.max_streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)STREAM_WINDOW_LEN},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)MAX_HEADER_LEN},
    };
    if (nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings)) != 0 ||
        nghttp2_session_set_local_window_size(conn->session, NGHTTP2_FLAG_NONE, 0, CONN_WINDOW_LEN) != 0)
        return -ENOMEM;
    return 0;
}

void server_h2_data(struct server_conn *conn, struct str bytes)
{
    ssize_t n = nghttp2_session_mem_recv(conn->session, (const uint8_t *)bytes.p, bytes.len);
    if (conn->closed)
        return;
    if (n < 0) {
        server_conn_close(conn);
        return;
    }
    stream_wake(&conn->stream);
}

/* Tells the handlers whose bytes are all gone; they may write more. */
static void tell_drained(struct server_conn *conn)
{
    list_foreach_safe (&conn->exchanges, n) {
        struct server_exchange *se = container_of(n, struct server_exchange, node);
        if (!se->was_queued || se->out.len || se->ended || !se->dispatched)
            continue;
        se->was_queued = false;
        if (se->ex.on_drained)
            se->ex.on_drained(&se->ex, se->ex.user);
        if (conn->closed)
            return;
    }
}

void server_h2_fill(struct server_conn *conn)
{
    while (stream_queued(&conn->stream) < STREAM_QUEUE_LEN) {
        const uint8_t *p;
        ssize_t n = nghttp2_session_mem_send(conn->session, &p);
        if (conn->closed)
            return;
        if (n < 0) {
            server_conn_close(conn);
            return;
        }
        if (n == 0)
            break;
        stream_send(&conn->stream, (struct str){(const char *)p, (size_t)n});
    }
    if (!nghttp2_session_want_read(conn->session) && !nghttp2_session_want_write(conn->session) &&
        !stream_queued(&conn->stream)) {
        server_conn_close(conn);
        return;
    }
    tell_drained(conn);
}

void server_h2_drain(struct server_conn *conn)
{
    if (!conn->session)
        return;
    int32_t last = nghttp2_session_get_last_proc_stream_id(conn->session);
    (void)nghttp2_submit_goaway(conn->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
    stream_wake(&conn->stream);
}

void server_h2_done(struct server_conn *conn)
{
    nghttp2_session_del(conn->session);
    conn->session = NULL;
}

bool server_h2_is_overdue(const struct server_conn *conn, struct monotime now)
{
    const struct http_server_config *config = &conn->server->config;
    if (list_is_empty(&conn->exchanges))
        return monotime_since_ms(now, conn->since) >= config->idle_timeout_ms;
    list_foreach (&conn->exchanges, n) {
        const struct server_exchange *se = container_of(n, struct server_exchange, node);
        if (!se->received && monotime_since_ms(now, se->since) >= config->body_timeout_ms)
            return true;
    }
    return false;
}
