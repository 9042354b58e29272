#include "controllers/rollout.h"

static int64_t ready_of(const struct json *set)
{
    return rollout_set_status(set, "readyReplicas");
}
static int64_t available_of(const struct json *set)
{
    return rollout_set_status(set, "availableReplicas");
}
static int64_t actual_of(const struct json *set)
{
    return rollout_set_status(set, "replicas");
}

static void set_count(struct rollout *r, struct json *status, const char *key, int64_t n)
{
    if (n)
        value_set_int(r->arena, status, key, n);
    else
        (void)json_unsetz(status, key); /* absent is zero */
}

bool rollout_is_complete(const struct rollout *r, const struct json *status)
{
    return json_int_at(status, 0, "updatedReplicas") == r->replicas &&
           json_int_at(status, 0, "replicas") == r->replicas &&
           json_int_at(status, 0, "availableReplicas") == r->replicas &&
           json_int_at(status, 0, "observedGeneration") >=
               json_int_at(r->deployment, 0, "metadata", "generation");
}

/* Something moved forward since the status was last written. */
static bool is_progressing(const struct rollout *r, const struct json *now)
{
    const struct json *was = json_getz(r->deployment, "status");
    int64_t old_now = json_int_at(now, 0, "replicas") - json_int_at(now, 0, "updatedReplicas");
    int64_t old_was = json_int_at(was, 0, "replicas") - json_int_at(was, 0, "updatedReplicas");
    return json_int_at(now, 0, "updatedReplicas") > json_int_at(was, 0, "updatedReplicas") ||
           old_now < old_was || json_int_at(now, 0, "readyReplicas") > json_int_at(was, 0, "readyReplicas") ||
           json_int_at(now, 0, "availableReplicas") > json_int_at(was, 0, "availableReplicas");
}

static int64_t deadline_s(const struct rollout *r)
{
    int64_t s = json_int_at(r->deployment, 600, "spec", "progressDeadlineSeconds");
    return s == INT32_MAX ? 0 : s;
}

/* How long until the deadline; 0 or less: it has passed. */
static int64_t ms_to_deadline(const struct rollout *r, const struct json *progressing)
{
    struct walltime since;
    if (walltime_parse(json_string_at(progressing, "lastUpdateTime"), &since) < 0)
        return deadline_s(r) * 1000;
    return (since.ns + deadline_s(r) * TIME_S_NS - sync_now(r->sync).ns) / TIME_MS_NS;
}

static struct str progress_message(const struct rollout *r, const char *what)
{
    struct str set = json_string_at(r->new_set, "metadata", "name");
    if (set.len)
        return arena_format(r->arena, "ReplicaSet \"%.*s\" %s", STR_ARG(set), what);
    return arena_format(r->arena, "Deployment \"%.*s\" %s", STR_ARG(r->sync->name), what);
}

static void set_condition(struct rollout *r, struct json *status, const struct condition *c)
{
    char now[WALLTIME_MAX_LEN];
    struct str text = arena_str(r->arena, str_of(walltime_format(sync_now(r->sync), now)));
    struct json *list = json_ensure_array(r->arena, status, "conditions");
    if (value_set_condition(r->arena, list, c, text))
        value_set_str(r->arena, value_condition(list, c->type), "lastUpdateTime", text);
}

/* A condition that says the same is renewed: the deadline runs from its last update. */
static void renew_condition(struct rollout *r, struct json *status, const struct condition *c)
{
    char now[WALLTIME_MAX_LEN];
    set_condition(r, status, c);
    value_set_str(r->arena, value_condition(json_getz(status, "conditions"), c->type), "lastUpdateTime",
                  arena_str(r->arena, str_of(walltime_format(sync_now(r->sync), now))));
}

static void set_progress(struct rollout *r, struct json *status)
{
    const struct json *was = value_condition(json_getz(status, "conditions"), STR("Progressing"));
    struct str reason = json_string_at(was, "reason");
    bool settled = json_int_at(status, 0, "replicas") == json_int_at(status, 0, "updatedReplicas") &&
                   str_eq(reason, STR("NewReplicaSetAvailable"));

    if (r->progress.type.len) {
        set_condition(r, status, &r->progress);
        return;
    }
    if (r->paused || !deadline_s(r) || settled)
        return;
    if (rollout_is_complete(r, status)) {
        set_condition(r, status,
                      &(struct condition){STR("Progressing"), STR("True"), STR("NewReplicaSetAvailable"),
                                          progress_message(r, "has successfully progressed.")});
    } else if (is_progressing(r, status)) {
        renew_condition(r, status,
                        &(struct condition){STR("Progressing"), STR("True"), STR("ReplicaSetUpdated"),
                                            progress_message(r, "is progressing.")});
    } else if (was && !str_eq(reason, STR("NewReplicaSetAvailable")) &&
               !str_eq(reason, STR("ProgressDeadlineExceeded")) && ms_to_deadline(r, was) <= 0) {
        set_condition(r, status,
                      &(struct condition){STR("Progressing"), STR("False"), STR("ProgressDeadlineExceeded"),
                                          progress_message(r, "has timed out progressing.")});
    } else if (was && !str_eq(reason, STR("NewReplicaSetAvailable")) &&
               !str_eq(reason, STR("ProgressDeadlineExceeded"))) {
        sync_again(r->sync, ms_to_deadline(r, was) + 1000);
    }
}

static void set_availability(struct rollout *r, struct json *status)
{
    bool enough = json_int_at(status, 0, "availableReplicas") >= r->replicas - r->max_unavailable;
    set_condition(
        r, status,
        &(struct condition){STR("Available"), enough ? STR("True") : STR("False"),
                            enough ? STR("MinimumReplicasAvailable") : STR("MinimumReplicasUnavailable"),
                            enough ? STR("Deployment has minimum availability.")
                                   : STR("Deployment does not have minimum availability.")});
}

/* What keeps a replica set from making pods is what keeps the Deployment. */
static void copy_failure(struct rollout *r, struct json *status)
{
    struct json *list = json_ensure_array(r->arena, status, "conditions"), *failure = NULL;
    for (size_t i = 0; i < r->n_sets; i++) {
        struct json *f =
            value_condition(json_path(r->sets[i], "status", "conditions", NULL), STR("ReplicaFailure"));
        if (f && (!failure || r->sets[i] == r->new_set))
            failure = f;
    }
    for (size_t i = 0; i < list->n && !failure; i++) {
        if (str_eq(json_string_at(json_at(list, i), "type"), STR("ReplicaFailure")))
            (void)json_remove_at(list, i--);
    }
    if (failure)
        set_condition(r, status,
                      &(struct condition){STR("ReplicaFailure"), json_string_at(failure, "status"),
                                          json_string_at(failure, "reason"),
                                          json_string_at(failure, "message")});
}

void rollout_report(struct rollout *r)
{
    struct json *object = json_copy(r->arena, r->deployment);
    struct json *status = json_ensure_object(r->arena, object, "status");
    int64_t available = rollout_sum(r, available_of), wanted = rollout_sum(r, rollout_set_replicas);

    set_count(r, status, "observedGeneration", json_int_at(r->deployment, 0, "metadata", "generation"));
    set_count(r, status, "replicas", rollout_sum(r, actual_of));
    set_count(r, status, "updatedReplicas", r->new_set ? actual_of(r->new_set) : 0);
    set_count(r, status, "readyReplicas", rollout_sum(r, ready_of));
    set_count(r, status, "availableReplicas", available);
    set_count(r, status, "unavailableReplicas", MAX(wanted - available, 0));
    set_availability(r, status);
    copy_failure(r, status);
    set_progress(r, status);
    if (!value_same(status, json_getz(r->deployment, "status")))
        sync_write(r->sync, &(struct sync_write){.verb = CLIENT_UPDATE,
                                                 .resource = DEPLOYMENTS,
                                                 .object = object,
                                                 .subresource = STR("status")});
}
