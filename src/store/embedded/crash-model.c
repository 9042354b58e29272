#include "store/embedded/crash-model.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "store/embedded/embedded.h"

#define MAX_VALUE_LEN 3000

void model_fail(struct model *m, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "seed %" PRIu64 ": ", m->seed);
    vfprintf(stderr, format, args);
    fprintf(stderr, "\nto repeat: store-crash-test 1 %" PRIu64 "\n", m->seed);
    va_end(args);
    exit(1);
}

static struct str key_of(int key, char buffer[static 16])
{
    snprintf(buffer, 16, "/registry/%02d", key);
    return str_of(buffer);
}

static int key_from(struct str key)
{
    int64_t n = -1;
    (void)str_to_int64(str_slice(key, strlen("/registry/"), key.len), &n); /* -1 matches nothing */
    return (int)n;
}

/* Bytes that only this write has; short and long ones, so that rows spill over pages. */
static struct str value_of(uint64_t value, char buffer[static MAX_VALUE_LEN])
{
    struct random r;
    random_seed(&r, value);
    size_t len = random_below(&r, 4) ? random_below(&r, 100) : random_below(&r, MAX_VALUE_LEN);
    for (size_t i = 0; i < len; i++)
        buffer[i] = (char)('a' + (value * 31 + i * 7) % 26);
    int n = snprintf(buffer, MAX_VALUE_LEN, "%" PRIu64 " ", value);
    if (len > (size_t)n)
        buffer[n] = '.';
    return (struct str){buffer, MAX(len, (size_t)n)};
}

static bool value_is(struct str bytes, uint64_t value)
{
    char buffer[MAX_VALUE_LEN];
    return str_eq(bytes, value_of(value, buffer));
}

void model_init(struct model *m, uint64_t seed)
{
    char name[32];
    *m = (struct model){.seed = seed};
    random_seed(&m->random, seed);
    snprintf(name, sizeof name, "model-%" PRIu64, seed);
    m->loop = loop_new_scripted((struct monotime){0}, (struct walltime){0});
    m->disk = simdisk_new(name, seed);
}

static void model_forget_observers(struct model *m)
{
    array_foreach (&m->observers, o) {
        array_done(&(*o)->heard);
        free(*o);
    }
    m->observers.n = 0;
}

void model_done(struct model *m)
{
    assert(!m->store);
    model_forget_observers(m);
    array_done(&m->observers);
    array_done(&m->waiting);
    array_done(&m->log);
    simdisk_free(m->disk);
    loop_free(m->loop);
}

/* --- what a write does --- */

/* The index of the operation whose condition fails, or -1. */
static int write_conflict(const struct model *m, const struct model_write *w)
{
    for (size_t i = 0; i < w->n_ops; i++)
        if (w->ops[i].expect != STORE_ANY && w->ops[i].expect != m->current[w->ops[i].key].mod)
            return (int)i;
    return -1;
}

static void model_apply(struct model *m, const struct model_write *w)
{
    int64_t revision = m->revision + 1;
    for (size_t i = 0; i < w->n_ops; i++) {
        const struct model_op *op = &w->ops[i];
        if (op->type == STORE_CHECK || (op->type == STORE_DELETE && !m->current[op->key].mod))
            continue;
        *array_push(&m->log) = (struct model_event){revision, op->key, op->value};
        m->current[op->key].mod = op->type == STORE_PUT ? revision : 0;
        m->current[op->key].value = op->value;
        m->revision = revision;
    }
}

static void model_on_written(void *user, const struct store_result *result)
{
    struct model *m = user;
    if (simdisk_is_off(m->disk))
        return; /* the process is gone: nobody hears this */
    if (m->n_answered == m->waiting.n)
        model_fail(m, "an answer to no write");
    const struct model_write *w = &m->waiting.v[m->n_answered++];
    int conflict = write_conflict(m, w);
    if (result->status < 0) {
        if (!m->has_faults || simdisk_stats(m->disk).n_faults == w->n_faults_before)
            model_fail(m, "a write failed on a good disk: %s", result->err->text);
        m->n_failed++;
    } else if (conflict >= 0) {
        if (result->status != STORE_CONFLICT || result->conflict != (size_t)conflict)
            model_fail(m, "status %d, operation %zu instead of a conflict of %d", result->status,
                       result->conflict, conflict);
        int64_t mod = m->current[w->ops[conflict].key].mod;
        if ((result->current ? result->current->mod_revision : 0) != mod)
            model_fail(m, "a conflict shows another version than %" PRId64, mod);
        if (mod && !value_is(result->current->value, m->current[w->ops[conflict].key].value))
            model_fail(m, "a conflict shows another value");
        m->n_conflicts++;
    } else {
        model_apply(m, w);
        m->n_acknowledged++;
        if (result->status)
            model_fail(m, "conflict without reason");
    }
    if (result->revision != m->revision)
        model_fail(m, "the answer says revision %" PRId64 ", not %" PRId64, result->revision, m->revision);
}

static int64_t draw_condition(struct model *m, int key)
{
    switch (random_below(&m->random, 8)) {
    case 0:
        return STORE_ABSENT;
    case 1:
    case 2:
        return m->current[key].mod; /* of the answered writes: a race with the others */
    case 3:
        return (int64_t)random_below(&m->random, (uint64_t)m->revision + 1);
    default:
        return STORE_ANY;
    }
}

void model_submit(struct model *m)
{
    static const enum store_op_type types[] = {STORE_PUT, STORE_PUT, STORE_PUT, STORE_DELETE, STORE_CHECK};
    struct store_op ops[MODEL_MAX_OPS];
    char keys[MODEL_MAX_OPS][16];
    static char values[MODEL_MAX_OPS][MAX_VALUE_LEN];
    struct model_write w = {.n_faults_before = simdisk_stats(m->disk).n_faults};
    int key = (int)random_below(&m->random, MODEL_KEYS);
    w.n_ops = random_below(&m->random, 2) ? 1 : 1 + random_below(&m->random, MODEL_MAX_OPS);
    for (size_t i = 0; i < w.n_ops; i++) {
        enum store_op_type type = types[random_below(&m->random, ARRAY_LEN(types))];
        w.ops[i] =
            (struct model_op){type, key, type == STORE_PUT ? ++m->last_value : 0, draw_condition(m, key)};
        ops[i] = (struct store_op){type, key_of(key, keys[i]), STR_NONE, w.ops[i].expect};
        if (type == STORE_PUT)
            ops[i].value = value_of(w.ops[i].value, values[i]);
        key = (key + 1) % MODEL_KEYS;
    }
    *array_push(&m->waiting) = w;
    store_write(m->store, ops, w.n_ops, model_on_written, m);
}

static void model_run(struct model *m)
{
    for (int n = 0; loop_step(m->loop, 0); n++)
        if (n > 100000)
            model_fail(m, "the store never comes to rest");
}

void model_drain(struct model *m)
{
    model_run(m);
    if (simdisk_is_off(m->disk))
        return;
    if (m->n_answered != m->waiting.n)
        model_fail(m, "%zu writes without answer", m->waiting.n - m->n_answered);
    m->waiting.n = m->n_answered = 0;
}

void model_compact(struct model *m)
{
    store_compact(m->store, (int64_t)random_below(&m->random, (uint64_t)m->revision + 3));
}

/* --- watches --- */

static void observer_events(void *user, int64_t revision, const struct store_event *events, size_t n)
{
    struct observer *o = user;
    if (simdisk_is_off(o->model->disk))
        return;
    for (size_t i = 0; i < n; i++) {
        struct str text = events[i].item.value;
        ptrdiff_t end = str_find_char(text, ' ');
        uint64_t value = 0;
        if (events[i].type == STORE_PUT &&
            (end < 0 || str_to_uint64(str_slice(text, 0, (size_t)end), &value) < 0 || !value_is(text, value)))
            model_fail(o->model, "a watch hears a value that nobody wrote");
        *array_push(&o->heard) = (struct model_event){revision, key_from(events[i].item.key), value};
    }
}

static void observer_end(void *user, int status, const struct err *err)
{
    struct observer *o = user;
    o->watch = NULL;
    if (status < 0 && !o->model->has_faults && !simdisk_is_off(o->model->disk))
        model_fail(o->model, "a watch ends: %s", err ? err->text : "?");
    if (status == STORE_COMPACTED && o->after >= store_compacted(o->model->store))
        model_fail(o->model, "a watch from %" PRId64 " is called compacted", o->after);
}

void model_watch(struct model *m, int64_t after)
{
    static const struct store_watch_handler handler = {observer_events, observer_end};
    struct observer *o = mem_new(struct observer);
    *o = (struct observer){.model = m, .after = after};
    *array_push(&m->observers) = o;
    o->watch = store_watch_open(m->store, STR("/registry/"), after, &handler, o);
}

static void observer_check(const struct observer *o)
{
    struct model *m = o->model;
    size_t at = 0;
    array_foreach (&m->log, e) {
        if (e->revision <= o->after)
            continue;
        if (at == o->heard.n && !o->watch)
            return; /* it ended, and said so */
        if (at == o->heard.n)
            model_fail(m, "a watch from %" PRId64 " missed revision %" PRId64, o->after, e->revision);
        const struct model_event *h = &o->heard.v[at++];
        if (h->revision != e->revision || h->key != e->key || h->value != e->value)
            model_fail(m, "a watch heard key %d at %" PRId64 " instead of key %d at %" PRId64, h->key,
                       h->revision, e->key, e->revision);
    }
    if (at < o->heard.n)
        model_fail(m, "a watch heard of revision %" PRId64 ", which is not there", o->heard.v[at].revision);
}

/* --- contents --- */

struct expectation {
    struct model *model;
    int64_t revision;
    bool is_answered;
};

static void expectation_page(void *user, const struct store_page *page)
{
    struct expectation *x = user;
    struct model *m = x->model;
    struct model_event at[MODEL_KEYS] = {0};
    size_t n = 0;
    x->is_answered = true;
    if (page->status == STORE_COMPACTED && x->revision < store_compacted(m->store))
        return;
    if (page->status)
        model_fail(m, "reading revision %" PRId64 " gives status %d: %s", x->revision, page->status,
                   page->err->text);
    array_foreach (&m->log, e)
        if (e->revision <= x->revision)
            at[e->key] = *e;
    for (int key = 0; key < MODEL_KEYS; key++) {
        if (!at[key].value)
            continue;
        if (n == page->n_items || key_from(page->items[n].key) != key)
            model_fail(m, "key %d is missing at revision %" PRId64, key, x->revision);
        if (page->items[n].mod_revision != at[key].revision || !value_is(page->items[n].value, at[key].value))
            model_fail(m, "key %d has another value at revision %" PRId64, key, x->revision);
        n++;
    }
    if (n < page->n_items)
        model_fail(m, "key %.*s should not be there at revision %" PRId64, STR_ARG(page->items[n].key),
                   x->revision);
}

static void model_check_revision(struct model *m, int64_t revision)
{
    struct expectation x = {m, revision, false};
    store_read(m->store, STR("/registry/"), STR("/registry0"), revision, 0, expectation_page, &x);
    model_run(m);
    if (!x.is_answered)
        model_fail(m, "a read without answer");
}

void model_check(struct model *m)
{
    model_run(m);
    if (store_revision(m->store) != m->revision)
        model_fail(m, "the store is at revision %" PRId64 ", not %" PRId64, store_revision(m->store),
                   m->revision);
    if (store_compacted(m->store) > m->revision)
        model_fail(m, "compacted is ahead");
    if (m->revision) {
        model_check_revision(m, m->revision);
        model_check_revision(m, 1 + (int64_t)random_below(&m->random, (uint64_t)m->revision));
    }
    array_foreach (&m->observers, o)
        observer_check(*o);
}

/* --- lives --- */

int model_try_open(struct model *m, struct err *err)
{
    char name[32];
    snprintf(name, sizeof name, "model-%" PRIu64, m->seed);
    const struct store_embedded_options o = {.loop = m->loop,
                                             .path = "/data",
                                             .vfs = name,
                                             .inline_commits = true,
                                             .max_history = m->max_history,
                                             .checkpoint_pages = m->checkpoint_pages};
    return store_embedded_open(&o, &m->store, err);
}

/* Of the writes without answer the first few are there: those that make up the store's revision. */
static void model_recover(struct model *m, int64_t revision)
{
    int64_t answered = m->revision;
    for (size_t i = m->n_answered; i < m->waiting.n && m->revision < revision; i++)
        if (write_conflict(m, &m->waiting.v[i]) < 0)
            model_apply(m, &m->waiting.v[i]);
    m->waiting.n = m->n_answered = 0;
    if (m->revision != revision)
        model_fail(m, "after the crash the store is at revision %" PRId64 "; %" PRId64 " was acknowledged",
                   revision, answered);
}

void model_open(struct model *m)
{
    struct err err = {0};
    if (model_try_open(m, &err) < 0)
        model_fail(m, "does not open: %s", err.text);
    model_recover(m, store_revision(m->store));
    int64_t compacted = store_compacted(m->store);
    model_watch(m, compacted + (int64_t)random_below(&m->random, (uint64_t)(m->revision - compacted) + 1));
    model_check(m);
}

static void model_end_life(struct model *m)
{
    store_close(m->store);
    m->store = NULL;
    model_forget_observers(m);
    model_run(m); /* what was posted */
}

void model_close(struct model *m)
{
    model_end_life(m);
    for (size_t i = m->n_answered; i < m->waiting.n && !simdisk_is_off(m->disk); i++)
        if (write_conflict(m, &m->waiting.v[i]) < 0)
            model_apply(m, &m->waiting.v[i]);
    if (!simdisk_is_off(m->disk))
        m->waiting.n = m->n_answered = 0;
    simdisk_cut_after(m->disk, 0);
    if (simdisk_is_off(m->disk) || random_below(&m->random, 2))
        simdisk_crash(m->disk);
}

void model_crash(struct model *m)
{
    simdisk_power_off(m->disk);
    model_end_life(m);
    simdisk_crash(m->disk);
}
