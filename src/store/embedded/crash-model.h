/* What an embedded store on a simulated disk must hold after any sequence of writes, faults and crashes.
 *
 * Writes are drawn from a seed and submitted to the store; the model carries each out when its answer comes,
 * in order, and the answer must be the one it expects. Writes without an answer at a crash may be there or
 * not, each whole and in order. A failed check prints the seed and ends the test.
 */
#pragma once

#include "base/array.h"
#include "base/random.h"
#include "io/loop.h"
#include "store/embedded/simdisk.h"
#include "store/store.h"

#define MODEL_KEYS    12
#define MODEL_MAX_OPS 5

struct model_op {
    enum store_op_type type;
    int key;
    uint64_t value; /* 0: of a deletion; else what value_of() makes of it */
    int64_t expect;
};

struct model_write {
    struct model_op ops[MODEL_MAX_OPS];
    size_t n_ops;
    uint64_t n_faults_before; /* of the disk, when it was submitted */
};

struct model_event {
    int64_t revision;
    int key;
    uint64_t value;
};

struct model_events {
    struct model_event *v;
    size_t n, capacity;
};

/* One watch and what it heard. */
struct observer {
    struct model *model;
    struct store_watch *watch; /* NULL: ended */
    int64_t after;
    struct model_events heard;
};

struct model {
    uint64_t seed;
    struct random random;
    struct loop *loop;
    struct simdisk *disk;
    struct store *store; /* NULL: closed */
    unsigned checkpoint_pages;
    size_t max_history;
    bool has_faults; /* negative answers are in order if the disk failed something */

    struct model_events log; /* all committed, in order */
    int64_t revision;
    struct {
        int64_t mod;
        uint64_t value;
    } current[MODEL_KEYS];
    ARRAY_OF(struct model_write) waiting; /* submitted, no answer yet; the first N_ANSWERED have one */
    size_t n_answered;
    uint64_t last_value;
    ARRAY_OF(struct observer *) observers;
    uint64_t n_acknowledged, n_failed, n_conflicts; /* statistics */
};

void model_init(struct model *m, uint64_t seed);
void model_done(struct model *m);
/* Fails the test, with the seed. */
void model_fail(struct model *m, const char *format, ...) _noreturn_ _printf_(2, 3);

/* Opens the store. Errors: its. */
int model_try_open(struct model *m, struct err *err);
/* Opens it, decides which of the unanswered writes are there, and checks everything. */
void model_open(struct model *m);
/* Closes it cleanly: all that was submitted is then committed. */
void model_close(struct model *m);
/* Without answers: what the power's end does. The disk comes back as it happens to be. */
void model_crash(struct model *m);

/* One to MODEL_MAX_OPS random operations, submitted. */
void model_submit(struct model *m);
/* Runs the loop until all is answered or the power is gone. */
void model_drain(struct model *m);
void model_compact(struct model *m);
void model_watch(struct model *m, int64_t after);
/* With power and without faults: contents, an older revision, and all watches. Nothing may be unanswered. */
void model_check(struct model *m);
