#include "apiserver/metrics.h"

#include <inttypes.h>

#include "apiserver/registry.h"
#include "apiserver/route.h"

static const int codes[] = {200, 201, 202, 301, 400, 401, 403, 404, 405, 406, 409,
                            410, 413, 415, 422, 429, 500, 501, 503, 504, 507};
#define N_CODES (ARRAY_LEN(codes) + 1) /* the last is "other" */
#define N_VERBS (VERB_DELETE_COLLECTION + 1)

static const double buckets_s[] = {0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30, 60};
#define N_BUCKETS (ARRAY_LEN(buckets_s) + 1)

static const struct {
    const char *name, *help;
} counters[METRICS_N_COUNTERS] = {
    [METRICS_WATCH_SLOW] = {"apiserver_watch_slow_closed_total",
                            "Watches ended because the client read too slowly."},
    [METRICS_WATCH_EVENTS] = {"apiserver_watch_events_total", "Events written to watches."},
    [METRICS_AUTH_REFUSED] = {"apiserver_authentication_refused_total", "Credentials that were refused."},
    [METRICS_REQUESTS_DROPPED] = {"apiserver_dropped_requests_total",
                                  "Requests answered with 429 because too many were under way."},
    [METRICS_WATCHES_DROPPED] = {"apiserver_dropped_watches_total",
                                 "Watches answered with 429 because too many were open."},
    [METRICS_WRITE_RETRIES] = {"apiserver_write_retries_total",
                               "Writes that lost a race and were started again."},
};

struct cell {
    uint64_t by_code[N_CODES];
};

struct metrics {
    const struct registry *registry;
    size_t n_rows;      /* resources, then route entries, then "other" */
    struct cell *cells; /* [row][verb] */
    uint64_t buckets[N_VERBS][N_BUCKETS], sum_us[N_VERBS];
    uint64_t counters[METRICS_N_COUNTERS];
};

struct metrics *metrics_new(const struct registry *registry)
{
    struct metrics *m = mem_new(struct metrics);
    m->registry = registry;
    m->n_rows = registry_n_resources(registry) + route_n_entries + 1;
    m->cells = mem_zalloc(m->n_rows * N_VERBS * sizeof *m->cells);
    return m;
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    free(m->cells);
    free(m);
}

static size_t row_of(const struct metrics *m, const struct route *route)
{
    size_t n = registry_n_resources(m->registry);
    if (route->kind == ROUTE_RESOURCE && route->resource)
        return (size_t)(route->resource - registry_at(m->registry, 0));
    if (route->kind == ROUTE_PATH && route->entry >= route_entries &&
        route->entry < route_entries + route_n_entries)
        return n + (size_t)(route->entry - route_entries);
    return n + route_n_entries;
}

static size_t code_index(int code)
{
    size_t i = 0;
    while (i < ARRAY_LEN(codes) && codes[i] != code)
        i++;
    return i;
}

void metrics_count_request(struct metrics *m, const struct metrics_request *sample)
{
    enum route_verb verb = sample->route->verb;
    m->cells[row_of(m, sample->route) * N_VERBS + verb].by_code[code_index(sample->code)]++;
    if (verb == VERB_WATCH)
        return;
    size_t b = 0;
    while (b < ARRAY_LEN(buckets_s) && (double)sample->micros / 1e6 > buckets_s[b])
        b++;
    m->buckets[verb][b]++;
    m->sum_us[verb] += (uint64_t)sample->micros;
}

void metrics_count(struct metrics *m, enum metrics_counter counter, uint64_t n)
{
    m->counters[counter] += n;
}

static void write_row(const struct metrics *m, size_t row, struct strbuf *out)
{
    size_t n = registry_n_resources(m->registry);
    struct str group = STR(""), name = STR("other");
    if (row < n) {
        group = registry_at(m->registry, row)->schema->group;
        name = registry_at(m->registry, row)->schema->plural;
    } else if (row < n + route_n_entries) {
        name = route_entries[row - n].label;
    }
    for (size_t verb = 0; verb < N_VERBS; verb++) {
        const struct cell *cell = &m->cells[row * N_VERBS + verb];
        for (size_t i = 0; i < N_CODES; i++) {
            if (!cell->by_code[i])
                continue;
            strbuf_addf(
                out, "apiserver_request_total{code=\"%d\",group=\"%.*s\",resource=\"%.*s\",verb=\"%.*s\"} ",
                i < ARRAY_LEN(codes) ? codes[i] : 0, STR_ARG(group), STR_ARG(name),
                STR_ARG(route_verb_name((enum route_verb)verb)));
            strbuf_addf(out, "%" PRIu64 "\n", cell->by_code[i]);
        }
    }
}

/* Several route entries share a label; their rows are summed first. */
static void fold_rows(const struct metrics *m, struct metrics *ret)
{
    size_t n = registry_n_resources(m->registry), cells = m->n_rows * N_VERBS;
    *ret = *m;
    ret->cells = (struct cell *)(void *)mem_dup(m->cells, cells * sizeof *m->cells);
    for (size_t i = 1; i < route_n_entries; i++) {
        size_t first = 0;
        while (!str_eq(route_entries[first].label, route_entries[i].label))
            first++;
        if (first == i)
            continue;
        for (size_t verb = 0; verb < N_VERBS; verb++) {
            struct cell *from = &ret->cells[(n + i) * N_VERBS + verb];
            struct cell *to = &ret->cells[(n + first) * N_VERBS + verb];
            for (size_t c = 0; c < N_CODES; c++)
                to->by_code[c] += from->by_code[c];
            *from = (struct cell){0};
        }
    }
}

static void write_durations(const struct metrics *m, struct strbuf *out)
{
    strbuf_addz(out, "# HELP apiserver_request_duration_seconds Time from request to answer.\n"
                     "# TYPE apiserver_request_duration_seconds histogram\n");
    for (size_t verb = 0; verb < N_VERBS; verb++) {
        struct str name = route_verb_name((enum route_verb)verb);
        uint64_t sum = 0;
        for (size_t b = 0; b < N_BUCKETS; b++)
            sum += m->buckets[verb][b];
        if (!sum)
            continue;
        uint64_t below = 0;
        for (size_t b = 0; b < ARRAY_LEN(buckets_s); b++) {
            below += m->buckets[verb][b];
            strbuf_addf(out,
                        "apiserver_request_duration_seconds_bucket{verb=\"%.*s\",le=\"%g\"} %" PRIu64 "\n",
                        STR_ARG(name), buckets_s[b], below);
        }
        strbuf_addf(out, "apiserver_request_duration_seconds_bucket{verb=\"%.*s\",le=\"+Inf\"} %" PRIu64 "\n",
                    STR_ARG(name), sum);
        strbuf_addf(out, "apiserver_request_duration_seconds_sum{verb=\"%.*s\"} %.6f\n", STR_ARG(name),
                    (double)m->sum_us[verb] / 1e6);
        strbuf_addf(out, "apiserver_request_duration_seconds_count{verb=\"%.*s\"} %" PRIu64 "\n",
                    STR_ARG(name), sum);
    }
}

void metrics_write(const struct metrics *m, struct strbuf *out)
{
    struct metrics folded;
    fold_rows(m, &folded);
    strbuf_addz(out,
                "# HELP apiserver_request_total Requests by verb, resource and answer; code 0 is an answer "
                "that the client did not wait for.\n# TYPE apiserver_request_total counter\n");
    for (size_t row = 0; row < m->n_rows; row++)
        write_row(&folded, row, out);
    free(folded.cells);
    write_durations(m, out);
    for (size_t i = 0; i < METRICS_N_COUNTERS; i++)
        strbuf_addf(out, "# HELP %s %s\n# TYPE %s counter\n%s %" PRIu64 "\n", counters[i].name,
                    counters[i].help, counters[i].name, counters[i].name, m->counters[i]);
}
