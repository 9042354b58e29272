/* Schema defaults. */
#include "object/defaults.h"

#include <assert.h>

static void add_missing(struct arena *a, const struct schema_type *type, struct json *object)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct schema_field *field = &type->fields[i];
        const struct json *present = field->default_json.len ? json_get(object, field->name) : NULL;
        bool empty = json_is(present, JSON_STRING) && !present->text.len;
        if (!field->default_json.len || (present && !empty))
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
        add_missing(a, type, value);
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
