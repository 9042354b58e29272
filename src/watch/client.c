#include "watch/client.h"

#include <errno.h>

#include "base/encoding.h"
#include "base/list.h"

#define TOKEN_MAX_AGE_MS 60000
#define ERROR_BODY_LEN   ((size_t)256 * 1024) /* of a refusal: a Status with its causes fits easily */

struct client {
    struct loop *loop;
    struct http_transport *transport;
    char *user_agent;
    struct list calls;
    struct client_token_source source;
    struct strbuf authorization; /* "Bearer TOKEN", or empty */
    struct monotime token_read_at;
    bool token_stale; /* refused, or never read */
};

/* One request under way: a whole answer (DONE) or a stream of lines (STREAM_HANDLER). */
struct client_call {
    struct client *client;
    struct list node;
    struct http_call *http;
    struct timer silence;
    int64_t max_silence_ms;
    int status;
    int64_t retry_after_ms;
    size_t max_len;
    struct strbuf body; /* of a stream: the line that has not ended yet */
    client_done_fn *done;
    const struct client_stream_handler *stream_handler;
    void *user;
    bool in_callback, closed; /* a stream closed by its own callback is freed when that returns */
};

struct client_stream {
    struct client_call call;
};

static const char *const OUTCOME_NAMES[] = {
    [0] = "ok",
    [CLIENT_NOT_FOUND] = "not found",
    [CLIENT_EXISTS] = "already exists",
    [CLIENT_CONFLICT] = "conflict",
    [CLIENT_GONE] = "expired",
    [CLIENT_UNAUTHORIZED] = "unauthorized",
    [CLIENT_FORBIDDEN] = "forbidden",
    [CLIENT_INVALID] = "invalid",
    [CLIENT_THROTTLED] = "too many requests",
    [CLIENT_FAILED] = "server error",
};

bool client_namespace_is_ending(const struct client_result *result)
{
    return result->code == CLIENT_FORBIDDEN && str_eq(result->cause, STR("NamespaceTerminating"));
}

const char *client_outcome_name(int code)
{
    if (code < 0)
        return strerrordesc_np(-code) ? strerrordesc_np(-code) : "error";
    return code < (int)ARRAY_LEN(OUTCOME_NAMES) ? OUTCOME_NAMES[code] : "unknown";
}

static void path_add(struct strbuf *out, struct str segment)
{
    strbuf_addc(out, '/');
    percent_encode(segment, out);
}

void client_path(const struct client_request *request, struct strbuf *out)
{
    const struct client_resource *r = request->resource;

    strbuf_addz(out, r->group.len ? "/apis" : "/api");
    if (r->group.len)
        path_add(out, r->group);
    path_add(out, r->version);
    if (request->namespace.len) {
        strbuf_addz(out, "/namespaces");
        path_add(out, request->namespace);
    }
    path_add(out, r->plural);
    if (request->name.len)
        path_add(out, request->name);
    if (request->subresource.len)
        path_add(out, request->subresource);
    if (request->query.len) {
        strbuf_addc(out, '?');
        strbuf_add_str(out, request->query);
    }
}

void client_query_add(struct strbuf *out, const char *key, struct str value)
{
    if (out->len)
        strbuf_addc(out, '&');
    strbuf_addz(out, key);
    strbuf_addc(out, '=');
    percent_encode(value, out);
}

struct client *client_new(const struct client_config *config)
{
    struct client *c = mem_new(struct client);
    c->loop = config->loop;
    c->transport = config->transport;
    c->user_agent = mem_dup(config->user_agent.p, config->user_agent.len);
    c->source = config->token_source;
    c->token_stale = config->token_source.read != NULL;
    list_init(&c->calls);
    if (config->token.len)
        strbuf_addf(&c->authorization, "Bearer %.*s", STR_ARG(config->token));
    return c;
}

static void call_free(struct client_call *call)
{
    timer_disarm(&call->silence);
    list_remove(&call->node);
    strbuf_done(&call->body);
    free(call);
}

static void call_cancel(struct client_call *call)
{
    if (call->http)
        http_cancel(call->client->transport, call->http);
    call->http = NULL;
    if (call->in_callback)
        call->closed = true;
    else
        call_free(call);
}

void client_free(struct client *c)
{
    if (!c)
        return;
    list_foreach_safe (&c->calls, n)
        call_cancel(container_of(n, struct client_call, node));
    free(c->user_agent);
    strbuf_done(&c->authorization);
    free(c);
}

/* A token that cannot be read leaves the old one in use: a rotation in progress is not an outage. */
static void refresh_token(struct client *c)
{
    struct monotime now = loop_now(c->loop);
    if (!c->source.read || (!c->token_stale && monotime_since_ms(now, c->token_read_at) < TOKEN_MAX_AGE_MS))
        return;
    _cleanup_(strbuf_done) struct strbuf token = {0};
    c->token_read_at = now;
    if (c->source.read(c->source.user, &token, NULL) < 0)
        return;
    struct str text = str_trim(strbuf_str(&token));
    if (!text.len)
        return;
    strbuf_truncate(&c->authorization, 0);
    strbuf_addf(&c->authorization, "Bearer %.*s", STR_ARG(text));
    c->token_stale = false;
}

static int outcome_of(int status, struct str reason)
{
    switch (status) {
    case 404:
        return CLIENT_NOT_FOUND;
    case 409:
        return str_eq(reason, STR("AlreadyExists")) ? CLIENT_EXISTS : CLIENT_CONFLICT;
    case 410:
        return CLIENT_GONE;
    case 401:
        return CLIENT_UNAUTHORIZED;
    case 403:
        return CLIENT_FORBIDDEN;
    case 400:
    case 413:
    case 415:
    case 422:
        return CLIENT_INVALID;
    case 429:
        return CLIENT_THROTTLED;
    default:
        return CLIENT_FAILED;
    }
}

/* Fills R from a refusal, whose body is a Status object if it comes from an API server. */
static void read_refusal(struct client_call *call, struct client_result *r)
{
    struct json *status = NULL;
    if (json_parse(r->arena, strbuf_str(&call->body), NULL, &status, NULL) == 0 &&
        str_eq(json_string_at(status, "kind"), STR("Status"))) {
        r->reason = json_string_at(status, "reason");
        r->message = json_string_at(status, "message");
        r->cause = json_string_at(json_at(json_path(status, "details", "causes", NULL), 0), "reason");
        int64_t after_s = json_int_at(status, 0, "details", "retryAfterSeconds");
        if (after_s > 0 && after_s < 3600 && !r->retry_after_ms)
            r->retry_after_ms = after_s * 1000;
    }
    r->code = outcome_of(call->status, r->reason);
    if (!r->message.len)
        r->message = arena_format(r->arena, "the server answered with status %d", call->status);
    if (r->code == CLIENT_UNAUTHORIZED)
        call->client->token_stale = true;
}

static void call_result(struct client_call *call, const struct err *err, struct client_result *r)
{
    r->status = call->status;
    r->retry_after_ms = call->retry_after_ms;
    if (err) {
        r->code = err->code < 0 ? err->code : -EIO;
        r->message = arena_str(r->arena, str_of(err->text[0] ? err->text : "the connection broke"));
        return;
    }
    if (call->status < 200 || call->status >= 300) {
        read_refusal(call, r);
        return;
    }
    if (call->stream_handler || !str_trim(strbuf_str(&call->body)).len)
        return;
    struct err parse_err = {0};
    if (json_parse(r->arena, strbuf_str(&call->body), NULL, &r->object, &parse_err) < 0) {
        r->object = NULL;
        r->code = -EPROTO;
        r->message = arena_format(r->arena, "the server's answer is not JSON: %s", parse_err.text);
    }
}

/* Ends the call: tells its owner, then frees it. The HTTP call is gone already. */
static void call_finish(struct client_call *call, const struct err *err)
{
    _cleanup_(arena_done) struct arena arena = {0};
    struct client_result r = {.arena = &arena};
    call->http = NULL;
    timer_disarm(&call->silence);
    call_result(call, err, &r);
    /* The owner may free the client from its callback: nothing of it is touched after. */
    list_remove(&call->node);
    if (call->stream_handler)
        call->stream_handler->end(call->user, &r);
    else
        call->done(call->user, &r);
    strbuf_done(&call->body);
    free(call);
}

static void call_break(struct client_call *call, int code, const char *text)
{
    struct err err = {0};
    err_set(&err, code, "%s", text);
    if (call->http)
        http_cancel(call->client->transport, call->http);
    call_finish(call, &err);
}

static void on_silence(struct timer *timer, void *user)
{
    call_break(user, -ETIMEDOUT, "the server was silent for too long");
}

static void on_head(void *user, int status, const struct http_header *headers, size_t n_headers)
{
    struct client_call *call = user;
    uint64_t after_s;

    call->status = status;
    if (str_to_uint64(http_header_find(headers, n_headers, STR("retry-after")), &after_s) == 0 &&
        after_s < 3600)
        call->retry_after_ms = (int64_t)after_s * 1000;
    if (status < 200 || status >= 300)
        call->max_len = ERROR_BODY_LEN;
    else if (call->stream_handler && call->stream_handler->open)
        call->stream_handler->open(call->user);
    if (call->max_silence_ms)
        timer_arm_ms(&call->silence, call->max_silence_ms);
}

/* Hands over the whole lines in the buffer; false when the owner has closed the stream. */
static bool deliver_lines(struct client_call *call)
{
    struct str rest = strbuf_str(&call->body);
    ptrdiff_t end;
    size_t used = 0;

    call->in_callback = true;
    while (!call->closed && (end = str_find_char(rest, '\n')) >= 0) {
        struct str line = str_trim(str_slice(rest, 0, (size_t)end));
        rest = str_slice(rest, (size_t)end + 1, rest.len);
        used += (size_t)end + 1;
        if (line.len)
            call->stream_handler->line(call->user, line);
    }
    call->in_callback = false;
    if (call->closed) {
        call_free(call);
        return false;
    }
    strbuf_consume(&call->body, used);
    return true;
}

static void on_data(void *user, struct str bytes)
{
    struct client_call *call = user;
    bool lines = call->stream_handler && call->status >= 200 && call->status < 300;

    if (call->max_silence_ms)
        timer_arm_ms(&call->silence, call->max_silence_ms);
    strbuf_add_str(&call->body, bytes);
    if (lines && str_find_char(bytes, '\n') >= 0 && !deliver_lines(call))
        return;
    if (call->body.len <= call->max_len)
        return;
    if (call->status >= 300)
        strbuf_truncate(&call->body, 0); /* a refusal of that size has no words worth keeping */
    else
        call_break(call, -EMSGSIZE,
                   lines ? "a watch event is larger than the limit"
                         : "the server's answer is larger than the limit");
}

static void on_end(void *user, const struct err *err)
{
    call_finish(user, err);
}

static const struct http_call_handler call_handler = {.head = on_head, .data = on_data, .end = on_end};

static struct str method_of(enum client_verb verb)
{
    static const struct str methods[] = {
        [CLIENT_GET] = STR_INIT("GET"),     [CLIENT_LIST] = STR_INIT("GET"),
        [CLIENT_CREATE] = STR_INIT("POST"), [CLIENT_UPDATE] = STR_INIT("PUT"),
        [CLIENT_PATCH] = STR_INIT("PATCH"), [CLIENT_DELETE] = STR_INIT("DELETE"),
    };
    return methods[verb];
}

static void call_start(struct client_call *call, struct client *c, const struct client_request *request)
{
    _cleanup_(strbuf_done) struct strbuf path = {0};
    _cleanup_(strbuf_done) struct strbuf body = {0};
    struct http_header headers[4];
    size_t n = 0;

    call->client = c;
    list_append(&c->calls, &call->node);
    timer_init(&call->silence, c->loop, "api-call", on_silence, call);
    refresh_token(c);
    client_path(request, &path);
    headers[n++] = (struct http_header){STR("accept"), STR("application/json")};
    headers[n++] = (struct http_header){STR("user-agent"), str_of(c->user_agent)};
    if (c->authorization.len)
        headers[n++] = (struct http_header){STR("authorization"), strbuf_str(&c->authorization)};
    if (request->body) {
        json_write(request->body, &body);
        headers[n++] = (struct http_header){
            STR("content-type"), request->patch_type.len ? request->patch_type : STR("application/json")};
    }
    struct http_request http = {.method = method_of(request->verb),
                                .target = strbuf_str(&path),
                                .headers = headers,
                                .n_headers = n,
                                .body = strbuf_str(&body)};
    call->http = http_send(c->transport, &http, &call_handler, call);
    if (call->max_silence_ms)
        timer_arm_ms(&call->silence, call->max_silence_ms);
}

struct client_call *client_send(struct client *c, const struct client_request *request, client_done_fn *done,
                                void *user)
{
    struct client_call *call = mem_new(struct client_call);
    call->done = done;
    call->user = user;
    call->max_len = request->max_reply_len ? request->max_reply_len : CLIENT_MAX_REPLY_LEN;
    call->max_silence_ms = request->timeout_ms ? request->timeout_ms : CLIENT_TIMEOUT_MS;
    call_start(call, c, request);
    return call;
}

void client_cancel(struct client_call *call)
{
    call_cancel(call);
}

struct client_stream *client_stream_open(struct client *c, const struct client_request *request,
                                         int64_t max_silence_ms, const struct client_stream_handler *handler,
                                         void *user)
{
    struct client_stream *s = mem_new(struct client_stream);
    s->call.stream_handler = handler;
    s->call.user = user;
    s->call.max_len = request->max_reply_len ? request->max_reply_len : CLIENT_MAX_LINE_LEN;
    s->call.max_silence_ms = max_silence_ms;
    call_start(&s->call, c, request);
    return s;
}

void client_stream_close(struct client_stream *s)
{
    call_cancel(&s->call);
}
