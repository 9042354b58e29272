#include "apiserver/proposal.h"
#include "apiserver/request.h"
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
    return refusal ? refusal : proposal_create(w, c, object);
}

void verb_create(struct request *r)
{
    static const struct write_ops ops = {.build = build, .done = proposal_done};
    if (r->route.name.len || r->route.subresource.len) {
        request_reply_status(r, status_method_not_allowed(&r->arena, r->route.resource->schema, STR("POST")));
        return;
    }
    proposal_start(r, &ops, &(struct proposal){.may_create = true});
}
