/* The thread that owns the database: one piece of work at a time, its end reported on the loop.
 *
 * In the inline form the same work runs on a task of the loop, so that a scripted loop needs no thread. */
#pragma once

#include "io/loop.h"

struct worker;

/* How long the next piece waits before it runs inline: a slow disk of a scripted loop. */
struct worker_delay {
    int64_t (*ms)(void *user);
    void *user;
};

/* WORK runs on the thread (or inline), then FINISHED on the loop, both with USER. DELAY is only for the
 * inline form; its function may be NULL. */
struct worker *worker_new(struct loop *loop, bool is_inline, void (*work)(void *user),
                          void (*finished)(void *user), void *user);
void worker_set_delay(struct worker *w, const struct worker_delay *delay);
/* Starts one piece; none may be under way. */
void worker_start(struct worker *w);
/* Waits for what is under way, which is not reported any more, and ends the thread. Returns whether some was.
 */
bool worker_free(struct worker *w);
