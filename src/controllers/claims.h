/* Claims: which objects a controller's object owns: it adopts orphans that its selector matches and lets go
 * of what it does not match any more. Source: upstream's controller/controller_ref_manager. */
#pragma once

#include "controllers/controller.h"

struct claims {
    enum resource owner_kind, child_kind;
    const struct json *owner;
    bool (*is_candidate)(const struct json *child); /* NULL: every child */
    /* Results. */
    struct objects mine; /* controlled by the owner and matched */
    bool adopting;       /* orphans are being adopted: decide when they have been */
};

/* Fills in the results and issues the patches. Adoption asks for the live owner first: one that has been
 * deleted or replaced since must not take anything. */
void claims_make(struct sync *s, struct claims *c);
