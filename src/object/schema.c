/* Look-ups in the tables, which are generated from api/. */
#include "object/schema.h"

const struct schema_resource *schema_find_resource(struct str group, struct str version, struct str plural)
{
    for (size_t i = 0; i < n_schema_resources; i++) {
        const struct schema_resource *r = schema_resources[i];
        if (str_eq(r->plural, plural) && str_eq(r->group, group) && str_eq(r->version, version))
            return r;
    }
    return NULL;
}

const struct schema_resource *schema_find_kind(struct str group, struct str version, struct str kind)
{
    for (size_t i = 0; i < n_schema_resources; i++) {
        const struct schema_resource *r = schema_resources[i];
        if (str_eq(r->kind, kind) && str_eq(r->group, group) && str_eq(r->version, version))
            return r;
    }
    return NULL;
}

const struct schema_field *schema_find_field(const struct schema_type *type, struct str name)
{
    size_t low = 0, high = type->n_fields;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = str_cmp(type->fields[middle].name, name);
        if (c == 0)
            return &type->fields[middle];
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool schema_has_verb(const struct schema_resource *resource, struct str verb)
{
    for (size_t i = 0; i < resource->n_verbs; i++) {
        if (str_eq(resource->verbs[i], verb))
            return true;
    }
    return false;
}
