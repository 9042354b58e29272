/* A load for http-serve, or any server, by our own client: what it costs per call.
 *
 *     http-load HOST PORT CA.pem|plain PATH CALLS CONCURRENT
 */
#include <stdio.h>
#include <sys/resource.h>

#include "io/clock.h"
#include "io/file.h"
#include "io/http-client.h"
#include "io/tls.h"

struct load {
    struct loop *loop;
    struct http_transport *client;
    struct http_request request;
    uint64_t left, open, n_ok, n_failed, n_bytes;
    struct err err;
};

static void start(struct load *l);

static void on_head(void *user, int status, const struct http_header *headers, size_t n_headers)
{
    struct load *l = user;
    (void)headers, (void)n_headers;
    l->n_ok += status == 200;
}

static void on_data(void *user, struct str bytes)
{
    ((struct load *)user)->n_bytes += bytes.len;
}

static void on_end(void *user, const struct err *err)
{
    struct load *l = user;
    l->open--;
    if (err) {
        l->n_failed++;
        l->err = *err;
    }
    start(l);
    if (!l->open)
        loop_stop(l->loop);
}

static const struct http_call_handler handler = {on_head, on_data, on_end};

static void start(struct load *l)
{
    if (!l->left)
        return;
    l->left--;
    l->open++;
    (void)http_send(l->client, &l->request, &handler, l);
}

int main(int argc, char **argv)
{
    struct load l = {.loop = loop_new()};
    struct err err = {0};
    struct tls_context *tls = NULL;
    _cleanup_(strbuf_done) struct strbuf ca = {0};
    uint64_t port, concurrent;
    if (argc != 7 || str_to_uint64(str_of(argv[2]), &port) < 0 ||
        str_to_uint64(str_of(argv[5]), &l.left) < 0 || str_to_uint64(str_of(argv[6]), &concurrent) < 0) {
        fprintf(stderr, "usage: http-load HOST PORT CA.pem|plain PATH CALLS CONCURRENT\n");
        return 2;
    }
    if (strcmp(argv[3], "plain") != 0) {
        if (file_read(argv[3], 1 << 20, &ca, &err) < 0 ||
            tls_client_new(
                &(struct tls_client_config){.ca_pem = strbuf_str(&ca), .server_name = str_of(argv[1])}, &tls,
                &err) < 0) {
            fprintf(stderr, "%s\n", err.text);
            return 1;
        }
    }
    l.client = http_client_new(&(struct http_client_config){
        .loop = l.loop, .host = str_of(argv[1]), .port = (uint16_t)port, .tls = tls});
    l.request = (struct http_request){.method = STR("GET"), .target = str_of(argv[4])};
    struct monotime begun = clock_mono();
    for (uint64_t i = 0; i < concurrent; i++)
        start(&l);
    loop_run(l.loop);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    int64_t us = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) + usage.ru_utime.tv_usec +
                 usage.ru_stime.tv_usec;
    printf("%lu answers with 200, %lu failed%s%s, %lu bytes in %ld ms, %.1f us CPU per call\n",
           (unsigned long)l.n_ok, (unsigned long)l.n_failed, l.n_failed ? ": " : "", l.err.text,
           (unsigned long)l.n_bytes, (long)monotime_since_ms(clock_mono(), begun),
           l.n_ok ? (double)us / (double)l.n_ok : 0);
    http_transport_free(l.client);
    tls_free(tls);
    loop_free(l.loop);
    return l.n_failed != 0;
}
