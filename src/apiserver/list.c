#include <inttypes.h>

#include "apiserver/apiserver-private.h"
#include "apiserver/conversion.h"
#include "apiserver/freshness.h"
#include "apiserver/render.h"
#include "apiserver/request.h"
#include "apiserver/selection.h"
#include "apiserver/verbs.h"
#include "wire/yaml.h"

#define WHOLE_BYTES ((size_t)256 * 1024) /* a list up to this size is answered in one piece */
#define CHUNK_BYTES ((size_t)256 * 1024)

/* One list on its way; in the request's arena. */
struct list_reply {
    struct selection selection;
    struct accept_choice choice;
    int64_t revision; /* of the list */
    struct str after; /* only keys behind this one */
    struct cache_snapshot found;
    struct str continue_token;
    int64_t remaining; /* -1: not said */
    size_t next;       /* to be written */
};

static void reply_done(struct list_reply *l)
{
    cache_snapshot_done(&l->found);
}

/* Keeps what the selection means, at most LIMIT; the rest is let go. */
static void select_items(struct request *r, struct list_reply *l)
{
    struct cache_snapshot *s = &l->found;
    size_t limit = l->selection.limit ? (size_t)l->selection.limit : SIZE_MAX;
    size_t kept = 0, i = 0;
    bool more = false;
    for (; i < s->n && !more; i++) {
        struct cache_object *o = s->v[i];
        bool take = (!l->after.len || str_cmp(cache_object_key(o), l->after) > 0) &&
                    selection_matches_cached(&l->selection, o);
        if (take && kept == limit) {
            more = true;
            break;
        }
        s->v[i] = NULL;
        if (take)
            s->v[kept++] = o;
        else
            cache_object_unref(o);
    }
    if (more) {
        l->continue_token = continue_encode(&r->arena, l->revision, cache_object_key(s->v[kept - 1]));
        if (selection_is_all(&l->selection))
            l->remaining = (int64_t)(s->n - i);
    }
    for (; i < s->n; i++)
        cache_object_unref(s->v[i]);
    s->n = kept;
}

static void write_head(struct request *r, const struct list_reply *l, struct strbuf *out)
{
    const struct schema_resource *schema = r->route.resource->schema;
    strbuf_addf(
        out,
        "{\"kind\":\"%.*s\",\"apiVersion\":\"%.*s%s%.*s\",\"metadata\":{\"resourceVersion\":\"%" PRId64 "\"",
        STR_ARG(schema->list_kind), STR_ARG(schema->group), schema->group.len ? "/" : "",
        STR_ARG(schema->version), l->revision);
    if (l->continue_token.len)
        strbuf_addf(out, ",\"continue\":\"%.*s\"", STR_ARG(l->continue_token));
    if (l->remaining >= 0)
        strbuf_addf(out, ",\"remainingItemCount\":%" PRId64, l->remaining);
    strbuf_addz(out, "},\"items\":[");
}

/* Items up to LIMIT bytes, and the end behind the last. */
static void write_items(struct list_reply *l, size_t limit, struct strbuf *out)
{
    while (l->next < l->found.n && out->len < limit) {
        if (l->next)
            strbuf_addc(out, ',');
        strbuf_add_str(out, cache_object_json(l->found.v[l->next]));
        cache_object_unref(l->found.v[l->next]);
        l->found.v[l->next++] = NULL;
    }
    if (l->next == l->found.n)
        strbuf_addz(out, "]}\n");
}

static void on_drained(struct request *r)
{
    struct list_reply *l = r->user;
    _cleanup_(strbuf_done) struct strbuf chunk = {0};
    write_items(l, CHUNK_BYTES, &chunk);
    http_reply_write(r->ex, strbuf_str(&chunk));
    if (l->next < l->found.n)
        return;
    reply_done(l);
    request_stream_end(r);
}

static void on_gone(struct request *r)
{
    reply_done(r->user);
}

static void reply_verbatim(struct request *r, struct list_reply *l)
{
    _cleanup_(strbuf_done) struct strbuf out = {0};
    size_t bytes = 0;
    for (size_t i = 0; i < l->found.n; i++)
        bytes += l->found.v[i]->len + 1;
    write_head(r, l, &out);
    if (bytes <= WHOLE_BYTES) {
        strbuf_reserve(&out, bytes + 8);
        write_items(l, SIZE_MAX, &out);
        reply_done(l);
        request_reply(r, 200, STR("application/json"), strbuf_str(&out));
        return;
    }
    r->on_drained = on_drained;
    r->on_gone = on_gone;
    request_stream_begin(r, 200, STR("application/json"));
    write_items(l, CHUNK_BYTES, &out);
    http_reply_write(r->ex, strbuf_str(&out));
}

static struct json *list_metadata(struct arena *a, const struct list_reply *l)
{
    struct json *m = json_object(a);
    json_setz(m, "resourceVersion", json_stringf(a, "%" PRId64, l->revision));
    if (l->continue_token.len)
        json_setz(m, "continue", json_string(a, l->continue_token));
    if (l->remaining >= 0)
        json_setz(m, "remainingItemCount", json_int(a, l->remaining));
    return m;
}

static struct json *parse_items(struct request *r, struct list_reply *l)
{
    struct json *items = json_array(&r->arena), *doc;
    for (size_t i = 0; i < l->found.n; i++) {
        if (json_parse(&r->arena, cache_object_json(l->found.v[i]), NULL, &doc, NULL) < 0)
            continue; /* the cache takes nothing in that does not parse */
        if (l->choice.form != FORM_TABLE)
            doc = render_form(r, &r->arena, &l->choice, doc);
        json_append(items, doc);
    }
    return items;
}

static struct json *list_object(struct request *r, const struct list_reply *l, struct json *items,
                                struct json *metadata)
{
    struct arena *a = &r->arena;
    const struct schema_resource *schema = r->route.resource->schema;
    bool partial = l->choice.form == FORM_PARTIAL;
    struct json *list = json_object(a);
    json_setz(list, "kind", json_string(a, partial ? STR("PartialObjectMetadataList") : schema->list_kind));
    json_setz(list, "apiVersion",
              partial ? json_stringf(a, "meta.k8s.io/%.*s", STR_ARG(l->choice.version))
                      : json_stringf(a, "%.*s%s%.*s", STR_ARG(schema->group), schema->group.len ? "/" : "",
                                     STR_ARG(schema->version)));
    json_setz(list, "metadata", metadata);
    json_setz(list, "items", items);
    return list;
}

static void reply_formed(struct request *r, struct list_reply *l)
{
    struct arena *a = &r->arena;
    _cleanup_(strbuf_done) struct strbuf out = {0};
    bool yaml = l->choice.encoding == ENCODING_YAML;
    struct json *items = parse_items(r, l), *metadata = list_metadata(a, l), *list;
    struct table_options options = render_table_options(r, &l->choice);
    if (l->choice.form == FORM_TABLE)
        list = table_make(a, &options, items, metadata);
    else
        list = list_object(r, l, items, metadata);
    if (yaml)
        yaml_write(list, &out);
    else
        json_write(list, &out);
    reply_done(l);
    request_reply(r, 200, yaml ? STR("application/yaml") : STR("application/json"), strbuf_str(&out));
}

/* A token whose revision is forgotten gets, with the refusal, one that goes on without consistency. */
static void refuse_expired(struct request *r, const struct list_reply *l)
{
    struct arena *a = &r->arena;
    struct status *s = status_expired(
        a, l->after.len ? "The provided continue parameter is too old to display a consistent "
                          "list result. You can start a new list without the continue parameter, "
                          "or use the continue token in this response to retrieve the remainder "
                          "of the results. Continuing with the provided token results in an "
                          "inconsistent list - objects that were created, modified, or deleted "
                          "between the time the first chunk was returned and now may show up in "
                          "the list."
                        : "The resourceVersion for the provided list is too old.");
    if (!l->after.len) {
        request_reply_status(r, s);
        return;
    }
    _cleanup_(strbuf_done) struct strbuf body = {0};
    struct json *v = status_to_json(a, s);
    json_setz(json_ensure_object(a, v, "metadata"), "continue",
              json_string(a, continue_encode(a, -1, l->after)));
    json_write(v, &body);
    request_reply(r, s->code, STR("application/json"), strbuf_str(&body));
}

static void list_now(struct request *r)
{
    struct list_reply *l = r->user;
    const struct cache_resource *cache = r->route.resource->cache;
    int64_t current = cache_revision(r->server->cache);
    if (l->revision <= 0 || l->selection.match == MATCH_NOT_OLDER)
        l->revision = current;
    if (l->revision == current) {
        cache_snapshot(cache, l->selection.prefix, &l->found);
    } else if (cache_snapshot_at(cache, l->selection.prefix, l->revision, &l->found) != 0) {
        refuse_expired(r, l);
        return;
    }
    select_items(r, l);
    if (render_is_verbatim(r->route.resource, &l->choice))
        reply_verbatim(r, l);
    else
        reply_formed(r, l);
}

void verb_list(struct request *r)
{
    struct list_reply *l = arena_new(&r->arena, struct list_reply);
    struct status *bad = selection_parse(r, &l->selection);
    int64_t wait_for = l->selection.version;
    l->remaining = -1;
    if (!bad && l->selection.continue_token.len)
        bad = continue_decode(&r->arena, l->selection.continue_token, &l->revision, &l->after);
    if (bad) {
        request_reply_status(r, bad);
        return;
    }
    if (!render_choose(r, true, &l->choice))
        return;
    if (l->selection.match == MATCH_EXACT)
        l->revision = l->selection.version;
    else if (l->selection.continue_token.len)
        wait_for = l->revision;
    r->user = l;
    freshness_wait(r, wait_for, list_now);
}
