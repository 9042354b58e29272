#include "controllers/hints.h"

#include "controllers/services.h"
#include "object/quantity.h"

#define ZONE_LABEL     "topology.kubernetes.io/zone"
#define MAX_ZONES      64
#define MAX_MILLICORES 1000000000 /* of one node: what is beyond is a mistake, and sums stay small */
#define OVERLOAD_NUM   12         /* a zone may carry 1.2 times its share */
#define OVERLOAD_DEN   10

/* One zone: its share of the processors, and of the endpoints. */
struct zone {
    struct str name;
    int64_t millicores;
    int64_t least; /* endpoints it needs so as not to be overloaded */
    int64_t count; /* endpoints given to it */
};

struct allocation {
    struct zone zones[MAX_ZONES];
    size_t n;
    int64_t total_millicores;
    int64_t n_endpoints;
    const char *why_not; /* NULL: hints can be given */
};

static bool is_ready_endpoint(const struct json *endpoint)
{
    return json_bool_at(endpoint, true, "conditions", "ready");
}

static void add_hint(struct arena *a, struct json *endpoint, const char *member, struct str name)
{
    struct json *entry = json_object(a);
    if (!name.len)
        return;
    value_set_str(a, entry, "name", name);
    json_append(json_ensure_array(a, json_ensure_object(a, endpoint, "hints"), member), entry);
}

static void hint_by_distribution(struct sync *s, struct str distribution, slice_groups *groups)
{
    array_foreach (groups, g) {
        array_foreach (&g->endpoints, e) {
            if (!is_ready_endpoint(*e))
                continue;
            add_hint(s->arena, *e, "forZones", json_string_at(*e, "zone"));
            if (str_eq(distribution, STR("PreferSameNode")))
                add_hint(s->arena, *e, "forNodes", json_string_at(*e, "nodeName"));
        }
    }
}

static struct zone *zone_named(struct allocation *all, struct str name)
{
    for (size_t i = 0; i < all->n; i++) {
        if (str_eq(all->zones[i].name, name))
            return &all->zones[i];
    }
    return NULL;
}

static bool node_counts(const struct json *node)
{
    const struct json *labels = json_path(node, "metadata", "labels", NULL);
    const struct json *ready = value_condition(json_path(node, "status", "conditions", NULL), STR("Ready"));
    return str_eq(json_string_at(ready, "status"), STR("True")) &&
           !json_getz(labels, "node-role.kubernetes.io/control-plane") &&
           !json_getz(labels, "node-role.kubernetes.io/master");
}

static int64_t millicores_of(const struct json *node)
{
    struct quantity cpu;
    const struct json *v = json_path(node, "status", "allocatable", "cpu", NULL);
    struct str text = json_str(v);
    if (json_is(v, JSON_INT))
        return json_int_or(v, 0) * 1000;
    if (quantity_parse(text, &cpu, NULL) < 0 || cpu.nano < 0)
        return 0;
    __int128 millicores = cpu.nano / 1000000;
    return millicores > MAX_MILLICORES ? MAX_MILLICORES : (int64_t)millicores;
}

static void add_node(struct allocation *all, const struct json *node)
{
    struct str name = value_label(node, ZONE_LABEL);
    int64_t millicores = millicores_of(node);

    if (!name.len || millicores <= 0) {
        all->why_not = "Nodes do not have zone information or CPU";
        return;
    }
    struct zone *zone = zone_named(all, name);
    if (!zone && all->n == MAX_ZONES) {
        all->why_not = "There are too many zones";
        return;
    }
    if (!zone) {
        zone = &all->zones[all->n++];
        *zone = (struct zone){.name = name};
    }
    zone->millicores += millicores;
    all->total_millicores += millicores;
}

static void read_nodes(struct sync *s, struct allocation *all)
{
    size_t n;
    _cleanup_(mem_freep) struct informer_item **nodes = informer_items_sorted(env_cache(s->env, NODES), &n);
    for (size_t i = 0; i < n && !all->why_not; i++) {
        const struct json *node = informer_item_parse(nodes[i], s->arena);
        if (node_counts(node))
            add_node(all, node);
    }
    if (!all->why_not && all->n < 2)
        all->why_not = "Nodes only ready in one zone";
}

/* Counts ready endpoints in their own zones, and says what each zone needs at least. */
static void count_endpoints(struct allocation *all, slice_groups *groups)
{
    array_foreach (groups, g) {
        array_foreach (&g->endpoints, e) {
            struct zone *zone = zone_named(all, json_string_at(*e, "zone"));
            if (!is_ready_endpoint(*e))
                continue;
            if (!zone) {
                all->why_not = "One or more endpoints do not have a zone specified";
                return;
            }
            zone->count++;
            all->n_endpoints++;
        }
    }
    if (all->n_endpoints < (int64_t)all->n) {
        all->why_not = "Insufficient number of endpoints";
        return;
    }
    int64_t needed = 0;
    for (size_t i = 0; i < all->n; i++) {
        struct zone *z = &all->zones[i];
        int64_t divisor = all->total_millicores * OVERLOAD_NUM;
        z->least = (z->millicores * all->n_endpoints * OVERLOAD_DEN + divisor - 1) / divisor;
        needed += z->least;
    }
    if (needed > all->n_endpoints)
        all->why_not = "The minimum allocation of endpoints to zones cannot be kept";
}

static struct zone *most_in_need(struct allocation *all)
{
    struct zone *worst = NULL;
    for (size_t i = 0; i < all->n; i++) {
        struct zone *z = &all->zones[i];
        if (z->count < z->least && (!worst || z->least - z->count > worst->least - worst->count))
            worst = z;
    }
    return worst;
}

static void hint_by_zone(struct sync *s, struct allocation *all, slice_groups *groups)
{
    array_foreach (groups, g) {
        array_foreach (&g->endpoints, e) {
            struct zone *own = zone_named(all, json_string_at(*e, "zone")), *needy;
            if (!is_ready_endpoint(*e))
                continue;
            if (own->count > own->least && (needy = most_in_need(all))) {
                own->count--;
                needy->count++;
                own = needy;
            }
            add_hint(s->arena, *e, "forZones", own->name);
        }
    }
}

bool hints_are_wanted(const struct json *service)
{
    struct str mode = value_annotation(service, "service.kubernetes.io/topology-mode");
    if (!mode.len)
        mode = value_annotation(service, "service.kubernetes.io/topology-aware-hints");
    return str_eq(mode, STR("Auto")) || str_eq(mode, STR("auto"));
}

bool hints_are_in(const struct json *slice)
{
    json_foreach (json_getz(slice, "endpoints"), e) {
        if (json_path(e, "hints", "forZones", NULL))
            return true;
    }
    return false;
}

const char *hints_set(struct sync *s, const struct json *service, slice_groups *groups)
{
    struct str distribution = json_string_at(service, "spec", "trafficDistribution");
    struct allocation *all = arena_new(s->arena, struct allocation);

    if (!hints_are_wanted(service)) {
        if (distribution.len)
            hint_by_distribution(s, distribution, groups);
        return NULL;
    }
    read_nodes(s, all);
    if (!all->why_not)
        count_endpoints(all, groups);
    if (!all->why_not)
        hint_by_zone(s, all, groups);
    return all->why_not;
}

bool hints_node_differs(const struct json *before, const struct json *after)
{
    return !str_eq(value_label(before, ZONE_LABEL), value_label(after, ZONE_LABEL)) ||
           node_counts(before) != node_counts(after) || millicores_of(before) != millicores_of(after);
}
