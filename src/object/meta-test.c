#include "object/meta.h"

#include "base/test.h"

static struct json *parse(struct arena *a, const char *text)
{
    struct json *v = NULL;
    assert_int_equal(json_parse(a, str_of(text), NULL, &v, NULL), 0);
    return v;
}

static void assert_written(const struct json *v, const char *expected)
{
    _cleanup_(strbuf_done) struct strbuf out = {0};
    json_write(v, &out);
    assert_str(strbuf_str(&out), expected);
}

static const struct walltime now = {INT64_C(1795508055) * TIME_S_NS}; /* 2026-11-24T08:14:15Z */

static void test_creation(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *o = parse(&a, "{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"9\","
                               "\"deletionTimestamp\":\"x\",\"uid\":\"mine\"}}");
    meta_init(&a, o, &(struct meta_new){STR("ns"), STR("u"), now, true});
    assert_written(o, "{\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"namespace\":\"ns\","
                      "\"creationTimestamp\":\"2026-11-24T08:14:15Z\","
                      "\"generation\":1}}");
    meta_set_resource_version(&a, o, 42);
    assert_str(meta_resource_version(o), "42");
    assert_str(meta_name(o), "a");
    assert_str(meta_namespace(o), "ns");
    assert_int_equal(meta_generation(o), 1);
    assert_false(meta_is_deleted(o));
    meta_set_deleted(&a, o, now, 30);
    assert_true(meta_is_deleted(o));
    assert_str(json_string_at(o, "metadata", "deletionTimestamp"), "2026-11-24T08:14:45Z");
    assert_int_equal(json_int_at(o, 0, "metadata", "deletionGracePeriodSeconds"), 30);
}

static void test_generated_names(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct random random;
    random_seed(&random, 7);
    struct json *o = parse(&a, "{}");
    assert_false(meta_generate_name(&a, o, &random));
    o = parse(&a, "{\"metadata\":{\"generateName\":\"web-\"}}");
    assert_true(meta_generate_name(&a, o, &random));
    struct str first = arena_str(&a, meta_name(o));
    assert_int_equal(first.len, 9);
    assert_true(str_has_prefix(first, STR("web-")));
    assert_true(meta_generate_name(&a, o, &random));
    assert_false(str_eq(first, meta_name(o)));
    char big[100];
    memset(big, 'x', sizeof big);
    meta_set(&a, o, "generateName", (struct str){big, sizeof big});
    assert_true(meta_generate_name(&a, o, &random));
    assert_int_equal(meta_name(o).len, 63);
}

static void test_generation_counts_changes(void **state)
{
    static const struct {
        const char *object;
        int64_t generation;
    } rows[] = {
        {"{\"kind\":\"K\",\"metadata\":{\"labels\":{}},\"spec\":{\"a\":1},\"status\":{\"b\":2}}", 3},
        {"{\"spec\":{\"a\":2}}", 4},
        {"{}", 4},
        {"{\"spec\":{\"a\":1},\"data\":{}}", 4},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_(arena_done) struct arena a = {0};
        struct json *old = parse(&a, "{\"metadata\":{\"generation\":3},\"spec\":{\"a\":1},\"status\":{}}");
        struct json *o = parse(&a, rows[i].object);
        assert_int_equal(meta_count_generation(&a, o, old), rows[i].generation == 4);
        assert_int_equal(meta_generation(o), rows[i].generation);
    }
}

static void test_updates_keep(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *old =
        parse(&a, "{\"metadata\":{\"uid\":\"u\",\"creationTimestamp\":\"c\",\"generation\":3}}");
    struct json *o = parse(&a, "{\"metadata\":{\"creationTimestamp\":\"x\",\"deletionTimestamp\":\"y\"}}");
    meta_keep(&a, o, old);
    assert_written(o, "{\"metadata\":{\"creationTimestamp\":\"c\",\"generation\":3,\"uid\":\"u\"}}");
}

static void test_owners_and_finalizers(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *o = parse(&a, "{\"metadata\":{\"ownerReferences\":[{\"uid\":\"1\"}]}}");
    assert_null(meta_controller(o));
    meta_add_controller(&a, o,
                        &(struct meta_owner_ref){STR("apps/v1"), STR("ReplicaSet"), STR("r"), STR("2")});
    assert_str(json_string_at(meta_controller(o), "name"), "r");
    assert_non_null(meta_owner(o, STR("1")));
    assert_null(meta_owner(o, STR("")));
    assert_int_equal(meta_owners(o)->n, 2);
    meta_add_finalizer(&a, o, STR("x/y"));
    meta_add_finalizer(&a, o, STR("x/y"));
    meta_add_finalizer(&a, o, STR("z"));
    assert_int_equal(meta_count_finalizers(o), 2);
    assert_true(meta_remove_finalizer(o, STR("x/y")));
    assert_false(meta_remove_finalizer(o, STR("x/y")));
    assert_true(meta_has_finalizer(o, STR("z")));
    assert_true(meta_remove_finalizer(o, STR("z")));
    assert_null(json_path(o, "metadata", "finalizers", NULL));
}

static void test_labels_and_annotations(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *o = parse(&a, "{}");
    assert_null(meta_labels(o));
    meta_set_label(&a, o, STR("a"), STR("b"));
    meta_set_annotation(&a, o, STR("c"), STR(""));
    assert_str(meta_label(o, "a"), "b");
    assert_str(meta_annotation(o, "c"), "");
    assert_written(o, "{\"metadata\":{\"labels\":{\"a\":\"b\"},\"annotations\":{\"c\":\"\"}}}");
}

RUN_TESTS(cmocka_unit_test(test_creation), cmocka_unit_test(test_generated_names),
          cmocka_unit_test(test_generation_counts_changes), cmocka_unit_test(test_updates_keep),
          cmocka_unit_test(test_owners_and_finalizers), cmocka_unit_test(test_labels_and_annotations))
