/* Discovery: what is served, in the plain form (a document per group and version) and in the aggregated one
 * (everything at once). Source: apiserver endpoints/discovery, apidiscovery.k8s.io/v2. */
#include "apiserver/apiserver-private.h"
#include "apiserver/info.h"
#include "apiserver/render.h"
#include "apiserver/request.h"

static struct json *strings(struct arena *a, const struct str *v, size_t n)
{
    struct json *list = json_array(a);
    for (size_t i = 0; i < n; i++)
        json_append(list, json_string(a, v[i]));
    return list;
}

static struct json *group_version(struct arena *a, const struct schema_resource *s)
{
    return json_stringf(a, "%.*s%s%.*s", STR_ARG(s->group), s->group.len ? "/" : "", STR_ARG(s->version));
}

static struct json *typed(struct arena *a, const char *kind)
{
    struct json *v = json_object(a);
    json_setz(v, "kind", json_string(a, str_of(kind)));
    json_setz(v, "apiVersion", json_string(a, STR("v1")));
    return v;
}

/* Subresources that exist, with their verbs. */
static const struct subresource {
    const char *name;
    struct str verbs[3];
    size_t n_verbs;
} subresources[] = {
    {"finalize", {STR_INIT("get"), STR_INIT("patch"), STR_INIT("update")}, 3},
    {"scale", {STR_INIT("get"), STR_INIT("patch"), STR_INIT("update")}, 3},
    {"status", {STR_INIT("get"), STR_INIT("patch"), STR_INIT("update")}, 3},
};

static bool is_scale(const struct subresource *sub)
{
    return str_eqz(STR("scale"), sub->name);
}

/* The plain form. */

static struct json *plain_resource(struct arena *a, const struct schema_resource *s)
{
    struct json *v = json_object(a);
    json_setz(v, "name", json_string(a, s->plural));
    json_setz(v, "singularName", json_string(a, s->singular));
    json_setz(v, "namespaced", json_bool(a, s->scope == SCHEMA_NAMESPACED));
    json_setz(v, "kind", json_string(a, s->kind));
    json_setz(v, "verbs", strings(a, s->verbs, s->n_verbs));
    if (s->n_short_names)
        json_setz(v, "shortNames", strings(a, s->short_names, s->n_short_names));
    if (s->n_categories)
        json_setz(v, "categories", strings(a, s->categories, s->n_categories));
    return v;
}

static struct json *plain_subresource(struct arena *a, const struct schema_resource *s,
                                      const struct subresource *sub)
{
    struct json *v = json_object(a);
    json_setz(v, "name", json_stringf(a, "%.*s/%s", STR_ARG(s->plural), sub->name));
    json_setz(v, "singularName", json_string(a, STR("")));
    json_setz(v, "namespaced", json_bool(a, s->scope == SCHEMA_NAMESPACED));
    if (is_scale(sub)) {
        json_setz(v, "group", json_string(a, STR("autoscaling")));
        json_setz(v, "version", json_string(a, STR("v1")));
    }
    json_setz(v, "kind", json_string(a, is_scale(sub) ? STR("Scale") : s->kind));
    json_setz(v, "verbs", strings(a, sub->verbs, sub->n_verbs));
    return v;
}

/* NULL if nothing is served there. */
static struct json *plain_resources(struct request *r, struct str group, struct str version)
{
    struct arena *a = &r->arena;
    const struct registry *registry = r->server->registry;
    struct json *list = typed(a, "APIResourceList"), *resources = json_array(a);
    for (size_t i = 0; i < registry_n_resources(registry); i++) {
        const struct resource *resource = registry_at(registry, i);
        const struct schema_resource *s = resource->schema;
        if (!str_eq(s->group, group) || !str_eq(s->version, version))
            continue;
        json_setz(list, "groupVersion", group_version(a, s));
        json_append(resources, plain_resource(a, s));
        for (size_t k = 0; k < ARRAY_LEN(subresources); k++) {
            if (route_has_subresource(resource, str_of(subresources[k].name)))
                json_append(resources, plain_subresource(a, s, &subresources[k]));
        }
    }
    json_setz(list, "resources", resources);
    return resources->n ? list : NULL;
}

static struct json *plain_group(struct arena *a, const struct schema_resource *s)
{
    struct json *group = json_object(a), *version = json_object(a), *versions = json_array(a);
    json_setz(version, "groupVersion", group_version(a, s));
    json_setz(version, "version", json_string(a, s->version));
    json_append(versions, version);
    json_setz(group, "name", json_string(a, s->group));
    json_setz(group, "versions", versions);
    json_setz(group, "preferredVersion", json_copy(a, version));
    return group;
}

/* The first resource of each group; each has one version. Resources are sorted by group. */
static const struct schema_resource *next_group(const struct registry *registry, size_t *at)
{
    while (*at < registry_n_resources(registry)) {
        const struct schema_resource *s = registry_at(registry, *at)->schema;
        const struct schema_resource *before = *at ? registry_at(registry, *at - 1)->schema : NULL;
        (*at)++;
        if (s->group.len && !(before && str_eq(before->group, s->group)))
            return s;
    }
    return NULL;
}

static struct json *plain_groups(struct request *r)
{
    struct json *list = typed(&r->arena, "APIGroupList"), *groups = json_array(&r->arena);
    const struct schema_resource *s;
    size_t at = 0;
    while ((s = next_group(r->server->registry, &at)))
        json_append(groups, plain_group(&r->arena, s));
    json_setz(list, "groups", groups);
    return list;
}

static struct json *plain_one_group(struct request *r, struct str name)
{
    const struct schema_resource *s;
    size_t at = 0;
    while ((s = next_group(r->server->registry, &at))) {
        if (!str_eq(s->group, name))
            continue;
        struct json *group = plain_group(&r->arena, s);
        json_setz(group, "kind", json_string(&r->arena, STR("APIGroup")));
        json_setz(group, "apiVersion", json_string(&r->arena, STR("v1")));
        return group;
    }
    return NULL;
}

static struct json *plain_versions(struct request *r)
{
    struct arena *a = &r->arena;
    const struct apiserver_config *c = &r->server->config;
    struct json *v = json_object(a), *versions = json_array(a), *addresses = json_array(a),
                *one = json_object(a);
    char ip[IP_TEXT_LEN];
    json_append(versions, json_string(a, STR("v1")));
    json_setz(v, "kind", json_string(a, STR("APIVersions")));
    json_setz(v, "versions", versions);
    if (c->advertise_ip.family != IP_NONE) {
        const char *form = c->advertise_ip.family == IP_V6 ? "[%s]:%u" : "%s:%u";
        json_setz(one, "clientCIDR", json_string(a, STR("0.0.0.0/0")));
        json_setz(one, "serverAddress",
                  json_stringf(a, form, ip_format(&c->advertise_ip, ip), c->secure_port));
        json_append(addresses, one);
    }
    json_setz(v, "serverAddressByClientCIDRs", addresses);
    return v;
}

/* The aggregated form. */

static struct json *response_kind(struct arena *a, struct str group, struct str version, struct str kind)
{
    struct json *v = json_object(a);
    json_setz(v, "group", json_string(a, group));
    json_setz(v, "version", json_string(a, version));
    json_setz(v, "kind", json_string(a, kind));
    return v;
}

static struct json *aggregated_subresources(struct arena *a, const struct resource *resource)
{
    const struct schema_resource *s = resource->schema;
    struct json *list = json_array(a);
    for (size_t i = 0; i < ARRAY_LEN(subresources); i++) {
        const struct subresource *sub = &subresources[i];
        if (!route_has_subresource(resource, str_of(sub->name)))
            continue;
        struct json *v = json_object(a);
        json_setz(v, "subresource", json_string(a, str_of(sub->name)));
        json_setz(v, "responseKind",
                  is_scale(sub) ? response_kind(a, STR("autoscaling"), STR("v1"), STR("Scale"))
                                : response_kind(a, s->group, s->version, s->kind));
        json_setz(v, "verbs", strings(a, sub->verbs, sub->n_verbs));
        json_append(list, v);
    }
    return list;
}

static struct json *aggregated_resource(struct arena *a, const struct resource *resource)
{
    const struct schema_resource *s = resource->schema;
    struct json *v = json_object(a), *subs = aggregated_subresources(a, resource);
    json_setz(v, "resource", json_string(a, s->plural));
    json_setz(v, "responseKind", response_kind(a, s->group, s->version, s->kind));
    json_setz(v, "scope", json_string(a, s->scope == SCHEMA_NAMESPACED ? STR("Namespaced") : STR("Cluster")));
    json_setz(v, "singularResource", json_string(a, s->singular));
    json_setz(v, "verbs", strings(a, s->verbs, s->n_verbs));
    if (s->n_short_names)
        json_setz(v, "shortNames", strings(a, s->short_names, s->n_short_names));
    if (s->n_categories)
        json_setz(v, "categories", strings(a, s->categories, s->n_categories));
    if (subs->n)
        json_setz(v, "subresources", subs);
    return v;
}

static struct json *aggregated_group(struct request *r, const struct schema_resource *first)
{
    struct arena *a = &r->arena;
    const struct registry *registry = r->server->registry;
    struct json *group = json_object(a), *metadata = json_object(a), *version = json_object(a);
    struct json *versions = json_array(a), *resources = json_array(a);
    for (size_t i = 0; i < registry_n_resources(registry); i++) {
        const struct resource *resource = registry_at(registry, i);
        if (str_eq(resource->schema->group, first->group))
            json_append(resources, aggregated_resource(a, resource));
    }
    if (first->group.len)
        json_setz(metadata, "name", json_string(a, first->group));
    json_setz(metadata, "creationTimestamp", json_null(a));
    json_setz(version, "version", json_string(a, first->version));
    json_setz(version, "resources", resources);
    json_setz(version, "freshness", json_string(a, STR("Current")));
    json_append(versions, version);
    json_setz(group, "metadata", metadata);
    json_setz(group, "versions", versions);
    return group;
}

static void reply_aggregated(struct request *r, bool core, struct str version)
{
    struct arena *a = &r->arena;
    const struct registry *registry = r->server->registry;
    const struct schema_resource *s;
    struct json *list = json_object(a), *items = json_array(a);
    size_t at = 0;
    _cleanup_(strbuf_done) struct strbuf body = {0};
    if (core) {
        for (size_t i = 0; i < registry_n_resources(registry) && !items->n; i++) {
            if (!registry_at(registry, i)->schema->group.len)
                json_append(items, aggregated_group(r, registry_at(registry, i)->schema));
        }
    } else {
        while ((s = next_group(registry, &at)))
            json_append(items, aggregated_group(r, s));
    }
    json_setz(list, "kind", json_string(a, STR("APIGroupDiscoveryList")));
    json_setz(list, "apiVersion", json_stringf(a, "apidiscovery.k8s.io/%.*s", STR_ARG(version)));
    json_setz(list, "metadata", json_object(a));
    json_setz(list, "items", items);
    json_write(list, &body);
    strbuf_addc(&body, '\n');
    struct str type = arena_format(
        a, "application/json;g=apidiscovery.k8s.io;v=%.*s;as=APIGroupDiscoveryList", STR_ARG(version));
    request_reply(r, 200, type, strbuf_str(&body));
}

/* Whether the client takes the aggregated form before the plain one. */
static bool wants_aggregated(const struct request *r, struct str *ret_version)
{
    for (size_t i = 0; i < r->accept.n; i++) {
        const struct media_range *m = &r->accept.v[i];
        if (!str_eq(m->type, STR("application/json")))
            continue;
        if (!m->as.len)
            return false;
        if (str_eq(m->as, STR("APIGroupDiscoveryList")) && str_eq(m->group, STR("apidiscovery.k8s.io")) &&
            (str_eq(m->version, STR("v2")) || str_eq(m->version, STR("v2beta1")))) {
            *ret_version = m->version;
            return true;
        }
    }
    return false;
}

void info_handle_discovery(struct request *r)
{
    const struct route *route = &r->route;
    bool core = str_eq(route->path, STR("/api")) || str_has_prefix(route->path, STR("/api/"));
    bool top = !route->group.len && !route->version.len;
    struct str version;
    struct json *v;
    if (top && wants_aggregated(r, &version)) {
        reply_aggregated(r, core, version);
        return;
    }
    if (top)
        v = core ? plain_versions(r) : plain_groups(r);
    else if (!route->version.len)
        v = plain_one_group(r, route->group);
    else
        v = plain_resources(r, route->group, route->version);
    if (v)
        render_value(r, 200, v);
    else
        request_reply_status(r, status_no_route(&r->arena));
}
