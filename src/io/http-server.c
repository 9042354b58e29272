#include "io/http-server.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "io/http-server-conn.h"

#define ACCEPT_TURN  64 /* connections taken in one round */
#define LISTEN_QUEUE 1024
#define SWEEP_MAX_MS 5000

struct listener {
    struct list node;
    struct http_server *server;
    struct fd_watch watch;
};

static const struct http_peer nobody = {0};

/* --- exchanges --- */

struct server_exchange *server_exchange_new(struct server_conn *conn, const struct http_exchange_ops *ops)
{
    struct server_exchange *se = mem_new(struct server_exchange);
    se->ex =
        (struct http_exchange){.ops = ops, .request = &se->request, .peer = &conn->peer, .arena = &se->arena};
    se->conn = conn;
    se->since = loop_now(conn->server->config.loop);
    list_append(&conn->exchanges, &se->node);
    conn->n_exchanges++;
    conn->server->stats.n_exchanges++;
    return se;
}

static void detach(struct server_exchange *se)
{
    struct server_conn *conn = se->conn;
    if (!conn)
        return;
    list_remove(&se->node);
    conn->n_exchanges--;
    conn->server->stats.n_exchanges--;
    conn->server->bodies_len -= se->body.len;
    if (conn->current == se)
        conn->current = NULL;
    se->conn = NULL;
    se->ex.peer = &nobody;
}

void server_exchange_free(struct server_exchange *se)
{
    detach(se);
    strbuf_done(&se->body);
    strbuf_done(&se->out);
    arena_done(&se->arena);
    free(se);
}

void server_exchange_abort(struct server_exchange *se)
{
    detach(se);
    if (se->dispatched && !se->ended) {
        if (!se->ex.on_abort) { /* the handler will end it, unaware; until then nothing it writes goes
                                   anywhere */
            strbuf_done(&se->out);
            se->out_at = 0;
            return;
        }
        se->ex.on_abort(&se->ex, se->ex.user);
    }
    server_exchange_free(se);
}

int server_exchange_add_body(struct server_exchange *se, struct str bytes)
{
    struct http_server *server = se->conn->server;
    if (se->body.len + bytes.len > server->config.max_body_len)
        return 413;
    if (server->bodies_len + bytes.len > server->config.max_bodies_len)
        return 503;
    server->bodies_len += bytes.len;
    strbuf_add_str(&se->body, bytes);
    return 0;
}

/* A certificate may run out while its connection lives. */
static void check_peer_time(struct server_conn *conn)
{
    struct http_peer *peer = &conn->peer;
    if (!peer->user.p || loop_wall_now(conn->server->config.loop).ns <= conn->identity.not_after.ns)
        return;
    peer->user = STR_NONE;
    peer->n_groups = 0;
    peer->cert_error = "the client certificate has expired";
}

void server_exchange_dispatch(struct server_exchange *se)
{
    struct http_server *server = se->conn->server;
    check_peer_time(se->conn);
    se->request.body = strbuf_str(&se->body);
    se->received = se->dispatched = true;
    server->stats.n_requests++;
    server->config.handle(server->config.ctx, &se->ex);
}

void server_exchange_refuse(struct server_exchange *se, int status, const char *message)
{
    struct http_server *server = se->conn->server;
    _cleanup_(strbuf_done) struct strbuf body = {0};
    const char *type = "text/plain; charset=utf-8";
    if (server->config.format_error) {
        type = server->config.error_content_type;
        server->config.format_error(server->config.ctx, status, message, &body);
    } else {
        strbuf_addf(&body, "%s\n", message);
    }
    struct http_header header = {STR("content-type"), str_of(type)};
    server->stats.n_refused++;
    se->ex.ops->reply(&se->ex, status, &header, 1, strbuf_str(&body), true);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", made once a second. */
static struct str date_of(struct http_server *server)
{
    int64_t now_s = loop_wall_now(server->config.loop).ns / TIME_S_NS;
    if (now_s != server->date_s) {
        time_t t = (time_t)now_s;
        struct tm tm;
        gmtime_r(&t, &tm);
        strftime(server->date, sizeof server->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        server->date_s = now_s;
    }
    return str_of(server->date);
}

static bool is_hop_by_hop(struct str name)
{
    return str_eq(name, STR("connection")) || str_eq(name, STR("keep-alive")) ||
           str_eq(name, STR("transfer-encoding")) || str_eq(name, STR("content-length")) ||
           str_eq(name, STR("upgrade"));
}

size_t server_reply_headers(struct server_exchange *se, const struct http_header *headers, size_t n_headers,
                            int64_t body_len, struct http_header **ret, bool *ret_close)
{
    struct http_header *out = arena_new_array(&se->arena, struct http_header, n_headers + 3);
    size_t n = 0;
    for (size_t i = 0; i < n_headers; i++) {
        if (!is_hop_by_hop(headers[i].name) && http1_header_is_valid(headers[i].name, headers[i].value))
            out[n++] = headers[i];
        else if (str_eq(headers[i].name, STR("connection")))
            *ret_close |= str_case_eq(headers[i].value, STR("close"));
    }
    if (body_len >= 0)
        out[n++] =
            (struct http_header){STR("content-length"), arena_format(&se->arena, "%ld", (long)body_len)};
    out[n++] = (struct http_header){STR("date"), date_of(se->conn->server)};
    *ret = out;
    return n;
}

/* --- connections --- */

static void resume_accept(struct http_server *server);

static void free_conn(struct server_conn *conn)
{
    struct http_server *server = conn->server;
    task_cancel(&conn->task);
    list_remove(&conn->node);
    server->stats.n_connections--;
    strbuf_done(&conn->in);
    tls_client_identity_done(&conn->identity);
    free(conn);
    resume_accept(server);
}

void server_conn_close(struct server_conn *conn)
{
    if (conn->closed)
        return;
    conn->closed = true;
    stream_close(&conn->stream);
    while (!list_is_empty(&conn->exchanges))
        server_exchange_abort(container_of(conn->exchanges.next, struct server_exchange, node));
    task_post(conn->server->config.loop, &conn->task); /* callers up the stack still hold it */
}

static void on_conn_task(struct task *task, void *user)
{
    struct server_conn *conn = user;
    (void)task;
    if (!conn->closed) {
        server_h1_continue(conn);
        return;
    }
    server_h2_done(conn);
    free_conn(conn);
}

static void on_opened(void *user)
{
    struct server_conn *conn = user;
    if (conn->server->draining) {
        server_conn_close(conn);
        return;
    }
    conn->since = loop_now(conn->server->config.loop);
    if (conn->stream.ssl) {
        tls_client_identity_get(conn->stream.ssl, &conn->identity);
        conn->peer.user = conn->identity.user;
        conn->peer.groups = conn->identity.groups;
        conn->peer.n_groups = conn->identity.n_groups;
        conn->peer.cert_error = conn->identity.error;
        conn->is_h2 = tls_is_h2(conn->stream.ssl);
    }
    if (!conn->is_h2)
        server_h1_open(conn);
    else if (server_h2_open(conn) < 0)
        server_conn_close(conn);
}

static void on_data(void *user, struct str bytes)
{
    struct server_conn *conn = user;
    if (conn->is_h2)
        server_h2_data(conn, bytes);
    else
        server_h1_data(conn, bytes);
}

static void on_fill(void *user)
{
    struct server_conn *conn = user;
    if (conn->is_h2)
        server_h2_fill(conn);
    else
        server_h1_fill(conn);
}

static void on_closed(void *user, const struct err *err)
{
    (void)err; /* a client may go away at any time */
    server_conn_close(user);
}

static const struct stream_ops conn_ops = {
    .opened = on_opened, .data = on_data, .fill = on_fill, .closed = on_closed};

static void add_conn(struct http_server *server, int fd, const struct sockaddr *from)
{
    struct server_conn *conn = mem_new(struct server_conn);
    struct stream_config config = {server->config.loop, server->config.tls, &conn_ops, conn};
    if (stream_accept(&conn->stream, &config, fd) < 0) {
        close(fd);
        free(conn);
        return;
    }
    conn->server = server;
    conn->since = loop_now(server->config.loop);
    list_init(&conn->exchanges);
    task_init(&conn->task, on_conn_task, conn);
    (void)ip_from_sockaddr(from, &conn->peer.ip, &conn->peer.port); /* only addresses get here */
    list_append(&server->conns, &conn->node);
    server->stats.n_connections++;
    server->stats.n_accepted++;
    if (!timer_is_armed(&server->sweep))
        timer_arm_ms(&server->sweep, 1);
}

/* --- time-outs --- */

static bool sends_nothing(struct server_conn *conn, struct monotime now)
{
    if (!stream_queued(&conn->stream) || conn->sent_seen != conn->stream.n_sent) {
        conn->sent_seen = conn->stream.n_sent;
        conn->sent_since = now;
        return false;
    }
    return monotime_since_ms(now, conn->sent_since) >= conn->server->config.send_timeout_ms;
}

static bool is_overdue(struct server_conn *conn, struct monotime now)
{
    if (sends_nothing(conn, now))
        return true;
    if (conn->stream.state != STREAM_OPEN)
        return monotime_since_ms(now, conn->since) >= conn->server->config.head_timeout_ms;
    return conn->is_h2 ? server_h2_is_overdue(conn, now) : server_h1_is_overdue(conn, now);
}

static int64_t sweep_interval_ms(const struct http_server_config *c)
{
    int64_t least =
        MIN(MIN(c->idle_timeout_ms, c->head_timeout_ms), MIN(c->body_timeout_ms, c->send_timeout_ms));
    return MAX(MIN(least / 4, SWEEP_MAX_MS), 10);
}

static void on_sweep(struct timer *timer, void *user)
{
    struct http_server *server = user;
    struct monotime now = loop_now(server->config.loop);
    list_foreach_safe (&server->conns, n) {
        struct server_conn *conn = container_of(n, struct server_conn, node);
        if (!conn->closed && is_overdue(conn, now))
            server_conn_close(conn);
    }
    resume_accept(server);
    if (!list_is_empty(&server->conns) || server->accept_paused)
        timer_arm_ms(timer, sweep_interval_ms(&server->config));
}

/* --- listening --- */

static void set_accepting(struct http_server *server, bool accepting)
{
    server->accept_paused = !accepting;
    list_foreach (&server->listeners, n)
        fd_watch_set(&container_of(n, struct listener, node)->watch, accepting ? EPOLLIN : 0);
}

static void resume_accept(struct http_server *server)
{
    if (server->accept_paused && server->stats.n_connections < server->config.max_connections)
        set_accepting(server, true);
}

static void on_acceptable(struct fd_watch *w, uint32_t events, void *user)
{
    struct http_server *server = ((struct listener *)user)->server;
    (void)events;
    for (int i = 0; i < ACCEPT_TURN; i++) {
        struct sockaddr_storage from;
        socklen_t len = sizeof from;
        if (server->stats.n_connections >= server->config.max_connections) {
            set_accepting(server, false);
            return;
        }
        int fd = accept4(w->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            add_conn(server, fd, (struct sockaddr *)&from);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            set_accepting(server, false); /* until a connection ends or the next sweep */
            if (!timer_is_armed(&server->sweep))
                timer_arm_ms(&server->sweep, 100);
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

static int open_listener(const struct ip *ip, uint16_t port, int *ret_fd)
{
    struct sockaddr_storage addr;
    socklen_t len = ip_to_sockaddr(ip, port, &addr);
    int one = 1, zero = 0;
    int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one); /* else a restart waits a minute */
    if (addr.ss_family == AF_INET6) /* "::" takes IPv4 too, as Go's servers do */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    if (bind(fd, (struct sockaddr *)&addr, len) < 0 || listen(fd, LISTEN_QUEUE) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    *ret_fd = fd;
    return 0;
}

static int cannot_listen(struct err *err, int code, const struct ip *ip, uint16_t port)
{
    char text[IP_TEXT_LEN];
    const char *where = ip_format(ip, text);
    bool v6 = ip->family == IP_V6;
    const char *why = code == -EADDRINUSE      ? ": another program listens there"
                      : code == -EACCES        ? ": ports below 1024 need CAP_NET_BIND_SERVICE"
                      : code == -EADDRNOTAVAIL ? ": this host does not have the address"
                                               : NULL;
    if (why)
        return err_set(err, code, "cannot listen on %s%s%s:%u%s", v6 ? "[" : "", where, v6 ? "]" : "", port,
                       why);
    return err_set_errno(err, code, "cannot listen on %s%s%s:%u", v6 ? "[" : "", where, v6 ? "]" : "", port);
}

int http_server_listen(struct http_server *server, const struct ip *ip, uint16_t port, uint16_t *ret_port,
                       struct err *err)
{
    int fd = -1, r = open_listener(ip, port, &fd);
    if (r < 0)
        return cannot_listen(err, r, ip, port);
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;
    struct ip bound;
    uint16_t bound_port = port;
    if (getsockname(fd, (struct sockaddr *)&addr, &len) == 0)
        (void)ip_from_sockaddr((struct sockaddr *)&addr, &bound, &bound_port);
    struct listener *l = mem_new(struct listener);
    l->server = server;
    fd_watch_init(&l->watch, server->config.loop, on_acceptable, l);
    r = fd_watch_add(&l->watch, fd, EPOLLIN);
    if (r < 0) {
        close(fd);
        free(l);
        return cannot_listen(err, r, ip, port);
    }
    list_append(&server->listeners, &l->node);
    if (ret_port)
        *ret_port = bound_port;
    return 0;
}

static void stop_listening(struct http_server *server)
{
    list_foreach_safe (&server->listeners, n) {
        struct listener *l = container_of(n, struct listener, node);
        int fd = l->watch.fd;
        fd_watch_remove(&l->watch);
        close(fd);
        list_remove(&l->node);
        free(l);
    }
}

/* --- life --- */

#define DEFAULT(field, value)                                                                                \
    do {                                                                                                     \
        if (!server->config.field)                                                                           \
            server->config.field = (value);                                                                  \
    } while (0)

void http_server_new(const struct http_server_config *config, struct http_server **ret)
{
    struct http_server *server = mem_new(struct http_server);
    server->config = *config;
    server->date_s = -1;
    DEFAULT(max_body_len, (size_t)3 << 20);
    DEFAULT(max_bodies_len, (size_t)64 << 20);
    DEFAULT(max_connections, 4096);
    DEFAULT(max_streams, 100);
    DEFAULT(idle_timeout_ms, 180000);
    DEFAULT(head_timeout_ms, 10000);
    DEFAULT(body_timeout_ms, 60000);
    DEFAULT(send_timeout_ms, 60000);
    list_init(&server->listeners);
    list_init(&server->conns);
    timer_init(&server->sweep, config->loop, "http-server-sweep", on_sweep, server);
    *ret = server;
}

void http_server_set_tls(struct http_server *server, struct tls_context *tls)
{
    server->config.tls = tls;
}

void http_server_drain(struct http_server *server)
{
    stop_listening(server);
    server->draining = true;
    list_foreach_safe (&server->conns, n) {
        struct server_conn *conn = container_of(n, struct server_conn, node);
        conn->keep_alive = false;
        if (conn->closed)
            continue;
        if (conn->is_h2)
            server_h2_drain(conn);
        else if (!conn->n_exchanges)
            server_conn_close(conn);
    }
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    stop_listening(server);
    list_foreach_safe (&server->conns, n) {
        struct server_conn *conn = container_of(n, struct server_conn, node);
        server_conn_close(conn);
        server_h2_done(conn);
        free_conn(conn);
    }
    timer_disarm(&server->sweep);
    free(server);
}

void http_server_stats_get(const struct http_server *server, struct http_server_stats *ret)
{
    *ret = server->stats;
}
