#include "apiserver/ports.h"

#include "object/names.h"

void port_validate_number(struct field_errors *e, const struct field_path *path, const struct json *v)
{
    if (!json_is(v, JSON_INT) || v->integer < 1 || v->integer > 65535)
        field_invalid(e, path, v ? v : json_int(e->arena, 0), "must be between 1 and 65535, inclusive");
}

void port_validate_protocol(struct field_errors *e, const struct field_path *path, const struct json *v)
{
    static const struct str protocols[] = {STR_INIT("SCTP"), STR_INIT("TCP"), STR_INIT("UDP")};
    for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
        if (str_eq(json_str(v), protocols[i]))
            return;
    field_not_supported(e, path, v, protocols, ARRAY_LEN(protocols));
}

void port_validate_app_protocol(struct field_errors *e, const struct field_path *path, const struct json *v)
{
    if (v)
        name_validate(e, path, json_str(v), name_check_label_key);
}
