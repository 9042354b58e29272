/* Command-line flags from tables, as Kubernetes components take them.
 *
 * A table row says name, type, default, limits and help; it yields the parser, the defaults and the text of
 * --help. Values land in a struct of the caller at the row's offset. Several tables may be parsed together
 * (`fairlead server` also takes every flag of `fairlead proxy`). Forms: --name=value, --name value, --bool,
 * --bool=false, and for one-letter names -v 2, -v=2. Underscores in names count as dashes, as upstream has
 * it.
 *
 *     static const struct flag flags[] = {
 *         {.name = "data-dir", .type = FLAG_STRING, .offset = offsetof(struct options, data_dir),
 *          .initial = "/var/lib/fairlead", .help = "Where everything is kept."},
 *     };
 */
#pragma once

#include "base/array.h"
#include "base/err.h"
#include "base/str.h"

enum flag_type {
    FLAG_STRING,   /* const char *: borrows from argv or the default */
    FLAG_BOOL,     /* bool */
    FLAG_INT,      /* int64_t, within min..max if they differ */
    FLAG_DURATION, /* int64_t nanoseconds, Go syntax, within min..max (ns) if they differ */
    FLAG_LIST,     /* struct flag_list: comma-separated, repeatable */
    FLAG_REFUSED,  /* known upstream and not built here: giving it is an error that says why (help) */
};

struct flag_list {
    struct str *v; /* borrows from argv */
    size_t n, capacity;
};

struct flag {
    const char *name;
    enum flag_type type;
    size_t offset;
    const char *initial; /* default as text; NULL is "", false, 0 */
    int64_t min, max;
    const char *const *choices; /* FLAG_STRING: NULL-terminated list of what is allowed, or NULL */
    const char *help;           /* one or two sentences */
};

struct flag_set {
    const struct flag *flags;
    size_t n_flags;
    void *values;                        /* the struct that offsets refer to */
    ARRAY_OF(const struct flag *) given; /* those on the command line, in order */
    ARRAY_OF(const char *) words; /* the same as "--name=value" words for handing on; owned by the set */
};

/* Fills in the defaults of all sets, then the command line. The words of argv must outlive the values.
 * Positional arguments are an error.
 * Errors: -EINVAL with a sentence; -ECANCELED for --help or -h: the caller prints flags_print_help(). */
int flags_parse(struct flag_set *sets, size_t n_sets, int argc, const char *const *argv, struct err *err);

/* Sets one flag from text, as the command line would. For configuration files that share the table. */
int flag_set_value(struct flag_set *set, const struct flag *flag, const char *text, struct err *err);

bool flag_was_given(const struct flag_set *set, const char *name);

/* The help text of one set: name, type, help, default. */
void flags_print_help(const struct flag_set *set, struct strbuf *out);

void flags_done(struct flag_set *sets, size_t n_sets);
