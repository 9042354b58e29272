#include "object/selector.h"

#include "base/test.h"

static struct json *parse(struct arena *a, const char *text)
{
    struct json *v = NULL;
    assert_int_equal(json_parse(a, str_of(text), NULL, &v, NULL), 0);
    return v;
}

static void test_labels_match(void **state)
{
    static const struct {
        const char *selector, *labels;
        bool matches;
    } rows[] = {
        {"", "{}", true},
        {"a", "{\"a\":\"\"}", true},
        {"a", "{}", false},
        {"!a", "{}", true},
        {"! a", "{\"a\":\"1\"}", false},
        {"a=1", "{\"a\":\"1\"}", true},
        {"a==1,b!=2", "{\"a\":\"1\"}", true},
        {"a = 1 , b != 2", "{\"a\":\"1\",\"b\":\"2\"}", false},
        {"a in (x, y)", "{\"a\":\"y\"}", true},
        {"a in (x,y)", "{\"a\":\"z\"}", false},
        {"a notin (x,y)", "{}", true},
        {"a notin (x,y)", "{\"a\":\"x\"}", false},
        {"a in (,x)", "{\"a\":\"\"}", true},
        {"a in ()", "{\"a\":\"\"}", true},
        {"a=", "{\"a\":\"\"}", true},
        {"a=,b", "{\"a\":\"\",\"b\":\"\"}", true},
        {"in in (in,notin)", "{\"in\":\"notin\"}", true},
        {"a>5", "{\"a\":\"6\"}", true},
        {"a<5", "{\"a\":\"6\"}", false},
        {"a>5", "{\"a\":\"x\"}", false},
        {"x.io/a=1", "{\"x.io/a\":\"1\"}", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_(arena_done) struct arena a = {0};
        _cleanup_(strbuf_done) struct strbuf out = {0};
        struct label_selector s, again;
        struct err err = {0};
        struct json *labels = parse(&a, rows[i].labels);
        if (label_selector_parse(&a, str_of(rows[i].selector), &s, &err) < 0)
            fail_msg("%s: %s", rows[i].selector, err.text);
        if (label_selector_matches(&s, labels) != rows[i].matches)
            fail_msg("%s on %s", rows[i].selector, rows[i].labels);
        label_selector_write(&s, &out);
        assert_int_equal(label_selector_parse(&a, strbuf_str(&out), &again, &err), 0);
        assert_int_equal(label_selector_matches(&again, labels), rows[i].matches);
    }
}

static void test_label_refusals(void **state)
{
    static const char *const rows[][2] = {
        {",", "found ',', expected: !, identifier, or 'end of string'"},
        {"a,", "found '', expected: identifier after ','"},
        {"a=1,,b", "found ',', expected: identifier after ','"},
        {"a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"},
        {"a=1 2", "found '2', expected: ',' or 'end of string'"},
        {"a in x", "unable to parse requirement: found 'x', expected: '('"},
        {"a in (x", "unable to parse requirement: found '', expected: ',' or ')'"},
        {"a in (x y)", "unable to parse requirement: found 'y', expected: ',' or ')'"},
        {"!", "unable to parse requirement: found '', expected: identifier"},
        {"!a=1", "found '=', expected: ',' or 'end of string'"},
        {"a=(", "unable to parse requirement: found '(', expected: identifier"},
        {"a>x", "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the "
                "value must be an "
                "integer"},
        {"-a", "unable to parse requirement: <nil>: Invalid value: \"-a\": name part must consist of"},
        {"a=-b", "unable to parse requirement: values[0][a]: Invalid value: \"-b\": a valid label must be"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_(arena_done) struct arena a = {0};
        struct label_selector s;
        struct err err = {0};
        assert_true(label_selector_parse(&a, str_of(rows[i][0]), &s, &err) < 0);
        if (!str_has_prefix(str_of(err.text), str_of(rows[i][1])))
            fail_msg("%s: %s", rows[i][0], err.text);
    }
}

static void test_limits(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf text = {0};
    struct label_selector s;
    for (int i = 0; i <= SELECTOR_MAX_REQUIREMENTS; i++)
        strbuf_addf(&text, "%sa%d", i ? "," : "", i);
    struct err err = {0};
    assert_true(label_selector_parse(&a, strbuf_str(&text), &s, &err) < 0);
    assert_string_equal(err.text, "more than 256 requirements in a selector");
    strbuf_truncate(&text, 0);
    strbuf_addz(&text, "a in (");
    for (int i = 0; i <= SELECTOR_MAX_VALUES; i++)
        strbuf_addz(&text, "x,");
    assert_true(label_selector_parse(&a, strbuf_str(&text), &s, &err) < 0);
    strbuf_truncate(&text, 0);
    for (int i = 0; i <= SELECTOR_MAX_REQUIREMENTS; i++)
        strbuf_addz(&text, "a=b,");
    struct field_selector f;
    assert_true(field_selector_parse(&a, strbuf_str(&text), &f, &err) < 0);
}

static void test_selector_objects(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf out = {0};
    struct label_selector s;
    struct err err = {0};
    struct json *labels = parse(&a, "{\"app\":\"web\",\"tier\":\"b\"}");
    assert_int_equal(label_selector_from_object(&a, NULL, &s, &err), 0);
    assert_false(label_selector_matches(&s, labels));
    assert_int_equal(label_selector_from_object(&a, parse(&a, "{}"), &s, &err), 0);
    assert_true(label_selector_matches(&s, labels));
    const char *text =
        "{\"matchLabels\":{\"app\":\"web\"},\"matchExpressions\":[{\"key\":\"tier\",\"operator\":\"In\","
        "\"values\":[\"b\",\"a\"]},{\"key\":\"x\",\"operator\":\"DoesNotExist\"}]}";
    assert_int_equal(label_selector_from_object(&a, parse(&a, text), &s, &err), 0);
    assert_true(label_selector_matches(&s, labels));
    label_selector_write(&s, &out);
    assert_str(strbuf_str(&out), "app=web,tier in (a,b),!x");
    static const char *const wrong[][2] = {
        {"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Like\"}]}",
         "\"Like\" is not a valid label selector operator"},
        {"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\"}]}",
         "values: Invalid value: []: for 'in'"},
        {"{\"matchLabels\":{\"a\":\"b c\"}}", "values[0][a]: Invalid value: \"b c\": a valid label"},
        {"{\"matchLabels\":{\"\":\"b\"}}", "key: Invalid value: \"\": name part must be non-empty"},
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        assert_true(label_selector_from_object(&a, parse(&a, wrong[i][0]), &s, &err) < 0);
        if (!str_has_prefix(str_of(err.text), str_of(wrong[i][1])))
            fail_msg("%s: %s", wrong[i][0], err.text);
    }
    label_selector_from_map(&a, parse(&a, "{\"app\":\"web\"}"), &s);
    assert_true(label_selector_matches(&s, labels));
    label_selector_from_map(&a, NULL, &s);
    assert_false(label_selector_matches(&s, labels));
}

static void test_fields(void **state)
{
    static const struct {
        const char *selector;
        bool matches;
        const char *written;
    } rows[] = {
        {"", true, ""},
        {"metadata.name=web", true, "metadata.name=web"},
        {"metadata.name==web,spec.type!=ClusterIP", true, "metadata.name=web,spec.type!=ClusterIP"},
        {"spec.clusterIP!=None", true, "spec.clusterIP!=None"},
        {"spec.port=80,spec.on=true", true, "spec.port=80,spec.on=true"},
        {"spec.absent=", true, "spec.absent="},
        {"spec.absent!=", false, "spec.absent!="},
        {"spec.odd=a\\,b\\=c\\\\", true, "spec.odd=a\\,b\\=c\\\\"},
        {",metadata.name=web,", true, "metadata.name=web"},
    };
    _cleanup_(arena_done) struct arena a = {0};
    struct json *object =
        parse(&a, "{\"metadata\":{\"name\":\"web\"},\"spec\":{\"type\":\"NodePort\",\"port\":80,"
                  "\"on\":true,\"odd\":\"a,b=c\\\\\"}}");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_(strbuf_done) struct strbuf out = {0};
        struct field_selector s;
        struct err err = {0};
        if (field_selector_parse(&a, str_of(rows[i].selector), &s, &err) < 0)
            fail_msg("%s: %s", rows[i].selector, err.text);
        if (field_selector_matches(&s, object) != rows[i].matches)
            fail_msg("%s", rows[i].selector);
        field_selector_write(&s, &out);
        assert_str(strbuf_str(&out), rows[i].written);
    }
}

static void test_field_refusals(void **state)
{
    static const char *const rows[][2] = {
        {"a", "invalid selector: 'a'; can't understand 'a'"},
        {"a=b=c", "invalid field selector: unescaped character in value: ="},
        {"a=\\x", "invalid field selector: invalid escape sequence: \\x"},
        {"a=\\", "invalid field selector: invalid escape sequence: \\"},
    };
    _cleanup_(arena_done) struct arena a = {0};
    struct field_selector s;
    struct err err = {0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(field_selector_parse(&a, str_of(rows[i][0]), &s, &err) < 0);
        assert_string_equal(err.text, rows[i][1]);
    }
    static const struct str selectable[] = {STR_INIT("spec.type")};
    static const struct schema_resource services = {.selectable = selectable, .n_selectable = 1};
    assert_int_equal(field_selector_parse(&a, STR("metadata.name=a,spec.type=b"), &s, &err), 0);
    assert_int_equal(field_selector_check(&s, &services, &err), 0);
    assert_str(field_selector_exact(&s, STR("metadata.name")), "a");
    assert_int_equal(field_selector_parse(&a, STR("spec.foo=b"), &s, &err), 0);
    assert_true(field_selector_check(&s, &services, &err) < 0);
    assert_string_equal(err.text, "field label not supported: spec.foo");
}

static void test_odd_bytes_survive(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf out = {0};
    struct field_selector s;
    assert_int_equal(field_selector_parse(&a, STR("a\0!b=c"), &s, NULL), 0);
    field_selector_write(&s, &out);
    assert_true(str_eq(strbuf_str(&out), STR("a\0!b=c")));
}

RUN_TESTS(cmocka_unit_test(test_odd_bytes_survive), cmocka_unit_test(test_labels_match),
          cmocka_unit_test(test_label_refusals), cmocka_unit_test(test_limits),
          cmocka_unit_test(test_selector_objects), cmocka_unit_test(test_fields),
          cmocka_unit_test(test_field_refusals))
