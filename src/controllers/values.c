#include "controllers/values.h"

static bool is_nothing(const struct json *v)
{
    return !v || v->type == JSON_NULL || (v->type >= JSON_ARRAY && !v->n) ||
           (v->type == JSON_STRING && !v->text.len);
}

static bool same_array(const struct json *a, const struct json *b)
{
    const struct json *y = b->first;
    if (a->n != b->n)
        return false;
    json_foreach (a, x) {
        if (!value_same(x, y))
            return false;
        y = y->next;
    }
    return true;
}

/* Objects here are small: a walk per member is cheaper than an index. */
static bool same_object(const struct json *a, const struct json *b)
{
    json_foreach (a, x) {
        if (!value_same(x, json_get(b, x->key)))
            return false;
    }
    json_foreach (b, y) {
        if (!json_get(a, y->key) && !is_nothing(y))
            return false;
    }
    return true;
}

bool value_same(const struct json *a, const struct json *b)
{
    if (is_nothing(a) || is_nothing(b))
        return is_nothing(a) && is_nothing(b);
    if (a->type == JSON_ARRAY && b->type == JSON_ARRAY)
        return same_array(a, b);
    if (a->type == JSON_OBJECT && b->type == JSON_OBJECT)
        return same_object(a, b);
    return json_equal(a, b);
}

struct str value_label(const struct json *object, const char *key)
{
    return json_string_at(object, "metadata", "labels", key);
}

struct str value_annotation(const struct json *object, const char *key)
{
    return json_string_at(object, "metadata", "annotations", key);
}

bool value_is_leaving(const struct json *object)
{
    return json_string_at(object, "metadata", "deletionTimestamp").len > 0;
}

struct str value_uid(const struct json *object)
{
    return json_string_at(object, "metadata", "uid");
}

void value_set_str(struct arena *a, struct json *object, const char *key, struct str value)
{
    json_setz(object, key, json_string(a, value));
}

void value_set_int(struct arena *a, struct json *object, const char *key, int64_t value)
{
    json_setz(object, key, json_int(a, value));
}

void value_set_bool(struct arena *a, struct json *object, const char *key, bool value)
{
    json_setz(object, key, json_bool(a, value));
}

struct json *value_condition(const struct json *conditions, struct str type)
{
    json_foreach (conditions, c) {
        if (str_eq(json_string_at(c, "type"), type))
            return c;
    }
    return NULL;
}

bool value_set_condition(struct arena *a, struct json *list, const struct condition *c, struct str now)
{
    struct json *had = value_condition(list, c->type);
    struct json *v = had ? had : json_object(a);
    bool moved = !had || !str_eq(json_string_at(had, "status"), c->status);

    if (!moved && str_eq(json_string_at(had, "reason"), c->reason) &&
        str_eq(json_string_at(had, "message"), c->message))
        return false;
    value_set_str(a, v, "type", c->type);
    value_set_str(a, v, "status", c->status);
    if (moved)
        value_set_str(a, v, "lastTransitionTime", arena_str(a, now));
    value_set_str(a, v, "reason", c->reason);
    value_set_str(a, v, "message", c->message);
    if (!had)
        json_append(list, v);
    return true;
}

struct json *owner_reference(struct arena *a, const struct json *owner, struct str api_version,
                             struct str kind)
{
    struct json *ref = json_object(a);
    value_set_str(a, ref, "apiVersion", api_version);
    value_set_str(a, ref, "kind", kind);
    value_set_str(a, ref, "name", json_string_at(owner, "metadata", "name"));
    value_set_str(a, ref, "uid", value_uid(owner));
    value_set_bool(a, ref, "controller", true);
    value_set_bool(a, ref, "blockOwnerDeletion", true);
    return ref;
}

const struct json *owner_controller(const struct json *object)
{
    json_foreach (json_path(object, "metadata", "ownerReferences", NULL), ref) {
        if (json_bool_at(ref, false, "controller"))
            return ref;
    }
    return NULL;
}

bool owner_is_controller(const struct json *object, struct str uid)
{
    const struct json *ref = owner_controller(object);
    return ref && uid.len && str_eq(json_string_at(ref, "uid"), uid);
}
