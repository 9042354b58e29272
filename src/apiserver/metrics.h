/* Metrics of the server, in Prometheus' text form. Every label comes from a closed set (CVE-2020-8552): verbs
 * and routes from tables, resources from the registry, codes from a list; what is in none counts as "other".
 */
#pragma once

#include "base/str.h"

struct metrics;
struct registry;
struct route;

struct metrics_request {
    const struct route *route;
    int code; /* 0: the client went away first */
    int64_t micros;
};

struct metrics *metrics_new(const struct registry *registry);
void metrics_free(struct metrics *m);

void metrics_count_request(struct metrics *m, const struct metrics_request *sample);

/* Single counters. */
enum metrics_counter {
    METRICS_WATCH_SLOW,       /* watches ended because the client read too slowly */
    METRICS_WATCH_EVENTS,     /* events written to watches */
    METRICS_AUTH_REFUSED,     /* credentials that were not good */
    METRICS_REQUESTS_DROPPED, /* answered with 429 */
    METRICS_WATCHES_DROPPED,  /* the same, for watches */
    METRICS_WRITE_RETRIES,    /* writes that lost a race and started again */
    METRICS_N_COUNTERS,
};
void metrics_count(struct metrics *m, enum metrics_counter counter, uint64_t n);

void metrics_write(const struct metrics *m, struct strbuf *out);
