/* What parses must be equal after it is written as YAML and parsed again; so must what parses as JSON, whose
 * numbers YAML may have to round once. */
#include <stdlib.h>

#include "wire/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct json *round_trip(struct arena *a, const struct json *v)
{
    _cleanup_(strbuf_done) struct strbuf text = {0};
    struct json *back;
    yaml_write(v, &text);
    if (text.len > YAML_MAX_LEN)
        return (struct json *)v;
    struct str copy = arena_str(a, strbuf_str(&text));
    if (yaml_parse(a, copy, NULL, &back, NULL) < 0)
        abort();
    return back;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct str text = {(const char *)data, len};
    struct json_parse_info info = {0};
    struct json *all, *v;
    struct err err = {0};
    int r = yaml_parse_all(&a, text, &info, &all, &err);
    if (r < 0 && (!err.code || !err.text[0]))
        abort();
    json_foreach (r < 0 ? NULL : all, document) {
        if (!json_equal(document, round_trip(&a, document)))
            abort();
    }
    if (json_parse(&a, text, NULL, &v, NULL) == 0) {
        v = round_trip(&a, v);
        if (!json_equal(v, round_trip(&a, v)))
            abort();
    }
    return 0;
}
