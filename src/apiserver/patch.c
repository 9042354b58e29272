#include "apiserver/patch.h"

#include <errno.h>

#include "apiserver/apiserver-private.h"
#include "apiserver/conversion.h"
#include "apiserver/proposal.h"
#include "apiserver/request.h"
#include "apiserver/scale.h"
#include "apiserver/verbs.h"
#include "object/strategic-merge.h"
#include "wire/json-patch.h"
#include "wire/merge-patch.h"

#define MEDIA_TYPES                                                                                          \
    "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, "    \
    "application/apply-patch+yaml"

bool patch_type_of(struct str content_type, enum patch_type *ret)
{
    static const struct {
        struct str name;
        enum patch_type type;
    } types[] = {
        {STR_INIT("application/json-patch+json"), PATCH_JSON},
        {STR_INIT("application/merge-patch+json"), PATCH_MERGE},
        {STR_INIT("application/strategic-merge-patch+json"), PATCH_STRATEGIC},
        {STR_INIT("application/apply-patch+yaml"), PATCH_APPLY},
    };
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (str_eq(types[i].name, content_type)) {
            *ret = types[i].type;
            return true;
        }
    }
    return false;
}

static struct status *apply_json_patch(const struct patch *p, struct json *document, struct json **ret)
{
    struct err err = {0};
    switch (json_patch_apply(p->arena, p->object, document, ret, &err)) {
    case 0:
        return NULL;
    case JSON_PATCH_MALFORMED:
        return status_bad_request(p->arena, "error decoding patch: %s", err.text);
    case JSON_PATCH_TOO_LARGE:
        return status_too_large(p->arena, "%s", err.text);
    default: {
        struct status *s = status_bad_request(p->arena, "%s", err.text);
        s->code = 422;
        s->reason = STR("Invalid");
        return s;
    }
    }
}

static struct status *apply_strategic(const struct patch *p, struct json *document, struct json **ret)
{
    struct err err = {0};
    *ret = json_copy(p->arena, p->object);
    if (strategic_merge(p->arena, p->schema, *ret, document, &err) < 0)
        return status_bad_request(p->arena, "%s", err.text);
    return NULL;
}

struct status *patch_apply(const struct patch *p, struct json **ret)
{
    struct err err = {0};
    struct json *document;
    struct json_parse_info info = {0};
    if (!p->text.len)
        return status_bad_request(p->arena, "the body of the request is empty");
    if (json_parse(p->arena, p->text, &info, &document, &err) < 0)
        return status_bad_request(p->arena, "error decoding patch: %s", err.text);
    if (p->type == PATCH_JSON)
        return apply_json_patch(p, document, ret);
    if (!json_is(document, JSON_OBJECT))
        return status_bad_request(p->arena,
                                  "error decoding patch: a patch of this type must be a JSON object");
    if (p->type == PATCH_STRATEGIC)
        return apply_strategic(p, document, ret);
    *ret = merge_patch_apply(p->arena, p->object, document);
    return NULL;
}

static struct status *build(struct write *w, struct change *c)
{
    struct proposal *p = w->user;
    const struct resource *served = w->request->route.resource;
    struct json_parse_info info = {0};
    struct json *object;
    if (!c->old)
        return status_not_found(c->arena, w->resource->schema, w->name);
    struct patch patch = {
        .arena = c->arena,
        .schema = served->schema->type,
        .object = c->old,
        .text = w->request->body,
    };
    (void)patch_type_of(w->request->content_type, &patch.type); /* looked at before */
    if (conversion_is_needed(served))
        patch.object = conversion_from_stored(c->arena, served, json_copy(c->arena, c->old));
    struct status *refusal = patch_apply(&patch, &object);
    if (!refusal)
        refusal = body_decode(w->request, c->arena, &p->options, &info, &object);
    return refusal ? refusal : proposal_update(w, c, object);
}

void verb_patch(struct request *r)
{
    static const struct write_ops ops = {.build = build, .done = proposal_done};
    enum patch_type type;
    if (!r->route.name.len)
        request_reply_status(r,
                             status_method_not_allowed(&r->arena, r->route.resource->schema, STR("PATCH")));
    else if (!patch_type_of(r->content_type, &type))
        request_reply_status(r, status_unsupported_media_type(&r->arena, STR(MEDIA_TYPES)));
    else if (str_eq(r->route.subresource, STR("scale")))
        scale_update(r);
    else if (type == PATCH_APPLY)
        verb_apply(r);
    else
        proposal_start(r, &ops, &(struct proposal){0});
}
