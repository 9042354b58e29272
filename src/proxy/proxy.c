#include "proxy/proxy.h"

#include <errno.h>

#include "base/log.h"
#include "watch/informer.h"

enum { WATCH_SERVICES, WATCH_SLICES, WATCH_NODE, WATCH_SERVICE_CIDRS, N_WATCHES };

#define PROXY_NODE_WAIT_MS 30000
#define PROXY_RETRY_MIN_MS 1000
#define PROXY_MAX_TRIGGERS 1024
#define TRIGGER_ANNOTATION "endpoints.kubernetes.io/last-change-trigger-time"

struct proxy {
    struct proxy_config config;
    struct informer *informers[N_WATCHES];
    struct decide *decide;
    struct datapath *datapath;
    struct task sync;
    struct timer retry, repair, node_wait;
    int64_t retry_ms;
    bool node_waited, node_known, node_eligible, is_started, synced_once;
    bool pending; /* a change is not yet in the kernel */
    struct monotime pending_since, apply_started;
    struct walltime last_updated, started;
    struct walltime triggers[PROXY_MAX_TRIGGERS]; /* change times of slices not yet applied */
    size_t n_triggers;
    struct proxy_metrics metrics;
};

static const struct client_resource proxy_resources[N_WATCHES] = {
    [WATCH_SERVICES] = {STR_INIT(""), STR_INIT("v1"), STR_INIT("services"), STR_INIT("Service")},
    [WATCH_SLICES] = {STR_INIT("discovery.k8s.io"), STR_INIT("v1"), STR_INIT("endpointslices"),
                      STR_INIT("EndpointSlice")},
    [WATCH_NODE] = {STR_INIT(""), STR_INIT("v1"), STR_INIT("nodes"), STR_INIT("Node")},
    [WATCH_SERVICE_CIDRS] = {STR_INIT("networking.k8s.io"), STR_INIT("v1"), STR_INIT("servicecidrs"),
                             STR_INIT("ServiceCIDR")},
};

static void proxy_mark(struct proxy *p)
{
    if (!p->pending) {
        p->pending = true;
        p->pending_since = loop_now(p->config.loop);
    }
    p->metrics.last_queued_s = (double)loop_wall_now(p->config.loop).ns / TIME_S_NS;
    task_post(p->config.loop, &p->sync);
}

static void proxy_log_omissions(const char *kind, const struct informer_change *change, struct omissions *o)
{
    if (o->n)
        log_warn_limited("%s %.*s: left out %s; the rest of it is served, correct the object", kind,
                         STR_ARG(change->after->key), strbuf_cstr(&o->text));
    omissions_done(o);
}

static void proxy_service_changed(void *user, struct informer *informer, const struct informer_change *change)
{
    struct proxy *p = user;
    struct omissions omissions = {0};
    struct service *service = NULL;
    struct err err = {0};
    p->metrics.service_changes++;
    p->metrics.service_pending++;
    if (change->after && service_parse(change->object, &omissions, &service, &err) == 0) {
        decide_set_service(p->decide, service);
        proxy_log_omissions("Service", change, &omissions);
    } else {
        const struct informer_item *item = change->after ? change->after : change->before;
        if (change->after)
            log_warn_limited("Service %.*s is not served: %s; correct the object", STR_ARG(item->key),
                             err.text);
        omissions_done(&omissions);
        decide_remove_service(p->decide, item->namespace, item->name);
    }
    proxy_mark(p);
}

/* Remembers when the change behind a slice happened, for network_programming_duration. */
static void proxy_note_trigger(struct proxy *p, const struct json *slice)
{
    struct walltime t;
    struct str text = json_string_at(slice, "metadata", "annotations", TRIGGER_ANNOTATION);
    if (walltime_parse(text, &t) == 0 && t.ns >= p->started.ns && p->n_triggers < PROXY_MAX_TRIGGERS)
        p->triggers[p->n_triggers++] = t;
}

static void proxy_slice_changed(void *user, struct informer *informer, const struct informer_change *change)
{
    struct proxy *p = user;
    struct omissions omissions = {0};
    struct endpointslice *slice = NULL;
    struct err err = {0};
    p->metrics.endpoint_changes++;
    p->metrics.endpoint_pending++;
    if (change->after && endpointslice_parse(change->object, &omissions, &slice, &err) == 0) {
        decide_set_slice(p->decide, slice);
        proxy_note_trigger(p, change->object);
        proxy_log_omissions("EndpointSlice", change, &omissions);
    } else {
        const struct informer_item *item = change->after ? change->after : change->before;
        if (change->after)
            log_warn_limited("EndpointSlice %.*s is ignored: %s; correct the object", STR_ARG(item->key),
                             err.text);
        omissions_done(&omissions);
        decide_remove_slice(p->decide, item->namespace, item->name);
    }
    proxy_mark(p);
}

static void proxy_node_changed(void *user, struct informer *informer, const struct informer_change *change)
{
    struct proxy *p = user;
    struct node *node = NULL;
    struct err err = {0};
    if (!change->after) {
        p->node_eligible = false;
        log_warn("Node %s is gone from the API; its last addresses and zone stay in use",
                 p->config.decide.node_name);
        return;
    }
    struct omissions omissions = {0};
    if (node_parse(change->object, &omissions, &node, &err) < 0) {
        log_warn_limited("Node %s is not readable: %s; what was known of it stays in use",
                         p->config.decide.node_name, err.text);
        omissions_done(&omissions);
        return;
    }
    proxy_log_omissions("Node", change, &omissions);
    p->node_eligible = node->eligible;
    p->node_known = p->node_known || node->ips[0].family != IP_NONE || node->ips[1].family != IP_NONE;
    decide_set_node(p->decide, node);
    proxy_mark(p);
}

static void proxy_service_cidrs_changed(void *user, struct informer *informer,
                                        const struct informer_change *change)
{
    struct proxy *p = user;
    struct ip_prefix cidrs[SERVICE_MAX_CIDRS];
    size_t n = 0, n_items = 0;
    _cleanup_(arena_done) struct arena a = {0};
    struct informer_item **items = informer_items_sorted(informer, &n_items);
    for (size_t i = 0; i < n_items; i++) {
        struct json *object = informer_item_parse(items[i], &a);
        json_foreach (json_path(object, "spec", "cidrs", NULL), cidr) {
            if (n < SERVICE_MAX_CIDRS && ip_prefix_parse_sloppy(json_str(cidr), &cidrs[n]) == 0)
                n++;
        }
    }
    free(items);
    decide_set_service_cidrs(p->decide, cidrs, n);
    proxy_mark(p);
}

static void proxy_list_complete(void *user, struct informer *informer)
{
    proxy_mark(user);
}

static bool proxy_knows_enough(const struct proxy *p)
{
    return informer_are_synced(p->informers, WATCH_NODE) && (p->node_known || p->node_waited);
}

static void proxy_observe_programming(struct proxy *p)
{
    struct walltime now = loop_wall_now(p->config.loop);
    for (size_t i = 0; i < p->n_triggers; i++)
        histogram_observe(&p->metrics.programming, (double)(now.ns - p->triggers[i].ns) / TIME_S_NS);
    p->n_triggers = 0;
}

/* Everything known is in the kernel. */
static void proxy_settled(struct proxy *p)
{
    p->pending = false;
    p->retry_ms = 0;
    p->last_updated = loop_wall_now(p->config.loop);
    p->metrics.last_sync_s = (double)p->last_updated.ns / TIME_S_NS;
    proxy_observe_programming(p);
    if (p->synced_once)
        return;
    p->synced_once = true;
    if (p->config.first_sync)
        p->config.first_sync(p->config.user);
}

static void proxy_applied(void *user, int result, const struct err *err)
{
    struct proxy *p = user;
    struct monotime now = loop_now(p->config.loop);
    histogram_observe(&p->metrics.sync, (double)(now.ns - p->apply_started.ns) / TIME_S_NS);
    if (result < 0) {
        p->retry_ms = p->retry_ms ? MIN(p->retry_ms * 2, p->config.sync_period_ms) : PROXY_RETRY_MIN_MS;
        log_error("%s rules were not changed: %s; the previous ones stay, next try in %ld ms", p->config.mode,
                  err->text, p->retry_ms);
        timer_arm_ms(&p->retry, p->retry_ms);
        return;
    }
    if (decide_is_dirty(p->decide)) {
        task_post(p->config.loop, &p->sync);
        return;
    }
    proxy_settled(p);
}

static void proxy_sync(struct task *task, void *user)
{
    struct proxy *p = user;
    if (!proxy_knows_enough(p) || datapath_is_applying(p->datapath) || timer_is_armed(&p->retry))
        return; /* each of these calls again when it ends */
    struct omissions omissions = {0};
    _cleanup_(forwarding_state_unrefp) struct forwarding_state *state = decide_run(p->decide, &omissions);
    if (omissions.n)
        log_warn_limited("not programmed: %s", strbuf_cstr(&omissions.text));
    omissions_done(&omissions);
    p->metrics.service_pending = p->metrics.endpoint_pending = 0;
    if (state == datapath_applied(p->datapath)) {
        proxy_settled(p);
        return;
    }
    p->apply_started = loop_now(p->config.loop);
    datapath_apply(p->datapath, state, (struct datapath_callback){proxy_applied, p});
}

static void proxy_retry(struct timer *timer, void *user)
{
    struct proxy *p = user;
    task_post(p->config.loop, &p->sync);
}

static void proxy_node_waited(struct timer *timer, void *user)
{
    struct proxy *p = user;
    p->node_waited = true;
    if (p->node_known)
        return;
    log_warn("Node %s has no address in the API yet; going on without it: is --hostname-override right?",
             p->config.decide.node_name);
    proxy_mark(p);
}

static void proxy_repaired(void *user, int result, const struct err *err)
{
    struct proxy *p = user;
    if (result == DATAPATH_REPAIRED)
        log_warn("%s rules had been changed by someone else and are repaired; look for another program that "
                 "flushes them",
                 p->config.mode);
    if (result < 0)
        log_error("cannot read %s rules back: %s; next try in %ld ms", p->config.mode, err->text,
                  p->config.sync_period_ms);
    if (p->pending)
        task_post(p->config.loop, &p->sync);
}

static void proxy_repair(struct timer *timer, void *user)
{
    struct proxy *p = user;
    timer_arm_ms(&p->repair, p->config.sync_period_ms);
    if (!datapath_is_applying(p->datapath) && datapath_applied(p->datapath))
        datapath_repair(p->datapath, (struct datapath_callback){proxy_repaired, p});
}

static struct informer *proxy_watch(struct proxy *p, int which, const struct informer_handler *handler)
{
    _cleanup_(strbuf_done) struct strbuf own_node = {0};
    strbuf_addf(&own_node, "metadata.name=%s", p->config.decide.node_name);
    struct informer_config config = {
        .client = p->config.client,
        .loop = p->config.loop,
        .random = p->config.random,
        .resource = &proxy_resources[which],
    };
    if (which == WATCH_SERVICES) {
        config.label_selector = STR("!service.kubernetes.io/service-proxy-name");
        config.field_selector = STR("spec.clusterIP!=None");
    } else if (which == WATCH_SLICES) {
        config.label_selector =
            STR("!service.kubernetes.io/headless,!service.kubernetes.io/service-proxy-name");
    } else if (which == WATCH_NODE) {
        config.field_selector = strbuf_str(&own_node);
    }
    struct informer *informer = informer_new(&config);
    informer_add_handler(informer, handler, p);
    return informer;
}

struct proxy *proxy_new(const struct proxy_config *config, struct err *err)
{
    static const struct informer_handler handlers[N_WATCHES] = {
        [WATCH_SERVICES] = {proxy_service_changed, proxy_list_complete},
        [WATCH_SLICES] = {proxy_slice_changed, proxy_list_complete},
        [WATCH_NODE] = {proxy_node_changed, NULL},
        [WATCH_SERVICE_CIDRS] = {proxy_service_cidrs_changed, NULL},
    };
    struct proxy *p = mem_new(struct proxy);
    p->config = *config;
    proxy_metrics_init(&p->metrics);
    if (datapath_open(config->mode, &p->config.datapath, &p->datapath, err) < 0) {
        free(p);
        return NULL;
    }
    p->decide = decide_new(&config->decide);
    p->started = p->last_updated = loop_wall_now(config->loop);
    p->node_eligible = true; /* until the API says otherwise: starting is healthy */
    task_init(&p->sync, proxy_sync, p);
    timer_init(&p->retry, config->loop, "proxy retry", proxy_retry, p);
    timer_init(&p->repair, config->loop, "proxy repair", proxy_repair, p);
    timer_init(&p->node_wait, config->loop, "proxy node wait", proxy_node_waited, p);
    for (int i = 0; i < N_WATCHES; i++)
        p->informers[i] = proxy_watch(p, i, &handlers[i]);
    return p;
}

void proxy_start(struct proxy *p)
{
    p->is_started = true;
    for (int i = 0; i < N_WATCHES; i++)
        informer_start(p->informers[i]);
    timer_arm_ms(&p->node_wait, PROXY_NODE_WAIT_MS);
    if (!datapath_capabilities(p->datapath)->notices_drift)
        timer_arm_ms(&p->repair, p->config.sync_period_ms);
}

void proxy_free(struct proxy *p)
{
    if (!p)
        return;
    timer_disarm(&p->retry);
    timer_disarm(&p->repair);
    timer_disarm(&p->node_wait);
    task_cancel(&p->sync);
    for (int i = 0; i < N_WATCHES; i++)
        informer_free(p->informers[i]);
    datapath_close(p->datapath);
    decide_free(p->decide);
    free(p);
}

struct datapath *proxy_datapath(struct proxy *p)
{
    return p->datapath;
}

bool proxy_is_settled(const struct proxy *p)
{
    return p->synced_once && !p->pending && !datapath_is_applying(p->datapath);
}

struct proxy_health proxy_health(const struct proxy *p)
{
    struct monotime now = loop_now(p->config.loop);
    struct proxy_health h = {.now = loop_wall_now(p->config.loop), .node_eligible = p->node_eligible};
    h.healthy = !p->pending || !proxy_knows_enough(p) ||
                monotime_since_ms(now, p->pending_since) < 2 * p->config.sync_period_ms;
    h.last_updated = h.healthy ? h.now : p->last_updated;
    return h;
}

struct proxy_metrics *proxy_metrics(struct proxy *p)
{
    return &p->metrics;
}

void proxy_write_metrics(const struct proxy *p, struct strbuf *out)
{
    struct proxy_metrics_context context = {
        p->config.mode,
        {p->config.datapath.families[0], p->config.datapath.families[1]},
        datapath_stats(p->datapath),
    };
    proxy_metrics_write(&p->metrics, &context, out);
}

const char *proxy_mode(const struct proxy *p)
{
    return p->config.mode;
}

bool proxy_has_family(const struct proxy *p, enum ip_family family)
{
    return p->config.datapath.families[family_index(family)];
}
