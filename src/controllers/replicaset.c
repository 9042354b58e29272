/* Replica sets: as many pods as they say. Source: upstream's controller/replicaset and controller_utils. */
#include <stdlib.h>

#include "controllers/claims.h"
#include "controllers/controller.h"
#include "controllers/pods.h"
#include "object/selector.h"

#define BURST 500 /* pods made or deleted in one sync */

static bool is_active(const struct json *pod)
{
    return !pod_is_terminal(pod);
}

/* Pods being created in batches of 1, 2, 4, ...: if the first is refused, the others are not tried. */
struct creation {
    const struct json *set;
    int64_t left, batch, in_flight;
    bool failed;
};

static void create_batch(struct sync *s, struct creation *c);

static struct json *status_with_failure(struct sync *s, const struct json *set, const char *reason,
                                        struct str message)
{
    char now[WALLTIME_MAX_LEN];
    struct json *object = json_copy(s->arena, set);
    struct json *status = json_ensure_object(s->arena, object, "status");
    struct condition condition = {STR("ReplicaFailure"), STR("True"), str_of(reason), message};
    bool changed = value_set_condition(s->arena, json_ensure_array(s->arena, status, "conditions"),
                                       &condition, str_of(walltime_format(sync_now(s), now)));
    return changed ? object : NULL;
}

static void tell_failure(struct sync *s, const struct json *set, const char *reason, struct str message)
{
    struct json *object = status_with_failure(s, set, reason, arena_str(s->arena, message));
    if (object)
        sync_write(s, &(struct sync_write){.verb = CLIENT_UPDATE,
                                           .resource = REPLICA_SETS,
                                           .object = object,
                                           .subresource = STR("status")});
}

static bool on_created(struct sync *s, void *user, const struct client_result *result)
{
    struct creation *c = user;
    c->in_flight--;
    if (result->code == 0) {
        controller_event(s, REPLICA_SETS, c->set, EVENT_NORMAL, "SuccessfulCreate", "Created pod: %.*s",
                         STR_ARG(json_string_at(result->object, "metadata", "name")));
    } else if (client_namespace_is_ending(result)) {
        c->failed = true; /* no more batches; nothing is wrong with the set, and nobody can act on it */
    } else if (!c->failed) {
        c->failed = true;
        controller_event(s, REPLICA_SETS, c->set, EVENT_WARNING, "FailedCreate", "Error creating: %.*s",
                         STR_ARG(result->message));
        tell_failure(s, c->set, "FailedCreate", result->message);
    }
    if (!c->in_flight && !c->failed && c->left)
        create_batch(s, c);
    return false;
}

static struct json *pod_from_template(struct sync *s, const struct json *set)
{
    static const char *const copied[] = {"labels", "annotations", "finalizers"};
    struct arena *a = s->arena;
    const struct json *template = json_path(set, "spec", "template", NULL);
    struct json *pod = json_object(a), *meta = json_object(a), *owners = json_array(a);

    value_set_str(a, pod, "apiVersion", STR("v1"));
    value_set_str(a, pod, "kind", STR("Pod"));
    value_set_str(a, meta, "generateName", arena_format(a, "%.*s-", STR_ARG(s->name)));
    value_set_str(a, meta, "namespace", s->namespace);
    for (size_t i = 0; i < ARRAY_LEN(copied); i++) {
        const struct json *v = json_path(template, "metadata", copied[i], NULL);
        if (v)
            json_setz(meta, copied[i], json_copy(a, v));
    }
    json_append(owners, owner_reference(a, set, STR("apps/v1"), STR("ReplicaSet")));
    json_setz(meta, "ownerReferences", owners);
    json_setz(pod, "metadata", meta);
    if (json_getz(template, "spec"))
        json_setz(pod, "spec", json_copy(a, json_getz(template, "spec")));
    return pod;
}

static void create_batch(struct sync *s, struct creation *c)
{
    int64_t n = MIN(c->batch, c->left);
    c->batch *= 2;
    c->left -= n;
    c->in_flight += n;
    for (int64_t i = 0; i < n; i++)
        sync_write(s, &(struct sync_write){.verb = CLIENT_CREATE,
                                           .resource = PODS,
                                           .object = pod_from_template(s, c->set),
                                           .done = on_created,
                                           .user = c});
}

struct deletion {
    const struct json *set, *pod;
};

static bool on_deleted(struct sync *s, void *user, const struct client_result *result)
{
    const struct deletion *d = user;
    struct str name = json_string_at(d->pod, "metadata", "name");
    if (result->code == 0) {
        controller_event(s, REPLICA_SETS, d->set, EVENT_NORMAL, "SuccessfulDelete", "Deleted pod: %.*s",
                         STR_ARG(name));
    } else if (result->code != CLIENT_NOT_FOUND && result->code != CLIENT_CONFLICT) {
        controller_event(s, REPLICA_SETS, d->set, EVENT_WARNING, "FailedDelete", "Error deleting: %.*s",
                         STR_ARG(result->message));
        tell_failure(s, d->set, "FailedDelete", result->message);
    }
    return false;
}

/* What decides which of the pods goes first. */
struct rank {
    struct json *pod;
    bool assigned, ready;
    int phase; /* Pending 0, unknown 1, Running 2 */
    int64_t cost, on_node, restarts;
    struct str ready_since, created;
};

static int64_t restarts_of(const struct json *pod)
{
    int64_t n = 0;
    json_foreach (json_path(pod, "status", "containerStatuses", NULL), c)
        n = MAX(n, json_int_at(c, 0, "restartCount"));
    return n;
}

static struct rank rank_of(struct json *pod, struct objects pods)
{
    struct str phase = json_string_at(pod, "status", "phase"), node = json_string_at(pod, "spec", "nodeName");
    const struct json *ready = value_condition(json_path(pod, "status", "conditions", NULL), STR("Ready"));
    struct rank r = {.pod = pod,
                     .assigned = node.len > 0,
                     .ready = pod_is_ready(pod),
                     .phase = str_eq(phase, STR("Running"))                 ? 2
                              : str_eq(phase, STR("Pending")) || !phase.len ? 0
                                                                            : 1,
                     .restarts = restarts_of(pod),
                     .ready_since = json_string_at(ready, "lastTransitionTime"),
                     .created = json_string_at(pod, "metadata", "creationTimestamp")};
    if (str_to_int64(value_annotation(pod, "controller.kubernetes.io/pod-deletion-cost"), &r.cost) < 0)
        r.cost = 0;
    for (size_t i = 0; node.len && i < pods.n; i++)
        r.on_node += str_eq(json_string_at(pods.v[i], "spec", "nodeName"), node);
    return r;
}

static int64_t order(int64_t x, int64_t y)
{
    return x < y ? -1 : x > y;
}

/* The pod that goes first sorts first. */
static int rank_cmp(const void *x, const void *y)
{
    const struct rank *a = x, *b = y;
    const int64_t steps[] = {
        order(a->assigned, b->assigned),
        order(a->phase, b->phase),
        order(a->ready, b->ready),
        order(a->cost, b->cost),
        order(b->on_node, a->on_node),
        a->ready && b->ready ? str_cmp(b->ready_since, a->ready_since) : 0,
        order(b->restarts, a->restarts),
        str_cmp(b->created, a->created),
        str_cmp(json_string_at(a->pod, "metadata", "name"), json_string_at(b->pod, "metadata", "name")),
    };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        if (steps[i])
            return (int)steps[i];
    }
    return 0;
}

static void delete_pods(struct sync *s, const struct json *set, struct objects pods, int64_t n)
{
    struct rank *ranks = arena_new_array(s->arena, struct rank, pods.n + 1);
    for (size_t i = 0; i < pods.n; i++)
        ranks[i] = rank_of(pods.v[i], pods);
    qsort(ranks, pods.n, sizeof *ranks, rank_cmp);
    for (int64_t i = 0; i < n; i++) {
        struct deletion *d = arena_new(s->arena, struct deletion);
        *d = (struct deletion){set, ranks[i].pod};
        sync_write(s, &(struct sync_write){.verb = CLIENT_DELETE,
                                           .resource = PODS,
                                           .object = ranks[i].pod,
                                           .done = on_deleted,
                                           .user = d});
    }
}

/* Makes or deletes pods; false if there was nothing to do. */
static bool manage(struct sync *s, const struct json *set, struct objects pods)
{
    int64_t diff = json_int_at(set, 1, "spec", "replicas") - (int64_t)pods.n;
    if (diff > 0) {
        struct creation *c = arena_new(s->arena, struct creation);
        *c = (struct creation){.set = set, .left = MIN(diff, BURST), .batch = 1};
        create_batch(s, c);
    } else if (diff < 0) {
        delete_pods(s, set, pods, MIN(-diff, BURST));
    }
    return diff != 0;
}

static void set_count(struct arena *a, struct json *status, const char *key, int64_t n)
{
    if (n)
        value_set_int(a, status, key, n);
    else
        (void)json_unsetz(status, key); /* absent is zero */
}

static void drop_failure(struct json *status)
{
    struct json *conditions = json_getz(status, "conditions");
    size_t i = 0;
    json_foreach (conditions, c) {
        if (str_eq(json_string_at(c, "type"), STR("ReplicaFailure"))) {
            (void)json_remove_at(conditions, i);
            break;
        }
        i++;
    }
    if (conditions && !conditions->n)
        (void)json_unsetz(status, "conditions");
}

static void update_status(struct sync *s, const struct json *set, struct objects pods, bool settled)
{
    struct json *object = json_copy(s->arena, set);
    struct json *status = json_ensure_object(s->arena, object, "status");
    int64_t labeled = 0, ready = 0, available = 0, wait_ms,
            min_ready_s = json_int_at(set, 0, "spec", "minReadySeconds");
    struct label_selector template;

    label_selector_from_map(s->arena, json_path(set, "spec", "template", "metadata", "labels", NULL),
                            &template);
    for (size_t i = 0; i < pods.n; i++) {
        labeled += label_selector_matches(&template, json_path(pods.v[i], "metadata", "labels", NULL));
        ready += pod_is_ready(pods.v[i]);
        available += pod_is_available(pods.v[i], min_ready_s, sync_now(s), &wait_ms);
        if (wait_ms)
            sync_again(s, wait_ms);
    }
    value_set_int(s->arena, status, "replicas", (int64_t)pods.n);
    set_count(s->arena, status, "fullyLabeledReplicas", labeled);
    set_count(s->arena, status, "readyReplicas", ready);
    set_count(s->arena, status, "availableReplicas", available);
    set_count(s->arena, status, "observedGeneration", json_int_at(set, 0, "metadata", "generation"));
    if (settled)
        drop_failure(status);
    if (!value_same(status, json_getz(set, "status")))
        sync_write(s, &(struct sync_write){.verb = CLIENT_UPDATE,
                                           .resource = REPLICA_SETS,
                                           .object = object,
                                           .subresource = STR("status")});
}

static void sync_set(struct controller *c, struct sync *s)
{
    struct json *set = env_get(s->env, REPLICA_SETS, s->namespace, s->name, s->arena);
    if (!set)
        return;
    struct claims claims = {
        .owner_kind = REPLICA_SETS, .child_kind = PODS, .owner = set, .is_candidate = is_active};
    claims_make(s, &claims);
    if (claims.adopting)
        return; /* the pods taken over come back as changes */
    struct objects active = {claims.mine.v, 0};
    for (size_t i = 0; i < claims.mine.n; i++) {
        if (!value_is_leaving(claims.mine.v[i]))
            active.v[active.n++] = claims.mine.v[i];
    }
    bool busy = !value_is_leaving(set) && manage(s, set, active);
    update_status(s, set, active, !busy);
}

static void add_key(void *user, struct str key)
{
    struct controller *c = user;
    reconciler_add(&c->reconciler, key);
}

/* A pod without an owner may be what a set is looking for. */
static void pod_changed(struct controller *c, enum resource r, const struct informer_change *change)
{
    controller_add_owner(c, r, change, STR("ReplicaSet"));
    if (change->after && !owner_controller(change->object) && !value_is_leaving(change->object))
        env_find_selecting(c->env, REPLICA_SETS, change->object, add_key, c);
}

static const struct controller_watch WATCHES[] = {
    {REPLICA_SETS, controller_add_itself},
    {PODS, pod_changed},
};

const struct controller_type replicaset_controller = {
    .name = "replicaset",
    .sync = sync_set,
    .watches = WATCHES,
    .n_watches = ARRAY_LEN(WATCHES),
};
