/* The generated tables of real kinds under what this folder does with them: bodies as clients send them are
 * decoded strictly, defaulted, patched and applied. */
#include "base/test.h"
#include "object/apply.h"
#include "object/decode.h"
#include "object/defaults.h"
#include "object/meta.h"
#include "object/strategic-merge.h"
#include "object/validate.h"

/* JSON here has ' for ". */
static struct json *parse(struct arena *a, const char *text)
{
    struct json *v = NULL;
    char *p = arena_dup(a, text, strlen(text));
    for (char *c = p; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    assert_int_equal(json_parse(a, str_of(p), NULL, &v, NULL), 0);
    return v;
}

static const struct schema_resource *kind(const char *group, const char *plural)
{
    const struct schema_resource *r = schema_find_resource(str_of(group), STR("v1"), str_of(plural));
    assert_non_null(r);
    return r;
}

/* Decodes strictly, defaults and checks the schema's rules, as a write does; all of it twice, as it must not
 * matter. */
static void settle(struct arena *a, const struct schema_resource *r, struct json *object)
{
    struct json *first = NULL;
    for (int twice = 0; twice < 2; twice++) {
        const struct decode_options options = {.arena = a, .resource = r, .strictness = DECODE_STRICT};
        struct decode_report report;
        const struct status *refusal = object_decode(&options, object, &report);
        if (refusal)
            fail_msg("%.*s", STR_ARG(refusal->message));
        defaults_apply(a, r->type, object);
        struct field_errors errors = {.arena = a};
        validate_schema(&errors, NULL, r->type, object, NULL);
        if (errors.n)
            fail_msg("%.*s", STR_ARG(field_errors_text(&errors)));
        assert_true(!first || json_equal(first, object));
        first = json_copy(a, object);
    }
}

static void patch(struct arena *a, const struct schema_resource *r, struct json *object, const char *text)
{
    struct err err = {0};
    if (strategic_merge(a, r->type, object, parse(a, text), &err) < 0)
        fail_msg("%s: %s", text, err.text);
    settle(a, r, object);
}

static void assert_at(const struct json *object, const char *path, const char *expected)
{
    _cleanup_(strbuf_done) struct strbuf out = {0};
    struct str rest = str_of(path), part;
    const struct json *v = object;
    while (str_split(&rest, '/', &part)) {
        int64_t i;
        v = json_is(v, JSON_ARRAY) && str_to_int64(part, &i) == 0 ? json_at(v, (size_t)i) : json_get(v, part);
    }
    if (v)
        json_write(v, &out);
    if (!str_eqz(strbuf_str(&out), expected))
        fail_msg("%s is %s, not %s", path, strbuf_cstr(&out), expected);
}

/* `kubectl create deployment web --image=nginx:1 --port=80` and what people do to it then. */
static void test_deployment(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    const struct schema_resource *r = kind("apps", "deployments");
    struct json *o = parse(
        &a,
        "{'kind':'Deployment','apiVersion':'apps/"
        "v1','metadata':{'name':'web','creationTimestamp':null,'labels':{"
        "'app':'web'}},'spec':{'replicas':1,'selector':{'matchLabels':{'app':'web'}},'template':{'metadata':{"
        "'creationTimestamp':null,'labels':{'app':'web'}},'spec':{'containers':[{'name':'nginx','image':'"
        "nginx:1',"
        "'ports':[{'containerPort':80}],'resources':{}}]}},'strategy':{}},'status':{}}");
    settle(&a, r, o);
    assert_at(o, "spec/strategy/rollingUpdate/maxSurge", "\"25%\"");
    assert_at(o, "spec/template/spec/containers/0/ports/0/protocol", "\"TCP\"");
    patch(&a, r, o,
          "{'spec':{'template':{'spec':{'$setElementOrder/"
          "containers':[{'name':'nginx'}],'containers':[{'image':'nginx:2',"
          "'name':'nginx'}]}}}}"); /* set image */
    assert_at(o, "spec/template/spec/containers/0/image", "\"nginx:2\"");
    assert_at(o, "spec/template/spec/containers/0/ports/0/containerPort", "80");
    patch(&a, r, o, "{'spec':{'strategy':{'$retainKeys':['type'],'type':'Recreate'}}}"); /* apply */
    assert_at(o, "spec/strategy", "{\"type\":\"Recreate\"}");
    patch(&a, r, o,
          "{'spec':{'template':{'spec':{'containers':[{'name':'side','image':'x'},{'$patch':'delete','name':'"
          "nginx'}],"
          "'volumes':[{'name':'v','emptyDir':{}}]}}}}"); /* edit */
    assert_at(o, "spec/template/spec/containers/0/name", "\"side\"");
    assert_at(o, "spec/template/spec/volumes", "[{\"name\":\"v\",\"emptyDir\":{}}]");
}

static void test_service(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    const struct schema_resource *r = kind("", "services");
    struct json *o = parse(&a, "{'apiVersion':'v1','kind':'Service','metadata':{'name':'dns'},'spec':{'"
                               "selector':{'app':'dns'},'ports':["
                               "{'name':'udp','port':53,'protocol':'UDP'},{'name':'tcp','port':53}]}}");
    const struct apply_options kubectl = {.arena = &a, .resource = r, .manager = STR("kubectl")};
    struct json *live = NULL, *again = NULL;
    assert_null(apply_config(&kubectl, NULL, json_copy(&a, o), &live));
    settle(&a, r, live);
    assert_at(live, "spec/ports/1/protocol", "\"TCP\"");
    assert_null(apply_config(&kubectl, live, json_copy(&a, o), &again));
    assert_true(json_equal(live, again));
    const struct apply_options other = {.arena = &a, .resource = r, .manager = STR("other")};
    json_setz(json_at(json_path(o, "spec", "ports", NULL), 1), "name", json_string(&a, STR("x")));
    const struct status *refusal = apply_config(&other, live, json_copy(&a, o), &again);
    assert_non_null(refusal);
    assert_str(refusal->message, "Apply failed with 1 conflict: conflict with \"kubectl\": "
                                 ".spec.ports[port=53,protocol=\"TCP\"].name");
}

/* The other kinds decode and default by themselves. */
static void test_others(void **state)
{
    static const struct {
        const char *group, *plural, *object;
    } rows[] = {
        {"", "configmaps", "{'data':{'a':'b'},'binaryData':{'c':'aGk='},'immutable':true}"},
        {"", "secrets", "{'type':'Opaque','data':{'a':'aGk='},'stringData':{'b':'c'}}"},
        {"", "namespaces", "{'metadata':{'name':'x'}}"},
        {"", "nodes",
         "{'spec':{'podCIDR':'10.0.0.0/"
         "24'},'status':{'addresses':[{'type':'InternalIP','address':'10.0.0.1'}]}}"},
        {"", "pods",
         "{'spec':{'containers':[{'name':'a','image':'b','env':[{'name':'X','value':'1'}]}]},'status':{'"
         "podIP':'10.0.0.2'}}"},
        {"", "endpoints", "{'subsets':[{'addresses':[{'ip':'10.0.0.2'}],'ports':[{'port':80}]}]}"},
        {"", "serviceaccounts", "{'automountServiceAccountToken':false}"},
        {"", "events", "{'involvedObject':{'kind':'Pod','name':'x','namespace':'d'},'reason':'R','count':1}"},
        {"events.k8s.io", "events",
         "{'regarding':{'kind':'Pod','name':'x'},'eventTime':'2026-11-24T08:14:15.000001Z','action':'A'}"},
        {"discovery.k8s.io", "endpointslices",
         "{'addressType':'IPv4','endpoints':[{'addresses':['10.0.0.2'],'conditions':{'ready':true}}],'ports':"
         "[{'name':'','port':80}]}"},
        {"coordination.k8s.io", "leases",
         "{'spec':{'holderIdentity':'x','renewTime':'2026-11-24T08:14:15.5Z'}}"},
        {"networking.k8s.io", "servicecidrs", "{'spec':{'cidrs':['10.96.0.0/16']}}"},
        {"networking.k8s.io", "ipaddresses",
         "{'spec':{'parentRef':{'resource':'services','name':'x','namespace':'d'}}}"},
        {"apps", "replicasets",
         "{'spec':{'selector':{'matchLabels':{'a':'b'}},'template':{'metadata':{'labels':{'a':'b'}},'spec':{"
         "'containers':[{'name':'a','image':'b'}]}}}}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_(arena_done) struct arena a = {0};
        const struct schema_resource *r = kind(rows[i].group, rows[i].plural);
        struct json *o = parse(&a, rows[i].object), *applied = NULL;
        settle(&a, r, o);
        const struct apply_options options = {.arena = &a, .resource = r, .manager = STR("m")};
        assert_null(apply_track(&options, NULL, o));
        const struct status *refusal = apply_config(&options, o, parse(&a, rows[i].object), &applied);
        if (refusal)
            fail_msg("%s: %.*s", rows[i].plural, STR_ARG(refusal->message));
    }
}

RUN_TESTS(cmocka_unit_test(test_deployment), cmocka_unit_test(test_service), cmocka_unit_test(test_others))
