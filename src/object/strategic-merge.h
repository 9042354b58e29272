/* Strategic merge patch: a merge patch that knows from the schema which lists are merged, and by what key.
 *
 * Objects and maps are merged member by member, null removes a member, lists with a merge strategy are merged
 * by their merge key (or as sets of scalars), other lists are replaced. Directives in the patch:
 * `$patch: replace|delete|merge` in objects and list elements, `$retainKeys: [names]`,
 * `$deleteFromPrimitiveList/FIELD: [values]`, `$setElementOrder/FIELD: [keys]`.
 * Fields that the schema does not know are merged as in a JSON merge patch, so that decoding can tell of
 * them.
 *
 *     if (strategic_merge(a, r->type, object, patch, &err) < 0)
 *         return status_bad_request(a, "%s", err.text);
 *     refusal = object_decode(...);
 *
 * Cost is linear in the sizes of object and patch. Recursion is as deep as they are.
 * Source: upstream's apimachinery util/strategicpatch.
 */
#pragma once

#include "base/err.h"
#include "object/schema.h"
#include "wire/json.h"

/* Changes OBJECT (of TYPE, from arena A) by PATCH, which is used up: its nodes become part of OBJECT, so it
 * must be of A too. Errors: -EINVAL with a sentence when the patch is malformed; OBJECT is then half changed
 * and not to be used. */
int strategic_merge(struct arena *a, const struct schema_type *type, struct json *object, struct json *patch,
                    struct err *err);
