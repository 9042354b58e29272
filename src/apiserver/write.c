#include "apiserver/write.h"

#include <errno.h>
#include <inttypes.h>

#include "apiserver/admission.h"
#include "apiserver/apiserver-private.h"
#include "apiserver/change.h"
#include "apiserver/request.h"
#include "base/log.h"
#include "object/meta.h"
#include "object/validate.h"

#define MAX_ATTEMPTS 100

static void attempt(struct write *w);

struct write *write_new(struct request *r, const struct write_ops *ops)
{
    struct write *w = mem_new(struct write);
    w->request = request_ref(r);
    w->ops = ops;
    w->resource = r->route.resource;
    w->ns = r->route.ns.p ? r->route.ns : STR("");
    w->name = r->route.name.p ? r->route.name : STR("");
    w->subresource = r->route.subresource.p ? r->route.subresource : STR("");
    return w;
}

static void attempt_done(struct write *w)
{
    cache_object_unref(w->base);
    w->base = NULL;
    arena_done(&w->arena);
}

static void write_free(struct write *w)
{
    attempt_done(w);
    request_unref(w->request);
    free(w);
}

static void write_end(struct write *w, const struct status *refusal, struct json *object)
{
    w->ops->done(w, refusal, object);
    write_free(w);
}

/* Step 9. */
static void settle(struct write *w, bool committed)
{
    const struct strategy *s = w->resource->strategy;
    void (*hook)(struct change *) = committed ? s->committed : s->aborted;
    if (w->prepared && hook)
        hook(&w->change);
    w->prepared = false;
}

static void attempt_init(struct write *w)
{
    struct apiserver *s = w->request->server;
    w->n_attempts++;
    w->errors = (struct field_errors){.arena = &w->arena};
    w->change = (struct change){
        .registry = s->registry,
        .resource = w->resource,
        .self = w->resource->self,
        .subresource = w->subresource,
        .namespace = w->ns,
        .name = w->name,
        .identity = &w->request->identity,
        .dry_run = w->dry_run,
        .now = loop_wall_now(s->config.loop),
        .random = s->config.random,
        .arena = &w->arena,
        .errors = &w->errors,
    };
}

static struct status *read_old(struct write *w)
{
    struct json *doc;
    w->base = w->name.len ? registry_get(w->resource, w->ns, w->name) : NULL;
    if (!w->base)
        return NULL;
    cache_object_ref(w->base);
    if (json_parse(&w->arena, cache_object_json(w->base), NULL, &doc, NULL) < 0)
        return status_internal(&w->arena, "the stored object is not valid JSON");
    if (w->resource->strategy->apply_defaults)
        w->resource->strategy->apply_defaults(w->resource->self, &w->arena, doc);
    w->change.old = doc;
    return NULL;
}

static bool is_subresource(const struct write *w, const char *name)
{
    return str_eqz(w->subresource, name);
}

/* Step 4. */
static void prepare(struct write *w)
{
    const struct strategy *s = w->resource->strategy;
    void (*hook)(struct change *) = NULL;
    if (w->change.verb == CHANGE_DELETE)
        hook = s->prepare_delete;
    else if (w->is_termination)
        hook = s->prepare_termination;
    else if (w->change.verb == CHANGE_CREATE)
        hook = s->prepare_create;
    else
        hook = is_subresource(w, "status") ? s->prepare_status_update : s->prepare_update;
    w->prepared = true;
    if (hook)
        hook(&w->change);
}

/* Of a status only the types count, which decoding has looked at: as upstream, which takes what controllers
 * and nodes say (an imageID that is not known yet) unless a strategy minds. */
static void validate_by_schema(struct write *w)
{
    struct change *c = &w->change;
    struct json *status = w->resource->schema->has_status ? json_getz(c->object, "status") : NULL;
    if (status)
        (void)json_unsetz(c->object, "status");
    validate_schema(&w->errors, NULL, w->resource->schema->type, c->object, c->old);
    if (status)
        json_setz(c->object, "status", status);
}

/* Steps 5 and 6. */
static void validate(struct write *w)
{
    struct change *c = &w->change;
    const struct schema_resource *schema = w->resource->schema;
    const struct strategy *s = w->resource->strategy;
    const struct json *meta = json_getz(c->object, "metadata");
    const struct meta_rules rules = {
        .name = s->check_name ? s->check_name : name_check_dns1123_subdomain,
        .namespaced = schema->scope == SCHEMA_NAMESPACED,
    };
    if (c->old)
        validate_meta_update(&w->errors, meta, json_getz(c->old, "metadata"));
    else
        validate_meta(&w->errors, meta, &rules);
    validate_by_schema(w);
    if (is_subresource(w, "status")) {
        if (s->validate_status)
            s->validate_status(c);
        return;
    }
    if (s->validate)
        s->validate(c);
    if (c->old && s->validate_update)
        s->validate_update(c);
    if (!w->errors.n && s->warnings)
        s->warnings(c);
}

static struct status *failure(struct write *w)
{
    if (w->change.failure)
        return w->change.failure;
    if (w->errors.n)
        return status_invalid(&w->arena, w->resource->schema, w->name, &w->errors);
    return NULL;
}

/* Objects are stored without resourceVersion; the cache puts the revision in. */
static struct str encode_stored(struct write *w)
{
    struct json *meta = json_getz(w->change.object, "metadata");
    (void)json_unsetz(meta, "resourceVersion");
    return change_encode(&w->arena, w->change.object);
}

static struct status *check_size(struct write *w, struct str value)
{
    size_t limit = w->request->server->config.limits.object_bytes;
    if (value.len <= limit)
        return NULL;
    return status_too_large(&w->arena, "the object would be %zu bytes long; the limit is %zu", value.len,
                            limit);
}

/* A change that changes nothing is not written: no new revision, no event. */
static bool is_unchanged(struct write *w)
{
    const struct change *c = &w->change;
    if (c->verb != CHANGE_UPDATE || w->change.n_also)
        return false;
    meta_set(&w->arena, c->object, "resourceVersion", meta_resource_version(c->old));
    return json_equal(c->object, c->old);
}

static bool is_released(struct write *w)
{
    const struct strategy *s = w->resource->strategy;
    const struct json *object = w->change.object;
    return meta_is_deleted(object) && meta_count_finalizers(object) == 0 &&
           json_int_at(object, 0, "metadata", "deletionGracePeriodSeconds") == 0 &&
           !(s->holds && s->holds(w->resource->self, object));
}

/* An update that takes the last finalizer of a terminating object deletes it. */
static void turn_into_delete(struct write *w)
{
    if (w->change.verb != CHANGE_UPDATE || !w->change.object || !is_released(w))
        return;
    settle(w, false);
    w->change.verb = CHANGE_DELETE;
    w->prepared = true;
    if (w->resource->strategy->prepare_delete)
        w->resource->strategy->prepare_delete(&w->change);
}

static void on_written(void *user, const struct store_result *result);

static void commit(struct write *w)
{
    struct change *c = &w->change;
    struct store_op ops[CHANGE_MAX_ALSO + 1];
    _cleanup_(strbuf_done) struct strbuf key = {0};
    registry_key(w->resource, w->ns, w->name, &key);
    ops[0] = (struct store_op){
        .type = c->verb == CHANGE_DELETE ? STORE_DELETE : STORE_PUT,
        .key = strbuf_str(&key),
        .value = STR(""),
        .expect = w->base ? w->base->revision : STORE_ABSENT,
    };
    if (c->verb != CHANGE_DELETE) {
        ops[0].value = encode_stored(w);
        struct status *refusal = check_size(w, ops[0].value);
        if (refusal) {
            settle(w, false);
            write_end(w, refusal, NULL);
            return;
        }
    }
    memcpy(&ops[1], c->also, c->n_also * sizeof *ops);
    list_append(&w->request->server->writes, &w->node);
    store_write(w->request->server->config.store, ops, c->n_also + 1, on_written, w);
}

void write_orphan_all(struct list *writes)
{
    list_foreach_safe (writes, node) {
        struct write *w = container_of(node, struct write, node);
        settle(w, false);
        list_remove(&w->node);
        w->is_orphan = true;
    }
}

static struct status *store_failure(struct write *w, const struct store_result *result)
{
    const char *why = result->err && result->err->text[0] ? result->err->text : "the store refused the write";
    if (result->status == -ESHUTDOWN)
        return status_unavailable(&w->arena, "the server is shutting down");
    if (result->status == -E2BIG)
        return status_too_large(&w->arena, "%s", why);
    log_warn_limited("a write of %.*s failed: %s; nothing was changed", STR_ARG(w->resource->schema->plural),
                     why);
    if (result->status == -ENOSPC)
        return status_insufficient_storage(&w->arena, "%s", why);
    return status_internal(&w->arena, "%s", why);
}

static void on_written(void *user, const struct store_result *result)
{
    struct write *w = user;
    struct apiserver *s = w->request->server;
    if (w->is_orphan) {
        write_free(w);
        return;
    }
    list_remove(&w->node);
    if (result->status == 0) {
        w->revision = result->revision;
        settle(w, true);
        struct json *object = w->change.object ? w->change.object : (struct json *)w->change.old;
        meta_set_resource_version(&w->arena, object, result->revision);
        write_end(w, NULL, object);
        return;
    }
    settle(w, false);
    if (result->status < 0) {
        write_end(w, store_failure(w, result), NULL);
        return;
    }
    metrics_count(s->metrics, METRICS_WRITE_RETRIES, 1);
    if (w->n_attempts >= MAX_ATTEMPTS) {
        write_end(w, status_conflict(&w->arena, w->resource->schema, w->name, STATUS_MODIFIED), NULL);
        return;
    }
    attempt_done(w);
    attempt(w);
}

static void set_outcome(struct write *w)
{
    static const enum write_outcome outcomes[] = {
        [CHANGE_CREATE] = WRITE_CREATED,
        [CHANGE_UPDATE] = WRITE_UPDATED,
        [CHANGE_DELETE] = WRITE_DELETED,
    };
    w->outcome = outcomes[w->change.verb];
}

static struct status *admit(struct write *w)
{
    struct status *refusal = admission_check_node(&w->change);
    return refusal ? refusal : admission_check_namespace(&w->change);
}

/* Steps 2 to 7. */
static struct status *run_steps(struct write *w)
{
    struct status *refusal = w->ops->build(w, &w->change);
    set_outcome(w);
    if (refusal)
        return refusal;
    if (w->change.verb == CHANGE_UPDATE && !w->change.object) {
        w->outcome = WRITE_UNCHANGED;
        return NULL;
    }
    w->change.name = w->name;
    w->change.namespace = w->ns;
    refusal = admit(w);
    if (refusal)
        return refusal;
    prepare(w);
    if (w->change.verb != CHANGE_DELETE && !w->is_termination && !failure(w))
        validate(w);
    refusal = failure(w);
    if (refusal)
        return refusal;
    for (size_t i = 0; i < w->change.n_warned; i++)
        request_warn(w->request, w->change.warned[i]);
    if (is_unchanged(w))
        w->outcome = WRITE_UNCHANGED;
    else
        turn_into_delete(w);
    return failure(w);
}

static void attempt(struct write *w)
{
    attempt_init(w);
    struct status *refusal = read_old(w);
    if (!refusal)
        refusal = run_steps(w);
    if (refusal || w->outcome == WRITE_UNCHANGED || w->dry_run) {
        settle(w, false);
        struct json *object = w->change.object ? w->change.object : (struct json *)w->change.old;
        write_end(w, refusal, refusal ? NULL : object);
        return;
    }
    commit(w);
}

void write_start(struct write *w)
{
    attempt(w);
}
