#include "store/memory/memory.h"

#include <errno.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/tree.h"

#include "io/loop.h"
#include "store/watchers.h"

/* A key that exists now. */
struct entry {
    struct tree_node node; /* key borrowed from RECORD */
    struct store_record *record;
};

/* One change: what a key had before and has after. */
struct change {
    struct store_record *before; /* NULL: nothing */
    struct store_record *after;
};

enum job_type { JOB_WRITE, JOB_READ, JOB_WATCH };

struct job {
    struct list node;
    enum job_type type;
    bool is_refused;    /* begun while the store closes */
    struct arena arena; /* of what the caller passed */
    struct store_op *ops;
    size_t n_ops;
    store_write_fn *write_done;
    struct store_range range;
    store_read_fn *read_done;
    struct watcher *watcher;
    void *user;
};

struct memory {
    struct store store;
    struct loop *loop;
    struct tree entries;
    struct change *history; /* ring */
    size_t max_history, n_history, first;
    struct watchers watchers;
    struct list jobs;
    struct task run;
    bool is_closing;
};

static struct memory *memory_of(struct store *s)
{
    return (struct memory *)s;
}

static struct entry *memory_find(struct memory *m, struct str key)
{
    struct tree_node *n = tree_find(&m->entries, key);
    return n ? container_of(n, struct entry, node) : NULL;
}

static struct change *memory_history_at(struct memory *m, size_t i)
{
    return &m->history[(m->first + i) % m->max_history];
}

static void memory_forget_oldest(struct memory *m)
{
    struct change *c = memory_history_at(m, 0);
    m->store.compacted = MAX(m->store.compacted, c->after->mod_revision);
    store_record_unref(c->before);
    store_record_unref(c->after);
    m->first = (m->first + 1) % m->max_history;
    m->n_history--;
}

/* Takes both references. */
static void memory_remember(struct memory *m, struct store_record *before, struct store_record *after)
{
    if (m->n_history == m->max_history)
        memory_forget_oldest(m);
    *memory_history_at(m, m->n_history++) = (struct change){before, after};
}

/* The operation whose condition does not hold, or n. */
static size_t memory_find_conflict(struct memory *m, const struct job *job)
{
    size_t i = 0;
    for (; i < job->n_ops; i++) {
        const struct store_op *op = &job->ops[i];
        struct entry *e = memory_find(m, op->key);
        if (op->expect != STORE_ANY && op->expect != (e ? e->record->mod_revision : STORE_ABSENT))
            break;
    }
    return i;
}

static struct store_record *memory_put(struct memory *m, const struct store_op *op, int64_t revision)
{
    struct entry *e = memory_find(m, op->key);
    struct store_record *before = e ? e->record : NULL;
    struct store_record *after =
        store_record_new(op->key, op->value, before ? before->create_revision : revision, revision);
    if (e)
        tree_remove(&m->entries, &e->node); /* the node's key must move to the new record */
    else
        e = mem_new(struct entry);
    e->record = after;
    tree_node_set_key(&e->node, store_record_key(after));
    tree_insert(&m->entries, &e->node);
    memory_remember(m, before, store_record_ref(after));
    return after;
}

static struct store_record *memory_delete(struct memory *m, const struct store_op *op, int64_t revision)
{
    struct entry *e = memory_find(m, op->key);
    if (!e)
        return NULL;
    struct store_record *after = store_record_new_deletion(op->key, revision);
    memory_remember(m, e->record, after);
    tree_remove(&m->entries, &e->node);
    free(e);
    return after;
}

static void memory_run_write(struct memory *m, struct job *job)
{
    struct store_record *records[STORE_MAX_OPS];
    size_t n = 0, conflict = memory_find_conflict(m, job);
    struct store_result result = {.revision = m->store.revision};
    struct store_item current;
    struct err err = {0};
    result.status = job->is_refused ? err_set(&err, -ESHUTDOWN, "the store is closing")
                                    : store_check_ops(job->ops, job->n_ops, &err);
    if (result.status < 0) {
        result.err = &err;
        job->write_done(job->user, &result);
        return;
    }
    if (conflict < job->n_ops) {
        struct entry *e = memory_find(m, job->ops[conflict].key);
        result.status = STORE_CONFLICT;
        result.conflict = conflict;
        if (e) {
            current = store_record_item(e->record);
            result.current = &current;
        }
        job->write_done(job->user, &result);
        return;
    }
    for (size_t i = 0; i < job->n_ops; i++) {
        const struct store_op *op = &job->ops[i];
        struct store_record *r = op->type == STORE_PUT      ? memory_put(m, op, m->store.revision + 1)
                                 : op->type == STORE_DELETE ? memory_delete(m, op, m->store.revision + 1)
                                                            : NULL;
        if (r)
            records[n++] = store_record_ref(r);
    }
    if (n) {
        result.revision = ++m->store.revision;
        watchers_publish(&m->watchers, records, n);
    }
    for (size_t i = 0; i < n; i++)
        store_record_unref(records[i]);
    job->write_done(job->user, &result);
}

static bool memory_in_range(struct str key, const struct store_range *range)
{
    return range->to.len ? str_cmp(key, range->from) >= 0 && str_cmp(key, range->to) < 0
                         : str_eq(key, range->from);
}

/* Keys in the range that changed behind the revision, as they were at it (value NULL: absent). The value of
 * the map is the change whose `before` counts: the earliest one behind the revision. */
static void memory_find_older(struct memory *m, const struct store_range *range, struct map *ret)
{
    for (size_t i = m->n_history; i-- > 0;) {
        struct change *c = memory_history_at(m, i);
        if (c->after->mod_revision <= range->revision)
            break;
        if (memory_in_range(store_record_key(c->after), range))
            map_put(ret, store_record_key(c->after), c);
    }
}

struct collection {
    ARRAY_OF(struct store_item) items;
};

static int compare_items(const void *a, const void *b)
{
    return str_cmp(((const struct store_item *)a)->key, ((const struct store_item *)b)->key);
}

static void memory_collect(struct memory *m, const struct store_range *range, struct collection *ret)
{
    struct map older = {0};
    size_t limit = range->limit ? range->limit + 1 : SIZE_MAX;
    bool is_old = range->revision && range->revision < m->store.revision;
    if (is_old)
        memory_find_older(m, range, &older);
    for (struct tree_node *n = tree_at_or_after(&m->entries, range->from); n; n = tree_next(n)) {
        if (!memory_in_range(tree_key(n), range) || (!is_old && ret->items.n == limit))
            break;
        if (!map_has(&older, tree_key(n)))
            *array_push(&ret->items) = store_record_item(container_of(n, struct entry, node)->record);
    }
    map_foreach (&older, e) {
        const struct change *c = e->value;
        if (c->before)
            *array_push(&ret->items) = store_record_item(c->before);
    }
    if (older.n)
        qsort(ret->items.v, ret->items.n, sizeof *ret->items.v, compare_items);
    map_done(&older, NULL);
}

static void memory_run_read(struct memory *m, struct job *job)
{
    const struct store_range *range = &job->range;
    struct store_page page = {.revision = range->revision ? range->revision : m->store.revision};
    struct collection found = {0};
    if (page.revision > m->store.revision)
        page.status = STORE_FUTURE;
    else if (page.revision < m->store.compacted)
        page.status = STORE_COMPACTED;
    else
        memory_collect(m, range, &found);
    page.more = range->limit && found.items.n > range->limit;
    page.items = found.items.v;
    page.n_items = page.more ? range->limit : found.items.n;
    job->read_done(job->user, &page);
    array_done(&found.items);
}

static void memory_run_watch(struct memory *m, struct job *job)
{
    struct watcher *w = job->watcher;
    if (w->is_closed)
        return;
    if (w->last < m->store.compacted) {
        struct err err = {0};
        err_set(&err, STORE_COMPACTED, "revision %ld is compacted; the oldest kept is %ld", w->last,
                m->store.compacted);
        watcher_end(w, STORE_COMPACTED, &err);
        return;
    }
    ARRAY_OF(struct store_record *) records = {0};
    for (size_t i = 0; i < m->n_history; i++)
        if (memory_history_at(m, i)->after->mod_revision > w->last)
            *array_push(&records) = store_record_ref(memory_history_at(m, i)->after);
    m->watchers.publishing++; /* the watch may be closed by its own handler */
    watcher_replay(w, records.v, records.n);
    watcher_caught_up(w);
    m->watchers.publishing--;
    for (size_t i = 0; i < records.n; i++)
        store_record_unref(records.v[i]);
    array_done(&records);
}

static void memory_end_job(struct job *job)
{
    list_remove(&job->node);
    arena_done(&job->arena);
    free(job);
}

static void memory_run(struct task *task, void *user)
{
    struct memory *m = user;
    while (!list_is_empty(&m->jobs)) {
        struct job *job = container_of(m->jobs.next, struct job, node);
        list_remove(&job->node); /* a watch that closes itself must not find its own job */
        if (job->type == JOB_WRITE)
            memory_run_write(m, job);
        else if (job->type == JOB_READ)
            memory_run_read(m, job);
        else
            memory_run_watch(m, job);
        memory_end_job(job);
    }
}

static struct job *memory_add_job(struct memory *m, enum job_type type, void *user)
{
    struct job *job = mem_new(struct job);
    job->type = type;
    job->user = user;
    job->is_refused = m->is_closing;
    list_append(&m->jobs, &job->node);
    if (!m->is_closing) /* the task would outlive the store */
        task_post(m->loop, &m->run);
    return job;
}

static void memory_write(struct store *s, const struct store_op *ops, size_t n_ops, store_write_fn *done,
                         void *user)
{
    struct job *job = memory_add_job(memory_of(s), JOB_WRITE, user);
    job->ops = arena_new_array(&job->arena, struct store_op, n_ops);
    job->n_ops = n_ops;
    job->write_done = done;
    for (size_t i = 0; i < n_ops; i++) {
        job->ops[i] = ops[i];
        job->ops[i].key = arena_str(&job->arena, ops[i].key);
        job->ops[i].value = arena_str(&job->arena, ops[i].value);
    }
}

static void memory_read(struct store *s, const struct store_range *range, store_read_fn *done, void *user)
{
    struct job *job = memory_add_job(memory_of(s), JOB_READ, user);
    job->range = *range;
    job->range.from = arena_str(&job->arena, range->from);
    job->range.to = arena_str(&job->arena, range->to);
    job->read_done = done;
}

static struct store_watch *memory_watch_open(struct store *s, struct str prefix, int64_t after,
                                             const struct store_watch_handler *handler, void *user)
{
    struct memory *m = memory_of(s);
    struct watcher *w = watchers_open(&m->watchers, s, prefix, after, handler, user);
    w->is_catching_up = true;
    memory_add_job(m, JOB_WATCH, NULL)->watcher = w;
    return &w->watch;
}

static void memory_watch_close(struct store_watch *w)
{
    struct memory *m = memory_of(w->store);
    list_foreach_safe (&m->jobs, n) {
        struct job *job = container_of(n, struct job, node);
        if (job->watcher == watcher_of(w))
            memory_end_job(job);
    }
    watchers_close(watcher_of(w));
}

static void memory_compact(struct store *s, int64_t revision)
{
    struct memory *m = memory_of(s);
    revision = MIN(revision, s->revision);
    while (m->n_history && memory_history_at(m, 0)->after->mod_revision <= revision)
        memory_forget_oldest(m);
    s->compacted = MAX(s->compacted, revision);
}

static void memory_close(struct store *s)
{
    struct memory *m = memory_of(s);
    m->is_closing = true;
    task_cancel(&m->run);
    watchers_silence(&m->watchers);
    while (!list_is_empty(&m->jobs)) {
        struct job *job = container_of(m->jobs.next, struct job, node);
        list_remove(&job->node);
        if (job->type == JOB_WRITE)
            memory_run_write(m, job);
        memory_end_job(job);
    }
    watchers_done(&m->watchers);
    while (m->n_history)
        memory_forget_oldest(m);
    tree_foreach_safe (&m->entries, n) {
        struct entry *e = container_of(n, struct entry, node);
        tree_remove(&m->entries, n);
        store_record_unref(e->record);
        free(e);
    }
    free(m->history);
    free(m);
}

struct store *store_memory_new(const struct store_memory_options *o)
{
    static const struct store_ops ops = {
        .write = memory_write,
        .read = memory_read,
        .watch_open = memory_watch_open,
        .watch_close = memory_watch_close,
        .compact = memory_compact,
        .close = memory_close,
    };
    struct memory *m = mem_new(struct memory);
    m->store.ops = &ops;
    m->loop = o->loop;
    m->max_history = MAX(o->max_history ? o->max_history : 10000, (size_t)2 * STORE_MAX_OPS);
    m->history = mem_zalloc(m->max_history * sizeof *m->history);
    if (o->first_revision)
        m->store.revision = (int64_t)o->first_revision - 1;
    watchers_init(&m->watchers);
    list_init(&m->jobs);
    task_init(&m->run, memory_run, m);
    return &m->store;
}
