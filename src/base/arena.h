/* Arena: memory freed all at once.
 *
 * One per request or per sync; nothing from an arena outlives it. Not for threads. A zeroed struct is an
 * empty arena. What an arena may hold is bounded by what its user reads from outside, not here.
 *
 *     _cleanup_(arena_done) struct arena a = {0};
 *     char *copy = arena_dup(&a, bytes, len);
 */
#pragma once

#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *block; /* the one being filled; older ones hang behind it */
    char *next, *end;
    size_t total_len; /* bytes of all blocks */
};

/* Frees everything. The arena is empty and usable again. */
void arena_done(struct arena *a);

/* LEN bytes aligned for any object; zeroed by arena_zalloc. Never NULL. */
void *arena_alloc(struct arena *a, size_t len);
void *arena_zalloc(struct arena *a, size_t len);

/* A NUL-terminated copy. */
char *arena_dup(struct arena *a, const void *p, size_t len);
struct str arena_str(struct arena *a, struct str s);

/* A formatted, NUL-terminated string. */
struct str arena_format(struct arena *a, const char *format, ...) _printf_(2, 3);

#define arena_new(a, type)          ((type *)arena_zalloc((a), sizeof(type)))
#define arena_new_array(a, type, n) ((type *)arena_zalloc((a), sizeof(type) * (n)))
