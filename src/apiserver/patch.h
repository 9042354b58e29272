/* Patches: the three kinds that say what to change (an apply, which says what is wanted, is in apply.h). */
#pragma once

#include "object/status.h"

enum patch_type { PATCH_JSON, PATCH_MERGE, PATCH_STRATEGIC, PATCH_APPLY };

bool patch_type_of(struct str content_type, enum patch_type *ret);

struct patch {
    struct arena *arena;
    const struct schema_type *schema;
    enum patch_type type;
    const struct json *object; /* not changed */
    struct str text;
};

/* The patched document, in the arena. Returns a 400, 413, 422 or NULL. */
struct status *patch_apply(const struct patch *p, struct json **ret);
