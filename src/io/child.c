#include "io/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct child {
    struct fd_watch watch; /* of the pidfd */
    pid_t pid;
    child_ended_fn *ended;
    void *user;
};

static void child_free(struct child *c)
{
    int fd = c->watch.fd;
    fd_watch_remove(&c->watch);
    if (fd >= 0)
        close(fd);
    free(c);
}

static void child_on_end(struct fd_watch *watch, uint32_t events, void *user)
{
    struct child *c = user;
    int status = 0;
    if (waitpid(c->pid, &status, WNOHANG) != c->pid)
        return;
    child_ended_fn *ended = c->ended;
    void *ended_user = c->user;
    child_free(c);
    ended(ended_user, status);
}

/* Runs in the child: only what is safe after fork(2) of a process with threads. */
static _noreturn_ void child_exec(const char *const *argv, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) /* it died before we asked */
        _exit(127);
    syscall(SYS_close_range, 3, ~0U, 0);
    execv(argv[0], (char *const *)argv);
    _exit(127);
}

int child_end_with_parent(pid_t parent, struct err *err)
{
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
        return err_set_errno(err, -errno, "cannot be told of the end of process %d", (int)parent);
    if (getppid() != parent)
        return err_set(err, -ESRCH, "process %d, which started this one, has ended", (int)parent);
    return 0;
}

int child_start(struct loop *loop, const char *const *argv, child_ended_fn *ended, void *user,
                struct child **ret, struct err *err)
{
    pid_t parent = getpid(), pid = fork();
    if (pid < 0)
        return err_set_errno(err, -errno, "cannot start %s", argv[0]);
    if (pid == 0)
        child_exec(argv, parent);
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0) {
        int r = -errno;
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return err_set_errno(err, r, "cannot watch %s", argv[0]);
    }
    struct child *c = mem_new(struct child);
    c->pid = pid;
    c->ended = ended;
    c->user = user;
    fd_watch_init(&c->watch, loop, child_on_end, c);
    int r = fd_watch_add(&c->watch, fd, EPOLLIN);
    if (r < 0) {
        child_stop(c, 0);
        return err_set_errno(err, r, "cannot watch %s", argv[0]);
    }
    *ret = c;
    return 0;
}

void child_stop(struct child *c, int wait_ms)
{
    if (!c)
        return;
    struct pollfd pidfd = {.fd = c->watch.fd, .events = POLLIN};
    kill(c->pid, SIGTERM); /* not reaped yet, so the number is still its own */
    if (poll(&pidfd, 1, wait_ms) != 1)
        kill(c->pid, SIGKILL);
    waitpid(c->pid, NULL, 0);
    child_free(c);
}

const char *child_status_text(int status, char *buf, size_t len)
{
    if (WIFSIGNALED(status))
        snprintf(buf, len, "was killed by signal %d", WTERMSIG(status));
    else
        snprintf(buf, len, "exited with status %d", WEXITSTATUS(status));
    return buf;
}

int child_own_program(char *ret, size_t len, struct err *err)
{
    ssize_t n = readlink("/proc/self/exe", ret, len - 1);
    if (n < 0)
        return err_set_errno(err, -errno, "cannot find the path of this program");
    ret[n] = 0;
    return 0;
}
