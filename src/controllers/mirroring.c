/* Slices that mirror the Endpoints people write for Services without a selector. Source: section 2.6 of the
 * semantics; upstream's controller/endpointslicemirroring. */
#include "base/ip.h"
#include "controllers/controller.h"
#include "controllers/controllers.h"
#include "controllers/services.h"
#include "controllers/slice-plan.h"

#define MANAGED_BY  "endpointslicemirroring-controller.k8s.io"
#define SKIP_MIRROR "endpointslice.kubernetes.io/skip-mirror"
#define LEADER      "control-plane.alpha.kubernetes.io/leader"
#define LAST_CONFIG "kubectl.kubernetes.io/last-applied-configuration"

/* What was left out of the mirror. */
struct omitted {
    size_t invalid, too_many;
};

struct mirror {
    struct sync *sync;
    slice_groups groups[2]; /* IPv4, IPv6 */
    struct omitted omitted;
    size_t max_per_subset;
};

static struct json *endpoint_of(const struct json *address, struct str ip, bool ready, struct arena *a)
{
    static const char *const copied[] = {"hostname", "nodeName", "targetRef"};
    struct json *v = json_object(a), *addresses = json_array(a), *conditions = json_object(a);

    json_append(addresses, json_string(a, ip));
    json_setz(v, "addresses", addresses);
    value_set_bool(a, conditions, "ready", ready);
    json_setz(v, "conditions", conditions);
    for (size_t i = 0; i < ARRAY_LEN(copied); i++) {
        const struct json *member = json_getz(address, copied[i]);
        if (member)
            json_setz(v, copied[i], json_copy(a, member));
    }
    return v;
}

static struct json *ports_of(const struct json *subset, struct arena *a)
{
    struct json *ports = json_array(a);
    json_foreach (json_getz(subset, "ports"), port) {
        struct json *v = json_object(a);
        struct str protocol = json_string_at(port, "protocol"), app = json_string_at(port, "appProtocol");
        value_set_str(a, v, "name", json_string_at(port, "name"));
        value_set_str(a, v, "protocol", protocol.len ? protocol : STR("TCP"));
        value_set_int(a, v, "port", json_int_at(port, 0, "port"));
        if (app.len)
            value_set_str(a, v, "appProtocol", app);
        json_append(ports, v);
    }
    return ports;
}

static void add_addresses(struct mirror *m, const struct json *subset, const char *member, size_t *used)
{
    struct arena *a = m->sync->arena;
    bool ready = str_eqz(STR("addresses"), member);
    json_foreach (json_getz(subset, member), address) {
        struct ip ip;
        char buf[IP_TEXT_LEN];
        if (*used == m->max_per_subset) {
            m->omitted.too_many++;
            continue;
        }
        if (ip_parse_sloppy(json_string_at(address, "ip"), &ip) < 0) {
            m->omitted.invalid++;
            continue;
        }
        ++*used;
        struct slice_group *group = slice_group_for(&m->groups[ip.family == IP_V6], ports_of(subset, a), a);
        *array_push(&group->endpoints) =
            endpoint_of(address, arena_str(a, str_of(ip_format(&ip, buf))), ready, a);
    }
}

static bool is_mirrored(const struct json *endpoints, const struct json *service)
{
    const struct json *selector = json_path(service, "spec", "selector", NULL);
    if (!endpoints || !service || value_is_leaving(endpoints))
        return false;
    if (json_is(selector, JSON_OBJECT) && selector->n)
        return false;
    return !str_eq(value_label(endpoints, SKIP_MIRROR), STR("true")) &&
           !value_annotation(endpoints, LEADER).p;
}

static struct json *labels_of(const struct json *endpoints, struct str name, struct arena *a)
{
    struct json *have = json_path(endpoints, "metadata", "labels", NULL);
    struct json *labels = json_is(have, JSON_OBJECT) ? json_copy(a, have) : json_object(a);
    value_set_str(a, labels, SLICE_LABEL_SERVICE, name);
    value_set_str(a, labels, SLICE_LABEL_MANAGED_BY, STR(MANAGED_BY));
    return labels;
}

static struct json *annotations_of(const struct json *endpoints, struct arena *a)
{
    struct json *have = json_path(endpoints, "metadata", "annotations", NULL);
    struct json *copy = json_is(have, JSON_OBJECT) ? json_copy(a, have) : json_object(a);
    (void)json_unsetz(copy, SLICE_TRIGGER_TIME); /* absent is as good */
    (void)json_unsetz(copy, LAST_CONFIG);
    return copy;
}

static struct objects mirrored_slices(struct sync *s)
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

static void plan_family(struct mirror *m, const struct json *endpoints, struct objects slices,
                        enum ip_family family, struct slice_plan *plan)
{
    struct sync *s = m->sync;
    struct str type = str_of(ip_family_name(family));
    struct json **existing = arena_new_array(s->arena, struct json *, slices.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < slices.n; i++) {
        if (str_eq(json_string_at(slices.v[i], "addressType"), type))
            existing[n++] = slices.v[i];
    }
    struct slice_plan_input input = {.arena = s->arena,
                                     .namespace = s->namespace,
                                     .name_prefix = s->name,
                                     .address_type = type,
                                     .owner =
                                         owner_reference(s->arena, endpoints, STR("v1"), STR("Endpoints")),
                                     .labels = labels_of(endpoints, s->name, s->arena),
                                     .annotations = annotations_of(endpoints, s->arena),
                                     .trigger_time = value_annotation(endpoints, SLICE_TRIGGER_TIME),
                                     .existing = existing,
                                     .n_existing = n,
                                     .groups = &m->groups[family == IP_V6],
                                     .max_per_slice = m->max_per_subset};
    slice_plan_make(&input, plan);
}

static void tell_omissions(struct mirror *m, const struct json *endpoints)
{
    if (m->omitted.invalid)
        controller_event(m->sync, ENDPOINTS, endpoints, EVENT_WARNING, "InvalidIPAddress",
                         "Skipped %zu invalid IP addresses when mirroring to EndpointSlices",
                         m->omitted.invalid);
    if (m->omitted.too_many)
        controller_event(
            m->sync, ENDPOINTS, endpoints, EVENT_WARNING, "TooManyAddressesToMirror",
            "A max of %zu addresses can be mirrored to EndpointSlices per Endpoints subset. %zu addresses "
            "were skipped",
            m->max_per_subset, m->omitted.too_many);
}

static void carry_out(struct sync *s, const struct slice_plan *plan)
{
    static const enum client_verb verbs[] = {
        [SLICE_CREATE] = CLIENT_CREATE, [SLICE_UPDATE] = CLIENT_UPDATE, [SLICE_DELETE] = CLIENT_DELETE};
    array_foreach (&plan->changes, change)
        sync_write(s, &(struct sync_write){
                          .verb = verbs[change->type], .resource = ENDPOINT_SLICES, .object = change->slice});
}

static void sync_endpoints(struct controller *c, struct sync *s)
{
    struct json *endpoints = env_get(s->env, ENDPOINTS, s->namespace, s->name, s->arena);
    struct json *service = env_get(s->env, SERVICES, s->namespace, s->name, s->arena);
    struct objects slices = mirrored_slices(s);
    struct mirror m = {.sync = s, .max_per_subset = c->options->mirroring_max_endpoints_per_subset};
    struct slice_plan plan = {0};

    if (!is_mirrored(endpoints, service)) {
        for (size_t i = 0; i < slices.n; i++)
            *array_push(&plan.changes) = (struct slice_change){SLICE_DELETE, slices.v[i]};
    } else {
        json_foreach (json_getz(endpoints, "subsets"), subset) {
            size_t used = 0;
            add_addresses(&m, subset, "addresses", &used);
            add_addresses(&m, subset, "notReadyAddresses", &used);
        }
        plan_family(&m, endpoints, slices, IP_V4, &plan);
        plan_family(&m, endpoints, slices, IP_V6, &plan);
        if (plan.changes.n)
            tell_omissions(&m, endpoints);
    }
    carry_out(s, &plan);
    array_done(&plan.changes);
    slice_groups_done(&m.groups[0]);
    slice_groups_done(&m.groups[1]);
}

static void slice_changed(struct controller *c, enum resource r, const struct informer_change *change)
{
    services_slice_changed(c, change, STR(MANAGED_BY));
}

static const struct controller_watch WATCHES[] = {
    {ENDPOINTS, controller_add_itself},
    {SERVICES, controller_add_itself},
    {ENDPOINT_SLICES, slice_changed},
};

const struct controller_type mirroring_controller = {
    .name = "endpoint-slice-mirroring",
    .sync = sync_endpoints,
    .watches = WATCHES,
    .n_watches = ARRAY_LEN(WATCHES),
    .base_ms = 1000,
    .max_ms = 100000,
};
