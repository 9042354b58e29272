#include "controllers/services.h"

#include "object/selector.h"

bool services_has_selector(const struct json *service)
{
    const struct json *selector = json_path(service, "spec", "selector", NULL);
    return json_is(selector, JSON_OBJECT) && selector->n &&
           !str_eq(json_string_at(service, "spec", "type"), STR("ExternalName"));
}

bool services_is_headless(const struct json *service)
{
    return str_eq(json_string_at(service, "spec", "clusterIP"), STR("None"));
}

bool services_publishes_not_ready(const struct json *service)
{
    return json_bool_at(service, false, "spec", "publishNotReadyAddresses");
}

size_t services_families(const struct json *service, enum ip_family ret[static 2])
{
    size_t n = 0;
    json_foreach (json_path(service, "spec", "ipFamilies", NULL), family) {
        if (n < 2)
            ret[n++] = str_eq(json_str(family), STR("IPv6")) ? IP_V6 : IP_V4;
    }
    if (n)
        return n;
    /* Stored by something older than families: what its address says. */
    struct ip ip;
    bool v6 = ip_parse_sloppy(json_string_at(service, "spec", "clusterIP"), &ip) == 0 && ip.family == IP_V6;
    ret[0] = v6 ? IP_V6 : IP_V4;
    return 1;
}

static void add_if_selecting(struct controller *c, const struct informer_item *item,
                             const struct json *labels)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct label_selector selector;
    const struct json *service = informer_item_parse(item, &a);
    label_selector_from_map(&a, json_path(service, "spec", "selector", NULL), &selector);
    if (label_selector_matches(&selector, labels))
        reconciler_add(&c->reconciler, item->key);
}

void services_add_selecting(struct controller *c, const struct json *pod)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct informer_index_keys keys = {.arena = &a};
    if (!pod)
        return;
    informer_index_labels(pod, &keys);
    array_foreach (&keys.keys, key) {
        struct informer_bucket bucket =
            informer_find_indexed(env_cache(c->env, SERVICES), INDEX_LABELS, *key);
        for (size_t i = 0; i < bucket.n; i++)
            add_if_selecting(c, bucket.v[i], json_path(pod, "metadata", "labels", NULL));
    }
    array_done(&keys.keys);
}
