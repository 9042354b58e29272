#include "service/omissions.h"

#include <stdarg.h>
#include <stdio.h>

void omissions_done(struct omissions *o)
{
    strbuf_done(&o->text);
    o->n = 0;
}

void omissions_add(struct omissions *o, const char *format, ...)
{
    if (!o)
        return;
    if (o->n++ >= OMISSIONS_MAX_LINES)
        return;
    char line[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args); /* a cut line is still a line */
    va_end(args);
    if (o->text.len)
        strbuf_addz(&o->text, "; ");
    strbuf_addz(&o->text, line);
}
