/* Decoding: a JSON document becomes an object of a kind, checked against its schema.
 *
 * As in the typed apiserver, what the schema does not know is dropped, always; the caller's strictness
 * decides whether that is silent, a warning or a refusal. Wrong types are always refused. Values take their
 * canonical form: quantities, times (UTC, the type's precision), integers; null and empty lists and maps are
 * as absent (an empty object stays). The document is changed in place.
 *
 *     struct json_parse_info info;
 *     json_parse(a, body, &info, &object, &err);
 *     const struct decode_options options = {.arena = a, .resource = r, .strictness = DECODE_STRICT, .parsed
 * = &info}; struct decode_report report; struct status *refusal = object_decode(&options, object, &report);
 *
 * Source: sigs.k8s.io/json, apimachinery runtime/serializer/json, apiserver endpoints/handlers.
 */
#pragma once

#include "object/schema.h"
#include "object/status.h"

/* fieldValidation of a request; Warn is for clients that do not say. */
enum decode_strictness { DECODE_IGNORE, DECODE_WARN, DECODE_STRICT };

struct decode_options {
    struct arena *arena;
    const struct schema_resource *resource;
    enum decode_strictness strictness;
    const struct json_parse_info *parsed; /* for duplicate fields; may be NULL */
};

#define DECODE_MAX_PROBLEMS 100

/* What strict decoding finds: `unknown field "spec.foo"`, `duplicate field "spec.bar"`. For DECODE_WARN each
 * is a warning. */
struct decode_report {
    struct str problems[DECODE_MAX_PROBLEMS];
    size_t n;
};

/* Decodes OBJECT as a resource's kind; apiVersion and kind may be absent and are then set. REPORT is filled
 * in (empty with DECODE_IGNORE). Returns a 400 or NULL. */
struct status *object_decode(const struct decode_options *options, struct json *object,
                             struct decode_report *report);

/* The same for a bare value of a type (DeleteOptions, a patched object): no look at apiVersion and kind.
 * Errors: -EINVAL with upstream's sentence ("json: cannot unmarshal ..."). */
int decode_value(const struct decode_options *options, const struct schema_type *type, struct json *value,
                 struct decode_report *report, struct err *err);

/* `strict decoding error: unknown field "a", ...` of a report that is not empty. */
struct str decode_strict_error(struct arena *a, const struct decode_report *report);

/* "v1", "apps/v1". */
struct str decode_api_version(struct arena *a, const struct schema_resource *r);
