/* Protocol buffers on the wire: a writer into a strbuf and a bounded reader with a sticky error.
 *
 * No schema: callers know their field numbers. The reader gives one field after another; nested messages are
 * bytes that get a reader of their own, so depth is the caller's and nothing recurses. Check once, at the
 * end.
 *
 *     struct protobuf_reader r = protobuf_reader(bytes);
 *     for (struct protobuf_field f; protobuf_next(&r, &f);)
 *         if (f.number == 1 && f.type == PROTOBUF_BYTES) name = f.bytes;
 *     if (r.error < 0) ...
 *
 *     size_t at = protobuf_begin(out, 2);
 *     protobuf_put_string(out, 1, STR("x"));
 *     protobuf_end(out, at);
 *
 * Source: https://protobuf.dev/programming-guides/encoding; groups (wire types 3 and 4) are refused.
 */
#pragma once

#include "base/str.h"

enum protobuf_type { PROTOBUF_VARINT = 0, PROTOBUF_FIXED64 = 1, PROTOBUF_BYTES = 2, PROTOBUF_FIXED32 = 5 };

#define PROTOBUF_MAX_FIELD ((UINT32_C(1) << 29) - 1)

/* Fields of one message. FIELD is 1 to PROTOBUF_MAX_FIELD. */
void protobuf_put_varint(struct strbuf *out, uint32_t field, uint64_t v);
void protobuf_put_sint(struct strbuf *out, uint32_t field, int64_t v); /* zigzag */
void protobuf_put_fixed32(struct strbuf *out, uint32_t field, uint32_t v);
void protobuf_put_fixed64(struct strbuf *out, uint32_t field, uint64_t v);
void protobuf_put_string(struct strbuf *out, uint32_t field, struct str bytes);

/* A nested message: everything put between is its content. Returns what protobuf_end() needs to set the
 * length. */
size_t protobuf_begin(struct strbuf *out, uint32_t field);
void protobuf_end(struct strbuf *out, size_t at);

struct protobuf_field {
    uint32_t number;
    enum protobuf_type type;
    uint64_t number_value; /* all types but bytes */
    struct str bytes;      /* borrowed */
};

struct protobuf_reader {
    struct str rest;
    int error;       /* 0, or -EBADMSG from the first broken field on */
    const char *why; /* with the error: a static string */
};

struct protobuf_reader protobuf_reader(struct str bytes);

/* The next field; false at the end and from the first error on. */
bool protobuf_next(struct protobuf_reader *r, struct protobuf_field *ret);

static inline int64_t protobuf_sint(uint64_t zigzag)
{
    return (int64_t)(zigzag >> 1 ^ (0 - (zigzag & 1)));
}
