/* Routes: what a method and a path mean.
 *
 * Everything that is served is in two tables: the fixed paths here (route_entries), and the resources of the
 * registry with their verbs and subresources. What is in neither is ROUTE_NONE. A route says what is asked;
 * whether it may be asked is authz's to say, for every route alike.
 */
#pragma once

#include "object/status.h"

struct query;
struct registry;
struct request;
struct resource;

enum route_verb {
    VERB_NONE, /* a method that is not served */
    VERB_GET,
    VERB_LIST,
    VERB_WATCH,
    VERB_CREATE,
    VERB_UPDATE,
    VERB_PATCH,
    VERB_DELETE,
    VERB_DELETE_COLLECTION,
};
/* "get", "deletecollection": as in rights and metrics. */
struct str route_verb_name(enum route_verb verb);

typedef void route_handle_fn(struct request *r);

/* A fixed path, or everything below it if it ends with '/'. */
struct route_entry {
    struct str path;
    struct str label; /* in metrics */
    route_handle_fn *handle;
};
extern const struct route_entry route_entries[];
extern const size_t route_n_entries;

enum route_kind { ROUTE_NONE, ROUTE_PATH, ROUTE_RESOURCE };

struct route {
    enum route_kind kind;
    enum route_verb verb;
    const struct route_entry *entry; /* ROUTE_PATH */
    const struct resource
        *resource; /* ROUTE_RESOURCE; NULL if the path is one of a resource that is not served */
    struct str group, version, plural; /* as in the path */
    struct str subresource, ns, name;
    struct str path; /* decoded, without the query */
};

/* METHOD and TARGET as in the request; borrows from the arena. Returns a 400 or NULL; what is not served is a
 * route of kind ROUTE_NONE. */
struct status *route_parse(struct arena *a, const struct registry *registry, struct str method,
                           struct str target, struct route *ret, struct query *ret_query);

/* Does the resource serve this subresource (never "")? */
bool route_has_subresource(const struct resource *resource, struct str subresource);
