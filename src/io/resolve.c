#include "io/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#define STACK_LEN ((size_t)256 * 1024)

struct resolve {
    struct fd_watch watch;
    resolve_fn *done;
    void *user;
};

/* What the thread gets; it owns it. The answer goes through a socket, so that nobody waits for a slow name
 * server when the loop ends. */
struct lookup {
    int fd;
    char port[8];
    char host[];
};

static void *look_up(void *arg)
{
    struct lookup *l = arg;
    struct resolve_result result = {0};
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list = NULL;
    int code = getaddrinfo(l->host, l->port, &hints, &list);
    for (struct addrinfo *a = list; code == 0 && a && result.n < RESOLVE_MAX; a = a->ai_next)
        if (a->ai_addrlen <= sizeof result.addrs[0])
            memcpy(&result.addrs[result.n++], a->ai_addr, a->ai_addrlen);
    if (code || !result.n)
        snprintf(result.error, sizeof result.error, "%s",
                 code ? gai_strerror(code) : "the name has no address");
    if (list)
        freeaddrinfo(list);
    (void)send(l->fd, &result, sizeof result, MSG_NOSIGNAL); /* nobody may be waiting any more */
    close(l->fd);
    free(l);
    return NULL;
}

static int start_thread(struct lookup *l)
{
    pthread_t thread;
    pthread_attr_t attr;
    sigset_t all, before;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_LEN);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the loop's thread */
    int r = pthread_create(&thread, &attr, look_up, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return -r;
}

static void on_answer(struct fd_watch *w, uint32_t events, void *user)
{
    struct resolve *r = user;
    struct resolve_result result = {0};
    resolve_fn *done = r->done;
    void *done_user = r->user;
    (void)events;
    if (recv(w->fd, &result, sizeof result, 0) != sizeof result)
        snprintf(result.error, sizeof result.error, "the lookup ended without an answer");
    resolve_cancel(r);
    done(done_user, &result);
}

int resolve_start(struct loop *loop, const char *host, uint16_t port, resolve_fn *done, void *user,
                  struct resolve **ret)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    size_t len = strlen(host) + 1;
    struct lookup *l = mem_zalloc(sizeof *l + len);
    struct resolve *r = mem_new(struct resolve);
    l->fd = fds[1];
    memcpy(l->host, host, len);
    snprintf(l->port, sizeof l->port, "%u", port);
    r->done = done;
    r->user = user;
    fd_watch_init(&r->watch, loop, on_answer, r);
    int code = fd_watch_add(&r->watch, fds[0], EPOLLIN);
    if (code == 0 && (code = start_thread(l)) == 0) {
        *ret = r;
        return 0;
    }
    fd_watch_remove(&r->watch);
    close(fds[0]);
    close(fds[1]);
    free(l);
    free(r);
    return code;
}

void resolve_cancel(struct resolve *r)
{
    if (!r)
        return;
    int fd = r->watch.fd;
    fd_watch_remove(&r->watch);
    close(fd);
    free(r);
}
