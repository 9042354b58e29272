/* Endpoints of Services with a selector, for clients that do not read slices. Source: section 2.5 of the
 * semantics; upstream's controller/endpoint and api/v1/endpoints (repacking). */
#include <stdlib.h>

#include "controllers/controller.h"
#include "controllers/pods.h"
#include "controllers/services.h"
#include "controllers/slice-plan.h"

#define MANAGED_BY_LABEL "endpoints.kubernetes.io/managed-by"
#define MANAGED_BY       "endpoint-controller"
#define OVER_CAPACITY    "endpoints.kubernetes.io/over-capacity"
#define MAX_ADDRESSES    1000

struct address {
    struct json *json;
    bool ready;
};

/* One port number, and who serves it. */
struct port {
    struct json *json; /* NULL: the addresses of a Service without ports */
    struct str key;
    ARRAY_OF(struct address) addresses;
    struct str addresses_key;
    bool taken; /* is in a subset already */
};
typedef ARRAY_OF(struct port) port_list;

static struct json *address_of(const struct json *service, const struct json *pod, struct str ip,
                               struct arena *a)
{
    struct json *v = json_object(a), *target = json_object(a);
    struct str subdomain = json_string_at(pod, "spec", "subdomain"),
               host = json_string_at(pod, "spec", "hostname");
    struct str node = json_string_at(pod, "spec", "nodeName");

    value_set_str(a, v, "ip", ip);
    if (host.len && str_eq(subdomain, json_string_at(service, "metadata", "name")))
        value_set_str(a, v, "hostname", host);
    if (node.len)
        value_set_str(a, v, "nodeName", node);
    value_set_str(a, target, "kind", STR("Pod"));
    value_set_str(a, target, "namespace", json_string_at(pod, "metadata", "namespace"));
    value_set_str(a, target, "name", json_string_at(pod, "metadata", "name"));
    value_set_str(a, target, "uid", value_uid(pod));
    json_setz(v, "targetRef", target);
    return v;
}

static struct json *port_json(const struct json *service_port, int64_t number, struct arena *a)
{
    struct json *v = json_object(a);
    struct str name = json_string_at(service_port, "name"),
               protocol = json_string_at(service_port, "protocol");
    struct str app = json_string_at(service_port, "appProtocol");
    if (name.len)
        value_set_str(a, v, "name", name);
    value_set_int(a, v, "port", number);
    value_set_str(a, v, "protocol", protocol.len ? protocol : STR("TCP"));
    if (app.len)
        value_set_str(a, v, "appProtocol", app);
    return v;
}

static void add_address(port_list *ports, struct json *port, struct address address, struct arena *a)
{
    struct json *one = json_array(a);
    if (port)
        json_append(one, port);
    struct str key = slice_ports_key(one, a);
    array_foreach (ports, p) {
        if (str_eq(p->key, key)) {
            *array_push(&p->addresses) = address;
            return;
        }
    }
    struct port *p = array_push(ports);
    *p = (struct port){.json = port, .key = key};
    *array_push(&p->addresses) = address;
}

static void collect(struct sync *s, const struct json *service, port_list *ports)
{
    struct arena *a = s->arena;
    enum ip_family families[2];
    (void)services_families(service, families); /* the primary is all that Endpoints can say */
    const struct json *service_ports = json_path(service, "spec", "ports", NULL);
    struct objects pods = env_selected(s->env, PODS, s->namespace,
                                       json_path(service, "spec", "selector", NULL), SELECTOR_MAP, a);
    bool tolerate = services_publishes_not_ready(service);

    for (size_t i = 0; i < pods.n; i++) {
        const struct json *pod = pods.v[i];
        struct str ip = pod_ip(pod, families[0], a);
        if (!ip.len || pod_is_terminal(pod) || (value_is_leaving(pod) && !tolerate))
            continue;
        struct address address = {address_of(service, pod, ip, a), tolerate || pod_is_ready(pod)};
        if (!json_is(service_ports, JSON_ARRAY) || !service_ports->n) {
            add_address(ports, NULL, address, a);
            continue;
        }
        json_foreach (service_ports, port) {
            int64_t number = pod_target_port(pod, port);
            if (number)
                add_address(ports, port_json(port, number, a), address, a);
        }
    }
}

static int address_cmp(const void *x, const void *y)
{
    const struct address *a = x, *b = y;
    int by_ip = str_cmp(json_string_at(a->json, "ip"), json_string_at(b->json, "ip"));
    return by_ip ? by_ip
                 : str_cmp(json_string_at(a->json, "targetRef", "uid"),
                           json_string_at(b->json, "targetRef", "uid"));
}

static void sort_addresses(struct port *p, struct arena *a)
{
    _cleanup_(strbuf_done) struct strbuf key = {0};
    qsort(p->addresses.v, p->addresses.n, sizeof *p->addresses.v, address_cmp);
    array_foreach (&p->addresses, x)
        strbuf_addf(&key, "%.*s %.*s %d,", STR_ARG(json_string_at(x->json, "ip")),
                    STR_ARG(json_string_at(x->json, "targetRef", "uid")), x->ready);
    p->addresses_key = arena_str(a, strbuf_str(&key));
}

static int port_cmp(const void *x, const void *y)
{
    return str_cmp(((const struct port *)x)->key, ((const struct port *)y)->key);
}

static struct json *subset_of(const struct port *p, struct arena *a)
{
    struct json *subset = json_object(a), *ready = json_array(a), *unready = json_array(a);
    array_foreach (&p->addresses, x)
        json_append(x->ready ? ready : unready, json_copy(a, x->json));
    if (ready->n)
        json_setz(subset, "addresses", ready);
    if (unready->n)
        json_setz(subset, "notReadyAddresses", unready);
    if (p->json)
        json_setz(subset, "ports", json_array(a));
    return subset;
}

/* Ports with exactly the same addresses share a subset. */
static struct json *pack(port_list *ports, struct arena *a)
{
    struct json *subsets = json_array(a);
    array_foreach (ports, p)
        sort_addresses(p, a);
    array_sort(ports, port_cmp);
    array_foreach (ports, p) {
        if (p->taken)
            continue;
        struct json *subset = subset_of(p, a);
        for (struct port *q = p; q < ports->v + ports->n; q++) {
            if (!str_eq(q->addresses_key, p->addresses_key) || !q->json || !p->json)
                continue;
            q->taken = true;
            json_append(json_getz(subset, "ports"), json_copy(a, q->json));
        }
        json_append(subsets, subset);
    }
    return subsets;
}

static size_t count(const struct json *subsets, const char *member)
{
    size_t n = 0;
    json_foreach (subsets, subset) {
        const struct json *list = json_getz(subset, member);
        n += json_n(list);
    }
    return n;
}

/* Leaves MAX of the addresses, each subset its share. */
static void cut(struct json *subsets, const char *member, size_t max)
{
    size_t total = count(subsets, member), left = max;
    if (total <= max)
        return;
    json_foreach (subsets, subset) {
        struct json *list = json_getz(subset, member);
        if (!json_is(list, JSON_ARRAY))
            continue;
        size_t share = subset->next ? MIN(list->n * max / total, left) : MIN(list->n, left);
        left -= share;
        while (list->n > share)
            (void)json_remove_at(list, list->n - 1);
        if (!list->n)
            (void)json_unsetz(subset, member);
    }
}

/* Ready addresses come first. True if anything was left out. */
static bool cut_to_capacity(struct json *subsets)
{
    size_t ready = count(subsets, "addresses"), unready = count(subsets, "notReadyAddresses");
    if (ready + unready <= MAX_ADDRESSES)
        return false;
    cut(subsets, "addresses", MAX_ADDRESSES);
    cut(subsets, "notReadyAddresses", ready >= MAX_ADDRESSES ? 0 : MAX_ADDRESSES - ready);
    for (size_t i = subsets->n; i-- > 0;) {
        struct json *subset = json_at(subsets, i);
        if (!json_getz(subset, "addresses") && !json_getz(subset, "notReadyAddresses"))
            (void)json_remove_at(subsets, i);
    }
    return true;
}

static struct json *labels_of(const struct json *service, struct arena *a)
{
    struct json *have = json_path(service, "metadata", "labels", NULL);
    struct json *labels = json_is(have, JSON_OBJECT) ? json_copy(a, have) : json_object(a);
    if (services_is_headless(service))
        value_set_str(a, labels, SLICE_LABEL_HEADLESS, STR(""));
    else
        (void)json_unsetz(labels, SLICE_LABEL_HEADLESS); /* users cannot set it */
    value_set_str(a, labels, MANAGED_BY_LABEL, STR(MANAGED_BY));
    return labels;
}

static struct json *new_endpoints(struct sync *s)
{
    struct json *v = json_object(s->arena), *meta = json_object(s->arena);
    value_set_str(s->arena, v, "apiVersion", STR("v1"));
    value_set_str(s->arena, v, "kind", STR("Endpoints"));
    value_set_str(s->arena, meta, "namespace", s->namespace);
    value_set_str(s->arena, meta, "name", s->name);
    json_setz(v, "metadata", meta);
    return v;
}

/* What an Endpoints object is to hold. */
struct content {
    struct json *subsets, *labels;
    bool over_capacity;
};

static bool is_as_wanted(const struct json *have, const struct content *wanted)
{
    return have && value_same(json_getz(have, "subsets"), wanted->subsets) &&
           value_same(json_path(have, "metadata", "labels", NULL), wanted->labels) &&
           (value_annotation(have, OVER_CAPACITY).len > 0) == wanted->over_capacity;
}

struct writing {
    const struct json *service;
    const char *reason, *what; /* of the event if it fails */
};

static bool on_written(struct sync *s, void *user, const struct client_result *result)
{
    const struct writing *w = user;
    if (result->code && result->code != CLIENT_CONFLICT && result->code != CLIENT_NOT_FOUND)
        controller_event(s, SERVICES, w->service, EVENT_WARNING, w->reason,
                         "Failed to %s endpoint %.*s: %.*s", w->what, STR_ARG(s->key),
                         STR_ARG(result->message));
    return false;
}

static void write_endpoints(struct sync *s, const struct json *service, const struct json *have,
                            const struct content *wanted)
{
    struct json *v = have ? json_copy(s->arena, have) : new_endpoints(s);
    struct json *meta = json_getz(v, "metadata");
    json_setz(meta, "labels", wanted->labels);
    (void)json_unsetz(json_getz(meta, "annotations"), OVER_CAPACITY); /* absent is as good */
    if (wanted->over_capacity)
        value_set_str(s->arena, json_ensure_object(s->arena, meta, "annotations"), OVER_CAPACITY,
                      STR("truncated"));
    json_setz(v, "subsets", wanted->subsets);
    struct writing *w = arena_new(s->arena, struct writing);
    *w = (struct writing){service, have ? "FailedToUpdateEndpoint" : "FailedToCreateEndpoint",
                          have ? "update" : "create"};
    sync_write(s, &(struct sync_write){.verb = have ? CLIENT_UPDATE : CLIENT_CREATE,
                                       .resource = ENDPOINTS,
                                       .object = v,
                                       .done = on_written,
                                       .user = w});
}

static void sync_service(struct controller *c, struct sync *s)
{
    struct json *service = env_get(s->env, SERVICES, s->namespace, s->name, s->arena);
    struct json *have = env_get(s->env, ENDPOINTS, s->namespace, s->name, s->arena);
    port_list ports = {0};

    if (!service) {
        if (have && !value_is_leaving(have))
            sync_write(s, &(struct sync_write){.verb = CLIENT_DELETE, .resource = ENDPOINTS, .object = have});
        return;
    }
    if (!services_has_selector(service))
        return;
    collect(s, service, &ports);
    struct content wanted = {.subsets = pack(&ports, s->arena), .labels = labels_of(service, s->arena)};
    wanted.over_capacity = cut_to_capacity(wanted.subsets);
    if (!is_as_wanted(have, &wanted))
        write_endpoints(s, service, have, &wanted);
    array_foreach (&ports, p)
        array_done(&p->addresses);
    array_done(&ports);
}

/* Endpoints without a Service are somebody's preparation for one; only those of a Service matter. */
static void endpoints_changed(struct controller *c, enum resource r, const struct informer_change *change)
{
    struct str key = (change->after ? change->after : change->before)->key;
    bool ours = str_eq(value_label(change->object, MANAGED_BY_LABEL), STR(MANAGED_BY));
    if (ours || informer_find_key(env_cache(c->env, SERVICES), key))
        reconciler_add(&c->reconciler, key);
}

static const struct controller_watch WATCHES[] = {
    {SERVICES, controller_add_itself},
    {PODS, services_pod_changed},
    {ENDPOINTS, endpoints_changed},
};

const struct controller_type endpoints_controller = {
    .name = "endpoint",
    .sync = sync_service,
    .watches = WATCHES,
    .n_watches = ARRAY_LEN(WATCHES),
    .base_ms = 1000,
    .max_ms = 1000000,
};
