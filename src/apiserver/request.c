#include "apiserver/request.h"

#include <assert.h>
#include <stdio.h>

#include "apiserver/apiserver-private.h"

#define MAX_HEADERS 24

/* The exchange's part is over: counted, and its reference dropped. */
static void finish(struct request *r, int code)
{
    struct apiserver *s = r->server;
    struct metrics_request sample = {
        .route = &r->route,
        .code = code,
        .micros = (loop_now(s->config.loop).ns - r->started.ns) / 1000,
    };
    r->ex = NULL;
    timer_disarm(&r->deadline);
    metrics_count_request(s->metrics, &sample);
    if (!r->is_watch)
        s->n_requests--;
    list_remove(&r->node);
    request_unref(r);
}

static void on_abort(struct http_exchange *ex, void *user)
{
    struct request *r = user;
    request_ref(r);
    finish(r, 0);
    if (r->on_gone)
        r->on_gone(r);
    request_unref(r);
}

static void on_drained(struct http_exchange *ex, void *user)
{
    struct request *r = user;
    if (r->on_drained)
        r->on_drained(r);
}

static void on_deadline(struct timer *t, void *user)
{
    struct request *r = user;
    request_ref(r);
    request_reply_status(
        r, status_timeout(&r->arena, "request did not complete within the allotted timeout", 0));
    if (r->on_gone)
        r->on_gone(r);
    request_unref(r);
}

void request_set_timeout(struct request *r, int64_t ms)
{
    timer_arm_ms(&r->deadline, MIN(ms, r->server->config.limits.request_ms));
}

struct request *request_new(struct apiserver *s, struct http_exchange *ex)
{
    struct request *r = mem_new(struct request);
    r->server = s;
    r->ex = ex;
    r->n_refs = 1;
    r->started = loop_now(s->config.loop);
    timer_init(&r->deadline, s->config.loop, "request deadline", on_deadline, r);
    timer_arm_ms(&r->deadline, s->config.limits.request_ms);
    list_append(&s->requests, &r->node);
    s->n_requests++;
    ex->user = r;
    ex->on_abort = on_abort;
    ex->on_drained = on_drained;
    return r;
}

struct request *request_ref(struct request *r)
{
    r->n_refs++;
    return r;
}

void request_unref(struct request *r)
{
    if (--r->n_refs)
        return;
    arena_done(&r->arena);
    free(r);
}

void request_warn(struct request *r, struct str text)
{
    for (size_t i = 0; i < r->n_warned; i++) {
        if (str_eq(r->warned[i], text))
            return;
    }
    if (r->n_warned < ARRAY_LEN(r->warned))
        r->warned[r->n_warned++] = arena_str(&r->arena, text);
}

/* 299 - "text", with quotes and backslashes escaped and nothing that could end the header. */
static struct str warning_value(struct request *r, struct str text)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    strbuf_addz(&b, "299 - \"");
    for (size_t i = 0; i < text.len && i < 1024; i++) {
        char ch = text.p[i];
        if (ch == '"' || ch == '\\')
            strbuf_addc(&b, '\\');
        strbuf_addc(&b, (unsigned char)ch < 0x20 || ch == 0x7f ? ' ' : ch);
    }
    strbuf_addc(&b, '"');
    return arena_str(&r->arena, strbuf_str(&b));
}

static size_t make_headers(struct request *r, struct str content_type, struct http_header *out)
{
    size_t n = 0;
    if (content_type.len)
        out[n++] = (struct http_header){STR("content-type"), content_type};
    out[n++] = (struct http_header){STR("cache-control"), STR("no-cache, private")};
    for (size_t i = 0; i < r->n_warned; i++)
        out[n++] = (struct http_header){STR("warning"), warning_value(r, r->warned[i])};
    return n;
}

void request_reply_header(struct request *r, int code, const struct http_header *header,
                          struct str content_type, struct str body)
{
    struct http_header headers[MAX_HEADERS];
    size_t n = make_headers(r, content_type, headers);
    assert(r->ex);
    if (header)
        headers[n++] = *header;
    struct http_exchange *ex = r->ex;
    request_ref(r);
    http_reply(ex, code, headers, n, body);
    finish(r, code);
    request_unref(r);
}

void request_reply(struct request *r, int code, struct str content_type, struct str body)
{
    request_reply_header(r, code, NULL, content_type, body);
}

void request_reply_status(struct request *r, const struct status *status)
{
    _cleanup_(strbuf_done) struct strbuf body = {0};
    char seconds[16];
    struct http_header retry = {STR("retry-after"), STR("")};
    int code = status->code ? status->code : 200;
    status_write(status, &body);
    strbuf_addc(&body, '\n');
    if (status->retry_after_seconds) {
        int len = snprintf(seconds, sizeof seconds, "%d", status->retry_after_seconds);
        retry.value = (struct str){seconds, (size_t)len};
    }
    request_reply_header(r, code, retry.value.len ? &retry : NULL, STR("application/json"),
                         strbuf_str(&body));
}

void request_stream_begin(struct request *r, int code, struct str content_type)
{
    struct http_header headers[MAX_HEADERS];
    size_t n = make_headers(r, content_type, headers);
    http_reply_begin(r->ex, code, headers, n);
}

void request_stream_end(struct request *r)
{
    struct http_exchange *ex = r->ex;
    request_ref(r);
    http_reply_end(ex);
    finish(r, 200);
    request_unref(r);
}

void request_abandon(struct request *r)
{
    request_ref(r);
    request_reply_status(r, status_unavailable(&r->arena, "the server is shutting down"));
    if (r->on_gone)
        r->on_gone(r);
    request_unref(r);
}
