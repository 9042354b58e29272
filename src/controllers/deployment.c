/* Deployments: replica sets, one per template, and the way from the old one to the new. */
#include <stdlib.h>

#include "controllers/claims.h"
#include "controllers/pods.h"
#include "controllers/rollout.h"
#include "object/selector.h"

static int oldest_first(const void *a, const void *b)
{
    const struct json *x = *(struct json *const *)a, *y = *(struct json *const *)b;
    int by_time = str_cmp(json_string_at(x, "metadata", "creationTimestamp"),
                          json_string_at(y, "metadata", "creationTimestamp"));
    return by_time ? by_time
                   : str_cmp(json_string_at(x, "metadata", "name"), json_string_at(y, "metadata", "name"));
}

static void read_strategy(struct rollout *r)
{
    const struct json *spec = json_getz(r->deployment, "spec");
    const struct json *rolling = json_path(spec, "strategy", "rollingUpdate", NULL);

    r->replicas = json_int_at(spec, 1, "replicas");
    r->paused = json_bool_at(spec, false, "paused");
    r->recreate = str_eq(json_string_at(spec, "strategy", "type"), STR("Recreate"));
    if (r->recreate) {
        /* All of them may be gone at once, but Available still means something: what upstream reports. */
        r->max_unavailable = 0;
        return;
    }
    int64_t quarter = r->replicas / 4;
    r->max_surge =
        rollout_resolve(json_getz(rolling, "maxSurge"), r->replicas, ROUND_UP, (r->replicas + 3) / 4);
    r->max_unavailable =
        rollout_resolve(json_getz(rolling, "maxUnavailable"), r->replicas, ROUND_DOWN, quarter);
    r->max_unavailable = MIN(r->max_unavailable, r->replicas);
    if (!r->max_surge && !r->max_unavailable)
        r->max_unavailable = 1; /* rounding must not leave a rollout without room to move */
}

/* Pausing and resuming show in the Progressing condition, so that the deadline does not run meanwhile. */
static void check_paused(struct rollout *r)
{
    const struct json *was =
        value_condition(json_path(r->deployment, "status", "conditions", NULL), STR("Progressing"));
    struct str reason = json_string_at(was, "reason");
    bool marked = str_eq(reason, STR("DeploymentPaused"));

    if (str_eq(reason, STR("ProgressDeadlineExceeded")))
        return; /* it stands until something moves */
    if (r->paused && !marked)
        r->progress = (struct condition){STR("Progressing"), STR("Unknown"), STR("DeploymentPaused"),
                                         STR("Deployment is paused")};
    else if (!r->paused && marked)
        r->progress = (struct condition){STR("Progressing"), STR("Unknown"), STR("DeploymentResumed"),
                                         STR("Deployment is resumed")};
}

static void note_found_set(struct rollout *r)
{
    const struct json *was =
        value_condition(json_path(r->deployment, "status", "conditions", NULL), STR("Progressing"));
    if (!was && r->new_set)
        r->progress =
            (struct condition){STR("Progressing"), STR("True"), STR("FoundNewReplicaSet"),
                               arena_format(r->arena, "Found new replica set \"%.*s\"",
                                            STR_ARG(json_string_at(r->new_set, "metadata", "name")))};
}

/* One step; the steps that write set r->wrote. */
static void step(struct rollout *r)
{
    if (r->new_set)
        rollout_mark_revision(r);
    if (r->wrote)
        return;
    if (r->paused || rollout_is_scaling(r)) {
        rollout_scale(r);
        return;
    }
    note_found_set(r);
    if (r->recreate)
        rollout_recreate(r);
    else if (!r->new_set)
        rollout_create_new_set(r);
    else
        rollout_rolling_update(r);
    if (!r->wrote && rollout_is_complete(r, json_getz(r->deployment, "status")))
        rollout_clean_up(r);
}

static bool selects_everything(const struct json *deployment, struct arena *a)
{
    struct label_selector selector;
    const struct json *json = json_path(deployment, "spec", "selector", NULL);
    return label_selector_from_object(a, json, &selector, NULL) == 0 && !selector.nothing && !selector.n;
}

static void sync_deployment(struct controller *c, struct sync *s)
{
    struct json *deployment = env_get(s->env, DEPLOYMENTS, s->namespace, s->name, s->arena);
    if (!deployment)
        return;
    if (selects_everything(deployment, s->arena)) {
        controller_event(s, DEPLOYMENTS, deployment, EVENT_WARNING, "SelectingAll",
                         "This deployment is selecting all pods. A non-empty selector is required.");
        return;
    }
    struct claims claims = {.owner_kind = DEPLOYMENTS, .child_kind = REPLICA_SETS, .owner = deployment};
    claims_make(s, &claims);
    if (claims.adopting)
        return; /* the sets taken over come back as changes */
    qsort(claims.mine.v, claims.mine.n, sizeof *claims.mine.v, oldest_first);

    struct rollout *r = arena_new(s->arena, struct rollout);
    *r = (struct rollout){.sync = s,
                          .arena = s->arena,
                          .deployment = deployment,
                          .sets = claims.mine.v,
                          .n_sets = claims.mine.n};
    read_strategy(r);
    r->new_set = rollout_find_new_set(r);
    if (!value_is_leaving(deployment)) {
        check_paused(r);
        step(r);
    }
    if (!r->wrote_deployment)
        rollout_report(r);
}

/* A Recreate rollout waits for the last old pod. */
static void pod_changed(struct controller *c, enum resource r, const struct informer_change *change)
{
    _cleanup_(arena_done) struct arena a = {0};
    const struct json *ref = owner_controller(change->object);
    if (change->after && !pod_is_terminal(change->object))
        return;
    if (!ref || !str_eq(json_string_at(ref, "kind"), STR("ReplicaSet")))
        return;
    struct str ns = json_string_at(change->object, "metadata", "namespace");
    const struct json *set = env_get(c->env, REPLICA_SETS, ns, json_string_at(ref, "name"), &a);
    const struct json *owner = owner_controller(set);
    if (owner && str_eq(json_string_at(owner, "kind"), STR("Deployment")))
        reconciler_add_name(&c->reconciler, ns, json_string_at(owner, "name"));
}

/* A set without an owner may be what a Deployment is looking for. */
static void set_changed(struct controller *c, enum resource r, const struct informer_change *change)
{
    _cleanup_(arena_done) struct arena a = {0};
    controller_add_owner(c, r, change, STR("Deployment"));
    if (!change->after || owner_controller(change->object) || value_is_leaving(change->object))
        return;
    const struct item_table *all = informer_items(env_cache(c->env, DEPLOYMENTS));
    item_table_foreach (all, e) {
        const struct informer_item *item = e->value;
        if (str_eq(item->namespace, change->after->namespace))
            reconciler_add(&c->reconciler, item->key);
    }
}

static const struct controller_watch WATCHES[] = {
    {DEPLOYMENTS, controller_add_itself},
    {REPLICA_SETS, set_changed},
    {PODS, pod_changed},
};

const struct controller_type deployment_controller = {
    .name = "deployment",
    .sync = sync_deployment,
    .watches = WATCHES,
    .n_watches = ARRAY_LEN(WATCHES),
};
