/* Strategic merge patch and what follows it: OBJECT, a line end, PATCH. Whatever the patch is, the result is
 * a document that prints and parses, and decoding, defaults and validation hold on it. */
#include <assert.h>

#include "object/decode.h"
#include "object/defaults.h"
#include "object/strategic-merge.h"
#include "object/test-schema.h"
#include "object/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_document(struct arena *a, const struct json *v)
{
    _cleanup_(strbuf_done) struct strbuf out = {0};
    struct json *again = NULL;
    json_write(v, &out);
    int r = json_parse(a, arena_str(a, strbuf_str(&out)), NULL, &again, NULL);
    assert(r == 0 && json_equal(v, again));
}

static void check_kind(struct arena *a, const struct schema_resource *r, const struct json *object,
                       const struct json *patch)
{
    struct json *next = json_copy(a, object), *p = json_copy(a, patch);
    struct decode_report report;
    const struct decode_options options = {.arena = a, .resource = r, .strictness = DECODE_WARN};
    if (strategic_merge(a, r->type, next, p, NULL) < 0)
        return;
    check_document(a, next);
    if (object_decode(&options, next, &report))
        return;
    defaults_apply(a, r->type, next);
    check_document(a, next);
    /* Decoding is idempotent. */
    struct json *again = json_copy(a, next);
    const struct status *refusal = object_decode(&options, again, &report);
    assert(!refusal && report.n == 0 && json_equal(next, again));
    struct field_errors errors = {.arena = a};
    validate_schema(&errors, NULL, r->type, next, object);
    validate_meta(&errors, json_getz(next, "metadata"), &(struct meta_rules){name_check_dns1123_label, true});
    (void)field_errors_text(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct str text = {(const char *)data, len}, first;
    struct json *object = NULL, *patch = NULL;
    if (!len || !str_split(&text, '\n', &first) || json_parse(&a, first, NULL, &object, NULL) < 0 ||
        !text.p || json_parse(&a, text, NULL, &patch, NULL) < 0)
        return 0;
    check_kind(&a, &test_services, object, patch);
    check_kind(&a, &test_deployments, object, patch);
    check_kind(&a, schema_find_kind(STR("apps"), STR("v1"), STR("Deployment")), object, patch);
    check_kind(&a, schema_find_kind(STR(""), STR("v1"), STR("Service")), object, patch);
    return 0;
}
