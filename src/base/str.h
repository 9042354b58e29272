/* Strings: a borrowed view (struct str) and a growing buffer (struct strbuf).
 *
 * A str is a pointer and a length; it owns nothing and need not be terminated, and its bytes may include
 * NUL. Print one with "%.*s", STR_ARG(s). A strbuf owns its bytes and keeps a NUL after them; a zeroed
 * struct is an empty one. strbuf_take() hands the bytes to the caller.
 *
 *     _cleanup_(strbuf_done) struct strbuf b = {0};
 *     strbuf_addf(&b, "%d items", n);
 *     if (str_eq(strbuf_str(&b), STR("3 items"))) ...
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"

struct str {
    const char *p;
    size_t len;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_INIT(lit)                                                                                        \
    {                                                                                                        \
        "" lit, sizeof(lit) - 1                                                                              \
    }
#define STR_ARG(s) (int)(s).len, (s).p ? (s).p : ""
#define STR_NONE   ((struct str){NULL, 0})

static inline struct str str_of(const char *s)
{
    return (struct str){s, s ? strlen(s) : 0};
}
static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}
static inline bool str_eqz(struct str a, const char *b)
{
    return str_eq(a, str_of(b));
}
static inline struct str str_slice(struct str s, size_t from, size_t to)
{
    to = to > s.len ? s.len : to;
    from = from > to ? to : from;
    return (struct str){s.p + from, to - from};
}

/* Byte order; a prefix sorts before what it begins. Usable with qsort through str_cmp_qsort. */
int str_cmp(struct str a, struct str b);
int str_cmp_qsort(const void *a, const void *b);
bool str_case_eq(struct str a, struct str b); /* ASCII only */

bool str_has_prefix(struct str s, struct str prefix);
bool str_has_suffix(struct str s, struct str suffix);

/* Index of the first C or NEEDLE, or -1. */
ptrdiff_t str_find_char(struct str s, char c);
ptrdiff_t str_find(struct str s, struct str needle);

/* Without spaces, tabs and line ends at both sides. */
struct str str_trim(struct str s);

/* Takes the part before the first SEP from *REST and moves *REST behind it; false when *REST.p is NULL,
 * which is how the last part leaves it. "a,,b" gives "a", "", "b"; "" gives one empty part. */
bool str_split(struct str *rest, char sep, struct str *ret_part);

/* Whole of S as a decimal number, an optional '-' in front for the signed form; no spaces.
 * Errors: -EINVAL not a number, -ERANGE. RET is written only on success. */
int str_to_int64(struct str s, int64_t *ret);
int str_to_uint64(struct str s, uint64_t *ret);

struct strbuf {
    char *p; /* NULL until the first byte */
    size_t len, capacity;
};

void strbuf_done(struct strbuf *b);
void strbuf_reserve(struct strbuf *b, size_t more);
void strbuf_add(struct strbuf *b, const void *p, size_t len);
void strbuf_addf(struct strbuf *b, const char *format, ...) _printf_(2, 3);
void strbuf_truncate(struct strbuf *b, size_t len);
/* Drops the first LEN bytes. */
void strbuf_consume(struct strbuf *b, size_t len);

/* The bytes, NUL-terminated and owned by the caller; never NULL. The buffer is empty again. */
char *strbuf_take(struct strbuf *b, size_t *ret_len);

static inline void strbuf_addc(struct strbuf *b, char c)
{
    if (b->len + 1 >= b->capacity)
        strbuf_reserve(b, 1);
    b->p[b->len++] = c;
    b->p[b->len] = 0;
}
static inline void strbuf_add_str(struct strbuf *b, struct str s)
{
    strbuf_add(b, s.p, s.len);
}
static inline void strbuf_addz(struct strbuf *b, const char *s)
{
    strbuf_add(b, s, strlen(s));
}
static inline struct str strbuf_str(const struct strbuf *b)
{
    return (struct str){b->p ? b->p : "", b->len};
}
static inline const char *strbuf_cstr(const struct strbuf *b)
{
    return b->p ? b->p : "";
}
