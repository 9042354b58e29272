/* Documents as deep as the parser lets through pass every walker here on a stack of 256 KiB (CVE-2023-3341).
 */
#include <pthread.h>

#include "base/test.h"
#include "object/apply.h"
#include "object/decode.h"
#include "object/field-set.h"
#include "object/strategic-merge.h"
#include "object/test-schema.h"

#ifdef __SANITIZE_ADDRESS__
#define STACK_LEN ((size_t)4 * 1024 * 1024) /* the sanitizer's red zones make frames many times bigger */
#else
#define STACK_LEN ((size_t)256 * 1024)
#endif

/* OPEN and CLOSE around themselves until the depth is JSON_MAX_DEPTH. */
static struct json *deep(struct arena *a, const char *open, const char *middle, const char *close, int depth)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    struct json *v = NULL;
    for (int i = 0; i < depth; i++)
        strbuf_addz(&b, open);
    strbuf_addz(&b, middle);
    for (int i = 0; i < depth; i++)
        strbuf_addz(&b, close);
    if (json_parse(a, arena_str(a, strbuf_str(&b)), NULL, &v, NULL) < 0)
        return NULL;
    return v;
}

static const char *merge_deep(struct arena *a)
{
    struct json *object = deep(a, "{\"a\":", "{\"b\":1}", "}", JSON_MAX_DEPTH - 2);
    struct json *patch = deep(a, "{\"a\":", "{\"c\":null,\"b\":2}", "}", JSON_MAX_DEPTH - 2);
    struct json *fresh = deep(a, "{\"x\":", "[{\"$patch\":\"delete\"},1]", "}", JSON_MAX_DEPTH - 3);
    if (!object || !patch || !fresh)
        return "deep documents do not parse";
    if (strategic_merge(a, test_services.type, object, patch, NULL) < 0 ||
        strategic_merge(a, test_services.type, object, fresh, NULL) < 0)
        return "deep patches are refused";
    struct json *copy = json_copy(a, object);
    return json_equal(copy, object) ? NULL : "a deep copy differs";
}

static const char *own_deep(struct arena *a)
{
    struct json *fields = deep(a, "{\"f:a\":", "{}", "}", JSON_MAX_DEPTH - 2);
    struct field_set *s = NULL;
    if (!fields || field_set_parse(a, fields, &s, NULL) < 0)
        return "deep fields do not parse";
    if (!field_set_is_empty(field_set_subtract(a, s, field_set_intersect(a, s, field_set_union(a, s, NULL)))))
        return "deep sets do not cancel";
    struct json *object = json_object(a), *entry = json_object(a), *meta = json_object(a),
                *list = json_array(a), *out = NULL;
    json_setz(entry, "operation", json_string(a, STR("Update")));
    json_setz(entry, "manager", json_string(a, STR("m")));
    json_setz(entry, "fieldsV1", deep(a, "{\"f:a\":", "{}", "}", JSON_MAX_DEPTH - 8));
    json_append(list, entry);
    json_setz(meta, "managedFields", list);
    json_setz(object, "metadata", meta);
    struct json *config = json_object(a);
    const struct apply_options o = {.arena = a, .resource = &test_services, .manager = STR("x")};
    return apply_config(&o, object, config, &out) || apply_track(&o, object, out) ? "a deep owner is refused"
                                                                                  : NULL;
}

static const char *decode_deep(struct arena *a)
{
    struct json *object = deep(a, "{\"spec\":", "1", "}", JSON_MAX_DEPTH - 1);
    const struct decode_options options = {.arena = a, .resource = &test_services, .strictness = DECODE_WARN};
    struct decode_report report;
    return object && !object_decode(&options, object, &report) && report.n
               ? NULL
               : "a deep unknown field is not told";
}

static void *run(void *unused)
{
    static const char *(*const walks[])(struct arena *) = {merge_deep, own_deep, decode_deep};
    for (size_t i = 0; i < ARRAY_LEN(walks); i++) {
        _cleanup_(arena_done) struct arena a = {0};
        const char *wrong = walks[i](&a);
        if (wrong)
            return (void *)wrong;
    }
    return NULL;
}

static void test_small_stack(void **state)
{
    pthread_attr_t attributes;
    pthread_t thread;
    void *wrong = NULL;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, STACK_LEN), 0);
    assert_int_equal(pthread_create(&thread, &attributes, run, NULL), 0);
    assert_int_equal(pthread_join(thread, &wrong), 0);
    pthread_attr_destroy(&attributes);
    if (wrong)
        fail_msg("%s", (const char *)wrong);
}

RUN_TESTS(cmocka_unit_test(test_small_stack))
