/* Query parameters of a request, decoded, and the options that are read from them. */
#pragma once

#include "object/status.h"

#define QUERY_MAX 64

struct query {
    struct {
        struct str name, value;
    } v[QUERY_MAX];
    size_t n;
};

/* TEXT is what stands behind '?', or STR_NONE. Returns a 400 or NULL. */
struct status *query_parse(struct arena *a, struct str text, struct query *ret);

/* The last value of NAME, or STR_NONE. */
struct str query_get(const struct query *q, struct str name);
bool query_has(const struct query *q, struct str name);

/* Absent, "false" and "0" are false, everything else is true, as upstream reads it. */
bool query_get_bool(const struct query *q, struct str name);
/* Absent gives OTHERWISE. Returns a 400 or NULL. */
struct status *query_get_int(struct arena *a, const struct query *q, struct str name, int64_t otherwise,
                             int64_t *ret);
