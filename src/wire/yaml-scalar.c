#include "wire/yaml-scalar.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/encoding.h"

#define YAML_TAG_PREFIX "tag:yaml.org,2002:"

static bool yaml_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The words of YAML 1.1, each in the three ways of writing it. */
static bool yaml_word(struct str text, struct yaml_scalar *ret)
{
    static const struct {
        struct str words[3];
        struct yaml_scalar value;
    } rows[] = {
        {{STR_INIT("y"), STR_INIT("Y"), STR_INIT("Y")}, {YAML_SCALAR_BOOL, .boolean = true}},
        {{STR_INIT("yes"), STR_INIT("Yes"), STR_INIT("YES")}, {YAML_SCALAR_BOOL, .boolean = true}},
        {{STR_INIT("true"), STR_INIT("True"), STR_INIT("TRUE")}, {YAML_SCALAR_BOOL, .boolean = true}},
        {{STR_INIT("on"), STR_INIT("On"), STR_INIT("ON")}, {YAML_SCALAR_BOOL, .boolean = true}},
        {{STR_INIT("n"), STR_INIT("N"), STR_INIT("N")}, {YAML_SCALAR_BOOL, .boolean = false}},
        {{STR_INIT("no"), STR_INIT("No"), STR_INIT("NO")}, {YAML_SCALAR_BOOL, .boolean = false}},
        {{STR_INIT("false"), STR_INIT("False"), STR_INIT("FALSE")}, {YAML_SCALAR_BOOL, .boolean = false}},
        {{STR_INIT("off"), STR_INIT("Off"), STR_INIT("OFF")}, {YAML_SCALAR_BOOL, .boolean = false}},
        {{STR_INIT("null"), STR_INIT("Null"), STR_INIT("NULL")}, {YAML_SCALAR_NULL}},
        {{STR_INIT(""), STR_INIT("~"), STR_INIT("~")}, {YAML_SCALAR_NULL}},
        {{STR_INIT(".nan"), STR_INIT(".NaN"), STR_INIT(".NAN")}, {YAML_SCALAR_FLOAT, .real = NAN}},
        {{STR_INIT(".inf"), STR_INIT(".Inf"), STR_INIT(".INF")}, {YAML_SCALAR_FLOAT, .real = INFINITY}},
        {{STR_INIT("+.inf"), STR_INIT("+.Inf"), STR_INIT("+.INF")}, {YAML_SCALAR_FLOAT, .real = INFINITY}},
        {{STR_INIT("-.inf"), STR_INIT("-.Inf"), STR_INIT("-.INF")}, {YAML_SCALAR_FLOAT, .real = -INFINITY}},
    };
    if (text.len > 5)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(rows) * 3; i++) {
        if (str_eq(text, rows[i / 3].words[i % 3])) {
            *ret = rows[i / 3].value;
            return true;
        }
    }
    return false;
}

static int yaml_digit_value(char c)
{
    if (yaml_is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* Go's ParseInt and ParseUint with base 0: prefixes 0x, 0o, 0b, and 0 for octal. */
static bool yaml_integer(struct str text, struct yaml_scalar *ret)
{
    bool negative = text.len && text.p[0] == '-', sign = negative || (text.len && text.p[0] == '+');
    struct str digits = str_slice(text, sign, text.len);
    int base = 10;
    if (digits.len > 1 && digits.p[0] == '0') {
        char c = digits.p[1] | 0x20;
        base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
        digits = str_slice(digits, c == 'x' || c == 'b' || c == 'o' ? 2 : 1, digits.len);
    }
    uint64_t v = 0;
    for (size_t i = 0; i < digits.len; i++) {
        int d = yaml_digit_value(digits.p[i]);
        if (d >= base || __builtin_mul_overflow(v, (uint64_t)base, &v) ||
            __builtin_add_overflow(v, (uint64_t)d, &v))
            return false;
    }
    if (!digits.len)
        return false;
    if (v <= (uint64_t)INT64_MAX + negative)
        *ret = (struct yaml_scalar){YAML_SCALAR_INT, .integer = (int64_t)(negative ? 0 - v : v)};
    else if (!sign)
        *ret = (struct yaml_scalar){YAML_SCALAR_UINT, .natural = v};
    else
        return false;
    return true;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool yaml_is_float(struct str s)
{
    size_t i = s.len && (s.p[0] == '-' || s.p[0] == '+'), whole = i, fraction;
    while (i < s.len && yaml_is_digit(s.p[i]))
        i++;
    whole = i - whole;
    if (i < s.len && s.p[i] == '.') {
        fraction = ++i;
        while (i < s.len && yaml_is_digit(s.p[i]))
            i++;
        if (!whole && i == fraction)
            return false;
    } else if (!whole) {
        return false;
    }
    if (i < s.len && (s.p[i] | 0x20) == 'e') {
        i++;
        i += i < s.len && (s.p[i] == '-' || s.p[i] == '+');
        size_t exponent = i;
        while (i < s.len && yaml_is_digit(s.p[i]))
            i++;
        if (i == exponent)
            return false;
    }
    return i == s.len;
}

struct yaml_scalar yaml_scalar_resolve(struct str text)
{
    struct yaml_scalar v = {YAML_SCALAR_STRING, .text = text};
    if (yaml_word(text, &v))
        return v;
    char first = text.p[0];
    if (!yaml_is_digit(first) && first != '-' && first != '+' && first != '.')
        return v;
    /* Underscores separate digits. A number longer than this is a string nobody wrote for a number. */
    char plain[512];
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] == '_')
            continue;
        if (n == sizeof plain - 1)
            return v;
        plain[n++] = text.p[i];
    }
    plain[n] = 0;
    struct str number = {plain, n};
    if (first != '.' && yaml_integer(number, &v))
        return v;
    if (!yaml_is_float(number))
        return v;
    double real = strtod(plain, NULL);
    if (!isinf(real))
        v = (struct yaml_scalar){YAML_SCALAR_FLOAT, .real = real};
    return v;
}

static const char *yaml_type_tag(enum yaml_scalar_type type)
{
    static const char *const names[] = {"null", "bool", "int", "int", "float", "str"};
    return names[type];
}

/* !!binary must be text in the end: JSON has nothing else. */
static int yaml_binary(struct arena *a, struct str text, struct yaml_scalar *ret, struct err *err)
{
    _cleanup_(strbuf_done) struct strbuf compact = {0}, bytes = {0}, quoted = {0};
    for (size_t i = 0; i < text.len; i++)
        if (text.p[i] != '\n' && text.p[i] != '\r')
            strbuf_addc(&compact, text.p[i]);
    if (base64_decode(strbuf_str(&compact), &bytes) < 0)
        return err_set(err, -EINVAL, "the !!binary value has invalid base64 data");
    struct json *check;
    _cleanup_(arena_done) struct arena scratch = {0};
    json_write_string(strbuf_str(&bytes), &quoted);
    if (json_parse(&scratch, strbuf_str(&quoted), NULL, &check, NULL) < 0)
        return err_set(err, -EINVAL, "the !!binary value is not UTF-8 text");
    *ret = (struct yaml_scalar){YAML_SCALAR_STRING, .text = arena_str(a, strbuf_str(&bytes))};
    return 0;
}

/* "2024-1-2", perhaps with more behind it: what !!timestamp may stand before. */
static bool yaml_is_timestamp(struct str s)
{
    return s.len >= 8 && yaml_is_digit(s.p[0]) && yaml_is_digit(s.p[1]) && yaml_is_digit(s.p[2]) &&
           yaml_is_digit(s.p[3]) && s.p[4] == '-' && yaml_is_digit(s.p[5]);
}

int yaml_scalar_resolve_tagged(struct arena *a, struct str tag, struct str text, struct yaml_scalar *ret,
                               struct err *err)
{
    *ret = (struct yaml_scalar){YAML_SCALAR_STRING, .text = text};
    if (!str_has_prefix(tag, STR(YAML_TAG_PREFIX)))
        return 0;
    struct str name = str_slice(tag, sizeof YAML_TAG_PREFIX - 1, tag.len);
    if (str_eqz(name, "binary"))
        return yaml_binary(a, text, ret, err);
    if (str_eqz(name, "timestamp"))
        return yaml_is_timestamp(text) ? 0 : err_set(err, -EINVAL, "a !!timestamp value is not one");
    if (!str_eqz(name, "bool") && !str_eqz(name, "int") && !str_eqz(name, "float") && !str_eqz(name, "null"))
        return 0;
    struct yaml_scalar v = yaml_scalar_resolve(text);
    if (str_eqz(name, "float") && v.type == YAML_SCALAR_INT)
        v = (struct yaml_scalar){YAML_SCALAR_FLOAT, .real = (double)v.integer};
    if (!str_eqz(name, yaml_type_tag(v.type)))
        return err_set(err, -EINVAL, "cannot decode !!%s `%.*s` as a !!%.*s", yaml_type_tag(v.type),
                       STR_ARG(str_slice(text, 0, 80)), STR_ARG(name));
    *ret = v;
    return 0;
}

#define YAML_FLOAT_TEXT_LEN 64

/* A number as its shortest digits "d.ddd" that read back, and the exponent of ten of the first. */
struct yaml_digits {
    char digits[24];
    int n, exponent;
};

static struct yaml_digits yaml_shortest(double v, bool single)
{
    struct yaml_digits d = {0};
    char text[40];
    for (int precision = 0; precision <= 16; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, v);
        double back = strtod(text, NULL);
        if (single ? (float)back == (float)v : back == v)
            break;
    }
    const char *p = text;
    for (; *p && *p != 'e'; p++)
        if (yaml_is_digit(*p))
            d.digits[d.n++] = *p;
    d.exponent = (int)strtol(p + 1, NULL, 10);
    while (d.n > 1 && d.digits[d.n - 1] == '0')
        d.n--;
    return d;
}

/* "123.4", "0.0012", "1000": without an exponent. */
static void yaml_format_plain(const struct yaml_digits *d, struct strbuf *out)
{
    if (d->exponent < 0) {
        strbuf_addz(out, "0.");
        for (int i = -1; i > d->exponent; i--)
            strbuf_addc(out, '0');
        strbuf_add(out, d->digits, d->n);
        return;
    }
    for (int i = 0; i < MAX(d->n, d->exponent + 1); i++) {
        if (i == d->exponent + 1)
            strbuf_addc(out, '.');
        strbuf_addc(out, i < d->n ? d->digits[i] : '0');
    }
}

static void yaml_format_exponent(const struct yaml_digits *d, int min_digits, struct strbuf *out)
{
    strbuf_addc(out, d->digits[0]);
    if (d->n > 1)
        strbuf_addc(out, '.');
    strbuf_add(out, d->digits + 1, d->n - 1);
    strbuf_addf(out, "e%c%0*d", d->exponent < 0 ? '-' : '+', min_digits, abs(d->exponent));
}

/* As Go's encoding/json prints a float64. */
static struct str yaml_format_json(struct arena *a, double v)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    struct yaml_digits d = yaml_shortest(fabs(v), false);
    if (signbit(v))
        strbuf_addc(&b, '-');
    if (v != 0 && (fabs(v) < 1e-6 || fabs(v) >= 1e21))
        yaml_format_exponent(&d, 1, &b);
    else
        yaml_format_plain(&d, &b);
    return arena_str(a, strbuf_str(&b));
}

/* As sigs.k8s.io/yaml names a member after a float: FormatFloat(v, 'g', -1, 32). */
static struct str yaml_format_key(struct arena *a, double v)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    float single = (float)v;
    if (isnan(single))
        return STR(".nan");
    if (isinf(single))
        return single > 0 ? STR(".inf") : STR("-.inf");
    struct yaml_digits d = yaml_shortest(fabs((double)single), true);
    if (signbit(single))
        strbuf_addc(&b, '-');
    if (d.exponent < -4 || d.exponent >= 6)
        yaml_format_exponent(&d, 2, &b);
    else
        yaml_format_plain(&d, &b);
    return arena_str(a, strbuf_str(&b));
}

static struct json *yaml_number(struct arena *a, struct str text)
{
    struct json *v;
    return json_parse(a, text, NULL, &v, NULL) == 0 ? v : json_null(a);
}

int yaml_scalar_to_json(struct arena *a, const struct yaml_scalar *s, struct json **ret, struct err *err)
{
    switch (s->type) {
    case YAML_SCALAR_NULL:
        *ret = json_null(a);
        return 0;
    case YAML_SCALAR_BOOL:
        *ret = json_bool(a, s->boolean);
        return 0;
    case YAML_SCALAR_INT:
        *ret = yaml_number(a, arena_format(a, "%ld", s->integer));
        return 0;
    case YAML_SCALAR_UINT:
        *ret = yaml_number(a, arena_format(a, "%lu", s->natural));
        return 0;
    case YAML_SCALAR_FLOAT:
        if (!isfinite(s->real))
            return err_set(err, -EINVAL, "JSON has no infinity and no not-a-number");
        *ret = yaml_number(a, yaml_format_json(a, s->real));
        return 0;
    case YAML_SCALAR_STRING:
        break;
    }
    *ret = json_string(a, s->text);
    return 0;
}

int yaml_scalar_to_key(struct arena *a, const struct yaml_scalar *s, struct str *ret, struct err *err)
{
    switch (s->type) {
    case YAML_SCALAR_NULL:
        return err_set(err, -EINVAL, "a mapping key is null");
    case YAML_SCALAR_BOOL:
        *ret = s->boolean ? STR("true") : STR("false");
        return 0;
    case YAML_SCALAR_INT:
        *ret = arena_format(a, "%ld", s->integer);
        return 0;
    case YAML_SCALAR_UINT:
        return err_set(err, -EINVAL, "a mapping key is an integer beyond 64 bits with sign");
    case YAML_SCALAR_FLOAT:
        *ret = yaml_format_key(a, s->real);
        return 0;
    case YAML_SCALAR_STRING:
        break;
    }
    *ret = s->text;
    return 0;
}
