#include "object/apply.h"

#include "base/test.h"
#include "object/defaults.h"
#include "object/meta.h"
#include "object/test-schema.h"

/* JSON in the tables has ' for ", and ` for a " inside a string. */
static struct json *parse(struct arena *a, const char *text)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    struct json *v = NULL;
    struct err err = {0};
    for (const char *c = text; *c; c++)
        strbuf_addf(&b, *c == '`' ? "\\\"" : "%c", *c == '\'' ? '"' : *c);
    if (json_parse(a, arena_str(a, strbuf_str(&b)), NULL, &v, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return v;
}

/* One object and what writes do to it. */
struct scene {
    struct arena arena;
    const struct schema_resource *resource;
    struct json *object; /* NULL: not there */
    int second;
};

static void scene_done(struct scene *s)
{
    arena_done(&s->arena);
}

static struct apply_options options(struct scene *s, const char *manager)
{
    return (struct apply_options){
        .arena = &s->arena,
        .resource = s->resource,
        .manager = str_of(manager),
        .now = {(INT64_C(1795508055) + s->second++) * TIME_S_NS}, /* 2026-11-24T08:14:15Z */
    };
}

static struct status *try_apply(struct scene *s, const struct apply_options *o, const char *config)
{
    struct json *object = NULL;
    struct status *refusal = apply_config(o, s->object, parse(&s->arena, config), &object);
    if (!refusal) {
        defaults_apply(&s->arena, s->resource->type, object);
        s->object = object;
    }
    return refusal;
}

static void apply(struct scene *s, const char *manager, const char *config)
{
    struct apply_options o = options(s, manager);
    const struct status *refusal = try_apply(s, &o, config);
    if (refusal)
        fail_msg("%.*s", STR_ARG(refusal->message));
}

static void assert_conflict(struct scene *s, const char *manager, const char *config, const char *message)
{
    struct apply_options o = options(s, manager);
    const struct status *refusal = try_apply(s, &o, config);
    assert_non_null(refusal);
    assert_str(refusal->message, message);
}

/* An update by MANAGER that makes the object OBJECT; its managedFields are those in OBJECT. */
static void update(struct scene *s, const char *manager, const char *object)
{
    struct apply_options o = options(s, manager);
    struct json *next = parse(&s->arena, object);
    assert_null(apply_track(&o, s->object, next));
    s->object = next;
}

static void assert_json(struct scene *s, const struct json *v, const char *expected)
{
    _cleanup_(strbuf_done) struct strbuf out = {0}, want = {0};
    json_write(v, &out);
    json_write(parse(&s->arena, expected), &want);
    assert_string_equal(strbuf_cstr(&out), strbuf_cstr(&want));
}

/* The object without its managedFields. */
static void assert_object(struct scene *s, const char *expected)
{
    struct json *copy = json_copy(&s->arena, s->object);
    json_unsetz(meta_get(copy), "managedFields");
    assert_json(s, copy, expected);
}

/* What MANAGER owns. */
static void assert_owns(struct scene *s, const char *manager, const char *expected)
{
    json_foreach (meta_managed_fields(s->object), e) {
        if (!str_eqz(json_string_at(e, "manager"), manager))
            continue;
        assert_json(s, json_getz(e, "fieldsV1"), expected);
        return;
    }
    assert_string_equal("nothing", expected);
}

#define DEPLOYMENT "'apiVersion':'apps/v1','kind':'Deployment','metadata':{'name':'web'"
#define SERVICE    "'apiVersion':'v1','kind':'Service','metadata':{'name':'web'"

static void test_create_by_apply(void **state)
{
    _cleanup_(scene_done) struct scene s = {.resource = &test_services};
    apply(&s, "a",
          "{" SERVICE
          ",'labels':{'x':'1'},'finalizers':['f/g']},'spec':{'ports':[{'port':80,'targetPort':'http'}],"
          "'selector':{'app':'web'}}}");
    assert_json(
        &s, meta_managed_fields(s.object),
        "[{'manager':'a','operation':'Apply','apiVersion':'v1','time':'2026-11-24T08:14:15Z','fieldsType':'"
        "FieldsV1',"
        "'fieldsV1':{'f:metadata':{'f:finalizers':{'v:`f/g`':{}},'f:labels':{'f:x':{}}},'f:spec':{'f:ports':{"
        "'k:{`port`:80,`protocol`:`TCP`}':{'.':{},'f:port':{},'f:targetPort':{}}},'f:selector':{}}}}]");
    assert_object(
        &s, "{" SERVICE
            ",'labels':{'x':'1'},'finalizers':['f/g']},'spec':{'ports':[{'port':80,'targetPort':'http',"
            "'protocol':'TCP'}],'selector':{'app':'web'},'sessionAffinity':'None','type':'ClusterIP'}}");
}

static void test_same_apply_changes_nothing(void **state)
{
    _cleanup_(scene_done) struct scene s = {.resource = &test_services};
    const char *config = "{" SERVICE "},'spec':{'ports':[{'port':443,'name':'b'},{'port':80,'name':'a'}]}}";
    apply(&s, "a", config);
    struct json *before = json_copy(&s.arena, s.object);
    apply(&s, "a", config);
    assert_true(json_equal(before, s.object));
    apply(&s, "b", config); /* another owner is a change */
    assert_false(json_equal(before, s.object));
}

static void test_removed_fields_go(void **state)
{
    _cleanup_(scene_done) struct scene s = {.resource = &test_services};
    apply(&s, "a",
          "{" SERVICE
          ",'labels':{'x':'1','y':'2'}},'spec':{'ports':[{'port':80,'name':'a'},{'port':443,'name':'b'}]}}");
    apply(&s, "b", "{" SERVICE ",'labels':{'y':'2'}}}");
    apply(&s, "a", "{" SERVICE "},'spec':{'ports':[{'port':443}]}}");
    /* y stays for b; port 80 goes whole with its default; the name of 443 goes, its protocol nobody owned
     * stays */
    assert_object(&s, "{" SERVICE ",'labels':{'y':'2'}},'spec':{'ports':[{'port':443,'protocol':'TCP'}],"
                      "'sessionAffinity':'None','type':'ClusterIP'}}");
    assert_owns(&s, "a", "{'f:spec':{'f:ports':{'k:{`port`:443,`protocol`:`TCP`}':{'.':{},'f:port':{}}}}}");
    /* what is left of nobody's is left alone, and metadata never goes */
    apply(&s, "a", "{" SERVICE "}}");
    assert_object(&s,
                  "{" SERVICE ",'labels':{'y':'2'}},'spec':{'sessionAffinity':'None','type':'ClusterIP'}}");
    assert_owns(&s, "a", "nothing");
}

static void test_conflicts(void **state)
{
    _cleanup_(scene_done) struct scene s = {.resource = &test_deployments};
    update(&s, "kubectl-client-side-apply", "{" DEPLOYMENT "},'spec':{'replicas':2,'paused':true}}");
    assert_owns(&s, "kubectl-client-side-apply", "{'f:spec':{'f:paused':{},'f:replicas':{}}}");
    assert_conflict(&s, "a", "{" DEPLOYMENT "},'spec':{'replicas':3}}",
                    "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using "
                    "apps/v1: .spec.replicas");
    assert_conflict(&s, "a", "{" DEPLOYMENT "},'spec':{'replicas':3,'paused':false}}",
                    "Apply failed with 2 conflicts: conflicts with \"kubectl-client-side-apply\" using "
                    "apps/v1:\n- .spec.paused\n- "
                    ".spec.replicas");
    apply(&s, "a", "{" DEPLOYMENT "},'spec':{'replicas':2}}"); /* the same value: both own it */
    assert_owns(&s, "a", "{'f:spec':{'f:replicas':{}}}");
    assert_owns(&s, "kubectl-client-side-apply", "{'f:spec':{'f:paused':{},'f:replicas':{}}}");
    struct apply_options o = options(&s, "b");
    const struct status *refusal = try_apply(&s, &o, "{" DEPLOYMENT "},'spec':{'replicas':9}}");
    assert_non_null(refusal);
    assert_int_equal(refusal->code, 409);
    assert_int_equal(refusal->n_causes, 2);
    assert_str(refusal->causes[0].reason, "FieldManagerConflict");
    assert_str(refusal->causes[0].message, "conflict with \"a\"");
    assert_str(refusal->causes[0].field, ".spec.replicas");
    o.force = APPLY_FORCE;
    assert_null(try_apply(&s, &o, "{" DEPLOYMENT "},'spec':{'replicas':9}}"));
    assert_owns(&s, "a", "nothing");
    assert_owns(&s, "b", "{'f:spec':{'f:replicas':{}}}");
    assert_owns(&s, "kubectl-client-side-apply", "{'f:spec':{'f:paused':{}}}");
    assert_int_equal(json_int_at(s.object, 0, "spec", "replicas"), 9);
}

static void test_updates_take_ownership(void **state)
{
    _cleanup_(scene_done) struct scene s = {.resource = &test_deployments};
    apply(&s, "a", "{" DEPLOYMENT "},'spec':{'replicas':2,'paused':true}}");
    struct json *next = json_copy(&s.arena, s.object);
    json_setz(json_getz(next, "spec"), "replicas", json_int(&s.arena, 5));
    struct apply_options o = options(&s, "scaler");
    assert_null(apply_track(&o, s.object, next));
    s.object = next;
    assert_owns(&s, "a", "{'f:spec':{'f:paused':{}}}");
    assert_owns(&s, "scaler", "{'f:spec':{'f:replicas':{}}}");
    /* a second update by the same manager adds to its entry and moves its time */
    next = json_copy(&s.arena, s.object);
    json_setz(json_getz(next, "spec"), "paused", json_bool(&s.arena, false));
    o = options(&s, "scaler");
    assert_null(apply_track(&o, s.object, next));
    s.object = next;
    assert_owns(&s, "a", "nothing");
    assert_json(&s, meta_managed_fields(s.object),
                "[{'manager':'scaler','operation':'Update','apiVersion':'apps/"
                "v1','time':'2026-11-24T08:14:17Z','fieldsType':"
                "'FieldsV1','fieldsV1':{'f:spec':{'f:paused':{},'f:replicas':{}}}}]");
    /* an update that changes nothing moves nothing */
    struct json *before = json_copy(&s.arena, s.object);
    next = json_copy(&s.arena, s.object);
    o = options(&s, "other");
    assert_null(apply_track(&o, s.object, next));
    assert_true(json_equal(before, next));
}

static void test_create_by_update_owns_containers(void **state)
{
    _cleanup_(scene_done) struct scene s = {.resource = &test_services};
    update(&s, "kubectl-create",
           "{" SERVICE ",'labels':{'a':'b'}},'spec':{'ports':[{'port':80,'protocol':'TCP'}],'selector':"
           "{'a':'b'}},'status':{'conditions':[{'type':'x','status':'y'}]}}");
    assert_owns(&s, "kubectl-create",
                "{'f:metadata':{'f:labels':{'.':{},'f:a':{}}},'f:spec':{'f:ports':{'.':{},"
                "'k:{`port`:80,`protocol`:`TCP`}':{'.':{},'f:port':{},'f:protocol':{}}},'f:selector':{}}}");
}

static void test_subresources_are_told_apart(void **state)
{
    _cleanup_(scene_done) struct scene s = {.resource = &test_deployments};
    apply(&s, "a", "{" DEPLOYMENT "},'spec':{'replicas':2},'status':{'observedGeneration':1}}");
    assert_owns(&s, "a", "{'f:spec':{'f:replicas':{}}}");
    struct json *next = json_copy(&s.arena, s.object);
    json_setz(json_ensure_object(&s.arena, next, "status"), "observedGeneration", json_int(&s.arena, 7));
    json_setz(json_getz(next, "spec"), "replicas", json_int(&s.arena, 5));
    struct apply_options o = options(&s, "controller");
    o.subresource = STR("status");
    assert_null(apply_track(&o, s.object, next));
    s.object = next;
    assert_owns(&s, "controller", "{'f:status':{'f:observedGeneration':{}}}");
    assert_owns(&s, "a", "{'f:spec':{'f:replicas':{}}}");
    o = options(&s, "b");
    o.subresource = STR("status");
    const struct status *refusal = try_apply(&s, &o, "{" DEPLOYMENT "},'status':{'observedGeneration':8}}");
    assert_str(refusal->message,
               "Apply failed with 1 conflict: conflict with \"controller\" with subresource \"status\" using "
               "apps/v1: .status.observedGeneration");
}

static void test_reset_and_untracked(void **state)
{
    _cleanup_(scene_done) struct scene s = {.resource = &test_deployments};
    update(&s, "a", "{" DEPLOYMENT "},'spec':{'replicas':2}}");
    assert_owns(&s, "a", "{'f:spec':{'f:replicas':{}}}");
    update(&s, "b",
           "{" DEPLOYMENT ",'managedFields':[]},'spec':{'replicas':2}}"); /* an empty list is ignored */
    assert_owns(&s, "a", "{'f:spec':{'f:replicas':{}}}");
    update(&s, "b", "{" DEPLOYMENT ",'managedFields':[{'operation':'nonsense'}]},'spec':{'replicas':2}}");
    assert_owns(&s, "a", "{'f:spec':{'f:replicas':{}}}");
    update(&s, "b", "{" DEPLOYMENT ",'managedFields':[{}]},'spec':{'replicas':2}}");
    assert_null(meta_managed_fields(s.object));
    update(&s, "b", "{" DEPLOYMENT "},'spec':{'replicas':3}}");
    assert_null(meta_managed_fields(s.object));
    apply(&s, "c", "{" DEPLOYMENT "},'spec':{'paused':true}}");
    assert_owns(&s, "before-first-apply", "{'f:spec':{'f:replicas':{}}}");
    assert_owns(&s, "c", "{'f:spec':{'f:paused':{}}}");
}

static void test_kubectl_moves_to_the_server(void **state)
{
    _cleanup_(scene_done) struct scene s = {.resource = &test_deployments};
    update(
        &s, "kubectl-client-side-apply",
        "{" DEPLOYMENT
        ",'annotations':{'kubectl.kubernetes.io/last-applied-configuration':'{`apiVersion`:`apps/v1`,`kind`:"
        "`Deployment`,`metadata`:{`name`:`web`},`spec`:{`replicas`:2}}'}},'spec':{'replicas':2,'paused':true}"
        "}");
    /* replicas is as the client last applied it, so kubectl may change it; paused is not */
    assert_conflict(&s, "kubectl", "{" DEPLOYMENT "},'spec':{'replicas':3,'paused':false}}",
                    "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using "
                    "apps/v1: .spec.paused");
    apply(&s, "kubectl", "{" DEPLOYMENT "},'spec':{'replicas':3}}");
    assert_int_equal(json_int_at(s.object, 0, "spec", "replicas"), 3);
    assert_str(meta_annotation(s.object, "kubectl.kubernetes.io/last-applied-configuration"),
               "{\"apiVersion\":\"apps/"
               "v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\"},\"spec\":{\"replicas\":3}}\n");
    assert_owns(&s, "kubectl", "{'f:spec':{'f:replicas':{}}}");
}

static void test_lists_keep_what_others_have(void **state)
{
    _cleanup_(scene_done) struct scene s = {.resource = &test_deployments};
    const char *head =
        "{" DEPLOYMENT
        ",'finalizers':['a','b']},'spec':{'template':{'spec':{'containers':[{'name':'web','image':'i'},"
        "{'name':'side','image':'j'}]}}}}";
    update(&s, "a", head);
    apply(&s, "b",
          "{" DEPLOYMENT
          ",'finalizers':['c','b']},'spec':{'template':{'spec':{'containers':[{'name':'new','image':'k'},"
          "{'name':'side','command':['x']}]}}}}");
    assert_object(
        &s, "{" DEPLOYMENT
            ",'finalizers':['a','c','b']},'spec':{'template':{'spec':{'containers':[{'name':'web','image':"
            "'i'},{'name':'new','image':'k'},{'name':'side','image':'j','command':['x']}]}},'replicas':1}}");
    apply(&s, "b", "{" DEPLOYMENT "}}");
    assert_object(&s,
                  "{" DEPLOYMENT
                  ",'finalizers':['a','b']},'spec':{'template':{'spec':{'containers':[{'name':'web','image':"
                  "'i'},{'name':'side','image':'j'}]}},'replicas':1}}");
}

static void test_canonical_values_do_not_conflict(void **state)
{
    _cleanup_(scene_done) struct scene s = {.resource = &test_deployments};
    update(
        &s, "a",
        "{" DEPLOYMENT
        "},'spec':{'template':{'spec':{'containers':[{'name':'w','resources':{'limits':{'cpu':'1'}}}]}}}}");
    apply(&s, "b",
          "{" DEPLOYMENT
          "},'spec':{'template':{'spec':{'containers':[{'name':'w','resources':{'limits':{'cpu':'1000m'}}}]"
          "}}}}");
}

/* Keys may hold NUL, by which two must not become one. */
static void test_keys_with_nul(void **state)
{
    _cleanup_(scene_done) struct scene s = {.resource = &test_configmaps};
    apply(&s, "a", "{'metadata':{'name':'c'},'data':{'k\\u0000a':'1','k\\u0000b':'2','k':'3'}}");
    assert_owns(&s, "a", "{'f:data':{'f:k':{},'f:k\\u0000a':{},'f:k\\u0000b':{}}}");
    apply(&s, "a", "{'metadata':{'name':'c'},'data':{'k\\u0000b':'2'}}");
    assert_json(&s, json_getz(s.object, "data"), "{'k\\u0000b':'2'}");
}

static void test_refusals(void **state)
{
    static const char *const rows[][2] = {
        {"{" DEPLOYMENT ",'managedFields':[{}]}}", "metadata.managedFields must be nil"},
        {"{" DEPLOYMENT "},'spec':{'foo':1}}", "failed to create typed patch object (/web; apps/v1, "
                                               "Kind=Deployment): .spec.foo: field not declared in schema"},
        {"{" DEPLOYMENT "},'spec':{'replicas':'x'}}",
         "Deployment in version \"apps/v1\" cannot be handled as a Deployment: json: cannot unmarshal string "
         "into Go struct field "
         "DeploymentSpec.spec.replicas of type int32"},
        {"{" DEPLOYMENT "},'spec':{'template':{'spec':{'containers':[{'image':'x'}]}}}}",
         "failed to create typed patch object (/web; apps/v1, Kind=Deployment): "
         ".spec.template.spec.containers: element 0: "
         "associative list with keys has an element that omits key field \"name\" (and doesn't have default "
         "value)"},
        {"{" DEPLOYMENT "},'spec':{'template':{'spec':{'containers':[{'name':'x'},{'name':'x'}]}}}}",
         "failed to create typed patch object (/web; apps/v1, Kind=Deployment): "
         ".spec.template.spec.containers: duplicate entries "
         "for key {\"name\":\"x\"}"},
        {"[]", "couldn't get version/kind;"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_(scene_done) struct scene s = {.resource = &test_deployments};
        struct apply_options o = options(&s, "a");
        const struct status *refusal = try_apply(&s, &o, rows[i][0]);
        if (!refusal || refusal->code != 400 || !str_has_prefix(refusal->message, str_of(rows[i][1])))
            fail_msg("%s: %.*s", rows[i][0], STR_ARG(refusal ? refusal->message : STR("passes")));
    }
    _cleanup_(scene_done) struct scene s = {.resource = &test_deployments};
    struct apply_options o = options(&s, "");
    assert_non_null(try_apply(&s, &o, "{" DEPLOYMENT "}}"));
}

static void test_managers_are_limited(void **state)
{
    _cleanup_(scene_done) struct scene s = {.resource = &test_configmaps};
    update(&s, "m", "{'metadata':{'name':'c'},'data':{'k':''}}");
    for (int i = 0; i < 20; i++) {
        struct json *next = json_copy(&s.arena, s.object);
        struct str name = arena_format(&s.arena, "m%02d", i);
        json_set(json_getz(next, "data"), name, json_string(&s.arena, STR("")));
        struct apply_options o = options(&s, name.p);
        assert_null(apply_track(&o, s.object, next));
        s.object = next;
    }
    assert_int_equal(meta_managed_fields(s.object)->n, 10);
    assert_owns(
        &s, "ancient-changes",
        "{'f:data':{'.':{},'f:k':{},'f:m00':{},'f:m01':{},'f:m02':{},'f:m03':{},'f:m04':{},'f:m05':{},"
        "'f:m06':{},'f:m07':{},'f:m08':{},'f:m09':{},'f:m10':{}}}");
    assert_owns(&s, "m19", "{'f:data':{'f:m19':{}}}");
    const struct status *refusal = NULL;
    for (int i = 0; i < 130 && !refusal; i++) {
        struct apply_options o = options(&s, arena_format(&s.arena, "a%d", i).p);
        refusal = try_apply(&s, &o, "{'metadata':{'name':'c'},'data':{'k':''}}");
    }
    assert_non_null(refusal);
    assert_str(refusal->message, "metadata.managedFields: more than 128 managers");
}

RUN_TESTS(cmocka_unit_test(test_create_by_apply), cmocka_unit_test(test_same_apply_changes_nothing),
          cmocka_unit_test(test_removed_fields_go), cmocka_unit_test(test_conflicts),
          cmocka_unit_test(test_updates_take_ownership),
          cmocka_unit_test(test_create_by_update_owns_containers),
          cmocka_unit_test(test_subresources_are_told_apart), cmocka_unit_test(test_reset_and_untracked),
          cmocka_unit_test(test_kubectl_moves_to_the_server),
          cmocka_unit_test(test_lists_keep_what_others_have),
          cmocka_unit_test(test_canonical_values_do_not_conflict), cmocka_unit_test(test_keys_with_nul),
          cmocka_unit_test(test_refusals), cmocka_unit_test(test_managers_are_limited))
