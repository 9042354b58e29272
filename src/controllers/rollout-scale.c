#include <stdlib.h>

#include "controllers/pods.h"
#include "controllers/rollout.h"

int64_t rollout_resolve(const struct json *value, int64_t total, enum rounding rounding, int64_t otherwise)
{
    struct str text = json_str(value);
    int64_t percent;
    if (!json_is(value, JSON_STRING))
        return MAX(json_int_or(value, otherwise), 0);
    if (!str_has_suffix(text, STR("%")) || str_to_int64(str_slice(text, 0, text.len - 1), &percent) < 0)
        return otherwise;
    return MAX((total * percent + (rounding == ROUND_UP ? 99 : 0)) / 100, 0);
}

int64_t rollout_set_replicas(const struct json *set)
{
    return json_int_at(set, 1, "spec", "replicas");
}

int64_t rollout_set_status(const struct json *set, const char *member)
{
    return json_int_at(set, 0, "status", member);
}

int64_t rollout_sum(const struct rollout *r, int64_t (*of)(const struct json *set))
{
    int64_t sum = 0;
    for (size_t i = 0; i < r->n_sets; i++)
        sum += of(r->sets[i]);
    return sum;
}

static int64_t available_of(const struct json *set)
{
    return rollout_set_status(set, "availableReplicas");
}

int64_t rollout_new_set_replicas(const struct rollout *r)
{
    int64_t have = r->new_set ? rollout_set_replicas(r->new_set) : 0;
    if (r->recreate)
        return r->replicas;
    int64_t room = r->replicas + r->max_surge - rollout_sum(r, rollout_set_replicas);
    if (room <= 0)
        return have;
    return have + MIN(room, r->replicas - have);
}

/* Pods that never became available stand in the way of the new ones: they go first. */
static int64_t scale_down_unhealthy(struct rollout *r, int64_t max, int64_t *left)
{
    int64_t total = 0;
    for (size_t i = 0; i < r->n_sets && total < max; i++) {
        int64_t have = rollout_set_replicas(r->sets[i]);
        int64_t unhealthy = have - available_of(r->sets[i]);
        if (r->sets[i] == r->new_set || !have || unhealthy <= 0)
            continue;
        int64_t n = MIN(max - total, unhealthy);
        left[i] = have - n;
        total += n;
    }
    return total;
}

static void scale_down_old(struct rollout *r)
{
    int64_t *left = arena_new_array(r->arena, int64_t, r->n_sets + 1);
    int64_t new_unavailable = r->new_set ? rollout_set_replicas(r->new_set) - available_of(r->new_set) : 0;
    int64_t min_available = r->replicas - r->max_unavailable, all = rollout_sum(r, rollout_set_replicas);
    int64_t max = all - min_available - new_unavailable;

    if (max <= 0)
        return;
    for (size_t i = 0; i < r->n_sets; i++)
        left[i] = rollout_set_replicas(r->sets[i]);
    (void)scale_down_unhealthy(r, max, left); /* counted in LEFT */
    int64_t available = rollout_sum(r, available_of);
    int64_t healthy = available > min_available ? available - min_available : 0;
    for (size_t i = 0; i < r->n_sets && healthy > 0; i++) {
        if (r->sets[i] == r->new_set)
            continue;
        int64_t n = MIN(left[i], healthy);
        left[i] -= n;
        healthy -= n;
    }
    for (size_t i = 0; i < r->n_sets; i++) {
        if (r->sets[i] != r->new_set && left[i] != rollout_set_replicas(r->sets[i]))
            rollout_scale_set(r, r->sets[i], left[i]);
    }
}

void rollout_rolling_update(struct rollout *r)
{
    int64_t have = rollout_set_replicas(r->new_set);
    if (have > r->replicas)
        rollout_scale_set(r, r->new_set, r->replicas);
    else if (have < r->replicas)
        rollout_scale_set(r, r->new_set, rollout_new_set_replicas(r));
    if (!r->wrote)
        scale_down_old(r);
}

static bool has_running_pods(const struct rollout *r, const struct json *set)
{
    struct objects pods = env_owned(r->sync->env, PODS, value_uid(set), r->arena);
    for (size_t i = 0; i < pods.n; i++) {
        if (!pod_is_terminal(pods.v[i]))
            return true;
    }
    return false;
}

void rollout_recreate(struct rollout *r)
{
    bool running = false;
    for (size_t i = 0; i < r->n_sets; i++) {
        if (r->sets[i] == r->new_set)
            continue;
        if (rollout_set_replicas(r->sets[i]))
            rollout_scale_set(r, r->sets[i], 0);
        running = running || has_running_pods(r, r->sets[i]);
    }
    if (r->wrote || running)
        return; /* the last pod that goes brings us back */
    if (!r->new_set)
        rollout_create_new_set(r);
    else if (rollout_set_replicas(r->new_set) != r->replicas)
        rollout_scale_set(r, r->new_set, r->replicas);
}

bool rollout_is_scaling(const struct rollout *r)
{
    for (size_t i = 0; i < r->n_sets; i++) {
        int64_t desired;
        if (!rollout_set_replicas(r->sets[i]) ||
            str_to_int64(value_annotation(r->sets[i], ROLLOUT_DESIRED), &desired) < 0)
            continue;
        if (desired != r->replicas)
            return true;
    }
    return false;
}

/* The set that carries everything: the only one with replicas, or without any the new or the latest one. */
static struct json *sole_set(const struct rollout *r)
{
    struct json *active = NULL;
    for (size_t i = 0; i < r->n_sets; i++) {
        if (!rollout_set_replicas(r->sets[i]))
            continue;
        if (active)
            return NULL;
        active = r->sets[i];
    }
    if (active)
        return active;
    return r->new_set ? r->new_set : r->n_sets ? r->sets[r->n_sets - 1] : NULL;
}

static bool is_saturated(const struct rollout *r)
{
    int64_t desired;
    return r->new_set && str_to_int64(value_annotation(r->new_set, ROLLOUT_DESIRED), &desired) == 0 &&
           desired == r->replicas && rollout_set_replicas(r->new_set) == r->replicas &&
           available_of(r->new_set) == r->replicas;
}

/* What the set should have of the new total, as its share of the old one, less what it has. */
static int64_t share_of(const struct rollout *r, const struct json *set, int64_t allowed)
{
    int64_t have = rollout_set_replicas(set), total;
    if (!r->replicas)
        return -have;
    if (str_to_int64(value_annotation(set, ROLLOUT_MAX_REPLICAS), &total) < 0 || total <= 0)
        total = MAX(json_int_at(r->deployment, r->replicas, "status", "replicas"), 1);
    return (have * allowed * 2 + total) / (2 * total) - have;
}

static int by_size_then_age(const void *a, const void *b)
{
    int64_t x = rollout_set_replicas(*(struct json *const *)a),
            y = rollout_set_replicas(*(struct json *const *)b);
    if (x != y)
        return x < y ? 1 : -1;
    return str_cmp(json_string_at(*(struct json *const *)b, "metadata", "creationTimestamp"),
                   json_string_at(*(struct json *const *)a, "metadata", "creationTimestamp"));
}

/* In the middle of a rollout each set takes its share of a change; rounding ends with the biggest. */
static void scale_in_proportion(struct rollout *r)
{
    int64_t allowed = r->replicas ? r->replicas + r->max_surge : 0;
    int64_t to_add = allowed - rollout_sum(r, rollout_set_replicas), left = to_add;
    struct json **sets = arena_new_array(r->arena, struct json *, r->n_sets + 1);
    int64_t *wanted = arena_new_array(r->arena, int64_t, r->n_sets + 1);
    size_t n = 0;

    for (size_t i = 0; i < r->n_sets; i++) {
        if (rollout_set_replicas(r->sets[i]))
            sets[n++] = r->sets[i];
    }
    qsort(sets, n, sizeof *sets, by_size_then_age);
    for (size_t i = 0; i < n; i++) {
        int64_t share = to_add ? share_of(r, sets[i], allowed) : 0;
        share = to_add > 0 ? MAX(MIN(share, left), 0) : MIN(MAX(share, left), 0);
        wanted[i] = rollout_set_replicas(sets[i]) + share;
        left -= share;
    }
    if (n)
        wanted[0] = MAX(wanted[0] + left, 0);
    for (size_t i = 0; i < n; i++)
        rollout_scale_set(r, sets[i], wanted[i]);
}

void rollout_scale(struct rollout *r)
{
    struct json *sole = sole_set(r);
    if (sole) {
        if (rollout_set_replicas(sole) != r->replicas || rollout_is_scaling(r))
            rollout_scale_set(r, sole, r->replicas);
        return;
    }
    if (is_saturated(r)) {
        for (size_t i = 0; i < r->n_sets; i++) {
            if (r->sets[i] != r->new_set && rollout_set_replicas(r->sets[i]))
                rollout_scale_set(r, r->sets[i], 0);
        }
        return;
    }
    if (!r->recreate)
        scale_in_proportion(r);
}
