#include "controllers/slice-plan.h"

#include <stdlib.h>

#include "base/map.h"
#include "controllers/values.h"

/* One existing slice and what becomes of it. */
struct draft {
    struct json *slice;
    struct json *endpoints; /* that it will hold */
    bool changed, filled;
};

struct planner {
    const struct slice_plan_input *in;
    struct arena *a;
    struct slice_plan *plan;
    ARRAY_OF(struct json *) creates;
    ARRAY_OF(struct json *) deletes;
    ARRAY_OF(struct json *) updates;
};

static int text_cmp(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

struct str slice_ports_key(const struct json *ports, struct arena *a)
{
    _cleanup_(strbuf_done) struct strbuf out = {0};
    size_t n = 0;
    struct str *parts = arena_new_array(a, struct str, json_is(ports, JSON_ARRAY) ? ports->n + 1 : 1);

    json_foreach (ports, p) {
        struct str protocol = json_string_at(p, "protocol"), name = json_string_at(p, "name");
        struct str app = json_string_at(p, "appProtocol");
        parts[n++] = arena_format(a, "%.*s/%.*s/%lld/%.*s;", STR_ARG(name),
                                  STR_ARG(protocol.len ? protocol : STR("TCP")),
                                  (long long)json_int_at(p, -1, "port"), STR_ARG(app));
    }
    qsort(parts, n, sizeof *parts, text_cmp);
    for (size_t i = 0; i < n; i++)
        strbuf_add_str(&out, parts[i]);
    return arena_str(a, strbuf_str(&out));
}

struct slice_group *slice_group_for(slice_groups *groups, struct json *ports, struct arena *a)
{
    struct str key = slice_ports_key(ports, a);
    array_foreach (groups, g) {
        if (str_eq(g->key, key))
            return g;
    }
    struct slice_group *g = array_push(groups);
    *g = (struct slice_group){.ports = ports, .key = key};
    return g;
}

void slice_groups_done(slice_groups *groups)
{
    array_foreach (groups, g)
        array_done(&g->endpoints);
    array_done(groups);
}

/* Two endpoints with the same identity are one endpoint that may have changed. */
static struct str identity(const struct json *endpoint, struct arena *a)
{
    struct str address = json_str(json_at(json_getz(endpoint, "addresses"), 0));
    struct str host = json_string_at(endpoint, "hostname");
    struct str ns = json_string_at(endpoint, "targetRef", "namespace"),
               name = json_string_at(endpoint, "targetRef", "name");
    return arena_format(a, "%.*s|%.*s|%.*s/%.*s", STR_ARG(address), STR_ARG(host), STR_ARG(ns),
                        STR_ARG(name));
}

static struct json *new_slice(struct planner *p, struct json *ports)
{
    struct arena *a = p->a;
    struct json *slice = json_object(a), *meta = json_object(a), *owners = json_array(a);
    value_set_str(a, slice, "apiVersion", STR("discovery.k8s.io/v1"));
    value_set_str(a, slice, "kind", STR("EndpointSlice"));
    value_set_str(a, meta, "generateName", arena_format(a, "%.*s-", STR_ARG(p->in->name_prefix)));
    value_set_str(a, meta, "namespace", p->in->namespace);
    json_append(owners, json_copy(a, p->in->owner));
    json_setz(meta, "ownerReferences", owners);
    json_setz(slice, "metadata", meta);
    value_set_str(a, slice, "addressType", p->in->address_type);
    json_setz(slice, "endpoints", json_array(a));
    json_setz(slice, "ports", json_copy(a, ports));
    return slice;
}

/* Labels, annotations and trigger time of a slice about to be written. */
static void dress(struct planner *p, struct json *slice)
{
    struct json *meta = json_getz(slice, "metadata");
    json_setz(meta, "labels", json_copy(p->a, p->in->labels));
    if (p->in->annotations)
        json_setz(meta, "annotations", json_copy(p->a, p->in->annotations));
    if (p->in->trigger_time.len) {
        struct json *annotations = json_ensure_object(p->a, meta, "annotations");
        json_setz(annotations, SLICE_TRIGGER_TIME, json_string(p->a, p->in->trigger_time));
        return;
    }
    struct json *annotations = json_getz(meta, "annotations");
    if (json_unsetz(annotations, SLICE_TRIGGER_TIME) && !annotations->n)
        (void)json_unsetz(meta, "annotations"); /* it was there */
}

static bool annotations_differ(const struct planner *p, const struct json *slice)
{
    if (!p->in->annotations)
        return false;
    struct json *have = json_path(slice, "metadata", "annotations", NULL);
    struct json *copy = have ? json_copy(p->a, have) : NULL;
    (void)json_unsetz(copy, SLICE_TRIGGER_TIME); /* absent is as good */
    return !value_same(copy, p->in->annotations);
}

/* The slice keeps those of its endpoints that are wanted, as they are wanted now; they leave WANTED. */
static struct draft draft_of(struct planner *p, struct json *slice, struct map *wanted)
{
    struct draft d = {.slice = slice, .endpoints = json_array(p->a)};
    json_foreach (json_getz(slice, "endpoints"), old) {
        struct json *now = map_delete(wanted, identity(old, p->a));
        if (!now) {
            d.changed = true;
            p->plan->n_removed++;
            continue;
        }
        if (!value_same(old, now))
            d.changed = true;
        json_append(d.endpoints, json_copy(p->a, now));
    }
    d.filled = d.changed;
    if (!value_same(json_path(slice, "metadata", "labels", NULL), p->in->labels) ||
        annotations_differ(p, slice))
        d.changed = true;
    return d;
}

static size_t fill(struct planner *p, struct json *endpoints, struct json **left, size_t n_left)
{
    size_t n = 0;
    while (n < n_left && endpoints->n < p->in->max_per_slice)
        json_append(endpoints, json_copy(p->a, left[n++]));
    p->plan->n_added += n;
    return n;
}

static int fullest_first(const void *a, const void *b)
{
    const struct draft *x = a, *y = b;
    if (x->endpoints->n != y->endpoints->n)
        return x->endpoints->n < y->endpoints->n ? 1 : -1;
    return str_cmp(json_string_at(x->slice, "metadata", "name"),
                   json_string_at(y->slice, "metadata", "name"));
}

/* Of the slices that would stay as they are, the one that N more endpoints bring nearest to full. */
static struct draft *nearest_to_full(struct planner *p, struct draft *drafts, size_t n_drafts, size_t n)
{
    struct draft *best = NULL;
    for (size_t i = 0; i < n_drafts; i++) {
        struct draft *d = &drafts[i];
        if (d->filled || d->endpoints->n + n > p->in->max_per_slice)
            continue;
        if (!best || d->endpoints->n > best->endpoints->n)
            best = d;
    }
    return best;
}

static void place(struct planner *p, struct slice_group *group, struct draft *drafts, size_t n_drafts,
                  struct json **left, size_t n_left)
{
    size_t used = 0;
    for (size_t i = 0; i < n_drafts; i++) {
        if (drafts[i].filled)
            used += fill(p, drafts[i].endpoints, left + used, n_left - used);
    }
    struct draft *last = n_left - used && n_left - used < p->in->max_per_slice
                             ? nearest_to_full(p, drafts, n_drafts, n_left - used)
                             : NULL;
    if (last) {
        used += fill(p, last->endpoints, left + used, n_left - used);
        last->changed = last->filled = true;
    }
    while (used < n_left) {
        struct json *slice = new_slice(p, group->ports);
        used += fill(p, json_getz(slice, "endpoints"), left + used, n_left - used);
        *array_push(&p->creates) = slice;
    }
}

static void settle(struct planner *p, const struct draft *d)
{
    if (!d->endpoints->n) {
        *array_push(&p->deletes) = d->slice;
    } else if (d->changed) {
        struct json *slice = json_copy(p->a, d->slice);
        json_setz(slice, "endpoints", d->endpoints);
        *array_push(&p->updates) = slice;
    }
}

static void plan_group(struct planner *p, struct slice_group *group)
{
    struct map wanted = {0};
    struct draft *drafts = arena_new_array(p->a, struct draft, p->in->n_existing + 1);
    struct json **left = arena_new_array(p->a, struct json *, group->endpoints.n + 1);
    size_t n_drafts = 0, n_left = 0;

    array_foreach (&group->endpoints, e)
        (void)map_put(&wanted, identity(*e, p->a), *e); /* of twins the last counts */
    for (size_t i = 0; i < p->in->n_existing; i++) {
        if (str_eq(slice_ports_key(json_getz(p->in->existing[i], "ports"), p->a), group->key))
            drafts[n_drafts++] = draft_of(p, p->in->existing[i], &wanted);
    }
    qsort(drafts, n_drafts, sizeof *drafts, fullest_first);
    array_foreach (&group->endpoints, e) {
        struct json *endpoint = map_delete(&wanted, identity(*e, p->a));
        if (endpoint)
            left[n_left++] = endpoint;
    }
    place(p, group, drafts, n_drafts, left, n_left);
    for (size_t i = 0; i < n_drafts; i++)
        settle(p, &drafts[i]);
    map_done(&wanted, NULL);
}

static bool group_exists(const struct slice_plan_input *in, struct str key)
{
    array_foreach (in->groups, g) {
        if (str_eq(g->key, key) && g->endpoints.n)
            return true;
    }
    return false;
}

/* Slices with ports that nobody has any more go. */
static void drop_other_groups(struct planner *p)
{
    for (size_t i = 0; i < p->in->n_existing; i++) {
        struct json *slice = p->in->existing[i];
        if (group_exists(p->in, slice_ports_key(json_getz(slice, "ports"), p->a)))
            continue;
        const struct json *endpoints = json_getz(slice, "endpoints");
        p->plan->n_removed += json_n(endpoints);
        *array_push(&p->deletes) = slice;
    }
}

static bool is_placeholder(const struct json *slice)
{
    return value_same(json_getz(slice, "endpoints"), NULL) && value_same(json_getz(slice, "ports"), NULL);
}

/* A Service without endpoints keeps one empty slice: "none" is then something to read, not a silence. */
static void keep_placeholder(struct planner *p)
{
    bool others = p->creates.n || p->in->n_existing > p->deletes.n;
    if (!p->in->placeholder || others)
        return;
    for (size_t i = 0; i < p->deletes.n; i++) {
        struct json *slice = p->deletes.v[i];
        if (!is_placeholder(slice))
            continue;
        array_remove(&p->deletes, i);
        if (!value_same(json_path(slice, "metadata", "labels", NULL), p->in->labels))
            *array_push(&p->updates) = json_copy(p->a, slice);
        return;
    }
    *array_push(&p->creates) = new_slice(p, json_array(p->a));
}

/* A slice that would be deleted takes the content of one that would be created: one write less, and no
 * moment in which a consumer sees neither. */
static void recycle(struct planner *p)
{
    while (p->deletes.n && p->creates.n) {
        struct json *old = json_copy(p->a, p->deletes.v[--p->deletes.n]), *new = p->creates.v[--p->creates.n];
        json_setz(old, "endpoints", json_copy(p->a, json_getz(new, "endpoints")));
        json_setz(old, "ports", json_copy(p->a, json_getz(new, "ports")));
        *array_push(&p->updates) = old;
    }
}

void slice_plan_make(const struct slice_plan_input *input, struct slice_plan *plan)
{
    struct planner p = {.in = input, .a = input->arena, .plan = plan};

    array_foreach (input->groups, g) {
        if (g->endpoints.n)
            plan_group(&p, g);
    }
    drop_other_groups(&p);
    keep_placeholder(&p);
    recycle(&p);
    array_foreach (&p.creates, slice) {
        dress(&p, *slice);
        if (!input->no_creates)
            *array_push(&plan->changes) = (struct slice_change){SLICE_CREATE, *slice};
    }
    array_foreach (&p.updates, slice) {
        dress(&p, *slice);
        *array_push(&plan->changes) = (struct slice_change){SLICE_UPDATE, *slice};
    }
    array_foreach (&p.deletes, slice)
        *array_push(&plan->changes) = (struct slice_change){SLICE_DELETE, *slice};
    array_done(&p.creates);
    array_done(&p.updates);
    array_done(&p.deletes);
}
