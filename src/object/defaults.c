/* Schema defaults. */
#include "object/defaults.h"

#include <assert.h>

/* Whether FIELD of OBJECT is to get its default. A default of "" only says how an absent merge key reads. */
static bool wants_default(const struct schema_field *field, const struct json *object)
{
    if (!field->default_json.len || str_eqz(field->default_json, "\"\""))
        return false;
    const struct json *present = json_get(object, field->name);
    if (json_is(present, JSON_STRING))
        return !present->text.len;
    if (json_is(present, JSON_INT))
        return field->default_over_zero && present->integer == 0;
    return !present;
}

static bool condition_holds(const struct schema_field *field, const struct json *object)
{
    struct str value = json_str(json_get(object, field->default_if_field));
    for (size_t i = 0; i < field->n_default_if_values; i++) {
        if (str_eq(value, field->default_if_values[i]))
            return true;
    }
    return false;
}

enum round { UNCONDITIONAL, CONDITIONAL };

static void add_missing(struct arena *a, const struct schema_type *type, enum round round,
                        struct json *object)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct schema_field *field = &type->fields[i];
        bool conditional = field->default_if_field.len > 0;
        if (conditional != (round == CONDITIONAL) || !wants_default(field, object) ||
            (conditional && !condition_holds(field, object)))
            continue;
        struct json *value = NULL;
        int r = json_parse(a, field->default_json, NULL, &value, NULL);
        assert(r == 0);
        (void)r;
        json_set(object, field->name, value);
    }
}

void defaults_apply(struct arena *a, const struct schema_type *type, struct json *value)
{
    if (type->kind == SCHEMA_OBJECT && value->type == JSON_OBJECT) {
        add_missing(a, type, UNCONDITIONAL, value);
        add_missing(a, type, CONDITIONAL, value);
        json_foreach (value, m) {
            const struct schema_field *field = schema_find_field(type, m->key);
            if (field && m->type >= JSON_ARRAY)
                defaults_apply(a, field->type, m);
        }
    } else if (type->kind == SCHEMA_LIST || type->kind == SCHEMA_MAP) {
        json_foreach (value, e) {
            if (e->type >= JSON_ARRAY)
                defaults_apply(a, type->element, e);
        }
    }
}
