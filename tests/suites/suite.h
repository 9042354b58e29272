/* What the runners of public suites share: reading files, and the list of cases that may deviate.
 *
 * A list has lines "CASE reason"; '#' begins a comment. A suite passes if every case either agrees or is
 * listed, and every listed one still deviates.
 */
#pragma once

#include "base/str.h"

struct suite {
    const char *name;
    const char *list_path;
    struct str *ids; /* of the listed cases */
    bool *seen;
    size_t n_listed, n_run, n_bad;
    char *list_text;
};

/* Exits with a message if the list cannot be read. */
void suite_open(struct suite *s, const char *name, const char *list_path);

/* Reports one case. WHY is NULL if it agrees. */
void suite_case(struct suite *s, const char *id, const char *why);

/* Prints the result; the exit status. */
int suite_close(struct suite *s);

/* The whole file; exits saying `run make deps` if it is missing. Free it. */
struct str suite_read(const char *path);
