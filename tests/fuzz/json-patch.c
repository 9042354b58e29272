/* A document, a line end, a patch. The document must not change, a failure must have words, and a result must
 * be a document that prints and parses. */
#include <stdlib.h>

#include "wire/json-patch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf before = {0}, after = {0}, out = {0};
    struct str text = {(const char *)data, len};
    ptrdiff_t at = str_find_char(text, '\n');
    struct json *doc, *patch, *got, *back;
    struct err err = {0};
    if (at < 0 || json_parse(&a, str_slice(text, 0, (size_t)at), NULL, &doc, NULL) < 0 ||
        json_parse(&a, str_slice(text, (size_t)at + 1, len), NULL, &patch, NULL) < 0)
        return 0;
    json_write(doc, &before);
    json_write(patch, &before);
    int r = json_patch_apply(&a, doc, patch, &got, &err);
    json_write(doc, &after);
    json_write(patch, &after);
    if (!str_eq(strbuf_str(&before), strbuf_str(&after)))
        abort();
    if (r) {
        if (r != err.code || !err.text[0])
            abort();
        return 0;
    }
    json_write(got, &out);
    if (json_parse(&a, strbuf_str(&out), NULL, &back, NULL) < 0 || !json_equal(got, back))
        abort();
    return 0;
}
