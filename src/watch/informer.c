/* States: IDLE -> LISTING (pages) or STREAMING (initial events) -> WATCHING -> WATCHING ... ; any failure
 * goes through WAITING, a pause with back-off, and then either lists again or resumes the watch. */
#include "watch/informer.h"

#include <errno.h>
#include <inttypes.h>

#include "base/log.h"

#define BACKOFF_FIRST_MS   800
#define BACKOFF_MAX_MS     30000
#define WATCH_GRACE_MS     30000
#define INITIAL_EVENTS_MS  15000 /* of silence, before the end of the initial events is given up */
#define SHORT_WATCH_MS     1000
#define HEALTHY_WATCH_MS   60000 /* a watch that lived so long was no failure: earlier ones are forgotten */
#define MAX_BROKEN_WATCHES 3     /* in a row; then what the server sends is not worth resuming */
#define DEFAULT_PAGE       500
#define DEFAULT_MAX_BYTES  ((size_t)1 << 30)

enum state { IDLE, LISTING, STREAMING, WATCHING, WAITING };

struct registered_handler {
    const struct informer_handler *handler;
    void *user;
};

struct informer {
    struct informer_config config;
    char *namespace, *label_selector, *field_selector;
    struct items items;
    struct registered_handler handlers[INFORMER_MAX_HANDLERS];
    size_t n_handlers;
    enum state state;
    bool synced;
    struct timer timer; /* WAITING: the pause; STREAMING: the silence */
    struct client_call *call;
    struct client_stream *stream;
    struct strbuf rv;      /* where the watch stands; empty: list first */
    uint64_t position;     /* the same as a number, 0 if it is none */
    struct strbuf list_rv; /* of the list under way */
    struct strbuf next_page;
    int64_t backoff_ms;     /* of the next pause; 0: none yet */
    struct monotime opened; /* the watch */
    uint64_t opened_events; /* events counted when it was opened */
    unsigned broken_watches;
    struct informer_stats stats;
};

static void begin_list(struct informer *c);
static void open_watch(struct informer *c);
static void request_page(struct informer *c);

static void items_changed(void *user, const struct informer_change *change)
{
    struct informer *c = user;
    for (size_t i = 0; i < c->n_handlers; i++)
        c->handlers[i].handler->changed(c->handlers[i].user, c, change);
}

static void stop_transfers(struct informer *c)
{
    if (c->call)
        client_cancel(TAKE(c->call));
    if (c->stream)
        client_stream_close(TAKE(c->stream));
    timer_disarm(&c->timer);
}

/* Pauses, then lists again (no position) or resumes the watch. The pause is between one and two times the
 * back-off, so that many caches that lost one server do not return together. */
static void pause_and_retry(struct informer *c, int64_t at_least_ms)
{
    stop_transfers(c);
    items_stage_clear(&c->items);
    c->backoff_ms = c->backoff_ms ? MIN(c->backoff_ms * 2, BACKOFF_MAX_MS) : BACKOFF_FIRST_MS;
    int64_t delay_ms = c->backoff_ms + (int64_t)random_below(c->config.random, (uint64_t)c->backoff_ms);
    c->state = WAITING;
    timer_arm_ms(&c->timer, MAX(delay_ms, at_least_ms));
}

static void forget_position(struct informer *c)
{
    strbuf_truncate(&c->rv, 0);
}

static void set_position(struct informer *c, struct str rv)
{
    strbuf_truncate(&c->rv, 0);
    strbuf_add_str(&c->rv, rv);
    if (str_to_uint64(rv, &c->position) < 0)
        c->position = 0;
}

static void list_failed(struct informer *c, const char *why, int64_t retry_after_ms)
{
    c->stats.list_failures++;
    log_warn_limited("cannot list %.*s (%s): keeping what was known, trying again",
                     STR_ARG(c->config.resource->plural), why);
    pause_and_retry(c, retry_after_ms);
}

static bool stage(struct informer *c, struct json *object)
{
    _cleanup_(arena_done) struct arena a = {0};
    (void)json_unsetz(json_getz(object, "metadata"), "managedFields"); /* absent is as good */
    if (c->config.reduce)
        c->config.reduce(object, &a);
    return items_stage(&c->items, object);
}

/* The whole list has come: takes it over and tells the difference. */
static void finish_list(struct informer *c, struct str rv)
{
    bool first = !c->synced;
    set_position(c, rv);
    c->stats.lists++;
    c->backoff_ms = 0;
    c->broken_watches = 0;
    items_commit(&c->items);
    c->synced = true;
    for (size_t i = 0; first && i < c->n_handlers; i++) {
        if (c->handlers[i].handler->synced)
            c->handlers[i].handler->synced(c->handlers[i].user, c);
    }
}

static void on_page(void *user, const struct client_result *r)
{
    struct informer *c = user;
    c->call = NULL;
    if (r->code) {
        _cleanup_(mem_freep) char *why = mem_dup(r->message.p, r->message.len);
        list_failed(c, why, r->retry_after_ms);
        return;
    }
    struct str rv = json_string_at(r->object, "metadata", "resourceVersion");
    struct str next = json_string_at(r->object, "metadata", "continue");
    if (!rv.len || !json_is(json_getz(r->object, "items"), JSON_ARRAY)) {
        list_failed(c, "the answer is not a list", 0);
        return;
    }
    json_foreach (json_getz(r->object, "items"), object) {
        if (!stage(c, object)) {
            list_failed(c, "an object without a name", 0);
            return;
        }
    }
    if (c->items.n_staged_bytes > c->config.max_bytes) {
        list_failed(c, "more bytes than this cache may hold", 0);
        return;
    }
    strbuf_truncate(&c->list_rv, 0);
    strbuf_add_str(&c->list_rv, rv);
    strbuf_truncate(&c->next_page, 0);
    strbuf_add_str(&c->next_page, next);
    if (next.len) {
        request_page(c);
        return;
    }
    finish_list(c, strbuf_str(&c->list_rv));
    open_watch(c);
}

static void add_selectors(const struct informer *c, struct strbuf *query)
{
    if (c->label_selector[0])
        client_query_add(query, "labelSelector", str_of(c->label_selector));
    if (c->field_selector[0])
        client_query_add(query, "fieldSelector", str_of(c->field_selector));
}

static void request_page(struct informer *c)
{
    _cleanup_(strbuf_done) struct strbuf query = {0};
    add_selectors(c, &query);
    strbuf_addf(&query, "%slimit=%zu", query.len ? "&" : "", c->config.page_limit);
    if (c->next_page.len)
        client_query_add(&query, "continue", strbuf_str(&c->next_page));
    struct client_request request = {.verb = CLIENT_LIST,
                                     .resource = c->config.resource,
                                     .namespace = str_of(c->namespace),
                                     .query = strbuf_str(&query),
                                     .max_reply_len = CLIENT_MAX_LIST_LEN,
                                     .timeout_ms = 60000};
    c->state = LISTING;
    c->call = client_send(c->config.client, &request, on_page, c);
}

/* The event contradicts what the cache holds, so something was lost on the way: only a list mends that. */
static void distrust(struct informer *c, const char *why)
{
    c->stats.watch_failures++;
    log_warn_limited("the watch of %.*s cannot be trusted (%s): listing again",
                     STR_ARG(c->config.resource->plural), why);
    forget_position(c);
    pause_and_retry(c, 0);
}

static void on_error_event(struct informer *c, const struct json *status)
{
    int64_t code = json_int_at(status, 0, "code");
    struct str reason = json_string_at(status, "reason");

    c->stats.watch_failures++;
    if (code == 410 || str_eq(reason, STR("Expired")) || str_eq(reason, STR("Gone"))) {
        stop_transfers(c);
        forget_position(c);
        /* A server that expires what it has just listed must not be asked in a loop. */
        if (monotime_since_ms(loop_now(c->config.loop), c->opened) < SHORT_WATCH_MS)
            pause_and_retry(c, 0);
        else
            begin_list(c);
        return;
    }
    pause_and_retry(c, json_int_at(status, 0, "details", "retryAfterSeconds") * 1000);
}

/* One event behind the first list. An event not newer than the position is a repetition if the cache already
 * holds its outcome; if it does not, the order is broken. */
static void on_change_event(struct informer *c, struct str type, struct json *object)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct str rv_text = json_string_at(object, "metadata", "resourceVersion");
    struct str key = items_key_of(object, &a);
    struct informer_item *have = key.len ? items_find(&c->items, key) : NULL;
    bool deleted = str_eq(type, STR("DELETED"));
    uint64_t rv;

    if (!key.len || !rv_text.len) {
        distrust(c, "an event without name or version");
        return;
    }
    if (str_to_uint64(rv_text, &rv) < 0)
        rv = 0;
    bool old = rv && (rv < c->position || (have && rv <= have->rv && !deleted));
    if (old) {
        c->stats.ignored_events++;
        bool known = !have ? deleted : deleted ? have->rv > rv : have->rv >= rv;
        if (!known)
            distrust(c, "an event out of order");
        return;
    }
    (void)json_unsetz(json_getz(object, "metadata"), "managedFields");
    if (c->config.reduce)
        c->config.reduce(object, &a);
    set_position(c, rv_text);
    if (deleted)
        (void)items_remove(&c->items, object); /* has a name: looked at above */
    else
        (void)items_put(&c->items, object);
    if (c->items.n_bytes > c->config.max_bytes)
        distrust(c, "more bytes than this cache may hold");
}

/* While the initial events stream in, they are staged; the bookmark that ends them commits. */
static void on_initial_event(struct informer *c, struct str type, struct json *object)
{
    timer_arm_ms(&c->timer, INITIAL_EVENTS_MS);
    if (str_eq(type, STR("ADDED")) || str_eq(type, STR("MODIFIED"))) {
        if (!stage(c, object))
            list_failed(c, "an object without a name", 0);
        else if (c->items.n_staged_bytes > c->config.max_bytes)
            list_failed(c, "more bytes than this cache may hold", 0);
    } else if (str_eq(type, STR("DELETED"))) {
        items_unstage(&c->items, object);
    } else if (str_eq(type, STR("BOOKMARK")) &&
               str_eq(json_string_at(object, "metadata", "annotations", "k8s.io/initial-events-end"),
                      STR("true"))) {
        timer_disarm(&c->timer);
        c->state = WATCHING;
        c->opened = loop_now(c->config.loop);
        c->opened_events = c->stats.events;
        finish_list(c, json_string_at(object, "metadata", "resourceVersion"));
    }
}

static void on_line(void *user, struct str line)
{
    struct informer *c = user;
    _cleanup_(arena_done) struct arena a = {0};
    struct json *event = NULL;

    if (json_parse(&a, line, NULL, &event, NULL) < 0 || !json_is(json_getz(event, "object"), JSON_OBJECT)) {
        c->stats.watch_failures++;
        if (++c->broken_watches >= MAX_BROKEN_WATCHES)
            forget_position(c);
        pause_and_retry(c, 0);
        return;
    }
    struct str type = json_string_at(event, "type");
    struct json *object = json_getz(event, "object");
    c->stats.events++;
    if (str_eq(type, STR("ERROR"))) {
        on_error_event(c, object);
        return;
    }
    if (c->state == STREAMING) {
        on_initial_event(c, type, object);
        return;
    }
    c->broken_watches = 0;
    c->backoff_ms = 0;
    if (str_eq(type, STR("BOOKMARK"))) {
        struct str rv = json_string_at(object, "metadata", "resourceVersion");
        uint64_t number;
        if (rv.len && (str_to_uint64(rv, &number) < 0 || number >= c->position))
            set_position(c, rv);
    } else if (str_eq(type, STR("ADDED")) || str_eq(type, STR("MODIFIED")) || str_eq(type, STR("DELETED"))) {
        on_change_event(c, type, object);
    } else {
        distrust(c, "an unknown type of event");
    }
}

static void watch_ended_cleanly(struct informer *c)
{
    bool useless = c->stats.events == c->opened_events &&
                   monotime_since_ms(loop_now(c->config.loop), c->opened) < SHORT_WATCH_MS;
    if (useless)
        pause_and_retry(c, 0);
    else
        open_watch(c);
}

/* The server does not stream initial events: pages from now on. */
static void fall_back_to_pages(struct informer *c)
{
    stop_transfers(c);
    c->config.list_mode = INFORMER_LIST_PAGED;
    begin_list(c);
}

static void on_stream_end(void *user, const struct client_result *r)
{
    struct informer *c = user;
    c->stream = NULL;
    timer_disarm(&c->timer);
    if (c->state == STREAMING) {
        if (r->code == CLIENT_INVALID)
            fall_back_to_pages(c);
        else
            list_failed(c, r->code ? client_outcome_name(r->code) : "it ended early", r->retry_after_ms);
        return;
    }
    if (monotime_since_ms(loop_now(c->config.loop), c->opened) >= HEALTHY_WATCH_MS)
        c->backoff_ms = 0;
    if (r->code == 0) {
        watch_ended_cleanly(c);
        return;
    }
    c->stats.watch_failures++;
    switch (r->code) {
    case CLIENT_GONE:
        forget_position(c);
        if (!c->backoff_ms) {
            c->backoff_ms = BACKOFF_FIRST_MS / 2; /* at once, but not for ever */
            begin_list(c);
            return;
        }
        break;
    case CLIENT_THROTTLED:
        break;
    case CLIENT_FAILED:
        /* The server's trouble: the position stays good. Unless it is one that the server never comes to, as
         * after its data were put back from a backup. */
        if (++c->broken_watches >= MAX_BROKEN_WATCHES)
            forget_position(c);
        break;
    default:
        if (r->code > 0 || r->code == -EMSGSIZE)
            forget_position(c);
    }
    log_v(2, "watch of %.*s ended: %.*s", STR_ARG(c->config.resource->plural), STR_ARG(r->message));
    pause_and_retry(c, r->retry_after_ms);
}

static const struct client_stream_handler stream_handler = {.line = on_line, .end = on_stream_end};

static void open_stream(struct informer *c, struct strbuf *query)
{
    int seconds =
        c->config.watch_seconds ? c->config.watch_seconds : 300 + (int)random_below(c->config.random, 300);
    add_selectors(c, query);
    strbuf_addf(query, "&allowWatchBookmarks=true&timeoutSeconds=%d", seconds);
    struct client_request request = {.verb = CLIENT_LIST,
                                     .resource = c->config.resource,
                                     .namespace = str_of(c->namespace),
                                     .query = strbuf_str(query)};
    c->opened = loop_now(c->config.loop);
    c->opened_events = c->stats.events;
    c->stream = client_stream_open(c->config.client, &request, (int64_t)seconds * 1000 + WATCH_GRACE_MS,
                                   &stream_handler, c);
}

static void open_watch(struct informer *c)
{
    _cleanup_(strbuf_done) struct strbuf query = {0};
    c->state = WATCHING;
    c->stats.watches++;
    strbuf_addz(&query, "watch=1");
    client_query_add(&query, "resourceVersion", strbuf_str(&c->rv));
    open_stream(c, &query);
}

static void begin_list(struct informer *c)
{
    items_stage_clear(&c->items);
    strbuf_truncate(&c->next_page, 0);
    if (c->config.list_mode == INFORMER_LIST_PAGED) {
        request_page(c);
        return;
    }
    _cleanup_(strbuf_done) struct strbuf query = {0};
    c->state = STREAMING;
    strbuf_addz(&query, "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
    open_stream(c, &query);
    timer_arm_ms(&c->timer, INITIAL_EVENTS_MS);
}

static void on_timer(struct timer *timer, void *user)
{
    struct informer *c = user;
    if (c->state == STREAMING)
        fall_back_to_pages(c);
    else if (c->rv.len)
        open_watch(c);
    else
        begin_list(c);
}

struct informer *informer_new(const struct informer_config *config)
{
    struct informer *c = mem_new(struct informer);
    c->config = *config;
    if (!c->config.page_limit)
        c->config.page_limit = DEFAULT_PAGE;
    if (!c->config.max_bytes)
        c->config.max_bytes = DEFAULT_MAX_BYTES;
    c->namespace = mem_dup(config->namespace.p, config->namespace.len);
    c->label_selector = mem_dup(config->label_selector.p, config->label_selector.len);
    c->field_selector = mem_dup(config->field_selector.p, config->field_selector.len);
    items_init(&c->items, config->indexes, config->n_indexes, items_changed, c);
    timer_init(&c->timer, config->loop, "cache", on_timer, c);
    return c;
}

void informer_free(struct informer *c)
{
    if (!c)
        return;
    stop_transfers(c);
    items_done(&c->items);
    strbuf_done(&c->rv);
    strbuf_done(&c->list_rv);
    strbuf_done(&c->next_page);
    free(c->namespace);
    free(c->label_selector);
    free(c->field_selector);
    free(c);
}

void informer_add_handler(struct informer *c, const struct informer_handler *handler, void *user)
{
    if (c->n_handlers == INFORMER_MAX_HANDLERS)
        abort(); /* the program's own wiring, not input */
    c->handlers[c->n_handlers++] = (struct registered_handler){handler, user};
}

void informer_start(struct informer *c)
{
    if (c->state == IDLE)
        begin_list(c);
}

bool informer_is_synced(const struct informer *c)
{
    return c->synced;
}

bool informer_are_synced(struct informer *const *caches, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!caches[i]->synced)
            return false;
    }
    return true;
}

bool informer_is_watching(const struct informer *c)
{
    return c->state == WATCHING && c->stream;
}

uint64_t informer_position(const struct informer *c)
{
    return c->position;
}

struct informer_item *informer_find_key(const struct informer *c, struct str key)
{
    return items_find(&c->items, key);
}

struct informer_item *informer_find(const struct informer *c, struct str namespace, struct str name)
{
    _cleanup_(strbuf_done) struct strbuf key = {0};
    if (namespace.len)
        strbuf_addf(&key, "%.*s/", STR_ARG(namespace));
    strbuf_add_str(&key, name);
    return items_find(&c->items, strbuf_str(&key));
}

struct informer_bucket informer_find_indexed(const struct informer *c, size_t index, struct str index_key)
{
    return items_find_indexed(&c->items, index, index_key);
}

const struct item_table *informer_items(const struct informer *c)
{
    return &c->items.by_key;
}

struct informer_item **informer_items_sorted(const struct informer *c, size_t *ret_n)
{
    return items_sorted(&c->items, ret_n);
}

struct informer_stats informer_stats(const struct informer *c)
{
    return c->stats;
}
