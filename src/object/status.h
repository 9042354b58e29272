/* Status: the API's answer that is not an object, as a value.
 *
 * Every refusal of the server is one of these, with upstream's codes, reasons and words: clients parse
 * them and people search for them. Functions that may refuse return a struct status *, NULL for success.
 * It lives in the arena; constructors borrow the strings they are given.
 *
 *     if (!found)
 *         return status_not_found(a, resource, name);
 *     ...
 *     status_write(s, &body);
 *
 * Source: upstream's apimachinery api/errors.
 */
#pragma once

#include "object/field-errors.h"
#include "object/schema.h"

struct status_cause {
    struct str reason, message, field;
};

struct status {
    int code; /* HTTP; 0 in a Success of a deletion, which has none */
    struct str reason, message;
    /* details; empty ones are not written */
    bool has_details;
    struct str name, group, kind, uid;
    struct status_cause *causes;
    size_t n_causes;
    int retry_after_seconds; /* also the Retry-After header */
};

#define STATUS_MAX_CAUSES 256

/* 404: `services "x" not found`. */
struct status *status_not_found(struct arena *a, const struct schema_resource *r, struct str name);
/* 404 for a path that names nothing served. */
struct status *status_no_route(struct arena *a);
/* 409: `services "x" already exists`. */
struct status *status_already_exists(struct arena *a, const struct schema_resource *r, struct str name);
/* 409 after all tries of generateName. */
struct status *status_generate_name_conflict(struct arena *a, const struct schema_resource *r,
                                             struct str name);

#define STATUS_MODIFIED                                                                                      \
    "the object has been modified; please apply your changes to the latest version and try again"
/* 409: `Operation cannot be fulfilled on services "x": WHY`. */
struct status *status_conflict(struct arena *a, const struct schema_resource *r, struct str name,
                               const char *why);
/* 409 with one cause per conflict of an apply; MESSAGE is the whole sentence. */
struct status *status_apply_conflict(struct arena *a, struct str message, struct status_cause *causes,
                                     size_t n);
/* 422: `Service "x" is invalid: ...`, a cause per error. */
struct status *status_invalid(struct arena *a, const struct schema_resource *r, struct str name,
                              const struct field_errors *errors);
/* 400 */
struct status *status_bad_request(struct arena *a, const char *format, ...) _printf_(2, 3);
/* 401 */
struct status *status_unauthorized(struct arena *a);
/* 403: `services "x" is forbidden: WHY`; R and name may be empty. */
struct status *status_forbidden(struct arena *a, const struct schema_resource *r, struct str name,
                                const char *why, ...) _printf_(4, 5);

/* What was asked for, for the words of a refusal. */
struct status_request {
    struct str user, verb;
    const struct schema_resource *resource; /* NULL: path */
    struct str subresource, ns, name;
    struct str path;
};
/* 403: `services "x" is forbidden: User "u" cannot get resource "services" in API group "" in the namespace
 * "d"`. */
struct status *status_forbidden_request(struct arena *a, const struct status_request *request);

/* 405: `delete is not supported on resources of kind "services"`; R may be NULL. */
struct status *status_method_not_allowed(struct arena *a, const struct schema_resource *r, struct str verb);
/* 406 and 415; ACCEPTED is a list for the sentence: "application/json, application/yaml". */
struct status *status_not_acceptable(struct arena *a, struct str accepted);
struct status *status_unsupported_media_type(struct arena *a, struct str accepted);
/* 413 */
struct status *status_too_large(struct arena *a, const char *format, ...) _printf_(2, 3);
/* 429 */
struct status *status_too_many_requests(struct arena *a, const char *message, int retry_after_seconds);
/* 410: reason Gone, and reason Expired (of resource versions and continue tokens). */
struct status *status_gone(struct arena *a, const char *message);
struct status *status_expired(struct arena *a, const char *message);
/* 500: `Internal error occurred: ...`. */
struct status *status_internal(struct arena *a, const char *format, ...) _printf_(2, 3);
/* 504: `Timeout: ...`. */
struct status *status_timeout(struct arena *a, const char *message, int retry_after_seconds);
/* 500, reason ServerTimeout: the operation may be tried again. */
struct status *status_server_timeout(struct arena *a, const struct schema_resource *r, struct str verb,
                                     int retry_after_seconds);
/* 503 */
struct status *status_unavailable(struct arena *a, const char *format, ...) _printf_(2, 3);
/* 507: the store has no room. Not upstream's, which has a 500 for it: clients should not just try again. */
struct status *status_insufficient_storage(struct arena *a, const char *format, ...) _printf_(2, 3);
/* The Success that a deletion without an object answers. */
struct status *status_deleted(struct arena *a, const struct schema_resource *r, struct str name,
                              struct str uid);

/* The Status object as JSON. */
struct json *status_to_json(struct arena *a, const struct status *s);
void status_write(const struct status *s, struct strbuf *out);
