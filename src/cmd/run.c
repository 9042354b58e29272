#include "cmd/run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"

int run_parse(const char *verb, const char *summary, struct flag_set *sets, size_t n_sets, int argc,
              const char *const *argv)
{
    struct err err = {0};
    int r = flags_parse(sets, n_sets, argc, argv, &err);
    if (r == 0)
        return -1;
    if (r == -ECANCELED) {
        _cleanup_(strbuf_done) struct strbuf help = {0};
        strbuf_addf(&help, "%s\n\nusage: fairlead %s [flags]\n\n", summary, verb);
        for (size_t i = 0; i < n_sets; i++)
            flags_print_help(&sets[i], &help);
        fputs(strbuf_cstr(&help), stdout);
        return RUN_EXIT_OK;
    }
    fprintf(stderr, "fairlead %s: %s\n", verb, err.text);
    return RUN_EXIT_USAGE;
}

int run_fail(const char *verb, const char *text)
{
    fprintf(stderr, "fairlead %s: %s\n", verb, text);
    return RUN_EXIT_FAILED;
}

void run_set_logging(int64_t verbosity, const char *format)
{
    log_set_verbosity((int)verbosity);
    log_set_format(strcmp(format, "json") == 0 ? LOG_JSON : LOG_TEXT);
}

static void run_on_stop(int signo, void *user)
{
    static bool is_stopping; /* of the process: a signal has no owner to keep it in */
    if (is_stopping)
        _exit(128 + signo);
    is_stopping = true;
    loop_stop(user);
}

static void run_on_nothing(int signo, void *user) {}

void run_stop_on_signals(struct loop *loop)
{
    static const int stops[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < ARRAY_LEN(stops); i++)
        if (loop_on_signal(loop, stops[i], run_on_stop, loop) < 0)
            log_warn("signal %d does not stop this process cleanly; use kill -9 if it must end", stops[i]);
    (void)loop_on_signal(loop, SIGPIPE, run_on_nothing, NULL); /* writes report EPIPE themselves */
}
