/* A load on a fairlead server, or any kube-apiserver: bench/run calls it and reads the one line it prints.
 *
 *     load KUBECONFIG fill N E            N Services, each with an EndpointSlice of E endpoints: s0, s1, ...
 *     load KUBECONFIG get N               N reads of one object, one after the other on one connection
 *     load KUBECONFIG create CLIENTS N P  N ConfigMaps P0, P1, ... by CLIENTS, each with a connection of its
 * own load KUBECONFIG watch N ROUNDS      ROUNDS writes, each seen by N watchers on connections of their own
 *     load KUBECONFIG program N ROUNDS OLD NEW
 *                                         N Services filled: a slice's one endpoint OLD (may be empty)
 * becomes pod NEW; how long until port 80 of the ClusterIP takes a connection
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/http-client.h"
#include "io/tls.h"
#include "watch/client.h"
#include "watch/kubeconfig.h"

#define MAX_PEERS    4096
#define FILL_AT_ONCE 64
#define DEADLINE_MS  60000

static const struct client_resource SERVICES = {STR_INIT(""), STR_INIT("v1"), STR_INIT("services"),
                                                STR_INIT("Service")};
static const struct client_resource CONFIG_MAPS = {STR_INIT(""), STR_INIT("v1"), STR_INIT("configmaps"),
                                                   STR_INIT("ConfigMap")};
static const struct client_resource SLICES = {STR_INIT("discovery.k8s.io"), STR_INIT("v1"),
                                              STR_INIT("endpointslices"), STR_INIT("EndpointSlice")};

struct bench;

struct peer { /* one client, on a connection of its own */
    struct bench *bench;
    struct http_transport *transport;
    struct client *client;
    struct monotime sent;
};

struct bench {
    struct loop *loop;
    struct kubeconfig config;
    struct tls_context *tls;
    struct peer peers[MAX_PEERS];
    size_t n_peers;
    void (*start)(struct peer *p, size_t n); /* request number N */
    size_t next, last, n_done, n_seen, n_open, n_endpoints;
    double *us; /* latency of each request */
    const char *prefix;
    struct json *reply; /* of the last call of do_one(), in its arena */
    struct arena arena;
};

static void fail(const char *what, struct str why)
{
    fprintf(stderr, "load: %s: %.*s\n", what, STR_ARG(why));
    exit(1);
}

static double since_us(struct monotime start)
{
    return (double)(clock_mono().ns - start.ns) / 1e3;
}

static int cmp_doubles(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static double quantile(double *v, size_t n, double q)
{
    qsort(v, n, sizeof *v, cmp_doubles);
    return v[MIN((size_t)((double)n * q), n - 1)];
}

static void add_peers(struct bench *b, size_t n)
{
    if (n > MAX_PEERS)
        fail("too many clients", STR("the limit is 4096"));
    for (; b->n_peers < n; b->n_peers++) {
        struct peer *p = &b->peers[b->n_peers];
        p->bench = b;
        p->transport = http_client_new(&(struct http_client_config){
            .loop = b->loop, .host = b->config.host, .port = b->config.port, .tls = b->tls});
        p->client = client_new(&(struct client_config){
            .loop = b->loop, .transport = p->transport, .user_agent = STR("fairlead-bench")});
    }
}

/* --- many requests --- */

static void peer_next(struct peer *p)
{
    struct bench *b = p->bench;
    if (b->next == b->last)
        return;
    p->sent = clock_mono();
    b->start(p, b->next++);
}

static void on_done(void *user, const struct client_result *r)
{
    struct peer *p = user;
    struct bench *b = p->bench;
    if (r->code)
        fail("a request failed", r->message);
    b->us[b->n_done++] = since_us(p->sent);
    if (b->n_done == b->last)
        loop_stop(b->loop);
    else
        peer_next(p);
}

/* Runs N requests and returns how many seconds they took. */
static double run_requests(struct bench *b, size_t n, void (*start)(struct peer *, size_t))
{
    b->us = calloc(n + 1, sizeof *b->us);
    b->start = start;
    b->next = b->n_done = 0;
    b->last = n;
    struct monotime begun = clock_mono();
    for (size_t i = 0; i < b->n_peers; i++)
        peer_next(&b->peers[i]);
    loop_run(b->loop);
    return since_us(begun) / 1e6;
}

static void send_text(struct peer *p, const struct client_request *request, struct str text,
                      client_done_fn *done)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *body = NULL;
    struct client_request r = *request;
    if (text.len && json_parse(&a, text, NULL, &body, NULL) < 0)
        abort(); /* we wrote it */
    r.body = body;
    r.namespace = STR("default");
    client_send(p->client, &r, done, p);
}

static void start_fill(struct peer *p, size_t n)
{
    _cleanup_(strbuf_done) struct strbuf text = {0};
    size_t i = n / 2;
    if (n % 2 == 0)
        strbuf_addf(&text,
                    "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"s%zu\"},\"spec\":{"
                    "\"ports\":[{\"name\":\"http\",\"port\":80,\"targetPort\":80}]}}",
                    i);
    else
        strbuf_addf(
            &text,
            "{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":"
            "\"s%zu\",\"labels\":{\"kubernetes.io/service-name\":\"s%zu\"}},\"addressType\":\"IPv4\","
            "\"ports\":[{\"name\":\"http\",\"port\":80}],\"endpoints\":[",
            i, i);
    for (size_t k = 0; n % 2 && k < p->bench->n_endpoints; k++)
        strbuf_addf(&text, "%s{\"addresses\":[\"10.%zu.%zu.%zu\"],\"conditions\":{\"ready\":true}}",
                    k ? "," : "", 200 + k % 50, i / 250 % 250, i % 250 + 1);
    if (n % 2)
        strbuf_addz(&text, "]}");
    send_text(p, &(struct client_request){.verb = CLIENT_CREATE, .resource = n % 2 ? &SLICES : &SERVICES},
              strbuf_str(&text), on_done);
}

static void start_get(struct peer *p, size_t n)
{
    (void)n;
    send_text(p,
              &(struct client_request){.verb = CLIENT_GET, .resource = &SERVICES, .name = STR("kubernetes")},
              STR(""), on_done);
}

static void start_create(struct peer *p, size_t n)
{
    char text[300];
    snprintf(text, sizeof text,
             "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s%zu\"},\"data\":{"
             "\"key\":\"some value, as configuration has it\"}}",
             p->bench->prefix, n);
    send_text(p, &(struct client_request){.verb = CLIENT_CREATE, .resource = &CONFIG_MAPS}, str_of(text),
              on_done);
}

static void run_and_print(struct bench *b, size_t n, void (*start)(struct peer *, size_t))
{
    double seconds = run_requests(b, n, start);
    printf("requests=%zu seconds=%.3f per_second=%.0f p50_us=%.1f p99_us=%.1f\n", n, seconds,
           (double)n / seconds, quantile(b->us, n, 0.5), quantile(b->us, n, 0.99));
}

/* --- single requests --- */

static void on_one(void *user, const struct client_result *r)
{
    struct bench *b = ((struct peer *)user)->bench;
    if (r->code && r->code != CLIENT_EXISTS)
        fail("a request failed", r->message);
    b->n_done = 1;
    arena_done(&b->arena);
    b->arena = (struct arena){0};
    b->reply = r->object ? json_copy(&b->arena, r->object) : NULL;
}

static void do_one(struct bench *b, const struct client_request *request, const char *text)
{
    b->n_done = 0;
    send_text(&b->peers[0], request, str_of(text), on_one);
    while (!b->n_done)
        (void)loop_step(b->loop, 1000);
}

/* --- watchers --- */

static void on_open(void *user)
{
    ((struct bench *)user)->n_open++;
}

static void on_line(void *user, struct str line)
{
    (void)line;
    ((struct bench *)user)->n_seen++;
}

static void on_end(void *user, const struct client_result *r)
{
    (void)user;
    fail("a watch ended", r->message);
}

static const struct client_stream_handler WATCH = {on_open, on_line, on_end};

static void wait_for(struct bench *b, const size_t *count, size_t wanted)
{
    struct monotime start = clock_mono();
    while (*count < wanted) {
        (void)loop_step(b->loop, 1000);
        if (monotime_since_ms(clock_mono(), start) > DEADLINE_MS)
            fail("waiting", STR("the watchers did not see it in time"));
    }
}

static void run_watch(struct bench *b, size_t n, size_t rounds)
{
    add_peers(b, n + 1);
    do_one(b, &(struct client_request){.verb = CLIENT_CREATE, .resource = &CONFIG_MAPS},
           "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"watched\"}}");
    do_one(b, &(struct client_request){.verb = CLIENT_GET, .resource = &CONFIG_MAPS, .name = STR("watched")},
           "");
    _cleanup_(strbuf_done) struct strbuf query = {0};
    strbuf_addz(&query, "watch=1");
    client_query_add(&query, "resourceVersion", json_string_at(b->reply, "metadata", "resourceVersion"));
    const struct client_request r = {.verb = CLIENT_LIST,
                                     .resource = &CONFIG_MAPS,
                                     .namespace = STR("default"),
                                     .query = strbuf_str(&query)};
    for (size_t i = 1; i <= n; i++) { /* a few at a time: a start of all at once would measure handshakes */
        client_stream_open(b->peers[i].client, &r, 0, &WATCH, b);
        if (i % 16 == 0 || i == n)
            wait_for(b, &b->n_open, i);
    }
    double *ms = calloc(rounds, sizeof *ms);
    for (size_t i = 0; i < rounds; i++) {
        char text[100];
        snprintf(text, sizeof text, "{\"data\":{\"round\":\"%zu\"}}", i);
        b->n_seen = 0;
        struct monotime start = clock_mono();
        do_one(b,
               &(struct client_request){.verb = CLIENT_PATCH,
                                        .resource = &CONFIG_MAPS,
                                        .name = STR("watched"),
                                        .patch_type = CLIENT_MERGE_PATCH},
               text);
        wait_for(b, &b->n_seen, n);
        ms[i] = since_us(start) / 1e3;
    }
    printf("watchers=%zu rounds=%zu p50_ms=%.2f max_ms=%.2f\n", n, rounds, quantile(ms, rounds, 0.5),
           quantile(ms, rounds, 1));
}

/* --- from the write to the first connection --- */

static bool can_connect(struct in_addr address)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(80), .sin_addr = address};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0;
    socklen_t len = sizeof error;
    bool done = connect(fd, (struct sockaddr *)&to, sizeof to) == 0;
    if (!done && errno == EINPROGRESS) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        done = poll(&p, 1, 2) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0;
    }
    close(fd);
    return done;
}

/* Steps the loop and tries to connect until that works as WANTED. */
static void connect_until(struct bench *b, struct in_addr address, bool wanted)
{
    struct monotime start = clock_mono();
    while (can_connect(address) != wanted) {
        (void)loop_step(b->loop, 0);
        usleep(200);
        if (monotime_since_ms(clock_mono(), start) > DEADLINE_MS)
            fail("waiting", wanted ? STR("no connection") : STR("connections do not end"));
    }
}

/* Gives slice NAME the one endpoint ADDRESS, or none. */
static void set_endpoint(struct bench *b, const char *name, const char *address)
{
    char text[200] = "{\"endpoints\":[]}";
    if (*address)
        snprintf(text, sizeof text,
                 "{\"endpoints\":[{\"addresses\":[\"%s\"],\"conditions\":{\"ready\":true}}]}", address);
    b->n_done = 0;
    send_text(&b->peers[0],
              &(struct client_request){.verb = CLIENT_PATCH,
                                       .resource = &SLICES,
                                       .name = str_of(name),
                                       .patch_type = CLIENT_MERGE_PATCH},
              str_of(text), on_one);
}

static double program_one(struct bench *b, size_t service, const char *before, const char *pod)
{
    char name[30], ip[64];
    struct in_addr address;
    snprintf(name, sizeof name, "s%zu", service);
    do_one(b, &(struct client_request){.verb = CLIENT_GET, .resource = &SERVICES, .name = str_of(name)}, "");
    snprintf(ip, sizeof ip, "%.*s", STR_ARG(json_string_at(b->reply, "spec", "clusterIP")));
    if (inet_pton(AF_INET, ip, &address) != 1)
        fail("not an IPv4 address", str_of(ip));
    set_endpoint(b, name, before);
    wait_for(b, &b->n_done, 1);
    connect_until(b, address, false);
    usleep(300000); /* until the node has nothing to do */
    struct monotime start = clock_mono();
    set_endpoint(b, name, pod);
    connect_until(b, address, true);
    double ms = since_us(start) / 1e3;
    wait_for(b, &b->n_done, 1);
    return ms;
}

static void run_program(struct bench *b, size_t n, size_t rounds, char **pods)
{
    double *ms = calloc(rounds, sizeof *ms);
    for (size_t i = 0; i < rounds; i++)
        ms[i] = program_one(b, i * 37 % n, pods[0], pods[1]);
    printf("services=%zu rounds=%zu p50_ms=%.1f max_ms=%.1f\n", n, rounds, quantile(ms, rounds, 0.5),
           quantile(ms, rounds, 1));
}

static void open_config(struct bench *b, const char *path)
{
    struct err err = {0};
    if (kubeconfig_load(path, &b->config, &err) < 0)
        fail("kubeconfig", str_of(err.text));
    const struct tls_client_config tls = {.ca_pem = b->config.ca_pem,
                                          .cert_pem = b->config.cert_pem,
                                          .key_pem = b->config.key_pem,
                                          .server_name = b->config.server_name};
    if (!b->config.is_plain && tls_client_new(&tls, &b->tls, &err) < 0)
        fail("TLS", str_of(err.text));
    b->loop = loop_new();
    add_peers(b, 1);
}

int main(int argc, char **argv)
{
    static struct bench b;
    const char *verb = argc > 3 ? argv[2] : "";
    size_t n = argc > 3 ? strtoul(argv[3], NULL, 10) : 0, m = argc > 4 ? strtoul(argv[4], NULL, 10) : 0;
    struct rlimit files = {0};
    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur =
        files.rlim_max; /* watchers have a connection each; if it cannot be, connecting says so */
    (void)setrlimit(RLIMIT_NOFILE, &files);
    if (argc > 3 && n)
        open_config(&b, argv[1]);
    if (strcmp(verb, "fill") == 0 && n && m) {
        b.n_endpoints = m;
        for (add_peers(&b, 1); b.n_peers < FILL_AT_ONCE; b.n_peers++) /* all on one connection */
            b.peers[b.n_peers] = b.peers[0];
        run_and_print(&b, 2 * n, start_fill);
    } else if (strcmp(verb, "get") == 0 && n) {
        run_and_print(&b, n, start_get);
    } else if (strcmp(verb, "create") == 0 && n && m && argc == 6) {
        add_peers(&b, n);
        b.prefix = argv[5];
        run_and_print(&b, m, start_create);
    } else if (strcmp(verb, "watch") == 0 && n && m) {
        run_watch(&b, n, m);
    } else if (strcmp(verb, "program") == 0 && n && m && argc == 7) {
        run_program(&b, n, m, argv + 5);
    } else {
        fprintf(stderr, "usage: load KUBECONFIG fill N E|get N|create CLIENTS N PREFIX|watch N ROUNDS|"
                        "program N ROUNDS OLD-IP NEW-IP\n");
        return 2;
    }
    return 0;
}
