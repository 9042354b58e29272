/* Write: the engine behind create, update, patch and delete.
 *
 * A verb says how the new object is made from the old one (build) and how the outcome is answered (done); the
 * engine runs the steps of registry.h around it, commits on the condition that the object is still what build
 * saw, and starts again when it is not. Build decides what a retry means: an update with a resourceVersion
 * finds a newer object and refuses, a patch is applied anew.
 *
 *     struct write *w = write_new(r, &ops);
 *     w->name = ...;
 *     write_start(w);      // calls ops->done() once, now or later; then the write is gone
 */
#pragma once

#include "apiserver/registry.h"
#include "base/list.h"

struct request;
struct write;

enum write_outcome { WRITE_CREATED, WRITE_UPDATED, WRITE_UNCHANGED, WRITE_DELETED };

struct write_ops {
    /* Sets change->verb and change->object from change->old (NULL: there is none), in the change's arena. A
     * change that is CHANGE_UPDATE without an object means: leave it as it is. Returns a refusal or NULL. */
    struct status *(*build)(struct write *w, struct change *c);
    /* REFUSAL is NULL after success; then OBJECT is the object as it is now (for WRITE_DELETED as it was
     * last) with its resourceVersion. Both are gone when done returns. */
    void (*done)(struct write *w, const struct status *refusal, struct json *object);
};

struct write {
    struct list node;        /* in the server's list while the store has it */
    bool is_orphan;          /* the server is gone; only memory is left to be freed */
    struct request *request; /* a reference */
    const struct resource *resource;
    const struct write_ops *ops;
    void *user;          /* the verb's own, in the request's arena */
    struct str ns, name; /* in the request's arena */
    struct str subresource;
    bool dry_run;
    /* A change by the server itself to metadata (deletionTimestamp): no prepare, no validation. */
    bool is_termination;

    enum write_outcome outcome;
    unsigned n_attempts;
    int64_t revision; /* of the object, once written */

    /* Of the attempt under way. */
    struct arena arena;
    struct change change;
    struct field_errors errors;
    bool prepared; /* a hook of step 4 ran: committed or aborted is owed */
    struct cache_object *base;
};

struct write *write_new(struct request *r, const struct write_ops *ops);
void write_start(struct write *w);

/* The server ends: writes that the store has are left to it, and their answers are not waited for. */
void write_orphan_all(struct list *writes);
