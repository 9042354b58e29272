/* What a YAML scalar means: go-yaml v2's resolver and the JSON that Go prints for the result. */
#pragma once

#include "wire/json.h"

enum yaml_scalar_type {
    YAML_SCALAR_NULL,
    YAML_SCALAR_BOOL,
    YAML_SCALAR_INT,
    YAML_SCALAR_UINT, /* beyond int64_t */
    YAML_SCALAR_FLOAT,
    YAML_SCALAR_STRING,
};

struct yaml_scalar {
    enum yaml_scalar_type type;
    union {
        bool boolean;
        int64_t integer;
        uint64_t natural;
        double real;
        struct str text;
    };
};

/* The meaning of an untagged plain scalar. Strings are borrowed. */
struct yaml_scalar yaml_scalar_resolve(struct str text);

/* The meaning of a scalar with TAG (whole URI, or empty for a quoted scalar without one). A is for decoded
 * bytes. Errors: -EINVAL when the text is not what the tag says. */
int yaml_scalar_resolve_tagged(struct arena *a, struct str tag, struct str text, struct yaml_scalar *ret,
                               struct err *err);

/* As a JSON value; strings are borrowed. Errors: -EINVAL: infinite or not a number. */
int yaml_scalar_to_json(struct arena *a, const struct yaml_scalar *s, struct json **ret, struct err *err);

/* As a member name. Errors: -EINVAL: null, or an integer beyond int64_t, which go-yaml refuses. */
int yaml_scalar_to_key(struct arena *a, const struct yaml_scalar *s, struct str *ret, struct err *err);
