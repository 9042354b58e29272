/* Quantities: parse, print, compare, add. */
#include "object/quantity.h"

#include <errno.h>
#include <stdio.h>

#define NANO      ((__int128)1000000000)
#define FINE      (NANO * NANO) /* parsing keeps 18 digits behind the point, so that "0.0000000001Ki" is exact */
#define MAX_UNITS ((__int128)INT64_MAX)
#define FORMAT_WRONG                                                                                         \
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"

static const struct {
    struct str text;
    enum quantity_notation notation;
    int power; /* of 10, or of 1024 */
} suffixes[] = {
    {STR_INIT("n"), QUANTITY_DECIMAL, -9}, {STR_INIT("u"), QUANTITY_DECIMAL, -6},
    {STR_INIT("m"), QUANTITY_DECIMAL, -3}, {STR_INIT(""), QUANTITY_DECIMAL, 0},
    {STR_INIT("k"), QUANTITY_DECIMAL, 3},  {STR_INIT("M"), QUANTITY_DECIMAL, 6},
    {STR_INIT("G"), QUANTITY_DECIMAL, 9},  {STR_INIT("T"), QUANTITY_DECIMAL, 12},
    {STR_INIT("P"), QUANTITY_DECIMAL, 15}, {STR_INIT("E"), QUANTITY_DECIMAL, 18},
    {STR_INIT("Ki"), QUANTITY_BINARY, 1},  {STR_INIT("Mi"), QUANTITY_BINARY, 2},
    {STR_INIT("Gi"), QUANTITY_BINARY, 3},  {STR_INIT("Ti"), QUANTITY_BINARY, 4},
    {STR_INIT("Pi"), QUANTITY_BINARY, 5},  {STR_INIT("Ei"), QUANTITY_BINARY, 6},
};

/* A quantity taken apart. */
struct parts {
    bool negative;
    struct str digits; /* with at most one point in it */
    enum quantity_notation notation;
    int64_t power;
};

static int parse_suffix(struct str s, struct parts *p)
{
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        if (str_eq(s, suffixes[i].text)) {
            p->notation = suffixes[i].notation;
            p->power = suffixes[i].power;
            return 0;
        }
    }
    if (s.len < 2 || (s.p[0] != 'e' && s.p[0] != 'E'))
        return -EINVAL;
    p->notation = QUANTITY_EXPONENT;
    struct str exponent = str_slice(s, 1 + (s.p[1] == '+'), s.len);
    if (str_to_int64(exponent, &p->power) < 0 || p->power > INT32_MAX || p->power < INT32_MIN)
        return -EINVAL;
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int take_apart(struct str s, struct parts *p, struct err *err)
{
    size_t i = s.len && (s.p[0] == '-' || s.p[0] == '+');
    p->negative = i && s.p[0] == '-';
    size_t start = i, points = 0;
    for (; i < s.len && (is_digit(s.p[i]) || s.p[i] == '.'); i++)
        points += s.p[i] == '.';
    p->digits = str_slice(s, start, i);
    if (p->digits.len == points)
        return err_set(err, -EINVAL, FORMAT_WRONG);
    if (points > 1)
        return err_set(err, -EINVAL, "unable to parse numeric part of quantity");
    struct str suffix = str_slice(s, i, s.len);
    while (i < s.len && memchr("eEinumkKMGTP", s.p[i], 12))
        i++;
    i += i < s.len && (s.p[i] == '-' || s.p[i] == '+');
    while (i < s.len && is_digit(s.p[i]))
        i++;
    if (i < s.len)
        return err_set(err, -EINVAL, FORMAT_WRONG);
    if (parse_suffix(suffix, p) < 0)
        return err_set(err, -EINVAL, "unable to parse quantity's suffix");
    return 0;
}

/* a * b, at most LIMIT; all positive. */
static __int128 multiply_capped(__int128 a, __int128 b, __int128 limit)
{
    __int128 product;
    return __builtin_mul_overflow(a, b, &product) || product > limit ? limit : product;
}

/* DIGITS times ten to the POWER in units of 1/FINE; *RET_REST is set if something finer was cut off. */
static __int128 read_digits(struct str digits, int64_t power, bool *ret_rest)
{
    const __int128 limit = MAX_UNITS * FINE;
    ptrdiff_t point = str_find_char(digits, '.');
    int64_t weight =
        (point < 0 ? (int64_t)digits.len : point) + power + 18; /* of the digit before the first */
    __int128 v = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.p[i] == '.')
            continue;
        if (--weight >= 0)
            v = multiply_capped(v, 10, limit - 9) + (digits.p[i] - '0');
        else
            *ret_rest |= digits.p[i] != '0';
    }
    for (; v && weight > 0 && v < limit - 9; weight--)
        v = multiply_capped(v, 10, limit - 9);
    return v;
}

int quantity_parse(struct str s, struct quantity *ret, struct err *err)
{
    struct parts p = {0};
    int r = take_apart(s, &p, err);
    if (r < 0)
        return r;
    bool rest = false;
    __int128 v = read_digits(p.digits, p.notation == QUANTITY_BINARY ? 0 : p.power, &rest);
    for (int64_t i = 0; p.notation == QUANTITY_BINARY && i < p.power; i++)
        v = multiply_capped(v, 1024, MAX_UNITS * FINE);
    __int128 nano = v / NANO;
    if (v % NANO || rest)
        nano++; /* away from zero: who asked for something gets something */
    if (nano > MAX_UNITS * NANO)
        nano = MAX_UNITS * NANO;
    if (p.notation == QUANTITY_BINARY && nano > 0 && nano < NANO)
        p.notation = QUANTITY_DECIMAL;
    *ret = (struct quantity){p.negative ? -nano : nano, p.notation};
    return 0;
}

static const char *suffix_for(enum quantity_notation notation, int power)
{
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
        if (suffixes[i].notation == notation && suffixes[i].power == power)
            return suffixes[i].text.p;
    return "";
}

/* Writes "-VALUE"; VALUE may have 28 digits. */
static size_t write_number(char *buf, bool negative, __int128 value)
{
    uint64_t high = (uint64_t)(value / (NANO * NANO)), low = (uint64_t)(value % (NANO * NANO));
    const char *sign = negative ? "-" : "";
    int n = high ? snprintf(buf, QUANTITY_MAX_LEN, "%s%lu%018lu", sign, high, low)
                 : snprintf(buf, QUANTITY_MAX_LEN, "%s%lu", sign, low);
    return (size_t)n;
}

/* Takes factors of BASE out of *V, at most MAX; how many. */
static int take_factors(__int128 *v, int base, int max)
{
    int n = 0;
    for (; *v % base == 0 && n < max; n++)
        *v /= base;
    return n;
}

const char *quantity_format(const struct quantity *q, char buf[static QUANTITY_MAX_LEN])
{
    bool negative = q->nano < 0;
    __int128 v = negative ? -q->nano : q->nano;
    enum quantity_notation notation = q->notation;
    int power = 0;
    if (v == 0)
        return memcpy(buf, "0", 2);
    if (notation == QUANTITY_BINARY && v >= 1024 * NANO) {
        v = (v + NANO - 1) / NANO;
        power = take_factors(&v, 1024, 6);
        v = power ? v : v * NANO;
    }
    if (!power &&
        notation == QUANTITY_BINARY) /* without a suffix it would be read as decimal: be that at once */
        notation = QUANTITY_DECIMAL;
    if (notation != QUANTITY_BINARY)
        power = -9 + 3 * take_factors(&v, 1000, 9);
    size_t n = write_number(buf, negative, v);
    if (notation != QUANTITY_EXPONENT)
        snprintf(buf + n, QUANTITY_MAX_LEN - n, "%s", suffix_for(notation, power));
    else if (power)
        snprintf(buf + n, QUANTITY_MAX_LEN - n, "e%d", power);
    return buf;
}

int quantity_cmp(const struct quantity *a, const struct quantity *b)
{
    return (a->nano > b->nano) - (a->nano < b->nano);
}

struct quantity quantity_add(const struct quantity *a, const struct quantity *b)
{
    const __int128 limit = MAX_UNITS * NANO;
    __int128 sum = a->nano + b->nano; /* each is below 2^93 */
    sum = sum > limit ? limit : sum < -limit ? -limit : sum;
    return (struct quantity){sum, a->nano ? a->notation : b->notation};
}
