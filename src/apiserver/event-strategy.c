/* Events lie in the namespace of what they are about, and go an hour after they were last written.
 * Source: pkg/apis/core/validation ValidateEventCreate; --event-ttl. */
#include "apiserver/apiserver.h"
#include "apiserver/cache.h"
#include "apiserver/strategies.h"
#include "base/array.h"
#include "io/loop.h"
#include "object/meta.h"

#define TTL_MS INT64_C(3600000)

/* One write of an event; what is not the last one when its time comes is passed over. */
struct written {
    struct monotime due;
    int64_t revision;
    char *key; /* in the store */
};

struct expiry {
    struct loop *loop;
    struct store *store;
    const struct resource *resource;
    struct registry *registry;
    struct timer timer;
    ARRAY_OF(struct written) queue; /* in the order of due */
    size_t first;
};

static const struct resource *events_of(struct expiry *e)
{
    if (!e->resource)
        e->resource = registry_find(e->registry, STR(""), STR("events"));
    return e->resource;
}

/* Whoever wrote it since keeps it: the deletion is bound to the revision. */
static void ignore_result(void *user, const struct store_result *result) {}

static void compact_queue(struct expiry *e)
{
    if (e->first < 1024 || e->first * 2 < e->queue.n)
        return;
    memmove(e->queue.v, e->queue.v + e->first, (e->queue.n - e->first) * sizeof *e->queue.v);
    e->queue.n -= e->first;
    e->first = 0;
}

static void on_timer(struct timer *t, void *user)
{
    struct expiry *e = user;
    struct monotime now = loop_now(e->loop);
    while (e->first < e->queue.n && e->queue.v[e->first].due.ns <= now.ns) {
        struct written *w = &e->queue.v[e->first++];
        const struct store_op op = {
            .type = STORE_DELETE, .key = str_of(w->key), .value = STR(""), .expect = w->revision};
        store_write(e->store, &op, 1, ignore_result, NULL);
        free(w->key);
    }
    compact_queue(e);
    if (e->first < e->queue.n)
        timer_arm_at(&e->timer, e->queue.v[e->first].due);
}

static void *start(struct registry *registry, const struct apiserver_config *config)
{
    struct expiry *e = mem_new(struct expiry);
    e->loop = config->loop;
    e->store = config->store;
    e->registry = registry;
    timer_init(&e->timer, config->loop, "event expiry", on_timer, e);
    return e;
}

static void stop(void *self)
{
    struct expiry *e = self;
    timer_disarm(&e->timer);
    for (size_t i = e->first; i < e->queue.n; i++)
        free(e->queue.v[i].key);
    array_done(&e->queue);
    free(e);
}

static void observe(void *self, const struct cache_object *old, const struct cache_object *new)
{
    struct expiry *e = self;
    struct strbuf key = {0};
    if (!new)
        return;
    registry_key(events_of(e), cache_object_namespace(new), cache_object_name(new), &key);
    struct written *w = array_push(&e->queue);
    *w = (struct written){.due = monotime_add_ms(loop_now(e->loop), TTL_MS), .revision = new->revision};
    w->key = strbuf_take(&key, &(size_t){0});
    if (!timer_is_armed(&e->timer))
        timer_arm_at(&e->timer, w->due);
}

static void validate(struct change *c)
{
    struct str about = json_string_at(c->object, "involvedObject", "namespace");
    struct str ns = meta_namespace(c->object);
    bool fits = about.len ? str_eq(about, ns) : str_eq(ns, STR("default")) || str_eq(ns, STR("kube-system"));
    if (!fits)
        field_invalid_str(c->errors, FIELD(FIELD(NULL, "involvedObject"), "namespace"), about,
                          "does not match event.namespace");
}

const struct strategy strategy_events = {
    .group = STR_INIT(""),
    .plural = STR_INIT("events"),
    .create_on_update = true,
    .start = start,
    .stop = stop,
    .observe = observe,
    .validate = validate,
};
