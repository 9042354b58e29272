#include "apiserver/route.h"

#include "apiserver/health.h"
#include "apiserver/info.h"
#include "apiserver/query.h"
#include "apiserver/registry.h"
#include "base/encoding.h"

const struct route_entry route_entries[] = {
    {STR_INIT("/version"), STR_INIT("version"), info_handle_version},
    {STR_INIT("/healthz"), STR_INIT("health"), health_handle},
    {STR_INIT("/healthz/"), STR_INIT("health"), health_handle},
    {STR_INIT("/livez"), STR_INIT("health"), health_handle},
    {STR_INIT("/livez/"), STR_INIT("health"), health_handle},
    {STR_INIT("/readyz"), STR_INIT("health"), health_handle},
    {STR_INIT("/readyz/"), STR_INIT("health"), health_handle},
    {STR_INIT("/metrics"), STR_INIT("metrics"), info_handle_metrics},
    {STR_INIT("/api"), STR_INIT("discovery"), info_handle_discovery},
    {STR_INIT("/apis"), STR_INIT("discovery"), info_handle_discovery},
    {STR_INIT("/openapi/v2"), STR_INIT("openapi"), info_handle_openapi},
    {STR_INIT("/openapi/v3"), STR_INIT("openapi"), info_handle_openapi},
    {STR_INIT("/openapi/v3/"), STR_INIT("openapi"), info_handle_openapi},
    {STR_INIT("/"), STR_INIT("index"), info_handle_index},
};
const size_t route_n_entries = ARRAY_LEN(route_entries);

/* /api/v1 and /apis/GROUP[/VERSION] */
static const struct route_entry discovery_entry = {STR_INIT(""), STR_INIT("discovery"),
                                                   info_handle_discovery};

#define MAX_PARTS 12

struct parts {
    struct str v[MAX_PARTS];
    size_t n;
};

struct str route_verb_name(enum route_verb verb)
{
    static const struct str names[] = {
        [VERB_NONE] = STR_INIT("none"),
        [VERB_GET] = STR_INIT("get"),
        [VERB_LIST] = STR_INIT("list"),
        [VERB_WATCH] = STR_INIT("watch"),
        [VERB_CREATE] = STR_INIT("create"),
        [VERB_UPDATE] = STR_INIT("update"),
        [VERB_PATCH] = STR_INIT("patch"),
        [VERB_DELETE] = STR_INIT("delete"),
        [VERB_DELETE_COLLECTION] = STR_INIT("deletecollection"),
    };
    return names[verb];
}

bool route_has_subresource(const struct resource *resource, struct str subresource)
{
    if (str_eq(subresource, STR("status")))
        return resource->schema->has_status;
    if (str_eq(subresource, STR("scale")))
        return resource->schema->has_scale;
    return str_eq(subresource, STR("finalize")) && resource->strategy->has_finalize;
}

static enum route_verb verb_of(struct str method, bool has_name, bool watch)
{
    bool get = str_eq(method, STR("GET")) || str_eq(method, STR("HEAD"));
    if (get && watch)
        return VERB_WATCH;
    if (get)
        return has_name ? VERB_GET : VERB_LIST;
    if (str_eq(method, STR("POST")))
        return VERB_CREATE;
    if (str_eq(method, STR("PUT")))
        return VERB_UPDATE;
    if (str_eq(method, STR("PATCH")))
        return VERB_PATCH;
    if (str_eq(method, STR("DELETE")))
        return has_name ? VERB_DELETE : VERB_DELETE_COLLECTION;
    return VERB_NONE;
}

static int split_path(struct arena *a, struct str path, struct parts *ret)
{
    struct str part;
    ret->n = 0;
    path = str_slice(path, 1, path.len);
    while (path.p && str_split(&path, '/', &part)) {
        if (ret->n == MAX_PARTS)
            return -1;
        _cleanup_(strbuf_done) struct strbuf b = {0};
        if (percent_decode(part, PERCENT_PATH, &b) < 0)
            return -1;
        ret->v[ret->n++] = arena_str(a, strbuf_str(&b));
    }
    return 0;
}

/* The parts behind /api/v1 or /apis/G/V: [namespaces/NS/]PLURAL[/NAME[/SUBRESOURCE]], with watch/ before it
 * in the old form of watches. Returns false if there are too many. */
static bool parse_resource(const struct registry *registry, struct parts *p, size_t at, struct route *r,
                           bool *watch)
{
    if (at < p->n && str_eq(p->v[at], STR("watch"))) {
        *watch = true;
        at++;
    }
    /* A third part behind a namespace is a resource in it, unless the namespace itself has a subresource of
     * that name. */
    bool namespaced = p->n - at >= 3 && str_eq(p->v[at], STR("namespaces")) && !r->group.len;
    if (namespaced && p->n - at == 3)
        namespaced = !str_eq(p->v[at + 2], STR("status")) && !str_eq(p->v[at + 2], STR("finalize"));
    namespaced |= p->n - at >= 3 && str_eq(p->v[at], STR("namespaces")) && r->group.len;
    if (namespaced) {
        r->ns = p->v[at + 1];
        at += 2;
    }
    if (at < p->n)
        r->plural = p->v[at++];
    if (at < p->n)
        r->name = p->v[at++];
    if (at < p->n)
        r->subresource = p->v[at++];
    if (at < p->n)
        return false;
    r->resource = registry_find_version(registry, r->group, r->version, r->plural);
    return true;
}

/* A path that a resource does not have: a namespace where it has none, a name without one, an empty part. */
static bool fits(const struct route *r, size_t n_parts)
{
    if (!r->resource)
        return true;
    bool namespaced = r->resource->schema->scope == SCHEMA_NAMESPACED;
    if (!namespaced && r->ns.len)
        return false;
    if (r->name.p && !r->name.len)
        return false;
    if (namespaced && r->name.len && !r->ns.len)
        return false;
    return !r->subresource.p || route_has_subresource(r->resource, r->subresource);
}

static void parse_api(const struct registry *registry, struct parts *p, struct str method, bool watch,
                      struct route *r)
{
    bool core = str_eq(p->v[0], STR("api"));
    size_t n_prefix = core ? 2 : 3;
    r->group = core || p->n < 2 ? STR("") : p->v[1];
    r->version = p->n >= n_prefix ? p->v[n_prefix - 1] : STR("");
    if (p->n <= n_prefix) {
        r->kind = ROUTE_PATH;
        r->entry = &discovery_entry;
        return;
    }
    if (!parse_resource(registry, p, n_prefix, r, &watch) || !r->plural.len)
        return;
    r->kind = fits(r, p->n) ? ROUTE_RESOURCE : ROUTE_NONE;
    r->verb = verb_of(method, r->name.len > 0, watch && !r->subresource.len);
}

static void parse_fixed(struct str path, struct route *r)
{
    for (size_t i = 0; i < route_n_entries; i++) {
        const struct route_entry *e = &route_entries[i];
        bool below = e->path.len > 1 && e->path.p[e->path.len - 1] == '/';
        if (below ? str_has_prefix(path, e->path) : str_eq(path, e->path)) {
            r->kind = ROUTE_PATH;
            r->entry = e;
            return;
        }
    }
}

struct status *route_parse(struct arena *a, const struct registry *registry, struct str method,
                           struct str target, struct route *ret, struct query *ret_query)
{
    struct str path, rest = target;
    struct parts parts;
    (void)str_split(&rest, '?', &path);
    *ret = (struct route){.kind = ROUTE_NONE, .group = STR(""), .version = STR(""), .plural = STR("")};
    struct status *bad = query_parse(a, rest, ret_query);
    if (bad)
        return bad;
    if (!path.len || path.p[0] != '/' || split_path(a, path, &parts) < 0)
        return status_bad_request(a, "the path of the request is not understood");
    /* A trailing slash is as if it were not there. */
    if (parts.n > 1 && !parts.v[parts.n - 1].len)
        parts.n--;
    ret->path = arena_str(a, path);
    ret->verb = verb_of(method, true, false);
    if (str_eq(parts.v[0], STR("api")) || str_eq(parts.v[0], STR("apis")))
        parse_api(registry, &parts, method, query_get_bool(ret_query, STR("watch")), ret);
    if (ret->kind == ROUTE_NONE && !ret->plural.len)
        parse_fixed(path, ret);
    return NULL;
}
