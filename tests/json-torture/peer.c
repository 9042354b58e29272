#include "peer.h"

#include <jansson.h>
#include <stdio.h>

bool peer_parse(struct str text, struct peer *ret, char why[static 200])
{
    json_error_t error;
    ret->document = json_loadb(text.p, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (!ret->document)
        snprintf(why, 200, "%.190s", error.text);
    return ret->document;
}

void peer_done(struct peer *p)
{
    json_decref(p->document);
    p->document = NULL;
}

enum peer_type peer_type(struct peer p)
{
    switch (json_typeof((json_t *)p.document)) {
    case JSON_OBJECT:
        return PEER_OBJECT;
    case JSON_ARRAY:
        return PEER_ARRAY;
    case JSON_STRING:
        return PEER_STRING;
    case JSON_INTEGER:
        return PEER_INT;
    case JSON_REAL:
        return PEER_REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return PEER_BOOL;
    default:
        return PEER_NULL;
    }
}

bool peer_bool(struct peer p)
{
    return json_is_true((json_t *)p.document);
}

int64_t peer_int(struct peer p)
{
    return json_integer_value(p.document);
}

double peer_real(struct peer p)
{
    return json_real_value(p.document);
}

struct str peer_string(struct peer p)
{
    return (struct str){json_string_value(p.document), json_string_length(p.document)};
}

size_t peer_size(struct peer p)
{
    return peer_type(p) == PEER_ARRAY ? json_array_size(p.document) : json_object_size(p.document);
}

struct peer peer_at(struct peer array, size_t i)
{
    return (struct peer){json_array_get(array.document, i)};
}

bool peer_get(struct peer object, struct str key, struct peer *ret)
{
    char *name = mem_dup(key.p, key.len);
    ret->document = json_object_get(object.document, name);
    free(name);
    return ret->document;
}
