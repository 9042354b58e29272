#include "apiserver/apiserver.h"

#include <assert.h>

#include "apiserver/apiserver-private.h"
#include "apiserver/authz.h"
#include "apiserver/bootstrap.h"
#include "apiserver/printers.h"
#include "apiserver/registry.h"
#include "apiserver/request.h"
#include "apiserver/selection.h"
#include "apiserver/verbs.h"
#include "apiserver/write.h"
#include "base/log.h"

#define MIB ((size_t)1024 * 1024)

/* What a new thing of this kind is: one gate, in order. */
static void handle(struct request *r);

static void fill_limits(struct apiserver_limits *l)
{
    static const struct apiserver_limits defaults = {
        .body_bytes = 3 * MIB,
        .object_bytes = 3 * MIB / 2,
        .watches = 20000,
        .watches_per_user = 5000,
        .watch_queue_bytes = 4 * MIB,
        .watch_user_bytes = 64 * MIB,
        .requests = 2000,
        .request_ms = 60000,
    };
#define FILL(field) l->field = l->field ? l->field : defaults.field
    FILL(body_bytes);
    FILL(object_bytes);
    FILL(watches);
    FILL(watches_per_user);
    FILL(watch_queue_bytes);
    FILL(watch_user_bytes);
    FILL(requests);
    FILL(request_ms);
#undef FILL
}

int apiserver_new(const struct apiserver_config *config, struct apiserver **ret, struct err *err)
{
    struct apiserver *s = mem_new(struct apiserver);
    s->config = *config;
    fill_limits(&s->config.limits);
    list_init(&s->requests);
    list_init(&s->writes);
    int status = authn_new(config->tokens, &s->authn, err);
    if (status < 0) {
        free(s);
        return status;
    }
    s->cache = cache_new(&(struct cache_options){
        .loop = config->loop,
        .store = config->store,
        .window_events = config->limits.window_events,
        .window_bytes = config->limits.window_bytes,
    });
    s->registry = registry_new(
        &(struct registry_options){.cache = s->cache, .random = config->random, .config = &s->config});
    s->metrics = metrics_new(s->registry);
    *ret = s;
    return 0;
}

static void on_bootstrapped(void *user)
{
    struct apiserver *s = user;
    s->is_ready = true;
    log_info("the API server is ready at revision %lld", (long long)cache_revision(s->cache));
    if (s->config.ready)
        s->config.ready(s->config.ready_user);
}

static void on_loaded(void *user, int status, const struct err *err)
{
    struct apiserver *s = user;
    if (status < 0) {
        /* The cache tries again by itself; once it is there, so is everything else. */
        cache_on_ready(s->cache, on_loaded, s);
        return;
    }
    s->bootstrap = bootstrap_new(s, on_bootstrapped, s);
}

void apiserver_start(struct apiserver *s)
{
    cache_start(s->cache, on_loaded, s);
}

void apiserver_free(struct apiserver *s)
{
    if (!s)
        return;
    bootstrap_free(s->bootstrap);
    while (!list_is_empty(&s->requests))
        request_abandon(container_of(s->requests.next, struct request, node));
    write_orphan_all(&s->writes);
    metrics_free(s->metrics);
    registry_free(s->registry);
    cache_free(s->cache);
    authn_free(s->authn);
    map_done(&s->watchers, NULL);
    free(s);
}

bool apiserver_is_ready(const struct apiserver *s)
{
    return s->is_ready;
}

struct registry *apiserver_registry(struct apiserver *s)
{
    return s->registry;
}

/* The gate. */

static struct str exact_name(struct request *r)
{
    struct selection s;
    if (r->route.name.len)
        return r->route.name;
    if ((r->route.verb != VERB_LIST && r->route.verb != VERB_WATCH) || !r->route.resource)
        return STR("");
    return selection_parse(r, &s) ? STR("") : s.name;
}

static struct authz_request authz_request_of(struct request *r)
{
    const struct route *route = &r->route;
    struct authz_request q = {.verb = route_verb_name(route->verb), .path = route->path};
    if (!route->plural.len)
        return q;
    q.group = route->group;
    q.resource = route->plural;
    q.subresource = route->subresource.p ? route->subresource : STR("");
    q.ns = route->ns.p ? route->ns : STR("");
    /* Rights on a namespace are rights on that object in it, as upstream has it. */
    q.name = exact_name(r);
    return q;
}

static struct status *authenticate(struct request *r)
{
    struct apiserver *s = r->server;
    struct err refusal = {0};
    switch (authn_identify(s->authn, r->ex->request, r->ex->peer, &r->identity, &refusal)) {
    case AUTHN_OK:
        return NULL;
    case AUTHN_ANONYMOUS:
        if (r->route.verb == VERB_GET && authz_is_public(r->route.path))
            return NULL;
        refusal = (struct err){.text = "no credentials were sent"};
        break;
    case AUTHN_REFUSED:
        metrics_count(s->metrics, METRICS_AUTH_REFUSED, 1);
        break;
    }
    struct status *status = status_unauthorized(&r->arena);
    status->message = arena_format(&r->arena, "Unauthorized: %s", refusal.text);
    return status;
}

/* 403 with upstream's sentence. */
static struct status *authorize(struct request *r)
{
    struct authz_request q = authz_request_of(r);
    if (authz_allows(&r->identity, &q))
        return NULL;
    struct schema_resource unknown = {.group = q.group, .plural = q.resource};
    const struct schema_resource *schema = r->route.resource ? r->route.resource->schema : &unknown;
    return status_forbidden_request(&r->arena, &(struct status_request){
                                                   .user = r->identity.user,
                                                   .verb = q.verb,
                                                   .resource = q.resource.len ? schema : NULL,
                                                   .subresource = q.subresource,
                                                   .ns = q.ns,
                                                   .name = q.name,
                                                   .path = q.path,
                                               });
}

static struct status *check_limits(struct request *r)
{
    struct apiserver *s = r->server;
    if (s->n_requests > s->config.limits.requests) {
        metrics_count(s->metrics, METRICS_REQUESTS_DROPPED, 1);
        return status_too_many_requests(&r->arena, "too many requests are under way", 1);
    }
    if (r->ex->request->body.len > s->config.limits.body_bytes)
        return status_too_large(&r->arena, "the body of the request is larger than the limit of %zu bytes",
                                s->config.limits.body_bytes);
    return NULL;
}

/* Upstream's sentence, which some clients look for, and what it is that is missing: kubectl shows it for
 * logs, exec, auth can-i and every kind that is not there, where the sentence alone leaves one guessing. */
static struct status *not_served(struct request *r)
{
    const struct route *route = &r->route;
    struct str sub = route->subresource.p ? route->subresource : STR("");
    struct status *s = status_no_route(&r->arena);
    const struct resource *resource =
        registry_find_version(r->server->registry, route->group, route->version, route->plural);
    if (!route->plural.len || (resource && (!sub.len || route_has_subresource(resource, sub))))
        return s;
    struct str what =
        arena_format(&r->arena, "%.*s%s%.*s%s%.*s", STR_ARG(route->plural), route->group.len ? "." : "",
                     STR_ARG(route->group), sub.len ? "/" : "", STR_ARG(sub));
    what = printer_harmless(&r->arena, str_slice(what, 0, 128));
    s->message = arena_format(&r->arena, "%.*s: %.*s is not served", STR_ARG(s->message), STR_ARG(what));
    return s;
}

static struct status *pass_gate(struct request *r)
{
    const struct http_request *request = r->ex->request;
    struct status *bad =
        route_parse(&r->arena, r->server->registry, request->method, request->target, &r->route, &r->query);
    if (bad)
        return bad;
    bad = authenticate(r);
    if (!bad)
        bad = authorize(r);
    if (!bad)
        bad = check_limits(r);
    if (bad)
        return bad;
    return r->route.kind == ROUTE_NONE || (r->route.kind == ROUTE_RESOURCE && !r->route.resource)
               ? not_served(r)
               : NULL;
}

/* ?timeout=5s of any request but a watch. */
static struct status *read_timeout(struct request *r)
{
    struct str text = query_get(&r->query, STR("timeout"));
    int64_t ns;
    if (!text.len)
        return NULL;
    if (duration_parse_ns(text, &ns) < 0 || ns < 0)
        return status_bad_request(&r->arena, "invalid timeout \"%.*s\": not a duration such as 30s",
                                  STR_ARG(str_slice(text, 0, 64)));
    if (ns > 0)
        request_set_timeout(r, MAX(ns / TIME_MS_NS, 1));
    return NULL;
}

static void take_message(struct request *r)
{
    const struct http_request *request = r->ex->request;
    accept_parse(http_request_header(request, STR("accept")), &r->accept);
    r->content_type = arena_str(&r->arena, media_type(http_request_header(request, STR("content-type"))));
    r->body = arena_str(&r->arena, request->body);
}

/* Subresources have the verbs that make sense for them. */
static bool serves(const struct request *r)
{
    const struct schema_resource *s = r->route.resource->schema;
    struct str verb = route_verb_name(r->route.verb);
    if (r->route.subresource.len)
        return r->route.verb == VERB_GET || r->route.verb == VERB_UPDATE || r->route.verb == VERB_PATCH;
    for (size_t i = 0; i < s->n_verbs; i++) {
        if (str_eq(s->verbs[i], verb))
            return true;
    }
    return false;
}

static void handle(struct request *r)
{
    static void (*const verbs[])(struct request *) = {
        [VERB_GET] = verb_get,       [VERB_LIST] = verb_list,
        [VERB_WATCH] = verb_watch,   [VERB_CREATE] = verb_create,
        [VERB_UPDATE] = verb_update, [VERB_PATCH] = verb_patch,
        [VERB_DELETE] = verb_delete, [VERB_DELETE_COLLECTION] = verb_delete_collection,
    };
    struct status *refusal = pass_gate(r);
    if (!refusal)
        refusal = read_timeout(r);
    if (refusal) {
        request_reply_status(r, refusal);
        return;
    }
    take_message(r);
    if (r->route.kind == ROUTE_PATH) {
        if (r->route.verb == VERB_GET)
            r->route.entry->handle(r);
        else
            request_reply_status(r, status_method_not_allowed(&r->arena, NULL, r->ex->request->method));
        return;
    }
    if (!serves(r))
        refusal = status_method_not_allowed(&r->arena, r->route.resource->schema, r->ex->request->method);
    else if (!cache_is_ready(r->server->cache))
        refusal = status_unavailable(&r->arena, "the server is still loading its objects");
    if (refusal)
        request_reply_status(r, refusal);
    else
        verbs[r->route.verb](r);
}

void apiserver_handle(void *ctx, struct http_exchange *ex)
{
    struct request *r = request_new(ctx, ex);
    request_ref(r);
    handle(r);
    request_unref(r);
}
