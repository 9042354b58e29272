/* Registry: what resources are served, and the contract between the generic verbs and a kind's strategy.
 *
 * The verbs know nothing of kinds. What is special about one is its schema (fields, defaults, shape) and,
 * where that is not enough, a strategy: a const table of hooks, all optional. One write goes through these
 * steps:
 *
 *   step                                     create            update, patch      delete        on failure
 *   1 decode, schema defaults                x                 x                  -             400
 *   2 apply_defaults                         x                 x                  -             -
 *   3 metadata, status/spec half kept        x                 x                  -             404, 409
 *   4 prepare_create/_update/_delete         x                 x                  x             see below
 *   5 schema and metadata validation         x                 x                  -             422
 *   6 validate, validate_update              x                 both               -             422
 *   7 warnings                               x                 x                  -             -
 *   8 one store transaction                  x                 x                  x             409, 413,
 * 500, 503 9 committed, or aborted                  x                 x                  x             -
 *
 * Whoever loses a race at step 8 starts again at step 2 with a new struct change, so hooks see the object
 * that the commit is conditional on (CVE-2021-25735). Step 9 is called exactly once for each change whose
 * step 4 was called: aborted also after a validation error, a lost race and a dry run. No hook blocks, does
 * I/O or keeps pointers into a change; all run on the server's loop.
 */
#pragma once

#include "base/datetime.h"
#include "base/random.h"
#include "object/names.h"
#include "object/status.h"
#include "store/store.h"
#include "wire/json.h"

struct apiserver_config;
struct cache;
struct cache_object;
struct cache_resource;
struct change;
struct identity; /* authn.h */
struct registry;

/* What is special about a kind. One const symbol per file, listed in strategies.c. */
struct strategy {
    struct str group, plural; /* the resource it is for */

    /* Syntax of metadata.name, checked on create; NULL: a DNS-1123 subdomain. */
    name_check_fn *check_name;

    /* PUT to a name that is not there creates it. */
    bool create_on_update;
    /* Update without metadata.resourceVersion is refused (else it overwrites). */
    bool needs_resource_version;
    /* The client that creates an object says its status (Node); else status is dropped on create. */
    bool keeps_status;
    /* DELETE answers with the object instead of a Status. */
    bool returns_deleted;
    /* Serves the subresource "finalize": writes that may shorten spec.finalizers (Namespace). */
    bool has_finalize;

    /* Called once, when the registry is made and before anything is loaded. Returns what later hooks get as
     * SELF (change->self), or NULL. CONFIG outlives it. */
    void *(*start)(struct registry *registry, const struct apiserver_config *config);
    /* Frees SELF; called once, last. */
    void (*stop)(void *self);
    /* An object of this resource was written (OLD NULL: created, NEW NULL: deleted), by this server or
     * another one: called for every object at load and for every event after it, before any watcher or writer
     * hears of it. */
    void (*observe)(void *self, const struct cache_object *old, const struct cache_object *new);

    /* Step 2: conditional defaults that a schema cannot say. Must be idempotent: objects read from the store
     * get it too. OBJECT is well-typed but not valid. */
    void (*apply_defaults)(void *self, struct arena *arena, struct json *object);

    /* Step 4: changes change->object (clears status on create, carries over what the client left out,
     * allocates), adds operations that must commit together with it, and reserves what is not in the store.
     * To refuse, add to change->errors (422 with causes) or call change_refuse() (any other status); what was
     * reserved until then is given back in aborted. */
    void (*prepare_create)(struct change *change);
    void (*prepare_update)(struct change *change); /* not for subresource "status"; that has: */
    void (*prepare_status_update)(struct change *change);
    /* The object got its deletionTimestamp and stays for now (finalizers, grace): change->object may be
     * changed. */
    void (*prepare_termination)(struct change *change);
    /* The object in change->old goes for good, now: releases and deletes what lives and dies with it. */
    void (*prepare_delete)(struct change *change);

    /* Step 6: adds what is wrong to change->errors. validate runs for create and update; validate_update
     * after it, for updates only; validate_status for updates of the subresource only. Neither changes the
     * object. */
    void (*validate)(struct change *change);
    void (*validate_update)(struct change *change);
    void (*validate_status)(struct change *change);

    /* Step 7: change_warn() for each. For all but status updates. */
    void (*warnings)(struct change *change);

    /* Step 9: the transaction is durable and in the cache; or it will never be. */
    void (*committed)(struct change *change);
    void (*aborted)(struct change *change);

    /* How long the object stays with a deletionTimestamp before it goes: *SECONDS is what the client asked
     * for, or -1; on return 0 means at once. NULL: always at once. */
    void (*grace_period)(void *self, const struct json *object, int64_t *seconds);

    /* True as long as something besides metadata.finalizers keeps a terminating object (Namespace:
     * spec.finalizers). */
    bool (*holds)(void *self, const struct json *object);

    /* Prometheus text of its own series (closed label sets), for /metrics. */
    void (*metrics)(void *self, struct strbuf *out);
};

enum change_verb { CHANGE_CREATE, CHANGE_UPDATE, CHANGE_DELETE };

#define CHANGE_MAX_ALSO 120

/* One attempt at one write, as strategies see it. */
struct change {
    struct registry *registry;
    const struct resource *resource;
    void *self; /* the strategy's own */
    enum change_verb verb;
    struct str subresource;          /* "" for the object itself, "status", "scale" */
    struct str namespace, name;      /* namespace is empty for cluster scope */
    const struct identity *identity; /* who asks */
    bool dry_run; /* reserve nothing that others could miss; use values of the right shape */
    struct walltime now;
    struct random *random;

    struct arena *arena; /* of this attempt */
    struct json *object; /* new object, step 1 on; NULL for CHANGE_DELETE */
    const struct json
        *old; /* what is stored, NULL for CHANGE_CREATE; its resourceVersion is what step 8 checks */

    struct field_errors *errors;
    struct status *failure; /* set by change_refuse() */
    void *reserved;         /* the strategy's own, from step 4 to 9; NULL before */

    /* Operations behind the object's own; filled by change_create_also() and change_delete_also(). */
    struct store_op also[CHANGE_MAX_ALSO];
    size_t n_also;
    struct str warned[16];
    size_t n_warned;
};

/* Refuses the change with a Status of the change's arena (object/status.h has constructors). The first one
 * counts. */
void change_refuse(struct change *c, struct status *status);

/* A Warning header ("299 - ..."). At most 16 are kept. */
void change_warn(struct change *c, const char *format, ...) _printf_(2, 3);

/* Creates another object in the same transaction: OBJECT has apiVersion, kind and metadata.name (and
 * namespace); uid and creationTimestamp are filled in. It must not exist: if it does, the change starts again
 * and then finds it in the cache. Errors: -E2BIG above CHANGE_MAX_ALSO. */
int change_create_also(struct change *c, const struct resource *resource, struct json *object);

/* Deletes another object in the same transaction, if it is there, without regard to finalizers. */
int change_delete_also(struct change *c, const struct resource *resource, struct str namespace,
                       struct str name);

/* A parsed copy of an object as it is now, in the change's arena, with its resourceVersion; NULL if there is
 * none. What the decision rests on is not locked; add change_check_also() where that matters. */
struct json *change_read(struct change *c, const struct resource *resource, struct str namespace,
                         struct str name);

/* The transaction only commits if that object is as it was read (REVISION 0: absent). */
int change_check_also(struct change *c, const struct resource *resource, struct str namespace,
                      struct str name, int64_t revision);

/* A resource as it is served. */
struct resource {
    const struct schema_resource *schema;
    const struct strategy *strategy; /* never NULL; the empty one has no hooks */
    void *self;
    struct cache_resource *cache; /* where its objects are; shared by two resources when stored_as is set */
    const struct schema_resource *stored; /* schema of what is stored: its own, or schema->stored_as */
};

struct registry_options {
    struct cache *cache;
    struct random *random;
    const struct apiserver_config *config;
};

/* All resources of the schema tables with their strategies; adds each to the cache. */
struct registry *registry_new(const struct registry_options *options);
void registry_free(struct registry *r);

/* NULL if it is not served. */
const struct resource *registry_find(const struct registry *r, struct str group, struct str plural);
const struct resource *registry_find_version(const struct registry *r, struct str group, struct str version,
                                             struct str plural);
/* The resource whose objects RESOURCE's are: itself but for one that is stored_as another. */
const struct resource *registry_stored(const struct registry *r, const struct resource *resource);
size_t registry_n_resources(const struct registry *r);
const struct resource *registry_at(const struct registry *r, size_t i);

/* The object under a name, borrowed until the next event, or NULL. */
struct cache_object *registry_get(const struct resource *resource, struct str namespace, struct str name);

/* "/registry/services/specs/default/web", appended to OUT. */
void registry_key(const struct resource *resource, struct str namespace, struct str name, struct strbuf *out);

/* Prometheus text of all strategies. */
void registry_metrics(const struct registry *r, struct strbuf *out);
