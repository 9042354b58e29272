#include "proxy/metrics.h"

#include <assert.h>

static const double sync_bounds[] = {0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128,
                                     0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384};

/* 0.25, 0.5, 1..59, 60..115 by 5, 120..300 by 30. */
static const double programming_bounds[] = {
    0.25, 0.5, 1,  2,  3,  4,  5,  6,  7,  8,   9,   10,  11,  12,  13,  14,  15,  16,  17,  18,
    19,   20,  21, 22, 23, 24, 25, 26, 27, 28,  29,  30,  31,  32,  33,  34,  35,  36,  37,  38,
    39,   40,  41, 42, 43, 44, 45, 46, 47, 48,  49,  50,  51,  52,  53,  54,  55,  56,  57,  58,
    59,   60,  65, 70, 75, 80, 85, 90, 95, 100, 105, 110, 115, 120, 150, 180, 210, 240, 270, 300};

void proxy_metrics_init(struct proxy_metrics *m)
{
    static_assert(ARRAY_LEN(programming_bounds) < METRICS_MAX_BUCKETS, "one more bucket is +Inf");
    *m = (struct proxy_metrics){
        .sync = {.bounds = sync_bounds, .n_bounds = ARRAY_LEN(sync_bounds)},
        .programming = {.bounds = programming_bounds, .n_bounds = ARRAY_LEN(programming_bounds)},
    };
}

void histogram_observe(struct histogram *h, double seconds)
{
    size_t i = 0;
    while (i < h->n_bounds && seconds > h->bounds[i])
        i++;
    h->buckets[i]++;
    h->count++;
    h->sum += seconds;
}

static void add_type(struct strbuf *out, const char *name, const char *type)
{
    strbuf_addf(out, "# TYPE kubeproxy_%s %s\n", name, type);
}

static void add_histogram(struct strbuf *out, const char *name, const struct histogram *h, const char *family)
{
    uint64_t sum = 0;
    for (size_t i = 0; i <= h->n_bounds; i++) {
        sum += h->buckets[i];
        strbuf_addf(out, "kubeproxy_%s_bucket{ip_family=\"%s\",le=\"", name, family);
        if (i < h->n_bounds)
            strbuf_addf(out, "%g", h->bounds[i]);
        else
            strbuf_addz(out, "+Inf");
        strbuf_addf(out, "\"} %lu\n", sum);
    }
    strbuf_addf(out, "kubeproxy_%s_sum{ip_family=\"%s\"} %g\nkubeproxy_%s_count{ip_family=\"%s\"} %lu\n",
                name, family, h->sum, name, family, h->count);
}

static void add_number(struct strbuf *out, const char *name, const char *type, double value)
{
    add_type(out, name, type);
    strbuf_addf(out, "kubeproxy_%s %.17g\n", name, value);
}

static void add_codes(struct strbuf *out, const char *name, const uint64_t counts[2])
{
    add_type(out, name, "counter");
    strbuf_addf(out, "kubeproxy_%s{code=\"200\"} %lu\nkubeproxy_%s{code=\"503\"} %lu\n", name, counts[0],
                name, counts[1]);
}

static void add_stats(struct strbuf *out, const struct proxy_metrics_context *c, const char *family)
{
    bool nft = strcmp(c->mode, "nftables") == 0, iptables = strcmp(c->mode, "iptables") == 0;
    if (iptables)
        strbuf_addf(out, "kubeproxy_sync_proxy_rules_iptables_restore_failures_total{ip_family=\"%s\"} %lu\n",
                    family, c->stats->failures);
    if (nft)
        strbuf_addf(out, "kubeproxy_sync_proxy_rules_nftables_sync_failures_total{ip_family=\"%s\"} %lu\n",
                    family, c->stats->failures);
    strbuf_addf(out, "kubeproxy_conntrack_reconciler_deleted_entries_total{ip_family=\"%s\"} %lu\n", family,
                c->stats->stale_flows);
}

void proxy_metrics_write(const struct proxy_metrics *m, const struct proxy_metrics_context *c,
                         struct strbuf *out)
{
    static const char *const names[] = {"IPv4", "IPv6"};
    add_type(out, "sync_proxy_rules_duration_seconds", "histogram");
    for (int f = 0; f < 2; f++)
        if (c->families[f])
            add_histogram(out, "sync_proxy_rules_duration_seconds", &m->sync, names[f]);
    add_type(out, "network_programming_duration_seconds", "histogram");
    for (int f = 0; f < 2; f++)
        if (c->families[f])
            add_histogram(out, "network_programming_duration_seconds", &m->programming, names[f]);
    for (int f = 0; f < 2; f++) {
        if (!c->families[f])
            continue;
        strbuf_addf(out, "kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family=\"%s\"} %.17g\n",
                    names[f], m->last_sync_s);
        strbuf_addf(out, "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family=\"%s\"} %.17g\n",
                    names[f], m->last_queued_s);
        if (c->stats)
            add_stats(out, c, names[f]);
    }
    add_number(out, "sync_proxy_rules_service_changes_total", "counter", (double)m->service_changes);
    add_number(out, "sync_proxy_rules_service_changes_pending", "gauge", (double)m->service_pending);
    add_number(out, "sync_proxy_rules_endpoint_changes_total", "counter", (double)m->endpoint_changes);
    add_number(out, "sync_proxy_rules_endpoint_changes_pending", "gauge", (double)m->endpoint_pending);
    add_codes(out, "proxy_healthz_total", m->healthz);
    add_codes(out, "proxy_livez_total", m->livez);
}
