#include "store/embedded/worker.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>

struct worker {
    struct loop *loop;
    bool is_inline, is_threaded;
    void (*work)(void *user);
    void (*finished)(void *user);
    void *user;
    struct task inline_task;
    struct timer inline_timer; /* posts it later, on a slow disk */
    struct worker_delay delay;
    bool is_busy; /* of the loop's side: from worker_start() to FINISHED */

    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    bool has_work, is_done, must_end;
    struct task *done_task; /* allocated for each piece: a posted task cannot be taken back */
};

/* Carries the end of one piece to the loop. ORPHANED when the worker was freed meanwhile. */
struct done {
    struct task task;
    struct worker *worker; /* NULL: freed */
};

static void worker_on_done(struct task *task, void *user)
{
    struct done *done = user;
    struct worker *w = done->worker;
    free(done);
    if (!w)
        return;
    w->done_task = NULL;
    w->is_busy = false;
    w->finished(w->user);
}

static void *worker_main(void *user)
{
    struct worker *w = user;
    pthread_mutex_lock(&w->mutex);
    for (;;) {
        while (!w->has_work && !w->must_end)
            pthread_cond_wait(&w->changed, &w->mutex);
        if (!w->has_work)
            break;
        struct task *task = w->done_task;
        pthread_mutex_unlock(&w->mutex);
        w->work(w->user);
        pthread_mutex_lock(&w->mutex);
        w->has_work = false;
        w->is_done = true;
        pthread_cond_broadcast(&w->changed);
        loop_post_from_thread(w->loop, task);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

static void worker_after_delay(struct timer *timer, void *user)
{
    struct worker *w = user;
    task_post(w->loop, &w->inline_task);
}

void worker_set_delay(struct worker *w, const struct worker_delay *delay)
{
    w->delay = *delay;
}

static void worker_run_inline(struct task *task, void *user)
{
    struct worker *w = user;
    w->work(w->user);
    w->is_busy = false;
    w->finished(w->user);
}

struct worker *worker_new(struct loop *loop, bool is_inline, void (*work)(void *user),
                          void (*finished)(void *user), void *user)
{
    struct worker *w = mem_new(struct worker);
    *w = (struct worker){
        .loop = loop, .is_inline = is_inline, .work = work, .finished = finished, .user = user};
    task_init(&w->inline_task, worker_run_inline, w);
    timer_init(&w->inline_timer, loop, "slow disk", worker_after_delay, w);
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->changed, NULL);
    if (is_inline)
        return w;
    sigset_t all, before; /* signals are the loop's business */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    w->is_threaded = pthread_create(&w->thread, NULL, worker_main, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    w->is_inline = !w->is_threaded; /* no thread to be had: slower, and right all the same */
    return w;
}

void worker_start(struct worker *w)
{
    assert(!w->is_busy);
    w->is_busy = true;
    if (w->is_inline) {
        int64_t wait_ms = w->delay.ms ? w->delay.ms(w->delay.user) : 0;
        if (wait_ms > 0)
            timer_arm_ms(&w->inline_timer, wait_ms);
        else
            task_post(w->loop, &w->inline_task);
        return;
    }
    struct done *done = mem_new(struct done);
    done->worker = w;
    task_init(&done->task, worker_on_done, done);
    pthread_mutex_lock(&w->mutex);
    w->done_task = &done->task;
    w->has_work = true;
    w->is_done = false;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->mutex);
}

bool worker_free(struct worker *w)
{
    bool was_busy = w->is_busy;
    if (w->is_inline && was_busy) {
        timer_disarm(&w->inline_timer);
        task_cancel(&w->inline_task);
        w->work(w->user);
    }
    if (w->is_threaded) {
        pthread_mutex_lock(&w->mutex);
        w->must_end = true;
        pthread_cond_broadcast(&w->changed);
        pthread_mutex_unlock(&w->mutex);
        pthread_join(w->thread, NULL);
        if (w->done_task) /* posted, not yet run: it frees itself when the loop gets to it */
            container_of(w->done_task, struct done, task)->worker = NULL;
    }
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->mutex);
    free(w);
    return was_busy;
}
