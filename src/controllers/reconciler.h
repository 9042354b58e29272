/* Reconciler: the frame of a controller: a queue of keys, and one sync at a time for each.
 *
 * A sync reads the caches, decides, and issues writes; it ends when they are all answered. If one failed, the
 * key comes back with back-off. After writes the key is not synced again before the caches have seen them,
 * so a sync never acts twice on the same absence: no pod is created twice because a watch was slow.
 * Everything of a sync lives in its arena.
 *
 *     static void sync_service(struct sync *s, void *user) { ...; sync_write(s, &(struct sync_write){...}); }
 *     reconciler_init(&c->reconciler, env, &(struct reconciler_config){.name = "endpointslice", .sync =
 * ...});
 */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "controllers/env.h"
#include "watch/workqueue.h"

struct reconciler;

struct sync {
    struct reconciler *reconciler;
    struct env *env;
    struct arena *arena;
    struct str key, namespace, name;
    /* The rest is the reconciler's own. */
    struct list node;
    struct arena memory;
    unsigned outstanding;
    bool running, failed;
    int64_t again_ms;
    struct expectation *expected;
};

struct reconciler_config {
    const char *name; /* static; the component of events is NAME-controller */
    void (*sync)(struct sync *s, void *user);
    void *user;
    unsigned workers;        /* 0: 5 */
    int64_t base_ms, max_ms; /* back-off; 0: 5 ms and 1000 s */
    unsigned max_failures;   /* 0: never gives up */
};

struct reconciler {
    struct env *env;
    struct reconciler_config config;
    struct workqueue *queue;
    struct list syncs;
    struct map expectations; /* key -> what must be seen before the next sync */
};

void reconciler_init(struct reconciler *r, struct env *env, const struct reconciler_config *config);
/* After the client is gone, so that no answer arrives any more. */
void reconciler_done(struct reconciler *r);
void reconciler_start(struct reconciler *r);

/* Marks "NAMESPACE/NAME" dirty. */
void reconciler_add(struct reconciler *r, struct str key);
void reconciler_add_name(struct reconciler *r, struct str namespace, struct str name);
/* Nothing waits and nothing is under way. */
bool reconciler_is_idle(const struct reconciler *r);

struct sync_write {
    enum client_verb verb;
    enum resource resource;
    const struct json *object; /* CREATE, UPDATE: what to write. PATCH, DELETE: the object as it is known; its
                                * name is used, and for DELETE its uid is the precondition */
    struct str subresource;
    const struct json *body; /* PATCH: the merge patch; DELETE: options in addition to the precondition */
    /* Optional; called before the outcome counts. Returning true says that a refusal is no failure. */
    bool (*done)(struct sync *s, void *user, const struct client_result *result);
    void *user;
};

/* Issues a write. A deletion of what is gone already is no failure, nor is a creation in a namespace that is
 * being deleted. */
void sync_write(struct sync *s, const struct sync_write *write);

/* A read of the live object, for decisions that must not rest on a cache. DONE is called with the answer. */
void sync_read(struct sync *s, enum resource r, struct str namespace, struct str name,
               bool (*done)(struct sync *s, void *user, const struct client_result *result), void *user);

/* Any other request, sent as it is; the answer counts like that of a write but is not waited for in a cache.
 */
void sync_send(struct sync *s, const struct client_request *request,
               bool (*done)(struct sync *s, void *user, const struct client_result *result), void *user);

/* The sync has not succeeded: again with back-off. */
void sync_fail(struct sync *s);
/* Again after MS even if everything succeeds; the earliest counts. */
void sync_again(struct sync *s, int64_t ms);

struct walltime sync_now(const struct sync *s);
