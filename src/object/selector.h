/* Selectors: which objects are meant, by labels or by fields.
 *
 * A label selector is read from a string ("app=web,tier in (a,b),!old"), from a LabelSelector object, or from
 * a plain map; all requirements must hold. A field selector compares fields named by path. Both live in an
 * arena, are never changed after parsing, and borrow nothing but the text they were parsed from.
 *
 *     struct label_selector s;
 *     if (label_selector_parse(&arena, text, &s, &err) < 0)
 *         return status_bad_request(&arena, "%s", err.text);
 *     if (label_selector_matches(&s, json_path(object, "metadata", "labels", NULL))) ...
 *
 * Source: upstream's apimachinery labels, fields and meta/v1 helpers.
 */
#pragma once

#include "object/schema.h"
#include "wire/json.h"

#define SELECTOR_MAX_REQUIREMENTS 256
#define SELECTOR_MAX_VALUES       4096 /* of one requirement */

enum selector_operator {
    SELECTOR_EQUALS,
    SELECTOR_DOUBLE_EQUALS,
    SELECTOR_NOT_EQUALS,
    SELECTOR_IN,
    SELECTOR_NOT_IN,
    SELECTOR_EXISTS,
    SELECTOR_NOT_EXISTS,
    SELECTOR_GREATER,
    SELECTOR_LESS,
};

struct selector_requirement {
    struct str key;
    enum selector_operator op;
    struct str *values; /* sorted, distinct */
    size_t n_values;
    int64_t number; /* of SELECTOR_GREATER and SELECTOR_LESS */
};

/* Zeroed: everything. */
struct label_selector {
    struct selector_requirement *v; /* sorted by key */
    size_t n;
    bool nothing; /* matches no object */
};

/* Errors: -EINVAL with upstream's sentence, -E2BIG. RET is written only on success, here and below. */
int label_selector_parse(struct arena *a, struct str text, struct label_selector *ret, struct err *err);
/* From {matchLabels, matchExpressions}; NULL or null selects nothing, {} everything. */
int label_selector_from_object(struct arena *a, const struct json *object, struct label_selector *ret,
                               struct err *err);
/* From a map of strings, as spec.selector of a Service; not validated. NULL selects nothing, {} everything.
 */
void label_selector_from_map(struct arena *a, const struct json *map, struct label_selector *ret);

/* LABELS is a map of strings, or NULL. */
bool label_selector_matches(const struct label_selector *s, const struct json *labels);
/* The string form; parses back to the same selector. */
void label_selector_write(const struct label_selector *s, struct strbuf *out);

struct field_requirement {
    struct str path; /* "metadata.name" */
    struct str value;
    bool negated;
};

struct field_selector {
    struct field_requirement *v;
    size_t n;
};

/* "a.b=c,d!=e"; values escape '\\', ',' and '=' with a backslash. Errors: -EINVAL, -E2BIG. */
int field_selector_parse(struct arena *a, struct str text, struct field_selector *ret, struct err *err);
/* -EINVAL if a field of S cannot be selected by in objects of R (metadata.name and metadata.namespace always
 * can). */
int field_selector_check(const struct field_selector *s, const struct schema_resource *r, struct err *err);
/* A field that is absent equals "". */
bool field_selector_matches(const struct field_selector *s, const struct json *object);
/* The value that PATH must have, or STR_NONE if S does not require just one. */
struct str field_selector_exact(const struct field_selector *s, struct str path);
void field_selector_write(const struct field_selector *s, struct strbuf *out);
