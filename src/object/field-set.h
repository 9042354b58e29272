/* Field sets: which fields of an object are meant, as a tree of path elements; FieldsV1 is its JSON.
 *
 * An element is named as in FieldsV1: "f:NAME" a member, "k:{...}" an element of a keyed list (keys sorted),
 * "v:..." of a set, "i:N" of an array. A node is in the set itself (member) or only leads to nodes that are.
 * Children are sorted by element, so that unions and differences are one pass. Sets are values in an arena:
 * operations make new ones and share subtrees; NULL is the empty set.
 *
 *     struct field_set *mine;
 *     field_set_parse(&arena, entry_fields, &mine, &err);
 *     const struct field_set *both = field_set_intersect(&arena, mine, theirs);
 *
 * Source: sigs.k8s.io/structured-merge-diff fieldpath.
 */
#pragma once

#include "wire/json.h"

struct field_set {
    struct str element; /* empty in the root */
    bool member;
    struct field_set **children; /* sorted by element, n of them */
    size_t n;
};

/* From FieldsV1. Errors: -EINVAL. */
int field_set_parse(struct arena *a, const struct json *fields, struct field_set **ret, struct err *err);
/* As FieldsV1. */
struct json *field_set_to_json(struct arena *a, const struct field_set *s);

bool field_set_is_empty(const struct field_set *s);
bool field_set_equal(const struct field_set *x, const struct field_set *y);
const struct field_set *field_set_child(const struct field_set *s,
                                        struct str element); /* NULL if there is none */
struct field_set *field_set_union(struct arena *a, const struct field_set *x, const struct field_set *y);
struct field_set *field_set_intersect(struct arena *a, const struct field_set *x, const struct field_set *y);
/* What is in X but not in Y; a member of Y says nothing of what is below it. */
struct field_set *field_set_subtract(struct arena *a, const struct field_set *x, const struct field_set *y);

/* Building: a node, children in any order, then field_set_settle sorts them and joins equal ones. */
struct field_set *field_set_new(struct arena *a, struct str element);
void field_set_add(struct arena *a, struct field_set *s, struct field_set *child); /* not if it is empty */
void field_set_settle(struct arena *a, struct field_set *s);

/* Calls VISIT with the text of each member's path, ".spec.ports[port=80,protocol=\"TCP\"].name". */
void field_set_visit(const struct field_set *s, void (*visit)(void *user, struct str path), void *user);
