#include "io/http-client.h"

#include <errno.h>
#include <stdio.h>

#include "io/http-client-conn.h"
#include "io/tls.h"

#define TICK_MAX_MS 1000

static void connect_next(struct client_conn *conn);

/* --- calls --- */

static void call_detach(struct http_call *call)
{
    list_remove(&call->node);
    if (call->conn) {
        call->conn->n_calls--;
        call->conn->since = loop_now(call->client->config.loop);
    }
    call->conn = NULL;
}

static void call_free(struct http_call *call)
{
    call_detach(call);
    arena_done(&call->arena);
    free(call);
}

void client_call_end(struct http_call *call, const struct err *err)
{
    const struct http_call_handler *handler = call->handler;
    void *user = call->user;
    struct http_client *client = call->client;
    call_free(call);
    client_pump(client);
    handler->end(user, err);
}

void client_call_head(struct http_call *call, int status, const struct http_header *headers, size_t n_headers)
{
    call->head_told = true;
    if (call->handler->head)
        call->handler->head(call->user, status, headers, n_headers);
}

void client_call_retry(struct http_call *call)
{
    struct http_client *client = call->client;
    call_detach(call);
    call->retried = true;
    call->stream_id = 0;
    call->body_at = 0;
    call->status = 0;
    call->n_headers = 0;
    call->head_len = 0;
    list_prepend(&client->waiting, &call->node);
    client_pump(client);
}

/* Lost with a connection that may simply have been idle for too long. */
static bool may_repeat(const struct client_conn *conn, const struct http_call *call)
{
    return !call->retried && !call->head_told && conn->n_served > 1 &&
           (str_eq(call->request.method, STR("GET")) || str_eq(call->request.method, STR("HEAD")));
}

/* --- connections --- */

void client_conn_close(struct client_conn *conn)
{
    if (conn->phase == CLIENT_CLOSED)
        return;
    conn->phase = CLIENT_CLOSED;
    stream_close(&conn->stream);
    resolve_cancel(conn->resolve);
    conn->resolve = NULL;
    list_remove(&conn->node);
    list_append(&conn->client->closed, &conn->node);
    conn->client->n_conns--;
    client_pump(conn->client);
    task_cancel(&conn->task);
    task_post(conn->client->config.loop, &conn->task); /* callers up the stack still hold it */
}

static void conn_free(struct client_conn *conn)
{
    list_remove(&conn->node);
    nghttp2_session_del(conn->session);
    strbuf_done(&conn->in);
    task_cancel(&conn->task);
    free(conn);
}

/* The waiting calls fail together when no other attempt is under way. */
static void fail_waiting(struct http_client *client, const struct err *err)
{
    struct list failed = LIST_INIT(failed);
    list_foreach (&client->conns, n)
        if (container_of(n, struct client_conn, node)->phase < CLIENT_OPEN)
            return;
    list_foreach_safe (&client->waiting, n) {
        list_remove(n);
        list_append(&failed, n);
    }
    while (!list_is_empty(&failed))
        client_call_end(container_of(failed.next, struct http_call, node), err);
}

void client_conn_fail(struct client_conn *conn, const struct err *err)
{
    struct http_client *client = conn->client;
    struct err named = *err; /* ERR may be conn's */
    if (conn->phase == CLIENT_CLOSED)
        return;
    bool was_open = conn->phase == CLIENT_OPEN;
    err_wrap(&named, was_open ? "the connection to %s broke" : "cannot connect to %s", client->name.p);
    client_conn_close(conn);
    if (!was_open)
        fail_waiting(client, &named);
    while (!list_is_empty(&conn->calls)) {
        struct http_call *call = container_of(conn->calls.next, struct http_call, node);
        if (may_repeat(conn, call))
            client_call_retry(call);
        else
            client_call_end(call, &named);
    }
}

static void on_conn_task(struct task *task, void *user)
{
    struct client_conn *conn = user;
    (void)task;
    if (conn->phase == CLIENT_CLOSED)
        conn_free(conn);
    else
        connect_next(conn);
}

static void ask_proxy(struct client_conn *conn)
{
    struct http_client *client = conn->client;
    struct http_header host = {STR("host"), strbuf_str(&client->name)};
    _cleanup_(strbuf_done) struct strbuf head = {0};
    http1_write_request(STR("CONNECT"), strbuf_str(&client->name), &host, 1, &head);
    conn->phase = CLIENT_PROXY;
    stream_send(&conn->stream, strbuf_str(&head));
}

static void on_opened(void *user)
{
    struct client_conn *conn = user;
    struct http_client *client = conn->client;
    struct err err = {0};
    conn->since = conn->seen_at = loop_now(client->config.loop);
    if (client->proxy_host.len && conn->phase == CLIENT_CONNECTING) {
        ask_proxy(conn);
        return;
    }
    conn->is_h2 = conn->stream.ssl && tls_is_h2(conn->stream.ssl);
    if (conn->is_h2 && client_h2_open(conn) < 0) {
        err_set_errno(&err, -ENOMEM, "no HTTP/2 session");
        client_conn_fail(conn, &err);
        return;
    }
    conn->phase = CLIENT_OPEN;
    client->speaks_h1 = !conn->is_h2;
    client_pump(client);
}

/* After a good answer the tunnel is raw: TLS starts in it. */
static void read_proxy_answer(struct client_conn *conn, struct str bytes)
{
    struct err err = {0};
    struct http1_head head;
    strbuf_add_str(&conn->in, bytes);
    ptrdiff_t len = http1_head_len(conn->in.p, conn->in.len, &conn->scanned);
    if (len == 0)
        return;
    if (len < 0 || http1_parse_response(conn->in.p, (size_t)len, STR("CONNECT"), &head, &err) < 0)
        err_set(&err, -EBADMSG, "the proxy does not answer with HTTP");
    else if (head.status != 200)
        err_set(&err, -ECONNREFUSED, "the proxy refuses with status %d", head.status);
    else if ((size_t)len != conn->in.len)
        err_set(&err, -EBADMSG, "the proxy sends bytes before TLS");
    else if (stream_start_tls(&conn->stream, conn->client->config.tls) < 0)
        err_set(&err, -ENOMEM, "no TLS connection");
    conn->scanned = 0;
    strbuf_done(&conn->in);
    if (err.code)
        client_conn_fail(conn, &err);
}

static void on_data(void *user, struct str bytes)
{
    struct client_conn *conn = user;
    if (conn->phase == CLIENT_PROXY)
        read_proxy_answer(conn, bytes);
    else if (conn->is_h2)
        client_h2_data(conn, bytes);
    else
        client_h1_data(conn, bytes);
}

static void on_fill(void *user)
{
    struct client_conn *conn = user;
    if (conn->is_h2)
        client_h2_fill(conn);
}

static void on_closed(void *user, const struct err *err)
{
    struct client_conn *conn = user;
    struct err closed = {0};
    if (!err) {
        err_set(&closed, -ECONNRESET, "the other side closed it");
        err = &closed;
    }
    if (conn->phase == CLIENT_CONNECTING) {
        conn->err = *err;
        stream_close(&conn->stream);
        task_post(conn->client->config.loop, &conn->task); /* the next address */
        return;
    }
    if (err == &closed && conn->phase == CLIENT_OPEN && !conn->is_h2 && client_h1_eof(conn))
        return;
    client_conn_fail(conn, err);
}

static const struct stream_ops conn_ops = {
    .opened = on_opened, .data = on_data, .fill = on_fill, .closed = on_closed};

static void connect_next(struct client_conn *conn)
{
    struct http_client *client = conn->client;
    struct stream_config config = {client->config.loop, client->proxy_host.len ? NULL : client->config.tls,
                                   &conn_ops, conn};
    while (conn->next_addr < conn->addrs.n) {
        const struct sockaddr_storage *to = &conn->addrs.addrs[conn->next_addr++];
        unsigned len = to->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
        int r = stream_connect(&conn->stream, &config, (const struct sockaddr *)to, len);
        if (r == 0)
            return;
        err_set_errno(&conn->err, r, "no connection");
    }
    client_conn_fail(conn, &conn->err);
}

static void on_resolved(void *user, const struct resolve_result *result)
{
    struct client_conn *conn = user;
    conn->resolve = NULL;
    conn->addrs = *result;
    if (!result->n)
        err_set(&conn->err, -EHOSTUNREACH, "the name cannot be resolved: %s", result->error);
    connect_next(conn);
}

static void conn_start(struct http_client *client)
{
    struct client_conn *conn = mem_new(struct client_conn);
    bool proxied = client->proxy_host.len;
    const struct strbuf *host = proxied ? &client->proxy_host : &client->host;
    uint16_t port = proxied ? client->config.proxy_port : client->config.port;
    struct ip ip;
    conn->client = client;
    conn->since = loop_now(client->config.loop);
    list_init(&conn->calls);
    task_init(&conn->task, on_conn_task, conn);
    list_append(&client->conns, &conn->node);
    client->n_conns++;
    if (ip_parse_sloppy(strbuf_str(host), &ip) == 0) {
        (void)ip_to_sockaddr(&ip, port, &conn->addrs.addrs[0]);
        conn->addrs.n = 1;
        connect_next(conn);
        return;
    }
    int r = resolve_start(client->config.loop, host->p, port, on_resolved, conn, &conn->resolve);
    if (r < 0) {
        err_set_errno(&conn->err, r, "the name cannot be looked up");
        client_conn_fail(conn, &conn->err);
    }
}

/* --- which call goes where --- */

static struct client_conn *find_room(struct http_client *client)
{
    list_foreach (&client->conns, n) {
        struct client_conn *conn = container_of(n, struct client_conn, node);
        if (conn->phase != CLIENT_OPEN || conn->draining)
            continue;
        if (conn->is_h2 ? client_h2_has_room(conn) : conn->n_calls == 0)
            return conn;
    }
    return NULL;
}

static void start_call(struct client_conn *conn, struct http_call *call)
{
    list_remove(&call->node);
    list_append(&conn->calls, &call->node);
    call->conn = conn;
    conn->n_calls++;
    conn->n_served++;
    conn->since = loop_now(conn->client->config.loop);
    if (conn->is_h2)
        client_h2_start(conn, call);
    else
        client_h1_start(conn, call);
}

static void on_pump(struct task *task, void *user)
{
    struct http_client *client = user;
    size_t n_waiting = 0, n_connecting = 0;
    (void)task;
    while (!list_is_empty(&client->waiting)) {
        struct client_conn *conn = find_room(client);
        if (!conn)
            break;
        start_call(conn, container_of(client->waiting.next, struct http_call, node));
    }
    list_foreach (&client->waiting, n)
        n_waiting++;
    list_foreach (&client->conns, n)
        n_connecting += container_of(n, struct client_conn, node)->phase < CLIENT_OPEN;
    /* One HTTP/2 connection carries about a hundred; before the first one it is not known what the server
     * speaks. */
    size_t wanted = client->speaks_h1 ? n_waiting : (n_waiting + 99) / 100;
    if (!client->n_conns && n_waiting)
        wanted = client->speaks_h1 ? n_waiting : 1;
    for (; n_connecting < wanted && client->n_conns < client->config.max_connections; n_connecting++)
        conn_start(client);
}

void client_pump(struct http_client *client)
{
    task_post(client->config.loop, &client->pump);
}

/* --- time-outs --- */

static void fail_timeout(struct client_conn *conn, const char *what)
{
    struct err err = {0};
    err_set(&err, -ETIMEDOUT, "%s", what);
    client_conn_fail(conn, &err);
}

/* Whether a silent HTTP/2 connection is dead; sends the PING that tells. */
static bool is_dead(struct client_conn *conn, struct monotime now)
{
    const struct http_client_config *config = &conn->client->config;
    if (conn->seen != conn->stream.n_received || !conn->n_calls) {
        conn->seen = conn->stream.n_received;
        conn->seen_at = now;
        conn->pinged = false;
        return false;
    }
    int64_t silent_ms = monotime_since_ms(now, conn->seen_at);
    if (!conn->is_h2 || silent_ms < config->ping_interval_ms)
        return false;
    if (conn->pinged)
        return silent_ms >= config->ping_interval_ms + config->ping_timeout_ms;
    conn->pinged = true;
    (void)nghttp2_submit_ping(conn->session, NGHTTP2_FLAG_NONE, NULL); /* out of memory: no answer either */
    stream_wake(&conn->stream);
    return false;
}

/* Returns whether it was closed. */
static bool check_conn(struct client_conn *conn, struct monotime now)
{
    const struct http_client_config *config = &conn->client->config;
    int64_t age_ms = monotime_since_ms(now, conn->since);
    if (conn->phase != CLIENT_OPEN) {
        if (age_ms < config->connect_timeout_ms)
            return false;
        fail_timeout(conn, "it did not answer in time");
        return true;
    }
    if (!conn->n_calls && (age_ms >= config->idle_timeout_ms || conn->draining)) {
        client_conn_close(conn);
        return true;
    }
    if (!is_dead(conn, now))
        return false;
    fail_timeout(conn, "it has been silent for too long");
    return true;
}

/* Looks at the connections until one was closed: callbacks may then have changed the list. */
static bool check_conns(struct http_client *client, struct monotime now)
{
    list_foreach (&client->conns, n)
        if (check_conn(container_of(n, struct client_conn, node), now))
            return true;
    return false;
}

static void client_cancel(struct http_transport *t, struct http_call *call);

static void time_out_call(struct http_call *call)
{
    struct http_client *client = call->client;
    const struct http_call_handler *handler = call->handler;
    void *user = call->user;
    struct err err = {0};
    err_set(&err, -ETIMEDOUT, "no answer from %s within %ld ms", client->name.p,
            (long)client->config.head_timeout_ms);
    client_cancel(&client->transport, call);
    handler->end(user, &err);
}

/* The oldest call that waits too long for its reply; callbacks may change every list, so one at a time. */
static struct http_call *find_late(struct http_client *client, struct monotime now)
{
    list_foreach (&client->waiting, n) {
        struct http_call *call = container_of(n, struct http_call, node);
        if (monotime_since_ms(now, call->since) >= client->config.head_timeout_ms)
            return call;
    }
    list_foreach (&client->conns, c) {
        list_foreach (&container_of(c, struct client_conn, node)->calls, n) {
            struct http_call *call = container_of(n, struct http_call, node);
            if (!call->head_told && monotime_since_ms(now, call->since) >= client->config.head_timeout_ms)
                return call;
        }
    }
    return NULL;
}

static void arm_tick(struct http_client *client)
{
    const struct http_client_config *c = &client->config;
    int64_t least =
        MIN(MIN(c->connect_timeout_ms, c->head_timeout_ms), MIN(c->ping_interval_ms, c->ping_timeout_ms));
    if (!timer_is_armed(&client->tick))
        timer_arm_ms(&client->tick, MAX(MIN(MIN(least, c->idle_timeout_ms) / 4, TICK_MAX_MS), 5));
}

static void on_tick(struct timer *timer, void *user)
{
    struct http_client *client = user;
    struct monotime now = loop_now(client->config.loop);
    (void)timer;
    while (check_conns(client, now))
        ;
    for (struct http_call *call; (call = find_late(client, now));)
        time_out_call(call);
    if (client->n_conns || !list_is_empty(&client->waiting))
        arm_tick(client);
}

/* --- the transport --- */

static struct http_client *client_of(struct http_transport *t)
{
    return container_of(t, struct http_client, transport);
}

static void copy_request(struct http_call *call, const struct http_request *from)
{
    struct http_header *headers = arena_new_array(&call->arena, struct http_header, from->n_headers + 1);
    size_t n = 0;
    for (size_t i = 0; i < from->n_headers; i++)
        if (http1_header_is_valid(from->headers[i].name, from->headers[i].value))
            headers[n++] = (struct http_header){arena_str(&call->arena, from->headers[i].name),
                                                arena_str(&call->arena, from->headers[i].value)};
    call->request =
        (struct http_request){arena_str(&call->arena, from->method), arena_str(&call->arena, from->target),
                              headers, n, arena_str(&call->arena, from->body)};
}

static struct http_call *client_send(struct http_transport *t, const struct http_request *request,
                                     const struct http_call_handler *handler, void *user)
{
    struct http_client *client = client_of(t);
    struct http_call *call = mem_new(struct http_call);
    call->client = client;
    call->handler = handler;
    call->user = user;
    call->since = loop_now(client->config.loop);
    copy_request(call, request);
    list_append(&client->waiting, &call->node);
    client_pump(client);
    arm_tick(client);
    return call;
}

static void client_cancel(struct http_transport *t, struct http_call *call)
{
    struct client_conn *conn = call->conn;
    if (conn && conn->is_h2)
        client_h2_cancel(conn, call);
    call_free(call);
    if (conn && !conn->is_h2)
        client_conn_close(conn); /* HTTP/1.1 has no other way to stop a reply */
    client_pump(client_of(t));
}

static void client_free(struct http_transport *t)
{
    struct http_client *client = client_of(t);
    while (!list_is_empty(&client->waiting))
        call_free(container_of(client->waiting.next, struct http_call, node));
    while (!list_is_empty(&client->conns)) {
        struct client_conn *conn = container_of(client->conns.next, struct client_conn, node);
        while (!list_is_empty(&conn->calls))
            call_free(container_of(conn->calls.next, struct http_call, node));
        client_conn_close(conn);
    }
    while (!list_is_empty(&client->closed))
        conn_free(container_of(client->closed.next, struct client_conn, node));
    task_cancel(&client->pump);
    timer_disarm(&client->tick);
    strbuf_done(&client->host);
    strbuf_done(&client->proxy_host);
    strbuf_done(&client->name);
    free(client);
}

static const struct http_transport_ops client_ops = {client_send, client_cancel, client_free};

#define DEFAULT(field, value)                                                                                \
    do {                                                                                                     \
        if (!client->config.field)                                                                           \
            client->config.field = (value);                                                                  \
    } while (0)

struct http_transport *http_client_new(const struct http_client_config *config)
{
    struct http_client *client = mem_new(struct http_client);
    client->transport.ops = &client_ops;
    client->config = *config;
    DEFAULT(connect_timeout_ms, 10000);
    DEFAULT(head_timeout_ms, 60000);
    DEFAULT(idle_timeout_ms, 90000);
    DEFAULT(ping_interval_ms, 30000);
    DEFAULT(ping_timeout_ms, 15000);
    DEFAULT(max_connections, 64);
    strbuf_add_str(&client->host, config->host);
    if (config->tls)
        strbuf_add_str(&client->proxy_host, config->proxy_host);
    bool v6 = str_find_char(config->host, ':') >= 0;
    strbuf_addf(&client->name, "%s%.*s%s:%u", v6 ? "[" : "", STR_ARG(config->host), v6 ? "]" : "",
                config->port);
    client->speaks_h1 = !config->tls;
    list_init(&client->conns);
    list_init(&client->closed);
    list_init(&client->waiting);
    task_init(&client->pump, on_pump, client);
    timer_init(&client->tick, config->loop, "http-client-tick", on_tick, client);
    return &client->transport;
}
