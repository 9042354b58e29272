#include "wire/protobuf.h"

#include <errno.h>

#define PROTOBUF_MAX_VARINT 10

static size_t protobuf_encode(uint64_t v, char out[static PROTOBUF_MAX_VARINT])
{
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        out[n++] = (char)(0x80 | (v & 0x7f));
    out[n++] = (char)v;
    return n;
}

static void protobuf_add_varint(struct strbuf *out, uint64_t v)
{
    char bytes[PROTOBUF_MAX_VARINT];
    strbuf_add(out, bytes, protobuf_encode(v, bytes));
}

static void protobuf_add_tag(struct strbuf *out, uint32_t field, enum protobuf_type type)
{
    protobuf_add_varint(out, (uint64_t)field << 3 | type);
}

static void protobuf_add_fixed(struct strbuf *out, uint64_t v, int n_bytes)
{
    for (int i = 0; i < n_bytes; i++)
        strbuf_addc(out, (char)(v >> 8 * i));
}

void protobuf_put_varint(struct strbuf *out, uint32_t field, uint64_t v)
{
    protobuf_add_tag(out, field, PROTOBUF_VARINT);
    protobuf_add_varint(out, v);
}

void protobuf_put_sint(struct strbuf *out, uint32_t field, int64_t v)
{
    protobuf_put_varint(out, field, (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0));
}

void protobuf_put_fixed32(struct strbuf *out, uint32_t field, uint32_t v)
{
    protobuf_add_tag(out, field, PROTOBUF_FIXED32);
    protobuf_add_fixed(out, v, 4);
}

void protobuf_put_fixed64(struct strbuf *out, uint32_t field, uint64_t v)
{
    protobuf_add_tag(out, field, PROTOBUF_FIXED64);
    protobuf_add_fixed(out, v, 8);
}

void protobuf_put_string(struct strbuf *out, uint32_t field, struct str bytes)
{
    protobuf_add_tag(out, field, PROTOBUF_BYTES);
    protobuf_add_varint(out, bytes.len);
    strbuf_add_str(out, bytes);
}

size_t protobuf_begin(struct strbuf *out, uint32_t field)
{
    protobuf_add_tag(out, field, PROTOBUF_BYTES);
    strbuf_addc(out, 0); /* one byte of length: enough for most, others move */
    return out->len;
}

void protobuf_end(struct strbuf *out, size_t at)
{
    char bytes[PROTOBUF_MAX_VARINT];
    size_t len = out->len - at, n = protobuf_encode(len, bytes);
    if (n > 1) {
        strbuf_add(out, bytes, n - 1); /* makes room; the content is overwritten below */
        memmove(out->p + at + n - 1, out->p + at, len);
    }
    memcpy(out->p + at - 1, bytes, n);
}

struct protobuf_reader protobuf_reader(struct str bytes)
{
    return (struct protobuf_reader){.rest = bytes};
}

static bool protobuf_fail(struct protobuf_reader *r, const char *why)
{
    r->error = -EBADMSG;
    r->why = why;
    return false;
}

static bool protobuf_take_varint(struct protobuf_reader *r, uint64_t *ret)
{
    uint64_t v = 0;
    for (size_t i = 0; i < r->rest.len && i < PROTOBUF_MAX_VARINT; i++) {
        uint8_t c = (uint8_t)r->rest.p[i];
        if (i == PROTOBUF_MAX_VARINT - 1 && c > 1)
            break;
        v |= (uint64_t)(c & 0x7f) << 7 * i;
        if (c < 0x80) {
            r->rest = str_slice(r->rest, i + 1, r->rest.len);
            *ret = v;
            return true;
        }
    }
    return protobuf_fail(r,
                         r->rest.len < PROTOBUF_MAX_VARINT ? "a varint is cut off" : "a varint is too long");
}

static bool protobuf_take_fixed(struct protobuf_reader *r, size_t n_bytes, uint64_t *ret)
{
    if (r->rest.len < n_bytes)
        return protobuf_fail(r, "a fixed field is cut off");
    uint64_t v = 0;
    for (size_t i = 0; i < n_bytes; i++)
        v |= (uint64_t)(uint8_t)r->rest.p[i] << 8 * i;
    r->rest = str_slice(r->rest, n_bytes, r->rest.len);
    *ret = v;
    return true;
}

static bool protobuf_take_bytes(struct protobuf_reader *r, struct str *ret)
{
    uint64_t len;
    if (!protobuf_take_varint(r, &len))
        return false;
    if (len > r->rest.len)
        return protobuf_fail(r, "a field is longer than its message");
    *ret = str_slice(r->rest, 0, len);
    r->rest = str_slice(r->rest, len, r->rest.len);
    return true;
}

bool protobuf_next(struct protobuf_reader *r, struct protobuf_field *ret)
{
    uint64_t tag;
    if (r->error || !r->rest.len || !protobuf_take_varint(r, &tag))
        return false;
    if (tag >> 3 == 0 || tag >> 3 > PROTOBUF_MAX_FIELD)
        return protobuf_fail(r, "a field number is out of range");
    struct protobuf_field f = {.number = (uint32_t)(tag >> 3), .type = (enum protobuf_type)(tag & 7)};
    bool ok;
    switch (f.type) {
    case PROTOBUF_VARINT:
        ok = protobuf_take_varint(r, &f.number_value);
        break;
    case PROTOBUF_FIXED64:
        ok = protobuf_take_fixed(r, 8, &f.number_value);
        break;
    case PROTOBUF_FIXED32:
        ok = protobuf_take_fixed(r, 4, &f.number_value);
        break;
    case PROTOBUF_BYTES:
        ok = protobuf_take_bytes(r, &f.bytes);
        break;
    default:
        ok = protobuf_fail(r, "a group or unknown wire type");
    }
    if (ok)
        *ret = f;
    return ok;
}
