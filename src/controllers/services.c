#include "controllers/services.h"

#include "controllers/pods.h"
#include "controllers/slice-plan.h"
#include "controllers/values.h"

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

static void add_key(void *user, struct str key)
{
    struct controller *c = user;
    reconciler_add(&c->reconciler, key);
}

void services_pod_changed(struct controller *c, enum resource r, const struct informer_change *change)
{
    if (change->before && change->after && !pod_endpoints_differ(change->old_object, change->object))
        return;
    env_find_selecting(c->env, SERVICES, change->object, add_key, c);
    if (change->old_object != change->object)
        env_find_selecting(c->env, SERVICES, change->old_object, add_key, c);
}

static void add_of_slice(struct controller *c, const struct json *slice, struct str manager)
{
    if (str_eq(value_label(slice, SLICE_LABEL_MANAGED_BY), manager))
        reconciler_add_name(&c->reconciler, json_string_at(slice, "metadata", "namespace"),
                            value_label(slice, SLICE_LABEL_SERVICE));
}

void services_slice_changed(struct controller *c, const struct informer_change *change, struct str manager)
{
    add_of_slice(c, change->object, manager);
    if (change->old_object != change->object)
        add_of_slice(c, change->old_object, manager);
}
