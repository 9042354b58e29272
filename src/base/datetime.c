#include "base/datetime.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

static struct tm walltime_split(struct walltime t, int64_t *ret_frac_ns)
{
    int64_t s = t.ns / TIME_S_NS, frac = t.ns % TIME_S_NS;
    if (frac < 0) {
        frac += TIME_S_NS;
        s--;
    }
    time_t seconds = s;
    struct tm tm;
    gmtime_r(&seconds, &tm);
    *ret_frac_ns = frac;
    return tm;
}

const char *walltime_format(struct walltime t, char buf[static WALLTIME_MAX_LEN])
{
    int64_t frac;
    struct tm tm = walltime_split(t, &frac);
    strftime(buf, WALLTIME_MAX_LEN, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return buf;
}

const char *walltime_format_micro(struct walltime t, char buf[static WALLTIME_MAX_LEN])
{
    int64_t frac;
    struct tm tm = walltime_split(t, &frac);
    size_t len = strftime(buf, WALLTIME_MAX_LEN, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(buf + len, WALLTIME_MAX_LEN - len, ".%06dZ", (int)(frac / 1000));
    return buf;
}

const char *walltime_format_nano(struct walltime t, char buf[static WALLTIME_MAX_LEN])
{
    int64_t frac;
    struct tm tm = walltime_split(t, &frac);
    size_t len = strftime(buf, WALLTIME_MAX_LEN - 12, "%Y-%m-%dT%H:%M:%S", &tm);
    if (frac) {
        snprintf(buf + len, WALLTIME_MAX_LEN - len, ".%09d", (int)frac);
        len += 10;
        while (buf[len - 1] == '0')
            len--;
    }
    buf[len] = 'Z';
    buf[len + 1] = 0;
    return buf;
}

/* N digits at *S as a number, moving on. */
static bool walltime_digits(struct str *s, int n, int *ret)
{
    int v = 0;
    if (s->len < (size_t)n)
        return false;
    for (int i = 0; i < n; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return false;
        v = v * 10 + (s->p[i] - '0');
    }
    *s = str_slice(*s, n, s->len);
    *ret = v;
    return true;
}

static bool walltime_skip(struct str *s, const char *set)
{
    if (!s->len || !strchr(set, s->p[0]))
        return false;
    *s = str_slice(*s, 1, s->len);
    return true;
}

static bool walltime_fraction(struct str *s, int64_t *ret_ns)
{
    int64_t ns = 0, unit = TIME_S_NS / 10;
    size_t n = 0;
    for (; n < s->len && s->p[n] >= '0' && s->p[n] <= '9'; n++, unit /= 10)
        ns += (s->p[n] - '0') * unit;
    *s = str_slice(*s, n, s->len);
    *ret_ns = ns;
    return n > 0;
}

static bool walltime_offset(struct str *s, int *ret_s)
{
    if (walltime_skip(s, "Zz")) {
        *ret_s = 0;
        return true;
    }
    int sign = s->len && s->p[0] == '-' ? -1 : 1, h, m;
    if (!walltime_skip(s, "+-") || !walltime_digits(s, 2, &h) || !walltime_skip(s, ":") ||
        !walltime_digits(s, 2, &m) || h > 23 || m > 59)
        return false;
    *ret_s = sign * (h * 3600 + m * 60);
    return true;
}

int walltime_parse(struct str s, struct walltime *ret)
{
    static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct tm tm = {0};
    int64_t frac_ns = 0;
    int offset_s = 0;
    if (!walltime_digits(&s, 4, &tm.tm_year) || !walltime_skip(&s, "-") ||
        !walltime_digits(&s, 2, &tm.tm_mon) || !walltime_skip(&s, "-") ||
        !walltime_digits(&s, 2, &tm.tm_mday) || !walltime_skip(&s, "Tt") ||
        !walltime_digits(&s, 2, &tm.tm_hour) || !walltime_skip(&s, ":") ||
        !walltime_digits(&s, 2, &tm.tm_min) || !walltime_skip(&s, ":") || !walltime_digits(&s, 2, &tm.tm_sec))
        return -EINVAL;
    if (walltime_skip(&s, ".") && !walltime_fraction(&s, &frac_ns))
        return -EINVAL;
    if (!walltime_offset(&s, &offset_s) || s.len)
        return -EINVAL;
    bool leap = (tm.tm_year % 4 == 0 && tm.tm_year % 100 != 0) || tm.tm_year % 400 == 0;
    if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > month_days[tm.tm_mon - 1] ||
        (tm.tm_mon == 2 && tm.tm_mday == 29 && !leap) || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59)
        return -EINVAL;
    if (tm.tm_year < 1678 || tm.tm_year > 2261) /* what 64 bits of nanoseconds hold */
        return -EINVAL;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    ret->ns = ((int64_t)timegm(&tm) - offset_s) * TIME_S_NS + frac_ns;
    return 0;
}

static const struct duration_unit {
    struct str name;
    int64_t ns;
} duration_units[] = {
    {STR_INIT("ns"), 1},
    {STR_INIT("us"), 1000},
    {STR_INIT("\xc2\xb5s"), 1000},
    {STR_INIT("ms"), TIME_MS_NS},
    {STR_INIT("s"), TIME_S_NS},
    {STR_INIT("m"), 60 * TIME_S_NS},
    {STR_INIT("h"), 3600 * TIME_S_NS},
};

/* One "12.5ms" at *S, moving on. */
static int duration_part(struct str *s, int64_t *ret_ns)
{
    size_t n = 0;
    while (n < s->len && s->p[n] >= '0' && s->p[n] <= '9')
        n++;
    int64_t whole = 0, frac_ns = 0;
    if (n && str_to_int64(str_slice(*s, 0, n), &whole) < 0)
        return -ERANGE;
    bool digits = n > 0;
    *s = str_slice(*s, n, s->len);
    if (walltime_skip(s, ".") && walltime_fraction(s, &frac_ns))
        digits = true;
    if (!digits)
        return -EINVAL;
    for (n = 0; n < s->len && s->p[n] != '.' && (s->p[n] < '0' || s->p[n] > '9'); n++)
        ;
    for (size_t i = 0; i < ARRAY_LEN(duration_units); i++) {
        if (!str_eq(str_slice(*s, 0, n), duration_units[i].name))
            continue;
        *s = str_slice(*s, n, s->len);
        int64_t ns, part = (int64_t)((__int128)frac_ns * duration_units[i].ns / TIME_S_NS);
        if (__builtin_mul_overflow(whole, duration_units[i].ns, &ns) || __builtin_add_overflow(ns, part, &ns))
            return -ERANGE;
        *ret_ns = ns;
        return 0;
    }
    return -EINVAL;
}

int duration_parse_ns(struct str s, int64_t *ret_ns)
{
    int64_t total = 0;
    bool negative = s.len && s.p[0] == '-';
    (void)walltime_skip(&s, "+-"); /* a sign is optional */
    if (str_eq(s, STR("0"))) {
        *ret_ns = 0;
        return 0;
    }
    if (!s.len)
        return -EINVAL;
    while (s.len) {
        int64_t ns;
        int r = duration_part(&s, &ns);
        if (r < 0)
            return r;
        if (__builtin_add_overflow(total, ns, &total))
            return -ERANGE;
    }
    *ret_ns = negative ? -total : total;
    return 0;
}

const char *duration_format_ns(int64_t ns, char buf[static WALLTIME_MAX_LEN])
{
    const char *sign = ns < 0 ? "-" : "";
    uint64_t v = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    if (v == 0) {
        snprintf(buf, WALLTIME_MAX_LEN, "0s");
    } else if (v < (uint64_t)TIME_S_NS) {
        bool ms = v >= (uint64_t)TIME_MS_NS, us = !ms && v >= 1000;
        snprintf(buf, WALLTIME_MAX_LEN, "%s%.*g%s", sign, 9,
                 (double)v / (ms   ? 1e6
                              : us ? 1e3
                                   : 1),
                 ms   ? "ms"
                 : us ? "us"
                      : "ns");
    } else {
        uint64_t h = v / (3600 * (uint64_t)TIME_S_NS), m = v / (60 * (uint64_t)TIME_S_NS) % 60;
        double s = (double)(v % (60 * (uint64_t)TIME_S_NS)) / 1e9;
        if (h)
            snprintf(buf, WALLTIME_MAX_LEN, "%s%luh%lum%.11gs", sign, h, m, s);
        else if (m)
            snprintf(buf, WALLTIME_MAX_LEN, "%s%lum%.11gs", sign, m, s);
        else
            snprintf(buf, WALLTIME_MAX_LEN, "%s%.11gs", sign, s);
    }
    return buf;
}

/* "AxBy" or "Ax" when B is zero. */
static const char *duration_pair(char *buf, int64_t a, char ua, int64_t b, char ub)
{
    if (b)
        snprintf(buf, WALLTIME_MAX_LEN, "%ld%c%ld%c", a, ua, b, ub);
    else
        snprintf(buf, WALLTIME_MAX_LEN, "%ld%c", a, ua);
    return buf;
}

/* Source: k8s.io/apimachinery/pkg/util/duration HumanDuration, v0.36. */
const char *duration_format_age(int64_t seconds, char buf[static WALLTIME_MAX_LEN])
{
    int64_t m = seconds / 60, h = seconds / 3600, d = h / 24, y = d / 365;
    if (seconds < -1)
        snprintf(buf, WALLTIME_MAX_LEN, "<invalid>");
    else if (seconds < 0)
        snprintf(buf, WALLTIME_MAX_LEN, "0s");
    else if (seconds < 120)
        snprintf(buf, WALLTIME_MAX_LEN, "%lds", seconds);
    else if (m < 10)
        duration_pair(buf, m, 'm', seconds % 60, 's');
    else if (m < 180)
        snprintf(buf, WALLTIME_MAX_LEN, "%ldm", m);
    else if (h < 8)
        duration_pair(buf, h, 'h', m % 60, 'm');
    else if (h < 48)
        snprintf(buf, WALLTIME_MAX_LEN, "%ldh", h);
    else if (h < 192)
        duration_pair(buf, d, 'd', h % 24, 'h');
    else if (y < 2)
        snprintf(buf, WALLTIME_MAX_LEN, "%ldd", d);
    else if (y < 8)
        duration_pair(buf, y, 'y', d % 365, 'd');
    else
        snprintf(buf, WALLTIME_MAX_LEN, "%ldy", y);
    return buf;
}
