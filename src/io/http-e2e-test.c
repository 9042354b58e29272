/* Server and client in one process over loopback, in the three ways they can talk. */
#include "base/test.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/host.h"
#include "io/http-client.h"
#include "io/http-server.h"
#include "io/tls-cert.h"
#include "io/tls.h"

enum way { PLAIN_H1, TLS_H1, TLS_H2, WAYS };

#define STREAM_CHUNK_LEN ((size_t)32 * 1024)

struct world {
    struct loop *loop;
    enum way way;
    struct tls_pem ca, other_ca, server_cert, client_cert;
    struct tls_context *server_tls, *client_tls;
    struct http_server *server;
    struct http_transport *client;
    uint16_t port;
    struct strbuf last_user; /* of the peer: "user/group+group" or the reason of the refusal */

    struct http_exchange *held[1200]; /* kept by /hold, in order of arrival */
    size_t n_held, n_aborted;
    size_t left, queued_max, n_drained; /* /stream */
};

struct got {
    struct world *w;
    int status, n_heads;
    struct strbuf body;
    struct str type; /* static text if the type is JSON */
    bool ended, failed;
    struct err err;
    struct http_call *call;
};

/* --- the server's side --- */

static void on_abort(struct http_exchange *ex, void *user)
{
    struct world *w = user;
    for (size_t i = 0; i < w->n_held; i++)
        if (w->held[i] == ex)
            w->held[i] = NULL;
    w->n_aborted++;
}

static void write_more(struct http_exchange *ex, void *user)
{
    struct world *w = user;
    static char chunk[STREAM_CHUNK_LEN];
    w->n_drained++;
    while (w->left && http_reply_queued(ex) < 2 * STREAM_CHUNK_LEN) {
        memset(chunk, 'a' + (int)(w->left % 26), sizeof chunk);
        http_reply_write(ex, (struct str){chunk, sizeof chunk});
        w->left--;
        w->queued_max = MAX(w->queued_max, http_reply_queued(ex));
    }
    if (!w->left)
        http_reply_end(ex);
}

static void note_peer(struct world *w, const struct http_peer *peer)
{
    strbuf_truncate(&w->last_user, 0);
    if (peer->cert_error)
        strbuf_addz(&w->last_user, peer->cert_error);
    strbuf_add_str(&w->last_user, peer->user);
    for (size_t i = 0; i < peer->n_groups; i++)
        strbuf_addf(&w->last_user, "%c%.*s", i ? '+' : '/', STR_ARG(peer->groups[i]));
}

static void handle(void *ctx, struct http_exchange *ex)
{
    struct world *w = ctx;
    struct http_header json = {STR("content-type"), STR("application/json")};
    struct str target = ex->request->target;
    note_peer(w, ex->peer);
    assert_int_equal(ex->peer->ip.family, IP_V4);
    ex->on_abort = on_abort;
    ex->user = w;
    if (str_eq(target, STR("/hold"))) {
        assert_true(w->n_held < ARRAY_LEN(w->held));
        w->held[w->n_held++] = ex;
    } else if (str_eq(target, STR("/watch"))) {
        w->held[w->n_held++] = ex;
        http_reply_begin(ex, 200, &json, 1);
    } else if (str_eq(target, STR("/stream"))) {
        ex->on_drained = write_more;
        http_reply_begin(ex, 200, &json, 1);
        write_more(ex, w);
    } else if (str_eq(target, STR("/empty"))) {
        http_reply(ex, 204, NULL, 0, STR_NONE);
    } else if (str_eq(target, STR("/close"))) {
        struct http_header headers[] = {json, {STR("connection"), STR("close")}};
        http_reply(ex, 200, headers, 2, STR("bye"));
    } else {
        struct str body =
            arena_format(ex->arena, "%.*s %.*s ", STR_ARG(ex->request->method), STR_ARG(target));
        char *all = arena_alloc(ex->arena, body.len + ex->request->body.len + 1);
        memcpy(all, body.p, body.len);
        memcpy(all + body.len, ex->request->body.p, ex->request->body.len);
        http_reply(ex, 200, &json, 1, (struct str){all, body.len + ex->request->body.len});
    }
}

static void format_error(void *ctx, int status, const char *message, struct strbuf *out)
{
    (void)ctx;
    strbuf_addf(out, "{\"code\":%d,\"message\":\"%s\"}", status, message);
}

/* --- the client's side --- */

static void on_head(void *user, int status, const struct http_header *headers, size_t n_headers)
{
    struct got *g = user;
    g->status = status;
    g->n_heads++;
    if (str_eq(http_header_find(headers, n_headers, STR("content-type")), STR("application/json")))
        g->type = STR("json");
    assert_non_null(http_header_find(headers, n_headers, STR("date")).p);
}

static void on_body(void *user, struct str bytes)
{
    struct got *g = user;
    strbuf_add_str(&g->body, bytes);
}

static void on_end(void *user, const struct err *err)
{
    struct got *g = user;
    assert_false(g->ended);
    g->ended = true;
    g->failed = err;
    if (err)
        g->err = *err;
}

static const struct http_call_handler handler = {on_head, on_body, on_end};

static void begin(struct world *w, struct got *g, const char *method, const char *target, struct str body)
{
    struct http_header headers[] = {{STR("accept"), STR("application/json")}};
    struct http_request request = {str_of(method), str_of(target), headers, 1, body};
    *g = (struct got){.w = w};
    g->call = http_send(w->client, &request, &handler, g);
    assert_false(g->ended);
}

/* Runs the loop until CONDITION or 10 s. */
#define RUN_UNTIL(w, condition)                                                                              \
    do {                                                                                                     \
        struct monotime start_ = clock_mono();                                                               \
        while (!(condition)) {                                                                               \
            loop_step((w)->loop, 20);                                                                        \
            if (monotime_since_ms(clock_mono(), start_) > 10000)                                             \
                fail_msg("way %d: waited in vain for: %s", (w)->way, #condition);                            \
        }                                                                                                    \
    } while (0)

static void call(struct world *w, struct got *g, const char *method, const char *target, struct str body)
{
    begin(w, g, method, target, body);
    RUN_UNTIL(w, g->ended);
}

static void got_done(struct got *g)
{
    strbuf_done(&g->body);
}

/* --- the world --- */

static struct walltime in_s(int64_t s)
{
    return (struct walltime){clock_wall().ns + s * TIME_S_NS};
}

static void make_cert(const struct tls_pem *ca, const char *name, int usage, int64_t until_s,
                      struct tls_pem *ret)
{
    struct ip ip;
    struct err err = {0};
    struct str groups[] = {STR("system:masters"), STR("two")}, names[] = {STR("localhost")};
    assert_int_equal(ip_parse(STR("127.0.0.1"), &ip), 0);
    struct tls_cert_spec spec = {.common_name = str_of(name),
                                 .organizations = groups,
                                 .n_organizations = 2,
                                 .dns_names = names,
                                 .n_dns_names = 1,
                                 .ips = &ip,
                                 .n_ips = 1,
                                 .usage = usage,
                                 .not_before = in_s(-7200),
                                 .not_after = in_s(until_s)};
    if (ca)
        assert_int_equal(tls_generate_cert(&spec, ca, ret, &err), 0);
    else
        assert_int_equal(tls_generate_ca(&spec, ret, &err), 0);
}

static struct tls_context *client_tls(struct world *w, const struct tls_pem *ca, const struct tls_pem *cert,
                                      const char *name)
{
    struct err err = {0};
    struct tls_context *tls;
    struct tls_client_config config = {.ca_pem = strbuf_str(&ca->cert),
                                       .server_name = str_of(name),
                                       .alpn = w->way == TLS_H1 ? TLS_ALPN_HTTP1 : TLS_ALPN_ANY};
    if (cert) {
        config.cert_pem = strbuf_str(&cert->cert);
        config.key_pem = strbuf_str(&cert->key);
    }
    assert_int_equal(tls_client_new(&config, &tls, &err), 0);
    return tls;
}

static void new_client(struct world *w, struct tls_context *tls, struct http_client_config config)
{
    http_transport_free(w->client);
    tls_free(w->client_tls);
    w->client_tls = tls;
    config.loop = w->loop;
    if (!config.host.p)
        config.host = STR("127.0.0.1");
    if (!config.port)
        config.port = w->port;
    config.tls = tls;
    w->client = http_client_new(&config);
}

static void new_server(struct world *w, struct http_server_config config)
{
    struct ip ip;
    struct err err = {0};
    http_server_free(w->server);
    config.loop = w->loop;
    config.tls = w->server_tls;
    config.handle = handle;
    config.ctx = w;
    http_server_new(&config, &w->server);
    assert_int_equal(ip_parse(STR("127.0.0.1"), &ip), 0);
    assert_int_equal(http_server_listen(w->server, &ip, 0, &w->port, &err), 0);
    assert_true(w->port > 0);
}

static void open_world(struct world *w, enum way way)
{
    struct err err = {0};
    *w = (struct world){.way = way, .loop = loop_new()};
    if (way != PLAIN_H1) {
        make_cert(NULL, "ca", 0, 3600, &w->ca);
        make_cert(NULL, "other", 0, 3600, &w->other_ca);
        make_cert(&w->ca, "server", TLS_FOR_SERVER, 3600, &w->server_cert);
        make_cert(&w->ca, "admin", TLS_FOR_CLIENT, 3600, &w->client_cert);
        struct tls_server_config config = {strbuf_str(&w->server_cert.cert), strbuf_str(&w->server_cert.key),
                                           strbuf_str(&w->ca.cert)};
        assert_int_equal(tls_server_new(&config, &w->server_tls, &err), 0);
    }
    new_server(w, (struct http_server_config){.format_error = format_error,
                                              .error_content_type = "application/json"});
    new_client(w, way == PLAIN_H1 ? NULL : client_tls(w, &w->ca, &w->client_cert, "127.0.0.1"),
               (struct http_client_config){0});
}

static void close_world(struct world *w)
{
    http_transport_free(w->client);
    http_server_free(w->server);
    tls_free(w->client_tls);
    tls_free(w->server_tls);
    tls_pem_done(&w->ca);
    tls_pem_done(&w->other_ca);
    tls_pem_done(&w->server_cert);
    tls_pem_done(&w->client_cert);
    strbuf_done(&w->last_user);
    loop_free(w->loop);
}

#define EACH_WAY(w)                                                                                          \
    for (int way_ = (open_world((w), 0), 0); way_ < WAYS;                                                    \
         close_world(w), ++way_ < WAYS ? open_world((w), (enum way)way_) : (void)0)

static size_t n_connections(struct world *w)
{
    struct http_server_stats stats;
    http_server_stats_get(w->server, &stats);
    return stats.n_connections;
}

static size_t n_exchanges(struct world *w)
{
    struct http_server_stats stats;
    http_server_stats_get(w->server, &stats);
    return stats.n_exchanges;
}

/* --- tests --- */

static void test_calls(void **state)
{
    static struct world w;
    struct got g;
    EACH_WAY(&w)
    {
        call(&w, &g, "GET", "/a?b=c", STR_NONE);
        if (g.failed)
            fail_msg("the call failed: %s", g.err.text);
        assert_int_equal(g.status, 200);
        assert_str(g.type, "json");
        assert_string_equal(g.body.p, "GET /a?b=c ");
        assert_string_equal(strbuf_cstr(&w.last_user), w.way == PLAIN_H1 ? "" : "admin/system:masters+two");
        got_done(&g);
        call(&w, &g, "PUT", "/a", STR("hello"));
        assert_string_equal(g.body.p, "PUT /a hello");
        got_done(&g);
        call(&w, &g, "HEAD", "/a", STR_NONE);
        assert_int_equal(g.status, 200);
        assert_int_equal(g.body.len, 0);
        call(&w, &g, "DELETE", "/empty", STR_NONE);
        assert_int_equal(g.status, 204);
        assert_int_equal(g.body.len, 0);
        assert_int_equal(n_connections(&w), 1); /* all over one */
        call(&w, &g, "GET", "/close", STR_NONE);
        assert_string_equal(g.body.p, "bye");
        got_done(&g);
        RUN_UNTIL(&w, n_connections(&w) == 0);
        call(&w, &g, "GET", "/again", STR_NONE);
        if (g.failed)
            fail_msg("the call failed: %s", g.err.text);
        got_done(&g);
    }
}

static void test_big_bodies(void **state)
{
    static struct world w;
    struct got g;
    size_t max = (size_t)3 << 20;
    _cleanup_(mem_freep) char *bytes = mem_alloc(max + 1);
    for (size_t i = 0; i <= max; i++)
        bytes[i] = (char)('a' + i * 7 % 26);
    EACH_WAY(&w)
    {
        call(&w, &g, "POST", "/x", (struct str){bytes, max});
        if (g.failed)
            fail_msg("the call failed: %s", g.err.text);
        assert_int_equal(g.body.len, max + 8);
        assert_memory_equal(g.body.p + 8, bytes, max);
        got_done(&g);
        call(&w, &g, "POST", "/x", (struct str){bytes, max + 1});
        if (g.failed)
            fail_msg("the call failed: %s", g.err.text);
        assert_int_equal(g.status, 413);
        assert_string_equal(g.body.p,
                            "{\"code\":413,\"message\":\"the request body is larger than 3145728 bytes\"}");
        got_done(&g);
        call(&w, &g, "GET", "/after", STR_NONE);
        assert_int_equal(g.status, 200);
        got_done(&g);
    }
}

static void test_stream_with_back_pressure(void **state)
{
    static struct world w;
    struct got g;
    EACH_WAY(&w)
    {
        size_t n = 512; /* 16 MiB */
        w.left = n;
        call(&w, &g, "GET", "/stream", STR_NONE);
        if (g.failed)
            fail_msg("the call failed: %s", g.err.text);
        assert_int_equal(g.body.len, n * STREAM_CHUNK_LEN);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(g.body.p[i * STREAM_CHUNK_LEN], 'a' + (int)((n - i) % 26));
        assert_true(w.queued_max < 4 * STREAM_CHUNK_LEN);
        assert_true(w.n_drained > 10);
        got_done(&g);
    }
}

static void test_watch_and_cancel(void **state)
{
    static struct world w;
    struct got g;
    EACH_WAY(&w)
    {
        begin(&w, &g, "GET", "/watch", STR_NONE);
        RUN_UNTIL(&w, g.n_heads);
        for (int i = 0; i < 3; i++) {
            http_reply_write(w.held[0], STR("event\n"));
            RUN_UNTIL(&w, g.body.len == (size_t)(i + 1) * 6);
        }
        http_cancel(w.client, g.call);
        RUN_UNTIL(&w, w.n_aborted == 1);
        assert_false(g.ended); /* a cancelled call says nothing any more */
        got_done(&g);
        assert_int_equal(n_exchanges(&w), 0);
        call(&w, &g, "GET", "/next", STR_NONE);
        assert_int_equal(g.status, 200);
        got_done(&g);
    }
}

static void test_server_goes_away(void **state)
{
    static struct world w;
    struct got watch, hold;
    EACH_WAY(&w)
    {
        begin(&w, &watch, "GET", "/watch", STR_NONE);
        RUN_UNTIL(&w, watch.n_heads);
        begin(&w, &hold, "POST", "/hold", STR("x"));
        RUN_UNTIL(&w, w.n_held == 2);
        http_server_free(w.server);
        w.server = NULL;
        assert_int_equal(w.n_aborted, 2);
        RUN_UNTIL(&w, watch.ended && hold.ended);
        assert_true(watch.failed && hold.failed);
        assert_non_null(strstr(watch.err.text, "127.0.0.1:"));
        got_done(&watch);
        call(&w, &hold, "GET", "/x", STR_NONE);
        assert_true(hold.failed);
        assert_non_null(strstr(hold.err.text, "cannot connect to 127.0.0.1:"));
        assert_non_null(strstr(hold.err.text, "Connection refused"));
    }
}

static void test_drain_lets_replies_end(void **state)
{
    static struct world w;
    struct got g, more;
    EACH_WAY(&w)
    {
        begin(&w, &g, "GET", "/hold", STR_NONE);
        RUN_UNTIL(&w, w.n_held == 1);
        http_server_drain(w.server);
        for (int i = 0; i < 5; i++)
            loop_step(w.loop, 5);
        http_reply(w.held[0], 200, NULL, 0, STR("late"));
        RUN_UNTIL(&w, g.ended);
        if (g.failed)
            fail_msg("the call failed: %s", g.err.text);
        assert_string_equal(g.body.p, "late");
        got_done(&g);
        RUN_UNTIL(&w, n_connections(&w) == 0);
        call(&w, &more, "GET", "/x", STR_NONE);
        assert_true(more.failed);
    }
}

static void test_a_thousand_streams(void **state)
{
    enum { N = 1000 };
    static struct world w;
    static struct got got[N];
    open_world(&w, TLS_H2);
    for (int i = 0; i < N; i++)
        begin(&w, &got[i], "GET", "/hold", STR_NONE);
    RUN_UNTIL(&w, w.n_held == N);
    assert_int_equal(n_connections(&w), 10); /* of 100 streams each */
    for (int i = 0; i < N; i++)
        http_reply(w.held[i], 200, NULL, 0, STR("ok"));
    for (int i = 0; i < N; i++) {
        RUN_UNTIL(&w, got[i].ended);
        assert_false(got[i].failed);
        assert_string_equal(got[i].body.p, "ok");
        got_done(&got[i]);
    }
    close_world(&w);
}

static void test_client_certificates(void **state)
{
    static const struct {
        const char *expected;
        int until_s, usage;
        bool foreign;
    } cases[] = {
        {"the client certificate has expired", -3600, TLS_FOR_CLIENT, false},
        {"the client certificate is signed by an unknown authority", 3600, TLS_FOR_CLIENT, true},
        {"the client certificate is not meant for clients", 3600, TLS_FOR_SERVER, false},
        {"admin/system:masters+two", 3600, TLS_FOR_CLIENT, false},
    };
    static struct world w;
    for (int way = TLS_H1; way < WAYS; way++) {
        open_world(&w, (enum way)way);
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            struct tls_pem cert = {0};
            struct got g;
            make_cert(cases[i].foreign ? &w.other_ca : &w.ca, "admin", cases[i].usage, cases[i].until_s,
                      &cert);
            new_client(&w, client_tls(&w, &w.ca, &cert, "127.0.0.1"), (struct http_client_config){0});
            call(&w, &g, "GET", "/x", STR_NONE);
            assert_int_equal(g.status, 200);
            assert_string_equal(w.last_user.p, cases[i].expected);
            got_done(&g);
            tls_pem_done(&cert);
        }
        struct got g;
        new_client(&w, client_tls(&w, &w.ca, NULL, "localhost"),
                   (struct http_client_config){.host = STR("localhost")});
        call(&w, &g, "GET", "/x", STR_NONE);
        assert_int_equal(g.status, 200);
        assert_string_equal(strbuf_cstr(&w.last_user), "");
        got_done(&g);
        close_world(&w);
    }
}

static void test_a_certificate_runs_out_while_connected(void **state)
{
    static struct world w;
    struct got g;
    struct tls_pem cert = {0};
    open_world(&w, TLS_H2);
    struct walltime end = in_s(2); /* certificates know whole seconds: this one lives for one to two */
    make_cert(&w.ca, "brief", TLS_FOR_CLIENT, 2, &cert);
    new_client(&w, client_tls(&w, &w.ca, &cert, "127.0.0.1"), (struct http_client_config){0});
    call(&w, &g, "GET", "/x", STR_NONE);
    assert_string_equal(w.last_user.p, "brief/system:masters+two");
    got_done(&g);
    RUN_UNTIL(&w, clock_wall().ns > end.ns);
    call(&w, &g, "GET", "/x", STR_NONE);
    assert_int_equal(n_connections(&w), 1);
    assert_string_equal(w.last_user.p, "the client certificate has expired");
    got_done(&g);
    tls_pem_done(&cert);
    close_world(&w);
}

static void test_server_certificates(void **state)
{
    static struct world w;
    struct got g;
    struct err err = {0};
    open_world(&w, TLS_H2);
    new_client(&w, client_tls(&w, &w.other_ca, NULL, "127.0.0.1"), (struct http_client_config){0});
    call(&w, &g, "GET", "/x", STR_NONE);
    assert_true(g.failed);
    assert_non_null(strstr(g.err.text, "the server's certificate is refused"));
    new_client(&w, client_tls(&w, &w.ca, NULL, "10.0.0.1"), (struct http_client_config){0});
    call(&w, &g, "GET", "/x", STR_NONE);
    assert_true(g.failed);
    assert_non_null(strstr(g.err.text, "IP address mismatch"));
    new_client(&w, client_tls(&w, &w.ca, NULL, "example.com"), (struct http_client_config){0});
    call(&w, &g, "GET", "/x", STR_NONE);
    assert_non_null(strstr(g.err.text, "hostname mismatch"));

    struct tls_context *insecure;
    struct tls_client_config config = {.verify = TLS_INSECURE, .server_name = STR("example.com")};
    assert_int_equal(tls_client_new(&config, &insecure, &err), 0);
    new_client(&w, insecure, (struct http_client_config){0});
    call(&w, &g, "GET", "/x", STR_NONE);
    if (g.failed)
        fail_msg("the call failed: %s", g.err.text);
    got_done(&g);

    struct tls_pem expired = {0};
    struct tls_context *tls;
    make_cert(&w.ca, "server", TLS_FOR_SERVER, -60, &expired);
    struct tls_server_config server = {strbuf_str(&expired.cert), strbuf_str(&expired.key), STR_NONE};
    assert_int_equal(tls_server_new(&server, &tls, &err), 0);
    http_server_set_tls(w.server, tls);
    new_client(&w, client_tls(&w, &w.ca, NULL, "127.0.0.1"), (struct http_client_config){0});
    call(&w, &g, "GET", "/x", STR_NONE);
    assert_true(g.failed);
    assert_non_null(strstr(g.err.text, "certificate has expired"));
    http_server_set_tls(w.server, w.server_tls);
    tls_free(tls);
    tls_pem_done(&expired);
    close_world(&w);
}

static void test_port_in_use(void **state)
{
    static struct world w;
    struct err err = {0};
    struct ip ip;
    char expected[100];
    open_world(&w, PLAIN_H1);
    assert_int_equal(ip_parse(STR("127.0.0.1"), &ip), 0);
    assert_int_equal(http_server_listen(w.server, &ip, w.port, NULL, &err), -EADDRINUSE);
    snprintf(expected, sizeof expected, "cannot listen on 127.0.0.1:%u: another program listens there",
             w.port);
    assert_string_equal(err.text, expected);
    assert_int_equal(ip_parse(STR("2001:db8::1"), &ip), 0);
    assert_int_equal(http_server_listen(w.server, &ip, 1234, NULL, &err), -EADDRNOTAVAIL);
    assert_non_null(strstr(err.text, "[2001:db8::1]:1234"));
    close_world(&w);
}

/* --- raw clients: what a well-behaved one would not do --- */

static int raw_connect(struct world *w)
{
    struct ip ip;
    struct sockaddr_storage addr;
    (void)ip_parse(STR("127.0.0.1"), &ip);
    socklen_t len = ip_to_sockaddr(&ip, w->port, &addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)connect(fd, (struct sockaddr *)&addr, len);
    return fd;
}

/* Runs until the server has closed FD; what it sent is in OUT. */
static void raw_read_all(struct world *w, int fd, struct strbuf *out)
{
    char buf[4096];
    ssize_t n = -1;
    RUN_UNTIL(w, ({
                  while ((n = read(fd, buf, sizeof buf)) > 0)
                      strbuf_add(out, buf, (size_t)n);
                  n == 0 || (n < 0 && errno != EAGAIN);
              }));
    close(fd);
}

static void raw_send(struct world *w, int fd, const char *text)
{
    loop_step(w->loop, 5);
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, part)); p += strlen(part))
        n++;
    return n;
}

static void test_raw_h1(void **state)
{
    static struct world w;
    _cleanup_(strbuf_done) struct strbuf out = {0};
    open_world(&w, PLAIN_H1);
    /* Pipelined requests are answered in order; the last one ends the connection. */
    int fd = raw_connect(&w);
    raw_send(
        &w, fd,
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n0\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    raw_read_all(&w, fd, &out);
    assert_int_equal(count(out.p, "HTTP/1.1 200 OK\r\n"), 3);
    assert_true(strstr(out.p, "GET /1 ") < strstr(out.p, "POST /2 abc"));
    assert_non_null(strstr(out.p, "GET /3 "));
    assert_int_equal(count(out.p, "connection: close"), 1);
    /* HTTP/1.0: closed without being asked, a stream without chunks. */
    strbuf_truncate(&out, 0);
    w.left = 1;
    fd = raw_connect(&w);
    raw_send(&w, fd, "GET /stream HTTP/1.0\r\n\r\n");
    raw_read_all(&w, fd, &out);
    assert_null(strstr(out.p, "chunked"));
    assert_int_equal(out.len - (size_t)(strstr(out.p, "\r\n\r\n") + 4 - out.p), STREAM_CHUNK_LEN);
    /* A client that waits for 100. */
    strbuf_truncate(&out, 0);
    fd = raw_connect(&w);
    raw_send(&w, fd,
             "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: "
             "close\r\n\r\n");
    char buf[64];
    ssize_t n;
    RUN_UNTIL(&w, (n = read(fd, buf, sizeof buf)) > 0);
    if (n != 25 || memcmp(buf, "HTTP/1.1 100 Continue\r\n\r\n", 25) != 0)
        fail_msg("not a 100: %.*s", (int)n, buf);
    raw_send(&w, fd, "ab");
    raw_read_all(&w, fd, &out);
    assert_non_null(strstr(out.p, "POST /x ab"));
    close_world(&w);
}

static void test_raw_h1_refusals(void **state)
{
    static const struct {
        const char *status, *text;
    } cases[] = {
        {"HTTP/1.1 400 ", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"},
        {"HTTP/1.1 400 ",
         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {"HTTP/1.1 400 ", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"},
        {"HTTP/1.1 413 ", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3145729\r\n\r\n"},
        {"HTTP/1.1 501 ", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"},
        {"HTTP/1.1 505 ", "GET / HTTP/3.0\r\nHost: a\r\n\r\n"},
    };
    static struct world w;
    open_world(&w, PLAIN_H1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_(strbuf_done) struct strbuf out = {0};
        _cleanup_(strbuf_done) struct strbuf in = {0};
        int fd = raw_connect(&w);
        /* Nothing behind a refused request is read as a request. Both go together: bytes that arrive after
         * the server has closed would reset the connection, and its answer with it. */
        strbuf_addf(&in, "%sGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", cases[i].text);
        raw_send(&w, fd, strbuf_cstr(&in));
        raw_read_all(&w, fd, &out);
        if (!out.p || strncmp(out.p, cases[i].status, strlen(cases[i].status)) != 0)
            fail_msg("%s expected for %s", cases[i].status, cases[i].text);
        assert_int_equal(count(out.p, "HTTP/1.1 "), 1);
        assert_non_null(strstr(out.p, "\"message\":"));
        assert_null(strstr(out.p, "smuggled"));
    }
    close_world(&w);
}

static void test_time_outs_of_the_server(void **state)
{
    static const char *const halves[] = {"", "GET / HT",
                                         "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab"};
    static struct world w;
    open_world(&w, PLAIN_H1);
    new_server(
        &w, (struct http_server_config){
                .idle_timeout_ms = 60, .head_timeout_ms = 60, .body_timeout_ms = 60, .send_timeout_ms = 60});
    for (size_t i = 0; i < ARRAY_LEN(halves); i++) {
        _cleanup_(strbuf_done) struct strbuf out = {0};
        int fd = raw_connect(&w);
        raw_send(&w, fd, halves[i]);
        raw_read_all(&w, fd, &out);
        RUN_UNTIL(&w, n_connections(&w) == 0);
    }
    /* A reader that takes nothing of a long reply. */
    w.left = 100000;
    int fd = raw_connect(&w);
    raw_send(&w, fd, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    RUN_UNTIL(&w, w.n_aborted == 1);
    close(fd);
    close_world(&w);
}

static void test_connection_limit(void **state)
{
    static struct world w;
    open_world(&w, PLAIN_H1);
    new_server(&w, (struct http_server_config){.max_connections = 2});
    int fds[3];
    for (int i = 0; i < 3; i++)
        fds[i] = raw_connect(&w);
    for (int i = 0; i < 5; i++)
        loop_step(w.loop, 5);
    assert_int_equal(n_connections(&w), 2);
    raw_send(&w, fds[2], "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); /* waits */
    close(fds[0]);
    _cleanup_(strbuf_done) struct strbuf out = {0};
    raw_read_all(&w, fds[2], &out);
    assert_non_null(strstr(out.p, "GET /x "));
    close(fds[1]);
    close_world(&w);
}

/* Descriptors run out: who came waits in the kernel and is served once there is room. */
static void test_no_descriptors_left(void **state)
{
    static struct world w;
    struct rlimit before, tight;
    _cleanup_(strbuf_done) struct strbuf out = {0};
    open_world(&w, PLAIN_H1);
    int fd = raw_connect(&w);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    tight = before;
    tight.rlim_cur = (rlim_t)fd + 1; /* none above this one */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    assert_int_equal(send(fd, "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 47, MSG_NOSIGNAL),
                     47);
    for (int i = 0; i < 5; i++)
        loop_step(w.loop, 5);
    assert_int_equal(n_connections(&w), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    raw_read_all(&w, fd, &out);
    assert_non_null(strstr(out.p, "GET /x "));
    assert_true(host_raise_descriptor_limit() >= before.rlim_cur);
    close_world(&w);
}

static void test_time_outs_of_the_client(void **state)
{
    static struct world w;
    struct got g, ok;
    EACH_WAY(&w)
    {
        struct tls_context *tls = w.way == PLAIN_H1 ? NULL : client_tls(&w, &w.ca, NULL, "127.0.0.1");
        new_client(&w, tls, (struct http_client_config){.head_timeout_ms = 60});
        call(&w, &g, "GET", "/hold", STR_NONE);
        assert_true(g.failed);
        assert_non_null(strstr(g.err.text, "no answer from 127.0.0.1:"));
        RUN_UNTIL(&w, w.n_aborted == 1);
        tls = w.way == PLAIN_H1 ? NULL : client_tls(&w, &w.ca, NULL, "127.0.0.1");
        new_client(&w, tls, (struct http_client_config){0}); /* patient, for a busy machine */
        call(&w, &ok, "GET", "/x", STR_NONE);
        assert_int_equal(ok.status, 200);
        got_done(&ok);
    }
}

/* A listener that never accepts: the kernel connects, nobody speaks TLS. */
static void test_nobody_speaks(void **state)
{
    static struct world w;
    struct got g;
    open_world(&w, TLS_H2);
    struct ip ip;
    struct sockaddr_storage addr;
    uint16_t port;
    (void)ip_parse(STR("127.0.0.1"), &ip);
    socklen_t len = ip_to_sockaddr(&ip, 0, &addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    assert_true(ip_from_sockaddr((struct sockaddr *)&addr, &ip, &port));
    new_client(&w, client_tls(&w, &w.ca, NULL, "127.0.0.1"),
               (struct http_client_config){.port = port, .connect_timeout_ms = 60});
    call(&w, &g, "GET", "/x", STR_NONE);
    assert_true(g.failed);
    assert_non_null(strstr(g.err.text, "did not answer in time"));
    close(fd);
    close_world(&w);
}

/* The kept connection was closed by the server meanwhile: a GET goes out once more, unseen by the caller. */
static void test_stale_connection(void **state)
{
    static struct world w;
    struct got g;
    EACH_WAY(&w)
    {
        call(&w, &g, "GET", "/1", STR_NONE);
        got_done(&g);
        uint16_t port = w.port;
        struct ip ip;
        struct err err = {0};
        http_server_free(w.server);
        w.server = NULL;
        (void)ip_parse(STR("127.0.0.1"), &ip);
        struct http_server_config config = {.loop = w.loop, .tls = w.server_tls, .handle = handle, .ctx = &w};
        http_server_new(&config, &w.server);
        assert_int_equal(http_server_listen(w.server, &ip, port, NULL, &err), 0);
        call(&w, &g, "GET", "/2", STR_NONE);
        if (g.failed)
            fail_msg("the call failed: %s", g.err.text);
        assert_string_equal(g.body.p, "GET /2 ");
        got_done(&g);
    }
}

RUN_TESTS(cmocka_unit_test(test_calls), cmocka_unit_test(test_big_bodies),
          cmocka_unit_test(test_stream_with_back_pressure), cmocka_unit_test(test_watch_and_cancel),
          cmocka_unit_test(test_server_goes_away), cmocka_unit_test(test_drain_lets_replies_end),
          cmocka_unit_test(test_a_thousand_streams), cmocka_unit_test(test_client_certificates),
          cmocka_unit_test(test_a_certificate_runs_out_while_connected),
          cmocka_unit_test(test_server_certificates), cmocka_unit_test(test_port_in_use),
          cmocka_unit_test(test_raw_h1), cmocka_unit_test(test_raw_h1_refusals),
          cmocka_unit_test(test_time_outs_of_the_server), cmocka_unit_test(test_connection_limit),
          cmocka_unit_test(test_no_descriptors_left), cmocka_unit_test(test_time_outs_of_the_client),
          cmocka_unit_test(test_nobody_speaks), cmocka_unit_test(test_stale_connection))
