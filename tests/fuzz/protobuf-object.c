/* Objects from protocol buffers: whatever is read is a document that prints, parses and decodes. */
#include <assert.h>

#include "object/decode.h"
#include "object/protobuf-object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void read_as(const struct schema_resource *r, struct str body)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf text = {0};
    struct json *object, *again;
    struct decode_report report;
    struct err err = {0};
    if (protobuf_object_decode(&a, r->type, body, &object, &err) < 0) {
        assert(err.text[0]);
        return;
    }
    json_write(object, &text);
    assert(json_parse(&a, strbuf_str(&text), NULL, &again, NULL) == 0);
    assert(json_equal(object, again));
    const struct decode_options options = {.arena = &a, .resource = r, .strictness = DECODE_STRICT};
    (void)object_decode(&options, object, &report); /* a refusal is as good */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct str body = {(const char *)data, len};
    if (len > 65536)
        return 0;
    for (size_t i = 0; i < n_schema_resources; i++)
        read_as(schema_resources[i], body);
    return 0;
}
