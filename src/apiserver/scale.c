#include "apiserver/scale.h"

#include "apiserver/apiserver-private.h"
#include "apiserver/patch.h"
#include "apiserver/proposal.h"
#include "apiserver/render.h"
#include "apiserver/request.h"
#include "object/meta.h"
#include "object/selector.h"

static struct json *scale_of(struct arena *a, const struct json *object)
{
    static const char *const kept[] = {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"};
    struct json *scale = json_object(a), *metadata = json_object(a), *spec = json_object(a),
                *status = json_object(a);
    struct label_selector selector;
    _cleanup_(strbuf_done) struct strbuf text = {0};
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        struct str value = json_string_at(object, "metadata", kept[i]);
        if (value.len)
            json_setz(metadata, kept[i], json_string(a, value));
    }
    json_setz(spec, "replicas", json_int(a, json_int_at(object, 0, "spec", "replicas")));
    json_setz(status, "replicas", json_int(a, json_int_at(object, 0, "status", "replicas")));
    if (label_selector_from_object(a, json_path(object, "spec", "selector", NULL), &selector, NULL) == 0)
        label_selector_write(&selector, &text);
    if (text.len)
        json_setz(status, "selector", json_string(a, arena_str(a, strbuf_str(&text))));
    json_setz(scale, "kind", json_string(a, STR("Scale")));
    json_setz(scale, "apiVersion", json_string(a, STR("autoscaling/v1")));
    json_setz(scale, "metadata", metadata);
    json_setz(scale, "spec", spec);
    json_setz(scale, "status", status);
    return scale;
}

void scale_get(struct request *r, const struct cache_object *o)
{
    struct json *object;
    if (json_parse(&r->arena, cache_object_json(o), NULL, &object, NULL) < 0)
        request_reply_status(r, status_internal(&r->arena, "the stored object cannot be read"));
    else
        render_value(r, 200, scale_of(&r->arena, object));
}

/* The scale that the client wants: the body, or its patch of what is there. */
static struct status *wanted(struct write *w, struct change *c, struct json **ret)
{
    struct request *r = w->request;
    struct json_parse_info info;
    if (r->route.verb == VERB_UPDATE)
        return body_parse(r, c->arena, NULL, &info, ret);
    struct patch patch = {.arena = c->arena, .object = scale_of(c->arena, c->old), .text = r->body};
    (void)patch_type_of(r->content_type, &patch.type);
    if (patch.type == PATCH_APPLY)
        return status_unsupported_media_type(
            c->arena, STR("application/json-patch+json, application/merge-patch+json"));
    if (patch.type == PATCH_STRATEGIC)
        patch.type = PATCH_MERGE; /* a Scale has no lists */
    return patch_apply(&patch, ret);
}

static struct status *build(struct write *w, struct change *c)
{
    struct json *scale;
    if (!c->old)
        return status_not_found(c->arena, w->resource->schema, w->name);
    struct status *refusal = wanted(w, c, &scale);
    if (refusal)
        return refusal;
    const struct json *replicas = json_path(scale, "spec", "replicas", NULL);
    if (!json_is(scale, JSON_OBJECT) || (replicas && replicas->type != JSON_INT))
        return status_bad_request(c->arena, "a Scale with a number at spec.replicas is needed");
    struct json *object = json_copy(c->arena, c->old);
    int64_t n = json_int_or(replicas, 0);
    if (n < 0 || n > INT32_MAX) {
        field_invalid(c->errors, FIELD(FIELD(NULL, "spec"), "replicas"), replicas,
                      "must be greater than or equal to 0");
        n = 0;
    }
    json_setz(json_ensure_object(c->arena, object, "spec"), "replicas", json_int(c->arena, n));
    meta_set(c->arena, object, "resourceVersion", meta_resource_version(scale));
    w->subresource = STR(""); /* what changes is the object's own spec */
    return proposal_update(w, c, object);
}

static void done(struct write *w, const struct status *refusal, struct json *object)
{
    if (!request_is_open(w->request))
        return;
    if (refusal)
        request_reply_status(w->request, refusal);
    else
        render_value(w->request, 200, scale_of(&w->arena, object));
}

void scale_update(struct request *r)
{
    static const struct write_ops ops = {.build = build, .done = done};
    proposal_start(r, &ops, &(struct proposal){0});
}
