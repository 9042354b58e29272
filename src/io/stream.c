#include "io/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/tls.h"

#define READ_LEN   ((size_t)32 * 1024)
#define READ_TURNS 32                   /* reads of one stream before others get their turn */
#define SEND_TURN  ((size_t)512 * 1024) /* bytes likewise */

static void on_task(struct task *task, void *user);
static void on_ready(struct fd_watch *w, uint32_t events, void *user);

static void fail(struct stream *s, const struct err *err)
{
    if (s->failed)
        return;
    s->failed = true;
    s->ops->closed(s->user, err);
}

static void fail_errno(struct stream *s, int code, const char *what)
{
    struct err err = {0};
    err_set_errno(&err, code, "%s", what);
    fail(s, &err);
}

static void update_events(struct stream *s)
{
    uint32_t events = s->paused ? 0 : EPOLLIN;
    if (s->state != STREAM_CONNECTING)
        events |= EPOLLRDHUP;
    if (s->blocked || s->state == STREAM_CONNECTING)
        events |= EPOLLOUT;
    fd_watch_set(&s->watch, events);
}

static int setup(struct stream *s, const struct stream_config *config)
{
    *s = (struct stream){.ops = config->ops, .user = config->user, .tls = config->tls};
    fd_watch_init(&s->watch, config->loop, on_ready, s);
    task_init(&s->task, on_task, s);
    return 0;
}

static void set_tcp_options(int fd)
{
    int one = 1, idle_s = 30, interval_s = 10, count = 3, unsent_ms = 60000;
    /* Refused for other kinds of sockets, where they do not matter. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unsent_ms, sizeof unsent_ms);
}

int stream_accept(struct stream *s, const struct stream_config *config, int fd)
{
    setup(s, config);
    if (s->tls && !(s->ssl = tls_connection_new(s->tls, fd)))
        return -ENOMEM;
    int r = fd_watch_add(&s->watch, fd, EPOLLIN | EPOLLRDHUP);
    if (r < 0) {
        SSL_free(s->ssl);
        s->ssl = NULL;
        return r;
    }
    set_tcp_options(fd);
    s->state = STREAM_HANDSHAKE;
    if (!s->tls)
        stream_wake(s); /* opens in its task */
    return 0;
}

int stream_connect(struct stream *s, const struct stream_config *config, const struct sockaddr *to,
                   unsigned to_len)
{
    setup(s, config);
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int r = connect(fd, to, to_len) < 0 && errno != EINPROGRESS ? -errno : 0;
    if (r == 0)
        r = fd_watch_add(&s->watch, fd, EPOLLOUT);
    if (r < 0) {
        close(fd);
        return r;
    }
    set_tcp_options(fd);
    s->state = STREAM_CONNECTING;
    return 0;
}

/* --- opening --- */

static void open_stream(struct stream *s)
{
    s->state = STREAM_OPEN;
    s->ops->opened(s->user);
    if (s->state == STREAM_OPEN)
        stream_wake(s);
}

static void handshake(struct stream *s)
{
    if (!s->ssl) {
        open_stream(s);
        return;
    }
    ERR_clear_error();
    errno = 0;
    int n = SSL_do_handshake(s->ssl), saved = errno;
    int result = SSL_get_error(s->ssl, n);
    if (n == 1) {
        s->blocked = false;
        s->read_again = SSL_has_pending(s->ssl);
        update_events(s);
        open_stream(s);
    } else if (result == SSL_ERROR_WANT_READ || result == SSL_ERROR_WANT_WRITE) {
        s->blocked = result == SSL_ERROR_WANT_WRITE;
        update_events(s);
    } else {
        struct err err = {0};
        tls_error(s->ssl, result, saved, &err);
        fail(s, &err);
    }
}

int stream_start_tls(struct stream *s, struct tls_context *tls)
{
    s->tls = tls;
    s->ssl = tls_connection_new(tls, s->watch.fd);
    if (!s->ssl)
        return -ENOMEM;
    s->state = STREAM_HANDSHAKE;
    stream_wake(s);
    return 0;
}

static void finish_connect(struct stream *s)
{
    int code = 0;
    socklen_t len = sizeof code;
    if (getsockopt(s->watch.fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0)
        code = errno;
    if (code) {
        fail_errno(s, -code, "no connection");
        return;
    }
    if (s->tls && !(s->ssl = tls_connection_new(s->tls, s->watch.fd))) {
        fail_errno(s, -ENOMEM, "no TLS connection");
        return;
    }
    s->state = STREAM_HANDSHAKE;
    update_events(s);
    handshake(s);
}

/* --- receiving --- */

/* Like read(2): > 0 bytes, 0 the end, -EAGAIN, or another negative errno with a sentence. */
static ssize_t receive(struct stream *s, char *buf, size_t size, struct err *err)
{
    if (!s->ssl) {
        ssize_t n = read(s->watch.fd, buf, size);
        if (n >= 0)
            return n;
        int code = errno == EINTR ? EAGAIN : errno;
        return code == EAGAIN ? -EAGAIN : err_set_errno(err, -code, "the connection failed");
    }
    ERR_clear_error();
    errno = 0;
    int n = SSL_read(s->ssl, buf, (int)size), saved = errno;
    if (n > 0)
        return n;
    int result = SSL_get_error(s->ssl, n);
    if (result == SSL_ERROR_ZERO_RETURN || (result == SSL_ERROR_SYSCALL && saved == 0))
        return 0;
    if (result == SSL_ERROR_WANT_READ || result == SSL_ERROR_WANT_WRITE)
        return -EAGAIN;
    return tls_error(s->ssl, result, saved, err);
}

static void read_stream(struct stream *s)
{
    char buf[READ_LEN];
    s->read_again = false;
    for (int turn = 0; s->state == STREAM_OPEN && !s->paused && !s->failed; turn++) {
        if (turn == READ_TURNS) {
            s->read_again = true;
            stream_wake(s);
            return;
        }
        struct err err = {0};
        ssize_t n = receive(s, buf, sizeof buf, &err);
        if (n == -EAGAIN)
            return;
        if (n <= 0) {
            fail(s, n == 0 ? NULL : &err);
            return;
        }
        s->n_received += (uint64_t)n;
        s->ops->data(s->user, (struct str){buf, (size_t)n});
        if (s->state != STREAM_OPEN)
            return;
        if (s->ssl ? !SSL_has_pending(s->ssl) : (size_t)n < sizeof buf)
            return; /* epoll tells when there is more */
    }
    if (s->state == STREAM_OPEN && s->ssl && SSL_has_pending(s->ssl))
        s->read_again = true; /* for when the owner goes on */
}

/* --- sending --- */

/* Like write(2), with -EAGAIN or another negative errno with a sentence. */
static ssize_t transmit(struct stream *s, struct str bytes, struct err *err)
{
    if (!s->ssl) {
        ssize_t n = send(s->watch.fd, bytes.p, bytes.len, MSG_NOSIGNAL);
        if (n >= 0)
            return n;
        int code = errno == EINTR ? EAGAIN : errno;
        return code == EAGAIN ? -EAGAIN : err_set_errno(err, -code, "the connection failed");
    }
    ERR_clear_error();
    errno = 0;
    int n = SSL_write(s->ssl, bytes.p, (int)MIN(bytes.len, (size_t)1 << 20)), saved = errno;
    if (n > 0)
        return n;
    int result = SSL_get_error(s->ssl, n);
    if (result == SSL_ERROR_WANT_READ || result == SSL_ERROR_WANT_WRITE)
        return -EAGAIN;
    return tls_error(s->ssl, result, saved, err);
}

static void reset_queue(struct stream *s)
{
    s->out_at = 0;
    if (s->out.capacity > STREAM_QUEUE_LEN / 16)
        strbuf_done(&s->out); /* an idle connection keeps little */
    else
        strbuf_truncate(&s->out, 0);
}

/* Sends what is queued. Returns whether the queue is empty now. */
static bool send_queue(struct stream *s, size_t *turn)
{
    while (stream_queued(s) && *turn < SEND_TURN) {
        struct err err = {0};
        ssize_t n = transmit(s, (struct str){s->out.p + s->out_at, stream_queued(s)}, &err);
        if (n == -EAGAIN) {
            s->blocked = true;
            update_events(s);
            return false;
        }
        if (n < 0) {
            fail(s, &err);
            return false;
        }
        s->out_at += (size_t)n;
        s->n_sent += (uint64_t)n;
        *turn += (size_t)n;
    }
    if (stream_queued(s))
        return false;
    reset_queue(s);
    return true;
}

static void write_stream(struct stream *s)
{
    size_t turn = 0;
    while (s->state == STREAM_OPEN && !s->blocked && !s->failed) {
        if (turn >= SEND_TURN) {
            stream_wake(s);
            return;
        }
        if (stream_queued(s) < STREAM_QUEUE_LEN)
            s->ops->fill(s->user);
        if (s->state != STREAM_OPEN || !stream_queued(s))
            return;
        (void)send_queue(s, &turn); /* the loop's conditions look at what happened */
    }
}

static void on_task(struct task *task, void *user)
{
    struct stream *s = user;
    (void)task;
    if (s->state == STREAM_HANDSHAKE)
        handshake(s);
    if (s->state == STREAM_OPEN && s->read_again)
        read_stream(s);
    write_stream(s);
}

static void on_ready(struct fd_watch *w, uint32_t events, void *user)
{
    struct stream *s = user;
    (void)w;
    if (s->state == STREAM_CONNECTING) {
        finish_connect(s);
        return;
    }
    if (s->state == STREAM_HANDSHAKE) {
        handshake(s);
        return;
    }
    if ((events & EPOLLOUT) && s->blocked) {
        s->blocked = false;
        update_events(s);
        write_stream(s);
    }
    if (s->state == STREAM_OPEN && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) && !s->paused)
        read_stream(s);
    else if (s->state == STREAM_OPEN && (events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)))
        fail(s, NULL); /* nobody reads, but whoever waits must know */
}

void stream_send(struct stream *s, struct str bytes)
{
    if (s->state == STREAM_CLOSED)
        return;
    if (s->out_at > STREAM_QUEUE_LEN && s->out_at > s->out.len / 2) {
        strbuf_consume(&s->out, s->out_at);
        s->out_at = 0;
    }
    strbuf_add_str(&s->out, bytes);
    stream_wake(s);
}

void stream_wake(struct stream *s)
{
    if (s->state != STREAM_CLOSED)
        task_post(s->watch.loop, &s->task);
}

void stream_pause(struct stream *s, bool paused)
{
    if (s->state == STREAM_CLOSED || s->paused == paused)
        return;
    s->paused = paused;
    update_events(s);
    if (!paused && s->read_again)
        stream_wake(s);
}

void stream_shutdown(struct stream *s)
{
    if (s->state != STREAM_OPEN)
        return;
    ERR_clear_error();
    if (s->ssl)
        (void)SSL_shutdown(s->ssl); /* a courtesy */
    (void)shutdown(s->watch.fd, SHUT_WR);
}

void stream_close(struct stream *s)
{
    if (s->state == STREAM_CLOSED)
        return;
    int fd = s->watch.fd;
    ERR_clear_error();
    if (s->ssl && s->state == STREAM_OPEN && !s->failed && !stream_queued(s))
        (void)SSL_shutdown(s->ssl);
    s->state = STREAM_CLOSED;
    task_cancel(&s->task);
    fd_watch_remove(&s->watch);
    SSL_free(s->ssl);
    s->ssl = NULL;
    close(fd);
    strbuf_done(&s->out);
    s->out_at = 0;
}
