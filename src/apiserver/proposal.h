/* Proposals: what a client wants an object to be, before the steps of a write; shared by create, update,
 * patch. */
#pragma once

#include "apiserver/body.h"
#include "apiserver/write.h"

/* What a verb keeps for its write: in the request's arena, as write->user. */
struct proposal {
    struct write_options options;
    bool may_create;
    /* Apply: the tracking of fields is done already. */
    bool is_tracked;
};

/* Makes OBJECT (decoded, stored form) the change's new object: a creation. */
struct status *proposal_create(struct write *w, struct change *c, struct json *object);

/* Makes OBJECT the change's new object: an update of change->old, of the half that the subresource has. */
struct status *proposal_update(struct write *w, struct change *c, struct json *object);

/* The ops->done of all three: answers with the object, 201 if it is new. */
void proposal_done(struct write *w, const struct status *refusal, struct json *object);

/* Reads the options and starts the write; answers if they are bad. */
void proposal_start(struct request *r, const struct write_ops *ops, const struct proposal *p);
