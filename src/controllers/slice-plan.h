/* Slice plan: from the endpoints that are wanted to the fewest writes of EndpointSlices that bring them
 * about.
 *
 * Pure. Endpoints stay in the slice they are in; slices that change anyway are filled up first, the fullest
 * before the others; then one more slice that ends nearest to full; then new ones. Slices are never evened
 * out, because every write of a slice goes to every node.
 *
 * Source: section 2.4 of the semantics; upstream's staging/endpointslice reconciler.
 */
#pragma once

#include "base/array.h"
#include "wire/json.h"

#define SLICE_LABEL_SERVICE    "kubernetes.io/service-name"
#define SLICE_LABEL_MANAGED_BY "endpointslice.kubernetes.io/managed-by"
#define SLICE_LABEL_HEADLESS   "service.kubernetes.io/headless"
#define SLICE_TRIGGER_TIME     "endpoints.kubernetes.io/last-change-trigger-time"

/* Endpoints that share one list of ports, and so may share slices. */
struct slice_group {
    struct json *ports; /* array */
    struct str key;     /* made from the ports: see slice_ports_key() */
    ARRAY_OF(struct json *) endpoints;
};
typedef ARRAY_OF(struct slice_group) slice_groups;

struct slice_plan_input {
    struct arena *arena;
    struct str namespace, name_prefix;
    struct str address_type;  /* "IPv4", "IPv6" */
    struct json *owner;       /* owner reference */
    struct json *labels;      /* all that the slices carry; object */
    struct json *annotations; /* all that they carry besides the trigger time; object, or NULL: left alone */
    struct str trigger_time;  /* empty: removed from what is written */
    struct json *const *existing; /* slices of this address type */
    size_t n_existing;
    slice_groups *groups;
    size_t max_per_slice;
    bool placeholder; /* one empty slice remains when there are no endpoints */
    bool no_creates;  /* the owner is being deleted */
};

enum slice_change_type { SLICE_CREATE, SLICE_UPDATE, SLICE_DELETE };

struct slice_change {
    enum slice_change_type type;
    struct json *slice; /* as it is to be written; of a deletion as it is */
};
struct slice_plan {
    ARRAY_OF(struct slice_change) changes;
    size_t n_added, n_removed; /* endpoints */
};

/* Appends to PLAN; the owner frees it with array_done(&plan.changes). */
void slice_plan_make(const struct slice_plan_input *input, struct slice_plan *plan);

/* Text that is equal for equal lists of ports, whatever their order. */
struct str slice_ports_key(const struct json *ports, struct arena *a);
/* The group with these ports, made if it is not there. */
struct slice_group *slice_group_for(slice_groups *groups, struct json *ports, struct arena *a);
void slice_groups_done(slice_groups *groups);
