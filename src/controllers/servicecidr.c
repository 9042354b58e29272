/* Service CIDRs: ready while they exist, and held until nothing needs them. Source: section 1.8 of the
 * semantics; upstream's controller/servicecidrs. */
#include "base/ip.h"
#include "controllers/controller.h"

#define FINALIZER    "networking.k8s.io/service-cidr-finalizer"
#define MANAGED_BY   "ipaddress.kubernetes.io/managed-by"
#define ALLOCATOR    "ipallocator.k8s.io"
#define MAX_PREFIXES 2
#define GRACE_MS     10000 /* allocators may not have heard of the deletion yet */

struct prefixes {
    struct ip_prefix v[MAX_PREFIXES];
    size_t n;
};

static struct prefixes prefixes_of(const struct json *cidr)
{
    struct prefixes p = {0};
    json_foreach (json_path(cidr, "spec", "cidrs", NULL), text) {
        if (p.n < MAX_PREFIXES && ip_prefix_parse_sloppy(json_str(text), &p.v[p.n]) == 0)
            p.n++;
    }
    return p;
}

static bool contains(const struct prefixes *p, const struct ip *ip)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->v[i].ip.family == ip->family && ip_prefix_contains(&p->v[i], ip))
            return true;
    }
    return false;
}

static bool has_finalizer(const struct json *cidr)
{
    json_foreach (json_path(cidr, "metadata", "finalizers", NULL), f) {
        if (str_eq(json_str(f), STR(FINALIZER)))
            return true;
    }
    return false;
}

/* Whether another CIDR that stays covers IP. */
static bool is_covered_by_another(struct sync *s, const struct ip *ip)
{
    size_t n;
    _cleanup_(mem_freep) struct informer_item **all =
        informer_items_sorted(env_cache(s->env, SERVICE_CIDRS), &n);
    for (size_t i = 0; i < n; i++) {
        const struct json *other = informer_item_parse(all[i], s->arena);
        struct prefixes p = prefixes_of(other);
        if (!str_eq(all[i]->key, s->key) && !value_is_leaving(other) && contains(&p, ip))
            return true;
    }
    return false;
}

static bool is_needed(struct sync *s, const struct json *cidr)
{
    struct prefixes p = prefixes_of(cidr);
    const struct item_table *addresses = informer_items(env_cache(s->env, IP_ADDRESSES));
    item_table_foreach (addresses, e) {
        const struct informer_item *item = e->value;
        struct ip ip;
        if (ip_parse_sloppy(item->name, &ip) < 0 || !contains(&p, &ip))
            continue;
        const struct json *address = informer_item_parse(item, s->arena);
        if (str_eq(value_label(address, MANAGED_BY), STR(ALLOCATOR)) && !is_covered_by_another(s, &ip))
            return true;
    }
    return false;
}

static void set_ready(struct sync *s, const struct json *cidr, const struct condition *condition)
{
    char now[WALLTIME_MAX_LEN];
    struct json *object = json_copy(s->arena, cidr);
    struct json *list =
        json_ensure_array(s->arena, json_ensure_object(s->arena, object, "status"), "conditions");
    if (value_set_condition(s->arena, list, condition, str_of(walltime_format(sync_now(s), now))))
        sync_write(s, &(struct sync_write){.verb = CLIENT_UPDATE,
                                           .resource = SERVICE_CIDRS,
                                           .object = object,
                                           .subresource = STR("status")});
}

/* A merge patch with the finalizers as given, if nobody has changed the object since. */
static void patch_finalizers(struct sync *s, const struct json *cidr, struct json *finalizers)
{
    struct json *patch = json_object(s->arena), *meta = json_object(s->arena);
    value_set_str(s->arena, meta, "resourceVersion", json_string_at(cidr, "metadata", "resourceVersion"));
    json_setz(meta, "finalizers", finalizers);
    json_setz(patch, "metadata", meta);
    sync_write(s, &(struct sync_write){
                      .verb = CLIENT_PATCH, .resource = SERVICE_CIDRS, .object = cidr, .body = patch});
}

static void add_finalizer(struct sync *s, const struct json *cidr)
{
    struct json *have = json_path(cidr, "metadata", "finalizers", NULL);
    struct json *list = json_is(have, JSON_ARRAY) ? json_copy(s->arena, have) : json_array(s->arena);
    json_append(list, json_string(s->arena, STR(FINALIZER)));
    patch_finalizers(s, cidr, list);
}

static void remove_finalizer(struct sync *s, const struct json *cidr)
{
    struct json *left = json_array(s->arena);
    json_foreach (json_path(cidr, "metadata", "finalizers", NULL), f) {
        if (!str_eq(json_str(f), STR(FINALIZER)))
            json_append(left, json_copy(s->arena, f));
    }
    patch_finalizers(s, cidr, left);
}

static void sync_leaving(struct sync *s, const struct json *cidr)
{
    struct walltime since;
    if (!has_finalizer(cidr))
        return;
    if (is_needed(s, cidr)) {
        set_ready(s, cidr,
                  &(struct condition){
                      STR("Ready"), STR("False"), STR("Terminating"),
                      STR("There are still IPAddresses referencing the ServiceCIDR, please remove them "
                          "or create a new ServiceCIDR")});
        return; /* the address that goes brings us back */
    }
    int64_t left_ms = 0;
    if (walltime_parse(json_string_at(cidr, "metadata", "deletionTimestamp"), &since) == 0)
        left_ms = GRACE_MS - (sync_now(s).ns - since.ns) / TIME_MS_NS;
    if (left_ms > 0)
        sync_again(s, left_ms + 1);
    else
        remove_finalizer(s, cidr);
}

static void sync_cidr(struct controller *c, struct sync *s)
{
    const struct json *cidr = env_get(s->env, SERVICE_CIDRS, STR(""), s->name, s->arena);
    if (!cidr)
        return;
    if (value_is_leaving(cidr))
        sync_leaving(s, cidr);
    else if (!has_finalizer(cidr))
        add_finalizer(s, cidr); /* its change brings the condition */
    else
        set_ready(s, cidr,
                  &(struct condition){STR("Ready"), STR("True"), STR("NetworkReady"),
                                      STR("Kubernetes Service CIDR is ready")});
}

/* Those being deleted wait for addresses to go and for others that cover theirs. */
static void add_leaving(struct controller *c)
{
    _cleanup_(arena_done) struct arena a = {0};
    const struct item_table *all = informer_items(env_cache(c->env, SERVICE_CIDRS));
    item_table_foreach (all, e) {
        const struct informer_item *item = e->value;
        if (value_is_leaving(informer_item_parse(item, &a)))
            reconciler_add(&c->reconciler, item->key);
    }
}

static void cidr_changed(struct controller *c, enum resource r, const struct informer_change *change)
{
    controller_add_itself(c, r, change);
    add_leaving(c);
}

static void address_changed(struct controller *c, enum resource r, const struct informer_change *change)
{
    if (!change->after)
        add_leaving(c);
}

static const struct controller_watch WATCHES[] = {
    {SERVICE_CIDRS, cidr_changed},
    {IP_ADDRESSES, address_changed},
};

const struct controller_type servicecidr_controller = {
    .name = "service-cidr",
    .sync = sync_cidr,
    .watches = WATCHES,
    .n_watches = ARRAY_LEN(WATCHES),
};
