#include "faults.h"

#include <errno.h>
#include <stdlib.h>

#include "base/list.h"

struct fault_transport {
    struct http_transport outside;
    struct loop *loop;
    struct random *random;
    struct fault_rates rates;
    struct http_transport *inner;
    struct list calls;
    bool is_active;
    bool (*is_dead)(void *user);
    void *user;
};

/* What callers hold as struct http_call. */
struct fault_call {
    struct list node;
    struct fault_transport *transport;
    const struct http_call_handler *handler;
    void *user;
    struct arena arena;
    struct http_request request;
    struct http_call *inner; /* NULL before it is sent and after it has ended */
    struct timer timer;      /* sends it, or breaks it */
    bool breaks, loses_reply, is_cut;
};

static struct fault_transport *fault_of(struct http_transport *t)
{
    return (struct fault_transport *)t;
}

static bool happens(struct fault_transport *t, int per_thousand)
{
    return t->is_active && (int)random_below(t->random, 1000) < per_thousand;
}

static bool server_is_dead(struct fault_transport *t)
{
    return t->is_dead && t->is_dead(t->user);
}

static void fault_call_free(struct fault_call *c)
{
    timer_disarm(&c->timer);
    list_remove(&c->node);
    arena_done(&c->arena);
    free(c);
}

static void fault_call_end(struct fault_call *c, const struct err *err)
{
    const struct http_call_handler *handler = c->handler;
    void *user = c->user;
    fault_call_free(c);
    handler->end(user, err);
}

/* Lets the call end with an error soon, from the loop. */
static void fault_call_break(struct fault_call *c)
{
    if (c->inner && c->transport->inner)
        http_cancel(c->transport->inner, c->inner);
    c->inner = NULL;
    c->breaks = true;
    timer_arm_ms(&c->timer, 1);
}

static void on_head(void *user, int status, const struct http_header *headers, size_t n)
{
    struct fault_call *c = user;
    if (c->loses_reply) { /* the server has acted: now the connection breaks */
        c->is_cut = c->breaks = true;
        timer_arm_ms(&c->timer, 1);
    } else if (!server_is_dead(c->transport))
        c->handler->head(c->user, status, headers, n);
}

static void on_data(void *user, struct str bytes)
{
    struct fault_call *c = user;
    if (c->loses_reply || c->is_cut || server_is_dead(c->transport))
        return;
    if (!happens(c->transport, c->transport->rates.cut_stream)) {
        c->handler->data(c->user, bytes);
        return;
    }
    c->is_cut = true;
    c->breaks = true;
    timer_arm_ms(&c->timer, 1); /* the inner call is cancelled from the loop, not from its own callback */
    if (bytes.len > 1)
        c->handler->data(c->user, str_slice(bytes, 0, random_below(c->transport->random, bytes.len)));
}

static void on_end(void *user, const struct err *err)
{
    struct fault_call *c = user;
    c->inner = NULL;
    if (c->is_cut)
        return; /* its timer ends it */
    if (c->loses_reply || server_is_dead(c->transport)) {
        fault_call_break(c);
        return;
    }
    fault_call_end(c, err);
}

static void on_timer(struct timer *timer, void *user)
{
    static const struct http_call_handler inner_handler = {on_head, on_data, on_end};
    struct fault_call *c = user;
    struct fault_transport *t = c->transport;
    if (!c->breaks && t->inner) {
        c->inner = http_send(t->inner, &c->request, &inner_handler, c);
        return;
    }
    if (c->inner && t->inner)
        http_cancel(t->inner, c->inner);
    struct err err = {0};
    err_set(&err, c->breaks ? -ECONNRESET : -ECONNREFUSED, "the simulated connection broke");
    fault_call_end(c, &err);
}

static struct http_call *fault_send(struct http_transport *transport, const struct http_request *request,
                                    const struct http_call_handler *handler, void *user)
{
    struct fault_transport *t = fault_of(transport);
    struct fault_call *c = mem_new(struct fault_call);
    c->transport = t;
    c->handler = handler;
    c->user = user;
    c->request = *request;
    c->request.method = arena_str(&c->arena, request->method);
    c->request.target = arena_str(&c->arena, request->target);
    c->request.body = arena_str(&c->arena, request->body);
    struct http_header *headers = arena_new_array(&c->arena, struct http_header, request->n_headers + 1);
    for (size_t i = 0; i < request->n_headers; i++)
        headers[i] = (struct http_header){arena_str(&c->arena, request->headers[i].name),
                                          arena_str(&c->arena, request->headers[i].value)};
    c->request.headers = headers;
    list_append(&t->calls, &c->node);
    timer_init(&c->timer, t->loop, "simulated network", on_timer, c);
    c->breaks = happens(t, t->rates.lose_request);
    c->loses_reply = !c->breaks && happens(t, t->rates.lose_reply);
    bool slow = happens(t, t->rates.delay);
    timer_arm_ms(&c->timer, slow ? 1 + (int64_t)random_below(t->random, (uint64_t)t->rates.max_delay_ms) : 0);
    return (struct http_call *)c;
}

static void fault_cancel(struct http_transport *transport, struct http_call *call)
{
    struct fault_call *c = (struct fault_call *)call;
    if (c->inner && c->transport->inner)
        http_cancel(c->transport->inner, c->inner);
    fault_call_free(c);
}

static void fault_free(struct http_transport *transport)
{
    fault_transport_free(fault_of(transport));
}

struct fault_transport *fault_transport_new(struct loop *loop, struct random *random,
                                            const struct fault_rates *rates, bool (*is_dead)(void *user),
                                            void *user)
{
    static const struct http_transport_ops ops = {fault_send, fault_cancel, fault_free};
    struct fault_transport *t = mem_new(struct fault_transport);
    t->outside.ops = &ops;
    t->loop = loop;
    t->random = random;
    t->rates = *rates;
    t->is_dead = is_dead;
    t->user = user;
    list_init(&t->calls);
    return t;
}

struct http_transport *fault_transport_outside(struct fault_transport *t)
{
    return &t->outside;
}

void fault_transport_reset(struct fault_transport *t)
{
    list_foreach (&t->calls, n) {
        struct fault_call *c = container_of(n, struct fault_call, node);
        if (c->inner)
            fault_call_break(c);
    }
}

void fault_transport_connect(struct fault_transport *t, struct http_transport *inner)
{
    fault_transport_reset(t);
    t->inner = inner;
}

void fault_transport_set_active(struct fault_transport *t, bool active)
{
    t->is_active = active;
}

void fault_transport_free(struct fault_transport *t)
{
    while (!list_is_empty(&t->calls))
        fault_cancel(&t->outside, (struct http_call *)container_of(t->calls.next, struct fault_call, node));
    free(t);
}
