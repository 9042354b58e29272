/* ServiceCIDR and IPAddress: validation (section 1.8). */
#include "apiserver/addresses.h"
#include "apiserver/registry.h"
#include "apiserver/strategies.h"

static void ranges_prepare_create(struct change *c)
{
    json_setz(c->object, "status", json_object(c->arena));
}

static void ranges_validate(struct change *c)
{
    const struct json *cidrs = json_path(c->object, "spec", "cidrs", NULL);
    const struct field_path *path = FIELD(FIELD(NULL, "spec"), "cidrs");
    if (!json_n(cidrs)) {
        field_required(c->errors, path, "at least one CIDR required");
        return;
    }
    if (json_n(cidrs) > 2) {
        field_invalid(c->errors, path, cidrs, "may only hold up to 2 values");
        return;
    }
    enum ip_family seen[2] = {IP_NONE, IP_NONE};
    size_t i = 0;
    json_foreach (cidrs, cidr) {
        struct ip_prefix prefix;
        if (address_validate_prefix(c->errors, FIELD_INDEX(path, i), json_str(cidr), NULL) &&
            ip_prefix_parse(json_str(cidr), &prefix) == 0)
            seen[i] = prefix.ip.family;
        i++;
    }
    if (i == 2 && seen[0] == seen[1] && seen[0] != IP_NONE)
        field_invalid(
            c->errors, path, cidrs,
            "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64");
}

/* What is there stays; a second family may be added. */
static void ranges_validate_update(struct change *c)
{
    const struct json *cidrs = json_path(c->object, "spec", "cidrs", NULL),
                      *old = json_path(c->old, "spec", "cidrs", NULL);
    const struct field_path *path = FIELD(FIELD(NULL, "spec"), "cidrs");
    if (json_n(cidrs) < json_n(old)) {
        field_invalid(c->errors, path, cidrs, "field is immutable");
        return;
    }
    size_t i = 0;
    json_foreach (old, cidr) {
        const struct json *now = json_at(cidrs, i);
        if (!json_equal(cidr, now))
            field_invalid(c->errors, FIELD_INDEX(path, i), now, "field is immutable");
        i++;
    }
}

static void addresses_validate(struct change *c)
{
    struct ip ip;
    char canonical[IP_TEXT_LEN];
    const struct field_path *name = FIELD(FIELD(NULL, "metadata"), "name");
    const struct field_path *path = FIELD(FIELD(NULL, "spec"), "parentRef");
    const struct json *ref = json_path(c->object, "spec", "parentRef", NULL);
    if (ip_parse(c->name, &ip) < 0)
        field_invalid_str(c->errors, name, c->name, "must be a valid IP address");
    else if (!str_eqz(c->name, ip_format(&ip, canonical)))
        field_invalid(c->errors, name, json_string(c->arena, c->name), "must be in canonical form (\"%s\")",
                      canonical);
    if (!json_is(ref, JSON_OBJECT)) {
        field_required(c->errors, path, "%s", "");
        return;
    }
    static const char *const required[] = {"resource", "name"};
    for (size_t i = 0; i < ARRAY_LEN(required); i++)
        if (!json_str(json_getz(ref, required[i])).len)
            field_required(c->errors, FIELD_STR(path, str_of(required[i])), "%s", "");
}

static void addresses_validate_update(struct change *c)
{
    const struct json *ref = json_path(c->object, "spec", "parentRef", NULL);
    const struct json *old = json_path(c->old, "spec", "parentRef", NULL);
    if (ref && old && !json_equal(ref, old))
        field_invalid(c->errors, FIELD(FIELD(NULL, "spec"), "parentRef"), ref, "field is immutable");
}

const struct strategy strategy_servicecidrs = {
    .group = STR_INIT("networking.k8s.io"),
    .plural = STR_INIT("servicecidrs"),
    .prepare_create = ranges_prepare_create,
    .validate = ranges_validate,
    .validate_update = ranges_validate_update,
};

const struct strategy strategy_ipaddresses = {
    .group = STR_INIT("networking.k8s.io"),
    .plural = STR_INIT("ipaddresses"),
    .validate = addresses_validate,
    .validate_update = addresses_validate_update,
};
