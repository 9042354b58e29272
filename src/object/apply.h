/* Server-side apply, and the ownership of fields that every write takes part in.
 *
 * A manager applies a document that has only the fields it cares for. They are merged into the object and
 * become its own; fields it applied before and no longer does are removed unless somebody else owns them; a
 * value that another manager owns and that would change is a conflict unless forced. Creates, updates and
 * patches own what they change, and take it from others without asking.
 *
 *     struct apply_options o = {.arena = a, .resource = r, .manager = manager, .now = now};
 *     if ((refusal = apply_config(&o, live, config, &object)))   a PATCH with application/apply-patch+yaml
 *     ... defaults, strategy, validation, store ...
 *
 *     if ((refusal = apply_track(&o, live, object)))             any other write, after decoding
 *
 * Source: upstream's apimachinery managedfields, sigs.k8s.io/structured-merge-diff merge.
 */
#pragma once

#include "base/datetime.h"
#include "object/schema.h"
#include "object/status.h"

#define APPLY_MAX_MANAGER_LEN 128

enum apply_force { APPLY_ASK, APPLY_FORCE };

struct apply_options {
    struct arena *arena;
    const struct schema_resource *resource;
    struct str manager; /* fieldManager; for updates by default what is before the '/' of the user agent */
    struct str subresource; /* "", "status" or "scale" */
    struct walltime now;
    enum apply_force force; /* apply only */
};

/* Applies CONFIG (raw; it is used up) to LIVE (as stored; NULL if there is none). RET is a new object with
 * its managedFields and the schema's defaults. If nothing changes it equals LIVE, times of managedFields
 * included. Returns NULL, a 400, or a 409 with a cause FieldManagerConflict for each field. */
struct status *apply_config(const struct apply_options *o, const struct json *live, struct json *config,
                            struct json **ret_object);

/* Sets managedFields of OBJECT, which is to replace LIVE (NULL on create), for an update by the manager. What
 * OBJECT itself has there is taken as in upstream: a list that is valid replaces the stored one, [{}] resets,
 * anything else is ignored. Returns NULL or a 400. */
struct status *apply_track(const struct apply_options *o, const struct json *live, struct json *object);
