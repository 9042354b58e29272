/* Growing arrays: ARRAY_OF(type) declares one, a zeroed value is empty, array_done() frees the elements'
 * memory (not what they own).
 *
 *     ARRAY_OF(int) ports = {0};
 *     *array_push(&ports) = 80;
 *     array_foreach(&ports, p) sum += *p;
 *     array_done(&ports);
 */
#pragma once

#include <stdint.h>
#include <string.h>

#include "base/mem.h"

#define ARRAY_OF(type)                                                                                       \
    struct {                                                                                                 \
        type *v;                                                                                             \
        size_t n, capacity;                                                                                  \
    }

/* Room for one more element at the end, uninitialised; the pointer lives until the next push. */
#define array_push(a)                                                                                        \
    ({                                                                                                       \
        __typeof__(a) arr_ = (a);                                                                            \
        if (arr_->n == arr_->capacity) {                                                                     \
            arr_->capacity = arr_->capacity ? arr_->capacity * 2 : 4;                                        \
            arr_->v = mem_realloc_array(arr_->v, arr_->capacity, sizeof *arr_->v);                           \
        }                                                                                                    \
        &arr_->v[arr_->n++];                                                                                 \
    })

/* Removes element I, keeping the order of the others. */
#define array_remove(a, i)                                                                                   \
    do {                                                                                                     \
        __typeof__(a) arr_ = (a);                                                                            \
        size_t at_ = (i);                                                                                    \
        memmove(&arr_->v[at_], &arr_->v[at_ + 1], (arr_->n - at_ - 1) * sizeof *arr_->v);                    \
        arr_->n--;                                                                                           \
    } while (0)

#define array_done(a)                                                                                        \
    do {                                                                                                     \
        __typeof__(a) arr_ = (a);                                                                            \
        free(arr_->v);                                                                                       \
        arr_->v = NULL;                                                                                      \
        arr_->n = arr_->capacity = 0;                                                                        \
    } while (0)

#define array_foreach(a, it) for (__typeof__(*(a)->v) *it = (a)->v; it && it < (a)->v + (a)->n; it++)

/* Sorts by CMP as qsort(3) does, which must not get the NULL of an empty array. */
#define array_sort(a, cmp)                                                                                   \
    do {                                                                                                     \
        __typeof__(a) arr_ = (a);                                                                            \
        if (arr_->n > 1)                                                                                     \
            qsort(arr_->v, arr_->n, sizeof *arr_->v, (cmp));                                                 \
    } while (0)
