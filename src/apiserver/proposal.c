#include "apiserver/proposal.h"

#include "apiserver/apiserver-private.h"
#include "apiserver/render.h"
#include "apiserver/request.h"
#include "object/apply.h"
#include "object/meta.h"

#define GENERATE_TRIES 8

static struct status *check_names(struct write *w, struct change *c, const struct json *object)
{
    struct str name = meta_name(object), ns = meta_namespace(object);
    if (ns.len && !str_eq(ns, w->ns))
        return status_bad_request(
            c->arena,
            "the namespace of the provided object does not match the namespace sent on the request");
    if (name.len && w->request->route.name.len && !str_eq(name, w->request->route.name))
        return status_bad_request(c->arena,
                                  "the name of the object (%.*s) does not match the name on the URL (%.*s)",
                                  STR_ARG(name), STR_ARG(w->request->route.name));
    return NULL;
}

/* A name that is free. */
static struct status *choose_name(struct write *w, struct change *c, struct json *object)
{
    struct str name = meta_name(object);
    if (name.len) {
        w->name = arena_str(&w->request->arena, name);
        if (registry_get(w->resource, w->ns, w->name))
            return status_already_exists(c->arena, w->resource->schema, w->name);
        return NULL;
    }
    for (int i = 0; i < GENERATE_TRIES; i++) {
        if (!meta_generate_name(c->arena, object, c->random)) {
            w->name = STR("");
            return NULL; /* validation says that one is needed */
        }
        w->name = arena_str(&w->request->arena, meta_name(object));
        if (!registry_get(w->resource, w->ns, w->name))
            return NULL;
        meta_set(c->arena, object, "name", STR(""));
    }
    return status_generate_name_conflict(c->arena, w->resource->schema, w->name);
}

/* Who set what: an apply has said so itself. */
static struct status *track(struct write *w, struct change *c, const struct proposal *p)
{
    if (p->is_tracked)
        return NULL;
    const struct apply_options options = {
        .arena = c->arena,
        .resource = w->resource->schema,
        .manager = p->options.manager,
        .subresource = w->subresource,
        .now = c->now,
    };
    return apply_track(&options, c->old, c->object);
}

struct status *proposal_create(struct write *w, struct change *c, struct json *object)
{
    const struct schema_resource *schema = w->resource->schema;
    struct proposal *p = w->user;
    char uid[RANDOM_UUID_LEN];
    c->verb = CHANGE_CREATE;
    c->old = NULL;
    struct status *refusal = check_names(w, c, object);
    if (refusal)
        return refusal;
    if (meta_resource_version(object).len)
        return status_bad_request(c->arena, "resourceVersion should not be set on objects to be created");
    if (w->request->route.name.len && !meta_name(object).len)
        meta_set(c->arena, object, "name", w->request->route.name);
    refusal = choose_name(w, c, object);
    if (refusal)
        return refusal;
    random_uuid(c->random, uid);
    meta_init(
        c->arena, object,
        &(struct meta_new){.ns = w->ns, .uid = str_of(uid), .now = c->now, .generation = schema->generation});
    if (schema->has_status && !w->resource->strategy->keeps_status)
        (void)json_unsetz(object, "status");
    c->object = object;
    return track(w, c, p);
}

/* What the subresource may change, on top of the old object. */
static struct json *merge_half(struct write *w, struct change *c, struct json *object)
{
    if (!w->subresource.len) {
        if (!w->resource->schema->has_status)
            return object;
        struct json *status = json_getz(c->old, "status");
        if (status)
            json_setz(object, "status", json_copy(c->arena, status));
        else
            (void)json_unsetz(object, "status");
        return object;
    }
    struct json *merged = json_copy(c->arena, c->old);
    struct json *managed = meta_managed_fields(object);
    struct str version = meta_resource_version(object);
    meta_set(c->arena, merged, "resourceVersion", version);
    if (managed)
        json_setz(meta_get(merged), "managedFields", json_copy(c->arena, managed));
    if (str_eq(w->subresource, STR("finalize"))) {
        struct json *finalizers = json_path(object, "spec", "finalizers", NULL);
        struct json *spec = json_ensure_object(c->arena, merged, "spec");
        (void)json_unsetz(spec, "finalizers");
        if (finalizers)
            json_setz(spec, "finalizers", json_copy(c->arena, finalizers));
        return merged;
    }
    struct json *status = json_getz(object, "status");
    (void)json_unsetz(merged, "status");
    if (status)
        json_setz(merged, "status", json_copy(c->arena, status));
    return merged;
}

static struct status *check_preconditions(struct write *w, struct change *c, struct json *object)
{
    const struct schema_resource *schema = w->resource->schema;
    struct str version = meta_resource_version(object), uid = meta_uid(object);
    if (version.len && !str_eq(version, STR("0")) && !str_eq(version, meta_resource_version(c->old)))
        return status_conflict(c->arena, schema, w->name, STATUS_MODIFIED);
    if (uid.len && !str_eq(uid, meta_uid(c->old))) {
        struct str why =
            arena_format(c->arena, "Precondition failed: UID in precondition: %.*s, UID in object meta: %.*s",
                         STR_ARG(uid), STR_ARG(meta_uid(c->old)));
        return status_conflict(c->arena, schema, w->name, why.p);
    }
    /* Validation refuses what has no version: only those may overwrite that do not need one. */
    if (!version.len &&
        (!w->resource->strategy->needs_resource_version || w->request->route.verb == VERB_PATCH))
        meta_set(c->arena, object, "resourceVersion", meta_resource_version(c->old));
    return NULL;
}

struct status *proposal_update(struct write *w, struct change *c, struct json *object)
{
    struct proposal *p = w->user;
    c->verb = CHANGE_UPDATE;
    struct status *refusal = check_names(w, c, object);
    if (refusal)
        return refusal;
    meta_set(c->arena, object, "name", w->name);
    meta_set(c->arena, object, "namespace", w->ns);
    refusal = check_preconditions(w, c, object);
    if (refusal)
        return refusal;
    object = merge_half(w, c, object);
    meta_keep(c->arena, object, c->old);
    c->object = object;
    if (w->resource->schema->generation)
        (void)meta_count_generation(c->arena, object, c->old);
    return track(w, c, p);
}

void proposal_done(struct write *w, const struct status *refusal, struct json *object)
{
    if (!request_is_open(w->request))
        return;
    if (refusal) {
        request_reply_status(w->request, refusal);
        return;
    }
    render_object(w->request, w->outcome == WRITE_CREATED ? 201 : 200, &w->arena, object);
}

void proposal_start(struct request *r, const struct write_ops *ops, const struct proposal *p)
{
    struct proposal *own = arena_new(&r->arena, struct proposal);
    *own = *p;
    struct status *refusal = body_read_options(r, &own->options);
    if (refusal) {
        request_reply_status(r, refusal);
        return;
    }
    struct write *w = write_new(r, ops);
    w->resource = registry_stored(r->server->registry, r->route.resource);
    w->dry_run = own->options.dry_run;
    w->user = own;
    write_start(w);
}
