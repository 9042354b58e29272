#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static _noreturn_ void mem_die(size_t len)
{
    fprintf(stderr, "fairlead: out of memory asking for %zu bytes\n", len);
    abort();
}

void *mem_alloc(size_t len)
{
    void *p = malloc(len ? len : 1);
    if (!p)
        mem_die(len);
    return p;
}

void *mem_zalloc(size_t len)
{
    void *p = calloc(1, len ? len : 1);
    if (!p)
        mem_die(len);
    return p;
}

void *mem_realloc(void *p, size_t len)
{
    void *q = realloc(p, len ? len : 1);
    if (!q)
        mem_die(len);
    return q;
}

void *mem_realloc_array(void *p, size_t n, size_t elem_len)
{
    size_t len;
    if (__builtin_mul_overflow(n, elem_len, &len))
        mem_die(SIZE_MAX);
    return mem_realloc(p, len);
}

char *mem_dup(const void *p, size_t len)
{
    char *q = mem_alloc(len + 1);
    if (len)
        memcpy(q, p, len);
    q[len] = 0;
    return q;
}

char *mem_strdup(const char *s)
{
    return mem_dup(s, strlen(s));
}
