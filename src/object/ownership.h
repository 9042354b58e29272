/* Objects seen as sets of fields, by their schema: what server-side apply works with.
 *
 * The schema says what is one value (scalars, atomic lists, maps and objects) and what has parts that
 * different managers may own (members of objects and maps, elements of keyed lists and sets). Objects are
 * decoded ones.
 *
 * Source: sigs.k8s.io/structured-merge-diff typed.
 */
#pragma once

#include "object/field-set.h"
#include "object/schema.h"

/* Where a value stands: its type and how it is merged. */
struct ownership_shape {
    const struct schema_type *type; /* NULL: not in the schema */
    bool atomic;
    const struct str *keys; /* of a keyed list */
    size_t n_keys;
    bool is_item; /* an element of a list or map */
};

static inline struct ownership_shape ownership_root(const struct schema_type *type)
{
    return (struct ownership_shape){.type = type};
}

/* The fields that VALUE has. */
struct field_set *ownership_of(struct arena *a, struct ownership_shape shape, const struct json *value);

struct ownership_change {
    struct field_set *added, *modified, *removed;
};
/* What becomes of the fields from OLD to NEW. */
void ownership_compare(struct arena *a, struct ownership_shape shape, const struct json *old,
                       const struct json *new, struct ownership_change *ret);

/* With every member of an object that leads to something in S in the set itself. */
struct field_set *ownership_with_parents(struct arena *a, struct ownership_shape shape,
                                         const struct field_set *s);

/* Puts what CONFIG has into VALUE, in place; elements of keyed lists and sets take CONFIG's order, what only
 * VALUE has stays between them. CONFIG is used up. */
void ownership_merge(struct arena *a, struct ownership_shape shape, struct json *value, struct json *config);

/* Removes the members of S from VALUE, in place, each with all below it. */
void ownership_remove(struct arena *a, struct ownership_shape shape, struct json *value,
                      const struct field_set *s);

/* Finds elements of keyed lists and sets that cannot be told apart, or lack a key that has no default.
 * Errors: -EINVAL with the path. */
int ownership_check(struct arena *a, struct ownership_shape shape, const struct json *value, struct err *err);
