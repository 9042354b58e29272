/* Validation that needs no knowledge of a kind: the schema's rules, and the rules of all metadata.
 *
 * All functions add to a collector and go on. VALUE is decoded and defaulted. What a kind demands beyond that
 * is its strategy's (src/apiserver).
 *
 *     struct field_errors errors = {.arena = a};
 *     validate_meta(&errors, json_getz(object, "metadata"), &(struct meta_rules){name_check_dns1123_label,
 * true}); validate_schema(&errors, NULL, r->type, object, old); if (errors.n) return status_invalid(a, r,
 * name, &errors);
 *
 * Source: upstream's apimachinery api/validation.
 */
#pragma once

#include "object/names.h"
#include "object/schema.h"

/* Rules of the fields of TYPE, in VALUE and what it holds: required, enum, min, max; with OLD (NULL on
 * create) immutable. Required means as in Go, where absent and empty are the same: a string, list or map must
 * not be empty, an object must be there, a number that is absent counts as 0 and must be in its range, a bool
 * is always fine. Metadata is left out. */
void validate_schema(struct field_errors *e, const struct field_path *path, const struct schema_type *type,
                     const struct json *value, const struct json *old);

struct meta_rules {
    name_check_fn *name; /* syntax of metadata.name and, but for a dash at its end, generateName */
    bool namespaced;
};

/* Metadata of an object that is created or updated; the name has been generated. META may be NULL. */
void validate_meta(struct field_errors *e, const struct json *meta, const struct meta_rules *rules);
/* What an update must not change, and finalizers of an object being deleted. */
void validate_meta_update(struct field_errors *e, const struct json *meta, const struct json *old);

void validate_labels(struct field_errors *e, const struct field_path *path, const struct json *labels);
void validate_annotations(struct field_errors *e, const struct field_path *path,
                          const struct json *annotations);
/* A LabelSelector object. */
void validate_label_selector(struct field_errors *e, const struct field_path *path,
                             const struct json *selector);

/* "field is immutable" unless the values are equal (NULL: absent). */
void validate_immutable(struct field_errors *e, const struct field_path *path, const struct json *value,
                        const struct json *old);
/* "must be between MIN and MAX, inclusive" */
void validate_range(struct field_errors *e, const struct field_path *path, int64_t value, int64_t min,
                    int64_t max);

#define VALIDATE_MAX_ANNOTATION_BYTES ((size_t)(256 * 1024))
