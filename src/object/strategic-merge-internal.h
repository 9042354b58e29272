/* What the two halves of strategic merge share. Not for others. */
#pragma once

#include "base/map.h"
#include "object/strategic-merge.h"

struct merge {
    struct arena *arena;
    struct err *err;
};

/* The type and patch strategy of a member. */
struct merge_field {
    const struct schema_type *type; /* NULL: the schema does not know it */
    bool merge_list;
    struct str merge_key;
};

/* A node taken out of its list; the next sweep removes it. */
#define MERGE_DEAD ((enum json_type)(JSON_OBJECT + 1))

/* Removes dead members or elements. */
void merge_sweep(struct json *container);

/* Makes V, which keeps its place and name, what FROM is. */
void merge_become(struct json *v, const struct json *from);

/* What a value of the patch is when nothing is there to merge it with: without nulls and directives. False if
 * nothing is left of it: it says that something be deleted. */
bool merge_settle(struct json *v);

enum merge_directive { MERGE_NONE, MERGE_MERGE, MERGE_REPLACE, MERGE_DELETE };
/* Reads and removes `$patch`. Errors: -EINVAL. */
int merge_take_directive(struct merge *m, struct json *patch, enum merge_directive *ret);

int merge_object(struct merge *m, const struct schema_type *type, struct json *object, struct json *patch);
int merge_list(struct merge *m, const struct merge_field *field, struct json *list, struct json *patch);
/* Removes the scalars VALUES from LIST. */
int merge_delete_scalars(struct merge *m, struct json *list, const struct json *values);
/* Sorts LIST by ORDER; HAD is what the list was before it was patched. */
int merge_order(struct merge *m, const struct merge_field *field, struct json *list, const struct json *order,
                const struct json *had);
