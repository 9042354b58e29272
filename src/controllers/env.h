/* Env: what all controllers share: one client, one cache per resource, the event recorder.
 *
 * A controller reads caches and writes through the API; it keeps nothing between two syncs that is not there.
 * Caches are shared, so an object is in memory once whoever looks at it.
 */
#pragma once

#include "watch/informer.h"
#include "watch/events.h"

/* Every resource that the controllers look at. */
enum resource {
    PODS,
    SERVICES,
    ENDPOINT_SLICES,
    ENDPOINTS,
    NODES,
    NAMESPACES,
    DEPLOYMENTS,
    REPLICA_SETS,
    SERVICE_CIDRS,
    IP_ADDRESSES,
    CONFIG_MAPS,
    SECRETS,
    SERVICE_ACCOUNTS,
    LEASES,
    N_RESOURCES,
};

enum resource_scope { SCOPE_NAMESPACE, SCOPE_CLUSTER };

/* Name, kind and group of each, by enum resource. */
extern const struct client_resource env_resources[N_RESOURCES];
extern const enum resource_scope env_scopes[N_RESOURCES];

/* The indexes of every cache; those that a resource does not need are empty. */
enum env_index {
    INDEX_OWNERS,   /* owner uid */
    INDEX_LABELS,   /* "NAMESPACE/KEY=VALUE": of pods, replica sets, slices */
    INDEX_SELECTOR, /* the same form: one pair of the selector of a service or replica set; see
                       env_find_selecting() */
};

struct env {
    struct loop *loop;
    struct client *client;
    struct random *random;
    struct event_recorder *events;
    struct informer *caches[N_RESOURCES];
};

/* -1 if no resource has this kind. API_VERSION is "v1" or "apps/v1"; the version part does not matter. */
int env_find_kind(struct str api_version, struct str kind);

/* "v1", "apps/v1": for ownerReferences. */
struct str env_api_version(enum resource r, struct arena *a);

static inline struct informer *env_cache(const struct env *env, enum resource r)
{
    return env->caches[r];
}

/* Creates and frees the caches; they are started by the owner. */
void env_init_caches(struct env *env);
void env_free_caches(struct env *env);
void env_start_caches(struct env *env);

/* The object under NAMESPACE/NAME in arena A, or NULL. */
struct json *env_get(const struct env *env, enum resource r, struct str namespace, struct str name,
                     struct arena *a);

/* Parsed objects in arena A, sorted by key. */
struct objects {
    struct json **v;
    size_t n;
};

/* Objects of R in NAMESPACE with this label. */
struct objects env_with_label(const struct env *env, enum resource r, struct str namespace,
                              struct str label_and_value, struct arena *a);
/* Objects of R in NAMESPACE whose labels match the LabelSelector object or, if plain, the map. */
enum selector_form { SELECTOR_OBJECT, SELECTOR_MAP };
struct objects env_selected(const struct env *env, enum resource r, struct str namespace,
                            const struct json *selector, enum selector_form form, struct arena *a);
/* Calls FOUND with the key of each object of R whose selector matches LABELS (of an object in NAMESPACE). A
 * selector of expressions only is looked at for every object of its namespace. */
void env_find_selecting(const struct env *env, enum resource r, const struct json *object,
                        void (*found)(void *user, struct str key), void *user);
/* Objects of R with an owner reference to UID. */
struct objects env_owned(const struct env *env, enum resource r, struct str uid, struct arena *a);
