/* An OpenAPI version 2 document as protocol buffers.
 *
 * gnostic's messages follow the JSON closely, so a table says for each message which member goes to which
 * field number. What JSON has as an object with free keys is a repeated (name, value) pair there, extensions
 * ("x-...") and free values carry YAML text, of which JSON is a subset. Only what our documents contain is in
 * the tables.
 *
 * Source: gnostic, openapiv2/OpenAPIv2.proto.
 */
#include "object/openapi-private.h"
#include "wire/protobuf.h"

enum form {
    TEXT,      /* string */
    TEXTS,     /* repeated string */
    FLAG,      /* bool */
    REAL,      /* double */
    FREE,      /* Any */
    FREE_LIST, /* repeated Any */
    MESSAGE,
    NAMED,      /* message of repeated (name, message) pairs */
    PARAMETERS, /* repeated ParametersItem */
};

struct member {
    const char *name;
    uint32_t number;
    enum form form;
    const struct message *message;
    uint32_t pairs; /* NAMED: field number of the pairs */
    uint32_t wrap;  /* field number inside a message that holds only this (TypeItem, SchemaItem,
                       ResponseValue), or 0 */
};

struct message {
    const struct member *members;
    size_t n;
    uint32_t extensions; /* field number of extensions; 0: none */
};

#define MEMBERS(list) .members = list, .n = ARRAY_LEN(list)

static const struct message schema;
static const struct member schema_members[] = {
    {"$ref", 1, TEXT},
    {"format", 2, TEXT},
    {"description", 4, TEXT},
    {"default", 5, FREE},
    {"maximum", 7, REAL},
    {"minimum", 9, REAL},
    {"required", 19, TEXTS},
    {"enum", 20, FREE_LIST},
    {"additionalProperties", 21, MESSAGE, &schema, .wrap = 1},
    {"type", 22, TEXT, .wrap = 1},
    {"items", 23, MESSAGE, &schema, .wrap = 1},
    {"properties", 25, NAMED, &schema, .pairs = 1},
};
static const struct message schema = {MEMBERS(schema_members), .extensions = 31};

static const struct member body_members[] = {
    {"description", 1, TEXT},        {"name", 2, TEXT}, {"in", 3, TEXT}, {"required", 4, FLAG},
    {"schema", 5, MESSAGE, &schema},
};
static const struct message body = {MEMBERS(body_members), .extensions = 6};

static const struct member query_members[] = {
    {"required", 1, FLAG}, {"in", 2, TEXT},   {"description", 3, TEXT},
    {"name", 4, TEXT},     {"type", 6, TEXT}, {"uniqueItems", 20, FLAG},
};
static const struct message query = {MEMBERS(query_members), .extensions = 23};

static const struct member path_members[] = {
    {"required", 1, FLAG}, {"in", 2, TEXT},   {"description", 3, TEXT},
    {"name", 4, TEXT},     {"type", 5, TEXT}, {"uniqueItems", 19, FLAG},
};
static const struct message path_parameter = {MEMBERS(path_members), .extensions = 22};

static const struct member response_members[] = {
    {"description", 1, TEXT},
    {"schema", 2, MESSAGE, &schema, .wrap = 1},
};
static const struct message response = {MEMBERS(response_members), .extensions = 5};

static const struct member operation_members[] = {
    {"description", 3, TEXT},      {"operationId", 5, TEXT},
    {"produces", 6, TEXTS},        {"consumes", 7, TEXTS},
    {"parameters", 8, PARAMETERS}, {"responses", 9, NAMED, &response, .pairs = 1, .wrap = 1},
};
static const struct message operation = {MEMBERS(operation_members), .extensions = 13};

static const struct member item_members[] = {
    {"get", 2, MESSAGE, &operation},    {"put", 3, MESSAGE, &operation},   {"post", 4, MESSAGE, &operation},
    {"delete", 5, MESSAGE, &operation}, {"patch", 8, MESSAGE, &operation}, {"parameters", 9, PARAMETERS},
};
static const struct message path_item = {MEMBERS(item_members), .extensions = 10};

static const struct member info_members[] = {{"title", 1, TEXT}, {"version", 2, TEXT}};
static const struct message info = {MEMBERS(info_members), .extensions = 7};

static const struct member document_members[] = {
    {"swagger", 1, TEXT},
    {"info", 2, MESSAGE, &info},
    {"paths", 8, NAMED, &path_item, .pairs = 2},
    {"definitions", 9, NAMED, &schema, .pairs = 1},
};
static const struct message document = {MEMBERS(document_members), .extensions = 16};

static void write_message(const struct message *m, const struct json *v, struct strbuf *out);

static void write_free(uint32_t number, const struct json *v, struct strbuf *out)
{
    _cleanup_(strbuf_done) struct strbuf yaml = {0};
    json_write(v, &yaml);
    strbuf_addc(&yaml, '\n');
    size_t at = protobuf_begin(out, number);
    protobuf_put_string(out, 2, strbuf_str(&yaml));
    protobuf_end(out, at);
}

static void write_real(uint32_t number, const struct json *v, struct strbuf *out)
{
    double d = (double)json_int_or(v, 0); /* bounds are integers here */
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    protobuf_put_fixed64(out, number, bits);
}

static void write_pairs(const struct member *m, const struct json *v, struct strbuf *out)
{
    json_foreach (v, pair) {
        size_t pair_at = protobuf_begin(out, m->pairs);
        protobuf_put_string(out, 1, pair->key);
        size_t at = protobuf_begin(out, 2);
        size_t inner = m->wrap ? protobuf_begin(out, m->wrap) : 0;
        write_message(m->message, pair, out);
        if (m->wrap)
            protobuf_end(out, inner);
        protobuf_end(out, at);
        protobuf_end(out, pair_at);
    }
}

/* ParametersItem.parameter holds a body_parameter, or a non_body_parameter that holds one of several. */
static void write_parameter(uint32_t number, const struct json *v, struct strbuf *out)
{
    struct str in = json_string_at(v, "in");
    size_t item = protobuf_begin(out, number), parameter = protobuf_begin(out, 1);
    if (str_eqz(in, "body")) {
        size_t at = protobuf_begin(out, 1);
        write_message(&body, v, out);
        protobuf_end(out, at);
    } else {
        bool is_query = str_eqz(in, "query");
        size_t other = protobuf_begin(out, 2), at = protobuf_begin(out, is_query ? 3 : 4);
        write_message(is_query ? &query : &path_parameter, v, out);
        protobuf_end(out, at);
        protobuf_end(out, other);
    }
    protobuf_end(out, parameter);
    protobuf_end(out, item);
}

static void write_elements(const struct member *m, const struct json *v, struct strbuf *out)
{
    json_foreach (v, e) {
        if (m->form == TEXTS)
            protobuf_put_string(out, m->number, json_str(e));
        else if (m->form == FREE_LIST)
            write_free(m->number, e, out);
        else
            write_parameter(m->number, e, out);
    }
}

/* A string or a message, perhaps inside another message of its own. */
static void write_wrapped(const struct member *m, const struct json *v, struct strbuf *out)
{
    uint32_t number = m->wrap ? m->wrap : m->number;
    size_t outer = m->wrap ? protobuf_begin(out, m->number) : 0;
    if (m->form == TEXT) {
        protobuf_put_string(out, number, json_str(v));
    } else {
        size_t at = protobuf_begin(out, number);
        write_message(m->message, v, out);
        protobuf_end(out, at);
    }
    if (m->wrap)
        protobuf_end(out, outer);
}

static void write_member(const struct member *m, const struct json *v, struct strbuf *out)
{
    size_t at;
    switch (m->form) {
    case FLAG:
        protobuf_put_varint(out, m->number, json_bool_or(v, false));
        break;
    case REAL:
        write_real(m->number, v, out);
        break;
    case FREE:
        write_free(m->number, v, out);
        break;
    case NAMED:
        at = protobuf_begin(out, m->number);
        write_pairs(m, v, out);
        protobuf_end(out, at);
        break;
    case TEXTS:
    case FREE_LIST:
    case PARAMETERS:
        write_elements(m, v, out);
        break;
    case TEXT:
    case MESSAGE:
        write_wrapped(m, v, out);
        break;
    }
}

static void write_extension(uint32_t number, const struct json *v, struct strbuf *out)
{
    size_t at = protobuf_begin(out, number);
    protobuf_put_string(out, 1, v->key);
    write_free(2, v, out);
    protobuf_end(out, at);
}

static void write_message(const struct message *m, const struct json *v, struct strbuf *out)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct json *member = json_getz(v, m->members[i].name);
        if (member)
            write_member(&m->members[i], member, out);
    }
    json_foreach (v, member) {
        if (str_has_prefix(member->key, STR("x-")))
            write_extension(m->extensions, member, out);
    }
}

void openapi_write_protobuf(const struct json *v, struct strbuf *out)
{
    write_message(&document, v, out);
}
