#include "apiserver/deletion.h"

#include <inttypes.h>

#include "apiserver/apiserver-private.h"
#include "apiserver/body.h"
#include "apiserver/render.h"
#include "apiserver/request.h"
#include "apiserver/verbs.h"
#include "object/meta.h"

#define ORPHAN     "orphan"
#define FOREGROUND "foregroundDeletion"

/* DeleteOptions: the body, if there is one, else the query. */
static struct status *parse_body(struct request *r, struct json **ret)
{
    struct json_parse_info info;
    struct decode_report report;
    struct err err = {0};
    *ret = json_object(&r->arena);
    if (!r->body.len)
        return NULL;
    struct status *bad = body_parse(r, &r->arena, &schema_DeleteOptions, &info, ret);
    if (bad)
        return bad;
    if (!json_is(*ret, JSON_OBJECT))
        return status_bad_request(&r->arena, "DeleteOptions must be an object");
    const struct decode_options decode = {.arena = &r->arena, .strictness = DECODE_IGNORE, .parsed = &info};
    if (decode_value(&decode, &schema_DeleteOptions, *ret, &report, &err) < 0)
        return status_bad_request(&r->arena, "%s", err.text);
    return NULL;
}

static struct status *read_propagation(struct request *r, const struct json *body, struct deletion *d)
{
    struct str policy = json_string_at(body, "propagationPolicy");
    const struct json *orphan = json_getz(body, "orphanDependents");
    if (!policy.len)
        policy = query_get(&r->query, STR("propagationPolicy"));
    bool has_orphan = orphan || query_has(&r->query, STR("orphanDependents"));
    bool wants_orphan =
        orphan ? json_bool_or(orphan, false) : query_get_bool(&r->query, STR("orphanDependents"));
    if (policy.len && has_orphan)
        return status_bad_request(&r->arena, "propagationPolicy: Invalid value: orphanDependents and "
                                             "deletionPropagation cannot be both set");
    if (str_eq(policy, STR("Orphan")) || wants_orphan)
        d->propagation = PROPAGATE_ORPHAN;
    else if (str_eq(policy, STR("Foreground")))
        d->propagation = PROPAGATE_FOREGROUND;
    else if (str_eq(policy, STR("Background")) || has_orphan)
        d->propagation = PROPAGATE_BACKGROUND;
    else if (policy.len)
        return status_bad_request(&r->arena,
                                  "propagationPolicy: Unsupported value: \"%.*s\": supported values: "
                                  "\"Background\", \"Foreground\", \"Orphan\"",
                                  STR_ARG(str_slice(policy, 0, 64)));
    return NULL;
}

static struct status *read_dry_run(struct request *r, const struct json *body, struct deletion *d)
{
    struct str value = query_get(&r->query, STR("dryRun"));
    json_foreach (json_getz(body, "dryRun"), item)
        value = json_str(item);
    if (value.len && !str_eq(value, STR("All")))
        return status_bad_request(&r->arena, "dryRun: Unsupported value: \"%.*s\": supported values: \"All\"",
                                  STR_ARG(str_slice(value, 0, 64)));
    d->dry_run = value.len > 0;
    return NULL;
}

struct status *deletion_parse(struct request *r, struct deletion *ret)
{
    struct json *body;
    *ret = (struct deletion){.grace_seconds = -1};
    struct status *bad = parse_body(r, &body);
    if (!bad)
        bad = query_get_int(&r->arena, &r->query, STR("gracePeriodSeconds"), -1, &ret->grace_seconds);
    if (!bad)
        bad = read_propagation(r, body, ret);
    if (!bad)
        bad = read_dry_run(r, body, ret);
    if (bad)
        return bad;
    ret->grace_seconds = json_int_at(body, ret->grace_seconds, "gracePeriodSeconds");
    ret->uid = json_string_at(body, "preconditions", "uid");
    ret->resource_version = json_string_at(body, "preconditions", "resourceVersion");
    return NULL;
}

static struct status *check_preconditions(struct write *w, struct change *c, const struct deletion *d)
{
    struct str why = STR_NONE;
    if (d->uid.len && !str_eq(d->uid, meta_uid(c->old)))
        why =
            arena_format(c->arena, "Precondition failed: UID in precondition: %.*s, UID in object meta: %.*s",
                         STR_ARG(d->uid), STR_ARG(meta_uid(c->old)));
    else if (d->resource_version.len && !str_eq(d->resource_version, meta_resource_version(c->old)))
        why = arena_format(c->arena,
                           "Precondition failed: ResourceVersion in precondition: %.*s, ResourceVersion in "
                           "object meta: %.*s",
                           STR_ARG(d->resource_version), STR_ARG(meta_resource_version(c->old)));
    return why.p ? status_conflict(c->arena, w->resource->schema, w->name, why.p) : NULL;
}

/* The collector (a controller) acts on these two. Source: registry/generic
 * deletionFinalizersForGarbageCollection. */
static void set_finalizers(struct change *c, const struct deletion *d)
{
    if (d->propagation == PROPAGATE_DEFAULT)
        return; /* what somebody asked for before stays */
    (void)meta_remove_finalizer(c->object, STR(ORPHAN));
    (void)meta_remove_finalizer(c->object, STR(FOREGROUND));
    if (d->propagation == PROPAGATE_ORPHAN)
        meta_add_finalizer(c->arena, c->object, STR(ORPHAN));
    if (d->propagation == PROPAGATE_FOREGROUND)
        meta_add_finalizer(c->arena, c->object, STR(FOREGROUND));
}

static int64_t grace_of(struct write *w, struct change *c, const struct deletion *d)
{
    int64_t seconds = d->grace_seconds;
    if (!w->resource->strategy->grace_period)
        return 0;
    w->resource->strategy->grace_period(w->resource->self, c->old, &seconds);
    return seconds;
}

/* Has the object to stay for now? Then change->object says how. */
static bool terminate(struct write *w, struct change *c, const struct deletion *d)
{
    const struct strategy *s = w->resource->strategy;
    int64_t grace = grace_of(w, c, d);
    c->object = json_copy(c->arena, c->old);
    set_finalizers(c, d);
    bool held = meta_count_finalizers(c->object) || (s->holds && s->holds(w->resource->self, c->object));
    if (!held && grace <= 0)
        return false;
    if (!meta_is_deleted(c->object)) {
        meta_set_deleted(c->arena, c->object, c->now, MAX(grace, 0));
        if (w->resource->schema->generation)
            json_setz(meta_get(c->object), "generation", json_int(c->arena, meta_generation(c->old) + 1));
    } else if (grace < json_int_at(c->old, 0, "metadata", "deletionGracePeriodSeconds")) {
        meta_set_deleted(c->arena, c->object, c->now, MAX(grace, 0)); /* it can only become shorter */
    }
    return true;
}

static struct status *build(struct write *w, struct change *c)
{
    const struct deletion *d = w->user;
    if (!c->old)
        return status_not_found(c->arena, w->resource->schema, w->name);
    struct status *refusal = check_preconditions(w, c, d);
    if (refusal)
        return refusal;
    if (terminate(w, c, d)) {
        c->verb = CHANGE_UPDATE;
        w->is_termination = true;
        return NULL;
    }
    c->verb = CHANGE_DELETE;
    c->object = NULL;
    w->is_termination = false;
    return NULL;
}

struct write *deletion_new(struct request *r, const struct deletion *d, const struct write_ops *more)
{
    struct write_ops *ops = arena_new(&r->arena, struct write_ops);
    *ops = (struct write_ops){.build = build, .done = more->done};
    struct write *w = write_new(r, ops);
    w->resource = registry_stored(r->server->registry, r->route.resource);
    w->dry_run = d->dry_run;
    w->user = (void *)d;
    return w;
}

static void done(struct write *w, const struct status *refusal, struct json *object)
{
    if (!request_is_open(w->request))
        return;
    if (refusal) {
        request_reply_status(w->request, refusal);
        return;
    }
    if (w->outcome != WRITE_DELETED || w->resource->strategy->returns_deleted) {
        render_object(w->request, 200, &w->arena, object);
        return;
    }
    const struct status *s =
        status_deleted(&w->arena, w->request->route.resource->schema, w->name, meta_uid(object));
    render_value(w->request, 200, status_to_json(&w->arena, s));
}

void verb_delete(struct request *r)
{
    static const struct write_ops ops = {.done = done};
    struct deletion *d = arena_new(&r->arena, struct deletion);
    if (r->route.subresource.len) {
        request_reply_status(r,
                             status_method_not_allowed(&r->arena, r->route.resource->schema, STR("DELETE")));
        return;
    }
    struct status *bad = deletion_parse(r, d);
    if (bad)
        request_reply_status(r, bad);
    else
        write_start(deletion_new(r, d, &ops));
}
