/* JSON Merge Patch (RFC 7386) on documents. */
#pragma once

#include "wire/json.h"

/* What DOC (NULL: nothing there) becomes under PATCH: null members remove, objects merge, everything else
 * replaces. Neither is changed; the result is in the arena and borrows texts from both, which must live as
 * long. It cannot fail, and is no larger or deeper than the two together. Iterative and linear. Source: RFC
 * 7386 section 2. */
struct json *merge_patch_apply(struct arena *a, const struct json *doc, const struct json *patch);
