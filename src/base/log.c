#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"

/* The logger is the one process-wide object that everything may use; settings change only at start. */
static int log_verbosity;
static enum log_format log_output;

void log_set_verbosity(int v)
{
    log_verbosity = v;
}

void log_set_format(enum log_format format)
{
    log_output = format;
}

bool log_enabled(int v)
{
    return v <= log_verbosity;
}

/* Control bytes could forge lines or drive a terminal (GO-2022-0983), so they are shown, not sent. */
static void log_add_escaped(struct strbuf *b, const char *s, enum log_format format)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x20 || c == 0x7f)
            strbuf_addf(b, format == LOG_JSON ? "\\u%04x" : "\\x%02x", c);
        else if (format == LOG_JSON && (c == '"' || c == '\\'))
            strbuf_addf(b, "\\%c", c);
        else
            strbuf_addc(b, *s);
    }
}

void log_write(enum log_level level, const char *file, int line, const char *format, ...)
{
    static const char letters[] = "EWI";
    static const char *const names[] = {"error", "warning", "info"};

    char message[1024];
    va_list ap;
    va_start(ap, format);
    vsnprintf(message, sizeof message, format, ap);
    va_end(ap);

    struct timespec now; /* the logger stamps lines itself: no module's behaviour depends on it */
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm tm;
    gmtime_r(&now.tv_sec, &tm);

    _cleanup_(strbuf_done) struct strbuf b = {0};
    if (log_output == LOG_JSON) {
        strbuf_addf(&b, "{\"ts\":%ld.%03ld,\"level\":\"%s\",\"caller\":\"%s:%d\",\"msg\":\"",
                    (long)now.tv_sec, now.tv_nsec / 1000000, names[level], file, line);
        log_add_escaped(&b, message, LOG_JSON);
        strbuf_addz(&b, "\"}\n");
    } else {
        strbuf_addf(&b, "%c%02d%02d %02d:%02d:%02d.%06ld %7d %s:%d] ", letters[level], tm.tm_mon + 1,
                    tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec / 1000, (int)getpid(), file,
                    line);
        log_add_escaped(&b, message, LOG_TEXT);
        strbuf_addc(&b, '\n');
    }
    (void)!write(STDERR_FILENO, b.p, b.len); /* nothing can be done when standard error is gone */
}

bool log_limit_pass(struct log_limit *limit, uint64_t *ret_dropped)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    int64_t ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
    if (ns < limit->next_ns) {
        limit->dropped++;
        return false;
    }
    limit->next_ns = ns + INT64_C(10000000000);
    *ret_dropped = limit->dropped;
    limit->dropped = 0;
    return true;
}
