/* A document, a line end, a patch. Neither may change; the result prints and parses; applying the patch again
 * changes nothing more. */
#include <stdlib.h>

#include "wire/merge-patch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf before = {0}, after = {0}, out = {0};
    struct str text = {(const char *)data, len};
    ptrdiff_t at = str_find_char(text, '\n');
    struct json *doc, *patch, *back;
    if (at < 0 || json_parse(&a, str_slice(text, 0, (size_t)at), NULL, &doc, NULL) < 0 ||
        json_parse(&a, str_slice(text, (size_t)at + 1, len), NULL, &patch, NULL) < 0)
        return 0;
    json_write(doc, &before);
    json_write(patch, &before);
    struct json *got = merge_patch_apply(&a, doc, patch);
    json_write(doc, &after);
    json_write(patch, &after);
    if (!str_eq(strbuf_str(&before), strbuf_str(&after)))
        abort();
    json_write(got, &out);
    if (json_parse(&a, strbuf_str(&out), NULL, &back, NULL) < 0 || !json_equal(got, back))
        abort();
    if (!json_equal(got, merge_patch_apply(&a, got, patch)))
        abort();
    return 0;
}
