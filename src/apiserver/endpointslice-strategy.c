/* EndpointSlice: validation and generation (section 2.1); CVE-2021-25737 is why addresses are looked at. */
#include "apiserver/addresses.h"
#include "apiserver/ports.h"
#include "apiserver/registry.h"
#include "apiserver/strategies.h"
#include "base/map.h"
#include "object/names.h"

#define SLICE_MAX_ENDPOINTS 1000
#define SLICE_MAX_ADDRESSES 100
#define SLICE_MAX_PORTS     20000
#define SLICE_MAX_TOPOLOGY  16
#define SLICE_MAX_HINTS     8

static void check_address(struct field_errors *e, struct str type, const struct json *v,
                          const struct field_path *path)
{
    struct str text = json_str(v);
    struct ip ip;
    if (str_eqz(type, "FQDN")) {
        name_validate(e, path, text, name_check_dns1123_subdomain);
        return;
    }
    if (!address_validate(e, path, text, NULL) || ip_parse(text, &ip) < 0)
        return;
    char canonical[IP_TEXT_LEN];
    if (!str_eqz(type, ip_family_name(ip.family)))
        field_invalid(e, path, v, "must be an %.*s address", STR_ARG(type));
    else if (ip.family == IP_V6 && !str_eqz(text, ip_format(&ip, canonical)))
        field_invalid(e, path, v, "must be in canonical form (\"%s\")", canonical);
    address_validate_special(e, path, text, ADDRESS_OF_ENDPOINT);
}

static void check_hints(struct field_errors *e, const struct json *list, name_check_fn *check,
                        const struct field_path *path)
{
    if (json_n(list) > SLICE_MAX_HINTS) {
        field_too_many(e, path, json_n(list), SLICE_MAX_HINTS);
        return;
    }
    size_t i = 0;
    json_foreach (list, hint) {
        const struct field_path *name_path = FIELD(FIELD_INDEX(path, i++), "name");
        const struct json *name = json_getz(hint, "name");
        name_validate(e, name_path, json_str(name), check);
        for (const struct json *other = list->first; other != hint; other = other->next)
            if (str_eq(json_str(json_getz(other, "name")), json_str(name)))
                field_duplicate(e, name_path, name);
    }
}

static void check_endpoint(struct field_errors *e, struct str type, const struct json *endpoint,
                           const struct field_path *path)
{
    const struct json *addresses = json_getz(endpoint, "addresses"),
                      *topology = json_getz(endpoint, "deprecatedTopology");
    const struct field_path *list = FIELD(path, "addresses");
    if (!json_n(addresses))
        field_required(e, list, "must contain at least 1 address");
    else if (json_n(addresses) > SLICE_MAX_ADDRESSES)
        field_too_many(e, list, json_n(addresses), SLICE_MAX_ADDRESSES);
    size_t i = 0;
    json_foreach (addresses, v) {
        if (i < SLICE_MAX_ADDRESSES)
            check_address(e, type, v, FIELD_INDEX(list, i));
        i++;
    }
    if (json_getz(endpoint, "nodeName"))
        name_validate(e, FIELD(path, "nodeName"), json_string_at(endpoint, "nodeName"),
                      name_check_dns1123_subdomain);
    if (json_getz(endpoint, "hostname"))
        name_validate(e, FIELD(path, "hostname"), json_string_at(endpoint, "hostname"),
                      name_check_dns1123_label);
    if (json_is(topology, JSON_OBJECT) && topology->n > SLICE_MAX_TOPOLOGY)
        field_too_many(e, FIELD(path, "deprecatedTopology"), topology->n, SLICE_MAX_TOPOLOGY);
    const struct field_path *hints = FIELD(path, "hints");
    check_hints(e, json_path(endpoint, "hints", "forZones", NULL), name_check_label_value,
                FIELD(hints, "forZones"));
    check_hints(e, json_path(endpoint, "hints", "forNodes", NULL), name_check_dns1123_subdomain,
                FIELD(hints, "forNodes"));
}

static void check_port(struct field_errors *e, const struct json *port, struct map *names,
                       const struct field_path *path)
{
    struct str name = json_str(json_getz(port, "name"));
    const struct json *number = json_getz(port, "port");
    if (name.len)
        name_validate(e, FIELD(path, "name"), name, name_check_dns1123_label);
    if (map_put(names, name, e))
        field_duplicate(e, FIELD(path, "name"), json_string(e->arena, name.p ? name : STR("")));
    port_validate_protocol(e, FIELD(path, "protocol"), json_getz(port, "protocol"));
    if (number) /* a slice may name a port without one: all ports */
        port_validate_number(e, FIELD(path, "port"), number);
    port_validate_app_protocol(e, FIELD(path, "appProtocol"), json_getz(port, "appProtocol"));
}

static void check_endpoints(struct change *c, struct str type)
{
    const struct json *endpoints = json_getz(c->object, "endpoints"), *old = json_getz(c->old, "endpoints");
    const struct field_path *path = FIELD(NULL, "endpoints");
    if (endpoints && old && json_equal(endpoints, old))
        return; /* stored as they are: rules that became stricter do not lock the object */
    if (json_n(endpoints) > SLICE_MAX_ENDPOINTS) {
        field_too_many(c->errors, path, json_n(endpoints), SLICE_MAX_ENDPOINTS);
        return;
    }
    size_t i = 0;
    json_foreach (endpoints, endpoint) {
        check_endpoint(c->errors, type, endpoint, FIELD_INDEX(path, i++));
    }
}

static void slices_validate(struct change *c)
{
    static const struct str types[] = {STR_INIT("FQDN"), STR_INIT("IPv4"), STR_INIT("IPv6")};
    const struct json *type = json_getz(c->object, "addressType"), *ports = json_getz(c->object, "ports");
    const struct field_path *path = FIELD(NULL, "ports");
    if (!json_str(type).len)
        field_required(c->errors, FIELD(NULL, "addressType"), "%s", "");
    else if (!str_eq(type->text, types[0]) && !str_eq(type->text, types[1]) && !str_eq(type->text, types[2]))
        field_not_supported(c->errors, FIELD(NULL, "addressType"), type, types, 3);
    else
        check_endpoints(c, type->text);
    if (json_n(ports) > SLICE_MAX_PORTS) {
        field_too_many(c->errors, path, json_n(ports), SLICE_MAX_PORTS);
        return;
    }
    struct map names = {0};
    size_t i = 0;
    json_foreach (ports, port) {
        check_port(c->errors, port, &names, FIELD_INDEX(path, i++));
    }
    map_done(&names, NULL);
}

static void slices_validate_update(struct change *c)
{
    const struct json *type = json_getz(c->object, "addressType");
    if (!str_eq(json_str(type), json_string_at(c->old, "addressType")))
        field_invalid(c->errors, FIELD(NULL, "addressType"), type, "field is immutable");
}

/* deprecatedTopology cannot be written through v1: what was there stays with the endpoint list, the rest is
 * dropped. */
static void slices_drop_topology(struct change *c)
{
    const struct json *old = json_getz(c->old, "endpoints");
    json_foreach (json_getz(c->object, "endpoints"), endpoint) {
        if (json_is(endpoint, JSON_OBJECT) && !old)
            json_unsetz(endpoint, "deprecatedTopology");
    }
}

static void slices_set_generation(struct change *c, int64_t generation)
{
    struct json *metadata = json_ensure_object(c->arena, c->object, "metadata");
    json_setz(metadata, "generation", json_int(c->arena, generation));
}

static void slices_prepare_create(struct change *c)
{
    slices_drop_topology(c);
    slices_set_generation(c, 1);
}

/* Counts changes of anything but metadata, and of labels. */
static void slices_prepare_update(struct change *c)
{
    static const char *const fields[] = {"addressType", "endpoints", "ports"};
    const struct json *labels = json_path(c->object, "metadata", "labels", NULL);
    const struct json *old_labels = json_path(c->old, "metadata", "labels", NULL);
    bool changed =
        labels && old_labels ? !json_equal(labels, old_labels) : (labels != NULL) != (old_labels != NULL);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const struct json *new = json_getz(c->object, fields[i]), *old = json_getz(c->old, fields[i]);
        changed = changed || (new &&old ? !json_equal(new, old) : (new != NULL) != (old != NULL));
    }
    slices_set_generation(c, json_int_at(c->old, 1, "metadata", "generation") + changed);
}

static void slices_warnings(struct change *c)
{
    if (str_eqz(json_string_at(c->object, "addressType"), "FQDN"))
        change_warn(c, "addressType: FQDN endpoints are deprecated");
}

const struct strategy strategy_endpointslices = {
    .group = STR_INIT("discovery.k8s.io"),
    .plural = STR_INIT("endpointslices"),
    .prepare_create = slices_prepare_create,
    .prepare_update = slices_prepare_update,
    .validate = slices_validate,
    .validate_update = slices_validate_update,
    .warnings = slices_warnings,
};
