/* Selectors: what parses is written, and what is written parses to what writes the same. Labels and fields
 * alike. */
#include <assert.h>

#include "object/selector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_labels(struct arena *a, struct str text, const struct json *labels)
{
    _cleanup_(strbuf_done) struct strbuf out = {0}, out_again = {0};
    struct label_selector s, again;
    if (label_selector_parse(a, text, &s, NULL) < 0)
        return;
    bool matches = label_selector_matches(&s, labels);
    label_selector_write(&s, &out);
    int r = label_selector_parse(a, strbuf_str(&out), &again, NULL);
    assert(r == 0 && label_selector_matches(&again, labels) == matches);
    label_selector_write(&again, &out_again);
    assert(str_eq(strbuf_str(&out), strbuf_str(&out_again)));
}

static void check_fields(struct arena *a, struct str text, const struct json *object)
{
    _cleanup_(strbuf_done) struct strbuf out = {0}, out_again = {0};
    struct field_selector s, again;
    if (field_selector_parse(a, text, &s, NULL) < 0)
        return;
    bool matches = field_selector_matches(&s, object);
    field_selector_write(&s, &out);
    int r = field_selector_parse(a, strbuf_str(&out), &again, NULL);
    assert(r == 0 && field_selector_matches(&again, object) == matches);
    field_selector_write(&again, &out_again);
    assert(str_eq(strbuf_str(&out), strbuf_str(&out_again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct str text = {(const char *)data, len};
    struct json *labels = NULL, *object = NULL;
    json_parse(&a, STR("{\"app\":\"web\",\"a\":\"1\",\"b\":\"\"}"), NULL, &labels, NULL);
    json_parse(&a, STR("{\"a\":{\"b\":\"c\"},\"d\":5,\"e\":true}"), NULL, &object, NULL);
    check_labels(&a, text, labels);
    check_fields(&a, text, object);
    if (json_parse(&a, text, NULL, &object, NULL) == 0) {
        struct label_selector s;
        if (label_selector_from_object(&a, object, &s, NULL) == 0)
            (void)label_selector_matches(&s, labels);
        label_selector_from_map(&a, object, &s);
        (void)label_selector_matches(&s, object);
    }
    return 0;
}
