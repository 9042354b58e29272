#include "object/apply.h"

#include "apiserver/apiserver-private.h"
#include "apiserver/conversion.h"
#include "apiserver/proposal.h"
#include "apiserver/request.h"
#include "apiserver/verbs.h"
#include "object/defaults.h"
#include "wire/yaml.h"

static struct status *parse(struct write *w, struct change *c, struct json **ret)
{
    struct err err = {0};
    if (yaml_parse(c->arena, w->request->body, NULL, ret, &err) < 0)
        return status_bad_request(c->arena, "error decoding YAML: %s", err.text);
    if (!json_is(*ret, JSON_OBJECT))
        return status_bad_request(c->arena, "the configuration to apply must be an object");
    return NULL;
}

static struct status *build(struct write *w, struct change *c)
{
    struct proposal *p = w->user;
    const struct resource *served = w->request->route.resource;
    struct json *config, *live = NULL, *object;
    struct status *refusal = parse(w, c, &config);
    if (refusal)
        return refusal;
    if (c->old)
        live = conversion_from_stored(c->arena, served, json_copy(c->arena, c->old));
    const struct apply_options options = {
        .arena = c->arena,
        .resource = served->schema,
        .manager = p->options.manager,
        .subresource = w->subresource,
        .now = c->now,
        .force = p->options.force ? APPLY_FORCE : APPLY_ASK,
    };
    refusal = apply_config(&options, live, config, &object);
    if (refusal)
        return refusal;
    object = conversion_to_stored(c->arena, served, object);
    defaults_apply(c->arena, w->resource->schema->type, object);
    if (w->resource->strategy->apply_defaults)
        w->resource->strategy->apply_defaults(w->resource->self, c->arena, object);
    if (c->old)
        return proposal_update(w, c, object);
    if (w->subresource.len)
        return status_not_found(c->arena, w->resource->schema, w->name);
    return proposal_create(w, c, object);
}

void verb_apply(struct request *r)
{
    static const struct write_ops ops = {.build = build, .done = proposal_done};
    if (!query_get(&r->query, STR("fieldManager")).len) {
        request_reply_status(r, status_bad_request(&r->arena,
                                                   "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: "
                                                   "Required value: is required for apply patch"));
        return;
    }
    proposal_start(r, &ops, &(struct proposal){.is_tracked = true});
}
