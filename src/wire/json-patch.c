#include "wire/json-patch.h"

#include "wire/json-tree.h"

struct patcher {
    struct arena *arena;
    struct json *root;
    size_t copied_len, steps;
    /* The operation at work, for errors. */
    size_t index;
    struct str op, path, from;
    struct json *value; /* NULL if there is none */
    struct err *err;
};

/* Where a pointer leads. The last token need not exist yet. */
struct place {
    struct json *parent; /* NULL: the whole document */
    struct json *prev;   /* the one before NODE, or NULL */
    struct json *node;   /* NULL if it is not there */
    struct str key;      /* in an object */
    size_t index;        /* in an array; n for one behind the last */
};

static int patch_fail(struct patcher *p, const char *why)
{
    return err_set(p->err, JSON_PATCH_FAILED, "operation [%zu] (%.*s \"%.*s\"): %s", p->index,
                   STR_ARG(str_slice(p->op, 0, 32)), STR_ARG(str_slice(p->path, 0, 160)), why);
}

/* "~1" is a slash, "~0" a tilde. RFC 6901 section 4. */
static int patch_unescape(struct patcher *p, struct str raw, struct str *ret)
{
    if (str_find_char(raw, '~') < 0) {
        *ret = raw;
        return 0;
    }
    char *out = arena_alloc(p->arena, raw.len);
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.p[i];
        if (c == '~') {
            if (i + 1 == raw.len || (raw.p[i + 1] != '0' && raw.p[i + 1] != '1'))
                return patch_fail(p, "the pointer has a '~' that neither 0 nor 1 follows");
            c = raw.p[++i] == '0' ? '~' : '/';
        }
        out[n++] = c;
    }
    *ret = (struct str){out, n};
    return 0;
}

/* An index into ARRAY; BEHIND is 1 if one behind the last may be meant. False if TOKEN is none. */
static bool patch_index(const struct json *array, struct str token, size_t behind, size_t *ret)
{
    int64_t i;
    size_t size = array->n + behind;
    if (behind && str_eq(token, STR("-"))) {
        *ret = array->n;
        return true;
    }
    struct str digits = str_slice(token, token.len && token.p[0] == '-', token.len);
    if (!digits.len || (digits.p[0] == '0' && token.len > 1) || str_to_int64(token, &i) < 0)
        return false;
    if (i < 0)
        i += (int64_t)size;
    if (i < 0 || i >= (int64_t)size)
        return false;
    *ret = (size_t)i;
    return true;
}

/* Finds TOKEN in the container place->parent. */
static int patch_find(struct patcher *p, struct str token, size_t behind, struct place *place)
{
    struct json *parent = place->parent;
    if (parent->type == JSON_ARRAY && !patch_index(parent, token, behind, &place->index))
        return patch_fail(p, "the path has an array index that is invalid or out of bounds");
    place->key = parent->type == JSON_OBJECT ? token : STR_NONE;
    place->prev = NULL;
    place->node = parent->first;
    for (size_t i = 0; place->node; i++, p->steps++) {
        if (parent->type == JSON_ARRAY ? i == place->index : str_eq(place->node->key, token))
            break;
        place->prev = place->node;
        place->node = place->node->next;
    }
    if (p->steps > JSON_PATCH_MAX_STEPS)
        return patch_fail(p, "the patch takes too much work on so large a document");
    return 0;
}

/* Errors: JSON_PATCH_FAILED when what POINTER ends in cannot exist; place->node is NULL if it merely does
 * not. */
static int patch_resolve(struct patcher *p, struct str pointer, size_t behind, struct place *ret)
{
    *ret = (struct place){.node = p->root};
    if (!pointer.len)
        return 0;
    if (pointer.p[0] != '/')
        return patch_fail(p, "a pointer begins with '/' or is empty");
    struct str rest = str_slice(pointer, 1, pointer.len), raw;
    while (str_split(&rest, '/', &raw)) {
        struct str token = STR_NONE;
        int r = patch_unescape(p, raw, &token);
        if (r)
            return r;
        if (!ret->node || ret->node->type < JSON_ARRAY)
            return patch_fail(p, ret->node ? "the path leads through a value that is neither object nor array"
                                           : "the path leads through a member that does not exist");
        ret->parent = ret->node;
        r = patch_find(p, token, rest.p ? 0 : behind, ret);
        if (r)
            return r;
    }
    return 0;
}

static void patch_take_out(struct place *place)
{
    struct json *parent = place->parent, *node = place->node;
    if (place->prev)
        place->prev->next = node->next;
    else
        parent->first = node->next;
    if (parent->last == node)
        parent->last = place->prev;
    node->next = NULL;
    node->key = STR_NONE;
    parent->n--;
}

/* Puts VALUE at PLACE: over what is there, or, if INSERT and in an array, in front of it. */
static void patch_put(struct patcher *p, struct place *place, struct json *value, bool insert)
{
    struct json *parent = place->parent, *node = place->node;
    if (!parent) {
        p->root = value;
        return;
    }
    insert = insert && parent->type == JSON_ARRAY;
    value->key = place->key;
    value->next = node ? (insert ? node : node->next) : NULL;
    if (place->prev)
        place->prev->next = value;
    else
        parent->first = value;
    if (!value->next)
        parent->last = value;
    parent->n += !node || insert;
}

static int patch_need_value(struct patcher *p)
{
    return p->value ? 0 : patch_fail(p, "\"value\" is missing");
}

static int patch_add(struct patcher *p)
{
    struct place place;
    int r = patch_need_value(p);
    if (!r)
        r = patch_resolve(p, p->path, 1, &place);
    if (!r)
        patch_put(p, &place, json_copy_shape(p->arena, p->value), true);
    return r;
}

static int patch_remove(struct patcher *p)
{
    struct place place;
    int r = patch_resolve(p, p->path, 0, &place);
    if (r)
        return r;
    if (!place.node)
        return patch_fail(p, "there is nothing to remove");
    if (!place.parent)
        return patch_fail(p, "the whole document cannot be removed");
    patch_take_out(&place);
    return 0;
}

static int patch_replace(struct patcher *p)
{
    struct place place;
    int r = patch_need_value(p);
    if (!r)
        r = patch_resolve(p, p->path, 0, &place);
    if (!r)
        patch_put(p, &place, json_copy_shape(p->arena, p->value), false);
    return r;
}

static int patch_resolve_from(struct patcher *p, struct place *ret)
{
    int r = patch_resolve(p, p->from, 0, ret);
    if (r) {
        err_wrap(p->err, "from \"%.*s\"", STR_ARG(str_slice(p->from, 0, 160)));
        return r;
    }
    return ret->node ? 0 : patch_fail(p, "what \"from\" names does not exist");
}

static int patch_move(struct patcher *p)
{
    struct place from, to;
    int r = patch_resolve_from(p, &from);
    if (r)
        return r;
    if (str_eq(p->from, p->path))
        return 0;
    if (str_has_prefix(p->path, p->from) && p->path.p[p->from.len] == '/')
        return patch_fail(p, "a value cannot move into itself");
    patch_take_out(&from);
    r = patch_resolve(p, p->path, 1, &to);
    if (!r)
        patch_put(p, &to, from.node, true);
    return r;
}

static int patch_copy(struct patcher *p)
{
    struct place from, to;
    int r = patch_resolve_from(p, &from);
    if (!r)
        r = patch_resolve(p, p->path, 1, &to);
    if (r)
        return r;
    p->copied_len += json_measure(from.node, JSON_PATCH_MAX_COPY_LEN).bytes;
    if (p->copied_len > JSON_PATCH_MAX_COPY_LEN)
        return patch_fail(p, "the copy operations make more than 3 MiB");
    patch_put(p, &to, json_copy_shape(p->arena, from.node), true);
    return 0;
}

static int patch_test(struct patcher *p)
{
    struct place place;
    int r = patch_need_value(p);
    if (!r)
        r = patch_resolve(p, p->path, 0, &place);
    if (r)
        return r;
    /* json_equal() goes no deeper than the shallower of the two, and the value was parsed. */
    if (place.node ? json_equal(place.node, p->value) : p->value->type == JSON_NULL)
        return 0;
    return patch_fail(p, place.node ? "the value differs" : "the path does not exist");
}

static int patch_run(struct patcher *p, const struct json *operation)
{
    static const struct {
        struct str name;
        int (*run)(struct patcher *p);
        bool from;
    } operations[] = {
        {STR_INIT("add"), patch_add, false},         {STR_INIT("remove"), patch_remove, false},
        {STR_INIT("replace"), patch_replace, false}, {STR_INIT("move"), patch_move, true},
        {STR_INIT("copy"), patch_copy, true},        {STR_INIT("test"), patch_test, false},
    };
    const struct json *path = json_getz(operation, "path"), *from = json_getz(operation, "from");
    p->op = json_str(json_getz(operation, "op"));
    p->path = json_str(path);
    p->from = json_str(from);
    p->value = json_getz(operation, "value");
    for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
        if (!str_eq(p->op, operations[i].name))
            continue;
        if (!json_is(path, JSON_STRING))
            return patch_fail(p, "\"path\" is missing or not a string");
        if (operations[i].from && !json_is(from, JSON_STRING))
            return patch_fail(p, "\"from\" is missing or not a string");
        return operations[i].run(p);
    }
    return patch_fail(p, "\"op\" is none of add, remove, replace, move, copy, test");
}

static int patch_check_shape(const struct json *patch, struct err *err)
{
    if (!json_is(patch, JSON_ARRAY))
        return err_set(err, JSON_PATCH_MALFORMED, "a JSON patch is an array of operations, this is %s %s",
                       patch->type == JSON_ARRAY || patch->type == JSON_OBJECT ? "an" : "a",
                       json_type_name(patch->type));
    if (patch->n > JSON_PATCH_MAX_OPERATIONS)
        return err_set(err, JSON_PATCH_TOO_LARGE,
                       "the allowed maximum operations in a JSON patch is %d, got %u",
                       JSON_PATCH_MAX_OPERATIONS, patch->n);
    size_t i = 0;
    json_foreach (patch, operation) {
        if (operation->type != JSON_OBJECT)
            return err_set(err, JSON_PATCH_MALFORMED, "operation [%zu] of the JSON patch is not an object",
                           i);
        i++;
    }
    return 0;
}

int json_patch_apply(struct arena *a, const struct json *doc, const struct json *patch, struct json **ret,
                     struct err *err)
{
    int r = patch_check_shape(patch, err);
    if (r)
        return r;
    struct patcher p = {.arena = a, .root = json_copy_shape(a, doc), .err = err};
    json_foreach (patch, operation) {
        r = patch_run(&p, operation);
        if (r)
            return r;
        p.index++;
    }
    struct json_extent extent = json_measure(p.root, JSON_PATCH_MAX_RESULT_LEN);
    if (extent.bytes > JSON_PATCH_MAX_RESULT_LEN)
        return err_set(err, JSON_PATCH_TOO_LARGE, "the patched object is larger than %zu bytes",
                       JSON_PATCH_MAX_RESULT_LEN);
    if (extent.depth > JSON_MAX_DEPTH)
        return err_set(err, JSON_PATCH_FAILED, "the patched object is nested deeper than %d levels",
                       JSON_MAX_DEPTH);
    *ret = p.root;
    return 0;
}
