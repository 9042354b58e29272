/* A server for curl, nghttp, h2load and wrk by hand, and for measuring what io costs per request.
 *
 *     http-serve [tls|plain] [PORT]    then: curl -k https://127.0.0.1:PORT/hello
 *
 * GET /LEN answers LEN bytes, /watch a line every 200 ms, anything else echoes the request. TLS clients need
 * no certificate; the CA is written to ./http-serve-ca.pem.
 */
#include <stdio.h>
#include <sys/resource.h>

#include "io/clock.h"
#include "io/file.h"
#include "io/http-server.h"
#include "io/tls-cert.h"
#include "io/tls.h"

#include <signal.h>

struct watcher {
    struct http_exchange *ex;
    struct timer timer;
};

static struct loop *loop;
static char filler[1 << 20];

static void on_gone(struct http_exchange *ex, void *user)
{
    struct watcher *w = user;
    (void)ex;
    timer_disarm(&w->timer);
    free(w);
}

static void on_tick(struct timer *t, void *user)
{
    struct watcher *w = user;
    http_reply_write(w->ex, STR("{\"type\":\"ADDED\"}\n"));
    timer_arm_ms(t, 200);
}

static void handle(void *ctx, struct http_exchange *ex)
{
    struct http_header type = {STR("content-type"), STR("application/json")};
    struct str target = ex->request->target;
    uint64_t len;
    (void)ctx;
    if (str_eq(target, STR("/watch"))) {
        struct watcher *w = mem_new(struct watcher);
        w->ex = ex;
        ex->on_abort = on_gone;
        ex->user = w;
        http_reply_begin(ex, 200, &type, 1);
        timer_init(&w->timer, loop, "watch", on_tick, w);
        timer_arm_ms(&w->timer, 200);
        return;
    }
    if (str_to_uint64(str_slice(target, 1, target.len), &len) == 0 && len <= sizeof filler) {
        http_reply(ex, 200, &type, 1, (struct str){filler, (size_t)len});
        return;
    }
    _cleanup_(strbuf_done) struct strbuf b = {0};
    strbuf_addf(&b, "%.*s %.*s user=%.*s cert=%s body=%zu\n", STR_ARG(ex->request->method), STR_ARG(target),
                STR_ARG(ex->peer->user), ex->peer->cert_error ? ex->peer->cert_error : "-",
                ex->request->body.len);
    http_reply(ex, 200, &type, 1, strbuf_str(&b));
}

static void stop(int signo, void *user)
{
    (void)signo, (void)user;
    loop_stop(loop);
}

static struct tls_context *make_tls(void)
{
    static struct tls_pem ca, cert, client;
    static struct tls_context *tls;
    struct ip ip;
    struct str groups[] = {STR("system:masters")};
    struct err err = {0};
    struct walltime now = clock_wall();
    struct tls_cert_spec spec = {.common_name = STR("ca"),
                                 .not_before = {now.ns - TIME_S_NS},
                                 .not_after = {now.ns + 3600 * TIME_S_NS}};
    int r = tls_generate_ca(&spec, &ca, &err);
    (void)ip_parse(STR("127.0.0.1"), &ip);
    spec.common_name = STR("server");
    spec.ips = &ip;
    spec.n_ips = 1;
    spec.usage = TLS_FOR_SERVER;
    if (r == 0)
        r = tls_generate_cert(&spec, &ca, &cert, &err);
    spec.common_name = STR("admin");
    spec.organizations = groups;
    spec.n_organizations = 1;
    spec.usage = TLS_FOR_CLIENT;
    if (r == 0)
        r = tls_generate_cert(&spec, &ca, &client, &err);
    struct tls_server_config config = {strbuf_str(&cert.cert), strbuf_str(&cert.key), strbuf_str(&ca.cert)};
    if (r == 0)
        r = tls_server_new(&config, &tls, &err);
    if (r == 0)
        r = file_write("http-serve-ca.pem", strbuf_str(&ca.cert), &err);
    if (r == 0)
        r = file_write("http-serve-client.crt", strbuf_str(&client.cert), &err);
    if (r == 0)
        r = file_write("http-serve-client.key", strbuf_str(&client.key), &err);
    if (r < 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return tls;
}

int main(int argc, char **argv)
{
    struct http_server *server;
    struct err err = {0};
    struct ip ip;
    uint64_t port = 0;
    uint16_t bound;
    struct monotime start = clock_mono();
    bool plain = argc > 1 && strcmp(argv[1], "plain") == 0;
    if (argc > 2 && str_to_uint64(str_of(argv[2]), &port) < 0)
        return 2;
    (void)ip_parse(STR("127.0.0.1"), &ip);
    memset(filler, 'x', sizeof filler);
    loop = loop_new();
    struct http_server_config config = {.loop = loop, .tls = plain ? NULL : make_tls(), .handle = handle};
    http_server_new(&config, &server);
    if (http_server_listen(server, &ip, (uint16_t)port, &bound, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    (void)loop_on_signal(loop, SIGTERM, stop, NULL);
    (void)loop_on_signal(loop, SIGINT, stop, NULL);
    printf("listening on 127.0.0.1:%u after %ld us\n", bound, (long)((clock_mono().ns - start.ns) / 1000));
    fflush(stdout);
    loop_run(loop);
    struct http_server_stats stats;
    struct rusage usage;
    http_server_stats_get(server, &stats);
    getrusage(RUSAGE_SELF, &usage);
    int64_t us = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) + usage.ru_utime.tv_usec +
                 usage.ru_stime.tv_usec;
    printf("%lu connections, %lu requests, %lu refused, %ld us CPU, %.1f us per request, %ld KiB peak\n",
           (unsigned long)stats.n_accepted, (unsigned long)stats.n_requests, (unsigned long)stats.n_refused,
           (long)us, stats.n_requests ? (double)us / (double)stats.n_requests : 0, usage.ru_maxrss);
    http_server_free(server);
    loop_free(loop);
    return 0;
}
