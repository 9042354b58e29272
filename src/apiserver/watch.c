#include <inttypes.h>

#include "apiserver/apiserver-private.h"
#include "apiserver/conversion.h"
#include "apiserver/render.h"
#include "apiserver/request.h"
#include "apiserver/selection.h"
#include "apiserver/verbs.h"
#include "base/array.h"
#include "base/log.h"

/* A watch writes events straight to its exchange as long as the client keeps up. While the client does not,
 * and while the initial state is being sent, events wait in a queue that holds references to shared objects;
 * a queue over its bound ends the watch, because a client that misses nothing needs either every event or a
 * fresh list. */

#define WRITE_AHEAD_BYTES ((size_t)128 * 1024)
#define BOOKMARK_MS       60000
#define MIN_TIMEOUT_S     1800
#define INITIAL_END       "k8s.io/initial-events-end"
#define MAX_TIMEOUT_S     (7 * 24 * 3600)
#define QUEUE_MAX_EVENTS  ((size_t)100000)

enum watch_type { WATCH_ADDED, WATCH_MODIFIED, WATCH_DELETED };

static const struct str type_names[] = {STR_INIT("ADDED"), STR_INIT("MODIFIED"), STR_INIT("DELETED")};

/* What waits to be written. */
struct pending {
    enum watch_type type;
    struct cache_object *object; /* a reference */
    int64_t revision;            /* of the event */
};

struct watcher_account;

struct watch {
    struct request *request;
    struct watcher_account *account;
    struct selection selection;
    struct accept_choice choice;
    struct cache_listener listener;
    struct timer bookmark, timeout;
    int64_t after;    /* events up to here are known to the client */
    int64_t revision; /* of the last event or bookmark written */
    struct cache_snapshot initial;
    size_t next_initial;
    bool owes_initial_end; /* the bookmark behind the initial events */
    ARRAY_OF(struct pending) queue;
    size_t queue_first, queue_bytes;
    bool has_initial_revision;
    int64_t initial_revision;
};

/* What a user's watches cost; there as long as there is one. */
struct watcher_account {
    size_t n_watches;
    size_t queue_bytes;
};

static bool count_in(struct watch *w)
{
    struct request *r = w->request;
    struct apiserver *s = r->server;
    struct watcher_account *account = map_find(&s->watchers, r->identity.user);
    size_t n = account ? account->n_watches : 0;
    if (s->n_watches >= s->config.limits.watches || n >= s->config.limits.watches_per_user)
        return false;
    if (!account) {
        account = mem_new(struct watcher_account);
        (void)map_put(&s->watchers, r->identity.user, account);
    }
    account->n_watches++;
    w->account = account;
    s->n_watches++;
    s->n_requests--; /* a watch is no request in flight any more */
    r->is_watch = true;
    timer_disarm(&r->deadline);
    return true;
}

static void count_out(struct watch *w)
{
    struct apiserver *s = w->request->server;
    s->n_watches--;
    if (--w->account->n_watches == 0)
        free(map_delete(&s->watchers, w->request->identity.user));
}

/* Life. */

static void drop_queue(struct watch *w)
{
    for (size_t i = w->queue_first; i < w->queue.n; i++)
        cache_object_unref(w->queue.v[i].object);
    array_done(&w->queue);
    w->account->queue_bytes -= w->queue_bytes;
    w->queue_first = w->queue_bytes = 0;
}

/* Frees what the watch holds; its memory is the request's. */
static void watch_close(struct watch *w)
{
    cache_unlisten(&w->listener);
    timer_disarm(&w->bookmark);
    timer_disarm(&w->timeout);
    for (size_t i = w->next_initial; i < w->initial.n; i++)
        cache_object_unref(w->initial.v[i]);
    free(w->initial.v);
    w->initial = (struct cache_snapshot){0};
    drop_queue(w);
    count_out(w);
    w->request->on_gone = NULL;
    w->request->on_drained = NULL;
}

static void watch_end(struct watch *w)
{
    struct request *r = w->request;
    watch_close(w);
    request_stream_end(r);
}

static void on_gone(struct request *r)
{
    watch_close(r->user);
}

/* Writing. */

static void write_line(struct watch *w, struct str line)
{
    http_reply_write(w->request->ex, line);
    metrics_count(w->request->server->metrics, METRICS_WATCH_EVENTS, 1);
}

static void make_line(struct strbuf *out, struct str type, struct str object)
{
    strbuf_reserve(out, object.len + 48);
    strbuf_addz(out, "{\"type\":\"");
    strbuf_add_str(out, type);
    strbuf_addz(out, "\",\"object\":");
    strbuf_add_str(out, object);
    strbuf_addz(out, "}\n");
}

/* An object that left the selection is told with its last state in it, under the revision of the event. */
static void object_text(const struct pending *p, struct strbuf *out)
{
    if (p->object->revision == p->revision ||
        cache_splice_revision(cache_object_json(p->object), p->revision, out) < 0)
        strbuf_add_str(out, cache_object_json(p->object));
}

static void line_of(struct watch *w, const struct pending *p, struct strbuf *out)
{
    const struct resource *resource = w->request->route.resource;
    _cleanup_(strbuf_done) struct strbuf object = {0};
    object_text(p, &object);
    if (!render_is_verbatim(resource, &w->choice)) {
        _cleanup_(arena_done) struct arena a = {0};
        struct json *doc;
        if (json_parse(&a, strbuf_str(&object), NULL, &doc, NULL) < 0)
            return; /* the cache takes nothing in that does not parse */
        doc = render_form(w->request, &a, &w->choice, doc);
        struct strbuf formed = {0};
        json_write(doc, &formed);
        strbuf_done(&object);
        object = formed;
    }
    make_line(out, type_names[p->type], strbuf_str(&object));
}

static void write_event(struct watch *w, const struct pending *p)
{
    _cleanup_(strbuf_done) struct strbuf line = {0};
    line_of(w, p, &line);
    write_line(w, strbuf_str(&line));
    w->revision = p->revision;
}

static void write_bookmark(struct watch *w, int64_t revision, bool initial_end)
{
    const struct schema_resource *s = w->request->route.resource->schema;
    _cleanup_(strbuf_done) struct strbuf object = {0}, line = {0};
    bool whole = w->choice.form == FORM_OBJECT;
    strbuf_addf(
        &object,
        "{\"kind\":\"%.*s\",\"apiVersion\":\"%.*s%s%.*s\",\"metadata\":{\"resourceVersion\":\"%" PRId64 "\",",
        STR_ARG(whole ? s->kind : STR("PartialObjectMetadata")),
        STR_ARG(whole ? s->group : STR("meta.k8s.io")), whole && !s->group.len ? "" : "/",
        STR_ARG(whole ? s->version : w->choice.version), revision);
    strbuf_addf(&object, "\"creationTimestamp\":null%s}}",
                initial_end ? ",\"annotations\":{\"" INITIAL_END "\":\"true\"}" : "");
    make_line(&line, STR("BOOKMARK"), strbuf_str(&object));
    write_line(w, strbuf_str(&line));
    w->revision = revision;
}

static bool can_write(const struct watch *w)
{
    return http_reply_queued(w->request->ex) < WRITE_AHEAD_BYTES;
}

static bool is_behind(const struct watch *w)
{
    return w->next_initial < w->initial.n || w->queue_first < w->queue.n || w->owes_initial_end;
}

static void write_initial(struct watch *w)
{
    while (w->next_initial < w->initial.n && can_write(w)) {
        struct cache_object *o = w->initial.v[w->next_initial++];
        struct pending p = {.type = WATCH_ADDED, .object = o, .revision = o->revision};
        write_event(w, &p);
        cache_object_unref(o);
    }
    if (w->next_initial < w->initial.n || !w->owes_initial_end)
        return;
    w->owes_initial_end = false;
    write_bookmark(w, w->initial_revision, true);
}

static void write_queue(struct watch *w)
{
    while (w->queue_first < w->queue.n && can_write(w)) {
        struct pending p = w->queue.v[w->queue_first++];
        w->queue_bytes -= p.object->len;
        w->account->queue_bytes -= p.object->len;
        write_event(w, &p);
        cache_object_unref(p.object);
    }
    if (w->queue_first == w->queue.n)
        w->queue.n = w->queue_first = 0;
}

static void on_drained(struct request *r)
{
    struct watch *w = r->user;
    write_initial(w);
    if (w->next_initial == w->initial.n)
        write_queue(w);
}

/* False: the client reads too slowly and the watch is over. */
static bool enqueue(struct watch *w, const struct pending *p)
{
    struct apiserver *s = w->request->server;
    if (w->queue_bytes + p->object->len > s->config.limits.watch_queue_bytes ||
        w->account->queue_bytes + p->object->len > s->config.limits.watch_user_bytes ||
        w->queue.n - w->queue_first >= QUEUE_MAX_EVENTS) {
        metrics_count(s->metrics, METRICS_WATCH_SLOW, 1);
        log_warn_limited("a watch of %.*s by %.*s was ended: its client reads too slowly and will list again",
                         STR_ARG(w->request->route.plural), STR_ARG(w->request->identity.user));
        watch_end(w);
        return false;
    }
    struct pending *q = array_push(&w->queue);
    *q = *p;
    cache_object_ref(q->object);
    w->queue_bytes += q->object->len;
    w->account->queue_bytes += q->object->len;
    return true;
}

/* Events. */

static bool may_match(const struct watch *w, const struct cache_event *e)
{
    struct str key = cache_object_key(e->new);
    return str_has_prefix(key, w->selection.prefix) &&
           (!w->selection.name.len || str_eq(w->selection.name, cache_object_name(e->new)));
}

/* What the event means for who sees only the selection; false: nothing. */
static bool classify(const struct watch *w, struct cache_view *view, struct pending *ret)
{
    const struct cache_event *e = view->event;
    bool all = selection_is_all(&w->selection), was, is;
    if (!may_match(w, e))
        return false;
    was = e->old && (all || selection_matches(&w->selection, view->arena, cache_view_old(view)));
    is = !e->deleted && (all || selection_matches(&w->selection, view->arena, cache_view_new(view)));
    if (!was && !is)
        return false;
    *ret = (struct pending){
        .type = is ? (was ? WATCH_MODIFIED : WATCH_ADDED) : WATCH_DELETED,
        .object = is || e->deleted ? e->new : e->old,
        .revision = e->new->revision,
    };
    return true;
}

/* The line as all watches in the plain form print it, made once per event. */
static struct str shared_line(struct cache_view *view, const struct pending *p)
{
    struct str *line = &view->lines[p->type];
    if (!line->p) {
        _cleanup_(strbuf_done) struct strbuf object = {0}, text = {0};
        object_text(p, &object);
        make_line(&text, type_names[p->type], strbuf_str(&object));
        *line = arena_str(view->arena, strbuf_str(&text));
    }
    return *line;
}

static void deliver(struct watch *w, struct cache_view *view)
{
    struct pending p;
    if (view->event->new->revision <= w->after || !classify(w, view, &p))
        return;
    if (is_behind(w) || !can_write(w)) {
        (void)enqueue(w, &p);
        return;
    }
    if (render_is_verbatim(w->request->route.resource, &w->choice)) {
        write_line(w, shared_line(view, &p));
        w->revision = p.revision;
    } else {
        write_event(w, &p);
    }
}

static void on_event(struct cache_listener *l, struct cache_view *view)
{
    deliver(container_of(l, struct watch, listener), view);
}

static void on_replay(void *user, struct cache_view *view)
{
    struct watch *w = user;
    if (request_is_open(w->request))
        deliver(w, view);
}

static void on_bookmark(struct timer *t, void *user)
{
    struct watch *w = user;
    int64_t revision = cache_revision(w->request->server->cache);
    timer_arm_ms(t, BOOKMARK_MS);
    if (!is_behind(w) && can_write(w) && revision > w->revision && revision > w->after)
        write_bookmark(w, revision, false);
}

static void on_timeout(struct timer *t, void *user)
{
    struct watch *w = user;
    int64_t revision = cache_revision(w->request->server->cache);
    if (w->selection.bookmarks && !is_behind(w) && can_write(w) && revision > w->revision)
        write_bookmark(w, revision, false);
    watch_end(w);
}

/* Start. */

static void start_timers(struct watch *w)
{
    struct apiserver *s = w->request->server;
    int64_t seconds = w->selection.timeout_seconds;
    if (!seconds)
        seconds = MIN_TIMEOUT_S + (int64_t)random_below(s->config.random, MIN_TIMEOUT_S);
    timer_init(&w->timeout, s->config.loop, "watch timeout", on_timeout, w);
    timer_arm_ms(&w->timeout, MIN(seconds, MAX_TIMEOUT_S) * 1000);
    timer_init(&w->bookmark, s->config.loop, "watch bookmark", on_bookmark, w);
    if (w->selection.bookmarks)
        timer_arm_ms(&w->bookmark, BOOKMARK_MS - 5000 + (int64_t)random_below(s->config.random, 10000));
}

/* Everything there is now, as ADDED. */
static void take_initial(struct watch *w)
{
    const struct cache_resource *cache = w->request->route.resource->cache;
    struct cache_snapshot *s = &w->initial;
    size_t kept = 0;
    cache_snapshot(cache, w->selection.prefix, s);
    for (size_t i = 0; i < s->n; i++) {
        if (selection_matches_cached(&w->selection, s->v[i]))
            s->v[kept++] = s->v[i];
        else
            cache_object_unref(s->v[i]);
    }
    s->n = kept;
    w->initial_revision = w->after = cache_revision(w->request->server->cache);
    w->owes_initial_end = w->selection.send_initial;
}

static void write_error(struct watch *w, const struct status *status)
{
    _cleanup_(strbuf_done) struct strbuf object = {0}, line = {0};
    status_write(status, &object);
    make_line(&line, STR("ERROR"), strbuf_str(&object));
    http_reply_write(w->request->ex, strbuf_str(&line));
}

static void resume(struct watch *w)
{
    struct request *r = w->request;
    struct cache_resource *cache = r->route.resource->cache;
    w->after = w->revision = w->selection.version;
    request_ref(r);
    if (cache_replay(cache, w->selection.version, on_replay, w) == CACHE_EXPIRED) {
        struct str text = arena_format(&r->arena, "too old resource version: %" PRId64 " (%" PRId64 ")",
                                       w->selection.version, cache_oldest(cache));
        write_error(w, status_expired(&r->arena, text.p));
        watch_end(w);
    }
    request_unref(r);
}

static void start(struct watch *w)
{
    const struct selection *s = &w->selection;
    struct request *r = w->request;
    r->user = w;
    r->on_gone = on_gone;
    r->on_drained = on_drained;
    request_stream_begin(r, 200, STR("application/json"));
    start_timers(w);
    bool initial = s->has_send_initial ? s->send_initial : s->version == 0;
    if (initial)
        take_initial(w);
    else if (s->version == 0)
        w->after = w->revision = cache_revision(r->server->cache);
    else
        resume(w);
    if (!request_is_open(r))
        return;
    cache_listen(r->route.resource->cache, &w->listener);
    write_initial(w);
}

void verb_watch(struct request *r)
{
    struct watch *w = arena_new(&r->arena, struct watch);
    struct status *bad = selection_parse(r, &w->selection);
    if (bad) {
        request_reply_status(r, bad);
        return;
    }
    if (!render_choose(r, false, &w->choice))
        return;
    w->choice.encoding = ENCODING_JSON; /* a stream of YAML has no frames */
    w->request = r;
    w->listener.event = on_event;
    list_init(&w->listener.node);
    if (!count_in(w)) {
        metrics_count(r->server->metrics, METRICS_WATCHES_DROPPED, 1);
        request_reply_status(r, status_too_many_requests(&r->arena, "too many watches are open", 5));
        return;
    }
    start(w);
}
