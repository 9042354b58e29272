/* Quantities: "100m", "1.5Gi", "1e3" as exact values.
 *
 * A quantity is a whole number of nano-units and the notation it was written in. As upstream has it, what is
 * finer is rounded away from zero and what is bigger than 2^63-1 units becomes that. The canonical form has
 * no fraction and the largest suffix that keeps the value whole: "1500m", "1536Mi", "2k".
 *
 * Source: upstream's apimachinery api/resource.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

enum quantity_notation { QUANTITY_DECIMAL, QUANTITY_BINARY, QUANTITY_EXPONENT };

struct quantity {
    __int128 nano;
    enum quantity_notation notation;
};

/* Errors: -EINVAL with upstream's sentence. RET is written only on success. */
int quantity_parse(struct str s, struct quantity *ret, struct err *err);

#define QUANTITY_MAX_LEN 48 /* with the NUL */
/* The canonical form; returns BUF. */
const char *quantity_format(const struct quantity *q, char buf[static QUANTITY_MAX_LEN]);

/* <0, 0, >0; notation does not matter. */
int quantity_cmp(const struct quantity *a, const struct quantity *b);

/* A + B in the notation of A, or of B if A is zero. */
struct quantity quantity_add(const struct quantity *a, const struct quantity *b);
