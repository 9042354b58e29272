#include "apiserver/local.h"

#include <errno.h>

#define MAX_GROUPS 8

struct local {
    struct http_transport transport;
    struct local_options options;
    struct arena arena; /* of the identity */
    struct http_peer peer;
    struct list calls;
    bool is_paused;
};

struct http_call {
    struct list node;
    struct local *local;
    struct arena arena; /* the copied request; the exchange's too */
    struct http_request request;
    struct http_exchange ex;
    struct http_call_handler handler;
    void *user;
    struct task task;
    bool is_started, has_head, head_told, is_ended, is_telling, is_cancelled;
    int status;
    struct http_header *headers;
    size_t n_headers;
    struct strbuf data;
};

static void call_free(struct http_call *c)
{
    task_cancel(&c->task);
    list_remove(&c->node);
    strbuf_done(&c->data);
    arena_done(&c->arena);
    free(c);
}

/* The server's side. */

static struct http_call *call_of(const struct http_exchange *ex)
{
    return (struct http_call *)((char *)ex - offsetof(struct http_call, ex));
}

static void post(struct http_call *c)
{
    if (!c->local->is_paused)
        task_post(c->local->options.loop, &c->task);
}

static void on_reply(struct http_exchange *ex, int status, const struct http_header *headers,
                     size_t n_headers, struct str body, bool last)
{
    struct http_call *c = call_of(ex);
    c->has_head = true;
    c->status = status;
    c->headers = arena_new_array(&c->arena, struct http_header, n_headers + 1);
    c->n_headers = n_headers;
    for (size_t i = 0; i < n_headers; i++)
        c->headers[i] = (struct http_header){arena_str(&c->arena, headers[i].name),
                                             arena_str(&c->arena, headers[i].value)};
    strbuf_add_str(&c->data, body);
    c->is_ended = last;
    post(c);
}

static void on_write(struct http_exchange *ex, struct str bytes)
{
    struct http_call *c = call_of(ex);
    strbuf_add_str(&c->data, bytes);
    post(c);
}

static void on_end(struct http_exchange *ex)
{
    struct http_call *c = call_of(ex);
    c->is_ended = true;
    post(c);
}

static size_t on_queued(const struct http_exchange *ex)
{
    return call_of(ex)->data.len;
}

static const struct http_exchange_ops exchange_ops = {
    .reply = on_reply, .write = on_write, .end = on_end, .queued = on_queued};

/* The client's side. */

static void tell_data(struct http_call *c)
{
    struct strbuf data = c->data;
    c->data = (struct strbuf){0};
    if (data.len && c->handler.data)
        c->handler.data(c->user, strbuf_str(&data));
    strbuf_done(&data);
    if (!c->is_cancelled && !c->is_ended && c->ex.on_drained)
        c->ex.on_drained(&c->ex, c->ex.user);
}

static void tell(struct http_call *c)
{
    if (c->has_head && !c->head_told) {
        c->head_told = true;
        if (c->handler.head)
            c->handler.head(c->user, c->status, c->headers, c->n_headers);
    }
    if (!c->is_cancelled && c->data.len)
        tell_data(c);
    if (!c->is_cancelled && c->is_ended && !c->data.len) {
        c->is_cancelled = true; /* as far as the client is concerned there is nothing to cancel */
        c->handler.end(c->user, NULL);
    }
}

static void on_task(struct task *task, void *user)
{
    struct http_call *c = user;
    if (!c->is_started) {
        c->is_started = true;
        c->local->options.handle(c->local->options.ctx, &c->ex);
        return;
    }
    c->is_telling = true;
    tell(c);
    c->is_telling = false;
    if (c->is_cancelled)
        call_free(c);
    else if (c->is_ended)
        post(c); /* there was more behind what was told */
}

static struct http_call *local_send(struct http_transport *t, const struct http_request *request,
                                    const struct http_call_handler *handler, void *user)
{
    struct local *l = container_of(t, struct local, transport);
    struct http_call *c = mem_new(struct http_call);
    struct http_header *headers = arena_new_array(&c->arena, struct http_header, request->n_headers + 1);
    for (size_t i = 0; i < request->n_headers; i++)
        headers[i] = (struct http_header){arena_str(&c->arena, request->headers[i].name),
                                          arena_str(&c->arena, request->headers[i].value)};
    c->request = (struct http_request){
        .method = arena_str(&c->arena, request->method),
        .target = arena_str(&c->arena, request->target),
        .headers = headers,
        .n_headers = request->n_headers,
        .body = arena_str(&c->arena, request->body),
    };
    c->local = l;
    c->handler = *handler;
    c->user = user;
    c->ex = (struct http_exchange){
        .ops = &exchange_ops, .request = &c->request, .peer = &l->peer, .arena = &c->arena};
    list_append(&l->calls, &c->node);
    task_init(&c->task, on_task, c);
    task_post(l->options.loop, &c->task);
    return c;
}

static void local_cancel(struct http_transport *t, struct http_call *c)
{
    if (c->is_cancelled)
        return;
    c->is_cancelled = true;
    if (c->is_started && !c->is_ended && c->ex.on_abort)
        c->ex.on_abort(&c->ex, c->ex.user);
    if (!c->is_telling)
        call_free(c);
}

static void local_free(struct http_transport *t)
{
    struct local *l = container_of(t, struct local, transport);
    list_foreach_safe (&l->calls, n)
        local_cancel(t, container_of(n, struct http_call, node));
    arena_done(&l->arena);
    free(l);
}

struct http_transport *local_transport_new(const struct local_options *options)
{
    static const struct http_transport_ops ops = {
        .send = local_send, .cancel = local_cancel, .free = local_free};
    struct local *l = mem_new(struct local);
    struct str *groups = arena_new_array(&l->arena, struct str, MAX_GROUPS);
    l->transport.ops = &ops;
    l->options = *options;
    list_init(&l->calls);
    l->peer.user = options->user.len ? arena_str(&l->arena, options->user) : STR_NONE;
    l->peer.groups = groups;
    for (size_t i = 0; i < options->n_groups && i < MAX_GROUPS; i++)
        groups[l->peer.n_groups++] = arena_str(&l->arena, options->groups[i]);
    return &l->transport;
}

void local_transport_pause(struct http_transport *t, bool paused)
{
    struct local *l = container_of(t, struct local, transport);
    l->is_paused = paused;
    list_foreach (&l->calls, n)
        post(container_of(n, struct http_call, node));
}
