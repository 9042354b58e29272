/* The client's side of HTTP/2, over nghttp2's memory interface. */
#include <errno.h>

#include "io/http-client-conn.h"

#define MAX_HEADER_LEN    ((size_t)64 * 1024)
#define STREAM_WINDOW_LEN ((int32_t)1024 * 1024)
#define CONN_WINDOW_LEN   ((int32_t)16 * 1024 * 1024)
#define DEFAULT_STREAMS   100 /* until the server's settings are known */
#define MAX_STREAMS       1000

static nghttp2_nv nv_of(struct str name, struct str value)
{
    return (nghttp2_nv){(uint8_t *)name.p, (uint8_t *)value.p, name.len, value.len, NGHTTP2_NV_FLAG_NONE};
}

/* --- requests --- */

bool client_h2_has_room(const struct client_conn *conn)
{
    uint32_t max =
        nghttp2_session_get_remote_settings(conn->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    if (conn->stream.n_received == 0)
        max = DEFAULT_STREAMS;
    return conn->n_calls < MIN(max, MAX_STREAMS) && nghttp2_session_check_request_allowed(conn->session);
}

static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *buf, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct http_call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    (void)source, (void)user;
    if (!call || call->head_told) { /* the server has answered without waiting for the rest */
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        return 0;
    }
    size_t n = MIN(call->request.body.len - call->body_at, size);
    if (n)
        memcpy(buf, call->request.body.p + call->body_at, n);
    call->body_at += n;
    if (call->body_at == call->request.body.len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

/* Headers that HTTP/2 says otherwise or not at all. */
static bool is_dropped(struct str name)
{
    return str_eq(name, STR("host")) || str_eq(name, STR("connection")) ||
           str_eq(name, STR("content-length")) || str_eq(name, STR("transfer-encoding")) ||
           str_eq(name, STR("keep-alive")) || str_eq(name, STR("upgrade")) || str_eq(name, STR("te"));
}

void client_h2_start(struct client_conn *conn, struct http_call *call)
{
    const struct http_request *r = &call->request;
    nghttp2_nv *nva = arena_new_array(&call->arena, nghttp2_nv, r->n_headers + 5);
    size_t n = 0;
    struct str host = http_request_header(r, STR("host"));
    nva[n++] = nv_of(STR(":method"), r->method);
    nva[n++] = nv_of(STR(":scheme"), STR("https"));
    nva[n++] = nv_of(STR(":authority"), host.p ? host : strbuf_str(&conn->client->name));
    nva[n++] = nv_of(STR(":path"), r->target);
    for (size_t i = 0; i < r->n_headers; i++)
        if (!is_dropped(r->headers[i].name))
            nva[n++] = nv_of(r->headers[i].name, r->headers[i].value);
    if (r->body.len)
        nva[n++] = nv_of(STR("content-length"), arena_format(&call->arena, "%zu", r->body.len));
    nghttp2_data_provider body = {.read_callback = read_body};
    int32_t id = nghttp2_submit_request(conn->session, NULL, nva, n, r->body.len ? &body : NULL, call);
    if (id < 0) {
        struct err err = {0};
        err_set(&err, -EPROTO, "no request to %s: %s", conn->client->name.p, nghttp2_strerror(id));
        client_call_end(call, &err);
        return;
    }
    call->stream_id = id;
    stream_wake(&conn->stream);
}

void client_h2_cancel(struct client_conn *conn, struct http_call *call)
{
    if (conn->phase != CLIENT_OPEN || !call->stream_id)
        return;
    nghttp2_session_set_stream_user_data(conn->session, call->stream_id, NULL);
    (void)nghttp2_submit_rst_stream(conn->session, NGHTTP2_FLAG_NONE, call->stream_id, NGHTTP2_CANCEL);
    stream_wake(&conn->stream);
}

/* --- replies --- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct http_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void)user;
    if (call && !call->head_told) {
        call->status = 0; /* of an interim reply before */
        call->n_headers = 0;
        call->head_len = 0;
    }
    return 0;
}

static void add_header(struct http_call *call, struct str name, struct str value)
{
    if (call->n_headers == call->headers_capacity) {
        size_t capacity = call->headers_capacity ? call->headers_capacity * 2 : 16;
        struct http_header *more = arena_new_array(&call->arena, struct http_header, capacity);
        if (call->n_headers)
            memcpy(more, call->headers, call->n_headers * sizeof *more);
        call->headers = more;
        call->headers_capacity = capacity;
    }
    call->headers[call->n_headers++] =
        (struct http_header){arena_str(&call->arena, name), arena_str(&call->arena, value)};
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name_p,
                     size_t name_len, const uint8_t *value_p, size_t value_len, uint8_t flags, void *user)
{
    struct http_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    struct str name = {(const char *)name_p, name_len}, value = {(const char *)value_p, value_len};
    uint64_t status;
    (void)flags, (void)user;
    if (!call || call->head_told)
        return 0; /* cancelled, or trailers */
    call->head_len += name_len + value_len + 32;
    if (call->head_len > MAX_HEADER_LEN)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets the stream */
    if (str_eq(name, STR(":status")))
        call->status = str_to_uint64(value, &status) == 0 ? (int)status : 0;
    else if (name.p[0] != ':')
        add_header(call, name, value);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct client_conn *conn = user;
    if (conn->phase != CLIENT_OPEN)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        conn->draining = true;
        return 0;
    }
    struct http_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_HEADERS && call && !call->head_told && call->status >= 200)
        client_call_head(call, call->status, call->headers, call->n_headers);
    return 0;
}

static int on_body(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *p, size_t len,
                   void *user)
{
    struct client_conn *conn = user;
    (void)flags;
    if (conn->phase != CLIENT_OPEN)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    struct http_call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    if (call && call->handler->data)
        call->handler->data(call->user, (struct str){(const char *)p, len});
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *user)
{
    struct client_conn *conn = user;
    struct err err = {0};
    if (conn->phase != CLIENT_OPEN)
        return 0;
    struct http_call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    if (!call)
        return 0;
    nghttp2_session_set_stream_user_data(session, stream_id, NULL);
    if (code == NGHTTP2_REFUSED_STREAM && !call->head_told && !call->retried) {
        client_call_retry(call); /* the server has not looked at it */
        return 0;
    }
    if (code == NGHTTP2_NO_ERROR && call->head_told) {
        client_call_end(call, NULL);
        return 0;
    }
    err_set(&err, -ECONNRESET, "%s ended the reply early: %s", conn->client->name.p,
            nghttp2_http2_strerror(code));
    client_call_end(call, &err);
    return 0;
}

/* --- the session --- */

int client_h2_open(struct client_conn *conn)
{
    nghttp2_session_callbacks *cb;
    nghttp2_option *option = NULL;
    if (nghttp2_session_callbacks_new(&cb) != 0)
        return -ENOMEM;
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_body);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    int r = nghttp2_option_new(&option);
    if (r == 0) {
        nghttp2_option_set_no_closed_streams(option, 1);
        nghttp2_option_set_max_continuations(option, 8);
        r = nghttp2_session_client_new2(&conn->session, cb, conn, option);
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(cb);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)STREAM_WINDOW_LEN},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)MAX_HEADER_LEN},
    };
    if (r != 0 ||
        nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings)) != 0 ||
        nghttp2_session_set_local_window_size(conn->session, NGHTTP2_FLAG_NONE, 0, CONN_WINDOW_LEN) != 0)
        return -ENOMEM;
    return 0;
}

static void fail(struct client_conn *conn, const char *what)
{
    struct err err = {0};
    err_set(&err, -EPROTO, "HTTP/2 failed: %s", what);
    client_conn_fail(conn, &err);
}

void client_h2_data(struct client_conn *conn, struct str bytes)
{
    ssize_t n = nghttp2_session_mem_recv(conn->session, (const uint8_t *)bytes.p, bytes.len);
    if (conn->phase != CLIENT_OPEN)
        return;
    if (n < 0)
        fail(conn, nghttp2_strerror((int)n));
    else
        stream_wake(&conn->stream);
}

void client_h2_fill(struct client_conn *conn)
{
    while (stream_queued(&conn->stream) < STREAM_QUEUE_LEN) {
        const uint8_t *p;
        ssize_t n = nghttp2_session_mem_send(conn->session, &p);
        if (conn->phase != CLIENT_OPEN)
            return;
        if (n < 0) {
            fail(conn, nghttp2_strerror((int)n));
            return;
        }
        if (n == 0)
            break;
        stream_send(&conn->stream, (struct str){(const char *)p, (size_t)n});
    }
    if (!nghttp2_session_want_read(conn->session) && !nghttp2_session_want_write(conn->session) &&
        !stream_queued(&conn->stream))
        fail(conn, "the server ended the session");
}
