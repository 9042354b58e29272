/* The proxy's counters and their Prometheus text, under kube-proxy's names (section 6.7 of the semantics). */
#pragma once

#include "base/datetime.h"
#include "datapath/datapath.h"

#define METRICS_MAX_BUCKETS 104

struct histogram {
    const double *bounds; /* seconds, ascending */
    size_t n_bounds;
    uint64_t buckets[METRICS_MAX_BUCKETS]; /* not cumulative; the last one used is +Inf */
    uint64_t count;
    double sum;
};

void histogram_observe(struct histogram *h, double seconds);

struct proxy_metrics {
    struct histogram sync, programming; /* sync_proxy_rules_duration, network_programming_duration */
    double last_sync_s, last_queued_s;  /* wall time; 0: never */
    uint64_t service_changes, endpoint_changes, service_pending, endpoint_pending;
    uint64_t healthz[2], livez[2]; /* answers: 200, 503 */
};

void proxy_metrics_init(struct proxy_metrics *m);

/* FAMILIES: which are programmed (v4, v6); MODE is the datapath's name; STATS may be NULL. */
struct proxy_metrics_context {
    const char *mode;
    bool families[2];
    const struct datapath_stats *stats;
};
void proxy_metrics_write(const struct proxy_metrics *m, const struct proxy_metrics_context *context,
                         struct strbuf *out);
