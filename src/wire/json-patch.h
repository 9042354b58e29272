/* JSON Patch (RFC 6902) on documents.
 *
 * A patch applies whole or not at all: it works on a copy, the document given is never changed. Costs are
 * bounded: operations, bytes made by copy, size and depth of the result, and members walked over. Where
 * kube-apiserver (evanphx/json-patch v4) is more lenient than the RFC in ways its users meet, so is this:
 *  - replace of a missing object member adds it;
 *  - test with value null passes on a missing object member;
 *  - a negative array index counts from the end; for add, -1 is behind the last element.
 * Where it only hides mistakes (copy of a missing member, add and test without a value, leading zeros, a
 * pointer without its first slash, broken ~ escapes) the RFC is followed: the operation fails.
 *
 *     r = json_patch_apply(arena, doc, patch, &patched, &err);
 *     if (r == JSON_PATCH_FAILED) reply 422 with err.text
 */
#pragma once

#include "wire/json.h"

#define JSON_PATCH_MAX_OPERATIONS 10000
#define JSON_PATCH_MAX_COPY_LEN   ((size_t)3 * 1024 * 1024) /* bytes that all copy operations make together */
#define JSON_PATCH_MAX_RESULT_LEN ((size_t)3 * 1024 * 1024) /* of the compact text before escaping */
#define JSON_PATCH_MAX_STEPS      ((size_t)50 * 1000 * 1000) /* members and elements walked over */

enum {
    JSON_PATCH_MALFORMED = 1, /* not an array of operations: 400 */
    JSON_PATCH_TOO_LARGE = 2, /* too many operations, or the result is too big: 413 */
    JSON_PATCH_FAILED = 3,    /* an operation cannot be applied: 422 */
};

/* Applies PATCH to DOC. The result is in the arena and borrows texts from both, which must live as long.
 * Errors: the outcomes above; err names the operation and the reason.
 * Source: RFC 6902, RFC 6901; gopkg.in/evanphx/json-patch.v4 4.12 as observed through kubectl 1.32. */
int json_patch_apply(struct arena *a, const struct json *doc, const struct json *patch, struct json **ret,
                     struct err *err);
