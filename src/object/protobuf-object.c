#include "object/protobuf-object.h"

#include <errno.h>
#include <inttypes.h>

#include "base/datetime.h"
#include "base/encoding.h"
#include "wire/protobuf.h"

#define MAGIC "k8s\0"

/* What is being read, for messages and the bound on depth. */
struct reading {
    struct arena *arena;
    struct err *err;
    int depth;
};

static int read_message(struct reading *r, const struct schema_type *type, struct str inlined,
                        struct str bytes, struct json *object);

static int broken(struct reading *r, const struct protobuf_reader *reader)
{
    return err_set(r->err, -EINVAL, "the protocol buffer is broken: %s", reader->why);
}

/* Small messages that are one value in JSON. */
struct small {
    uint64_t number[4]; /* by field, 1 to 3 */
    struct str bytes[4];
};

static int read_small(struct reading *r, struct str bytes, struct small *ret)
{
    struct protobuf_reader reader = protobuf_reader(bytes);
    *ret = (struct small){0};
    for (struct protobuf_field f; protobuf_next(&reader, &f);) {
        if (f.number > 3)
            continue;
        if (f.type == PROTOBUF_BYTES)
            ret->bytes[f.number] = f.bytes;
        else
            ret->number[f.number] = f.number_value;
    }
    return reader.error < 0 ? broken(r, &reader) : 0;
}

static struct json *time_of(struct reading *r, const struct small *s, bool micro)
{
    char text[WALLTIME_MAX_LEN];
    struct walltime t = {(int64_t)s->number[1] * TIME_S_NS + (int32_t)s->number[2]};
    return json_stringf(r->arena, "%s", micro ? walltime_format_micro(t, text) : walltime_format(t, text));
}

/* What JSON text may hold: well-formed UTF-8, no surrogates. Source: RFC 3629. */
static bool is_utf8(struct str s)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    for (size_t i = 0; i < s.len;) {
        uint8_t c = (uint8_t)s.p[i++];
        size_t more = c < 0x80 ? 0 : c >> 5 == 6 ? 1 : c >> 4 == 14 ? 2 : c >> 3 == 30 ? 3 : SIZE_MAX;
        uint32_t code = more == 0 ? c : c & (0x3fu >> more);
        if (more == SIZE_MAX || s.len - i < more)
            return false;
        for (size_t k = 0; k < more; k++, i++) {
            if (((uint8_t)s.p[i] & 0xc0) != 0x80)
                return false;
            code = code << 6 | ((uint8_t)s.p[i] & 0x3f);
        }
        if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
            return false;
    }
    return true;
}

static int check_text(struct reading *r, struct str s)
{
    return is_utf8(s) ? 0 : err_set(r->err, -EINVAL, "a string in the protocol buffer is not UTF-8");
}

/* RET stays NULL for what is as absent. */
static int read_wrapped(struct reading *r, const struct schema_type *type, const struct protobuf_field *f,
                        bool keep_zero, struct json **ret)
{
    struct small s;
    int status = read_small(r, f->bytes, &s);
    for (size_t i = 1; status == 0 && i < ARRAY_LEN(s.bytes); i++)
        status = type->kind == SCHEMA_ANY ? 0 : check_text(r, s.bytes[i]);
    if (status < 0)
        return status;
    switch (type->kind) {
    case SCHEMA_QUANTITY:
        *ret = s.bytes[1].len ? json_string(r->arena, s.bytes[1]) : NULL;
        return 0;
    case SCHEMA_TIME:
    case SCHEMA_MICROTIME:
        /* Seconds that no date has would wrap. */
        if (f->bytes.len && (int64_t)s.number[1] < INT64_C(9000000000) &&
            (int64_t)s.number[1] > -INT64_C(9000000000))
            *ret = time_of(r, &s, type->kind == SCHEMA_MICROTIME);
        return 0;
    case SCHEMA_INT_OR_STRING:
        if (s.number[1] == 1)
            *ret = json_string(r->arena, s.bytes[3].p ? s.bytes[3] : STR(""));
        else if (s.number[2] || keep_zero)
            *ret = json_int(r->arena, (int32_t)s.number[2]);
        return 0;
    default: /* SCHEMA_ANY: JSON inside */
        if (!s.bytes[1].len)
            return 0;
        return json_parse(r->arena, s.bytes[1], NULL, ret, r->err);
    }
}

static int read_number(struct reading *r, const struct schema_type *type, const struct protobuf_field *f,
                       bool keep_zero, struct json **ret)
{
    if (f->number_value == 0 && !keep_zero)
        return 0;
    if (type->kind == SCHEMA_BOOL) {
        *ret = json_bool(r->arena, f->number_value != 0);
        return 0;
    }
    if (type->kind != SCHEMA_INT32 && type->kind != SCHEMA_INT64)
        return err_set(r->err, -EINVAL, "field %u of the protocol buffer is a number where none is expected",
                       f->number);
    int64_t v = (int64_t)f->number_value;
    *ret = json_int(r->arena, type->kind == SCHEMA_INT32 ? (int32_t)v : v);
    return 0;
}

/* One value of TYPE; RET stays NULL for what is as absent. */
static int read_value(struct reading *r, const struct schema_type *type, const struct protobuf_field *f,
                      bool keep_zero, struct json **ret)
{
    _cleanup_(strbuf_done) struct strbuf encoded = {0};
    *ret = NULL;
    if (f->type != PROTOBUF_BYTES)
        return read_number(r, type, f, keep_zero, ret);
    switch (type->kind) {
    case SCHEMA_STRING:
        if (f->bytes.len || keep_zero)
            *ret = json_string(r->arena, f->bytes);
        return check_text(r, f->bytes);
    case SCHEMA_BYTES:
        base64_encode(f->bytes, &encoded);
        *ret = json_string(r->arena, arena_str(r->arena, strbuf_str(&encoded)));
        return 0;
    case SCHEMA_OBJECT:
        *ret = json_object(r->arena);
        int status = read_message(r, type, STR(""), f->bytes, *ret);
        if (status == 0 && !(*ret)->n && !keep_zero)
            *ret = NULL;
        return status;
    case SCHEMA_QUANTITY:
    case SCHEMA_TIME:
    case SCHEMA_MICROTIME:
    case SCHEMA_INT_OR_STRING:
    case SCHEMA_ANY:
        return read_wrapped(r, type, f, keep_zero, ret);
    default:
        return err_set(r->err, -EINVAL, "field %u of the protocol buffer has the wrong type", f->number);
    }
}

static int read_map_entry(struct reading *r, const struct schema_type *type, struct str bytes,
                          struct json *map)
{
    struct protobuf_reader reader = protobuf_reader(bytes);
    struct str key = STR("");
    struct json *value = NULL;
    int status = 0;
    for (struct protobuf_field f; status == 0 && protobuf_next(&reader, &f);) {
        if (f.number == 1 && f.type == PROTOBUF_BYTES)
            key = f.bytes;
        else if (f.number == 2)
            status = read_value(r, type->element, &f, true, &value);
    }
    if (status == 0)
        status = check_text(r, key);
    if (status < 0)
        return status;
    if (reader.error < 0)
        return broken(r, &reader);
    json_set(map, key, value ? value : json_string(r->arena, STR("")));
    return 0;
}

static int read_field(struct reading *r, const struct schema_field *field, const struct protobuf_tag *tag,
                      const struct protobuf_field *f, struct json *object)
{
    const struct schema_type *type = field->type;
    struct json *value = NULL, *have = json_get(object, field->name);
    if (type->kind != SCHEMA_LIST && type->kind != SCHEMA_MAP) {
        int status = read_value(r, type, f, tag->is_pointer, &value);
        if (status == 0 && value)
            json_set(object, field->name, value);
        return status;
    }
    if (!have) {
        have = type->kind == SCHEMA_LIST ? json_array(r->arena) : json_object(r->arena);
        json_set(object, field->name, have);
    }
    if (type->kind == SCHEMA_MAP)
        return f->type == PROTOBUF_BYTES
                   ? read_map_entry(r, type, f->bytes, have)
                   : err_set(r->err, -EINVAL, "a map in the protocol buffer is no message");
    int status = read_value(r, type->element, f, true, &value);
    if (status == 0 && value)
        json_append(have, value);
    return status;
}

static int read_message(struct reading *r, const struct schema_type *type, struct str inlined,
                        struct str bytes, struct json *object)
{
    struct protobuf_reader reader = protobuf_reader(bytes);
    int status = 0;
    if (++r->depth > PROTOBUF_OBJECT_MAX_DEPTH)
        return err_set(r->err, -E2BIG, "the protocol buffer is nested deeper than %d messages",
                       PROTOBUF_OBJECT_MAX_DEPTH);
    for (struct protobuf_field f; status == 0 && protobuf_next(&reader, &f);) {
        struct protobuf_tag tag;
        struct str name = inlined.len ? inlined : type->name;
        if (!protobuf_tag_find(type, inlined, f.number, &tag))
            return err_set(r->err, -EINVAL,
                           "field %u of %.*s is not known in protocol buffers here; send JSON", f.number,
                           STR_ARG(name));
        if (tag.is_inlined) {
            status = f.type == PROTOBUF_BYTES ? read_message(r, type, tag.name, f.bytes, object) : -EINVAL;
            continue;
        }
        const struct schema_field *field = schema_find_field(type, tag.name);
        if (!field)
            return err_set(r->err, -EINVAL, "%.*s has no field %.*s", STR_ARG(name), STR_ARG(tag.name));
        status = read_field(r, field, &tag, &f, object);
    }
    r->depth--;
    if (status < 0)
        return status;
    return reader.error < 0 ? broken(r, &reader) : 0;
}

bool protobuf_object_is(struct str body)
{
    return body.len >= 4 && memcmp(body.p, MAGIC, 4) == 0;
}

int protobuf_object_decode(struct arena *a, const struct schema_type *type, struct str body,
                           struct json **ret, struct err *err)
{
    struct reading r = {.arena = a, .err = err};
    struct small envelope, meta;
    struct json *object = json_object(a);
    if (!protobuf_object_is(body))
        return err_set(err, -EINVAL,
                       "the body is no Kubernetes protocol buffer: it does not begin with k8s\\x00");
    int status = read_small(&r, str_slice(body, 4, body.len), &envelope);
    if (status == 0)
        status = read_small(&r, envelope.bytes[1], &meta);
    if (status == 0)
        status = check_text(&r, meta.bytes[1]);
    if (status == 0)
        status = check_text(&r, meta.bytes[2]);
    if (status < 0)
        return status;
    if (envelope.bytes[3].len)
        return err_set(err, -EINVAL, "an encoded protocol buffer is not read");
    if (meta.bytes[2].len)
        json_setz(object, "kind", json_string(a, meta.bytes[2]));
    if (meta.bytes[1].len)
        json_setz(object, "apiVersion", json_string(a, meta.bytes[1]));
    status = read_message(&r, type, STR(""), envelope.bytes[2], object);
    if (status == 0)
        *ret = object;
    return status;
}
