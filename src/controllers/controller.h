/* Controller: one of the workers of controllers.h as its own file sees it.
 *
 * A controller is data: which resources it looks at, which keys a change of one makes dirty, and the sync of
 * a key. It has no memory of its own.
 */
#pragma once

#include "controllers/reconciler.h"
#include "controllers/values.h"

struct controller;
struct controllers;
struct controllers_config;

struct controller_watch {
    enum resource resource;
    /* Marks keys with reconciler_add(). */
    void (*changed)(struct controller *c, enum resource r, const struct informer_change *change);
};

struct controller_type {
    const char *name; /* "endpointslice" */
    void (*sync)(struct controller *c, struct sync *s);
    const struct controller_watch *watches;
    size_t n_watches;
    int64_t base_ms, max_ms; /* back-off; 0: 5 ms, 1000 s */
    unsigned max_failures;   /* 0: never gives up */
};

struct controller {
    const struct controller_type *type;
    struct env *env;
    const struct controllers_config *options;
    struct reconciler reconciler;
};

/* The object's own key, for kinds that a controller syncs. */
void controller_add_itself(struct controller *c, enum resource r, const struct informer_change *change);
/* The controlling owner of the object before and after, if it is of KIND. */
void controller_add_owner(struct controller *c, enum resource r, const struct informer_change *change,
                          struct str kind);

/* controllers_new() with some of the types, for tests of one. */
struct controllers *controllers_new_selected(const struct controllers_config *config,
                                             const struct controller_type *const *types, size_t n_types);

extern const struct controller_type endpointslice_controller, endpoints_controller, mirroring_controller,
    replicaset_controller, deployment_controller, namespace_controller, garbage_controller,
    servicecidr_controller, nodes_controller;

/* An event about OBJECT from the controller of this sync. */
void controller_event(struct sync *s, enum resource kind, const struct json *object, enum event_type type,
                      const char *reason, const char *format, ...) _printf_(6, 7);
