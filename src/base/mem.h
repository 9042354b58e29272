/* Memory: allocation that does not fail, and cleanup by attribute.
 *
 * Small allocations abort the process when memory is gone, in one place (mem_die). Sizes taken from outside
 * are limited by the caller first. Owned pointers are declared with _cleanup_(mem_freep) (or their type's
 * own function) and handed on with TAKE(), so a function has no exit paths to get wrong.
 *
 *     _cleanup_(mem_freep) char *name = mem_dup("a", 2);
 *     thing->name = TAKE(name);
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>

#define _cleanup_(f)   __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _noreturn_     __attribute__((noreturn))
#define _unused_       __attribute__((unused))

/* Moves the value out of PTR, which becomes NULL. */
#define TAKE(ptr)                                                                                            \
    ({                                                                                                       \
        __typeof__(ptr) *take_p_ = &(ptr);                                                                   \
        __typeof__(ptr) take_v_ = *take_p_;                                                                  \
        *take_p_ = NULL;                                                                                     \
        take_v_;                                                                                             \
    })

#define ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define MIN(a, b)                       ((a) < (b) ? (a) : (b))
#define MAX(a, b)                       ((a) > (b) ? (a) : (b))

/* malloc, calloc (zeroed) and realloc that abort on exhaustion. mem_realloc_array checks the product. */
void *mem_alloc(size_t len);
void *mem_zalloc(size_t len);
void *mem_realloc(void *p, size_t len);
void *mem_realloc_array(void *p, size_t n, size_t elem_len);

/* A copy of LEN bytes at P, with a NUL after them. */
char *mem_dup(const void *p, size_t len);
char *mem_strdup(const char *s);

#define mem_new(type) ((type *)mem_zalloc(sizeof(type)))

static inline void mem_freep(void *pp)
{
    free(*(void **)pp);
    *(void **)pp = NULL;
}
