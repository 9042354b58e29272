/* Nodes: each gets a range of pod addresses of its own, a /24 of the cluster's IPv4 range, a /64 of its IPv6
 * range. Source: upstream's controller/nodeipam with the range allocator and its default mask sizes.
 *
 * One key stands for all Nodes: the frame syncs a key again only when the caches have seen what it wrote, so
 * a range is never given out twice. */
#include <stdio.h>

#include "base/ip.h"
#include "controllers/controller.h"
#include "controllers/controllers.h"

#define ALL_NODES      STR("all")
#define MASK_V4        24
#define MASK_V6        64
#define MAX_NODE_CIDRS 2

struct pool {
    struct ip_prefix range;
    uint32_t next, n_slots; /* slots are looked at once, in order */
    ARRAY_OF(struct ip_prefix) used;
};

static bool has_range(const struct json *node)
{
    const struct json *list = json_path(node, "spec", "podCIDRs", NULL);
    return (list && list->n) || json_string_at(node, "spec", "podCIDR").len;
}

static void pool_init(struct pool *pool, const struct ip_prefix *range)
{
    int mask = range->ip.family == IP_V4 ? MASK_V4 : MASK_V6;
    *pool = (struct pool){.range = *range};
    if (range->bits <= mask && mask - range->bits <= 16)
        pool->n_slots = UINT32_C(1) << (mask - range->bits);
}

static struct ip_prefix pool_slot(const struct pool *pool, uint32_t i)
{
    struct ip_prefix p = pool->range;
    p.bits = p.ip.family == IP_V4 ? MASK_V4 : MASK_V6;
    uint8_t *last = &p.ip.bytes[p.bits / 8 - 1];
    last[0] = (uint8_t)(last[0] | (i & 0xff));
    last[-1] = (uint8_t)(last[-1] | (i >> 8 & 0xff));
    return p;
}

static void pool_note_used(struct pool *pool, struct str text)
{
    struct ip_prefix p;
    if (ip_prefix_parse_sloppy(text, &p) == 0 && p.ip.family == pool->range.ip.family)
        *array_push(&pool->used) = p;
}

static bool pool_is_used(const struct pool *pool, const struct ip_prefix *p)
{
    array_foreach (&pool->used, used) {
        if (ip_prefix_overlaps(used, p))
            return true;
    }
    return false;
}

/* The next free range, or false when all are taken. */
static bool pool_take(struct pool *pool, struct ip_prefix *ret)
{
    while (pool->next < pool->n_slots) {
        struct ip_prefix p = pool_slot(pool, pool->next++);
        if (!pool_is_used(pool, &p)) {
            *ret = p;
            return true;
        }
    }
    return false;
}

static void note_used(struct pool *pools, size_t n_pools, const struct json *node)
{
    for (size_t i = 0; i < n_pools; i++) {
        pool_note_used(&pools[i], json_string_at(node, "spec", "podCIDR"));
        json_foreach (json_path(node, "spec", "podCIDRs", NULL), text)
            pool_note_used(&pools[i], json_str(text));
    }
}

/* A merge patch, refused if somebody has changed the Node since. */
static void assign(struct sync *s, struct pool *pools, size_t n_pools, const struct json *node)
{
    char text[IP_TEXT_LEN];
    struct json *patch = json_object(s->arena), *meta = json_object(s->arena), *spec = json_object(s->arena);
    struct json *list = json_array(s->arena);
    for (size_t i = 0; i < n_pools; i++) {
        struct ip_prefix range;
        if (!pool_take(&pools[i], &range)) {
            controller_event(s, NODES, node, EVENT_NORMAL, "CIDRNotAvailable",
                             "Node %.*s status is now: CIDRNotAvailable",
                             STR_ARG(json_string_at(node, "metadata", "name")));
            return; /* a Node that goes brings us back */
        }
        json_append(list,
                    json_string(s->arena, arena_format(s->arena, "%s", ip_prefix_format(&range, text))));
    }
    value_set_str(s->arena, meta, "resourceVersion", json_string_at(node, "metadata", "resourceVersion"));
    json_setz(spec, "podCIDR", json_copy(s->arena, json_at(list, 0)));
    json_setz(spec, "podCIDRs", list);
    json_setz(patch, "metadata", meta);
    json_setz(patch, "spec", spec);
    sync_write(s,
               &(struct sync_write){.verb = CLIENT_PATCH, .resource = NODES, .object = node, .body = patch});
}

static void sync_nodes(struct controller *c, struct sync *s)
{
    struct pool pools[MAX_NODE_CIDRS] = {0};
    size_t n_pools = c->options->n_pod_ranges, n;
    _cleanup_(mem_freep) struct informer_item **items = informer_items_sorted(env_cache(s->env, NODES), &n);
    ARRAY_OF(const struct json *) waiting = {0};
    for (size_t i = 0; i < n_pools; i++)
        pool_init(&pools[i], &c->options->pod_ranges[i]);
    for (size_t i = 0; i < n; i++) {
        const struct json *node = informer_item_parse(items[i], s->arena);
        if (has_range(node))
            note_used(pools, n_pools, node);
        else if (!value_is_leaving(node))
            *array_push(&waiting) = node;
    }
    array_foreach (&waiting, node)
        assign(s, pools, n_pools, *node);
    for (size_t i = 0; i < n_pools; i++)
        array_done(&pools[i].used);
    array_done(&waiting);
}

/* A Node without a range, or one that goes and leaves its range to others. */
static void node_changed(struct controller *c, enum resource r, const struct informer_change *change)
{
    if (c->options->n_pod_ranges && (!change->after || !has_range(change->object)))
        reconciler_add(&c->reconciler, ALL_NODES);
}

static const struct controller_watch WATCHES[] = {{NODES, node_changed}};

const struct controller_type nodes_controller = {
    .name = "node-ipam",
    .sync = sync_nodes,
    .watches = WATCHES,
    .n_watches = ARRAY_LEN(WATCHES),
};
