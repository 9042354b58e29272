#include "io/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct collected {
    struct fd_watch watch;
    struct strbuf bytes;
    int fd; /* -1 at the end */
};

struct process {
    struct loop *loop;
    struct process_callback callback;
    size_t max_output;
    pid_t pid;
    int pid_fd; /* -1 once reaped */
    struct fd_watch exit_watch;
    struct timer timeout;
    struct collected out, errors;
    struct process_result result;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd); /* nothing was written through it */
    *fd = -1;
}

static void collected_close(struct collected *c)
{
    if (c->fd < 0)
        return;
    fd_watch_remove(&c->watch);
    close_fd(&c->fd);
}

static void process_free(struct process *p)
{
    timer_disarm(&p->timeout);
    collected_close(&p->out);
    collected_close(&p->errors);
    if (p->pid_fd >= 0) {
        fd_watch_remove(&p->exit_watch);
        close_fd(&p->pid_fd);
    }
    strbuf_done(&p->out.bytes);
    strbuf_done(&p->errors.bytes);
    free(p);
}

/* Both streams are at their end and the child is reaped. */
static void finish_if_done(struct process *p)
{
    if (p->pid_fd >= 0 || p->out.fd >= 0 || p->errors.fd >= 0)
        return;
    timer_disarm(&p->timeout);
    p->result.out = strbuf_str(&p->out.bytes);
    p->result.errors = strbuf_str(&p->errors.bytes);
    p->callback.exited(&p->result, p->callback.user);
    process_free(p);
}

static void on_output(struct fd_watch *watch, uint32_t events, void *user)
{
    (void)events;
    struct process *p = user;
    struct collected *c = container_of(watch, struct collected, watch);
    char buf[65536];
    ssize_t n = read(c->fd, buf, sizeof buf);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        size_t room = p->max_output - c->bytes.len;
        p->result.cut = p->result.cut || (size_t)n > room;
        strbuf_add(&c->bytes, buf, MIN((size_t)n, room));
        return;
    }
    collected_close(c);
    finish_if_done(p);
}

static void on_exit_of_child(struct fd_watch *watch, uint32_t events, void *user)
{
    (void)watch;
    (void)events;
    struct process *p = user;
    int status = 0;
    if (waitpid(p->pid, &status, WNOHANG) != p->pid)
        return;
    p->result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    p->result.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    fd_watch_remove(&p->exit_watch);
    close_fd(&p->pid_fd);
    if (p->result.timed_out) { /* a grandchild may hold the pipes open for ever */
        collected_close(&p->out);
        collected_close(&p->errors);
    }
    finish_if_done(p);
}

static void on_timeout(struct timer *timer, void *user)
{
    (void)timer;
    struct process *p = user;
    p->result.timed_out = true;
    if (p->pid_fd >= 0) {
        (void)kill(p->pid, SIGKILL); /* not reaped yet, so the number is still its own */
        return;
    }
    collected_close(&p->out);
    collected_close(&p->errors);
    finish_if_done(p);
}

static int make_input(struct str input, int *ret_fd, struct err *err)
{
    int fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, -errno, "cannot make an anonymous file");
    for (size_t at = 0; at < input.len;) {
        ssize_t n = pwrite(fd, input.p + at, input.len - at, (off_t)at);
        if (n <= 0) {
            int r = n < 0 ? -errno : -EIO;
            close_fd(&fd);
            return err_set_errno(err, r, "cannot fill an anonymous file");
        }
        at += (size_t)n;
    }
    *ret_fd = fd;
    return 0;
}

/* The ends that the child gets. */
struct child_fds {
    int in, out, errors;
};

static int spawn(const struct process_options *options, const struct child_fds *fds, pid_t *ret_pid,
                 struct err *err)
{
    static char *const environment[] = {(char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LC_ALL=C",
                                        NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, fds->in, 0);
    posix_spawn_file_actions_adddup2(&actions, fds->out, 1);
    posix_spawn_file_actions_adddup2(&actions, fds->errors, 2);
    /* Not all we have is CLOEXEC: what our own parent or a library left open must not reach it
     * (CVE-2024-21626). */
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    /* The loop blocks the signals it handles; a child would inherit that. */
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int r = posix_spawn(ret_pid, options->argv[0], &actions, &attributes, (char *const *)options->argv,
                        environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return r ? err_set_errno(err, -r, "cannot run %s", options->argv[0]) : 0;
}

static int open_pipe(struct collected *c, int *ret_child_end, struct err *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set_errno(err, -errno, "cannot make a pipe");
    c->fd = ends[0];
    *ret_child_end = ends[1];
    int r = fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : fd_watch_add(&c->watch, c->fd, EPOLLIN);
    if (r == 0)
        return 0;
    close_fd(&c->fd); /* was not added, so there is no watch to remove */
    return err_set_errno(err, r, "cannot watch a pipe");
}

static int start(struct process *p, const struct process_options *options, struct child_fds *fds,
                 struct err *err)
{
    int r = make_input(options->input, &fds->in, err);
    if (r == 0)
        r = open_pipe(&p->out, &fds->out, err);
    if (r == 0)
        r = open_pipe(&p->errors, &fds->errors, err);
    if (r == 0)
        r = spawn(options, fds, &p->pid, err);
    if (r < 0)
        return r;
    p->pid_fd = (int)syscall(SYS_pidfd_open, p->pid, 0);
    r = p->pid_fd < 0 ? -errno : fd_watch_add(&p->exit_watch, p->pid_fd, EPOLLIN);
    if (r == 0)
        return 0;
    close_fd(&p->pid_fd);
    (void)kill(p->pid, SIGKILL);
    (void)waitpid(p->pid, NULL, 0); /* killed: does not wait long */
    return err_set_errno(err, r, "cannot watch %s", options->argv[0]);
}

int process_start(struct loop *loop, const struct process_options *options, struct process_callback callback,
                  struct process **ret, struct err *err)
{
    struct process *p = mem_new(struct process);
    struct child_fds fds = {-1, -1, -1};
    p->loop = loop;
    p->callback = callback;
    p->max_output = options->max_output;
    p->pid_fd = p->out.fd = p->errors.fd = -1;
    fd_watch_init(&p->out.watch, loop, on_output, p);
    fd_watch_init(&p->errors.watch, loop, on_output, p);
    fd_watch_init(&p->exit_watch, loop, on_exit_of_child, p);
    timer_init(&p->timeout, loop, "process", on_timeout, p);
    int r = start(p, options, &fds, err);
    close_fd(&fds.in);
    close_fd(&fds.out);
    close_fd(&fds.errors);
    if (r < 0) {
        process_free(p);
        return r;
    }
    if (options->timeout_ms)
        timer_arm_ms(&p->timeout, options->timeout_ms);
    *ret = p;
    return 0;
}

void process_cancel(struct process *p)
{
    if (!p)
        return;
    if (p->pid_fd >= 0) {
        (void)kill(p->pid, SIGKILL);
        (void)waitpid(p->pid, NULL, 0); /* killed: does not wait long */
    }
    process_free(p);
}

struct sync_run {
    struct loop *loop;
    struct process_result *result;
    struct strbuf *out, *errors;
};

static void on_sync_exited(const struct process_result *result, void *user)
{
    struct sync_run *run = user;
    if (run->out)
        strbuf_add_str(run->out, result->out);
    if (run->errors)
        strbuf_add_str(run->errors, result->errors);
    *run->result = *result;
    run->result->out = run->result->errors = STR_NONE;
    loop_stop(run->loop);
}

int process_run_sync(const struct process_options *options, struct process_result *ret, struct strbuf *out,
                     struct strbuf *errors, struct err *err)
{
    struct process *p;
    struct sync_run run = {loop_new(), ret, out, errors};
    int r = process_start(run.loop, options, (struct process_callback){on_sync_exited, &run}, &p, err);
    if (r == 0)
        loop_run(run.loop);
    loop_free(run.loop);
    return r;
}
