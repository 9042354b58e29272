/* Patches of all four kinds, scale, and what hostile ones cost. */
#include <stdio.h>

#include "apiserver/test-script.h"
#include "base/test.h"

static void run(const char *text)
{
    struct script_server s;
    script_server_open(&s, STR(""), NULL);
    script_run(&s, text);
    script_server_close(&s);
}

#define MAPS      "/api/v1/namespaces/default/configmaps"
#define SERVICES  "/api/v1/namespaces/default/services"
#define SETS      "/apis/apps/v1/namespaces/default/deployments"
#define JSON      "header content-type: application/json-patch+json\n"
#define MERGE     "header content-type: application/merge-patch+json\n"
#define STRATEGIC "header content-type: application/strategic-merge-patch+json\n"
#define APPLY     "header content-type: application/apply-patch+yaml\n"

static void test_json_patch(void **state)
{
    run("POST " MAPS " {'metadata':{'name':'a'},'data':{'k':'v'}}\n"
        "201 metadata.resourceVersion:=rv\n" JSON "PATCH " MAPS
        "/a [{'op':'replace','path':'/data/k','value':'w'},{'op':'add','path':'/data/l','value':'x'}]\n"
        "200 data.k=w data.l=x\n" JSON "PATCH " MAPS "/a [{'op':'test','path':'/data/k','value':'v'}]\n"
        "422 reason=Invalid\n" JSON "PATCH " MAPS "/a [{'op':'remove','path':'/data/absent'}]\n"
        "422 reason=Invalid\n" JSON "PATCH " MAPS "/a {'data':{}}\n"
        "400\n" JSON "PATCH " MAPS
        "/a [{'op':'replace','path':'/metadata/resourceVersion','value':'${rv}'}]\n"
        "409 reason=Conflict\n" JSON "PATCH " MAPS
        "/a [{'op':'replace','path':'/metadata/name','value':'b'}]\n"
        "400 message~\"does not match the name on the URL\"\n" JSON "PATCH " MAPS "/none []\n"
        "404\n");
}

static void test_merge_patch(void **state)
{
    run("POST " MAPS " {'metadata':{'name':'a'},'data':{'k':'v','l':'w'}}\n"
        "201\n" MERGE "PATCH " MAPS "/a {'data':{'k':null,'m':'x'}}\n"
        "200 data.k=- data.l=w data.m=x\n" MERGE "PATCH " MAPS "/a {'data':{'k':1}}\n"
        "400\n" MERGE "PATCH " MAPS "/a []\n"
        "400\n" MERGE "PATCH " MAPS "/a {'dta':{}}\n"
        "200 @warning~\"unknown field\"\n" MERGE "PATCH " MAPS "/a?fieldValidation=Strict {'dta':{}}\n"
        "400 message~\"unknown field \\\"dta\\\"\"\n"
        "header content-type: application/json\n"
        "PATCH " MAPS "/a {}\n"
        "415 message~\"application/strategic-merge-patch+json\"\n");
}

static void test_strategic_merge_patch(void **state)
{
    run("POST " SERVICES
        " {'metadata':{'name':'s'},'spec':{'ports':[{'name':'a','port':80},{'name':'b','port':81}]}}\n"
        "201 spec.ports.#=2 spec.ports.0.protocol=TCP spec.ports.0.targetPort=80 spec.clusterIP=*\n" STRATEGIC
        "PATCH " SERVICES "/s {'spec':{'ports':[{'port':81,'targetPort':8081}]}}\n"
        "200 spec.ports.#=2 spec.ports.1.targetPort=8081 spec.ports.1.name=b\n" STRATEGIC "PATCH " SERVICES
        "/s {'spec':{'ports':[{'port':80,'$patch':'delete'}]}}\n"
        "200 spec.ports.#=1 spec.ports.0.port=81\n");
}

static void test_apply(void **state)
{
    run(APPLY "PATCH " MAPS
              "/a?fieldManager=one {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: v}}\n"
              "201 data.k=v metadata.managedFields.0.manager=one metadata.managedFields.0.operation=Apply "
              "metadata.resourceVersion:=rv\n" APPLY "PATCH " MAPS
              "/a?fieldManager=one {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: v}}\n"
              "200 metadata.resourceVersion=${rv}\n" APPLY "PATCH " MAPS
              "/a?fieldManager=two {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: w}}\n"
              "409 reason=Conflict details.causes.0.reason=FieldManagerConflict "
              "details.causes.0.field=.data.k\n" APPLY "PATCH " MAPS
              "/a?fieldManager=two&force=true {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: "
              "{k: w}}\n"
              "200 data.k=w\n" APPLY "PATCH " MAPS
              "/a?fieldManager=two {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {l: x}}\n"
              "200 data.l=x data.k=-\n" APPLY "PATCH " MAPS
              "/a {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n"
              "400 message~\"fieldManager: Required value\"\n");
}

static void test_updates_own_what_they_set(void **state)
{
    run("header user-agent: kubectl/v1.36\n"
        "POST " MAPS " {'metadata':{'name':'a'},'data':{'k':'v'}}\n"
        "201 metadata.managedFields.0.manager=kubectl metadata.managedFields.0.operation=Update\n" APPLY
        "PATCH " MAPS
        "/a?fieldManager=one {apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: w}}\n"
        "409 message~\"conflict with \\\"kubectl\\\"\"\n");
}

static void test_scale(void **state)
{
    run("POST " SETS " {'metadata':{'name':'d'},'spec':{'selector':{'matchLabels':{'app':'d'}},'template':"
        "{'metadata':{'labels':{'app':'d'}},'spec':{'containers':[{'name':'c','image':'i'}]}}}}\n"
        "201 spec.replicas=1 metadata.generation=1\n"
        "GET " SETS "/d/scale\n"
        "200 kind=Scale apiVersion=autoscaling/v1 spec.replicas=1 status.selector=app=d metadata.name=d "
        "metadata.resourceVersion:=rv\n"
        "PUT " SETS "/d/scale {'kind':'Scale','apiVersion':'autoscaling/v1','metadata':{'name':'d',"
        "'resourceVersion':'${rv}'},'spec':{'replicas':3}}\n"
        "200 kind=Scale spec.replicas=3\n" MERGE "PATCH " SETS "/d/scale {'spec':{'replicas':5}}\n"
        "200 spec.replicas=5\n"
        "GET " SETS "/d\n"
        "200 spec.replicas=5 metadata.generation=3\n"
        "PUT " SETS "/d/scale {'metadata':{'name':'d','resourceVersion':'${rv}'},'spec':{'replicas':4}}\n"
        "409 reason=Conflict\n" MERGE "PATCH " SETS "/d/scale {'spec':{'replicas':-1}}\n"
        "422 details.causes.0.field=spec.replicas\n"
        "GET " MAPS "/d/scale\n"
        "404\n");
}

/* Copies that double, operations without end and bodies without end are refused before they cost. */
static void test_CVE_2019_1002100_patches_are_bounded(void **state)
{
    struct script_server s;
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    (void)fprintf(f, "POST " MAPS
                     " {'metadata':{'name':'a'},'data':{'k':'v'}}\n201 metadata.resourceVersion:=rv\n");
    (void)fprintf(f, JSON "PATCH " MAPS "/a [{'op':'test','path':'/data/k','value':'v'}");
    for (int i = 0; i < 10000; i++)
        (void)fprintf(f, ",{'op':'test','path':'/data/k','value':'v'}");
    (void)fprintf(f, "]\n413 reason=RequestEntityTooLarge\n");
    (void)fprintf(f, JSON
                  "PATCH " MAPS
                  "/a [{'op':'add','path':'/metadata/annotations','value':{'x':'yyyyyyyyyyyyyyyyyyyy'}}");
    for (int i = 0; i < 30; i++)
        (void)fprintf(f, ",{'op':'copy','from':'/metadata/annotations','path':'/metadata/annotations/x%d'}",
                      i);
    (void)fprintf(f, "]\n422 reason=Invalid message~\"more than 3 MiB\"\n");
    (void)fprintf(f, MERGE "PATCH " MAPS "/a {'data':{'k':'");
    for (int i = 0; i < 3 * 1024 * 1024; i++)
        (void)fputc('x', f);
    (void)fprintf(f, "'}}\n413 reason=RequestEntityTooLarge\n");
    (void)fprintf(f, MERGE "PATCH " MAPS "/a {'metadata':{'annotations':");
    for (int i = 0; i < 2000; i++)
        (void)fprintf(f, "{'x':");
    (void)fprintf(f, "\n400\nGET " MAPS "/a\n200 metadata.resourceVersion=${rv}\n");
    (void)fclose(f);
    script_server_open(&s, STR(""), NULL);
    script_run(&s, text);
    script_server_close(&s);
    free(text);
}

/* An object too large for the store is refused whichever way it grew. */
static void test_object_size_is_bounded(void **state)
{
    struct script_server s;
    const struct apiserver_limits limits = {.object_bytes = 2000};
    char big[1501];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    script_server_open(&s, STR(""), &limits);
    script_run_with(&s,
                    "POST " MAPS " {'metadata':{'name':'a'},'data':{'k':'${1}'}}\n201\n" MERGE "PATCH " MAPS
                    "/a {'data':{'l':'${1}'}}\n"
                    "413 reason=RequestEntityTooLarge message~\"the limit is 2000\"\n"
                    "GET " MAPS "/a\n200 data.l=-\n",
                    big);
    script_server_close(&s);
}

RUN_TESTS(cmocka_unit_test(test_json_patch), cmocka_unit_test(test_merge_patch),
          cmocka_unit_test(test_strategic_merge_patch), cmocka_unit_test(test_apply),
          cmocka_unit_test(test_updates_own_what_they_set), cmocka_unit_test(test_scale),
          cmocka_unit_test(test_CVE_2019_1002100_patches_are_bounded),
          cmocka_unit_test(test_object_size_is_bounded))
