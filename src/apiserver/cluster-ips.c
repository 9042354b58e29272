#include "apiserver/cluster-ips.h"

#include "apiserver/cache.h"

struct range {
    struct ip_prefix prefix;
    struct ip first, last; /* what may be given out */
    uint64_t size;         /* addresses of the prefix; saturates */
};

#define CLUSTER_IPS_MAX_RANGES 64

struct ranges {
    struct range v[CLUSTER_IPS_MAX_RANGES];
    size_t n;
};

static struct range range_of(const struct ip_prefix *prefix)
{
    struct ip first = ip_prefix_first(prefix), last = ip_prefix_last(prefix);
    uint64_t size = ip_distance(&first, &last);
    struct range r = {*prefix, ip_add(&first, 1), last, size == UINT64_MAX ? size : size + 1};
    if (prefix->ip.family == IP_V4 && r.size > 2)
        r.last = ip_add(&first, r.size - 2); /* not the broadcast address */
    return r;
}

/* A ServiceCIDR takes no new addresses once it is being deleted or says it is not ready. */
static bool range_object_is_usable(const struct json *object)
{
    if (json_path(object, "metadata", "deletionTimestamp", NULL))
        return false;
    json_foreach (json_path(object, "status", "conditions", NULL), condition) {
        if (str_eqz(json_str(json_getz(condition, "type")), "Ready"))
            return !str_eqz(json_str(json_getz(condition, "status")), "False");
    }
    return true;
}

static void ranges_load(struct cluster_ips *s, struct arena *a, struct ranges *ret)
{
    ret->n = 0;
    struct cache_object *o = NULL;
    while ((o = cache_next(s->ranges->cache, STR(""), o ? cache_object_key(o) : STR_NONE))) {
        struct json *object;
        if (json_parse(a, cache_object_json(o), NULL, &object, NULL) < 0 || !range_object_is_usable(object))
            continue;
        json_foreach (json_path(object, "spec", "cidrs", NULL), cidr) {
            struct ip_prefix prefix;
            if (ret->n < CLUSTER_IPS_MAX_RANGES && ip_prefix_parse_sloppy(json_str(cidr), &prefix) == 0)
                ret->v[ret->n++] = range_of(&prefix);
        }
    }
}

struct str cluster_ips_ranges(struct cluster_ips *s, struct arena *a)
{
    struct ranges ranges;
    _cleanup_(strbuf_done) struct strbuf b = {0};
    ranges_load(s, a, &ranges);
    for (size_t i = 0; i < ranges.n; i++) {
        char text[IP_TEXT_LEN];
        strbuf_addf(&b, "%s%s", i ? "," : "", ip_prefix_format(&ranges.v[i].prefix, text));
    }
    return arena_str(a, strbuf_str(&b));
}

static bool cluster_ip_is_taken(struct cluster_ips *s, const struct ip *ip)
{
    char text[IP_TEXT_LEN];
    struct str name = str_of(ip_format(ip, text));
    return registry_get(s->addresses, STR_NONE, name) || map_has(&s->reserved, name);
}

/* The object that records the allocation. */
static struct json *cluster_ip_object(struct change *c, const struct ip *ip)
{
    struct arena *a = c->arena;
    char text[IP_TEXT_LEN];
    struct json *o = json_object(a), *metadata = json_object(a), *labels = json_object(a),
                *ref = json_object(a);
    json_setz(labels, "ipaddress.kubernetes.io/ip-family",
              json_string(a, str_of(ip_family_name(ip->family))));
    json_setz(labels, "ipaddress.kubernetes.io/managed-by", json_string(a, STR("ipallocator.k8s.io")));
    json_setz(metadata, "name", json_stringf(a, "%s", ip_format(ip, text)));
    json_setz(metadata, "labels", labels);
    json_setz(ref, "group", json_string(a, STR("")));
    json_setz(ref, "resource", json_string(a, STR("services")));
    json_setz(ref, "namespace", json_string(a, c->namespace));
    json_setz(ref, "name", json_string(a, c->name));
    json_setz(o, "apiVersion", json_string(a, STR("networking.k8s.io/v1")));
    json_setz(o, "kind", json_string(a, STR("IPAddress")));
    json_setz(o, "metadata", metadata);
    json_setz(json_ensure_object(a, o, "spec"), "parentRef", ref);
    return o;
}

static void cluster_ip_reserve(struct cluster_ips *s, struct change *c, const struct ip *ip)
{
    char text[IP_TEXT_LEN];
    if (c->dry_run)
        return;
    map_put(&s->reserved, str_of(ip_format(ip, text)), s);
    (void)change_create_also(c, s->addresses,
                             cluster_ip_object(c, ip)); /* two per Service: far below the limit */
}

int cluster_ips_take(struct cluster_ips *s, struct change *c, const struct ip *ip)
{
    struct ranges ranges;
    bool in_range = false;
    ranges_load(s, c->arena, &ranges);
    for (size_t i = 0; i < ranges.n; i++)
        in_range = in_range || (ranges.v[i].first.family == ip->family &&
                                ip_cmp(&ranges.v[i].first, ip) <= 0 && ip_cmp(ip, &ranges.v[i].last) <= 0);
    s->n_allocations[1]++;
    if (in_range && !cluster_ip_is_taken(s, ip)) {
        cluster_ip_reserve(s, c, ip);
        return 0;
    }
    s->n_errors[1]++;
    return in_range ? CLUSTER_IP_TAKEN : CLUSTER_IP_OUT_OF_RANGE;
}

/* The first free address of the N behind FROM, beginning at a random one. */
static bool cluster_ips_scan(struct cluster_ips *s, const struct ip *from, uint64_t n, struct random *random,
                             struct ip *ret)
{
    if (!n)
        return false;
    uint64_t start = random_below(random, n);
    for (uint64_t i = 0; i < n; i++) {
        struct ip ip = ip_add(from, start < n - i ? start + i : start - (n - i));
        if (!cluster_ip_is_taken(s, &ip)) {
            *ret = ip;
            return true;
        }
    }
    return false;
}

static bool range_pick(struct cluster_ips *s, const struct range *r, struct random *random, struct ip *ret)
{
    if (ip_cmp(&r->first, &r->last) > 0)
        return false;
    uint64_t usable = ip_distance(&r->first, &r->last);
    usable += usable != UINT64_MAX;
    uint64_t band = r->size <= 16 ? 0 : MIN(MAX(r->size / 16, (uint64_t)16), (uint64_t)256);
    band = MIN(band, usable);
    struct ip upper = ip_add(&r->first, band);
    return cluster_ips_scan(s, &upper, usable - band, random, ret) ||
           cluster_ips_scan(s, &r->first, band, random, ret);
}

int cluster_ips_pick(struct cluster_ips *s, struct change *c, enum ip_family family, struct ip *ret)
{
    struct ranges ranges;
    bool any = false;
    ranges_load(s, c->arena, &ranges);
    s->n_allocations[0]++;
    for (size_t i = 0; i < ranges.n; i++) {
        if (ranges.v[i].first.family != family)
            continue;
        any = true;
        if (c->dry_run) {
            *ret = ip_prefix_first(&ranges.v[i].prefix);
            return 0;
        }
        if (range_pick(s, &ranges.v[i], c->random, ret)) {
            cluster_ip_reserve(s, c, ret);
            return 0;
        }
    }
    s->n_errors[0]++;
    return any ? CLUSTER_IP_RANGE_FULL : CLUSTER_IP_NO_RANGE;
}

void cluster_ips_unreserve(struct cluster_ips *s, const struct ip *ip)
{
    char text[IP_TEXT_LEN];
    map_delete(&s->reserved, str_of(ip_format(ip, text)));
}

void cluster_ips_release(struct cluster_ips *s, struct change *c, struct str ip_text)
{
    struct ip ip;
    char text[IP_TEXT_LEN];
    if (ip_parse_sloppy(ip_text, &ip) == 0)
        (void)change_delete_also(c, s->addresses, STR_NONE,
                                 arena_str(c->arena, str_of(ip_format(&ip, text))));
}

void cluster_ips_metrics(struct cluster_ips *s, struct strbuf *out)
{
    static const char prefix[] = "kube_apiserver_clusterip_allocator";
    static const char *const scopes[] = {"dynamic", "static"};
    _cleanup_(arena_done) struct arena a = {0};
    struct ranges ranges;
    ranges_load(s, &a, &ranges);
    uint64_t n_allocated[CLUSTER_IPS_MAX_RANGES] = {0};
    struct cache_object *o = NULL;
    while ((o = cache_next(s->addresses->cache, STR(""), o ? cache_object_key(o) : STR_NONE))) {
        struct ip ip;
        if (ip_parse(cache_object_name(o), &ip) < 0)
            continue;
        for (size_t i = 0; i < ranges.n; i++)
            n_allocated[i] += ip_prefix_contains(&ranges.v[i].prefix, &ip);
    }
    strbuf_addf(out, "# TYPE %s_allocated_ips gauge\n# TYPE %s_available_ips gauge\n", prefix, prefix);
    for (size_t i = 0; i < ranges.n; i++) {
        char cidr[IP_TEXT_LEN];
        uint64_t usable = ip_distance(&ranges.v[i].first, &ranges.v[i].last);
        ip_prefix_format(&ranges.v[i].prefix, cidr);
        strbuf_addf(out, "%s_allocated_ips{cidr=\"%s\"} %lu\n", prefix, cidr, n_allocated[i]);
        strbuf_addf(out, "%s_available_ips{cidr=\"%s\"} %lu\n", prefix, cidr, usable + 1 - n_allocated[i]);
    }
    strbuf_addf(out, "# TYPE %s_allocation_total counter\n# TYPE %s_allocation_errors_total counter\n",
                prefix, prefix);
    for (int i = 0; i < 2; i++) {
        strbuf_addf(out, "%s_allocation_total{scope=\"%s\"} %lu\n", prefix, scopes[i], s->n_allocations[i]);
        strbuf_addf(out, "%s_allocation_errors_total{scope=\"%s\"} %lu\n", prefix, scopes[i], s->n_errors[i]);
    }
}
