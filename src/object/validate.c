/* Rules of schemas. */
#include "object/validate.h"

void validate_immutable(struct field_errors *e, const struct field_path *path, const struct json *value,
                        const struct json *old)
{
    if ((!value && !old) || (value && old && json_equal(value, old)))
        return;
    field_invalid(e, path, value, "field is immutable");
}

void validate_range(struct field_errors *e, const struct field_path *path, int64_t value, int64_t min,
                    int64_t max)
{
    struct json v = {.type = JSON_INT, .integer = value};
    if (value < min || value > max)
        field_invalid(e, path, &v, "must be between %ld and %ld, inclusive", min, max);
}

static bool is_number(const struct schema_type *type)
{
    return type->kind == SCHEMA_INT32 || type->kind == SCHEMA_INT64 || type->kind == SCHEMA_DOUBLE;
}

static bool is_missing(const struct schema_field *field, const struct json *v)
{
    switch (field->type->kind) {
    case SCHEMA_BOOL:
    case SCHEMA_INT32:
    case SCHEMA_INT64:
    case SCHEMA_DOUBLE:
        return false;
    case SCHEMA_LIST:
    case SCHEMA_MAP:
        return !v || !v->n;
    case SCHEMA_OBJECT:
        return !v;
    default:
        return !v || (v->type == JSON_STRING && !v->text.len);
    }
}

static void check_number(struct field_errors *e, const struct field_path *path,
                         const struct schema_field *field, int64_t n)
{
    struct json v = {.type = JSON_INT, .integer = n};
    if (field->has_min && field->has_max)
        validate_range(e, path, n, field->min, field->max);
    else if (field->has_min && n < field->min)
        field_invalid(e, path, &v, "must be greater than or equal to %ld", field->min);
    else if (field->has_max && n > field->max)
        field_invalid(e, path, &v, "must be less than or equal to %ld", field->max);
}

static void check_enum(struct field_errors *e, const struct field_path *path,
                       const struct schema_field *field, const struct json *v)
{
    if (!json_is(v, JSON_STRING) || !v->text.len)
        return;
    for (size_t i = 0; i < field->n_enum_values; i++)
        if (str_eq(v->text, field->enum_values[i]))
            return;
    field_not_supported(e, path, v, field->enum_values, field->n_enum_values);
}

static bool is_metadata(const struct schema_type *type)
{
    return type->kind == SCHEMA_OBJECT && str_eqz(type->name, "ObjectMeta");
}

/* Range and values of a scalar, or of each element of a list of them. */
static void check_value(struct field_errors *e, const struct field_path *path,
                        const struct schema_field *field, const struct json *v)
{
    size_t i = 0;
    if (json_is(v, JSON_ARRAY)) {
        json_foreach (v, element)
            check_value(e, FIELD_INDEX(path, i++), field, element);
        return;
    }
    if (json_is(v, JSON_INT) && (field->has_min || field->has_max))
        check_number(e, path, field, v->integer);
    if (field->n_enum_values)
        check_enum(e, path, field, v);
}

static void check_field(struct field_errors *e, const struct field_path *path,
                        const struct schema_field *field, const struct json *v, const struct json *old)
{
    if (field->required && is_missing(field, v)) {
        field_required(e, path, "%s", "");
        return;
    }
    if (!v && field->required && is_number(field->type))
        check_number(e, path, field, 0);
    check_value(e, path, field, v);
    if (field->immutable && old)
        validate_immutable(e, path, v, old);
    if (v && !is_metadata(field->type))
        validate_schema(e, path, field->type, v, old);
}

void validate_schema(struct field_errors *e, const struct field_path *path, const struct schema_type *type,
                     const struct json *value, const struct json *old)
{
    if (type->kind == SCHEMA_OBJECT && value->type == JSON_OBJECT) {
        for (size_t i = 0; i < type->n_fields; i++) {
            const struct schema_field *field = &type->fields[i];
            check_field(e, FIELD_STR(path, field->name), field, json_get(value, field->name),
                        json_get(old, field->name));
        }
    } else if (type->kind == SCHEMA_LIST || type->kind == SCHEMA_MAP) {
        size_t i = 0;
        json_foreach (value, element) {
            const struct field_path *inside =
                type->kind == SCHEMA_LIST ? FIELD_INDEX(path, i) : FIELD_KEY(path, element->key);
            validate_schema(e, inside, type->element, element, NULL);
            i++;
        }
    }
}
