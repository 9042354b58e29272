/* What parses must be equal after printing, compact and indented, and after copying; printing is stable. */
#include <stdlib.h>

#include "wire/json-tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf compact = {0}, pretty = {0}, again = {0};
    struct json_parse_info info = {0};
    struct json *v, *back;
    struct err err = {0};
    if (json_parse(&a, (struct str){(const char *)data, len}, &info, &v, &err) < 0) {
        if (!err.code || !err.text[0])
            abort();
        return 0;
    }
    json_write(v, &compact);
    json_write_pretty(v, 2, &pretty);
    if (json_parse(&a, strbuf_str(&compact), NULL, &back, NULL) < 0 || !json_equal(v, back))
        abort();
    json_write(back, &again);
    if (!str_eq(strbuf_str(&compact), strbuf_str(&again)))
        abort();
    if (json_parse(&a, strbuf_str(&pretty), NULL, &back, NULL) < 0 || !json_equal(v, back))
        abort();
    if (!json_equal(v, json_copy(&a, v)) || !json_equal(v, json_copy_shape(&a, v)))
        abort();
    struct json_extent extent = json_measure(v, SIZE_MAX);
    if (extent.depth > JSON_MAX_DEPTH || extent.bytes > compact.len + extent.nodes)
        abort();
    return 0;
}
