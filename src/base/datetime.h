/* Time: two types that cannot be mixed, and their text forms.
 *
 * monotime counts from an arbitrary start and never jumps; timers and time-outs use it. walltime is UTC
 * since 1970; objects carry it. Modules take `now` as an argument: only src/io reads clocks.
 */
#pragma once

#include "base/str.h"

struct monotime {
    int64_t ns;
};

struct walltime {
    int64_t ns;
};

#define TIME_MS_NS       INT64_C(1000000)
#define TIME_S_NS        INT64_C(1000000000)
#define WALLTIME_MAX_LEN 32

static inline struct monotime monotime_add_ms(struct monotime t, int64_t ms)
{
    return (struct monotime){t.ns + ms * TIME_MS_NS};
}
static inline int64_t monotime_since_ms(struct monotime now, struct monotime then)
{
    return (now.ns - then.ns) / TIME_MS_NS;
}

/* RFC 3339 in UTC with whole seconds ("2026-11-24T08:14:15Z", Kubernetes' Time), with microseconds
 * (MicroTime), and with the nanoseconds that are not zero (Go's RFC3339Nano). Returns BUF. */
const char *walltime_format(struct walltime t, char buf[static WALLTIME_MAX_LEN]);
const char *walltime_format_micro(struct walltime t, char buf[static WALLTIME_MAX_LEN]);
const char *walltime_format_nano(struct walltime t, char buf[static WALLTIME_MAX_LEN]);

/* RFC 3339 with any fraction and offset. Errors: -EINVAL. */
int walltime_parse(struct str s, struct walltime *ret);

/* A duration as Go writes it: "1h15m30.918s", "300ms", "0". Errors: -EINVAL, -ERANGE. */
int duration_parse_ns(struct str s, int64_t *ret_ns);

/* A duration as Go prints it: "1h0m0s", "15m0s", "30s", "1.5s", "300ms", "0s". */
const char *duration_format_ns(int64_t ns, char buf[static WALLTIME_MAX_LEN]);

/* As kubectl prints ages: "45s", "3m10s", "7m", "5h", "3d5h", "12d", "2y3d". Negative gives "<invalid>". */
const char *duration_format_age(int64_t seconds, char buf[static WALLTIME_MAX_LEN]);
