#include "object/strategic-merge.h"

#include <time.h>

#include "base/test.h"
#include "object/test-schema.h"

/* JSON in the tables has ' for ". */
static struct str quoted(struct arena *a, const char *text)
{
    char *p = arena_dup(a, text, strlen(text));
    for (char *c = p; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    return str_of(p);
}

struct row {
    const char *object, *patch, *expected; /* an error if it does not begin with '{' */
};

static void check(const struct schema_resource *r, const struct row *row)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf out = {0};
    struct json *object = NULL, *patch = NULL;
    struct err err = {0};
    assert_int_equal(json_parse(&a, quoted(&a, row->object), NULL, &object, NULL), 0);
    assert_int_equal(json_parse(&a, quoted(&a, row->patch), NULL, &patch, NULL), 0);
    if (strategic_merge(&a, r->type, object, patch, &err) < 0)
        strbuf_addz(&out, err.text);
    else
        json_write(object, &out);
    struct str expected = row->expected[0] == '{' ? quoted(&a, row->expected) : str_of(row->expected);
    if (!str_eq(strbuf_str(&out), expected))
        fail_msg("%s\n  by %s\n  is %s\n  not %s", row->object, row->patch, strbuf_cstr(&out), row->expected);
}

#define CHECK_ALL(resource, rows)                                                                            \
    for (size_t i_ = 0; i_ < ARRAY_LEN(rows); i_++)                                                          \
    check(resource, &rows[i_])

static void test_objects_and_maps(void **state)
{
    static const struct row rows[] = {
        {"{'a':1,'b':{'c':1}}", "{'b':{'c':null,'d':2},'e':3}", "{'a':1,'b':{'d':2},'e':3}"},
        {"{'metadata':{'labels':{'a':'1','b':'2'}}}", "{'metadata':{'labels':{'a':null,'c':'3'}}}",
         "{'metadata':{'labels':{'b':'2','c':'3'}}}"},
        {"{}", "{'a':{'b':null,'c':{'d':null}}}", "{'a':{'c':{}}}"},
        {"{'a':[1]}", "{'a':{'b':1}}", "{'a':{'b':1}}"},
        {"{'a':{'b':1}}", "{'a':[1,null]}", "{'a':[1,null]}"},
        {"{'a':{'b':1}}", "{'a':null}", "{}"},
        {"{'a':1}", "{'b':null}", "{'a':1}"},
        {"{'a':{'b':1}}", "{'a':{'$patch':'replace','c':2}}", "{'a':{'c':2}}"},
        {"{'a':{'b':1}}", "{'a':{'$patch':'delete'}}", "{'a':{}}"},
        {"{'a':{'b':1}}", "{'a':{'$patch':'merge','c':2}}", "{'a':{'b':1,'c':2}}"},
        {"{'a':{'b':1}}", "{'$patch':'replace','c':2}", "{'c':2}"},
        {"{}", "{'a':{'$patch':'delete','b':1},'c':{'$patch':'replace','d':1}}", "{'c':{'d':1}}"},
        {"{'a':1}", "{'$patch':'x'}",
         "unknown patch type: $patch must be merge, replace or delete, not \"x\""},
        {"{'a':1}", "{'$patch':1}", "unknown patch type: $patch must be merge, replace or delete, not \"\""},
        {"{'a':1}", "[]", "invalid JSON document: a strategic merge patch is an object"},
        {"{'':1}", "{'':null,'a':2}", "{'a':2}"},
    };
    CHECK_ALL(&test_services, rows);
}

static void test_retain_keys(void **state)
{
    static const struct row rows[] = {
        {"{'spec':{'strategy':{'type':'RollingUpdate','rollingUpdate':{'maxSurge':1}}}}",
         "{'spec':{'strategy':{'$retainKeys':['type'],'type':'Recreate'}}}",
         "{'spec':{'strategy':{'type':'Recreate'}}}"},
        {"{'spec':{'strategy':{'type':'a'}}}", "{'spec':{'strategy':{'$retainKeys':['type'],'x':'b'}}}",
         "patch content doesn't match retainKeys list"},
        {"{'spec':{'strategy':{'type':'a'}}}", "{'spec':{'strategy':{'$retainKeys':'type'}}}",
         "invalid patch format of retainKeys"},
        {"{'spec':{}}", "{'spec':{'strategy':{'$retainKeys':['type'],'type':'Recreate'}}}",
         "{'spec':{'strategy':{'type':'Recreate'}}}"},
        {"{'spec':{'template':{'spec':{'volumes':[{'name':'a','emptyDir':{}}]}}}}",
         "{'spec':{'template':{'spec':{'volumes':[{'$retainKeys':['configMap','name'],'name':'a','configMap':"
         "{'name':'c'}}]}}}}",
         "{'spec':{'template':{'spec':{'volumes':[{'name':'a','configMap':{'name':'c'}}]}}}}"},
    };
    CHECK_ALL(&test_deployments, rows);
}

static void test_keyed_lists(void **state)
{
    static const struct row rows[] = {
        {"{'spec':{'ports':[{'port':80,'name':'a'},{'port':443}]}}",
         "{'spec':{'ports':[{'port':443,'name':'b'},{'port':81}]}}",
         "{'spec':{'ports':[{'port':80,'name':'a'},{'port':443,'name':'b'},{'port':81}]}}"},
        {"{'spec':{'ports':[{'port':80},{'port':443}]}}",
         "{'spec':{'ports':[{'$patch':'delete','port':80}]}}", "{'spec':{'ports':[{'port':443}]}}"},
        {"{'spec':{'ports':[{'port':80},{'port':443}]}}",
         "{'spec':{'ports':[{'port':1},{'$patch':'replace'}]}}", "{'spec':{'ports':[{'port':1}]}}"},
        {"{'spec':{'ports':[{'port':80,'name':'a'}]}}",
         "{'spec':{'ports':[{'$patch':'merge','port':80,'name':null}]}}", "{'spec':{'ports':[{'port':80}]}}"},
        {"{'spec':{'ports':[{'port':80}]}}", "{'spec':{'ports':[{'name':'x'}]}}",
         "map: {\"name\":\"x\"} does not contain declared merge key: port"},
        {"{'spec':{'ports':[{'port':80}]}}", "{'spec':{'ports':[{'$patch':'delete','name':'x'}]}}",
         "delete patch type with no merge key defined"},
        {"{'spec':{'ports':[{'port':80}]}}", "{'spec':{'ports':[80]}}",
         "lists of lists and lists of mixed types cannot be merged"},
        {"{'spec':{'ports':[{'port':80}]}}", "{'spec':{'ports':null}}", "{'spec':{}}"},
        {"{'spec':{}}",
         "{'spec':{'ports':[{'port':1,'name':null},{'$patch':'delete','port':2},{'$patch':'replace'}]}}",
         "{'spec':{'ports':[{'port':1}]}}"},
        {"{'spec':{'ports':[{'name':'odd'},{'port':80}]}}", "{'spec':{'ports':[{'port':80,'name':'x'}]}}",
         "{'spec':{'ports':[{'name':'odd'},{'port':80,'name':'x'}]}}"},
        {"{'spec':{'clusterIPs':['a','b']}}", "{'spec':{'clusterIPs':['c']}}",
         "{'spec':{'clusterIPs':['c']}}"},
    };
    CHECK_ALL(&test_services, rows);
}

static void test_scalar_lists(void **state)
{
    static const struct row rows[] = {
        {"{'metadata':{'finalizers':['a','b']}}", "{'metadata':{'finalizers':['b','c']}}",
         "{'metadata':{'finalizers':['a','b','c']}}"},
        {"{'metadata':{'finalizers':['a','b']}}",
         "{'metadata':{'$deleteFromPrimitiveList/finalizers':['a']}}", "{'metadata':{'finalizers':['b']}}"},
        {"{'metadata':{'finalizers':['a','b']}}",
         "{'metadata':{'$deleteFromPrimitiveList/finalizers':['a'],'$setElementOrder/"
         "finalizers':['c','b'],'finalizers':['c']}}",
         "{'metadata':{'finalizers':['c','b']}}"},
        {"{'metadata':{}}", "{'metadata':{'$deleteFromPrimitiveList/finalizers':['a']}}", "{'metadata':{}}"},
        {"{'metadata':{'finalizers':['a']}}", "{'metadata':{'$deleteFromPrimitiveList/finalizers':'a'}}",
         "invalid patch format of primitive list"},
        {"{'metadata':{'finalizers':['a']}}", "{'metadata':{'$deleteFromPrimitiveList/finalizers':[{}]}}",
         "invalid patch format of primitive list"},
        {"{'metadata':{'finalizers':['a']}}", "{'metadata':{'$setElementOrder/finalizers':{}}}",
         "invalid patch format of setElementOrder list"},
        {"{'metadata':{'finalizers':['a']}}", "{'metadata':{'finalizers':[['x']]}}",
         "cannot merge lists without merge key"},
    };
    CHECK_ALL(&test_services, rows);
}

static void test_element_order(void **state)
{
    static const struct row rows[] = {
        /* only an order */
        {"{'spec':{'ports':[{'port':1},{'port':2}]}}",
         "{'spec':{'$setElementOrder/ports':[{'port':2},{'port':1}]}}",
         "{'spec':{'ports':[{'port':2},{'port':1}]}}"},
        /* what the server added stays near what it stood before */
        {"{'spec':{'ports':[{'port':9},{'port':1},{'port':2}]}}",
         "{'spec':{'$setElementOrder/ports':[{'port':3},{'port':2},{'port':1}],'ports':[{'port':3}]}}",
         "{'spec':{'ports':[{'port':3},{'port':9},{'port':2},{'port':1}]}}"},
        {"{'spec':{'ports':[{'port':1},{'port':9}]}}",
         "{'spec':{'$setElementOrder/ports':[{'port':1},{'port':3}],'ports':[{'port':3}]}}",
         "{'spec':{'ports':[{'port':1},{'port':3},{'port':9}]}}"},
        /* one key twice: both protocols of a port */
        {"{'spec':{'ports':[{'port':1,'protocol':'TCP'},{'port':1,'protocol':'UDP'},{'port':2}]}}",
         "{'spec':{'$setElementOrder/ports':[{'port':2},{'port':1}]}}",
         "{'spec':{'ports':[{'port':2},{'port':1,'protocol':'TCP'},{'port':1,'protocol':'UDP'}]}}"},
        {"{'spec':{'ports':[{'port':1}]}}", "{'spec':{'$setElementOrder/ports':[{'name':'x'}]}}",
         "invalid patch format of setElementOrder list"},
        {"{'spec':{}}", "{'spec':{'$setElementOrder/ports':[{'port':1}],'ports':[{'port':1}]}}",
         "{'spec':{'ports':[{'port':1}]}}"},
        {"{'spec':{}}", "{'spec':{'$setElementOrder/ports':[{'port':1}]}}", "{'spec':{}}"},
    };
    CHECK_ALL(&test_services, rows);
}

/* Bodies as kubectl 1.20 to 1.36 sends them. */
static void test_kubectl(void **state)
{
    static const char *const deployment =
        "{'metadata':{'annotations':{'kubectl.kubernetes.io/"
        "last-applied-configuration':'old'},'name':'web'},'spec':{'replicas':2,"
        "'template':{'spec':{'containers':[{'name':'web','image':'nginx:1','ports':[{'containerPort':80,'"
        "protocol':'TCP'}]},"
        "{'name':'side','image':'x'}]}}}}";
    const struct row rows[] = {
        /* apply with a new image and a removed container */
        {deployment,
         "{'metadata':{'annotations':{'kubectl.kubernetes.io/"
         "last-applied-configuration':'new'}},'spec':{'template':{'spec':{"
         "'$setElementOrder/"
         "containers':[{'name':'web'}],'containers':[{'image':'nginx:2','name':'web'},{'$patch':'delete',"
         "'name':'side'}]}}}}",
         "{'metadata':{'annotations':{'kubectl.kubernetes.io/"
         "last-applied-configuration':'new'},'name':'web'},'spec':{'replicas':2,"
         "'template':{'spec':{'containers':[{'name':'web','image':'nginx:2','ports':[{'containerPort':80,'"
         "protocol':'TCP'}]}]}}}}"},
        /* set image */
        {deployment,
         "{'spec':{'template':{'spec':{'$setElementOrder/"
         "containers':[{'name':'web'},{'name':'side'}],'containers':[{'image':"
         "'nginx:3','name':'web'}]}}}}",
         "{'metadata':{'annotations':{'kubectl.kubernetes.io/"
         "last-applied-configuration':'old'},'name':'web'},'spec':{'replicas':2,"
         "'template':{'spec':{'containers':[{'name':'web','image':'nginx:3','ports':[{'containerPort':80,'"
         "protocol':'TCP'}]},"
         "{'name':'side','image':'x'}]}}}}"},
        /* label, and label KEY- */
        {"{'metadata':{'name':'web','labels':{'a':'1'}}}",
         "{'metadata':{'labels':{'a':null,'tier':'front'}}}",
         "{'metadata':{'name':'web','labels':{'tier':'front'}}}"},
        {"{'metadata':{'name':'web'}}", "{'metadata':{'annotations':{'note':'x'}}}",
         "{'metadata':{'name':'web','annotations':{'note':'x'}}}"},
        /* scale */
        {"{'spec':{'replicas':2}}", "{'spec':{'replicas':5}}", "{'spec':{'replicas':5}}"},
        /* edit: an environment variable removed, one added */
        {"{'spec':{'template':{'spec':{'containers':[{'name':'web','env':[{'name':'A','value':'1'},{'name':'"
         "B'}]}]}}}}",
         "{'spec':{'template':{'spec':{'$setElementOrder/"
         "containers':[{'name':'web'}],'containers':[{'$setElementOrder/env':"
         "[{'name':'C'},{'name':'B'}],'env':[{'name':'C','value':'3'},{'$patch':'delete','name':'A'}],'name':"
         "'web'}]}}}}",
         "{'spec':{'template':{'spec':{'containers':[{'name':'web','env':[{'name':'C','value':'3'},{'name':'"
         "B'}]}]}}}}"},
        /* patch of nested atomic things */
        {"{'spec':{'selector':{'matchLabels':{'a':'b'}}}}",
         "{'spec':{'selector':{'matchLabels':{'a':null,'c':'d'}}}}",
         "{'spec':{'selector':{'matchLabels':{'c':'d'}}}}"},
    };
    CHECK_ALL(&test_deployments, rows);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* 40,000 members and elements each way: a walk for each would take minutes. */
static void test_big_patches_are_linear(void **state)
{
    enum { N = 40000 };
    _cleanup_(arena_done) struct arena a = {0};
    struct strbuf texts[2] = {0};
    for (int side = 0; side < 2; side++) {
        struct strbuf *b = &texts[side];
        strbuf_addz(b, "{\"metadata\":{\"labels\":{\"x\":\"\"");
        for (int i = 0; i < N; i++)
            strbuf_addf(b, ",\"k%d\":%s", i * (side + 1), side && i % 2 ? "null" : "\"v\"");
        strbuf_addz(b, "},\"finalizers\":[\"x\"");
        for (int i = 0; i < N; i++)
            strbuf_addf(b, ",\"f%d\"", i * (side + 1));
        strbuf_addz(b, side ? "],\"$deleteFromPrimitiveList/finalizers\":[\"x\"" : "],\"none\":[\"\"");
        for (int i = 0; i < N; i++)
            strbuf_addf(b, ",\"f%d\"", i * 3);
        strbuf_addz(b, "]},\"spec\":{\"ports\":[{\"port\":1}");
        for (int i = 2; i < N; i++)
            strbuf_addf(b, ",{\"port\":%d%s}", i * (side + 1),
                        side && i % 3 == 0 ? ",\"$patch\":\"delete\"" : "");
        strbuf_addz(b, side ? "],\"$setElementOrder/ports\":[{\"port\":1}" : "],\"none\":[\"\"");
        for (int i = N; side && i > 1; i--)
            strbuf_addf(b, ",{\"port\":%d}", i);
        strbuf_addz(b, "]}}");
    }
    struct json *object = NULL, *patch = NULL;
    struct err err = {0};
    assert_int_equal(json_parse(&a, strbuf_str(&texts[0]), NULL, &object, NULL), 0);
    assert_int_equal(json_parse(&a, strbuf_str(&texts[1]), NULL, &patch, NULL), 0);
    double start = seconds();
    assert_int_equal(strategic_merge(&a, test_services.type, object, patch, &err), 0);
    assert_true(seconds() - start < 2);
    assert_int_equal(json_path(object, "metadata", "labels", NULL)->n, 1 + N + N / 4 - N / 4);
    for (int side = 0; side < 2; side++)
        strbuf_done(&texts[side]);
}

RUN_TESTS(cmocka_unit_test(test_objects_and_maps), cmocka_unit_test(test_retain_keys),
          cmocka_unit_test(test_keyed_lists), cmocka_unit_test(test_scalar_lists),
          cmocka_unit_test(test_element_order), cmocka_unit_test(test_kubectl),
          cmocka_unit_test(test_big_patches_are_linear))
