#include "service/endpointslice.h"

#include <errno.h>

/* The block of text, sized by text_needed() before anything is put in. */
struct text_block {
    char *p;
    size_t len, capacity;
};

static struct str put(struct text_block *b, struct str s)
{
    if (!s.len)
        return STR("");
    if (s.len > b->capacity - b->len)
        return STR(""); /* cannot happen: the block was sized from the same object */
    struct str copy = {memcpy(b->p + b->len, s.p, s.len), s.len};
    b->len += s.len;
    return copy;
}

static size_t hint_text(const struct json *list)
{
    size_t n = 0;
    json_foreach (list, it)
        n += json_str(json_getz(it, "name")).len;
    return n;
}

static size_t text_needed(const struct json *json)
{
    size_t n =
        json_string_at(json, "metadata", "name").len + json_string_at(json, "metadata", "namespace").len;
    n += json_string_at(json, "metadata", "labels", "kubernetes.io/service-name").len;
    json_foreach (json_getz(json, "ports"), it)
        n += json_str(json_getz(it, "name")).len;
    json_foreach (json_getz(json, "endpoints"), it) {
        n += json_str(json_getz(it, "nodeName")).len;
        n += hint_text(json_path(it, "hints", "forZones", NULL));
        n += hint_text(json_path(it, "hints", "forNodes", NULL));
    }
    return n;
}

static void parse_ports(struct endpointslice *s, const struct json *list, struct text_block *text,
                        struct omissions *o)
{
    if (!json_is(list, JSON_ARRAY) || !list->n)
        return;
    s->ports = mem_zalloc(MIN(list->n, SLICE_MAX_PORTS) * sizeof *s->ports);
    json_foreach (list, it) {
        const struct json *name = json_getz(it, "name");
        int64_t port = json_int_or(json_getz(it, "port"), 0);
        struct slice_port p = {0};
        if (!json_is(name, JSON_STRING) && name && name->type != JSON_NULL)
            continue;
        /* "All ports" (no number) exists in the API and means nothing to a proxy. */
        if (port < 1 || port > 65535)
            continue;
        if (protocol_parse(json_str(json_getz(it, "protocol")), &p.protocol) < 0) {
            omissions_add(o, "port %lld: unknown protocol", (long long)port);
            continue;
        }
        if (s->n_ports == SLICE_MAX_PORTS) {
            omissions_add(o, "ports beyond %d", SLICE_MAX_PORTS);
            break;
        }
        p.port = (uint16_t)port;
        p.name = put(text, json_str(name));
        s->ports[s->n_ports++] = p;
    }
}

static uint8_t parse_hints(struct endpointslice *s, const struct json *list, struct text_block *text)
{
    uint8_t n = 0;
    json_foreach (list, it) {
        struct str name = json_str(json_getz(it, "name"));
        if (!name.len || n == SLICE_MAX_HINTS)
            continue;
        s->hints[s->n_hints++] = put(text, name);
        n++;
    }
    return n;
}

static size_t count_hints(const struct json *endpoints)
{
    size_t n = 0;
    json_foreach (endpoints, it) {
        const struct json *zones = json_path(it, "hints", "forZones", NULL);
        const struct json *nodes = json_path(it, "hints", "forNodes", NULL);
        n += json_is(zones, JSON_ARRAY) ? MIN(zones->n, SLICE_MAX_HINTS) : 0;
        n += json_is(nodes, JSON_ARRAY) ? MIN(nodes->n, SLICE_MAX_HINTS) : 0;
    }
    return n;
}

static bool parse_endpoint_ip(const struct endpointslice *s, const struct json *json, struct ip *ret,
                              struct omissions *o)
{
    struct str text = json_str(json_at(json_getz(json, "addresses"), 0));
    const char *reason = NULL;
    if (address_parse(text, ret, &reason) == 0 && ret->family != s->family)
        reason = "is not of the slice's addressType";
    if (reason)
        omissions_add(o, "endpoint address \"%.*s\" %s", STR_ARG(text), reason);
    return !reason;
}

static void parse_endpoints(struct endpointslice *s, const struct json *list, struct text_block *text,
                            struct omissions *o)
{
    if (!json_is(list, JSON_ARRAY) || !list->n)
        return;
    s->endpoints = mem_zalloc(MIN(list->n, SLICE_MAX_ENDPOINTS) * sizeof *s->endpoints);
    size_t n_hints = count_hints(list);
    s->hints = n_hints ? mem_zalloc(n_hints * sizeof *s->hints) : NULL;
    json_foreach (list, it) {
        struct slice_endpoint e = {.hints = (uint32_t)s->n_hints};
        if (!parse_endpoint_ip(s, it, &e.ip, o))
            continue;
        if (s->n_endpoints == SLICE_MAX_ENDPOINTS) {
            omissions_add(o, "endpoints beyond %d", SLICE_MAX_ENDPOINTS);
            break;
        }
        const struct json *conditions = json_getz(it, "conditions");
        e.ready = json_bool_or(json_getz(conditions, "ready"), true);
        e.serving = json_bool_or(json_getz(conditions, "serving"), true);
        e.terminating = json_bool_or(json_getz(conditions, "terminating"), false);
        e.node_name = put(text, json_str(json_getz(it, "nodeName")));
        e.n_zones = parse_hints(s, json_path(it, "hints", "forZones", NULL), text);
        e.n_nodes = parse_hints(s, json_path(it, "hints", "forNodes", NULL), text);
        s->endpoints[s->n_endpoints++] = e;
    }
}

static enum ip_family parse_family(const struct json *json, struct omissions *o)
{
    struct str type = json_str(json_getz(json, "addressType"));
    if (str_eqz(type, "IPv4"))
        return IP_V4;
    if (str_eqz(type, "IPv6"))
        return IP_V6;
    if (!str_eqz(type, "FQDN"))
        omissions_add(o, "unknown addressType \"%.*s\"", STR_ARG(type));
    return IP_NONE;
}

int endpointslice_parse(const struct json *json, struct omissions *omissions, struct endpointslice **ret,
                        struct err *err)
{
    struct str ns = json_string_at(json, "metadata", "namespace");
    struct str name = json_string_at(json, "metadata", "name");
    if (!json_is(json, JSON_OBJECT) || !name.len || !ns.len)
        return err_set(err, -EINVAL, "an EndpointSlice must be an object with a name and namespace");

    struct endpointslice *s = mem_new(struct endpointslice);
    size_t needed = text_needed(json);
    struct text_block text = {.p = mem_alloc(needed + 1), .capacity = needed};
    s->text = text.p;
    s->ns = put(&text, ns);
    s->name = put(&text, name);
    s->family = parse_family(json, omissions);
    bool headless = json_path(json, "metadata", "labels", "service.kubernetes.io/headless", NULL);
    if (s->family != IP_NONE && !headless) {
        s->service = put(&text, json_string_at(json, "metadata", "labels", "kubernetes.io/service-name"));
        parse_ports(s, json_getz(json, "ports"), &text, omissions);
        parse_endpoints(s, json_getz(json, "endpoints"), &text, omissions);
    } else {
        s->service = STR("");
    }
    *ret = s;
    return 0;
}

void endpointslice_free(struct endpointslice *s)
{
    if (!s)
        return;
    free(s->text);
    free(s->ports);
    free(s->endpoints);
    free(s->hints);
    free(s);
}
