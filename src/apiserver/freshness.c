#include "apiserver/freshness.h"

#include <inttypes.h>

#include "apiserver/apiserver-private.h"
#include "apiserver/request.h"

#define WAIT_MS 3000

struct freshness {
    struct request *request;
    struct cache_wait wait;
    struct timer timer;
    void (*go)(struct request *r);
    void *user; /* the request's own, put back */
};

static struct request *end(struct freshness *f)
{
    struct request *r = f->request;
    cache_wait_cancel(&f->wait);
    timer_disarm(&f->timer);
    r->on_gone = NULL;
    r->user = f->user;
    return r;
}

static void on_reached(struct cache_wait *w)
{
    struct freshness *f = container_of(w, struct freshness, wait);
    struct request *r = end(f);
    f->go(r);
    request_unref(r);
}

static void on_timer(struct timer *t, void *user)
{
    struct freshness *f = user;
    struct request *r = end(f);
    struct str text = arena_format(&r->arena, "Too large resource version: %" PRId64 ", current: %" PRId64,
                                   f->wait.revision, cache_revision(r->server->cache));
    request_reply_status(r, status_timeout(&r->arena, text.p, 1));
    request_unref(r);
}

static void on_gone(struct request *r)
{
    request_unref(end(r->user));
}

void freshness_wait(struct request *r, int64_t revision, void (*go)(struct request *r))
{
    struct freshness *f = arena_new(&r->arena, struct freshness);
    list_init(&f->wait.node);
    f->wait.reached = on_reached;
    if (cache_wait_for(r->server->cache, &f->wait, revision)) {
        go(r);
        return;
    }
    f->request = request_ref(r);
    f->go = go;
    f->user = r->user;
    r->user = f;
    r->on_gone = on_gone;
    timer_init(&f->timer, r->server->config.loop, "fresh cache", on_timer, f);
    timer_arm_ms(&f->timer, WAIT_MS);
}
