#include <inttypes.h>

#include "apiserver/apiserver-private.h"
#include "apiserver/deletion.h"
#include "apiserver/render.h"
#include "apiserver/request.h"
#include "apiserver/selection.h"
#include "apiserver/verbs.h"

/* Deletes one object after the other; the answer is the list of them as they were. An object that is gone by
 * the time its turn comes is fine. */
struct collection {
    struct deletion deletion;
    struct selection selection;
    struct cache_snapshot found;
    size_t next;
    bool is_running, again; /* a dry run is done at once: no recursion */
};

static void step(struct request *r, struct collection *l);

static void collection_done(struct collection *l)
{
    cache_snapshot_done(&l->found);
}

static void reply(struct request *r, struct collection *l)
{
    const struct schema_resource *schema = r->route.resource->schema;
    struct arena *a = &r->arena;
    struct json *list = json_object(a), *metadata = json_object(a), *items = json_array(a), *doc;
    struct accept_choice plain = {.version = STR("v1")};
    json_setz(metadata, "resourceVersion", json_stringf(a, "%" PRId64, cache_revision(r->server->cache)));
    json_setz(list, "kind", json_string(a, schema->list_kind));
    json_setz(list, "apiVersion",
              json_stringf(a, "%.*s%s%.*s", STR_ARG(schema->group), schema->group.len ? "/" : "",
                           STR_ARG(schema->version)));
    for (size_t i = 0; i < l->found.n; i++) {
        if (json_parse(a, cache_object_json(l->found.v[i]), NULL, &doc, NULL) == 0)
            json_append(items, render_form(r, a, &plain, doc));
    }
    json_setz(list, "metadata", metadata);
    json_setz(list, "items", items);
    render_value(r, 200, list);
    collection_done(l);
}

static void on_deleted(struct write *w, const struct status *refusal, struct json *object)
{
    struct request *r = w->request;
    struct collection *l = r->user;
    if (!request_is_open(r)) {
        collection_done(l);
        return;
    }
    if (refusal && refusal->code != 404) {
        request_reply_status(r, refusal);
        collection_done(l);
        return;
    }
    step(r, l);
}

static void step_once(struct request *r, struct collection *l)
{
    static const struct write_ops ops = {.done = on_deleted};
    if (l->next == l->found.n) {
        reply(r, l);
        return;
    }
    const struct cache_object *o = l->found.v[l->next++];
    struct write *w = deletion_new(r, &l->deletion, &ops);
    w->ns = arena_str(&r->arena, cache_object_namespace(o));
    w->name = arena_str(&r->arena, cache_object_name(o));
    write_start(w);
}

static void step(struct request *r, struct collection *l)
{
    l->again = true;
    if (l->is_running)
        return;
    request_ref(r);
    l->is_running = true;
    while (l->again) {
        l->again = false;
        step_once(r, l);
    }
    l->is_running = false;
    request_unref(r);
}

void verb_delete_collection(struct request *r)
{
    struct collection *l = arena_new(&r->arena, struct collection);
    struct status *bad = deletion_parse(r, &l->deletion);
    size_t kept = 0;
    if (!bad)
        bad = selection_parse(r, &l->selection);
    if (bad) {
        request_reply_status(r, bad);
        return;
    }
    cache_snapshot(r->route.resource->cache, l->selection.prefix, &l->found);
    for (size_t i = 0; i < l->found.n; i++) {
        if (selection_matches_cached(&l->selection, l->found.v[i]))
            l->found.v[kept++] = l->found.v[i];
        else
            cache_object_unref(l->found.v[i]);
    }
    l->found.n = kept;
    r->user = l;
    step(r, l);
}
