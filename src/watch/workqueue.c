#include "watch/workqueue.h"

#include "base/list.h"
#include "base/map.h"

struct entry {
    struct workqueue *queue;
    struct list node; /* in the queue's ready list while it waits for a worker */
    struct timer timer;
    char *key;
    size_t key_len;
    unsigned failures;
    bool ready, active;
    bool again; /* added while active */
};

struct workqueue {
    struct workqueue_config config;
    struct map entries;
    struct list ready;
    struct task task;
    size_t n_ready, n_active;
    bool started;
    /* When the next retry may come if the burst is used up; retries are due one interval after another. */
    struct monotime next_retry;
    struct workqueue_stats stats;
};

static struct str entry_key(const struct entry *e)
{
    return (struct str){e->key, e->key_len};
}

static void free_entry(void *value)
{
    struct entry *e = value;
    timer_disarm(&e->timer);
    list_remove(&e->node);
    free(e->key);
    free(e);
}

/* An entry that neither waits, works nor remembers failures is not kept. */
static void settle(struct entry *e)
{
    if (e->ready || e->active || e->failures || timer_is_armed(&e->timer))
        return;
    (void)map_delete(&e->queue->entries, entry_key(e)); /* it is E */
    free_entry(e);
}

static void make_ready(struct entry *e)
{
    struct workqueue *q = e->queue;
    if (e->active) {
        e->again = true;
        return;
    }
    if (e->ready)
        return;
    timer_disarm(&e->timer);
    e->ready = true;
    list_append(&q->ready, &e->node);
    q->n_ready++;
    if (q->started)
        task_post(q->config.loop, &q->task);
}

static void on_timer(struct timer *timer, void *user)
{
    make_ready(user);
}

static struct entry *entry_of(struct workqueue *q, struct str key)
{
    struct entry *e = map_find(&q->entries, key);
    if (e)
        return e;
    e = mem_new(struct entry);
    e->queue = q;
    e->key = mem_dup(key.p, key.len);
    e->key_len = key.len;
    list_init(&e->node);
    timer_init(&e->timer, q->config.loop, q->config.name, on_timer, e);
    (void)map_put(&q->entries, key, e); /* replaces nothing */
    return e;
}

static void run(struct task *task, void *user)
{
    struct workqueue *q = user;
    while (!list_is_empty(&q->ready) && q->n_active < q->config.workers) {
        struct entry *e = container_of(q->ready.next, struct entry, node);
        list_remove(&e->node);
        q->n_ready--;
        e->ready = false;
        e->active = true;
        q->n_active++;
        q->config.work(q->config.user, entry_key(e));
    }
}

struct workqueue *workqueue_new(const struct workqueue_config *config)
{
    struct workqueue *q = mem_new(struct workqueue);
    q->config = *config;
    q->config.workers = config->workers ? config->workers : 5;
    q->config.base_ms = config->base_ms ? config->base_ms : 5;
    q->config.max_ms = config->max_ms ? config->max_ms : 1000000;
    q->config.retries_per_s = config->retries_per_s ? config->retries_per_s : 10;
    q->config.retry_burst = config->retry_burst ? config->retry_burst : 100;
    list_init(&q->ready);
    q->next_retry.ns = INT64_MIN / 2; /* the burst is whole */
    task_init(&q->task, run, q);
    return q;
}

void workqueue_free(struct workqueue *q)
{
    if (!q)
        return;
    task_cancel(&q->task);
    map_done(&q->entries, free_entry);
    free(q);
}

void workqueue_start(struct workqueue *q)
{
    q->started = true;
    task_post(q->config.loop, &q->task);
}

void workqueue_add(struct workqueue *q, struct str key)
{
    q->stats.adds++;
    make_ready(entry_of(q, key));
}

void workqueue_add_after(struct workqueue *q, struct str key, int64_t ms)
{
    struct entry *e = entry_of(q, key);
    struct monotime due = monotime_add_ms(loop_now(q->config.loop), ms);

    if (ms <= 0) {
        make_ready(e);
        return;
    }
    if (e->ready || (timer_is_armed(&e->timer) && e->timer.due.ns <= due.ns))
        return;
    timer_arm_at(&e->timer, due);
}

static int64_t backoff_ms(const struct workqueue *q, unsigned failures)
{
    int64_t ms = q->config.base_ms;
    for (unsigned i = 1; i < failures && ms < q->config.max_ms; i++)
        ms *= 2;
    return MIN(ms, q->config.max_ms);
}

/* A token bucket as one point in time: up to `burst` intervals may be taken ahead of the clock. */
static int64_t rate_delay_ms(struct workqueue *q)
{
    struct monotime now = loop_now(q->config.loop);
    int64_t interval_ns = TIME_S_NS / q->config.retries_per_s;
    int64_t earliest = now.ns - interval_ns * q->config.retry_burst;

    if (q->next_retry.ns < earliest)
        q->next_retry.ns = earliest;
    q->next_retry.ns += interval_ns;
    return q->next_retry.ns > now.ns ? (q->next_retry.ns - now.ns) / TIME_MS_NS : 0;
}

void workqueue_done(struct workqueue *q, struct str key, enum workqueue_outcome outcome)
{
    struct entry *e = map_find(&q->entries, key);
    if (!e || !e->active)
        abort(); /* a caller ended what it had not begun */
    bool again = e->again;
    e->active = e->again = false;
    q->n_active--;
    if (outcome == WORKQUEUE_FAILED && q->config.max_failures && e->failures >= q->config.max_failures)
        outcome = WORKQUEUE_DROP;
    e->failures = outcome == WORKQUEUE_FAILED ? e->failures + 1 : 0;
    if (outcome == WORKQUEUE_DROP)
        q->stats.drops++;
    if (outcome == WORKQUEUE_FAILED) {
        /* Something changed meanwhile: the next try has a better chance than its back-off says. */
        int64_t rate_ms = rate_delay_ms(q), own_ms = again ? q->config.base_ms : backoff_ms(q, e->failures);
        q->stats.retries++;
        workqueue_add_after(q, entry_key(e), MAX(own_ms, rate_ms));
    } else if (again) {
        make_ready(e);
    }
    settle(e);
    if (!list_is_empty(&q->ready) && q->started)
        task_post(q->config.loop, &q->task);
}

unsigned workqueue_failures(const struct workqueue *q, struct str key)
{
    const struct entry *e = map_find(&q->entries, key);
    return e ? e->failures : 0;
}

size_t workqueue_depth(const struct workqueue *q)
{
    return q->n_ready;
}

size_t workqueue_active(const struct workqueue *q)
{
    return q->n_active;
}

struct workqueue_stats workqueue_stats(const struct workqueue *q)
{
    return q->stats;
}
