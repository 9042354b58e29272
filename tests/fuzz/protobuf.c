/* Fields that are read must read the same after they are written again. */
#include <stdlib.h>

#include "wire/protobuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void put(struct strbuf *out, const struct protobuf_field *f)
{
    switch (f->type) {
    case PROTOBUF_VARINT:
        protobuf_put_varint(out, f->number, f->number_value);
        break;
    case PROTOBUF_FIXED32:
        protobuf_put_fixed32(out, f->number, (uint32_t)f->number_value);
        break;
    case PROTOBUF_FIXED64:
        protobuf_put_fixed64(out, f->number, f->number_value);
        break;
    case PROTOBUF_BYTES: {
        size_t at = protobuf_begin(out, f->number);
        strbuf_add_str(out, f->bytes);
        protobuf_end(out, at);
    }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    _cleanup_(strbuf_done) struct strbuf out = {0};
    struct protobuf_field f, g;
    struct protobuf_reader r = protobuf_reader((struct str){(const char *)data, len});
    while (protobuf_next(&r, &f))
        put(&out, &f);
    struct protobuf_reader first = protobuf_reader((struct str){(const char *)data, len});
    struct protobuf_reader again = protobuf_reader(strbuf_str(&out));
    while (protobuf_next(&again, &g)) {
        if (!protobuf_next(&first, &f) || f.number != g.number || f.type != g.type ||
            f.number_value != g.number_value || !str_eq(f.bytes, g.bytes))
            abort();
    }
    if (again.error || protobuf_next(&first, &f))
        abort();
    return 0;
}
