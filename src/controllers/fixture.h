/* Fixture of the controllers' tests: one or more controllers on a scripted loop against the API double. */
#pragma once

#include "base/test.h"
#include "controllers/controller.h"
#include "controllers/controllers.h"
#include "watch/fake-api.h"

#define FIXTURE_START_S INT64_C(1600000000) /* 2020-09-13T12:26:40Z */

struct fixture {
    struct loop *loop;
    struct fake_api *api;
    struct controllers *controllers;
    struct random random;
    struct arena arena;
    int faults, fault_status; /* the next so many writes whose target contains FAULT_PART are answered so */
    const char *fault_part;
    struct ip_prefix pod_ranges[2]; /* set before fixture_start() */
    size_t n_pod_ranges;
};

/* Starts the controllers TYPES; what is in the API before is seen as existing. */
struct fixture *fixture_new(void);
void fixture_start(struct fixture *f, const struct controller_type *const *types, size_t n_types);
void fixture_free(struct fixture *f);

/* Lets MS pass. */
void fixture_run(struct fixture *f, int64_t ms);
/* Lets a second pass, and compares the writes made since the last look, as "VERB path" lines. */
void fixture_expect_writes(struct fixture *f, const char *expected);
void fixture_forget_writes(struct fixture *f);
/* The only object of a collection, or the one at a path; fails the test if there is none. */
struct json *fixture_only(struct fixture *f, const char *collection);
struct json *fixture_get(struct fixture *f, const char *path);
/* The member at "spec.ports.0.port" as compact JSON, "" if absent. */
struct str fixture_at(struct fixture *f, const struct json *object, const char *path);
size_t fixture_count(struct fixture *f, const char *collection);
/* "reason: message" of every event, sorted, one per line. */
char *fixture_events(struct fixture *f, const char *namespace);
