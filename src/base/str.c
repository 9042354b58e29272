#include "base/str.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int str_cmp(struct str a, struct str b)
{
    size_t len = MIN(a.len, b.len);
    int c = len ? memcmp(a.p, b.p, len) : 0;
    if (c)
        return c;
    return (a.len > b.len) - (a.len < b.len);
}

int str_cmp_qsort(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static char str_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool str_case_eq(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (str_lower(a.p[i]) != str_lower(b.p[i]))
            return false;
    return true;
}

bool str_has_prefix(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_slice(s, 0, prefix.len), prefix);
}

bool str_has_suffix(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_slice(s, s.len - suffix.len, s.len), suffix);
}

ptrdiff_t str_find_char(struct str s, char c)
{
    const char *p = s.len ? memchr(s.p, c, s.len) : NULL;
    return p ? p - s.p : -1;
}

ptrdiff_t str_find(struct str s, struct str needle)
{
    if (!needle.len)
        return 0;
    const char *p = s.len ? memmem(s.p, s.len, needle.p, needle.len) : NULL;
    return p ? p - s.p : -1;
}

static bool str_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    while (s.len && str_is_space(s.p[0])) {
        s.p++;
        s.len--;
    }
    while (s.len && str_is_space(s.p[s.len - 1]))
        s.len--;
    return s;
}

bool str_split(struct str *rest, char sep, struct str *ret_part)
{
    if (!rest->p)
        return false;
    ptrdiff_t at = str_find_char(*rest, sep);
    if (at < 0) {
        *ret_part = *rest;
        *rest = STR_NONE;
    } else {
        *ret_part = str_slice(*rest, 0, at);
        *rest = str_slice(*rest, at + 1, rest->len);
    }
    return true;
}

int str_to_uint64(struct str s, uint64_t *ret)
{
    if (!s.len)
        return -EINVAL;
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return -EINVAL;
        if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
            return -ERANGE;
    }
    *ret = v;
    return 0;
}

int str_to_int64(struct str s, int64_t *ret)
{
    bool negative = s.len && s.p[0] == '-';
    uint64_t v;
    int r = str_to_uint64(str_slice(s, negative, s.len), &v);
    if (r < 0)
        return r;
    if (v > (uint64_t)INT64_MAX + negative)
        return -ERANGE;
    *ret = negative ? (int64_t)(0 - v) : (int64_t)v;
    return 0;
}

void strbuf_done(struct strbuf *b)
{
    free(b->p);
    *b = (struct strbuf){0};
}

void strbuf_reserve(struct strbuf *b, size_t more)
{
    size_t need = b->len + more + 1;
    if (need <= b->capacity)
        return;
    size_t capacity = MAX(b->capacity * 2, (size_t)64);
    if (capacity < need)
        capacity = need;
    b->p = mem_realloc(b->p, capacity);
    b->p[b->len] = 0;
    b->capacity = capacity;
}

void strbuf_add(struct strbuf *b, const void *p, size_t len)
{
    strbuf_reserve(b, len);
    if (len)
        memcpy(b->p + b->len, p, len);
    b->len += len;
    b->p[b->len] = 0;
}

void strbuf_addf(struct strbuf *b, const char *format, ...)
{
    strbuf_reserve(b, 64);
    va_list ap, again;
    va_start(ap, format);
    va_copy(again, ap);
    int len = vsnprintf(b->p + b->len, b->capacity - b->len, format, ap);
    va_end(ap);
    if (len > 0 && (size_t)len >= b->capacity - b->len) {
        strbuf_reserve(b, len);
        vsnprintf(b->p + b->len, b->capacity - b->len, format, again);
    }
    va_end(again);
    if (len > 0)
        b->len += len;
    b->p[b->len] = 0;
}

void strbuf_truncate(struct strbuf *b, size_t len)
{
    if (len >= b->len)
        return;
    b->len = len;
    b->p[len] = 0;
}

void strbuf_consume(struct strbuf *b, size_t len)
{
    if (!len)
        return;
    len = MIN(len, b->len);
    memmove(b->p, b->p + len, b->len - len + 1);
    b->len -= len;
}

char *strbuf_take(struct strbuf *b, size_t *ret_len)
{
    strbuf_reserve(b, 0);
    char *p = b->p;
    if (ret_len)
        *ret_len = b->len;
    *b = (struct strbuf){0};
    return p;
}
