#include "apiserver/test-script.h"
#include "base/test.h"

static void run(const char *text)
{
    struct script_server s;
    script_server_open(&s, STR(""), NULL);
    script_run(&s, text);
    script_server_close(&s);
}

static void test_create_get_list_update_delete(void **state)
{
    run("POST /api/v1/namespaces/default/configmaps {\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"v\"}}\n"
        "201 kind=ConfigMap apiVersion=v1 metadata.name=a metadata.namespace=default data.k=v "
        "metadata.uid:=uid\n"
        "GET /api/v1/namespaces/default/configmaps/a\n"
        "200 data.k=v metadata.uid=${uid} metadata.creationTimestamp=* metadata.resourceVersion:=rv\n"
        "GET /api/v1/namespaces/default/configmaps/b\n"
        "404 reason=NotFound message='configmaps \"b\" not found' details.kind=configmaps details.name=b\n"
        "POST /api/v1/namespaces/default/configmaps {\"metadata\":{\"name\":\"a\"}}\n"
        "409 reason=AlreadyExists message='configmaps \"a\" already exists'\n"
        "GET /api/v1/configmaps\n"
        "200 kind=ConfigMapList items.#=1 items.0.metadata.name=a metadata.resourceVersion=${rv}\n"
        "PUT /api/v1/namespaces/default/configmaps/a {\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"w\"}}\n"
        "200 data.k=w metadata.uid=${uid} metadata.resourceVersion:=rv2\n"
        "PUT /api/v1/namespaces/default/configmaps/a "
        "{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"${rv}\"},\"data\":{\"k\":\"x\"}}\n"
        "409 reason=Conflict message~'the object has been modified'\n"
        "DELETE /api/v1/namespaces/default/configmaps/a\n"
        "200 kind=Status status=Success details.uid=${uid}\n"
        "GET /api/v1/namespaces/default/configmaps/a\n"
        "404\n");
}

RUN_TESTS(cmocka_unit_test(test_create_get_list_update_delete))
