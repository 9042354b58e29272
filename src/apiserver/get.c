#include "apiserver/apiserver-private.h"
#include "apiserver/freshness.h"
#include "apiserver/render.h"
#include "apiserver/request.h"
#include "apiserver/scale.h"
#include "apiserver/verbs.h"

static void get_now(struct request *r)
{
    const struct resource *resource = r->route.resource;
    struct cache_object *o = registry_get(resource, r->route.ns, r->route.name);
    if (!o)
        request_reply_status(r, status_not_found(&r->arena, resource->schema, r->route.name));
    else if (str_eq(r->route.subresource, STR("scale")))
        scale_get(r, o);
    else
        render_cached(r, 200, o);
}

void verb_get(struct request *r)
{
    struct str version = query_get(&r->query, STR("resourceVersion"));
    int64_t revision = 0;
    if (version.len && (str_to_int64(version, &revision) < 0 || revision < 0)) {
        request_reply_status(r, status_bad_request(&r->arena,
                                                   "Invalid value: \"%.*s\": invalid resource version",
                                                   STR_ARG(str_slice(version, 0, 64))));
        return;
    }
    freshness_wait(r, revision, get_now);
}
