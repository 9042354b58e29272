#include "wire/json-tree.h"

#include "base/array.h"

static bool tree_is_container(const struct json *v)
{
    return v->type >= JSON_ARRAY;
}

static size_t tree_integer_len(int64_t v)
{
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    size_t len = v < 0;
    do
        len++;
    while (u /= 10);
    return len;
}

/* Text of V alone, with its key, brackets and the comma behind it. */
static size_t tree_own_len(const struct json *v)
{
    size_t len = v->key.p ? v->key.len + 4 : 1;
    switch (v->type) {
    case JSON_NULL:
        return len + 4;
    case JSON_BOOL:
        return len + (v->boolean ? 4 : 5);
    case JSON_INT:
        return len + tree_integer_len(v->integer);
    case JSON_NUMBER:
        return len + v->text.len;
    default:
        return len + 2 + (v->type == JSON_STRING ? v->text.len : 0);
    }
}

struct json_extent json_measure(const struct json *v, size_t max_bytes)
{
    ARRAY_OF(const struct json *) stack = {0}; /* next sibling to visit, by level */
    struct json_extent extent = {.bytes = tree_own_len(v) - (v->key.p ? v->key.len + 4 : 1), .nodes = 1};
    if (tree_is_container(v)) {
        *array_push(&stack) = v->first;
        extent.depth = 1;
    }
    while (stack.n && extent.bytes <= max_bytes) {
        const struct json *at = stack.v[stack.n - 1];
        if (!at) {
            stack.n--;
            continue;
        }
        stack.v[stack.n - 1] = at->next;
        extent.nodes++;
        extent.bytes += tree_own_len(at);
        if (tree_is_container(at)) {
            *array_push(&stack) = at->first;
            extent.depth = MAX(extent.depth, (int)stack.n);
        }
    }
    array_done(&stack);
    return extent;
}

static struct json *tree_copy_node(struct arena *a, const struct json *v)
{
    struct json *copy = arena_new(a, struct json);
    copy->type = v->type;
    if (v->type == JSON_BOOL)
        copy->boolean = v->boolean;
    else if (v->type == JSON_INT)
        copy->integer = v->integer;
    else if (!tree_is_container(v))
        copy->text = v->text;
    return copy;
}

struct json *json_copy_shape(struct arena *a, const struct json *v)
{
    struct level {
        const struct json *from; /* next sibling to copy */
        struct json *into;
    };
    ARRAY_OF(struct level) stack = {0};
    struct json *root = tree_copy_node(a, v);
    if (tree_is_container(v))
        *array_push(&stack) = (struct level){v->first, root};
    while (stack.n) {
        struct level *level = &stack.v[stack.n - 1];
        const struct json *from = level->from;
        if (!from) {
            stack.n--;
            continue;
        }
        level->from = from->next;
        struct json *copy = tree_copy_node(a, from);
        json_add(level->into, from->key, copy);
        if (tree_is_container(from))
            *array_push(&stack) = (struct level){from->first, copy};
    }
    array_done(&stack);
    return root;
}
