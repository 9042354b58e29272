#include "store/embedded/embedded.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/map.h"
#include "io/file.h"
#include "io/loop.h"
#include "store/embedded/database.h"
#include "store/embedded/index.h"
#include "store/embedded/worker.h"
#include "store/watchers.h"

/* One group: enough that a sync is cheap per write, not so much that the first waits long for the last. */
#define GROUP_MAX_RECORDS 256
#define GROUP_MAX_BYTES   ((size_t)4 * 1024 * 1024)
#define REPLAY_PAGE       (2 * STORE_MAX_OPS) /* so that a page always holds one whole revision */
#define DEFAULT_HISTORY   10000
#define COMPACTION_STEP   ((size_t)256) /* rows of history at a time: writes wait for it */

enum job_type { JOB_WRITE, JOB_READ, JOB_WATCH, JOB_COMPACT };

struct job {
    struct list node;
    enum job_type type;
    struct arena arena; /* of what the caller passed */
    void *user;

    struct store_op *ops;
    size_t n_ops;
    store_write_fn *write_done;
    /* decided when its group is formed: */
    int status; /* 0, STORE_CONFLICT, negative; -ESHUTDOWN before that */
    size_t conflict;
    int64_t conflict_id;          /* row of what the key has; 0: nothing on disk */
    struct store_record *current; /* that row, or a record of the same group; owned */
    size_t first_record, n_records;
    struct err err;

    struct store_range range;
    store_read_fn *read_done;
    struct watcher *watcher;
    int64_t next_id;  /* JOB_WATCH: rows above it are still to be read */
    int64_t revision; /* JOB_COMPACT; JOB_READ: of the page */
    bool more;
    struct index_ids ids;
};

struct records {
    struct store_record **v;
    size_t n, capacity;
};

/* What the worker does now: filled on the loop, carried out on the worker, taken apart on the loop. */
struct work {
    struct list jobs; /* writes of one group, or one other job */
    struct records records;
    int64_t first_id;
    int result;
    struct err err;
    int64_t replayed_ids[REPLAY_PAGE];
};

struct embedded {
    struct store store;
    struct loop *loop;
    struct database database;
    struct index index;
    struct watchers watchers;
    struct list jobs;
    struct worker *worker;
    struct task dispatch;
    struct work work;
    int64_t next_id; /* of the next row */
    size_t max_history;
    /* Rows a failed compaction left. They go with the next one: a row may only go when all older ones of its
     * key are gone, or the next start would take an old version for the current one. */
    struct index_ids uncompacted;
    bool is_working, is_closing;
};

static struct embedded *embedded_of(struct store *s)
{
    return (struct embedded *)s;
}

static void records_clear(struct records *r)
{
    for (size_t i = 0; i < r->n; i++)
        store_record_unref(r->v[i]);
    r->n = 0;
}

static void job_end(struct job *job)
{
    list_remove(&job->node);
    store_record_unref(job->current);
    array_done(&job->ids);
    arena_done(&job->arena);
    free(job);
}

static struct job *embedded_add_job(struct embedded *e, enum job_type type, void *user)
{
    struct job *job = mem_new(struct job);
    job->type = type;
    job->user = user;
    list_append(&e->jobs, &job->node);
    if (!e->is_closing) /* the task would outlive the store */
        task_post(e->loop, &e->dispatch);
    return job;
}

/* --- forming a group, on the loop --- */

/* What a key has after the records of the group so far. */
struct view {
    int64_t create_revision, mod_revision; /* mod 0: absent */
    struct store_record *record;           /* of this group, or NULL: on disk */
    int64_t id;
};

static struct view group_view(struct embedded *e, struct map *overlay, struct str key)
{
    struct store_record *r = map_find(overlay, key);
    if (r)
        return (struct view){r->create_revision, r->is_deletion ? 0 : r->mod_revision,
                             r->is_deletion ? NULL : r, 0};
    struct index_entry *entry = index_find(&e->index, key);
    if (!entry)
        return (struct view){0};
    return (struct view){entry->create_revision, entry->mod_revision, NULL, entry->id};
}

static bool group_check(struct embedded *e, struct map *overlay, struct job *job)
{
    for (size_t i = 0; i < job->n_ops; i++) {
        struct view view = group_view(e, overlay, job->ops[i].key);
        if (job->ops[i].expect == STORE_ANY || job->ops[i].expect == view.mod_revision)
            continue;
        job->status = STORE_CONFLICT;
        job->conflict = i;
        job->conflict_id = view.record ? 0 : view.id;
        job->current = view.record ? store_record_ref(view.record) : NULL;
        return false;
    }
    return true;
}

/* Adds the records of a write whose conditions hold. Returns whether there are any. */
static bool group_add(struct embedded *e, struct map *overlay, struct job *job, int64_t revision)
{
    struct records *records = &e->work.records;
    job->first_record = records->n;
    for (size_t i = 0; i < job->n_ops; i++) {
        const struct store_op *op = &job->ops[i];
        struct view view = group_view(e, overlay, op->key);
        struct store_record *r = NULL;
        if (op->type == STORE_PUT)
            r = store_record_new(op->key, op->value, view.mod_revision ? view.create_revision : revision,
                                 revision);
        else if (op->type == STORE_DELETE && view.mod_revision)
            r = store_record_new_deletion(op->key, revision);
        if (!r)
            continue;
        *array_push(records) = r;
        map_put(overlay, op->key, r);
    }
    job->n_records = records->n - job->first_record;
    return job->n_records > 0;
}

static size_t job_bytes(const struct job *job)
{
    size_t n = 0;
    for (size_t i = 0; i < job->n_ops; i++)
        n += job->ops[i].value.len;
    return n;
}

/* Moves writes from the queue's front into the work. */
static void embedded_form_group(struct embedded *e)
{
    struct map overlay = {0};
    int64_t revision = e->store.revision;
    size_t n_bytes = 0;
    while (!list_is_empty(&e->jobs)) {
        struct job *job = container_of(e->jobs.next, struct job, node);
        n_bytes += job->type == JOB_WRITE ? job_bytes(job) : 0;
        bool is_full = e->work.records.n + job->n_ops > GROUP_MAX_RECORDS || n_bytes > GROUP_MAX_BYTES;
        if (job->type != JOB_WRITE || (is_full && e->work.records.n))
            break;
        list_remove(&job->node);
        list_append(&e->work.jobs, &job->node);
        if (job->status == 0)
            job->status = store_check_ops(job->ops, job->n_ops, &job->err);
        if (job->status == 0 && group_check(e, &overlay, job))
            revision += group_add(e, &overlay, job, revision + 1);
    }
    map_done(&overlay, NULL);
    e->work.first_id = e->next_id;
}

static void embedded_prepare_read(struct embedded *e, struct job *job)
{
    const struct store_range *range = &job->range;
    job->revision = range->revision ? range->revision : e->store.revision;
    if (job->revision > e->store.revision)
        job->status = STORE_FUTURE;
    else if (job->revision < e->store.compacted)
        job->status = STORE_COMPACTED;
    else
        index_collect(&e->index, range, job->revision, range->limit ? range->limit + 1 : 0, &job->ids);
    job->more = range->limit && job->ids.n > range->limit;
    if (job->more)
        job->ids.n = range->limit;
}

static void embedded_prepare_watch(struct embedded *e, struct job *job)
{
    int64_t after = job->watcher->last;
    if (after < e->store.compacted) {
        job->status = STORE_COMPACTED;
        err_set(&job->err, STORE_COMPACTED, "revision %ld is compacted; the oldest kept is %ld", after,
                e->store.compacted);
    } else if (!job->next_id) {
        int64_t first = index_first_id_after(&e->index, after);
        job->next_id = first == INT64_MAX ? e->next_id : first;
    }
}

static void embedded_prepare_compact(struct embedded *e, struct job *job)
{
    e->store.compacted = MAX(e->store.compacted, MIN(job->revision, e->store.revision));
    job->revision = e->store.compacted; /* one that waited behind a later one notes what is gone by now */
    job->ids = e->uncompacted;
    e->uncompacted = (struct index_ids){0};
    index_compact(&e->index, job->revision, &job->ids);
}

/* Starts the next piece of work, if there is one and none is under way. */
static void embedded_dispatch(struct task *task, void *user)
{
    struct embedded *e = user;
    if (e->is_working || list_is_empty(&e->jobs))
        return;
    struct job *job = container_of(e->jobs.next, struct job, node);
    e->work.result = 0;
    if (job->type == JOB_WRITE) {
        embedded_form_group(e);
    } else {
        list_remove(&job->node);
        list_append(&e->work.jobs, &job->node);
        if (job->type == JOB_READ)
            embedded_prepare_read(e, job);
        else if (job->type == JOB_WATCH)
            embedded_prepare_watch(e, job);
        else
            embedded_prepare_compact(e, job);
    }
    e->is_working = true;
    worker_start(e->worker);
}

/* --- on the worker --- */

static int work_write(struct embedded *e)
{
    struct work *w = &e->work;
    int r = 0;
    if (w->records.n)
        r = database_insert(&e->database, w->records.v, w->records.n, w->first_id, &w->err);
    list_foreach (&w->jobs, n) {
        struct job *job = container_of(n, struct job, node);
        if (r == 0 && job->conflict_id &&
            database_get(&e->database, job->conflict_id, &job->current, &job->err) < 0)
            job->status = job->err.code;
    }
    return r;
}

static int work_read(struct embedded *e, struct job *job)
{
    for (size_t i = 0; i < job->ids.n; i++) {
        struct store_record *r;
        int result = database_get(&e->database, job->ids.v[i], &r, &e->work.err);
        if (result < 0)
            return result;
        *array_push(&e->work.records) = r;
    }
    return 0;
}

static int work_watch(struct embedded *e, struct job *job)
{
    struct store_record *page[REPLAY_PAGE];
    size_t n = 0;
    int r = database_read_after(&e->database, job->next_id - 1, REPLAY_PAGE, page, e->work.replayed_ids, &n,
                                &e->work.err);
    for (size_t i = 0; i < n; i++)
        *array_push(&e->work.records) = page[i];
    return r;
}

static void embedded_work(void *user)
{
    struct embedded *e = user;
    struct job *job = container_of(e->work.jobs.next, struct job, node);
    if (job->type == JOB_WRITE)
        e->work.result = work_write(e);
    else if (job->status)
        e->work.result = 0;
    else if (job->type == JOB_READ)
        e->work.result = work_read(e, job);
    else if (job->type == JOB_WATCH)
        e->work.result = work_watch(e, job);
    else
        e->work.result = database_compact(&e->database, job->ids.v, job->ids.n, job->revision, &e->work.err);
}

/* --- its end, on the loop --- */

/* Takes the records of one committed write into the index. */
static void embedded_index(struct embedded *e, const struct job *job)
{
    for (size_t i = 0; i < job->n_records; i++) {
        const struct store_record *r = e->work.records.v[job->first_record + i];
        index_add(&e->index, store_record_key(r), e->next_id++, r->create_revision, r->mod_revision,
                  r->is_deletion);
        e->store.revision = r->mod_revision;
    }
}

static void embedded_finish_write(struct embedded *e, struct job *job)
{
    struct store_item current;
    struct store_result result = {.status = job->status, .conflict = job->conflict, .err = &job->err};
    if (e->work.result < 0) {
        result.status = e->work.result; /* conflicts too: they may rest on what was not committed */
        result.err = &e->work.err;
    } else if (job->n_records) {
        embedded_index(e, job);
        watchers_publish(&e->watchers, e->work.records.v + job->first_record, job->n_records);
    }
    result.revision = e->store.revision;
    if (result.status == STORE_CONFLICT && job->current) {
        current = store_record_item(job->current);
        result.current = &current;
    }
    job->write_done(job->user, &result);
}

static void embedded_finish_read(struct embedded *e, struct job *job)
{
    struct records *records = &e->work.records;
    struct store_item *items = arena_new_array(&job->arena, struct store_item, records->n + 1);
    for (size_t i = 0; i < records->n; i++)
        items[i] = store_record_item(records->v[i]);
    const struct store_page page = {
        .status = e->work.result < 0 ? e->work.result : job->status,
        .items = items,
        .n_items = e->work.result < 0 ? 0 : records->n,
        .more = job->more,
        .revision = job->revision,
        .err = &e->work.err,
    };
    job->read_done(job->user, &page);
}

/* How many of the records may be handed on: a revision goes whole, and the last one of a full page may go on.
 */
static size_t replay_whole(const struct records *records)
{
    size_t n = records->n;
    if (n < REPLAY_PAGE)
        return n;
    int64_t last = records->v[n - 1]->mod_revision;
    while (n && records->v[n - 1]->mod_revision == last)
        n--;
    return n;
}

/* Returns whether the job goes on with another page. */
static bool embedded_finish_watch(struct embedded *e, struct job *job)
{
    struct records *records = &e->work.records;
    struct watcher *w = job->watcher;
    int status = e->work.result < 0 ? e->work.result : job->status;
    if (!w || w->is_closed)
        return false;
    if (status) {
        watcher_end(w, status, status < 0 ? &e->work.err : &job->err);
        return false;
    }
    bool more = records->n == REPLAY_PAGE;
    size_t n = replay_whole(records);
    e->watchers
        .publishing++; /* the handler may close the watch: it must stay in memory until we are through */
    watcher_replay(w, records->v, n);
    if (more)
        job->next_id = e->work.replayed_ids[n];
    else
        watcher_caught_up(w);
    more = more && !w->is_closed;
    e->watchers.publishing--;
    return more;
}

static void embedded_limit_history(struct embedded *e)
{
    size_t n = index_n_history(&e->index);
    if (n < e->max_history + MIN(e->max_history / 4, COMPACTION_STEP))
        return;
    const struct index_version *keep_from = &e->index.history.v[e->index.history.n - e->max_history];
    embedded_add_job(e, JOB_COMPACT, NULL)->revision = keep_from->until - 1;
}

static void embedded_finish_others(struct embedded *e, struct job *job)
{
    bool again = false;
    if (job->type == JOB_READ) {
        embedded_finish_read(e, job);
    } else if (job->type == JOB_WATCH) {
        again = embedded_finish_watch(e, job);
    } else if (e->work.result < 0) {
        e->uncompacted = job->ids;
        job->ids = (struct index_ids){0};
    }
    if (again) {
        list_remove(&job->node);
        list_prepend(&e->jobs, &job->node);
    } else {
        job_end(job);
    }
}

static void embedded_finished(void *user)
{
    struct embedded *e = user;
    struct job *first = container_of(e->work.jobs.next, struct job, node);
    bool was_write = first->type == JOB_WRITE, was_compaction = first->type == JOB_COMPACT;
    if (was_write) {
        while (!list_is_empty(&e->work.jobs)) {
            struct job *job = container_of(e->work.jobs.next, struct job, node);
            embedded_finish_write(e, job);
            job_end(job);
        }
    } else {
        embedded_finish_others(e, first);
    }
    records_clear(&e->work.records);
    e->is_working = false;
    if (!was_compaction)
        embedded_limit_history(e);
    embedded_dispatch(&e->dispatch, e);
}

/* --- the body --- */

static void embedded_write(struct store *s, const struct store_op *ops, size_t n_ops, store_write_fn *done,
                           void *user)
{
    struct job *job = embedded_add_job(embedded_of(s), JOB_WRITE, user);
    job->ops = arena_new_array(&job->arena, struct store_op, n_ops);
    job->n_ops = n_ops;
    job->write_done = done;
    if (embedded_of(s)->is_closing)
        job->status = err_set(&job->err, -ESHUTDOWN, "the store is closing");
    for (size_t i = 0; i < n_ops; i++) {
        job->ops[i] = ops[i];
        job->ops[i].key = arena_str(&job->arena, ops[i].key);
        job->ops[i].value = arena_str(&job->arena, ops[i].value);
    }
}

static void embedded_read(struct store *s, const struct store_range *range, store_read_fn *done, void *user)
{
    struct job *job = embedded_add_job(embedded_of(s), JOB_READ, user);
    job->range = *range;
    job->range.from = arena_str(&job->arena, range->from);
    job->range.to = arena_str(&job->arena, range->to);
    job->read_done = done;
}

static struct store_watch *embedded_watch_open(struct store *s, struct str prefix, int64_t after,
                                               const struct store_watch_handler *handler, void *user)
{
    struct embedded *e = embedded_of(s);
    struct watcher *w = watchers_open(&e->watchers, s, prefix, after, handler, user);
    w->is_catching_up = true;
    embedded_add_job(e, JOB_WATCH, NULL)->watcher = w;
    return &w->watch;
}

static void embedded_forget_watch(struct list *jobs, const struct watcher *w, bool is_under_way)
{
    list_foreach_safe (jobs, n) {
        struct job *job = container_of(n, struct job, node);
        if (job->watcher != w)
            continue;
        if (is_under_way)
            job->watcher = NULL; /* its page is dropped when it arrives */
        else
            job_end(job);
    }
}

static void embedded_watch_close(struct store_watch *watch)
{
    struct embedded *e = embedded_of(watch->store);
    embedded_forget_watch(&e->jobs, watcher_of(watch), false);
    embedded_forget_watch(&e->work.jobs, watcher_of(watch), true);
    watchers_close(watcher_of(watch));
}

static void embedded_compact(struct store *s, int64_t revision)
{
    if (revision > s->compacted)
        embedded_add_job(embedded_of(s), JOB_COMPACT, NULL)->revision = revision;
}

/* Takes in what the worker did when the store closes: writes hear of it, reads and watches do not. */
static void embedded_settle(struct embedded *e)
{
    list_foreach_safe (&e->work.jobs, n) {
        struct job *job = container_of(n, struct job, node);
        if (job->type == JOB_WRITE)
            embedded_finish_write(e, job);
        job_end(job);
    }
    records_clear(&e->work.records);
}

/* Commits the writes that were accepted. */
static void embedded_drain(struct embedded *e)
{
    while (!list_is_empty(&e->jobs)) {
        struct job *job = container_of(e->jobs.next, struct job, node);
        if (job->type != JOB_WRITE) {
            job_end(job);
            continue;
        }
        embedded_form_group(e);
        e->work.result = work_write(e);
        embedded_settle(e);
    }
}

static void embedded_free(struct embedded *e)
{
    index_done(&e->index);
    array_done(&e->work.records);
    array_done(&e->uncompacted);
    free(e);
}

static void embedded_close(struct store *s)
{
    struct embedded *e = embedded_of(s);
    e->is_closing = true;
    task_cancel(&e->dispatch);
    watchers_silence(&e->watchers);
    if (worker_free(e->worker))
        embedded_settle(e);
    embedded_drain(e);
    watchers_done(&e->watchers);
    database_close(&e->database);
    embedded_free(e);
}

static void embedded_load_row(void *user, const struct database_row *row)
{
    struct embedded *e = user;
    index_add(&e->index, row->key, row->id, row->create_revision, row->revision, row->is_deletion);
    e->next_id = row->id + 1;
}

/* The file is there with its mode, and its name is on disk, before SQLite opens it. */
static int embedded_prepare_directory(const char *path, struct err *err)
{
    _cleanup_(strbuf_done) struct strbuf file = {0};
    int r = file_make_directory(path, err);
    if (r < 0)
        return r;
    strbuf_addf(&file, "%s/store.db", path);
    int fd = open(strbuf_cstr(&file), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set_errno(err, -errno, "cannot open %s", strbuf_cstr(&file));
    close(fd);
    return 0;
}

/* After SQLite has made its files: a file whose name is lost is lost. */
static int embedded_sync_directory(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 || fsync(fd) < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return r < 0 ? err_set_errno(err, r, "cannot sync %s", path) : 0;
}

int store_embedded_open(const struct store_embedded_options *o, struct store **ret, struct err *err)
{
    static const struct store_ops ops = {
        .write = embedded_write,
        .read = embedded_read,
        .watch_open = embedded_watch_open,
        .watch_close = embedded_watch_close,
        .compact = embedded_compact,
        .close = embedded_close,
    };
    const struct database_options database = {o->path, o->vfs, o->checkpoint_pages};
    struct embedded *e = mem_new(struct embedded);
    e->store.ops = &ops;
    e->loop = o->loop;
    e->next_id = 1;
    e->max_history = o->max_history ? o->max_history : DEFAULT_HISTORY;
    watchers_init(&e->watchers);
    list_init(&e->jobs);
    list_init(&e->work.jobs);
    int r = o->vfs ? 0 : embedded_prepare_directory(o->path, err);
    if (r == 0)
        r = database_open(&e->database, &database, &e->store.revision, &e->store.compacted, err);
    if (r == 0 && !o->vfs)
        r = embedded_sync_directory(o->path, err);
    if (r == 0)
        r = database_scan(&e->database, embedded_load_row, e, err);
    if (r < 0) {
        database_close(&e->database);
        embedded_free(e);
        return r;
    }
    task_init(&e->dispatch, embedded_dispatch, e);
    e->worker = worker_new(o->loop, o->inline_commits, embedded_work, embedded_finished, e);
    worker_set_delay(e->worker, &(struct worker_delay){o->inline_delay_ms, o->delay_user});
    embedded_limit_history(e);
    *ret = &e->store;
    return 0;
}
