/* The loop without descriptors: its clock stands still while anything is runnable and then jumps. */
#include <assert.h>
#include <errno.h>

#include "io/loop-body.h"

static void move_clock(struct loop *loop, struct monotime to)
{
    if (to.ns <= loop->now.ns)
        return;
    loop->wall.ns += to.ns - loop->now.ns;
    loop->now = to;
}

/* What is due at this moment of the script; 0 if nothing. */
static int run_round(struct loop *loop)
{
    int n = loop_fire_timers(loop);
    return n + loop_run_tasks(loop);
}

static int scripted_step(struct loop *loop, int timeout_ms)
{
    (void)timeout_ms; /* there is no time to wait for */
    int n = run_round(loop);
    const struct timer *next = loop_next_timer(loop);
    if (n > 0 || !next)
        return n;
    move_clock(loop, next->due);
    return run_round(loop);
}

void loop_script_advance(struct loop *loop, int64_t ms)
{
    struct monotime end = monotime_add_ms(loop->now, ms);
    assert(!loop->in_step && !loop->body->wake);
    loop->in_step = true;
    for (;;) {
        if (run_round(loop) > 0)
            continue;
        const struct timer *next = loop_next_timer(loop);
        if (!next || next->due.ns > end.ns)
            break;
        move_clock(loop, next->due);
    }
    move_clock(loop, end);
    loop->in_step = false;
}

static int scripted_watch(struct loop *loop, struct fd_watch *w, int op)
{
    (void)loop, (void)w, (void)op;
    return -EOPNOTSUPP;
}

static int scripted_on_signal(struct loop *loop, int signo, void (*handle)(int, void *), void *user)
{
    (void)loop, (void)signo, (void)handle, (void)user;
    return -EOPNOTSUPP;
}

static void scripted_free(struct loop *loop)
{
    loop_body_done(loop);
    free(loop);
}

static const struct loop_body scripted_body = {
    .step = scripted_step,
    .watch = scripted_watch,
    .on_signal = scripted_on_signal,
    .free = scripted_free,
};

struct loop *loop_new_scripted(struct monotime mono_start, struct walltime wall_start)
{
    struct loop *loop = mem_new(struct loop);
    loop_body_init(loop, &scripted_body);
    loop->now = mono_start;
    loop->wall = wall_start;
    return loop;
}
