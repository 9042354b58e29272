#include "apiserver/proposal.h"
#include "apiserver/request.h"
#include "apiserver/scale.h"
#include "apiserver/verbs.h"

static struct status *build(struct write *w, struct change *c)
{
    struct proposal *p = w->user;
    struct json_parse_info info;
    struct json *object;
    struct status *refusal =
        body_parse(w->request, c->arena, w->request->route.resource->schema->type, &info, &object);
    if (!refusal)
        refusal = body_decode(w->request, c->arena, &p->options, &info, &object);
    if (refusal)
        return refusal;
    if (c->old)
        return proposal_update(w, c, object);
    if (!p->may_create)
        return status_not_found(c->arena, w->resource->schema, w->name);
    return proposal_create(w, c, object);
}

void verb_update(struct request *r)
{
    static const struct write_ops ops = {.build = build, .done = proposal_done};
    bool whole = !r->route.subresource.len;
    if (!r->route.name.len) {
        request_reply_status(r, status_method_not_allowed(&r->arena, r->route.resource->schema, STR("PUT")));
        return;
    }
    if (str_eq(r->route.subresource, STR("scale"))) {
        scale_update(r);
        return;
    }
    proposal_start(r, &ops,
                   &(struct proposal){
                       .may_create = whole && r->route.resource->strategy->create_on_update,
                   });
}
