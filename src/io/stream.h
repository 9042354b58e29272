/* A TCP connection on the loop, plain or TLS, with a queue of bytes to send.
 *
 * Embedded in its owner. Callbacks come from the loop, never from inside the calls below. stream_close() may
 * be called in a callback, but the memory must live until the callback has returned to the loop: owners free
 * themselves by a task. Nothing is sent before the end of the loop's round, so that many small writes
 * become one record.
 *
 *     stream_accept(&c->stream, &config, fd);
 *     stream_send(&c->stream, bytes);
 *     stream_close(&c->stream);
 */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "io/loop.h"

struct tls_context;
struct ssl_st;

/* How much the owner may queue ahead of the network in fill(). */
#define STREAM_QUEUE_LEN ((size_t)64 * 1024)

struct stream_ops {
    void (*opened)(void *user); /* connected, and the TLS handshake is done */
    void (*data)(void *user, struct str bytes);
    /* The queue has room: add to it up to STREAM_QUEUE_LEN. Called again while it adds something. */
    void (*fill)(void *user);
    /* The other side closed (err NULL) or the connection failed. The owner calls stream_close(). Comes once.
     */
    void (*closed)(void *user, const struct err *err);
};

enum stream_state { STREAM_CLOSED, STREAM_CONNECTING, STREAM_HANDSHAKE, STREAM_OPEN };

struct stream {
    enum stream_state state;
    struct fd_watch watch;
    struct task task;
    struct ssl_st *ssl; /* NULL: plain */
    struct tls_context *tls;
    const struct stream_ops *ops;
    void *user;
    struct strbuf out;
    size_t out_at;       /* bytes of out that are sent */
    bool blocked;        /* waits for EPOLLOUT */
    bool paused;         /* the owner wants no data now */
    bool read_again;     /* OpenSSL may hold data that epoll does not know of */
    bool failed;         /* closed() has been called */
    uint64_t n_received; /* bytes of data so far; for time-outs */
    uint64_t n_sent;
};

struct stream_config {
    struct loop *loop;
    struct tls_context *tls; /* NULL: plain */
    const struct stream_ops *ops;
    void *user;
};

/* Takes the accepted or connected descriptor FD, which must not block. Errors: -ENOMEM; FD stays the
 * caller's. */
int stream_accept(struct stream *s, const struct stream_config *config, int fd);

struct sockaddr;
/* Begins to connect. Errors: socket(2)'s and connect(2)'s. */
int stream_connect(struct stream *s, const struct stream_config *config, const struct sockaddr *to,
                   unsigned to_len);

/* An open plain stream starts TLS as a client (behind a proxy's CONNECT); opened() comes again. Errors:
 * -ENOMEM. */
int stream_start_tls(struct stream *s, struct tls_context *tls);

/* Queues bytes (copied). The owner bounds the queue. */
void stream_send(struct stream *s, struct str bytes);
/* Makes fill() and the sending happen at the end of this round. */
void stream_wake(struct stream *s);
static inline size_t stream_queued(const struct stream *s)
{
    return s->out.len - s->out_at;
}
/* Stops and starts data(). The end of the connection is noticed all the same. */
void stream_pause(struct stream *s, bool paused);
/* Says good-bye (TLS close_notify, FIN) but goes on receiving. */
void stream_shutdown(struct stream *s);
/* Closes at once and frees everything; no callback follows. A no-op when closed. */
void stream_close(struct stream *s);
