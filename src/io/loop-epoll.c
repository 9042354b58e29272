/* The loop on epoll: an eventfd wakes it from other threads, a signalfd brings signals. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/loop-body.h"

#define BATCH_EVENTS 64 /* of one round; the kernel hands out the rest in turn */

struct signal_handler {
    void (*handle)(int signo, void *user);
    void *user;
};

struct epoll_loop {
    struct loop loop;
    int epoll_fd;
    struct fd_watch wake;
    struct fd_watch signals;
    struct signal_handler handlers[_NSIG];
    sigset_t mask;
    struct epoll_event events[BATCH_EVENTS];
    int n_events, next_event; /* of the batch being served */
};

static struct epoll_loop *epoll_loop_of(struct loop *loop)
{
    return container_of(loop, struct epoll_loop, loop);
}

static void read_clocks(struct loop *loop)
{
    loop->now = clock_mono();
    loop->wall = clock_wall();
}

/* How long the kernel may make us wait, in ns; -1 without end. */
static int64_t wait_ns(struct loop *loop, int timeout_ms)
{
    if (timeout_ms == 0 || loop_has_task(loop))
        return 0;
    int64_t ns = timeout_ms < 0 ? -1 : timeout_ms * TIME_MS_NS;
    const struct timer *next = loop_next_timer(loop);
    if (!next)
        return ns;
    int64_t until = MAX(next->due.ns - clock_mono().ns, 0);
    return ns < 0 ? until : MIN(ns, until);
}

static int wait_events(struct epoll_loop *self, int64_t ns)
{
    struct timespec ts = {.tv_sec = ns / TIME_S_NS, .tv_nsec = ns % TIME_S_NS};
    int n = epoll_pwait2(self->epoll_fd, self->events, BATCH_EVENTS, ns < 0 ? NULL : &ts, NULL);
    if (n < 0 && errno == ENOSYS) { /* before Linux 5.11: whole milliseconds, rounded up */
        int64_t ms = ns < 0 ? -1 : MIN((ns + TIME_MS_NS - 1) / TIME_MS_NS, INT32_MAX);
        n = epoll_wait(self->epoll_fd, self->events, BATCH_EVENTS, (int)ms);
    }
    return MAX(n, 0); /* EINTR: an empty round */
}

static int epoll_step(struct loop *loop, int timeout_ms)
{
    struct epoll_loop *self = epoll_loop_of(loop);
    self->n_events = wait_events(self, wait_ns(loop, timeout_ms));
    read_clocks(loop);
    int n = 0;
    for (self->next_event = 0; self->next_event < self->n_events;) {
        const struct epoll_event *e = &self->events[self->next_event++];
        struct fd_watch *w = e->data.ptr;
        if (!w)
            continue; /* removed by a handler of this round */
        w->ready(w, e->events, w->user);
        n += w != &self->wake;
    }
    self->n_events = 0;
    n += loop_fire_timers(loop);
    return n + loop_run_tasks(loop);
}

static void epoll_wake(struct loop *loop)
{
    uint64_t one = 1;
    (void)!write(epoll_loop_of(loop)->wake.fd, &one, sizeof one); /* EAGAIN: it is awake already */
}

static int epoll_watch(struct loop *loop, struct fd_watch *w, int op)
{
    struct epoll_loop *self = epoll_loop_of(loop);
    struct epoll_event e = {.events = w->events, .data.ptr = w};
    if (op == EPOLL_CTL_DEL)
        for (int i = self->next_event; i < self->n_events; i++)
            if (self->events[i].data.ptr == w)
                self->events[i].data.ptr = NULL;
    return epoll_ctl(self->epoll_fd, op, w->fd, &e) < 0 ? -errno : 0;
}

static void on_wake(struct fd_watch *w, uint32_t events, void *user)
{
    uint64_t count;
    (void)events, (void)user;
    (void)!read(w->fd, &count, sizeof count); /* only its arrival counts */
}

static void on_signals(struct fd_watch *w, uint32_t events, void *user)
{
    struct epoll_loop *self = user;
    struct signalfd_siginfo info;
    (void)events;
    while (read(w->fd, &info, sizeof info) == sizeof info) {
        const struct signal_handler *h = &self->handlers[info.ssi_signo];
        if (h->handle)
            h->handle((int)info.ssi_signo, h->user);
    }
}

static int epoll_on_signal(struct loop *loop, int signo, void (*handle)(int, void *), void *user)
{
    struct epoll_loop *self = epoll_loop_of(loop);
    if (signo <= 0 || signo >= _NSIG)
        return -EINVAL;
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, signo);
    pthread_sigmask(SIG_BLOCK, &one, NULL);
    sigaddset(&self->mask, signo);
    int fd = signalfd(self->signals.fd, &self->mask, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    self->handlers[signo] = (struct signal_handler){handle, user};
    return self->signals.fd < 0 ? fd_watch_add(&self->signals, fd, EPOLLIN) : 0;
}

static void close_watch(struct fd_watch *w)
{
    int fd = w->fd;
    fd_watch_remove(w);
    if (fd >= 0)
        close(fd);
}

static void epoll_free(struct loop *loop)
{
    struct epoll_loop *self = epoll_loop_of(loop);
    close_watch(&self->wake);
    close_watch(&self->signals);
    close(self->epoll_fd);
    loop_body_done(loop);
    free(self);
}

static const struct loop_body epoll_body = {
    .step = epoll_step,
    .wake = epoll_wake,
    .watch = epoll_watch,
    .on_signal = epoll_on_signal,
    .free = epoll_free,
};

struct loop *loop_new(void)
{
    struct epoll_loop *self = mem_new(struct epoll_loop);
    loop_body_init(&self->loop, &epoll_body);
    read_clocks(&self->loop);
    sigemptyset(&self->mask);
    self->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    fd_watch_init(&self->wake, &self->loop, on_wake, self);
    fd_watch_init(&self->signals, &self->loop, on_signals, self);
    if (self->epoll_fd < 0 || wake_fd < 0 || fd_watch_add(&self->wake, wake_fd, EPOLLIN) < 0) {
        perror("the event loop needs epoll and eventfd");
        abort();
    }
    return &self->loop;
}
