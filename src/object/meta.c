/* Metadata. */
#include "object/meta.h"

#include <stdio.h>

struct json *meta_get(const struct json *object)
{
    struct json *meta = json_getz(object, "metadata");
    return json_is(meta, JSON_OBJECT) ? meta : NULL;
}

struct str meta_name(const struct json *object)
{
    return json_string_at(object, "metadata", "name");
}

struct str meta_namespace(const struct json *object)
{
    return json_string_at(object, "metadata", "namespace");
}

struct str meta_uid(const struct json *object)
{
    return json_string_at(object, "metadata", "uid");
}

struct str meta_resource_version(const struct json *object)
{
    return json_string_at(object, "metadata", "resourceVersion");
}

int64_t meta_generation(const struct json *object)
{
    return json_int_at(object, 0, "metadata", "generation");
}

static struct json *member(const struct json *object, const char *key, enum json_type type)
{
    struct json *v = json_getz(meta_get(object), key);
    return json_is(v, type) ? v : NULL;
}

const struct json *meta_labels(const struct json *object)
{
    return member(object, "labels", JSON_OBJECT);
}

const struct json *meta_annotations(const struct json *object)
{
    return member(object, "annotations", JSON_OBJECT);
}

struct str meta_label(const struct json *object, const char *key)
{
    return json_str(json_getz(meta_labels(object), key));
}

struct str meta_annotation(const struct json *object, const char *key)
{
    return json_str(json_getz(meta_annotations(object), key));
}

bool meta_is_deleted(const struct json *object)
{
    return member(object, "deletionTimestamp", JSON_STRING);
}

void meta_set(struct arena *a, struct json *object, const char *key, struct str value)
{
    struct json *meta = json_ensure_object(a, object, "metadata");
    if (value.len)
        json_set(meta, arena_str(a, str_of(key)), json_string(a, arena_str(a, value)));
    else
        json_unsetz(meta, key);
}

static void set_in_map(struct arena *a, struct json *object, const char *map, struct str key,
                       struct str value)
{
    struct json *m = json_ensure_object(a, json_ensure_object(a, object, "metadata"), map);
    json_set(m, arena_str(a, key), json_string(a, arena_str(a, value)));
}

void meta_set_label(struct arena *a, struct json *object, struct str key, struct str value)
{
    set_in_map(a, object, "labels", key, value);
}

void meta_set_annotation(struct arena *a, struct json *object, struct str key, struct str value)
{
    set_in_map(a, object, "annotations", key, value);
}

void meta_set_resource_version(struct arena *a, struct json *object, int64_t revision)
{
    char text[24];
    meta_set(a, object, "resourceVersion",
             (struct str){text, (size_t)snprintf(text, sizeof text, "%ld", revision)});
}

bool meta_generate_name(struct arena *a, struct json *object, struct random *random)
{
    struct str base = json_string_at(object, "metadata", "generateName");
    char suffix[META_GENERATED_SUFFIX + 1];
    if (!base.len)
        return false;
    random_name(random, suffix, META_GENERATED_SUFFIX);
    base = str_slice(base, 0, META_MAX_GENERATED_BASE);
    meta_set(a, object, "name", arena_format(a, "%.*s%s", STR_ARG(base), suffix));
    return true;
}

static void set_int(struct arena *a, struct json *object, const char *key, int64_t n)
{
    json_setz(json_ensure_object(a, object, "metadata"), key, json_int(a, n));
}

void meta_init(struct arena *a, struct json *object, const struct meta_new *n)
{
    static const char *const server_owned[] = {"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink",
                                               "resourceVersion", "generation"};
    char text[WALLTIME_MAX_LEN];
    meta_set(a, object, "namespace", n->ns);
    meta_set(a, object, "uid", n->uid);
    meta_set(a, object, "creationTimestamp", str_of(walltime_format(n->now, text)));
    for (size_t i = 0; i < ARRAY_LEN(server_owned); i++)
        json_unsetz(meta_get(object), server_owned[i]);
    if (n->generation)
        set_int(a, object, "generation", 1);
}

void meta_keep(struct arena *a, struct json *object, const struct json *old)
{
    static const char *const kept[] = {"creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
                                       "generation", "selfLink"};
    struct json *meta = json_ensure_object(a, object, "metadata");
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        const struct json *v = json_getz(meta_get(old), kept[i]);
        if (v)
            json_setz(meta, kept[i], json_copy(a, v));
        else
            json_unsetz(meta, kept[i]);
    }
    if (!meta_uid(object).len)
        meta_set(a, object, "uid", meta_uid(old));
}

static bool is_counted(struct str key)
{
    return !str_eqz(key, "metadata") && !str_eqz(key, "status") && !str_eqz(key, "kind") &&
           !str_eqz(key, "apiVersion");
}

/* Whether all counted members of A are in B with equal values. */
static bool covers(const struct json *b, const struct json *a)
{
    json_foreach (a, m) {
        const struct json *other = json_get(b, m->key);
        if (is_counted(m->key) && (!other || !json_equal(m, other)))
            return false;
    }
    return true;
}

bool meta_count_generation(struct arena *a, struct json *object, const struct json *old)
{
    bool changed = !covers(old, object) || !covers(object, old);
    set_int(a, object, "generation", meta_generation(old) + changed);
    return changed;
}

void meta_set_deleted(struct arena *a, struct json *object, struct walltime now, int64_t grace_seconds)
{
    char text[WALLTIME_MAX_LEN];
    struct walltime when = {now.ns + grace_seconds * TIME_S_NS};
    meta_set(a, object, "deletionTimestamp", str_of(walltime_format(when, text)));
    set_int(a, object, "deletionGracePeriodSeconds", grace_seconds);
}

static struct json *finalizers(const struct json *object)
{
    return member(object, "finalizers", JSON_ARRAY);
}

bool meta_has_finalizer(const struct json *object, struct str finalizer)
{
    json_foreach (finalizers(object), f) {
        if (str_eq(json_str(f), finalizer))
            return true;
    }
    return false;
}

size_t meta_count_finalizers(const struct json *object)
{
    const struct json *list = finalizers(object);
    return list ? list->n : 0;
}

bool meta_remove_finalizer(struct json *object, struct str finalizer)
{
    struct json *list = finalizers(object);
    size_t i = 0;
    json_foreach (list, f) {
        if (str_eq(json_str(f), finalizer)) {
            json_remove_at(list, i);
            if (!list->n)
                json_unsetz(meta_get(object), "finalizers");
            return true;
        }
        i++;
    }
    return false;
}

void meta_add_finalizer(struct arena *a, struct json *object, struct str finalizer)
{
    if (!meta_has_finalizer(object, finalizer))
        json_append(json_ensure_array(a, json_ensure_object(a, object, "metadata"), "finalizers"),
                    json_string(a, arena_str(a, finalizer)));
}

struct json *meta_owners(const struct json *object)
{
    return member(object, "ownerReferences", JSON_ARRAY);
}

const struct json *meta_controller(const struct json *object)
{
    json_foreach (meta_owners(object), ref) {
        if (json_bool_at(ref, false, "controller"))
            return ref;
    }
    return NULL;
}

const struct json *meta_owner(const struct json *object, struct str uid)
{
    json_foreach (meta_owners(object), ref) {
        if (uid.len && str_eq(json_string_at(ref, "uid"), uid))
            return ref;
    }
    return NULL;
}

void meta_add_controller(struct arena *a, struct json *object, const struct meta_owner_ref *owner)
{
    struct json *ref = json_object(a);
    json_add(ref, STR("apiVersion"), json_string(a, arena_str(a, owner->api_version)));
    json_add(ref, STR("kind"), json_string(a, arena_str(a, owner->kind)));
    json_add(ref, STR("name"), json_string(a, arena_str(a, owner->name)));
    json_add(ref, STR("uid"), json_string(a, arena_str(a, owner->uid)));
    json_add(ref, STR("controller"), json_bool(a, true));
    json_add(ref, STR("blockOwnerDeletion"), json_bool(a, true));
    json_append(json_ensure_array(a, json_ensure_object(a, object, "metadata"), "ownerReferences"), ref);
}

struct json *meta_managed_fields(const struct json *object)
{
    return member(object, "managedFields", JSON_ARRAY);
}
