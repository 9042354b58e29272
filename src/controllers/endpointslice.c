/* Endpoint slices of Services with a selector. Source: sections 2.2 to 2.4 of the semantics. */
#include "base/ip.h"
#include "base/map.h"
#include "controllers/controller.h"
#include "controllers/controllers.h"
#include "controllers/hints.h"
#include "controllers/pods.h"
#include "controllers/services.h"
#include "controllers/slice-plan.h"

#define MANAGED_BY "endpointslice-controller.k8s.io"

static struct json *conditions_of(const struct json *service, const struct json *pod, struct arena *a)
{
    bool serving = pod_is_ready(pod), terminating = value_is_leaving(pod);
    struct json *v = json_object(a);
    value_set_bool(a, v, "ready", services_publishes_not_ready(service) || (serving && !terminating));
    value_set_bool(a, v, "serving", serving);
    value_set_bool(a, v, "terminating", terminating);
    return v;
}

/* The hostname that gives the pod a DNS name of its own under the headless Service. */
static struct str hostname_of(const struct json *service, const struct json *pod)
{
    struct str subdomain = json_string_at(pod, "spec", "subdomain");
    if (!str_eq(subdomain, json_string_at(service, "metadata", "name")))
        return STR("");
    return json_string_at(pod, "spec", "hostname");
}

static struct json *endpoint_of(const struct json *service, const struct json *pod, const struct json *node,
                                struct str address, struct arena *a)
{
    struct json *v = json_object(a), *addresses = json_array(a), *target = json_object(a);
    struct str hostname = hostname_of(service, pod), node_name = json_string_at(pod, "spec", "nodeName");
    struct str zone = value_label(node, "topology.kubernetes.io/zone");

    json_append(addresses, json_string(a, address));
    json_setz(v, "addresses", addresses);
    json_setz(v, "conditions", conditions_of(service, pod, a));
    if (hostname.len)
        value_set_str(a, v, "hostname", hostname);
    if (node_name.len)
        value_set_str(a, v, "nodeName", node_name);
    value_set_str(a, target, "kind", STR("Pod"));
    value_set_str(a, target, "name", json_string_at(pod, "metadata", "name"));
    value_set_str(a, target, "namespace", json_string_at(pod, "metadata", "namespace"));
    value_set_str(a, target, "uid", value_uid(pod));
    json_setz(v, "targetRef", target);
    if (zone.len)
        value_set_str(a, v, "zone", zone);
    return v;
}

/* The ports of the Service as this pod serves them. A named port that the pod does not have is left out. */
static struct json *ports_of(const struct json *service, const struct json *pod, struct arena *a)
{
    struct json *ports = json_array(a);
    json_foreach (json_path(service, "spec", "ports", NULL), port) {
        int64_t number = pod_target_port(pod, port);
        struct str protocol = json_string_at(port, "protocol"), app = json_string_at(port, "appProtocol");
        if (!number)
            continue;
        struct json *v = json_object(a);
        value_set_str(a, v, "name", json_string_at(port, "name"));
        value_set_str(a, v, "protocol", protocol.len ? protocol : STR("TCP"));
        value_set_int(a, v, "port", number);
        if (app.len)
            value_set_str(a, v, "appProtocol", app);
        json_append(ports, v);
    }
    return ports;
}

/* The Node of a pod, parsed once for all its pods; NULL if there is none. NODES is name -> Node. */
static struct json *node_of(struct sync *s, const struct json *pod, struct map *nodes)
{
    struct str name = json_string_at(pod, "spec", "nodeName");
    struct json *node = name.len ? map_find(nodes, name) : NULL;
    if (node || !name.len)
        return node;
    node = env_get(s->env, NODES, STR(""), name, s->arena);
    if (node)
        (void)map_put(nodes, name, node); /* replaces nothing */
    return node;
}

/* Groups the endpoints of one family. Pods whose Node is not known yet wait, unless readiness does not
 * matter. */
static void collect(struct sync *s, const struct json *service, struct objects pods, enum ip_family family,
                    slice_groups *groups)
{
    struct arena *a = s->arena;
    struct map nodes = {0};
    for (size_t i = 0; i < pods.n; i++) {
        const struct json *pod = pods.v[i], *node = node_of(s, pod, &nodes);
        struct str address = pod_ip(pod, family, a);

        if (!address.len || pod_is_terminal(pod))
            continue;
        if (json_string_at(pod, "spec", "nodeName").len && !node && !services_publishes_not_ready(service)) {
            sync_fail(s);
            continue;
        }
        struct slice_group *group = slice_group_for(groups, ports_of(service, pod, a), a);
        *array_push(&group->endpoints) = endpoint_of(service, pod, node, address, a);
    }
    map_done(&nodes, NULL);
}

static struct json *labels_of(const struct json *service, struct arena *a)
{
    struct json *have = json_path(service, "metadata", "labels", NULL);
    struct json *labels = json_is(have, JSON_OBJECT) ? json_copy(a, have) : json_object(a);
    if (services_is_headless(service))
        value_set_str(a, labels, SLICE_LABEL_HEADLESS, STR(""));
    else
        (void)json_unsetz(labels, SLICE_LABEL_HEADLESS); /* users cannot set it */
    value_set_str(a, labels, SLICE_LABEL_SERVICE, json_string_at(service, "metadata", "name"));
    value_set_str(a, labels, SLICE_LABEL_MANAGED_BY, STR(MANAGED_BY));
    return labels;
}

static struct str newer(struct str a, struct str b)
{
    return str_cmp(a, b) < 0 ? b : a; /* RFC 3339 in UTC sorts as text */
}

/* When what the slices do not show yet happened: the earliest pod transition behind their newest trigger
 * time, or the Service's creation. Consumers measure from it how long a change took to reach them. */
static struct str trigger_time(const struct json *service, struct objects pods, const struct objects *slices)
{
    struct str shown = STR(""), first = STR(""), newest = STR("");
    for (size_t i = 0; i < slices->n; i++)
        shown = newer(shown, value_annotation(slices->v[i], SLICE_TRIGGER_TIME));
    if (!slices->n)
        first = json_string_at(service, "metadata", "creationTimestamp");
    for (size_t i = 0; i < pods.n; i++) {
        const struct json *ready =
            value_condition(json_path(pods.v[i], "status", "conditions", NULL), STR("Ready"));
        struct str at = json_string_at(ready, "lastTransitionTime");
        newest = newer(newest, at);
        if (str_cmp(at, shown) > 0 && (!first.len || str_cmp(at, first) < 0))
            first = at;
    }
    return shown.len || !slices->n ? first : newest;
}

struct family_sync {
    const struct json *service;
    struct objects pods, slices; /* the slices are those that this controller manages */
    struct json *labels, *owner;
    struct str trigger;
    size_t max_per_slice;
};

static bool on_slice_written(struct sync *s, void *user, const struct client_result *result)
{
    const struct json *service = user;
    if (result->code && result->code != CLIENT_CONFLICT && result->code != CLIENT_NOT_FOUND)
        controller_event(s, SERVICES, service, EVENT_WARNING, "FailedToUpdateEndpointSlices",
                         "Error updating Endpoint Slices for Service %.*s: %.*s", STR_ARG(s->key),
                         STR_ARG(result->message));
    return false;
}

static void carry_out(struct sync *s, const struct slice_plan *plan, struct json *service)
{
    static const enum client_verb verbs[] = {
        [SLICE_CREATE] = CLIENT_CREATE, [SLICE_UPDATE] = CLIENT_UPDATE, [SLICE_DELETE] = CLIENT_DELETE};
    array_foreach (&plan->changes, change) {
        sync_write(s, &(struct sync_write){.verb = verbs[change->type],
                                           .resource = ENDPOINT_SLICES,
                                           .object = change->slice,
                                           .done = on_slice_written,
                                           .user = service});
    }
}

/* Says when topology mode begins to work, or why it does not; what stays as it was is not said again. */
static void tell_hints(struct sync *s, const struct json *service, const char *why_not,
                       struct json *const *existing, size_t n)
{
    bool had = false;
    for (size_t i = 0; i < n; i++)
        had = had || hints_are_in(existing[i]);
    if (why_not)
        controller_event(s, SERVICES, service, EVENT_WARNING, "TopologyAwareHintsDisabled", "%s", why_not);
    else if (!had)
        controller_event(s, SERVICES, service, EVENT_NORMAL, "TopologyAwareHintsEnabled",
                         "Topology Aware Hints has been enabled");
}

static void sync_family(struct sync *s, const struct family_sync *f, enum ip_family family,
                        struct slice_plan *plan)
{
    struct str type = str_of(ip_family_name(family));
    struct json **existing = arena_new_array(s->arena, struct json *, f->slices.n + 1);
    slice_groups groups = {0};
    size_t n = 0;

    for (size_t i = 0; i < f->slices.n; i++) {
        if (str_eq(json_string_at(f->slices.v[i], "addressType"), type))
            existing[n++] = f->slices.v[i];
    }
    collect(s, f->service, f->pods, family, &groups);
    const char *why_no_hints = hints_set(s, f->service, &groups);
    struct slice_plan_input input = {.arena = s->arena,
                                     .namespace = s->namespace,
                                     .name_prefix = s->name,
                                     .address_type = type,
                                     .owner = f->owner,
                                     .labels = f->labels,
                                     .trigger_time = f->trigger,
                                     .existing = existing,
                                     .n_existing = n,
                                     .groups = &groups,
                                     .max_per_slice = f->max_per_slice,
                                     .placeholder = true,
                                     .no_creates = value_is_leaving(f->service)};
    size_t n_before = plan->changes.n;
    slice_plan_make(&input, plan);
    if (hints_are_wanted(f->service) && plan->changes.n > n_before)
        tell_hints(s, f->service, why_no_hints, existing, n);
    slice_groups_done(&groups);
}

/* Slices of a family that the Service does not have any more. */
static void drop_other_families(const struct family_sync *f, const enum ip_family *families,
                                size_t n_families, struct slice_plan *plan)
{
    for (size_t i = 0; i < f->slices.n; i++) {
        struct str type = json_string_at(f->slices.v[i], "addressType");
        bool wanted = false;
        for (size_t k = 0; k < n_families; k++)
            wanted = wanted || str_eqz(type, ip_family_name(families[k]));
        if (!wanted)
            *array_push(&plan->changes) = (struct slice_change){SLICE_DELETE, f->slices.v[i]};
    }
}

static struct objects managed_slices(struct sync *s)
{
    struct str label = arena_format(s->arena, SLICE_LABEL_SERVICE "=%.*s", STR_ARG(s->name));
    struct objects all = env_with_label(s->env, ENDPOINT_SLICES, s->namespace, label, s->arena);
    struct objects mine = {all.v, 0};
    for (size_t i = 0; i < all.n; i++) {
        if (str_eq(value_label(all.v[i], SLICE_LABEL_MANAGED_BY), STR(MANAGED_BY)) &&
            !value_is_leaving(all.v[i]))
            mine.v[mine.n++] = all.v[i];
    }
    return mine;
}

static void sync_service(struct controller *c, struct sync *s)
{
    struct json *service = env_get(s->env, SERVICES, s->namespace, s->name, s->arena);
    enum ip_family families[2];
    struct slice_plan plan = {0};

    if (!service || !services_has_selector(service))
        return; /* slices of a Service that is gone follow their owner reference */
    struct family_sync f = {
        .service = service,
        .pods = env_selected(s->env, PODS, s->namespace, json_path(service, "spec", "selector", NULL),
                             SELECTOR_MAP, s->arena),
        .slices = managed_slices(s),
        .labels = labels_of(service, s->arena),
        .owner = owner_reference(s->arena, service, STR("v1"), STR("Service")),
        .max_per_slice = c->options->max_endpoints_per_slice,
    };
    f.trigger = trigger_time(service, f.pods, &f.slices);
    size_t n = services_families(service, families);
    drop_other_families(&f, families, n, &plan);
    for (size_t i = 0; i < n; i++)
        sync_family(s, &f, families[i], &plan);
    carry_out(s, &plan, service);
    array_done(&plan.changes);
}

static void slice_changed(struct controller *c, enum resource r, const struct informer_change *change)
{
    services_slice_changed(c, change, STR(MANAGED_BY));
}

/* Nodes matter by their existence and their zone, and, for hints, by readiness and size. */
static void node_changed(struct controller *c, enum resource r, const struct informer_change *change)
{
    if (change->before && change->after && !hints_node_differs(change->old_object, change->object))
        return;
    const struct item_table *services = informer_items(env_cache(c->env, SERVICES));
    item_table_foreach (services, e)
        reconciler_add(&c->reconciler, ((const struct informer_item *)e->value)->key);
}

static const struct controller_watch WATCHES[] = {
    {SERVICES, controller_add_itself},
    {PODS, services_pod_changed},
    {ENDPOINT_SLICES, slice_changed},
    {NODES, node_changed},
};

const struct controller_type endpointslice_controller = {
    .name = "endpoint-slice",
    .sync = sync_service,
    .watches = WATCHES,
    .n_watches = ARRAY_LEN(WATCHES),
    .base_ms = 1000,
    .max_ms = 1000000,
};
