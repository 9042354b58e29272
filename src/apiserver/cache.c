#include "apiserver/cache-private.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "base/log.h"

#define REGISTRY      "/registry/"
#define PAGE_ITEMS    500
#define RETRY_MS      500
#define COMPACT_MS    (5 * 60 * 1000) /* as upstream: what is older nobody reads from the store */
#define WINDOW_EVENTS 4096
#define WINDOW_BYTES  (8u << 20)

static void load(struct cache *c);

/* Objects. */

static struct cache_object *object_new(struct str key, struct str json, int64_t revision)
{
    struct cache_object *o = mem_alloc(sizeof *o + json.len + key.len + 2);
    o->n_refs = 1;
    o->key_len = (uint32_t)key.len;
    o->len = (uint32_t)json.len;
    o->revision = revision;
    memcpy(o->bytes, json.p, json.len);
    o->bytes[json.len] = 0;
    memcpy(o->bytes + json.len + 1, key.p, key.len);
    o->bytes[json.len + 1 + key.len] = 0;
    return o;
}

struct cache_object *cache_object_ref(struct cache_object *o)
{
    o->n_refs++;
    return o;
}

void cache_object_unref(struct cache_object *o)
{
    if (o && --o->n_refs == 0)
        free(o);
}

struct str cache_object_name(const struct cache_object *o)
{
    struct str key = cache_object_key(o);
    ptrdiff_t slash = str_find_char(key, '/');
    return str_slice(key, (size_t)(slash + 1), key.len);
}

struct str cache_object_namespace(const struct cache_object *o)
{
    struct str key = cache_object_key(o);
    ptrdiff_t slash = str_find_char(key, '/');
    return slash < 0 ? STR("") : str_slice(key, 0, (size_t)slash);
}

static struct cache_object *object_from_item(struct cache *c, struct str key, const struct store_item *item)
{
    _cleanup_(strbuf_done) struct strbuf json = {0};
    if (item->value.len > STORE_MAX_VALUE_LEN ||
        cache_splice_revision(item->value, item->mod_revision, &json) < 0) {
        c->n_unreadable++;
        log_warn_limited("%.*s is no JSON object and is not served; delete the key or write it again",
                         STR_ARG(item->key));
        return NULL;
    }
    return object_new(key, strbuf_str(&json), item->mod_revision);
}

/* Views. */

static struct json *parse(struct arena *a, const struct cache_object *o)
{
    struct json *doc;
    if (!o || json_parse(a, cache_object_json(o), NULL, &doc, NULL) < 0)
        return NULL;
    return doc;
}

struct json *cache_view_new(struct cache_view *v)
{
    if (!v->new_parsed)
        v->new_parsed = parse(v->arena, v->event->new);
    return v->new_parsed;
}

struct json *cache_view_old(struct cache_view *v)
{
    if (!v->old_parsed)
        v->old_parsed = parse(v->arena, v->event->old);
    return v->old_parsed;
}

/* The table. */

size_t cache_lower_bound(const struct cache_resource *r, struct str key)
{
    size_t low = 0, high = r->objects.n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_cmp(cache_object_key(r->objects.v[middle]), key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct cache_object *cache_find(const struct cache_resource *r, struct str key)
{
    size_t i = cache_lower_bound(r, key);
    if (i == r->objects.n || !str_eq(cache_object_key(r->objects.v[i]), key))
        return NULL;
    return r->objects.v[i];
}

struct cache_object *cache_next(const struct cache_resource *r, struct str prefix, struct str after)
{
    size_t i = cache_lower_bound(r, after.p && str_cmp(after, prefix) > 0 ? after : prefix);
    if (i < r->objects.n && after.p && str_eq(cache_object_key(r->objects.v[i]), after))
        i++;
    if (i == r->objects.n || !str_has_prefix(cache_object_key(r->objects.v[i]), prefix))
        return NULL;
    return r->objects.v[i];
}

size_t cache_count(const struct cache_resource *r)
{
    return r->objects.n;
}

/* Puts NEW (or removes, NULL) under KEY; returns what was there with its reference. */
static struct cache_object *table_set(struct cache_resource *r, struct str key, struct cache_object *new)
{
    size_t i = cache_lower_bound(r, key);
    struct cache_object *old = NULL;
    if (i < r->objects.n && str_eq(cache_object_key(r->objects.v[i]), key))
        old = r->objects.v[i];
    if (old)
        r->n_bytes -= old->len;
    if (new)
        r->n_bytes += new->len;
    if (old && new) {
        r->objects.v[i] = new;
    } else if (new) {
        (void)array_push(&r->objects);
        memmove(&r->objects.v[i + 1], &r->objects.v[i], (r->objects.n - 1 - i) * sizeof *r->objects.v);
        r->objects.v[i] = new;
    } else if (old) {
        array_remove(&r->objects, i);
    }
    return old;
}

/* Events. */

static void dispatch(struct cache_resource *r, const struct cache_event *event)
{
    _cleanup_(arena_done) struct arena arena = {0};
    struct cache_view view = {.event = event, .arena = &arena};
    list_foreach_safe (&r->listeners, n) {
        struct cache_listener *l = container_of(n, struct cache_listener, node);
        l->event(l, &view);
    }
}

/* NEW is taken: the new state, or with DELETED the last one under the deletion's revision. */
static void apply(struct cache_resource *r, struct str key, struct cache_object *new, bool deleted)
{
    struct cache_object *old = table_set(r, key, deleted ? NULL : cache_object_ref(new));
    struct cache_event event = {.deleted = deleted, .old = old, .new = new};
    if (r->observe)
        r->observe(r->observe_user, old, deleted ? NULL : new);
    cache_window_add(r, &event);
    dispatch(r, &event);
    cache_object_unref(old);
    cache_object_unref(new);
}

static void apply_delete(struct cache_resource *r, struct str key, int64_t revision)
{
    struct cache_object *old = cache_find(r, key);
    if (!old)
        return;
    _cleanup_(strbuf_done) struct strbuf json = {0};
    if (cache_splice_revision(cache_object_json(old), revision, &json) < 0)
        strbuf_add_str(&json,
                       cache_object_json(old)); /* malformed in a way that the first look did not see */
    apply(r, cache_object_key(old), object_new(cache_object_key(old), strbuf_str(&json), revision), true);
}

static struct cache_resource *find_resource(struct cache *c, struct str key, struct str *ret_key)
{
    key = str_slice(key, sizeof REGISTRY - 1, key.len);
    array_foreach (&c->resources, r) {
        if (!str_has_prefix(key, (*r)->prefix))
            continue;
        *ret_key = str_slice(key, (*r)->prefix.len, key.len);
        return *r;
    }
    return NULL;
}

static void on_events(void *user, int64_t revision, const struct store_event *events, size_t n)
{
    struct cache *c = user;
    for (size_t i = 0; i < n; i++) {
        struct str key;
        struct cache_resource *r = find_resource(c, events[i].item.key, &key);
        if (!r)
            continue;
        if (events[i].type == STORE_DELETE) {
            apply_delete(r, key, events[i].item.mod_revision);
            continue;
        }
        struct cache_object *new = object_from_item(c, key, &events[i].item);
        if (new)
            apply(r, key, new, false);
    }
    c->revision = revision;
    if (!timer_is_armed(&c->compact)) {
        c->compact_revision = revision;
        timer_arm_ms(&c->compact, COMPACT_MS);
    }
    list_foreach_safe (&c->waits, node) {
        struct cache_wait *w = container_of(node, struct cache_wait, node);
        if (w->revision > revision)
            continue;
        list_remove(&w->node);
        w->reached(w);
    }
}

static void on_watch_end(void *user, int status, const struct err *err)
{
    struct cache *c = user;
    c->watch = NULL;
    log_warn("the store's watch ended (%s); reading everything again", err && err->text[0] ? err->text
                                                                       : status == STORE_COMPACTED
                                                                           ? "compacted"
                                                                           : "no reason given");
    timer_arm_ms(&c->retry, RETRY_MS);
}

/* Loading. */

static void load_done(struct cache *c, int status, const struct err *err)
{
    c->is_loading = false;
    if (status == 0 && !c->is_ready)
        c->is_ready = true;
    if (c->ready) {
        void (*ready)(void *, int, const struct err *) = c->ready;
        c->ready = NULL;
        ready(c->ready_user, status, err);
    }
}

static void drop_loading(struct cache *c)
{
    array_foreach (&c->resources, r) {
        array_foreach (&(*r)->loading, o)
            cache_object_unref(*o);
        array_done(&(*r)->loading);
    }
}

/* The first load: everything becomes the table, without events. */
static void adopt_loaded(struct cache_resource *r)
{
    free(r->objects.v);
    r->objects.v = r->loading.v;
    r->objects.n = r->loading.n;
    r->objects.capacity = r->loading.capacity;
    r->loading.v = NULL;
    r->loading.n = r->loading.capacity = 0;
    array_foreach (&r->objects, o) {
        r->n_bytes += (*o)->len;
        if (r->observe)
            r->observe(r->observe_user, NULL, *o);
    }
}

/* A later load: what differs becomes events, so that watches stay whole. */
static void merge_loaded(struct cache_resource *r, int64_t revision)
{
    ARRAY_OF(struct cache_object *) gone = {0};
    size_t at = 0;
    array_foreach (&r->objects, o) {
        while (at < r->loading.n && str_cmp(cache_object_key(r->loading.v[at]), cache_object_key(*o)) < 0)
            at++;
        if (at == r->loading.n || !str_eq(cache_object_key(r->loading.v[at]), cache_object_key(*o)))
            *array_push(&gone) = cache_object_ref(*o);
    }
    array_foreach (&gone, o) {
        apply_delete(r, cache_object_key(*o), revision);
        cache_object_unref(*o);
    }
    array_done(&gone);
    array_foreach (&r->loading, o) {
        const struct cache_object *have = cache_find(r, cache_object_key(*o));
        if (!have || have->revision != (*o)->revision)
            apply(r, cache_object_key(*o), cache_object_ref(*o), false);
        cache_object_unref(*o);
    }
    array_done(&r->loading);
    cache_window_clear(r, revision); /* what came between is not known */
}

static void load_end(struct cache *c)
{
    static const struct store_watch_handler handler = {.events = on_events, .end = on_watch_end};
    array_foreach (&c->resources, r) {
        if (c->is_ready) {
            merge_loaded(*r, c->load_revision);
        } else {
            adopt_loaded(*r);
            cache_window_clear(*r, c->load_revision);
        }
    }
    c->revision = c->load_revision;
    c->watch = store_watch_open(c->options.store, STR(REGISTRY), c->load_revision, &handler, c);
    load_done(c, 0, NULL);
}

static void take_page(struct cache *c, const struct store_page *page)
{
    for (size_t i = 0; i < page->n_items; i++) {
        struct str key;
        struct cache_resource *r = find_resource(c, page->items[i].key, &key);
        struct cache_object *o = r ? object_from_item(c, key, &page->items[i]) : NULL;
        if (o)
            *array_push(&r->loading) = o;
    }
    if (page->n_items == 0)
        return;
    strbuf_truncate(&c->load_from, 0);
    strbuf_add_str(&c->load_from, page->items[page->n_items - 1].key);
    strbuf_addc(&c->load_from, 0); /* the next possible key */
}

static void read_page(struct cache *c);

static void on_page(void *user, const struct store_page *page)
{
    struct cache *c = user;
    if (page->status != 0) {
        drop_loading(c);
        if (page->status < 0)
            log_warn("cannot read the store: %s; trying again",
                     page->err ? page->err->text : "no reason given");
        timer_arm_ms(&c->retry, RETRY_MS);
        if (page->status < 0)
            load_done(c, page->status, page->err);
        return;
    }
    c->load_revision = page->revision;
    take_page(c, page);
    if (page->more)
        read_page(c);
    else
        load_end(c);
}

static void read_page(struct cache *c)
{
    _cleanup_(strbuf_done) struct strbuf end = {0};
    store_prefix_end(STR(REGISTRY), &end);
    store_read(c->options.store, strbuf_str(&c->load_from), strbuf_str(&end), c->load_revision, PAGE_ITEMS,
               on_page, c);
}

static void load(struct cache *c)
{
    c->is_loading = true;
    c->load_revision = 0; /* now; later pages are of the same revision */
    strbuf_truncate(&c->load_from, 0);
    strbuf_add_str(&c->load_from, STR(REGISTRY));
    read_page(c);
}

static void on_retry(struct timer *t, void *user)
{
    load(user);
}

static void on_compact(struct timer *t, void *user)
{
    struct cache *c = user;
    store_compact(c->options.store, c->compact_revision);
    if (c->revision == c->compact_revision)
        return; /* the next write arms it again */
    c->compact_revision = c->revision;
    timer_arm_ms(t, COMPACT_MS);
}

/* Life cycle. */

struct cache *cache_new(const struct cache_options *options)
{
    struct cache *c = mem_new(struct cache);
    c->options = *options;
    if (!c->options.window_events)
        c->options.window_events = WINDOW_EVENTS;
    if (!c->options.window_bytes)
        c->options.window_bytes = WINDOW_BYTES;
    list_init(&c->waits);
    timer_init(&c->retry, options->loop, "cache load", on_retry, c);
    timer_init(&c->compact, options->loop, "store compaction", on_compact, c);
    return c;
}

void cache_free(struct cache *c)
{
    if (!c)
        return;
    assert(list_is_empty(&c->waits));
    timer_disarm(&c->retry);
    timer_disarm(&c->compact);
    if (c->watch)
        store_watch_close(c->watch);
    drop_loading(c);
    array_foreach (&c->resources, rp) {
        struct cache_resource *r = *rp;
        assert(list_is_empty(&r->listeners));
        cache_window_clear(r, 0);
        free(r->window.v);
        array_foreach (&r->objects, o)
            cache_object_unref(*o);
        array_done(&r->objects);
        free((char *)r->prefix.p);
        free(r);
    }
    array_done(&c->resources);
    strbuf_done(&c->load_from);
    free(c);
}

struct cache_resource *cache_add_resource(struct cache *c, struct str prefix)
{
    struct cache_resource *r = mem_new(struct cache_resource);
    struct strbuf text = {0};
    strbuf_add_str(&text, prefix);
    strbuf_addc(&text, '/');
    r->prefix.p = strbuf_take(&text, &r->prefix.len);
    r->cache = c;
    list_init(&r->listeners);
    *array_push(&c->resources) = r;
    return r;
}

void cache_resource_observe(struct cache_resource *r,
                            void (*hook)(void *user, struct cache_object *old, struct cache_object *new),
                            void *user)
{
    assert(!r->observe);
    r->observe = hook;
    r->observe_user = user;
}

void cache_on_ready(struct cache *c, void (*ready)(void *user, int status, const struct err *err), void *user)
{
    c->ready = ready;
    c->ready_user = user;
}

void cache_start(struct cache *c, void (*ready)(void *user, int status, const struct err *err), void *user)
{
    cache_on_ready(c, ready, user);
    load(c);
}

bool cache_is_ready(const struct cache *c)
{
    return c->is_ready;
}

int64_t cache_revision(const struct cache *c)
{
    return c->revision;
}

bool cache_wait_for(struct cache *c, struct cache_wait *w, int64_t revision)
{
    if (c->revision >= revision)
        return true;
    w->revision = revision;
    list_append(&c->waits, &w->node);
    return false;
}

void cache_wait_cancel(struct cache_wait *w)
{
    list_remove(&w->node);
}

void cache_listen(struct cache_resource *r, struct cache_listener *listener)
{
    list_append(&r->listeners, &listener->node);
}

void cache_unlisten(struct cache_listener *listener)
{
    list_remove(&listener->node);
}

void cache_stats(const struct cache *c, struct cache_stats *ret)
{
    struct cache_stats s = {.n_unreadable = c->n_unreadable};
    for (size_t i = 0; i < c->resources.n; i++) {
        const struct cache_resource *r = c->resources.v[i];
        s.n_objects += r->objects.n;
        s.n_bytes += r->n_bytes;
        s.n_window_events += r->window.n;
        s.n_window_bytes += r->window.n_bytes;
    }
    *ret = s;
}
