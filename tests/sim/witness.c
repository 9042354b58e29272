/* Watches through the API, over a network that fails, and compares every event with the audit's log of the
 * store: none skipped, none repeated, no revision that goes back. */
#include "world.h"

enum { N_VIEWS = 3 };

static const struct client_resource resources[N_VIEWS] = {
    {STR_INIT(""), STR_INIT("v1"), STR_INIT("services"), STR_INIT("Service")},
    {STR_INIT(""), STR_INIT("v1"), STR_INIT("pods"), STR_INIT("Pod")},
    {STR_INIT("discovery.k8s.io"), STR_INIT("v1"), STR_INIT("endpointslices"), STR_INIT("EndpointSlice")},
};

struct view {
    struct witness *witness;
    const struct client_resource *resource;
    char kind;
    int64_t revision; /* all up to it has been heard */
    bool must_list;
    struct client_stream *stream;
    struct timer retry;
};

struct witness {
    struct world *world;
    struct view views[N_VIEWS];
};

static struct world *world_of(const struct view *v)
{
    return v->witness->world;
}

/* The first event of the kind behind REVISION, or NULL. */
static const struct sim_event *next_event(const struct view *v, int64_t revision)
{
    size_t n, low = 0;
    const struct sim_event *log = audit_log(world_of(v)->audit, &n);
    for (size_t high = n; low < high;) {
        size_t middle = (low + high) / 2;
        if (log[middle].revision <= revision)
            low = middle + 1;
        else
            high = middle;
    }
    while (low < n && log[low].kind != v->kind)
        low++;
    return low < n ? &log[low] : NULL;
}

static void retry_later(struct view *v)
{
    timer_arm_ms(&v->retry, 200 + (int64_t)random_below(&world_of(v)->random, 800));
}

static int64_t revision_of(const struct json *object)
{
    int64_t revision = -1;
    (void)str_to_int64(json_string_at(object, "metadata", "resourceVersion"),
                       &revision); /* -1 is found out */
    return revision;
}

static void on_bookmark(struct view *v, int64_t revision)
{
    const struct sim_event *missed = next_event(v, v->revision);
    if (revision < v->revision)
        world_fail(world_of(v), "watch '%c': the bookmark %ld is behind %ld", v->kind, (long)revision,
                   (long)v->revision);
    else if (missed && missed->revision <= revision)
        world_fail(world_of(v), "watch '%c': the bookmark %ld skips the event %ld", v->kind, (long)revision,
                   (long)missed->revision);
    else
        v->revision = revision;
}

static void on_event(struct view *v, bool is_deletion, int64_t revision)
{
    const struct sim_event *due = next_event(v, v->revision);
    if (!due || due->revision != revision || due->is_deletion != is_deletion)
        world_fail(world_of(v), "watch '%c': after %ld came %s%ld, and not %s%ld", v->kind, (long)v->revision,
                   is_deletion ? "deletion " : "", (long)revision, due && due->is_deletion ? "deletion " : "",
                   due ? (long)due->revision : 0);
    else
        v->revision = revision;
}

static void on_line(void *user, struct str line)
{
    _cleanup_(arena_done) struct arena arena = {0};
    struct view *v = user;
    struct json *event;
    if (json_parse(&arena, line, NULL, &event, NULL) < 0) {
        world_fail(world_of(v), "watch '%c': a line is not JSON", v->kind);
        return;
    }
    struct str type = json_string_at(event, "type");
    int64_t revision = revision_of(json_getz(event, "object"));
    if (str_eqz(type, "ERROR"))
        v->must_list = true; /* expired: the server then ends the watch */
    else if (str_eqz(type, "BOOKMARK"))
        on_bookmark(v, revision);
    else
        on_event(v, str_eqz(type, "DELETED"), revision);
}

static void on_watch_end(void *user, const struct client_result *r)
{
    struct view *v = user;
    v->stream = NULL;
    v->must_list |= r->code == CLIENT_GONE;
    retry_later(v);
}

static void open_watch(struct view *v)
{
    static const struct client_stream_handler handler = {.line = on_line, .end = on_watch_end};
    _cleanup_(strbuf_done) struct strbuf query = {0};
    strbuf_addf(&query, "watch=1&allowWatchBookmarks=true&resourceVersion=%ld", (long)v->revision);
    v->stream = client_stream_open(
        world_of(v)->clients[SIM_WITNESS],
        &(struct client_request){.verb = CLIENT_LIST, .resource = v->resource, .query = strbuf_str(&query)},
        70000, &handler, v);
}

static void on_list(void *user, const struct client_result *r)
{
    struct view *v = user;
    struct world *w = world_of(v);
    int64_t revision = r->code ? 0 : revision_of(r->object);
    if (r->code) {
        retry_later(v);
        return;
    }
    if (revision < v->revision || revision > audit_revision(w->audit))
        world_fail(w, "list '%c' is of revision %ld; %ld had been heard, the store has %ld", v->kind,
                   (long)revision, (long)v->revision, (long)audit_revision(w->audit));
    json_foreach (json_getz(r->object, "items"), item)
        if (revision_of(item) > revision)
            world_fail(w, "list '%c' of revision %ld has an object of %ld", v->kind, (long)revision,
                       (long)revision_of(item));
    if (revision == 0) { /* an empty store: a watch from 0 means "from any state", not "from the beginning" */
        retry_later(v);
        return;
    }
    v->must_list = false;
    v->revision = revision;
    open_watch(v);
}

static void on_retry(struct timer *timer, void *user)
{
    struct view *v = user;
    if (!v->must_list) {
        open_watch(v);
        return;
    }
    (void)client_send(world_of(v)->clients[SIM_WITNESS],
                      &(struct client_request){.verb = CLIENT_LIST, .resource = v->resource}, on_list, v);
}

struct witness *witness_new(struct world *w)
{
    struct witness *t = mem_new(struct witness);
    t->world = w;
    for (int i = 0; i < N_VIEWS; i++) {
        struct view *v = &t->views[i];
        *v = (struct view){.witness = t, .resource = &resources[i], .kind = "spe"[i], .must_list = true};
        timer_init(&v->retry, w->loop, "witness", on_retry, v);
        timer_arm_ms(&v->retry, 10);
    }
    return t;
}

void witness_free(struct witness *t)
{
    for (int i = 0; i < N_VIEWS; i++) {
        timer_disarm(&t->views[i].retry);
        if (t->views[i].stream)
            client_stream_close(t->views[i].stream);
    }
    free(t);
}

bool witness_is_current(const struct witness *t)
{
    for (int i = 0; i < N_VIEWS; i++)
        if (!t->views[i].stream || next_event(&t->views[i], t->views[i].revision))
            return false;
    return true;
}
