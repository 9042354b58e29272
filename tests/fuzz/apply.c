/* Server-side apply and FieldsV1: LIVE, a line end, CONFIG. A second equal apply changes nothing; field sets
 * survive printing and obey their algebra. */
#include <assert.h>

#include "object/apply.h"
#include "object/decode.h"
#include "object/field-set.h"
#include "object/meta.h"
#include "object/test-schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_set(struct arena *a, const struct json *fields)
{
    struct field_set *s = NULL, *again = NULL;
    if (field_set_parse(a, fields, &s, NULL) < 0)
        return;
    int r = field_set_parse(a, field_set_to_json(a, s), &again, NULL);
    assert(r == 0 && field_set_equal(s, again));
    assert(field_set_equal(field_set_union(a, s, again), s));
    assert(field_set_equal(field_set_intersect(a, s, again), s));
    assert(field_set_is_empty(field_set_subtract(a, s, again)));
}

static void check_kind(struct arena *a, const struct schema_resource *r, const struct json *live,
                       const struct json *config)
{
    struct apply_options o = {.arena = a, .resource = r, .manager = STR("kubectl"), .force = APPLY_FORCE};
    const struct decode_options options = {.arena = a, .resource = r};
    struct decode_report report;
    struct json *old = json_copy(a, live), *first = NULL, *second = NULL;
    if (object_decode(&options, old, &report))
        return;
    o.force = APPLY_ASK;
    (void)apply_config(&o, old, json_copy(a, config), &first);
    o.force = APPLY_FORCE;
    if (apply_config(&o, old, json_copy(a, config), &first))
        return;
    if (!meta_managed_fields(first))
        return; /* nobody owns anything: the next apply finds an untracked object */
    o.now.ns += TIME_S_NS;
    const struct status *refusal = apply_config(&o, first, json_copy(a, config), &second);
    assert(!refusal && json_equal(first, second));
    o.manager = STR("other");
    refusal = apply_track(&o, first, old);
    assert(!refusal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct str text = {(const char *)data, len}, first;
    struct json *live = NULL, *config = NULL;
    if (!len || !str_split(&text, '\n', &first) || json_parse(&a, first, NULL, &live, NULL) < 0)
        return 0;
    check_set(&a, live);
    if (!text.p || json_parse(&a, text, NULL, &config, NULL) < 0)
        return 0;
    check_kind(&a, &test_services, live, config);
    check_kind(&a, &test_deployments, live, config);
    check_kind(&a, schema_find_kind(STR("apps"), STR("v1"), STR("Deployment")), live, config);
    check_kind(&a, schema_find_kind(STR(""), STR("v1"), STR("Service")), live, config);
    return 0;
}
