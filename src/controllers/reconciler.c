#include "controllers/reconciler.h"

#include "base/log.h"

#define EXPECT_POLL_MS 250
#define EXPECT_MAX_MS  30000 /* then the caches are wrong, or the object went the moment it came */

struct expected_deletion {
    enum resource resource;
    char *key, *uid;
};

/* What the writes of the last sync of a key must make visible. */
struct expectation {
    uint64_t positions[N_RESOURCES]; /* the cache must stand here or later; 0: nothing expected */
    ARRAY_OF(struct expected_deletion) deletions;
    struct monotime until;
};

/* A write under way. */
struct pending {
    struct sync *sync;
    int resource; /* -1: nothing to wait for */
    bool deletes;
    struct str key, uid; /* of what is deleted; in the sync's arena */
    bool (*done)(struct sync *s, void *user, const struct client_result *result);
    void *user;
};

static void free_expectation(void *value)
{
    struct expectation *e = value;
    if (!e)
        return;
    array_foreach (&e->deletions, d) {
        free(d->key);
        free(d->uid);
    }
    array_done(&e->deletions);
    free(e);
}

static bool deletion_is_seen(const struct reconciler *r, const struct expected_deletion *d)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *object =
        informer_item_parse(informer_find_key(env_cache(r->env, d->resource), str_of(d->key)), &a);
    return !object || !str_eqz(json_string_at(object, "metadata", "uid"), d->uid) ||
           json_string_at(object, "metadata", "deletionTimestamp").len;
}

static bool is_fulfilled(const struct reconciler *r, const struct expectation *e)
{
    for (int i = 0; i < N_RESOURCES; i++) {
        if (informer_position(env_cache(r->env, i)) < e->positions[i])
            return false;
    }
    array_foreach (&e->deletions, d) {
        if (!deletion_is_seen(r, d))
            return false;
    }
    return true;
}

static void free_sync(struct sync *s)
{
    list_remove(&s->node);
    free_expectation(s->expected);
    arena_done(&s->memory);
    free(s);
}

static bool expects_anything(const struct expectation *e)
{
    for (int i = 0; i < N_RESOURCES; i++) {
        if (e->positions[i])
            return true;
    }
    return e->deletions.n > 0;
}

static void finish(struct sync *s)
{
    struct reconciler *r = s->reconciler;
    if (s->running || s->outstanding)
        return;
    if (expects_anything(s->expected)) {
        s->expected->until = monotime_add_ms(loop_now(r->env->loop), EXPECT_MAX_MS);
        free_expectation(map_put(&r->expectations, s->key, TAKE(s->expected)));
        /* What was made may be gone again before any cache shows it: then no change brings us back. */
        sync_again(s, EXPECT_POLL_MS);
    }
    if (s->again_ms >= 0)
        workqueue_add_after(r->queue, s->key, s->again_ms);
    workqueue_done(r->queue, s->key, s->failed ? WORKQUEUE_FAILED : WORKQUEUE_OK);
    free_sync(s);
}

static void split_key(struct sync *s)
{
    ptrdiff_t slash = str_find_char(s->key, '/');
    if (slash < 0) {
        s->name = s->key;
        return;
    }
    s->namespace = str_slice(s->key, 0, (size_t)slash);
    s->name = str_slice(s->key, (size_t)slash + 1, s->key.len);
}

static void work(void *user, struct str key)
{
    struct reconciler *r = user;
    struct expectation *before = map_find(&r->expectations, key);

    if (before && !is_fulfilled(r, before) && loop_now(r->env->loop).ns < before->until.ns) {
        workqueue_add_after(r->queue, key, EXPECT_POLL_MS);
        workqueue_done(r->queue, key, WORKQUEUE_OK);
        return;
    }
    free_expectation(map_delete(&r->expectations, key));

    struct sync *s = mem_new(struct sync);
    s->reconciler = r;
    s->env = r->env;
    s->arena = &s->memory;
    s->key = arena_str(&s->memory, key);
    s->again_ms = -1;
    s->expected = mem_new(struct expectation);
    s->running = true;
    list_append(&r->syncs, &s->node);
    split_key(s);
    r->config.sync(s, r->config.user);
    s->running = false;
    finish(s);
}

void reconciler_init(struct reconciler *r, struct env *env, const struct reconciler_config *config)
{
    *r = (struct reconciler){.env = env, .config = *config};
    list_init(&r->syncs);
    r->queue = workqueue_new(&(struct workqueue_config){.loop = env->loop,
                                                        .name = config->name,
                                                        .work = work,
                                                        .user = r,
                                                        .workers = config->workers,
                                                        .base_ms = config->base_ms,
                                                        .max_ms = config->max_ms,
                                                        .max_failures = config->max_failures});
}

void reconciler_done(struct reconciler *r)
{
    workqueue_free(TAKE(r->queue));
    list_foreach_safe (&r->syncs, n)
        free_sync(container_of(n, struct sync, node));
    map_done(&r->expectations, free_expectation);
}

void reconciler_start(struct reconciler *r)
{
    workqueue_start(r->queue);
}

void reconciler_add(struct reconciler *r, struct str key)
{
    workqueue_add(r->queue, key);
}

void reconciler_add_name(struct reconciler *r, struct str namespace, struct str name)
{
    _cleanup_(strbuf_done) struct strbuf key = {0};
    strbuf_addf(&key, "%.*s/%.*s", STR_ARG(namespace), STR_ARG(name));
    workqueue_add(r->queue, strbuf_str(&key));
}

bool reconciler_is_idle(const struct reconciler *r)
{
    return !workqueue_depth(r->queue) && !workqueue_active(r->queue);
}

static void expect_result(struct pending *p, const struct client_result *result)
{
    struct sync *s = p->sync;
    uint64_t rv;

    if (p->resource < 0)
        return;
    if (p->deletes) {
        *array_push(&s->expected->deletions) = (struct expected_deletion){
            p->resource, mem_dup(p->key.p, p->key.len), mem_dup(p->uid.p, p->uid.len)};
        return;
    }
    if (str_to_uint64(json_string_at(result->object, "metadata", "resourceVersion"), &rv) == 0)
        s->expected->positions[p->resource] = MAX(s->expected->positions[p->resource], rv);
}

static void on_answer(void *user, const struct client_result *result)
{
    struct pending *p = user;
    struct sync *s = p->sync;
    bool excused = (p->deletes && result->code == CLIENT_NOT_FOUND) || client_namespace_is_ending(result);

    if (p->done && p->done(s, p->user, result))
        excused = true;
    if (result->code == 0) {
        expect_result(p, result);
    } else if (!excused) {
        s->failed = true;
        /* A conflict is how two writers learn of each other: ordinary. */
        if (result->code != CLIENT_CONFLICT && result->code != CLIENT_NOT_FOUND)
            log_warn_limited("%s: cannot bring %.*s about, trying again: %.*s", s->reconciler->config.name,
                             STR_ARG(s->key), STR_ARG(result->message));
    }
    s->outstanding--;
    finish(s);
}

static struct json *deletion_body(const struct sync_write *w, struct arena *a)
{
    struct json *body = w->body ? json_copy(a, w->body) : json_object(a);
    struct str uid = json_string_at(w->object, "metadata", "uid");
    if (uid.len)
        json_setz(json_ensure_object(a, body, "preconditions"), "uid", json_string(a, uid));
    return body;
}

void sync_write(struct sync *s, const struct sync_write *w)
{
    struct pending *p = arena_new(s->arena, struct pending);
    const struct json *meta = json_getz(w->object, "metadata");
    struct client_request request = {.verb = w->verb,
                                     .resource = &env_resources[w->resource],
                                     .namespace = json_string_at(meta, "namespace"),
                                     .name =
                                         w->verb == CLIENT_CREATE ? STR("") : json_string_at(meta, "name"),
                                     .subresource = w->subresource};

    *p = (struct pending){.sync = s, .resource = w->resource, .done = w->done, .user = w->user};
    switch (w->verb) {
    case CLIENT_PATCH:
        request.body = w->body;
        request.patch_type = CLIENT_MERGE_PATCH;
        break;
    case CLIENT_DELETE:
        request.body = deletion_body(w, s->arena);
        p->deletes = true;
        p->key = arena_str(s->arena, items_key_of(w->object, s->arena));
        p->uid = json_string_at(meta, "uid");
        break;
    default:
        request.body = w->object;
    }
    s->outstanding++;
    client_send(s->env->client, &request, on_answer, p);
}

void sync_send(struct sync *s, const struct client_request *request,
               bool (*done)(struct sync *s, void *user, const struct client_result *result), void *user)
{
    struct pending *p = arena_new(s->arena, struct pending);
    *p = (struct pending){.sync = s, .resource = -1, .done = done, .user = user};
    s->outstanding++;
    client_send(s->env->client, request, on_answer, p);
}

void sync_read(struct sync *s, enum resource r, struct str namespace, struct str name,
               bool (*done)(struct sync *s, void *user, const struct client_result *result), void *user)
{
    struct client_request request = {
        .verb = CLIENT_GET, .resource = &env_resources[r], .namespace = namespace, .name = name};
    sync_send(s, &request, done, user);
}

void sync_fail(struct sync *s)
{
    s->failed = true;
}

void sync_again(struct sync *s, int64_t ms)
{
    s->again_ms = s->again_ms < 0 ? ms : MIN(s->again_ms, ms);
}

struct walltime sync_now(const struct sync *s)
{
    return loop_wall_now(s->env->loop);
}
