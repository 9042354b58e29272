/* Child processes on the loop: input given whole, output collected, exit reported once.
 *
 * The input goes through an anonymous file, so nothing has to be fed while the child runs. Output and errors
 * are kept up to a limit and dropped beyond it. A child that takes too long is killed. The child gets a small
 * fixed environment, default signals, and no descriptor of ours but its three.
 *
 *     const char *argv[] = {"/usr/sbin/iptables-nft-restore", "--noflush", NULL};
 *     process_start(loop, &(struct process_options){.argv = argv, .input = text, .timeout_ms = 30000,
 *                   .max_output = 1 << 20}, (struct process_callback){on_exit, self}, &self->child, &err);
 */
#pragma once

#include "base/err.h"
#include "base/str.h"
#include "io/loop.h"

struct process;

struct process_options {
    const char *const *argv; /* argv[0] is a path; ends with NULL; borrowed during the call */
    struct str input;        /* its standard input; borrowed during the call */
    size_t max_output;       /* bytes kept of each of output and errors */
    int64_t timeout_ms;      /* then it is killed; 0: never */
};

struct process_result {
    int exit_code;          /* -1 if a signal ended it */
    int signal;             /* 0 if it exited by itself */
    bool timed_out;         /* it was killed by us */
    bool cut;               /* output or errors were longer than the limit */
    struct str out, errors; /* borrowed during the callback */
};

struct process_callback {
    void (*exited)(const struct process_result *result, void *user);
    void *user;
};

/* Starts it. The callback comes once, later, on the loop, and *RET is gone with it.
 * Errors: of posix_spawn(3), pipe(2), memfd_create(2); -ENOENT if there is no such program. */
int process_start(struct loop *loop, const struct process_options *options, struct process_callback callback,
                  struct process **ret, struct err *err);

/* Kills it and waits for its end, which comes at once; there is no callback. NULL is fine. */
void process_cancel(struct process *p);

/* Runs it to its end, blocking: for start-up and --cleanup only. OUT and ERRORS may be NULL; what was
 * collected is appended (the views in RET are not valid). Errors: as process_start(). */
int process_run_sync(const struct process_options *options, struct process_result *ret, struct strbuf *out,
                     struct strbuf *errors, struct err *err);
