#include "base/arena.h"

#include <stdarg.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct arena_block {
    struct arena_block *older;
    alignas(max_align_t) char bytes[];
};

#define ARENA_FIRST_LEN ((size_t)4096)
#define ARENA_MAX_LEN   ((size_t)256 * 1024)

void arena_done(struct arena *a)
{
    for (struct arena_block *b = a->block; b;) {
        struct arena_block *older = b->older;
        free(b);
        b = older;
    }
    *a = (struct arena){0};
}

static void *arena_grow(struct arena *a, size_t len)
{
    /* Blocks double so that small arenas stay small and big ones take few calls. */
    size_t block_len = MIN(MAX(a->total_len, ARENA_FIRST_LEN), ARENA_MAX_LEN);
    if (len > block_len / 2) {
        /* A big piece gets a block of its own behind the current one, whose rest stays in use. */
        struct arena_block *b = mem_alloc(sizeof *b + len);
        a->total_len += len;
        if (a->block) {
            b->older = a->block->older;
            a->block->older = b;
        } else {
            b->older = NULL;
            a->block = b;
            a->next = a->end = b->bytes + len;
        }
        return b->bytes;
    }
    struct arena_block *b = mem_alloc(sizeof *b + block_len);
    b->older = a->block;
    a->block = b;
    a->next = b->bytes + len;
    a->end = b->bytes + block_len;
    a->total_len += block_len;
    return b->bytes;
}

void *arena_alloc(struct arena *a, size_t len)
{
    size_t rounded = (len + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (rounded < len)
        rounded = SIZE_MAX / 2; /* lets mem_alloc name the size and stop */
    if ((size_t)(a->end - a->next) < rounded)
        return arena_grow(a, rounded);
    void *p = a->next;
    a->next += rounded;
    return p;
}

void *arena_zalloc(struct arena *a, size_t len)
{
    return memset(arena_alloc(a, len), 0, len);
}

char *arena_dup(struct arena *a, const void *p, size_t len)
{
    char *q = arena_alloc(a, len + 1);
    if (len)
        memcpy(q, p, len);
    q[len] = 0;
    return q;
}

struct str arena_str(struct arena *a, struct str s)
{
    return (struct str){arena_dup(a, s.p, s.len), s.len};
}

struct str arena_format(struct arena *a, const char *format, ...)
{
    char small[256];
    va_list ap, again;
    va_start(ap, format);
    va_copy(again, ap);
    int len = vsnprintf(small, sizeof small, format, ap);
    va_end(ap);
    struct str s = {"", 0};
    if (len >= 0 && (size_t)len < sizeof small) {
        s = arena_str(a, (struct str){small, len});
    } else if (len >= 0) {
        char *p = arena_alloc(a, len + 1);
        vsnprintf(p, len + 1, format, again);
        s = (struct str){p, len};
    }
    va_end(again);
    return s;
}
