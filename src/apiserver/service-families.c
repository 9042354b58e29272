/* Which IP families a Service gets. The steps are those of section 1.6 of the semantics, in its order. */
#include "apiserver/service-fields.h"

#define POLICY_SINGLE  "SingleStack"
#define POLICY_PREFER  "PreferDualStack"
#define POLICY_REQUIRE "RequireDualStack"

struct decision {
    struct arena *arena;
    struct json *service, *spec;
    const struct json *old; /* NULL: creation */
    const struct service_families *cluster;
    struct field_errors *errors;
    const struct field_path *path; /* spec */
    struct str policy;
};

static enum ip_family family_of_name(struct str name)
{
    return str_eqz(name, "IPv4") ? IP_V4 : str_eqz(name, "IPv6") ? IP_V6 : IP_NONE;
}

static enum ip_family family_of_ip(struct str text)
{
    struct ip ip;
    return ip_parse_sloppy(text, &ip) == 0 ? ip.family : IP_NONE;
}

static bool family_is_configured(const struct service_families *cluster, enum ip_family family)
{
    return (cluster->n > 0 && cluster->v[0] == family) || (cluster->n > 1 && cluster->v[1] == family);
}

struct service_families service_families(const struct json *service)
{
    struct service_families f = {0};
    json_foreach (json_path(service, "spec", "ipFamilies", NULL), v) {
        if (f.n < 2)
            f.v[f.n++] = family_of_name(json_str(v));
    }
    return f;
}

static void families_append(struct decision *d, enum ip_family family)
{
    json_append(json_ensure_array(d->arena, d->spec, "ipFamilies"),
                json_string(d->arena, str_of(ip_family_name(family))));
}

static enum ip_family other_family(enum ip_family family)
{
    return family == IP_V4 ? IP_V6 : IP_V4;
}

/* Both PreferDualStack and nothing that matters changed: a cluster that became dual-stack changes no Service
 * by itself. */
static bool families_stay(const struct json *service, const struct json *old)
{
    return old && str_eqz(json_string_at(service, "spec", "ipFamilyPolicy"), POLICY_PREFER) &&
           str_eqz(json_string_at(old, "spec", "ipFamilyPolicy"), POLICY_PREFER) &&
           str_eq(service_type(service), service_type(old)) &&
           service_lists_equal(json_path(service, "spec", "clusterIPs", NULL),
                               json_path(old, "spec", "clusterIPs", NULL)) &&
           service_lists_equal(json_path(service, "spec", "ipFamilies", NULL),
                               json_path(old, "spec", "ipFamilies", NULL));
}

/* Step 1. */
static void decide_policy(struct decision *d)
{
    struct str policy = json_str(json_getz(d->spec, "ipFamilyPolicy"));
    if (!policy.len && d->old)
        policy = json_string_at(d->old, "spec", "ipFamilyPolicy");
    if (!policy.len)
        policy = service_is_headless(d->service) && !service_has_selector(d->service) ? STR(POLICY_REQUIRE)
                                                                                      : STR(POLICY_SINGLE);
    d->policy = policy;
    json_setz(d->spec, "ipFamilyPolicy", json_string(d->arena, policy));
}

/* Step 2: shapes that the later steps rely on; the words are those of service_validate(). */
static bool families_are_well_formed(struct decision *d)
{
    static const struct str policies[] = {STR_INIT(POLICY_PREFER), STR_INIT(POLICY_REQUIRE),
                                          STR_INIT(POLICY_SINGLE)};
    static const struct str names[] = {STR_INIT("IPv4"), STR_INIT("IPv6")};
    size_t before = d->errors->n, i = 0;
    const struct json *policy = json_getz(d->spec, "ipFamilyPolicy"),
                      *list = json_getz(d->spec, "ipFamilies");
    if (!str_eq(d->policy, policies[0]) && !str_eq(d->policy, policies[1]) && !str_eq(d->policy, policies[2]))
        field_not_supported(d->errors, FIELD(d->path, "ipFamilyPolicy"), policy, policies, 3);
    json_foreach (list, family) {
        const struct field_path *path = FIELD_INDEX(FIELD(d->path, "ipFamilies"), i);
        if (family_of_name(json_str(family)) == IP_NONE)
            field_not_supported(d->errors, path, family, names, 2);
        else if (i && json_equal(family, list->first))
            field_duplicate(d->errors, path, family);
        i++;
    }
    if (json_n(list) > 2)
        field_invalid(d->errors, FIELD(d->path, "ipFamilies"), list, "may only hold up to 2 values");
    const struct json *ips = json_getz(d->spec, "clusterIPs");
    if (json_n(ips) > 2)
        field_invalid(d->errors, FIELD(d->path, "clusterIPs"), ips, "may only hold up to 2 values");
    return d->errors->n == before;
}

static void list_truncate(struct json *list)
{
    while (json_n(list) > 1)
        json_remove_at(list, 1);
}

/* Step 3. */
static void families_shrink(struct decision *d)
{
    if (!d->old)
        return;
    struct json *ips = json_getz(d->spec, "clusterIPs"), *families = json_getz(d->spec, "ipFamilies");
    const struct json *old_ips = json_path(d->old, "spec", "clusterIPs", NULL);
    const struct json *old_families = json_path(d->old, "spec", "ipFamilies", NULL);
    if (str_eqz(d->policy, POLICY_SINGLE)) {
        if (json_n(ips) == 2 && service_lists_equal(ips, old_ips))
            list_truncate(ips);
        if (json_n(families) == 2 && service_lists_equal(families, old_families))
            list_truncate(families);
        return;
    }
    if (json_n(ips) && json_n(ips) < json_n(old_ips))
        field_invalid(d->errors, FIELD(d->path, "ipFamilyPolicy"), json_getz(d->spec, "ipFamilyPolicy"),
                      "must be 'SingleStack' to release the secondary cluster IP");
    if (json_n(families) && json_n(families) < json_n(old_families))
        field_invalid(d->errors, FIELD(d->path, "ipFamilyPolicy"), json_getz(d->spec, "ipFamilyPolicy"),
                      "must be 'SingleStack' to release the secondary IP family");
}

/* Step 4. */
static void families_check_single(struct decision *d)
{
    if (!str_eqz(d->policy, POLICY_SINGLE))
        return;
    const char *const lists[] = {"clusterIPs", "ipFamilies"};
    for (size_t i = 0; i < 2; i++)
        if (json_n(json_getz(d->spec, lists[i])) == 2)
            field_invalid(d->errors, FIELD(d->path, "ipFamilyPolicy"), json_getz(d->spec, "ipFamilyPolicy"),
                          "must be RequireDualStack or PreferDualStack when multiple %s are specified",
                          i ? "IP families" : "cluster IPs");
}

/* Step 5. */
static void families_infer(struct decision *d)
{
    size_t i = 0;
    json_foreach (json_getz(d->spec, "clusterIPs"), v) {
        struct str text = json_str(v);
        enum ip_family family = family_of_ip(text);
        const struct field_path *path = FIELD_INDEX(FIELD(d->path, "clusterIPs"), i);
        if (str_eqz(text, "None") || i >= 2)
            break;
        if (family == IP_NONE)
            field_invalid_str(d->errors, path, text,
                              "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
        else if (!family_is_configured(d->cluster, family))
            field_invalid(d->errors, path, v, "%s is not configured on this cluster", ip_family_name(family));
        else if (i >= json_n(json_getz(d->spec, "ipFamilies")))
            families_append(d, family);
        i++;
    }
}

/* Step 6: such a Service only carries names; whoever writes its endpoints may use both families. */
static void families_headless_without_selector(struct decision *d)
{
    if (!json_n(json_getz(d->spec, "ipFamilies")))
        families_append(d, d->cluster->v[0]);
    if (!str_eqz(d->policy, POLICY_SINGLE) && json_n(json_getz(d->spec, "ipFamilies")) == 1)
        families_append(d, other_family(service_families(d->service).v[0]));
}

/* Steps 7 and 8. */
static void families_complete(struct decision *d)
{
    size_t i = 0;
    if (str_eqz(d->policy, POLICY_REQUIRE) && d->cluster->n < 2)
        field_invalid(d->errors, FIELD(d->path, "ipFamilyPolicy"), json_getz(d->spec, "ipFamilyPolicy"),
                      "this cluster is not configured for dual-stack services");
    json_foreach (json_getz(d->spec, "ipFamilies"), family) {
        if (!family_is_configured(d->cluster, family_of_name(json_str(family))))
            field_invalid(d->errors, FIELD_INDEX(FIELD(d->path, "ipFamilies"), i), family,
                          "not configured on this cluster");
        i++;
    }
    if (!json_n(json_getz(d->spec, "ipFamilies")))
        families_append(d, d->cluster->v[0]);
    if (!str_eqz(d->policy, POLICY_SINGLE) && json_n(json_getz(d->spec, "ipFamilies")) == 1 &&
        d->cluster->n == 2)
        families_append(d, other_family(service_families(d->service).v[0]));
}

void service_decide_families(struct arena *a, struct json *service, const struct json *old,
                             const struct service_families *cluster, struct field_errors *errors)
{
    struct decision d = {a,       service, json_getz(service, "spec"), old,
                         cluster, errors,  FIELD(NULL, "spec"),        STR_NONE};
    if (!service_needs_cluster_ip(service) || families_stay(service, old))
        return;
    if (old && !service_needs_cluster_ip(old))
        d.old = NULL; /* leaving ExternalName is a fresh start */
    size_t before = errors->n;
    decide_policy(&d);
    if (!families_are_well_formed(&d))
        return;
    families_shrink(&d);
    families_check_single(&d);
    families_infer(&d);
    if (errors->n > before)
        return;
    if (service_is_headless(service) && !service_has_selector(service))
        families_headless_without_selector(&d);
    else
        families_complete(&d);
}
