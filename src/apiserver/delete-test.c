/* Deletion: preconditions, finalizers, propagation, grace, collections. */
#include "apiserver/test-script.h"
#include "base/test.h"

static void run(const char *text)
{
    struct script_server s;
    script_server_open(&s, STR(""), NULL);
    script_run(&s, text);
    script_server_close(&s);
}

#define MAPS  "/api/v1/namespaces/default/configmaps"
#define PODS  "/api/v1/namespaces/default/pods"
#define MERGE "header content-type: application/merge-patch+json\n"

static void test_finalizers_hold_an_object(void **state)
{
    run("POST " MAPS " {'metadata':{'name':'a','finalizers':['example.com/hold']}}\n"
        "201 metadata.uid:=uid\n"
        "watch w " MAPS "?watch=1\n"
        "w: ADDED\n"
        "DELETE " MAPS "/a\n"
        "200 kind=ConfigMap metadata.deletionTimestamp=* metadata.deletionGracePeriodSeconds=0 "
        "metadata.resourceVersion:=rv\n"
        "w: MODIFIED metadata.deletionTimestamp=*\n"
        "DELETE " MAPS "/a\n"
        "200 metadata.resourceVersion=${rv}\n"
        "w: NOTHING\n"
        "POST " MAPS " {'metadata':{'name':'a'}}\n"
        "409 reason=AlreadyExists\n" MERGE "PATCH " MAPS
        "/a {'metadata':{'finalizers':['example.com/new']}}\n"
        "422 message~\"no new finalizers can be added if the object is being deleted\"\n" MERGE "PATCH " MAPS
        "/a {'metadata':{'finalizers':null}}\n"
        "200 metadata.uid=${uid}\n"
        "w: DELETED metadata.uid=${uid}\n"
        "GET " MAPS "/a\n"
        "404\n");
}

static void test_propagation(void **state)
{
    run("POST " MAPS " {'metadata':{'name':'a'}}\n"
        "201\n"
        "DELETE " MAPS "/a {'kind':'DeleteOptions','apiVersion':'v1','propagationPolicy':'Foreground'}\n"
        "200 metadata.finalizers.0=foregroundDeletion metadata.deletionTimestamp=*\n"
        "DELETE " MAPS "/a?propagationPolicy=Orphan\n"
        "200 metadata.finalizers.0=orphan metadata.finalizers.#=1\n"
        "DELETE " MAPS "/a {'propagationPolicy':'Background'}\n"
        "200 kind=Status\n"
        "POST " MAPS " {'metadata':{'name':'b'}}\n"
        "201\n"
        "DELETE " MAPS "/b {'orphanDependents':true}\n"
        "200 metadata.finalizers.0=orphan\n"
        "DELETE " MAPS "/b {'orphanDependents':true,'propagationPolicy':'Orphan'}\n"
        "400\n"
        "DELETE " MAPS "/b?propagationPolicy=Sideways\n"
        "400 message~\"propagationPolicy: Unsupported value\"\n"
        "DELETE " MAPS "/b {'propagationPolicy':1}\n"
        "400\n");
}

static void test_preconditions(void **state)
{
    run("POST " MAPS " {'metadata':{'name':'a'}}\n"
        "201 metadata.uid:=uid metadata.resourceVersion:=rv\n"
        "DELETE " MAPS "/a {'preconditions':{'uid':'other'}}\n"
        "409 reason=Conflict message~\"Precondition failed: UID in precondition: other, UID in object meta: "
        "${uid}\"\n"
        "DELETE " MAPS "/a {'preconditions':{'resourceVersion':'1'}}\n"
        "409 reason=Conflict\n"
        "DELETE " MAPS "/a {'preconditions':{'uid':'${uid}','resourceVersion':'${rv}'}}\n"
        "200\n");
}

#define POD(name, more)                                                                                      \
    "{'metadata':{'name':'" name "'},'spec':{'containers':[{'name':'c','image':'i'}]" more "}}"

static void test_pods_go_gracefully(void **state)
{
    run("POST " PODS " " POD(
        "free",
        "") "\n"
            "201 status.phase=Pending status.qosClass=BestEffort spec.terminationGracePeriodSeconds=30\n"
            "DELETE " PODS "/free\n"
            "200 kind=Pod metadata.name=free\n"
            "GET " PODS "/free\n"
            "404\n"
            "POST " PODS
            " " POD("bound", ",'nodeName':'n'") "\n"
                                                "201\n"
                                                "DELETE " PODS "/bound\n"
                                                "200 metadata.deletionGracePeriodSeconds=30 "
                                                "metadata.deletionTimestamp:=t\n"
                                                "GET " PODS "/bound\n"
                                                "200\n"
                                                "DELETE " PODS "/bound {'gracePeriodSeconds':5}\n"
                                                "200 metadata.deletionGracePeriodSeconds=5\n"
                                                "DELETE " PODS "/bound?gracePeriodSeconds=20\n"
                                                "200 metadata.deletionGracePeriodSeconds=5\n" MERGE
                                                "PATCH " PODS "/bound {'metadata':{'labels':{'a':'b'}}}\n"
                                                "200 metadata.labels.a=b\n"
                                                "DELETE " PODS "/bound?gracePeriodSeconds=0\n"
                                                "200\n"
                                                "GET " PODS "/bound\n"
                                                "404\n");
}

static void test_pod_specs_hardly_change(void **state)
{
    run("POST " PODS " " POD(
        "p",
        "") "\n"
            "201\n" MERGE "PATCH " PODS "/p {'spec':{'containers':[{'name':'c','image':'j'}]}}\n"
            "200 spec.containers.0.image=j\n" MERGE "PATCH " PODS "/p {'spec':{'hostname':'h'}}\n"
            "422 details.causes.0.field=spec message~\"pod updates may not change fields other than\"\n"
            "POST " PODS " {'metadata':{'name':'q'},'spec':{'containers':[{'name':'c','image':'i'},{'name':'"
            "c','image':'i'}]}}\n"
            "422 details.causes.0.reason=FieldValueDuplicate details.causes.0.field=spec.containers[1].name\n"
            "POST " PODS " {'metadata':{'name':'q'},'spec':{}}\n"
            "422 details.causes.0.field=spec.containers\n"
            "PUT " PODS "/p/status "
            "{'metadata':{'name':'p'},'spec':{'containers':[{'name':'x'}]},'status':{'phase':'Running'}}\n"
            "200 status.phase=Running spec.containers.0.name=c\n"
            "GET " PODS "?fieldSelector=status.phase%3DRunning\n"
            "200 items.#=1\n"
            "GET " PODS "?fieldSelector=status.phase%21%3DRunning\n"
            "200 items.#=0\n");
}

static void test_collections(void **state)
{
    run("POST " MAPS " {'metadata':{'name':'a','labels':{'x':'1'}}}\n"
        "201\n"
        "POST " MAPS " {'metadata':{'name':'b','labels':{'x':'2'}}}\n"
        "201\n"
        "POST " MAPS " {'metadata':{'name':'c','labels':{'x':'1'},'finalizers':['example.com/hold']}}\n"
        "201\n"
        "DELETE " MAPS "?labelSelector=x%3D1\n"
        "200 kind=ConfigMapList items.#=2 items.0.metadata.name=a items.1.metadata.name=c\n"
        "GET " MAPS "\n"
        "200 items.#=2 items.0.metadata.name=b items.1.metadata.name=c items.1.metadata.deletionTimestamp=*\n"
        "DELETE " MAPS "\n"
        "200 items.#=2\n"
        "GET " MAPS "\n"
        "200 items.#=1\n");
}

RUN_TESTS(cmocka_unit_test(test_finalizers_hold_an_object), cmocka_unit_test(test_propagation),
          cmocka_unit_test(test_preconditions), cmocka_unit_test(test_pods_go_gracefully),
          cmocka_unit_test(test_pod_specs_hardly_change), cmocka_unit_test(test_collections))
