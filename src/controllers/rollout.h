/* Rollout: one look at a Deployment and its replica sets, and the arithmetic of moving between them.
 *
 * deployment.c reads and decides the order of steps; rollout-sets.c makes and marks replica sets;
 * rollout-scale.c says how many replicas each should have; rollout-status.c reports. Each step that writes
 * ends the look: what it changed comes back and starts the next.
 *
 * Source: upstream's controller/deployment (rolling, recreate, sync, progress, util).
 */
#pragma once

#include "controllers/controller.h"

#define ROLLOUT_REVISION     "deployment.kubernetes.io/revision"
#define ROLLOUT_HISTORY      "deployment.kubernetes.io/revision-history"
#define ROLLOUT_DESIRED      "deployment.kubernetes.io/desired-replicas"
#define ROLLOUT_MAX_REPLICAS "deployment.kubernetes.io/max-replicas"
#define ROLLOUT_HASH_LABEL   "pod-template-hash"

struct rollout {
    struct sync *sync;
    struct arena *arena;
    struct json *deployment;
    struct json **sets; /* all of them, the oldest first */
    size_t n_sets;
    struct json *new_set; /* the one with the Deployment's template, or NULL */
    struct str new_name;  /* of the one being made */
    int64_t replicas, max_surge, max_unavailable;
    bool recreate, paused;
    struct condition progress; /* to be reported; type empty: what follows from the numbers */
    bool wrote;                /* a step has written: later ones wait */
    bool wrote_deployment;     /* the Deployment itself: its status waits too */
};

/* The number of an IntOrString against TOTAL. */
enum rounding { ROUND_DOWN, ROUND_UP };
int64_t rollout_resolve(const struct json *value, int64_t total, enum rounding rounding, int64_t otherwise);

int64_t rollout_set_replicas(const struct json *set); /* spec.replicas */
int64_t rollout_set_status(const struct json *set, const char *member);
int64_t rollout_sum(const struct rollout *r, int64_t (*of)(const struct json *set));
int64_t rollout_revision(const struct json *object); /* of a set or Deployment; 0 if it has none */

/* rollout-sets.c */
struct json *rollout_find_new_set(const struct rollout *r);
void rollout_create_new_set(struct rollout *r);
/* Revision and annotations of the new set and of the Deployment. */
void rollout_mark_revision(struct rollout *r);
/* Deletes empty old sets beyond revisionHistoryLimit. */
void rollout_clean_up(struct rollout *r);
/* Patches spec.replicas of SET and the annotations about it, and records the event. */
void rollout_scale_set(struct rollout *r, struct json *set, int64_t replicas);

/* rollout-scale.c */
int64_t rollout_new_set_replicas(const struct rollout *r);
void rollout_rolling_update(struct rollout *r);
void rollout_recreate(struct rollout *r);
/* The number of replicas has changed, or the Deployment is paused: scales without rolling. */
bool rollout_is_scaling(const struct rollout *r);
void rollout_scale(struct rollout *r);

/* rollout-status.c */
bool rollout_is_complete(const struct rollout *r, const struct json *status);
void rollout_report(struct rollout *r);
