/* What a datapath costs: everything at once, one endpoint, one more Service, a restart. Run as root in an
 * empty network namespace: `ip netns exec NAME build/release/bench/bench-datapath --provider iptables
 * --services 1000 --endpoints 5`.
 */
#include <getopt.h>
#include <stdio.h>

#include "datapath/datapath.h"
#include "io/clock.h"
#include "service/decide.h"

#define N_CHANGES 21

struct bench {
    struct loop *loop;
    struct datapath *dp;
    struct decide *decide;
    const char *provider;
    struct datapath_options options;
    int n_services, n_endpoints;
    bool done;
};

static void on_done(void *user, int result, const struct err *err)
{
    struct bench *b = user;
    b->done = true;
    if (result >= 0)
        return;
    fprintf(stderr, "bench-datapath: %s\n", err->text);
    exit(1);
}

static double since_ms(struct monotime start)
{
    return (double)(clock_mono().ns - start.ns) / 1e6;
}

/* Milliseconds from START, when the objects changed, to the kernel's answer. */
static double apply(struct bench *b, struct monotime start)
{
    struct forwarding_state *s = decide_run(b->decide, NULL);
    b->done = false;
    datapath_apply(b->dp, s, (struct datapath_callback){on_done, b});
    while (!b->done)
        (void)loop_step(b->loop, 1000);
    double ms = since_ms(start);
    while (datapath_is_busy(b->dp))
        (void)loop_step(b->loop, 1000);
    forwarding_state_unref(s);
    return ms;
}

static struct json *parse_own(struct arena *a, struct str text)
{
    struct json *json;
    if (json_parse(a, text, NULL, &json, NULL) < 0)
        abort(); /* we wrote it */
    return json;
}

static void add_service(struct bench *b, int n)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct service *s;
    struct str text =
        arena_format(&a,
                     "{\"metadata\":{\"namespace\":\"bench\",\"name\":\"s%d\"},\"spec\":{\"clusterIP\":"
                     "\"10.%d.%d.%d\",\"ports\":[{\"name\":\"http\",\"port\":80}]}}",
                     n, 96 + n / 65536, n / 256 % 256, n % 256);
    if (service_parse(parse_own(&a, text), NULL, &s, NULL) == 0)
        decide_set_service(b->decide, s);
}

static void set_endpoints(struct bench *b, int n, int shift)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf text = {0};
    struct endpointslice *s;
    strbuf_addf(&text,
                "{\"metadata\":{\"namespace\":\"bench\",\"name\":\"s%d\",\"labels\":{\"kubernetes.io/"
                "service-name\":\"s%d\"}},"
                "\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"http\",\"port\":8080}],\"endpoints\":[",
                n, n);
    for (int i = 0; i < b->n_endpoints; i++) /* one of them is another with every SHIFT */
        strbuf_addf(&text, "%s{\"addresses\":[\"10.%d.%d.%d\"]}", i ? "," : "",
                    200 + (i ? i : (i + shift) % 50 + 20), n / 250 % 250, 1 + n % 250);
    strbuf_addz(&text, "]}");
    if (endpointslice_parse(parse_own(&a, strbuf_str(&text)), NULL, &s, NULL) == 0)
        decide_set_slice(b->decide, s);
}

static void open_datapath(struct bench *b)
{
    struct err err = {0};
    if (datapath_open(b->provider, &b->options, &b->dp, &err) == 0)
        return;
    fprintf(stderr, "bench-datapath: %s\n", err.text);
    exit(1);
}

static int cmp_doubles(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static double median_of_changes(struct bench *b, void (*change)(struct bench *b, int i))
{
    double ms[N_CHANGES];
    for (int i = 0; i < N_CHANGES; i++) {
        struct monotime start = clock_mono();
        change(b, i);
        ms[i] = apply(b, start);
    }
    qsort(ms, N_CHANGES, sizeof ms[0], cmp_doubles);
    return ms[N_CHANGES / 2];
}

static void change_endpoint(struct bench *b, int i)
{
    set_endpoints(b, i * 37 % b->n_services, 1 + i);
}

static void change_service(struct bench *b, int i)
{
    add_service(b, b->n_services + i);
    set_endpoints(b, b->n_services + i, 0);
}

static bool parse_arguments(struct bench *b, int argc, char **argv)
{
    static const struct option options[] = {{"provider", required_argument, NULL, 'p'},
                                            {"variant", required_argument, NULL, 'v'},
                                            {"services", required_argument, NULL, 's'},
                                            {"endpoints", required_argument, NULL, 'e'},
                                            {0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == '?')
            return false;
        if (c == 'p')
            b->provider = optarg;
        else if (c == 'v')
            b->options.variant = optarg;
        else
            *(c == 's' ? &b->n_services : &b->n_endpoints) = (int)strtol(optarg, NULL, 10);
    }
    return b->n_services > 0 && b->n_endpoints > 0 && b->n_endpoints < 20;
}

int main(int argc, char **argv)
{
    struct bench b = {.provider = "fake", .n_services = 1000, .n_endpoints = 5};
    struct decide_config config = {
        .node_name = "n1", .cluster_cidrs = {{{IP_V4, {10, 200}}, 13}}, .n_cluster_cidrs = 1};
    if (!parse_arguments(&b, argc, argv))
        return 2;
    b.options.loop = b.loop = loop_new();
    b.options.families[0] = true;
    b.options.masquerade_bit = 14;
    b.decide = decide_new(&config);
    struct monotime start = clock_mono();
    for (int i = 0; i < b.n_services; i++) {
        add_service(&b, i);
        set_endpoints(&b, i, 0);
    }
    double parse_ms = since_ms(start);
    open_datapath(&b);
    double full_ms = apply(&b, clock_mono());
    double endpoint_ms = median_of_changes(&b, change_endpoint);
    double service_ms = median_of_changes(&b, change_service);
    datapath_close(b.dp);
    open_datapath(&b);
    double restart_ms = apply(&b, clock_mono());
    printf("%-8s %-6s %6d Services x %d: parse %.0f ms, everything %.0f ms, one endpoint %.1f ms, one more "
           "Service %.1f ms, "
           "restart %.0f ms (%lu writes)\n",
           b.provider, b.options.variant ? b.options.variant : "", b.n_services, b.n_endpoints, parse_ms,
           full_ms, endpoint_ms, service_ms, restart_ms, (unsigned long)datapath_stats(b.dp)->applied);
    datapath_close(b.dp);
    decide_free(b.decide);
    loop_free(b.loop);
    return 0;
}
