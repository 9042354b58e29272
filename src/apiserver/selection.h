/* Selections: which objects a list, a watch or a deletecollection is about, and how it is to be answered;
 * read from path and query. */
#pragma once

#include "object/selector.h"
#include "object/status.h"

struct cache_object;
struct request;
struct resource;

enum version_match { MATCH_UNSET, MATCH_EXACT, MATCH_NOT_OLDER };

struct selection {
    const struct resource *resource;
    struct str prefix; /* of cache keys: "default/", or "" */
    struct str name;   /* the only name that can match, or empty */
    struct label_selector labels;
    struct field_selector fields;

    int64_t limit; /* 0: none */
    struct str continue_token;
    bool has_version; /* resourceVersion is given and not "" */
    int64_t version;
    enum version_match match;

    bool bookmarks, send_initial, has_send_initial;
    int64_t timeout_seconds; /* 0: not given */
};

/* Everything borrows from the request. Returns a 400, 422 or NULL. */
struct status *selection_parse(struct request *r, struct selection *ret);

/* Whether every object below the prefix is meant. */
bool selection_is_all(const struct selection *s);

/* Whether OBJECT (stored form; may be NULL: false) is meant. A is for scratch. */
bool selection_matches(const struct selection *s, struct arena *a, const struct json *object);

/* The same for a cached object, which is parsed only if that is needed. */
bool selection_matches_cached(const struct selection *s, const struct cache_object *o);

/* Continue tokens: a revision (-1: whatever is current) and the key to go on behind. */
struct str continue_encode(struct arena *a, int64_t revision, struct str key);
/* Returns a 400 or NULL. */
struct status *continue_decode(struct arena *a, struct str token, int64_t *ret_revision, struct str *ret_key);
