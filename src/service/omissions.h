/* What was left out of an object that came from outside, and why.
 *
 * Parsers here never fail an object for one odd value: they drop the value and add a line. The boundary (the
 * proxy) logs the lines and counts them. The number of lines kept is limited, the count is not.
 *
 *     _cleanup_(omissions_done) struct omissions o = {0};
 *     service_parse(json, &o, &service, &err);
 *     if (o.n) log_warn("Service %s: %s", name, strbuf_cstr(&o.text));
 */
#pragma once

#include "base/str.h"

#define OMISSIONS_MAX_LINES 16

struct omissions {
    struct strbuf text; /* lines joined with "; ", at most OMISSIONS_MAX_LINES of them */
    unsigned n;         /* all of them */
};

void omissions_done(struct omissions *o);

/* One line; O may be NULL, then nobody wants to know. */
void omissions_add(struct omissions *o, const char *format, ...) _printf_(2, 3);
