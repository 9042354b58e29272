/* What the two bodies of the loop share: timers, tasks and the hand-over from other threads live in loop.c;
 * a body waits, moves the clock and serves descriptors. Only src/io/loop*.c includes this. */
#pragma once

#include <pthread.h>

#include "io/loop.h"

struct loop {
    const struct loop_body *body;
    struct monotime now; /* at the start of the round */
    struct walltime wall;
    bool stop;
    bool in_step;

    struct timer **heap; /* binary min-heap by (due, order) */
    size_t n_timers, heap_capacity;
    uint64_t next_order;

    struct list tasks; /* waiting, oldest first */

    pthread_mutex_t posted_lock;
    struct list posted; /* tasks from other threads, under posted_lock */
};

struct loop_body {
    int (*step)(struct loop *loop, int timeout_ms); /* see loop_step() */
    void (*wake)(struct loop *loop);                /* any thread; may be NULL */
    /* OP is EPOLL_CTL_*. Errors: epoll_ctl(2)'s; -EOPNOTSUPP without descriptors. */
    int (*watch)(struct loop *loop, struct fd_watch *w, int op);
    int (*on_signal)(struct loop *loop, int signo, void (*handle)(int, void *), void *user);
    void (*free)(struct loop *loop);
};

void loop_body_init(struct loop *loop, const struct loop_body *body);
void loop_body_done(struct loop *loop);

bool loop_has_task(struct loop *loop); /* also takes over what other threads posted */
/* The earliest timer, or NULL. */
struct timer *loop_next_timer(const struct loop *loop);
/* Fires the timers due now that were armed before the call. Returns how many. */
int loop_fire_timers(struct loop *loop);
/* Runs the tasks that were posted before the call. Returns how many. */
int loop_run_tasks(struct loop *loop);
