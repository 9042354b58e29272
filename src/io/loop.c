#include "io/loop.h"

#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "io/loop-body.h"

/* A timer that fires later than this says that some handler blocked. */
#define LATE_TIMER_MS 250

void loop_body_init(struct loop *loop, const struct loop_body *body)
{
    loop->body = body;
    list_init(&loop->tasks);
    list_init(&loop->posted);
    pthread_mutex_init(&loop->posted_lock, NULL);
}

void loop_body_done(struct loop *loop)
{
    for (size_t i = 0; i < loop->n_timers; i++)
        loop->heap[i]->heap_index = SIZE_MAX;
    list_foreach_safe (&loop->tasks, n)
        list_remove(n);
    list_foreach_safe (&loop->posted, n)
        list_remove(n);
    pthread_mutex_destroy(&loop->posted_lock);
    free(loop->heap);
}

void loop_free(struct loop *loop)
{
    if (loop)
        loop->body->free(loop);
}

void loop_run(struct loop *loop)
{
    while (!loop->stop)
        if (loop_step(loop, -1) == 0 && !loop->body->wake)
            break; /* the scripted form has nothing left to do */
    loop->stop = false;
}

void loop_stop(struct loop *loop)
{
    loop->stop = true;
}

int loop_step(struct loop *loop, int timeout_ms)
{
    assert(!loop->in_step); /* handlers do not run the loop */
    loop->in_step = true;
    int n = loop->body->step(loop, timeout_ms);
    loop->in_step = false;
    return n;
}

struct monotime loop_now(const struct loop *loop)
{
    return loop->now;
}

struct walltime loop_wall_now(const struct loop *loop)
{
    return loop->wall;
}

/* --- timers --- */

static bool fires_before(const struct timer *a, const struct timer *b)
{
    return a->due.ns != b->due.ns ? a->due.ns < b->due.ns : a->order < b->order;
}

static void heap_place(struct loop *loop, size_t i, struct timer *t)
{
    loop->heap[i] = t;
    t->heap_index = i;
}

static void heap_sift_up(struct loop *loop, size_t i, struct timer *t)
{
    for (; i > 0 && fires_before(t, loop->heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap_place(loop, i, loop->heap[(i - 1) / 2]);
    heap_place(loop, i, t);
}

static void heap_sift_down(struct loop *loop, size_t i, struct timer *t)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= loop->n_timers)
            break;
        if (child + 1 < loop->n_timers && fires_before(loop->heap[child + 1], loop->heap[child]))
            child++;
        if (!fires_before(loop->heap[child], t))
            break;
        heap_place(loop, i, loop->heap[child]);
        i = child;
    }
    heap_place(loop, i, t);
}

void timer_init(struct timer *t, struct loop *loop, const char *name, void (*fire)(struct timer *, void *),
                void *user)
{
    *t = (struct timer){.loop = loop, .name = name, .fire = fire, .user = user, .heap_index = SIZE_MAX};
}

bool timer_is_armed(const struct timer *t)
{
    return t->heap_index != SIZE_MAX;
}

void timer_arm_at(struct timer *t, struct monotime due)
{
    struct loop *loop = t->loop;
    timer_disarm(t);
    if (loop->n_timers == loop->heap_capacity) {
        loop->heap_capacity = loop->heap_capacity ? loop->heap_capacity * 2 : 16;
        loop->heap = mem_realloc_array(loop->heap, loop->heap_capacity, sizeof(struct timer *));
    }
    t->due =
        due.ns < loop->now.ns ? loop->now : due; /* the past would jump the queue, for ever if repeated */
    t->order = loop->next_order++;
    heap_sift_up(loop, loop->n_timers++, t);
}

void timer_arm_ms(struct timer *t, int64_t ms)
{
    timer_arm_at(t, monotime_add_ms(t->loop->now, ms));
}

void timer_disarm(struct timer *t)
{
    if (!timer_is_armed(t))
        return;
    struct loop *loop = t->loop;
    size_t i = t->heap_index;
    struct timer *last = loop->heap[--loop->n_timers];
    t->heap_index = SIZE_MAX;
    if (last == t)
        return;
    if (i > 0 && fires_before(last, loop->heap[(i - 1) / 2]))
        heap_sift_up(loop, i, last);
    else
        heap_sift_down(loop, i, last);
}

struct timer *loop_next_timer(const struct loop *loop)
{
    return loop->n_timers ? loop->heap[0] : NULL;
}

int loop_fire_timers(struct loop *loop)
{
    /* What a handler arms now waits for the next round, so that a timer of 0 ms cannot hold the loop. */
    uint64_t end = loop->next_order;
    int n = 0;
    for (struct timer *t; (t = loop_next_timer(loop)); n++) {
        if (t->due.ns > loop->now.ns || t->order >= end)
            break;
        int64_t late_ms = monotime_since_ms(loop->now, t->due);
        if (late_ms > LATE_TIMER_MS)
            log_v(2, "late timer: name=%s late_ms=%ld", t->name, (long)late_ms);
        timer_disarm(t);
        t->fire(t, t->user);
    }
    return n;
}

/* --- tasks --- */

void task_init(struct task *t, void (*run)(struct task *, void *), void *user)
{
    *t = (struct task){.run = run, .user = user};
    list_init(&t->node);
}

void task_post(struct loop *loop, struct task *t)
{
    if (list_is_empty(&t->node))
        list_append(&loop->tasks, &t->node);
}

void task_cancel(struct task *t)
{
    list_remove(&t->node);
}

void loop_post_from_thread(struct loop *loop, struct task *t)
{
    pthread_mutex_lock(&loop->posted_lock);
    bool first = list_is_empty(&loop->posted);
    list_append(&loop->posted, &t->node);
    pthread_mutex_unlock(&loop->posted_lock);
    if (first && loop->body->wake)
        loop->body->wake(loop);
}

/* Moves all nodes of FROM behind those of TO. */
static void list_move(struct list *from, struct list *to)
{
    if (list_is_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

bool loop_has_task(struct loop *loop)
{
    pthread_mutex_lock(&loop->posted_lock);
    list_move(&loop->posted, &loop->tasks);
    pthread_mutex_unlock(&loop->posted_lock);
    return !list_is_empty(&loop->tasks);
}

int loop_run_tasks(struct loop *loop)
{
    if (!loop_has_task(loop))
        return 0;
    struct list batch = LIST_INIT(batch);
    list_move(&loop->tasks, &batch);
    int n = 0;
    while (!list_is_empty(&batch)) { /* a task may cancel others of the batch */
        struct task *t = container_of(batch.next, struct task, node);
        list_remove(&t->node);
        t->run(t, t->user);
        n++;
    }
    return n;
}

/* --- descriptors and signals --- */

void fd_watch_init(struct fd_watch *w, struct loop *loop, void (*ready)(struct fd_watch *, uint32_t, void *),
                   void *user)
{
    *w = (struct fd_watch){.loop = loop, .fd = -1, .ready = ready, .user = user};
}

int fd_watch_add(struct fd_watch *w, int fd, uint32_t events)
{
    assert(w->fd < 0);
    w->fd = fd;
    w->events = events;
    int r = w->loop->body->watch(w->loop, w, EPOLL_CTL_ADD);
    if (r < 0)
        w->fd = -1;
    return r;
}

void fd_watch_set(struct fd_watch *w, uint32_t events)
{
    if (w->fd < 0 || w->events == events)
        return;
    w->events = events;
    int r = w->loop->body->watch(w->loop, w, EPOLL_CTL_MOD);
    assert(r == 0); /* only a descriptor that was closed under the watch fails here */
    (void)r;
}

void fd_watch_remove(struct fd_watch *w)
{
    if (w->fd < 0)
        return;
    (void)w->loop->body->watch(w->loop, w, EPOLL_CTL_DEL); /* it is not there any more: as wanted */
    w->fd = -1;
}

int loop_on_signal(struct loop *loop, int signo, void (*handle)(int signo, void *user), void *user)
{
    return loop->body->on_signal(loop, signo, handle, user);
}
