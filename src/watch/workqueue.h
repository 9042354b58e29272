/* Work queue: keys that need a look, each at most once, with back-off for those that fail.
 *
 * A key added while it waits is the same work; a key added while it is being worked on is worked on again
 * after. At most `workers` keys are under way at a time (work is asynchronous: it ends with
 * workqueue_done()). A key that fails comes back after base * 2^failures, and all retries together keep to a
 * rate.
 *
 *     struct workqueue *q = workqueue_new(&config);
 *     workqueue_add(q, STR("default/web"));
 *     static void work(void *user, struct str key) { ...; workqueue_done(q, key, WORKQUEUE_OK); }
 */
#pragma once

#include "base/str.h"
#include "io/loop.h"

enum workqueue_outcome {
    WORKQUEUE_OK,     /* forget the failures */
    WORKQUEUE_FAILED, /* again, after the back-off */
    WORKQUEUE_DROP,   /* failed, and not again until somebody adds it */
};

struct workqueue_config {
    struct loop *loop;
    const char *name; /* static */
    void (*work)(void *user, struct str key);
    void *user;
    unsigned workers;       /* 0: 5 */
    int64_t base_ms;        /* first back-off; 0: 5 */
    int64_t max_ms;         /* 0: 1,000,000 */
    unsigned max_failures;  /* in a row, before a key is dropped; 0: never */
    unsigned retries_per_s; /* of all keys together; 0: 10 */
    unsigned retry_burst;   /* 0: 100 */
};

struct workqueue;

struct workqueue *workqueue_new(const struct workqueue_config *config);
void workqueue_free(struct workqueue *q);

void workqueue_add(struct workqueue *q, struct str key);
/* After MS at the latest: the earlier of two times counts. */
void workqueue_add_after(struct workqueue *q, struct str key, int64_t ms);

/* Ends the work on KEY; must be called once for each call of WORK, from inside it or later. */
void workqueue_done(struct workqueue *q, struct str key, enum workqueue_outcome outcome);

/* Work is not handed out before this is called: caches fill first. */
void workqueue_start(struct workqueue *q);

unsigned workqueue_failures(const struct workqueue *q, struct str key);
/* Keys waiting for a worker, and under way. */
size_t workqueue_depth(const struct workqueue *q);
size_t workqueue_active(const struct workqueue *q);

struct workqueue_stats {
    uint64_t adds, retries, drops;
};
struct workqueue_stats workqueue_stats(const struct workqueue *q);
