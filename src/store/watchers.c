#include "store/watchers.h"

void watchers_init(struct watchers *set)
{
    list_init(&set->open);
    set->publishing = 0;
    set->has_closed = false;
}

static void watcher_free(struct watcher *w)
{
    list_remove(&w->node);
    for (size_t i = 0; i < w->waiting.n; i++)
        store_record_unref(w->waiting.v[i]);
    array_done(&w->waiting);
    free(w->prefix);
    free(w);
}

static void watchers_bury(struct watchers *set)
{
    if (set->publishing || !set->has_closed)
        return;
    set->has_closed = false;
    list_foreach_safe (&set->open, n) {
        struct watcher *w = container_of(n, struct watcher, node);
        if (w->is_closed)
            watcher_free(w);
    }
}

void watchers_done(struct watchers *set)
{
    list_foreach_safe (&set->open, n)
        watcher_free(container_of(n, struct watcher, node));
}

void watchers_silence(struct watchers *set)
{
    set->publishing++; /* for good: nothing is freed before watchers_done() */
    list_foreach (&set->open, n)
        container_of(n, struct watcher, node)->is_closed = true;
}

struct watcher *watchers_open(struct watchers *set, struct store *store, struct str prefix, int64_t after,
                              const struct store_watch_handler *handler, void *user)
{
    struct watcher *w = mem_new(struct watcher);
    w->watch.store = store;
    w->set = set;
    w->handler = handler;
    w->user = user;
    w->prefix = mem_dup(prefix.p, prefix.len);
    w->prefix_len = prefix.len;
    w->last = after;
    list_append(&set->open, &w->node);
    return w;
}

void watchers_close(struct watcher *w)
{
    if (w->is_closed)
        return;
    w->is_closed = true;
    w->set->has_closed = true;
    watchers_bury(w->set);
}

/* Hands on the records of one revision; all of them have it. */
static void watcher_hand_on(struct watcher *w, struct store_record *const *records, size_t n)
{
    struct store_event events[STORE_MAX_OPS];
    size_t n_events = 0;
    if (w->is_closed || records[0]->mod_revision <= w->last)
        return;
    w->last = records[0]->mod_revision;
    for (size_t i = 0; i < n; i++)
        if (str_has_prefix(store_record_key(records[i]), (struct str){w->prefix, w->prefix_len}))
            events[n_events++] = store_record_event(records[i]);
    if (n_events)
        w->handler->events(w->user, w->last, events, n_events);
}

/* Records of several revisions, a revision at a time. */
static void watcher_hand_on_all(struct watcher *w, struct store_record *const *records, size_t n)
{
    for (size_t from = 0, to; from < n && !w->is_closed; from = to) {
        for (to = from + 1; to < n && records[to]->mod_revision == records[from]->mod_revision;)
            to++;
        watcher_hand_on(w, records + from, to - from);
    }
}

void watchers_publish(struct watchers *set, struct store_record *const *records, size_t n)
{
    set->publishing++;
    list_foreach (&set->open, node) {
        struct watcher *w = container_of(node, struct watcher, node);
        if (w->is_closed)
            continue;
        if (w->is_catching_up) {
            for (size_t i = 0; i < n; i++)
                *array_push(&w->waiting) = store_record_ref(records[i]);
        } else {
            watcher_hand_on(w, records, n);
        }
    }
    set->publishing--;
    watchers_bury(set);
}

void watcher_replay(struct watcher *w, struct store_record *const *records, size_t n)
{
    struct watchers *set = w->set;
    set->publishing++;
    watcher_hand_on_all(w, records, n);
    set->publishing--;
    watchers_bury(set);
}

void watcher_caught_up(struct watcher *w)
{
    struct watchers *set = w->set;
    set->publishing++;
    w->is_catching_up = false;
    watcher_hand_on_all(w, w->waiting.v, w->waiting.n);
    for (size_t i = 0; i < w->waiting.n; i++)
        store_record_unref(w->waiting.v[i]);
    array_done(&w->waiting);
    set->publishing--;
    watchers_bury(set);
}

void watcher_end(struct watcher *w, int status, const struct err *err)
{
    const struct store_watch_handler *handler = w->handler;
    void *user = w->user;
    if (w->is_closed)
        return;
    watchers_close(w);
    handler->end(user, status, err);
}
