/* Event loop: file descriptors, timers, posted tasks and signals; one loop per thread.
 *
 * The same interface has two bodies. loop_new() waits on epoll and reads the system's clocks.
 * loop_new_scripted() has no descriptors and a clock that moves only when nothing is runnable, straight to
 * the next timer: with it, store, caches, controllers and proxy run together in one process, repeatably.
 * Everything below src/cmd takes its loop, and so its clock, as an argument.
 *
 * Handlers never block. Work over a millisecond is split with tasks or sent to a worker that answers with
 * loop_post_from_thread(). Timers and tasks are embedded in their owners; disarm before freeing.
 *
 *     struct loop *loop = loop_new();
 *     timer_init(&t, loop, "relist", on_timer, self);
 *     timer_arm_ms(&t, 250);
 *     loop_run(loop);            // until loop_stop()
 *     loop_free(loop);
 */
#pragma once

#include "base/datetime.h"
#include "base/err.h"
#include "base/list.h"

struct loop;

struct loop *loop_new(void); /* aborts if the kernel has no epoll for us */
struct loop *loop_new_scripted(struct monotime mono_start, struct walltime wall_start);
void loop_free(struct loop *loop);

/* Runs until loop_stop(), or in the scripted form also until nothing is left to do. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* One round: runs what is ready, waiting at most TIMEOUT_MS (-1: until something is; ignored by the scripted
 * form). Returns the number of handlers run. */
int loop_step(struct loop *loop, int timeout_ms);

/* Scripted form only: runs everything due until the clock has moved by MS. */
void loop_script_advance(struct loop *loop, int64_t ms);

/* Time at the start of this round. */
struct monotime loop_now(const struct loop *loop);
struct walltime loop_wall_now(const struct loop *loop);

struct timer {
    struct loop *loop;
    const char *name; /* static string, for the late-timer log and the simulation's trace */
    void (*fire)(struct timer *timer, void *user);
    void *user;
    struct monotime due;
    size_t heap_index; /* SIZE_MAX when not armed */
    uint64_t order;    /* ties fire in the order of arming */
};

void timer_init(struct timer *t, struct loop *loop, const char *name, void (*fire)(struct timer *, void *),
                void *user);
void timer_arm_at(struct timer *t, struct monotime due); /* re-arms if armed */
void timer_arm_ms(struct timer *t, int64_t ms);
void timer_disarm(struct timer *t);
bool timer_is_armed(const struct timer *t);

/* A task runs once, after the handlers of the current round, in the order posted. Posting one that waits
 * already is a no-op, so a task is also a "dirty" mark. */
struct task {
    struct list node;
    void (*run)(struct task *task, void *user);
    void *user;
};

void task_init(struct task *t, void (*run)(struct task *, void *), void *user);
void task_post(struct loop *loop, struct task *t);
void task_cancel(struct task *t);

/* From any thread: wakes the loop and runs the task on it. The task must not be waiting already, and it
 * cannot be cancelled before it has run. */
void loop_post_from_thread(struct loop *loop, struct task *t);

/* Descriptor readiness. EVENTS is a mask of EPOLLIN, EPOLLOUT, EPOLLRDHUP; level-triggered. Real loops only.
 */
struct fd_watch {
    struct loop *loop;
    int fd; /* -1 when not added; the watch does not own it */
    uint32_t events;
    void (*ready)(struct fd_watch *watch, uint32_t events, void *user);
    void *user;
};

void fd_watch_init(struct fd_watch *w, struct loop *loop, void (*ready)(struct fd_watch *, uint32_t, void *),
                   void *user);
int fd_watch_add(struct fd_watch *w, int fd, uint32_t events); /* Errors: epoll_ctl(2)'s */
void fd_watch_set(struct fd_watch *w, uint32_t events);
void fd_watch_remove(struct fd_watch *w); /* before close(2) */

/* Calls HANDLE on the loop for each arrival of SIGNO (blocked for the process). One handler per signal. */
int loop_on_signal(struct loop *loop, int signo, void (*handle)(int signo, void *user), void *user);
