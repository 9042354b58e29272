#include "apiserver/cache-private.h"

#include <errno.h>
#include <inttypes.h>

#include "base/map.h"

/* The window: the events that history is rebuilt from. */

static struct cache_event *window_at(const struct cache_window *w, size_t i)
{
    return &w->v[(w->first + i) % w->capacity];
}

static size_t event_bytes(const struct cache_event *e)
{
    return e->new->len + sizeof *e;
}

static void window_drop_first(struct cache_window *w)
{
    struct cache_event *e = window_at(w, 0);
    w->floor = e->new->revision;
    w->n_bytes -= event_bytes(e);
    cache_object_unref(e->old);
    cache_object_unref(e->new);
    w->first = (w->first + 1) % w->capacity;
    w->n--;
}

static void window_grow(struct cache_window *w)
{
    size_t capacity = w->capacity ? w->capacity * 2 : 16;
    struct cache_event *v = mem_realloc_array(NULL, capacity, sizeof *v);
    for (size_t i = 0; i < w->n; i++)
        v[i] = *window_at(w, i);
    free(w->v);
    w->v = v;
    w->first = 0;
    w->capacity = capacity;
}

void cache_window_add(struct cache_resource *r, const struct cache_event *e)
{
    struct cache_window *w = &r->window;
    const struct cache_options *o = &r->cache->options;
    while (w->n && (w->n >= o->window_events || w->n_bytes + event_bytes(e) > o->window_bytes))
        window_drop_first(w);
    if (w->n == w->capacity)
        window_grow(w);
    w->n++;
    w->n_bytes += event_bytes(e);
    *window_at(w, w->n - 1) = (struct cache_event){
        .deleted = e->deleted,
        .old = e->old ? cache_object_ref(e->old) : NULL,
        .new = cache_object_ref(e->new),
    };
}

void cache_window_clear(struct cache_resource *r, int64_t floor)
{
    while (r->window.n)
        window_drop_first(&r->window);
    r->window.floor = floor;
}

int64_t cache_oldest(const struct cache_resource *r)
{
    return r->window.floor;
}

static int check_revision(const struct cache_resource *r, int64_t revision)
{
    if (revision < r->window.floor)
        return CACHE_EXPIRED;
    return revision > r->cache->revision ? CACHE_FUTURE : 0;
}

/* Index of the first event behind REVISION. */
static size_t window_behind(const struct cache_window *w, int64_t revision)
{
    size_t low = 0, high = w->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (window_at(w, middle)->new->revision <= revision)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int cache_replay(struct cache_resource *r, int64_t revision,
                 void (*each)(void *user, struct cache_view *view), void *user)
{
    int status = check_revision(r, revision);
    if (status)
        return status;
    for (size_t i = window_behind(&r->window, revision); i < r->window.n; i++) {
        _cleanup_(arena_done) struct arena arena = {0};
        struct cache_view view = {.event = window_at(&r->window, i), .arena = &arena};
        each(user, &view);
    }
    return 0;
}

/* Snapshots. */

void cache_snapshot(const struct cache_resource *r, struct str prefix, struct cache_snapshot *ret)
{
    size_t from = cache_lower_bound(r, prefix), to = from;
    while (to < r->objects.n && str_has_prefix(cache_object_key(r->objects.v[to]), prefix))
        to++;
    ret->n = to - from;
    ret->v = mem_realloc_array(NULL, ret->n + 1, sizeof *ret->v);
    for (size_t i = 0; i < ret->n; i++)
        ret->v[i] = cache_object_ref(r->objects.v[from + i]);
}

void cache_snapshot_done(struct cache_snapshot *s)
{
    for (size_t i = 0; i < s->n; i++)
        cache_object_unref(s->v[i]);
    free(s->v);
    *s = (struct cache_snapshot){0};
}

static int compare_by_key(const void *a, const void *b)
{
    return str_cmp(cache_object_key(*(struct cache_object *const *)a),
                   cache_object_key(*(struct cache_object *const *)b));
}

/* What each key that changed behind REVISION had there: the old state of its first event. Absent keys are in
 * CHANGED with the event itself as a mark. */
static void undo(const struct cache_resource *r, struct str prefix, int64_t revision, struct map *ret_changed)
{
    for (size_t i = window_behind(&r->window, revision); i < r->window.n; i++) {
        struct cache_event *e = window_at(&r->window, i);
        struct str key = cache_object_key(e->new);
        if (str_has_prefix(key, prefix) && !map_has(ret_changed, key))
            (void)map_put(ret_changed, key, e);
    }
}

int cache_snapshot_at(const struct cache_resource *r, struct str prefix, int64_t revision,
                      struct cache_snapshot *ret)
{
    int status = check_revision(r, revision);
    if (status)
        return status;
    struct map changed = {0};
    undo(r, prefix, revision, &changed);
    ARRAY_OF(struct cache_object *) found = {0};
    struct cache_snapshot now;
    cache_snapshot(r, prefix, &now);
    for (size_t i = 0; i < now.n; i++) {
        if (changed.n == 0 || !map_has(&changed, cache_object_key(now.v[i])))
            *array_push(&found) = cache_object_ref(now.v[i]);
    }
    cache_snapshot_done(&now);
    map_foreach (&changed, it) {
        const struct cache_event *e = it->value;
        if (e->old)
            *array_push(&found) = cache_object_ref(e->old);
    }
    if (changed.n)
        qsort(found.v, found.n, sizeof *found.v, compare_by_key);
    map_done(&changed, NULL);
    ret->v = found.v;
    ret->n = found.n;
    return 0;
}

/* Splicing. */

struct scan {
    const char *p, *end;
};

static void scan_space(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r'))
        s->p++;
}

/* The text between the quotes; false at the end of the input. */
static bool scan_string(struct scan *s, struct str *ret)
{
    if (s->p == s->end || *s->p != '"')
        return false;
    const char *from = ++s->p;
    while (s->p < s->end && *s->p != '"')
        s->p += *s->p == '\\' ? 2 : 1;
    if (s->p >= s->end)
        return false;
    *ret = (struct str){from, (size_t)(s->p++ - from)};
    return true;
}

static bool scan_value(struct scan *s)
{
    struct str ignored;
    int depth = 0;
    while (s->p < s->end) {
        char ch = *s->p;
        if (ch == '"') {
            if (!scan_string(s, &ignored))
                return false;
            continue;
        }
        if (depth == 0 && (ch == ',' || ch == '}' || ch == ']'))
            return true;
        depth += (ch == '{' || ch == '[') - (ch == '}' || ch == ']');
        s->p++;
    }
    return false;
}

/* Moves to the value of member NAME of the object at S; false when it has none or is no object. */
static bool scan_member(struct scan *s, struct str name)
{
    struct str key;
    scan_space(s);
    if (s->p == s->end || *s->p != '{')
        return false;
    do {
        s->p++;
        scan_space(s);
        if (!scan_string(s, &key))
            return false;
        scan_space(s);
        if (s->p == s->end || *s->p++ != ':')
            return false;
        scan_space(s);
        if (str_eq(key, name))
            return true;
        if (!scan_value(s))
            return false;
        scan_space(s);
    } while (s->p < s->end && *s->p == ',');
    return false;
}

/* For text that is not as we write it, or carries a revision already. */
static int splice_parsed(struct str value, int64_t revision, struct strbuf *out)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *doc;
    if (json_parse(&a, value, NULL, &doc, NULL) < 0 || doc->type != JSON_OBJECT)
        return -EINVAL;
    struct json *metadata = json_ensure_object(&a, doc, "metadata");
    if (!json_is(metadata, JSON_OBJECT))
        return -EINVAL;
    json_setz(metadata, "resourceVersion", json_stringf(&a, "%" PRId64, revision));
    json_write(doc, out);
    return 0;
}

int cache_splice_revision(struct str value, int64_t revision, struct strbuf *out)
{
    struct scan s = {value.p, value.p + value.len};
    if (!scan_member(&s, STR("metadata")) || s.p == s.end || *s.p != '{')
        return splice_parsed(value, revision, out);
    const char *inside = s.p + 1;
    struct scan members = s;
    if (!scan_value(&s))
        return splice_parsed(value, revision, out);
    members.end = s.p;
    if (scan_member(&members, STR("resourceVersion")) || inside >= s.end || *inside != '"')
        return splice_parsed(value, revision, out);
    size_t head = (size_t)(inside - value.p);
    strbuf_reserve(out, value.len + 48);
    strbuf_add(out, value.p, head);
    strbuf_addf(out, "\"resourceVersion\":\"%" PRId64 "\",", revision);
    strbuf_add(out, inside, value.len - head);
    return 0;
}
