/* What the long-running verbs share: reading the command line, log settings, stopping on a signal. */
#pragma once

#include "base/flags.h"
#include "io/loop.h"

enum { RUN_EXIT_OK = 0, RUN_EXIT_FAILED = 1, RUN_EXIT_USAGE = 2 };

/* Parses the sets. Returns -1 to go on, else the exit status: after --help, or after saying what is wrong. */
int run_parse(const char *verb, const char *summary, struct flag_set *sets, size_t n_sets, int argc,
              const char *const *argv);

/* Says "fairlead VERB: TEXT" on standard error. Returns RUN_EXIT_FAILED. */
int run_fail(const char *verb, const char *text);

void run_set_logging(int64_t verbosity, const char *format);

/* Stops the loop on SIGTERM and SIGINT; a second one ends the process at once. SIGPIPE is ignored. */
void run_stop_on_signals(struct loop *loop);
