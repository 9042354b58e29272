/* Look-ups in types. The tables and the look-ups of resources are generated from api/. */
#include "object/schema.h"

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
