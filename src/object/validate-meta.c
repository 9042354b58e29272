/* Rules of metadata and label selectors. */
#include "object/validate.h"

#include "base/map.h"

void validate_labels(struct field_errors *e, const struct field_path *path, const struct json *labels)
{
    json_foreach (labels, m) {
        name_validate(e, path, m->key, name_check_label_key);
        name_validate(e, path, json_str(m), name_check_label_value);
    }
}

void validate_annotations(struct field_errors *e, const struct field_path *path,
                          const struct json *annotations)
{
    size_t total = 0;
    json_foreach (annotations, m) {
        total += m->key.len + json_str(m).len;
        /* Label keys, but case does not matter in the prefix. */
        _cleanup_(strbuf_done) struct strbuf lower = {0};
        strbuf_add_str(&lower, m->key);
        for (size_t i = 0; i < lower.len; i++)
            if (lower.p[i] >= 'A' && lower.p[i] <= 'Z')
                lower.p[i] += 'a' - 'A';
        struct name_problems p;
        name_check_label_key(strbuf_str(&lower), &p);
        for (size_t i = 0; i < p.n; i++)
            field_invalid_str(e, path, m->key, p.text[i]);
    }
    if (total > VALIDATE_MAX_ANNOTATION_BYTES)
        field_too_long(e, path, VALIDATE_MAX_ANNOTATION_BYTES);
}

static void require_text(struct field_errors *e, const struct field_path *path, const struct json *ref,
                         const char *name)
{
    struct str value = json_str(json_getz(ref, name));
    if (!value.len)
        field_invalid_str(e, FIELD_STR(path, str_of(name)), STR(""),
                          strcmp(name, "apiVersion") == 0 ? "version must not be empty"
                                                          : "must not be empty");
}

static void validate_owners(struct field_errors *e, const struct field_path *path, const struct json *owners)
{
    const struct json *controller = NULL;
    json_foreach (owners, ref) {
        require_text(e, path, ref, "apiVersion");
        require_text(e, path, ref, "kind");
        require_text(e, path, ref, "name");
        require_text(e, path, ref, "uid");
        struct str kind = json_string_at(ref, "kind");
        if (str_eqz(kind, "Event") && str_eqz(json_string_at(ref, "apiVersion"), "v1"))
            field_invalid(e, path, ref, "/v1, Kind=Event is disallowed from being an owner");
        if (!json_bool_at(ref, false, "controller"))
            continue;
        if (controller)
            field_invalid(e, path, owners,
                          "Only one reference can have Controller set to true. Found \"true\" in references "
                          "for %.*s/%.*s and "
                          "%.*s/%.*s",
                          STR_ARG(json_string_at(controller, "kind")),
                          STR_ARG(json_string_at(controller, "name")), STR_ARG(kind),
                          STR_ARG(json_string_at(ref, "name")));
        else
            controller = ref;
    }
}

static bool has_string(const struct json *list, struct str s)
{
    json_foreach (list, v) {
        if (json_is(v, JSON_STRING) && str_eq(v->text, s))
            return true;
    }
    return false;
}

static void validate_finalizers(struct field_errors *e, const struct field_path *path,
                                const struct json *finalizers)
{
    json_foreach (finalizers, f)
        name_validate(e, path, json_str(f), name_check_label_key);
    if (has_string(finalizers, STR("orphan")) && has_string(finalizers, STR("foregroundDeletion")))
        field_invalid(e, path, finalizers, "finalizer foregroundDeletion and orphan cannot be both set");
}

static void validate_managed_fields(struct field_errors *e, const struct field_path *path,
                                    const struct json *entries)
{
    json_foreach (entries, entry) {
        struct str operation = json_string_at(entry, "operation"), type = json_string_at(entry, "fieldsType");
        struct str manager = json_string_at(entry, "manager");
        if (!str_eqz(operation, "Apply") && !str_eqz(operation, "Update"))
            field_invalid_str(e, FIELD(path, "operation"), operation, "must be `Apply` or `Update`");
        if (type.len && !str_eqz(type, "FieldsV1"))
            field_invalid_str(e, FIELD(path, "fieldsType"), type, "must be `FieldsV1`");
        if (manager.len > 128)
            field_too_long(e, FIELD(path, "manager"), 128);
    }
}

/* Upstream checks a prefix as if a name followed the dash it may end with. */
static void validate_generate_name(struct field_errors *e, const struct field_path *path, struct str prefix,
                                   name_check_fn *check)
{
    _cleanup_(strbuf_done) struct strbuf masked = {0};
    strbuf_add_str(&masked, prefix);
    if (masked.len > 1 && masked.p[masked.len - 1] == '-')
        masked.p[masked.len - 1] = 'a';
    struct name_problems p;
    check(strbuf_str(&masked), &p);
    for (size_t i = 0; i < p.n; i++)
        field_invalid_str(e, path, prefix, p.text[i]);
}

void validate_meta(struct field_errors *e, const struct json *meta, const struct meta_rules *rules)
{
    const struct field_path *path = FIELD(NULL, "metadata");
    struct str prefix = json_string_at(meta, "generateName"), name = json_string_at(meta, "name");
    struct str ns = json_string_at(meta, "namespace");
    if (prefix.len)
        validate_generate_name(e, FIELD(path, "generateName"), prefix, rules->name);
    if (name.len)
        name_validate(e, FIELD(path, "name"), name, rules->name);
    else
        field_required(e, FIELD(path, "name"), "name or generateName is required");
    if (!rules->namespaced && ns.len)
        field_forbidden(e, FIELD(path, "namespace"), "not allowed on this type");
    if (rules->namespaced && !ns.len)
        field_required(e, FIELD(path, "namespace"), "%s", "");
    if (rules->namespaced && ns.len)
        name_validate(e, FIELD(path, "namespace"), ns, name_check_dns1123_label);
    const struct json *generation = json_getz(meta, "generation");
    if (json_int_or(generation, 0) < 0)
        field_invalid(e, FIELD(path, "generation"), generation, "must be greater than or equal to 0");
    validate_labels(e, FIELD(path, "labels"), json_getz(meta, "labels"));
    validate_annotations(e, FIELD(path, "annotations"), json_getz(meta, "annotations"));
    validate_owners(e, FIELD(path, "ownerReferences"), json_getz(meta, "ownerReferences"));
    validate_finalizers(e, FIELD(path, "finalizers"), json_getz(meta, "finalizers"));
    validate_managed_fields(e, FIELD(path, "managedFields"), json_getz(meta, "managedFields"));
}

/* A map, since a hostile object may have a hundred thousand of them. */
static void validate_no_new_finalizers(struct field_errors *e, const struct field_path *path,
                                       const struct json *now, const struct json *had)
{
    struct map old = {0};
    json_foreach (had, f)
        map_put(&old, json_str(f), f);
    json_foreach (now, f) {
        if (!map_has(&old, json_str(f)))
            field_forbidden(
                e, path,
                "no new finalizers can be added if the object is being deleted, found new finalizers "
                "[]string{\"%.*s\"}",
                STR_ARG(json_str(f)));
    }
    map_done(&old, NULL);
}

void validate_meta_update(struct field_errors *e, const struct json *meta, const struct json *old)
{
    static const struct str fixed[] = {STR_INIT("name"),
                                       STR_INIT("namespace"),
                                       STR_INIT("uid"),
                                       STR_INIT("creationTimestamp"),
                                       STR_INIT("deletionTimestamp"),
                                       STR_INIT("deletionGracePeriodSeconds")};
    const struct field_path *path = FIELD(NULL, "metadata");
    if (json_getz(old, "deletionTimestamp"))
        validate_no_new_finalizers(e, FIELD(path, "finalizers"), json_getz(meta, "finalizers"),
                                   json_getz(old, "finalizers"));
    if (!json_string_at(meta, "resourceVersion").len)
        field_invalid_str(e, FIELD(path, "resourceVersion"), STR(""), "must be specified for an update");
    const struct json *generation = json_getz(meta, "generation");
    if (json_int_or(generation, 0) < json_int_at(old, 0, "generation"))
        field_invalid(e, FIELD(path, "generation"), generation, "must not be decremented");
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        validate_immutable(e, FIELD_STR(path, fixed[i]), json_get(meta, fixed[i]), json_get(old, fixed[i]));
}

static void validate_expression(struct field_errors *e, const struct field_path *path, const struct json *x)
{
    struct str op = json_string_at(x, "operator");
    const struct json *values = json_getz(x, "values");
    size_t n = json_n(values);
    if (str_eqz(op, "In") || str_eqz(op, "NotIn")) {
        if (!n)
            field_required(e, FIELD(path, "values"), "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (str_eqz(op, "Exists") || str_eqz(op, "DoesNotExist")) {
        if (n)
            field_forbidden(e, FIELD(path, "values"),
                            "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else {
        field_invalid_str(e, FIELD(path, "operator"), op, "not a valid selector operator");
    }
    name_validate(e, FIELD(path, "key"), json_string_at(x, "key"), name_check_label_key);
    size_t i = 0;
    json_foreach (values, v)
        name_validate(e, FIELD_INDEX(FIELD(path, "values"), i++), json_str(v), name_check_label_value);
}

void validate_label_selector(struct field_errors *e, const struct field_path *path,
                             const struct json *selector)
{
    validate_labels(e, FIELD(path, "matchLabels"), json_getz(selector, "matchLabels"));
    size_t i = 0;
    json_foreach (json_getz(selector, "matchExpressions"), x)
        validate_expression(e, FIELD_INDEX(FIELD(path, "matchExpressions"), i++), x);
}
