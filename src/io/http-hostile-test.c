/* What hostile or broken peers do on a TLS connection: floods of HTTP/2 frames, silence, proxies that refuse.
 */
#include "base/test.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/http-client.h"
#include "io/http-server.h"
#include "io/stream.h"
#include "io/tls-cert.h"
#include "io/tls.h"

struct world {
    struct loop *loop;
    struct tls_pem ca, cert;
    struct tls_context *server_tls, *client_tls;
    struct http_server *server;
    uint16_t port;
    size_t n_handled, n_aborted;
    bool hold;
    struct http_exchange *held;
};

/* A connection that says what it likes. */
struct raw {
    struct stream stream;
    struct strbuf in;
    bool opened, closed;
};

#define RUN_UNTIL(w, condition)                                                                              \
    do {                                                                                                     \
        struct monotime start_ = clock_mono();                                                               \
        while (!(condition)) {                                                                               \
            loop_step((w)->loop, 20);                                                                        \
            if (monotime_since_ms(clock_mono(), start_) > 10000)                                             \
                fail_msg("waited in vain for: %s", #condition);                                              \
        }                                                                                                    \
    } while (0)

static void on_abort(struct http_exchange *ex, void *user)
{
    struct world *w = user;
    w->n_aborted++;
}

static void handle(void *ctx, struct http_exchange *ex)
{
    struct world *w = ctx;
    w->n_handled++;
    if (w->hold) {
        w->held = ex;
        if (!str_eq(ex->request->target, STR("/unaware"))) {
            ex->on_abort = on_abort;
            ex->user = w;
        }
        return;
    }
    http_reply(ex, 200, NULL, 0, STR("ok"));
}

static int open_world(void **state)
{
    struct world *w = mem_new(struct world);
    struct err err = {0};
    struct ip ip;
    assert_int_equal(ip_parse(STR("127.0.0.1"), &ip), 0);
    struct walltime now = clock_wall();
    struct tls_cert_spec spec = {.common_name = STR("x"),
                                 .ips = &ip,
                                 .n_ips = 1,
                                 .usage = TLS_FOR_SERVER,
                                 .not_before = {now.ns - TIME_S_NS},
                                 .not_after = {now.ns + 3600 * TIME_S_NS}};
    assert_int_equal(tls_generate_ca(&spec, &w->ca, &err), 0);
    spec.common_name = STR("server"); /* a leaf named like its CA looks self-signed */
    assert_int_equal(tls_generate_cert(&spec, &w->ca, &w->cert, &err), 0);
    struct tls_server_config server = {strbuf_str(&w->cert.cert), strbuf_str(&w->cert.key), STR_NONE};
    assert_int_equal(tls_server_new(&server, &w->server_tls, &err), 0);
    struct tls_client_config client = {.ca_pem = strbuf_str(&w->ca.cert), .server_name = STR("127.0.0.1")};
    assert_int_equal(tls_client_new(&client, &w->client_tls, &err), 0);
    w->loop = loop_new();
    struct http_server_config config = {.loop = w->loop, .tls = w->server_tls, .handle = handle, .ctx = w};
    http_server_new(&config, &w->server);
    assert_int_equal(http_server_listen(w->server, &ip, 0, &w->port, &err), 0);
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    http_server_free(w->server);
    tls_free(w->server_tls);
    tls_free(w->client_tls);
    tls_pem_done(&w->ca);
    tls_pem_done(&w->cert);
    loop_free(w->loop);
    free(w);
    return 0;
}

/* --- raw connections --- */

static void raw_opened(void *user)
{
    ((struct raw *)user)->opened = true;
}
static void raw_data(void *user, struct str bytes)
{
    strbuf_add_str(&((struct raw *)user)->in, bytes);
}
static void raw_fill(void *user)
{
    (void)user;
}
static void raw_closed(void *user, const struct err *err)
{
    struct raw *r = user;
    (void)err;
    r->closed = true;
    stream_close(&r->stream);
}
static const struct stream_ops raw_ops = {raw_opened, raw_data, raw_fill, raw_closed};

static socklen_t local_addr(uint16_t port, struct sockaddr_storage *ret)
{
    struct ip ip;
    (void)ip_parse(STR("127.0.0.1"), &ip);
    return ip_to_sockaddr(&ip, port, ret);
}

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

static void raw_open(struct world *w, struct raw *r)
{
    struct sockaddr_storage addr;
    socklen_t len = local_addr(w->port, &addr);
    *r = (struct raw){0};
    struct stream_config config = {w->loop, w->client_tls, &raw_ops, r};
    assert_int_equal(stream_connect(&r->stream, &config, (struct sockaddr *)&addr, len), 0);
    RUN_UNTIL(w, r->opened);
    assert_true(tls_is_h2(r->stream.ssl));
    stream_send(&r->stream, STR(PREFACE));
}

static void raw_done(struct raw *r)
{
    stream_close(&r->stream);
    strbuf_done(&r->in);
}

enum { DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, PING = 6, GOAWAY = 7, CONTINUATION = 9 };

static void add_frame(struct strbuf *out, int type, int flags, uint32_t stream, struct str payload)
{
    const unsigned char head[9] = {(unsigned char)(payload.len >> 16),
                                   (unsigned char)(payload.len >> 8),
                                   (unsigned char)payload.len,
                                   (unsigned char)type,
                                   (unsigned char)flags,
                                   (unsigned char)(stream >> 24),
                                   (unsigned char)(stream >> 16),
                                   (unsigned char)(stream >> 8),
                                   (unsigned char)stream};
    strbuf_add(out, head, sizeof head);
    strbuf_add_str(out, payload);
}

/* GET https://a/ in HPACK. */
#define REQUEST                                                                                              \
    STR("\x82\x87\x84\x41\x01"                                                                               \
        "a")
#define PLAIN_SETTINGS(out) add_frame((out), SETTINGS, 0, 0, STR_NONE)

/* Sends it and waits for the server to end the connection. */
static void flood(struct world *w, struct strbuf *frames)
{
    struct raw r;
    raw_open(w, &r);
    stream_send(&r.stream, strbuf_str(frames));
    RUN_UNTIL(w, r.closed);
    raw_done(&r);
    struct http_server_stats stats;
    RUN_UNTIL(w, (http_server_stats_get(w->server, &stats), stats.n_connections == 0));
    assert_int_equal(stats.n_exchanges, 0);
}

static void test_rapid_reset(void **state)
{
    struct world *w = *state;
    _cleanup_(strbuf_done) struct strbuf b = {0};
    w->hold = true;
    PLAIN_SETTINGS(&b);
    for (uint32_t i = 0; i < 5000; i++) {
        add_frame(&b, HEADERS, 0x5, 2 * i + 1, REQUEST);
        add_frame(&b, RST_STREAM, 0, 2 * i + 1, STR("\0\0\0\x08"));
    }
    flood(w, &b);
    assert_true(w->n_handled < 1500);
    assert_int_equal(w->n_aborted, w->n_handled);
}

static void test_frames_without_work(void **state)
{
    static const struct {
        int type, flags;
        uint32_t stream;
        struct str payload;
    } cases[] = {
        {PING, 0, 0, STR_INIT("12345678")},
        {SETTINGS, 0, 0, STR_INIT("")},
        {SETTINGS, 0, 0, STR_INIT("\0\x01\0\0\x10\0")},
        {2 /* PRIORITY */, 0, 1, STR_INIT("\0\0\0\0\x10")},
        {DATA, 0, 1, STR_INIT("")},
    };
    struct world *w = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_(strbuf_done) struct strbuf b = {0};
        PLAIN_SETTINGS(&b);
        add_frame(&b, HEADERS, 0x4, 1,
                  STR("\x83\x87\x84\x41\x01"
                      "a")); /* POST, its body to come */
        for (int n = 0; n < 20000; n++)
            add_frame(&b, cases[i].type, cases[i].flags, cases[i].stream, cases[i].payload);
        flood(w, &b);
    }
    assert_int_equal(w->n_handled, 0);
}

static void test_continuation_flood(void **state)
{
    struct world *w = *state;
    _cleanup_(strbuf_done) struct strbuf b = {0};
    PLAIN_SETTINGS(&b);
    add_frame(&b, HEADERS, 0x1, 1, REQUEST);
    for (int i = 0; i < 1000; i++)
        add_frame(&b, CONTINUATION, 0, 1,
                  STR("\x40\x01"
                      "x\x01"
                      "y"));
    flood(w, &b);
    assert_int_equal(w->n_handled, 0);
}

static void test_too_many_settings(void **state)
{
    struct world *w = *state;
    _cleanup_(strbuf_done) struct strbuf b = {0}, entries = {0};
    for (int i = 0; i < 33; i++)
        strbuf_add_str(&entries, STR("\0\x01\0\0\x10\0"));
    add_frame(&b, SETTINGS, 0, 0, strbuf_str(&entries));
    flood(w, &b);
}

/* One header of LEN bytes, as often as N says, by the dynamic table: little on the wire, much in memory. */
static void test_header_bomb(void **state)
{
    struct world *w = *state;
    struct raw r;
    _cleanup_(strbuf_done) struct strbuf b = {0}, block = {0};
    strbuf_add_str(&block, REQUEST);
    strbuf_add_str(&block, STR("\x40\x01x\x7f\xe1\x16")); /* indexed from now on: x: 3040 bytes */
    for (int i = 0; i < 3040; i++)
        strbuf_addc(&block, 'y');
    for (int i = 0; i < 3000; i++)
        strbuf_addc(&block, (char)0xbe);
    PLAIN_SETTINGS(&b);
    add_frame(&b, HEADERS, 0x5, 1, strbuf_str(&block));
    raw_open(w, &r);
    stream_send(&r.stream, strbuf_str(&b));
    RUN_UNTIL(w, str_find(strbuf_str(&r.in), STR("larger than 64 KiB")) >= 0);
    assert_int_equal(w->n_handled, 0);
    raw_done(&r);
}

static void test_streams_beyond_the_limit_are_refused(void **state)
{
    struct world *w = *state;
    struct raw r;
    _cleanup_(strbuf_done) struct strbuf b = {0};
    w->hold = true;
    raw_open(w, &r);
    PLAIN_SETTINGS(&b);
    add_frame(&b, SETTINGS, 1, 0, STR_NONE); /* the limit counts once its settings are acknowledged */
    for (uint32_t i = 0; i < 150; i++)
        add_frame(&b, HEADERS, 0x5, 2 * i + 1, REQUEST);
    RUN_UNTIL(w, r.in.len > 0); /* the server's settings */
    stream_send(&r.stream, strbuf_str(&b));
    RUN_UNTIL(w, w->n_handled >= 100);
    for (int i = 0; i < 5; i++)
        loop_step(w->loop, 5);
    assert_int_equal(w->n_handled, 100);
    raw_done(&r);
    RUN_UNTIL(w, w->n_aborted == 100);
}

/* A handler that does not ask for on_abort may answer a client that is long gone. */
static void test_unaware_handler(void **state)
{
    struct world *w = *state;
    struct raw r;
    _cleanup_(strbuf_done) struct strbuf b = {0};
    w->hold = true;
    raw_open(w, &r);
    PLAIN_SETTINGS(&b);
    add_frame(&b, HEADERS, 0x5, 1,
              STR("\x82\x87\x44\x08/unaware\x41\x01"
                  "a"));
    stream_send(&r.stream, strbuf_str(&b));
    RUN_UNTIL(w, w->n_handled == 1);
    raw_done(&r);
    struct http_server_stats stats;
    RUN_UNTIL(w, (http_server_stats_get(w->server, &stats), stats.n_connections == 0));
    http_reply_begin(w->held, 200, NULL, 0);
    http_reply_write(w->held, STR("nobody hears this"));
    assert_int_equal(http_reply_queued(w->held), 0);
    http_reply_end(w->held);
    assert_int_equal(w->n_aborted, 0);
}

/* --- peers of our client --- */

struct peer {
    struct world *w;
    struct fd_watch listener;
    struct tls_context *tls; /* NULL: plain */
    struct raw from, to;     /* the caller; as a proxy, the server */
    const char *answer;
    uint16_t port;
};

static void on_caller(struct fd_watch *watch, uint32_t events, void *user)
{
    struct peer *p = user;
    (void)events;
    int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct stream_config config = {p->w->loop, p->tls, &raw_ops, &p->from};
    assert_true(fd >= 0);
    assert_int_equal(stream_accept(&p->from.stream, &config, fd), 0);
}

static void peer_open(struct world *w, struct peer *p, struct tls_context *tls)
{
    struct sockaddr_storage addr;
    struct ip ip;
    socklen_t len = local_addr(0, &addr);
    *p = (struct peer){.w = w, .tls = tls};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    assert_true(ip_from_sockaddr((struct sockaddr *)&addr, &ip, &p->port));
    fd_watch_init(&p->listener, w->loop, on_caller, p);
    assert_int_equal(fd_watch_add(&p->listener, fd, EPOLLIN), 0);
}

static void peer_done(struct peer *p)
{
    int fd = p->listener.fd;
    fd_watch_remove(&p->listener);
    close(fd);
    raw_done(&p->from);
    raw_done(&p->to);
}

struct got {
    int status;
    bool ended;
    struct err err;
};

static void on_head(void *user, int status, const struct http_header *headers, size_t n_headers)
{
    (void)headers, (void)n_headers;
    ((struct got *)user)->status = status;
}

static void on_end(void *user, const struct err *err)
{
    struct got *g = user;
    g->ended = true;
    if (err)
        g->err = *err;
}

static const struct http_call_handler call_handler = {.head = on_head, .end = on_end};
static const struct http_request get = {.method = STR_INIT("GET"), .target = STR_INIT("/")};

static void test_silent_server(void **state)
{
    struct world *w = *state;
    struct peer silent;
    struct got g = {0};
    peer_open(w, &silent, w->server_tls);
    struct http_transport *t = http_client_new(&(struct http_client_config){.loop = w->loop,
                                                                            .host = STR("127.0.0.1"),
                                                                            .port = silent.port,
                                                                            .tls = w->client_tls,
                                                                            .ping_interval_ms = 40,
                                                                            .ping_timeout_ms = 40});
    (void)http_send(t, &get, &call_handler, &g);
    RUN_UNTIL(w, g.ended);
    assert_non_null(strstr(g.err.text, "it has been silent for too long"));
    /* The PING went out: length 8, type 6. */
    assert_true(str_find(strbuf_str(&silent.from.in), STR("\0\0\x08\x06\0")) > 0);
    http_transport_free(t);
    peer_done(&silent);
}

/* Lets bytes through in both directions once the answer is given. */
static void relay(struct peer *p)
{
    if (p->from.in.len) {
        stream_send(&p->to.stream, strbuf_str(&p->from.in));
        strbuf_truncate(&p->from.in, 0);
    }
    if (p->to.in.len) {
        stream_send(&p->from.stream, strbuf_str(&p->to.in));
        strbuf_truncate(&p->to.in, 0);
    }
}

static void call_through_proxy(struct world *w, const char *answer, struct got *g)
{
    struct peer proxy;
    struct sockaddr_storage addr;
    peer_open(w, &proxy, NULL);
    struct http_transport *t = http_client_new(&(struct http_client_config){.loop = w->loop,
                                                                            .host = STR("127.0.0.1"),
                                                                            .port = w->port,
                                                                            .tls = w->client_tls,
                                                                            .proxy_host = STR("127.0.0.1"),
                                                                            .proxy_port = proxy.port});
    (void)http_send(t, &get, &call_handler, g);
    RUN_UNTIL(w, str_find(strbuf_str(&proxy.from.in), STR("\r\n\r\n")) > 0);
    assert_true(str_has_prefix(strbuf_str(&proxy.from.in), STR("CONNECT 127.0.0.1:")));
    strbuf_truncate(&proxy.from.in, 0);
    struct stream_config config = {w->loop, NULL, &raw_ops, &proxy.to};
    socklen_t len = local_addr(w->port, &addr);
    assert_int_equal(stream_connect(&proxy.to.stream, &config, (struct sockaddr *)&addr, len), 0);
    stream_send(&proxy.from.stream, str_of(answer));
    RUN_UNTIL(w, (relay(&proxy), g->ended));
    http_transport_free(t);
    peer_done(&proxy);
}

static void test_proxy(void **state)
{
    struct world *w = *state;
    struct got g = {0};
    call_through_proxy(w, "HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n", &g);
    assert_int_equal(g.err.code, 0);
    assert_int_equal(g.status, 200);
    g = (struct got){0};
    call_through_proxy(w, "HTTP/1.1 407 Who are you\r\n\r\n", &g);
    assert_non_null(strstr(g.err.text, "the proxy refuses with status 407"));
    g = (struct got){0};
    call_through_proxy(w, "HTTP/1.1 200 OK\r\n\r\nearly", &g);
    assert_non_null(strstr(g.err.text, "bytes before TLS"));
    g = (struct got){0};
    call_through_proxy(w, "SSH-2.0-x\r\n\r\n", &g);
    assert_non_null(strstr(g.err.text, "does not answer with HTTP"));
}

static void test_name_that_does_not_resolve(void **state)
{
    struct world *w = *state;
    struct got g = {0};
    struct http_transport *t = http_client_new(&(struct http_client_config){
        .loop = w->loop, .host = STR("no-such-host.invalid"), .port = 1, .connect_timeout_ms = 2000});
    (void)http_send(t, &get, &call_handler, &g);
    RUN_UNTIL(w, g.ended);
    assert_non_null(strstr(g.err.text, "cannot connect to no-such-host.invalid:1"));
    (void)http_send(t, &get, &call_handler, &g);
    loop_step(w->loop, 0);
    http_transport_free(t); /* while the lookup may still run */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
RUN_TESTS(TEST(test_rapid_reset), TEST(test_frames_without_work), TEST(test_continuation_flood),
          TEST(test_too_many_settings), TEST(test_header_bomb),
          TEST(test_streams_beyond_the_limit_are_refused), TEST(test_unaware_handler),
          TEST(test_silent_server), TEST(test_proxy), TEST(test_name_that_does_not_resolve))
