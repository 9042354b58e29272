/* Runs the simulation over seeds, or one seed with a trace; see --help. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "world.h"

struct options {
    uint64_t first, last;
    int jobs;
    bool trace;
    const char *program;
};

static const char usage[] =
    "usage: sim [--seeds A..B] [--seed N [--trace]] [--jobs N]\n"
    "Runs the whole system with the faults of each seed. The same seed gives the same run.\n";

/* One seed; every 50th twice, because a run must repeat. */
static bool run_seed(const struct options *o, uint64_t seed)
{
    struct sim_result r, again;
    sim_run(seed, o->trace, &r);
    bool repeats = true;
    if (!r.failure[0] && (seed % 50 == 1 || o->first == o->last)) {
        sim_run(seed, false, &again);
        repeats = again.trace_hash == r.trace_hash && again.revision == r.revision;
    }
    if (r.failure[0] || !repeats)
        (void)printf("FAILED seed %lu: %s\n    repeat it: %s --seed %lu --trace\n", (unsigned long)seed,
                     r.failure[0] ? r.failure : "it does not repeat: two runs differ", o->program,
                     (unsigned long)seed);
    else if (o->first == o->last)
        (void)printf("seed %lu: revision %ld, %d writes, %d looked up, %d crashes, hash %016lx\n",
                     (unsigned long)seed, (long)r.revision, r.n_writes, r.n_lookups, r.n_crashes,
                     (unsigned long)r.trace_hash);
    (void)fflush(stdout);
    return !r.failure[0] && repeats;
}

/* Every jobs-th seed, in a process of its own. */
static pid_t start_job(const struct options *o, int job)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    int n_failed = 0;
    for (uint64_t seed = o->first + (uint64_t)job; seed <= o->last && n_failed < 10;
         seed += (uint64_t)o->jobs)
        n_failed += !run_seed(o, seed);
    _exit(n_failed != 0);
}

static int run_jobs(const struct options *o)
{
    bool ok = true;
    int n = 0, status;
    for (int i = 0; i < o->jobs; i++)
        n += start_job(o, i) > 0;
    ok = n == o->jobs;
    for (int i = 0; i < n; i++)
        ok &= wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    (void)printf("%s: seeds %lu..%lu\n", ok ? "passed" : "FAILED", (unsigned long)o->first,
                 (unsigned long)o->last);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool parse_range(struct str text, struct options *o)
{
    ptrdiff_t dots = str_find(text, STR(".."));
    struct str first = dots < 0 ? text : str_slice(text, 0, (size_t)dots);
    struct str last = dots < 0 ? text : str_slice(text, (size_t)dots + 2, text.len);
    return str_to_uint64(first, &o->first) == 0 && str_to_uint64(last, &o->last) == 0 && o->first <= o->last;
}

static bool parse_options(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        struct str name = str_of(argv[i]), value = str_of(i + 1 < argc ? argv[i + 1] : "");
        uint64_t n = 0;
        if (str_eqz(name, "--trace")) {
            o->trace = true;
            continue;
        }
        if (str_eqz(name, "--jobs") && str_to_uint64(value, &n) == 0 && n > 0 && n <= 64)
            o->jobs = (int)n;
        else if (!((str_eqz(name, "--seeds") || str_eqz(name, "--seed")) && parse_range(value, o)))
            return false;
        i++;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct options o = {.first = 1, .last = 1000, .jobs = 2, .program = argv[0]};
    if (!parse_options(argc, argv, &o)) {
        (void)fputs(usage, stderr);
        return 2;
    }
    if (o.first == o.last)
        return run_seed(&o, o.first) ? EXIT_SUCCESS : EXIT_FAILURE;
    return run_jobs(&o);
}
