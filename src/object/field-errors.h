/* Field errors: what is wrong with the fields of an object, collected with paths, in upstream's words.
 *
 * A path is a chain of steps on the stack that is only written out when there is an error:
 *
 *     struct field_errors errors = {.arena = &arena};
 *     const struct field_path *spec = FIELD(NULL, "spec");
 *     const struct field_path *port = FIELD(FIELD_INDEX(FIELD(spec, "ports"), i), "port");
 *     field_invalid(&errors, port, json_int(a, 0), "must be between 1 and 65535, inclusive");
 *     if (errors.n)
 *         return status_invalid(a, resource, name, &errors);
 *
 * At most FIELD_ERRORS_MAX are kept, so that a hostile object cannot make a huge answer; n_dropped counts the
 * rest. Source: upstream's apimachinery util/validation/field.
 */
#pragma once

#include "wire/json.h"

enum field_error_type {
    FIELD_NOT_FOUND,
    FIELD_REQUIRED,
    FIELD_DUPLICATE,
    FIELD_INVALID,
    FIELD_NOT_SUPPORTED,
    FIELD_FORBIDDEN,
    FIELD_TOO_LONG,
    FIELD_TOO_MANY,
    FIELD_INTERNAL,
    FIELD_TYPE_INVALID,
};

struct field_path {
    const struct field_path *parent; /* NULL at the top */
    struct str name;                 /* a member, or with is_key the key of a map */
    bool is_key, is_index;
    size_t index;
};

/* Steps that live until the end of the enclosing block. */
#define FIELD_STR(up, s)   (&(const struct field_path){.parent = (up), .name = (s)})
#define FIELD(up, literal) FIELD_STR((up), STR(literal))
#define FIELD_INDEX(up, i) (&(const struct field_path){.parent = (up), .is_index = true, .index = (i)})
#define FIELD_KEY(up, s)   (&(const struct field_path){.parent = (up), .name = (s), .is_key = true})

/* "spec.ports[0].port", "metadata.labels[a]"; NULL gives "<nil>". */
void field_path_write(const struct field_path *path, struct strbuf *out);
struct str field_path_text(struct arena *a, const struct field_path *path);

struct field_error {
    enum field_error_type type;
    struct str field; /* the path */
    struct str body;  /* "Invalid value: 0: must be between 1 and 65535, inclusive" */
    struct str detail;
};

#define FIELD_ERRORS_MAX 64

struct field_errors {
    struct arena *arena; /* of the texts; set by the owner */
    struct field_error v[FIELD_ERRORS_MAX];
    size_t n, n_dropped;
};

/* VALUE is what the field has, NULL prints as null. DETAIL is a format; "" leaves it out. The arguments are
 * copied. */
void field_invalid(struct field_errors *e, const struct field_path *path, const struct json *value,
                   const char *detail, ...) _printf_(4, 5);
void field_required(struct field_errors *e, const struct field_path *path, const char *detail, ...)
    _printf_(3, 4);
void field_forbidden(struct field_errors *e, const struct field_path *path, const char *detail, ...)
    _printf_(3, 4);
void field_internal(struct field_errors *e, const struct field_path *path, const char *detail, ...)
    _printf_(3, 4);
void field_not_found(struct field_errors *e, const struct field_path *path, const struct json *value);
void field_duplicate(struct field_errors *e, const struct field_path *path, const struct json *value);
void field_too_long(struct field_errors *e, const struct field_path *path, size_t max_bytes);
void field_too_many(struct field_errors *e, const struct field_path *path, size_t n, size_t max);
/* SUPPORTED is listed in its order. */
void field_not_supported(struct field_errors *e, const struct field_path *path, const struct json *value,
                         const struct str *supported, size_t n_supported);

/* field_invalid() for a string. */
void field_invalid_str(struct field_errors *e, const struct field_path *path, struct str value,
                       const char *detail);

/* "FieldValueInvalid": the reason of a cause. */
struct str field_error_reason(enum field_error_type type);

/* All as one sentence: "field: body", or "[a, b]" for several; equal ones once. */
struct str field_errors_text(const struct field_errors *e);
