/* Strategic merge patch: objects. Lists are in strategic-merge-list.c. */
#include <errno.h>

#include "object/strategic-merge-internal.h"

#define SMALL 16 /* members; walking fewer costs less than a map */

static const struct str patch_key = STR_INIT("$patch"), retain_key = STR_INIT("$retainKeys"),
                        order_prefix = STR_INIT("$setElementOrder/"),
                        delete_prefix = STR_INIT("$deleteFromPrimitiveList/");

void merge_sweep(struct json *container)
{
    struct json *child = container->first, *following;
    container->first = container->last = NULL;
    container->n = 0;
    for (; child; child = following) {
        following = child->next;
        if (child->type != MERGE_DEAD)
            json_add(container, child->key, child);
    }
}

void merge_become(struct json *v, const struct json *from)
{
    struct json copy = *from;
    copy.key = v->key;
    copy.next = v->next;
    *v = copy;
}

static bool is_directive(struct str key)
{
    return str_eq(key, patch_key) || str_eq(key, retain_key) || str_has_prefix(key, order_prefix) ||
           str_has_prefix(key, delete_prefix);
}

bool merge_settle(struct json *v)
{
    if (v->type < JSON_ARRAY)
        return true;
    if (str_eqz(json_str(json_get(v, patch_key)), "delete"))
        return false;
    bool list = v->type == JSON_ARRAY, dead = false;
    json_foreach (v, child) {
        bool marker = list && child->n == 1 && json_get(child, patch_key);
        bool gone = !list && (child->type == JSON_NULL || is_directive(child->key));
        if (marker || gone || !merge_settle(child)) {
            child->type = MERGE_DEAD;
            dead = true;
        }
    }
    if (dead)
        merge_sweep(v);
    return true;
}

int merge_take_directive(struct merge *m, struct json *patch, enum merge_directive *ret)
{
    static const char *const names[] = {
        [MERGE_MERGE] = "merge", [MERGE_REPLACE] = "replace", [MERGE_DELETE] = "delete"};
    *ret = MERGE_NONE;
    const struct json *v = json_get(patch, patch_key);
    if (!v)
        return 0;
    for (enum merge_directive d = MERGE_MERGE; d <= MERGE_DELETE; d++)
        if (str_eqz(json_str(v), names[d]))
            *ret = d;
    if (*ret == MERGE_NONE)
        return err_set(m->err, -EINVAL,
                       "unknown patch type: $patch must be merge, replace or delete, not \"%.*s\"",
                       STR_ARG(str_slice(json_str(v), 0, 64)));
    json_unset(patch, patch_key);
    return 0;
}

/* Members of an object by name. */
struct members {
    struct json *object;
    struct map by_name;
    bool indexed, dead;
};

static void members_done(struct members *s)
{
    if (s->dead)
        merge_sweep(s->object);
    map_done(&s->by_name, NULL);
}

static void members_init(struct members *s, struct json *object, size_t n_lookups)
{
    *s = (struct members){.object = object, .indexed = n_lookups > 1 && object->n + n_lookups > SMALL};
    if (!s->indexed)
        return;
    json_foreach (object, child)
        map_put(&s->by_name, child->key, child);
}

static struct json *members_find(const struct members *s, struct str name)
{
    struct json *child = s->indexed ? map_find(&s->by_name, name) : json_get(s->object, name);
    return child && child->type != MERGE_DEAD ? child : NULL;
}

/* NAME is known to be absent. */
static void members_add(struct members *s, struct str name, struct json *v)
{
    json_add(s->object, name, v);
    if (s->indexed)
        map_put(&s->by_name, name, v);
}

static void members_delete(struct members *s, struct json *child)
{
    child->type = MERGE_DEAD;
    s->dead = true;
    if (!s->indexed)
        child->key = STR("$dead"); /* so that a later member of this name is not hidden by it */
}

static struct merge_field field_of(const struct schema_type *type, struct str name)
{
    struct merge_field f = {0};
    if (type && type->kind == SCHEMA_MAP) {
        f.type = type->element;
    } else if (type && type->kind == SCHEMA_OBJECT) {
        const struct schema_field *field = schema_find_field(type, name);
        if (field)
            f = (struct merge_field){field->type, field->patch_merge, field->patch_merge_key};
    }
    return f;
}

/* `$retainKeys`: of the object only the listed members stay, and the patch may only have such. */
static int retain_keys(struct merge *m, struct json *object, struct json *patch)
{
    const struct json *names = json_get(patch, retain_key);
    if (!names)
        return 0;
    int r = names->type == JSON_ARRAY ? 0 : err_set(m->err, -EINVAL, "invalid patch format of retainKeys");
    struct map keep = {0};
    json_foreach (names, name) {
        if (name->type == JSON_STRING)
            map_put(&keep, name->text, name);
    }
    json_foreach (patch, child) {
        if (r == 0 && !is_directive(child->key) && !map_has(&keep, child->key))
            r = err_set(m->err, -EINVAL, "patch content doesn't match retainKeys list");
    }
    json_foreach (object, child) {
        if (!map_has(&keep, child->key))
            child->type = MERGE_DEAD;
    }
    merge_sweep(object);
    map_done(&keep, NULL);
    return r;
}

/* Adds a value of the patch that nothing is merged with. */
static void take_over(struct members *s, struct str name, struct json *old, struct json *v)
{
    bool something = merge_settle(v);
    if (something && old)
        merge_become(old, v);
    else if (something)
        members_add(s, name, v);
    else if (old)
        members_delete(s, old);
}

static int merge_member(struct merge *m, const struct schema_type *type, struct members *s, struct json *v)
{
    struct str name = v->key;
    struct json *old = members_find(s, name);
    if (v->type == JSON_NULL) {
        if (old)
            members_delete(s, old);
        return 0;
    }
    struct merge_field field = field_of(type, name);
    if (old && old->type == JSON_OBJECT && v->type == JSON_OBJECT)
        return merge_object(m, field.type, old, v);
    if (old && old->type == JSON_ARRAY && v->type == JSON_ARRAY && field.merge_list)
        return merge_list(m, &field, old, v);
    take_over(s, name, old, v);
    return 0;
}

static int delete_from_list(struct merge *m, struct members *s, const struct json *values)
{
    struct str name = str_slice(values->key, delete_prefix.len, values->key.len);
    struct json *list = members_find(s, name);
    if (values->type != JSON_ARRAY)
        return err_set(m->err, -EINVAL, "invalid patch format of primitive list");
    return json_is(list, JSON_ARRAY) ? merge_delete_scalars(m, list, values) : 0;
}

/* `$setElementOrder/NAME`, after the list itself (NAME in the patch) has been merged. HAD is the list before
 * that. */
static int set_order(struct merge *m, const struct schema_type *type, struct members *s,
                     const struct json *order, const struct json *had)
{
    struct str name = str_slice(order->key, order_prefix.len, order->key.len);
    if (order->type != JSON_ARRAY)
        return err_set(m->err, -EINVAL, "invalid patch format of setElementOrder list");
    struct merge_field field = field_of(type, name);
    struct json *list = members_find(s, name);
    return json_is(list, JSON_ARRAY) && field.merge_list ? merge_order(m, &field, list, order, had) : 0;
}

/* A list as it was: its elements in order, for their keys. Merging changes elements in place but not their
 * keys. */
static struct json *shallow_copy(struct merge *m, const struct json *list)
{
    struct json *copy = json_array(m->arena);
    json_foreach (list, e) {
        struct json *c = json_null(m->arena);
        merge_become(c, e);
        json_append(copy, c);
    }
    return copy;
}

static int merge_members(struct merge *m, const struct schema_type *type, struct members *s,
                         struct json *patch)
{
    int r = 0;
    struct json *v, *following, *orders = json_object(m->arena), *had = json_object(m->arena);
    for (v = patch->first; v; v = v->next) {
        if (!str_has_prefix(v->key, order_prefix))
            continue;
        const struct json *list = members_find(s, str_slice(v->key, order_prefix.len, v->key.len));
        json_add(had, v->key, shallow_copy(m, json_is(list, JSON_ARRAY) ? list : NULL));
    }
    for (v = patch->first; v && r == 0; v = following) {
        following = v->next;
        if (str_has_prefix(v->key, order_prefix))
            json_add(orders, v->key, v);
        else if (str_has_prefix(v->key, delete_prefix))
            r = delete_from_list(m, s, v);
        else
            r = merge_member(m, type, s, v);
    }
    const struct json *before = had->first;
    for (v = orders->first; v && r == 0; v = v->next, before = before->next)
        r = set_order(m, type, s, v, before);
    return r;
}

int merge_object(struct merge *m, const struct schema_type *type, struct json *object, struct json *patch)
{
    enum merge_directive directive;
    int r = merge_take_directive(m, patch, &directive);
    if (r < 0)
        return r;
    if (directive == MERGE_DELETE || directive == MERGE_REPLACE) {
        struct json empty = {.type = JSON_OBJECT};
        merge_settle(patch);
        merge_become(object, directive == MERGE_DELETE ? &empty : patch);
        return 0;
    }
    r = retain_keys(m, object, patch);
    if (r < 0)
        return r;
    json_unset(patch, retain_key);
    struct members s;
    members_init(&s, object, patch->n);
    r = merge_members(m, type, &s, patch);
    members_done(&s);
    return r;
}

int strategic_merge(struct arena *a, const struct schema_type *type, struct json *object, struct json *patch,
                    struct err *err)
{
    struct merge m = {a, err};
    if (patch->type != JSON_OBJECT || object->type != JSON_OBJECT)
        return err_set(err, -EINVAL, "invalid JSON document: a strategic merge patch is an object");
    return merge_object(&m, type, object, patch);
}
