/* A long-running child process that belongs to us: it shares our standard output and error, gets SIGTERM when
 * this process dies in any way, and its end is reported on the loop. For short programs with input and output
 * see process.h.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"
#include "io/loop.h"

struct child;

/* STATUS is waitpid(2)'s. The child is gone when this is called. */
typedef void child_ended_fn(void *user, int status);

/* ARGV[0] is a path; ends with NULL. Descriptors but 0, 1 and 2 are closed, signals are reset.
 * Errors: of fork(2), pidfd_open(2). A program that cannot be executed ends with status 127. */
int child_start(struct loop *loop, const char *const *argv, child_ended_fn *ended, void *user,
                struct child **ret, struct err *err);

/* In a child: SIGTERM when the process PARENT, which started this one, ends. child_start() asks for that too,
 * but the kernel forgets it when the program that is executed has rights its parent had given up.
 * Errors: -ESRCH it has ended already; prctl(2)'s. */
int child_end_with_parent(pid_t parent, struct err *err);

/* Sends SIGTERM, waits at most WAIT_MS for the end, then sends SIGKILL. Blocks; for shutdown. No callback
 * comes any more. NULL is fine. */
void child_stop(struct child *c, int wait_ms);

/* "exited with status 1", "was killed by signal 9". */
const char *child_status_text(int status, char *buf, size_t len);

/* The path of the running program. Errors: readlink(2)'s. */
int child_own_program(char *ret, size_t len, struct err *err);
