/* The verbs on single objects, with every refusal's Status. */
#include "apiserver/test-script.h"
#include "base/test.h"

static void run(const char *text)
{
    struct script_server s;
    script_server_open(&s, STR(""), NULL);
    script_run(&s, text);
    script_server_close(&s);
}

#define MAPS "/api/v1/namespaces/default/configmaps"

static void test_create_get_update_delete(void **state)
{
    run("POST " MAPS " {'metadata':{'name':'a'},'data':{'k':'v'}}\n"
        "201 kind=ConfigMap apiVersion=v1 metadata.name=a metadata.namespace=default data.k=v "
        "metadata.uid:=uid\n"
        "GET " MAPS "/a\n"
        "200 data.k=v metadata.uid=${uid} metadata.creationTimestamp=* metadata.resourceVersion:=rv\n"
        "GET " MAPS "/b\n"
        "404 reason=NotFound message=\"configmaps \\\"b\\\" not found\" details.kind=configmaps "
        "details.name=b\n"
        "POST " MAPS " {'metadata':{'name':'a'}}\n"
        "409 reason=AlreadyExists message=\"configmaps \\\"a\\\" already exists\"\n"
        "GET /api/v1/configmaps\n"
        "200 kind=ConfigMapList items.#=1 items.0.metadata.name=a metadata.resourceVersion=${rv}\n"
        "PUT " MAPS "/a {'metadata':{'name':'a'},'data':{'k':'w'}}\n"
        "200 data.k=w metadata.uid=${uid} metadata.resourceVersion:=rv2\n"
        "PUT " MAPS "/a {'metadata':{'name':'a','resourceVersion':'${rv}'},'data':{'k':'x'}}\n"
        "409 reason=Conflict message~\"the object has been modified\"\n"
        "PUT " MAPS "/a {'metadata':{'name':'a','uid':'other'},'data':{'k':'x'}}\n"
        "409 reason=Conflict message~\"Precondition failed: UID in precondition: other\"\n"
        "PUT " MAPS "/missing {'metadata':{'name':'missing'}}\n"
        "404 reason=NotFound\n"
        "DELETE " MAPS "/a\n"
        "200 kind=Status status=Success details.uid=${uid} details.kind=configmaps\n"
        "GET " MAPS "/a\n"
        "404\n"
        "DELETE " MAPS "/a\n"
        "404\n");
}

static void test_update_without_change_writes_nothing(void **state)
{
    run("POST " MAPS " {'metadata':{'name':'a'},'data':{'k':'v'}}\n"
        "201 metadata.resourceVersion:=rv\n"
        "PUT " MAPS "/a {'metadata':{'name':'a'},'data':{'k':'v'}}\n"
        "200 metadata.resourceVersion=${rv}\n"
        "GET " MAPS "\n"
        "200 metadata.resourceVersion=${rv}\n");
}

static void test_generate_name(void **state)
{
    run("POST " MAPS " {'metadata':{'generateName':'web-'}}\n"
        "201 metadata.name~web- metadata.name:=name metadata.generateName=web-\n"
        "GET " MAPS "/${name}\n"
        "200\n"
        "POST " MAPS " {'metadata':{}}\n"
        "422 reason=Invalid message~\"name or generateName is required\" "
        "details.causes.0.field=metadata.name\n");
}

static void test_bad_objects(void **state)
{
    run("POST " MAPS " {'metadata':{'name':'a'\n"
        "400 reason=BadRequest message~\"not valid JSON\"\n"
        "POST " MAPS " {'kind':'Pod','apiVersion':'v1','metadata':{'name':'a'}}\n"
        "400 reason=BadRequest\n"
        "POST " MAPS " {'metadata':{'name':'a'},'data':{'k':1}}\n"
        "400 reason=BadRequest\n"
        "POST " MAPS " {'metadata':{'name':'a','namespace':'other'}}\n"
        "400 message=\"the namespace of the provided object does not match the namespace sent on the "
        "request\"\n"
        "PUT " MAPS "/a {'metadata':{'name':'b'}}\n"
        "404\n"
        "POST " MAPS " {'metadata':{'name':'a','resourceVersion':'7'}}\n"
        "400 message~\"resourceVersion should not be set on objects to be created\"\n"
        "POST " MAPS " {'metadata':{'name':'A_B'}}\n"
        "422 reason=Invalid details.causes.0.field=metadata.name message~\"lowercase RFC 1123 subdomain\"\n"
        "POST " MAPS " {'metadata':{'name':'a'},'data':{'bad key':'x'}}\n"
        "422 message~\"data[bad key]\"\n"
        "POST " MAPS " {'metadata':{'name':'a','labels':{'k':'-'}}}\n"
        "422 message~metadata.labels\n"
        "header content-type: text/plain\n"
        "POST " MAPS " {'metadata':{'name':'a'}}\n"
        "415 reason=UnsupportedMediaType\n"
        "header content-type: application/vnd.kubernetes.protobuf\n"
        "POST " MAPS " {'metadata':{'name':'a'}}\n"
        "400 message~\"no Kubernetes protocol buffer\"\n"
        "header accept: application/vnd.kubernetes.protobuf\n"
        "GET " MAPS "\n"
        "406 reason=NotAcceptable\n"
        "POST " MAPS "\n"
        "400\n"
        "GET /api/v1/nonsense\n"
        "404 reason=NotFound message=\"the server could not find the requested resource: nonsense is not "
        "served\"\n"
        "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews {}\n"
        "404 message~\": selfsubjectaccessreviews.authorization.k8s.io is not served\"\n"
        "GET /api/v1/namespaces/default/pods/p/log\n"
        "404 message~\": pods/log is not served\"\n"
        "GET /api/v1/%1b%5b2J\n"
        "404 message~\": \\\\x1b[2J is not served\"\n"
        "GET /api/v1/namespaces/default/pods/p/status/more\n"
        "404 message=\"the server could not find the requested resource\"\n"
        "GET /nonsense\n"
        "404 message=\"the server could not find the requested resource\"\n"
        "GET " MAPS "/a/status\n"
        "404\n"
        "GET /api/v1/namespaces/default/namespaces/x\n"
        "404\n"
        "POST " MAPS "/a {}\n"
        "405 reason=MethodNotAllowed\n"
        "OPTIONS " MAPS "\n"
        "405\n"
        "DELETE /api/v1/namespaces\n"
        "405 reason=MethodNotAllowed\n"
        "GET /api/v1/configmaps?limit=x\n"
        "400\n"
        "GET /api/v1/configmaps?labelSelector=a==b==c\n"
        "400\n"
        "GET /api/v1/configmaps?fieldSelector=data.k=1\n"
        "400 message~\"field label not supported\"\n"
        "GET /api/v1/configmaps?a=%zz\n"
        "400\n");
}

static void test_field_validation(void **state)
{
    run("POST " MAPS "?fieldValidation=Strict {'metadata':{'name':'a'},'dta':{}}\n"
        "400 reason=BadRequest message~\"unknown field \\\"dta\\\"\"\n"
        "POST " MAPS "?fieldValidation=Strict {'metadata':{'name':'a','name':'b'}}\n"
        "400 message~\"duplicate field \\\"metadata.name\\\"\"\n"
        "POST " MAPS " {'metadata':{'name':'a'},'dta':{}}\n"
        "201 @warning~\"299 - \" @warning~\"unknown field\" dta=-\n"
        "POST " MAPS "?fieldValidation=Ignore {'metadata':{'name':'b'},'dta':{}}\n"
        "201 @warning=-\n"
        "POST " MAPS "?fieldValidation=Never {'metadata':{'name':'c'}}\n"
        "400 message~\"fieldValidation: Unsupported value\"\n");
}

static void test_dry_run_leaves_nothing(void **state)
{
    run("GET /api/v1/configmaps\n"
        "200 metadata.resourceVersion:=rv\n"
        "POST " MAPS "?dryRun=All {'metadata':{'name':'a'}}\n"
        "201 metadata.name=a metadata.uid=*\n"
        "GET " MAPS "/a\n"
        "404\n"
        "POST " MAPS " {'metadata':{'name':'a'},'data':{'k':'v'}}\n"
        "201 metadata.resourceVersion:=rv\n"
        "PUT " MAPS "/a?dryRun=All {'metadata':{'name':'a'},'data':{'k':'w'}}\n"
        "200 data.k=w\n"
        "header content-type: application/merge-patch+json\n"
        "PATCH " MAPS "/a?dryRun=All {'data':{'k':'x'}}\n"
        "200 data.k=x\n"
        "DELETE " MAPS "/a?dryRun=All\n"
        "200 status=Success\n"
        "DELETE " MAPS "?dryRun=All\n"
        "200 kind=ConfigMapList items.#=1\n"
        "GET " MAPS "/a\n"
        "200 data.k=v metadata.resourceVersion=${rv}\n"
        "POST " MAPS "?dryRun=Some {'metadata':{'name':'b'}}\n"
        "400 message~\"dryRun: Unsupported value\"\n");
}

static void test_yaml(void **state)
{
    run("header accept: application/yaml\n"
        "POST " MAPS " {'metadata':{'name':'a'},'data':{'k':'yes'}}\n"
        "201 @content-type=application/yaml body~\"kind: ConfigMap\" body~\"k: \\\"yes\\\"\"\n"
        "header content-type: application/yaml\n"
        "POST " MAPS " {metadata: {name: b}, data: {k: v}}\n"
        "201 data.k=v metadata.name=b\n");
}

static void test_partial_metadata(void **state)
{
    run("POST " MAPS " {'metadata':{'name':'a'},'data':{'k':'v'}}\n"
        "201\n"
        "header accept: application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io\n"
        "GET " MAPS "/a\n"
        "200 kind=PartialObjectMetadata apiVersion=meta.k8s.io/v1 metadata.name=a data=-\n"
        "header accept: application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io\n"
        "GET " MAPS "\n"
        "200 kind=PartialObjectMetadataList items.#=1 items.0.kind=PartialObjectMetadata items.0.data=-\n");
}

static void test_immutable_map(void **state)
{
    run("POST " MAPS " {'metadata':{'name':'a'},'immutable':true,'data':{'k':'v'}}\n"
        "201\n"
        "PUT " MAPS "/a {'metadata':{'name':'a'},'immutable':true,'data':{'k':'w'}}\n"
        "422 details.causes.0.field=data message~\"field is immutable when `immutable` is set\"\n");
}

static void test_namespaces(void **state)
{
    run("GET /api/v1/namespaces/default\n"
        "200 status.phase=Active spec.finalizers.0=kubernetes "
        "metadata.labels.kubernetes|io/metadata|name=default\n"
        "POST /api/v1/namespaces/absent/configmaps {'metadata':{'name':'a'}}\n"
        "404 reason=NotFound message=\"namespaces \\\"absent\\\" not found\"\n"
        "POST /api/v1/namespaces {'metadata':{'name':'n'}}\n"
        "201 status.phase=Active\n"
        "POST /api/v1/namespaces/n/configmaps {'metadata':{'name':'a'}}\n"
        "201\n"
        "DELETE /api/v1/namespaces/n\n"
        "200 kind=Namespace status.phase=Terminating metadata.deletionTimestamp=*\n"
        "POST /api/v1/namespaces/n/configmaps {'metadata':{'name':'b'}}\n"
        "403 reason=Forbidden details.causes.0.reason=NamespaceTerminating "
        "message~\"unable to create new content in namespace n because it is being terminated\"\n"
        "PUT /api/v1/namespaces/n {'metadata':{'name':'n'},'spec':{'finalizers':[]}}\n"
        "200 spec.finalizers.0=kubernetes\n"
        "PUT /api/v1/namespaces/n/finalize {'metadata':{'name':'n'},'spec':{'finalizers':[]}}\n"
        "200\n"
        "GET /api/v1/namespaces/n\n"
        "404\n"
        "DELETE /api/v1/namespaces/default\n"
        "403 message=\"namespaces \\\"default\\\" is forbidden: this namespace may not be deleted\"\n"
        "POST /api/v1/namespaces {'metadata':{'name':'a.b'}}\n"
        "422 details.causes.0.field=metadata.name\n");
}

static void test_status_and_spec_are_apart(void **state)
{
    run("POST /api/v1/namespaces {'metadata':{'name':'n'},'status':{'phase':'Terminating'}}\n"
        "201 status.phase=Active\n"
        "PUT /api/v1/namespaces/n "
        "{'metadata':{'name':'n','labels':{'a':'b'}},'status':{'phase':'Terminating'}}\n"
        "200 status.phase=Active metadata.labels.a=b\n"
        "header content-type: application/merge-patch+json\n"
        "PATCH /api/v1/namespaces/n/status "
        "{'metadata':{'labels':{'a':'c'}},'status':{'conditions':[{'type':'T','status':'True'}]}}\n"
        "200 status.conditions.0.type=T metadata.labels.a=b\n"
        "GET /api/v1/namespaces/n/status\n"
        "200 status.conditions.0.type=T\n");
}

static void test_discovery(void **state)
{
    run("GET /api\n"
        "200 kind=APIVersions versions.0=v1 serverAddressByClientCIDRs.0.serverAddress=192.0.2.1:6443\n"
        "GET /api/v1\n"
        "200 kind=APIResourceList groupVersion=v1 resources.0.name=configmaps resources.0.namespaced=true "
        "resources.0.shortNames.0=cm resources.0.verbs.0=create "
        "body~\"\\\"name\\\":\\\"services/status\\\"\"\n"
        "GET /apis\n"
        "200 kind=APIGroupList groups.0.name=apps groups.0.preferredVersion.groupVersion=apps/v1\n"
        "GET /apis/apps\n"
        "200 kind=APIGroup name=apps\n"
        "GET /apis/apps/v1\n"
        "200 groupVersion=apps/v1 resources.0.name=deployments resources.1.name=deployments/scale "
        "resources.1.kind=Scale resources.1.group=autoscaling\n"
        "GET /apis/nonsense\n"
        "404\n"
        "GET /apis/apps/v7\n"
        "404\n"
        "header accept: "
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json\n"
        "GET /apis\n"
        "200 kind=APIGroupDiscoveryList apiVersion=apidiscovery.k8s.io/v2 items.0.metadata.name=apps "
        "@content-type=\"application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList\" "
        "items.0.versions.0.resources.0.resource=deployments "
        "items.0.versions.0.resources.0.subresources.0.responseKind.kind=Scale\n"
        "header accept: "
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json\n"
        "GET /api\n"
        "200 kind=APIGroupDiscoveryList apiVersion=apidiscovery.k8s.io/v2beta1 "
        "items.0.versions.0.resources.0.resource=configmaps items.#=1\n"
        "GET /openapi/v3\n"
        "200 paths.api/v1.serverRelativeURL=*\n"
        "GET /openapi/v3/apis/apps/v1\n"
        "200 openapi=* @etag:=tag\n"
        "header if-none-match: ${tag}\n"
        "GET /openapi/v3/apis/apps/v1\n"
        "304\n"
        "GET /openapi/v2\n"
        "200 swagger=2.0\n"
        "header accept: application/com.github.proto-openapi.spec.v2@v1.0+protobuf\n"
        "GET /openapi/v2\n"
        "200 @content-type=application/com.github.proto-openapi.spec.v2.v1.0+protobuf\n"
        "GET /openapi/v3/apis/nonsense\n"
        "404\n");
}

static void test_events_in_both_groups(void **state)
{
    run("POST /api/v1/namespaces/default/events "
        "{'metadata':{'name':'e'},'reason':'R','message':'m','count':2,"
        "'involvedObject':{'kind':'Pod','namespace':'default','name':'p'}}\n"
        "201 kind=Event apiVersion=v1 message=m\n"
        "GET /apis/events.k8s.io/v1/namespaces/default/events/e\n"
        "200 apiVersion=events.k8s.io/v1 note=m message=- regarding.name=p deprecatedCount=2 "
        "involvedObject=-\n"
        "GET /apis/events.k8s.io/v1/events\n"
        "200 apiVersion=events.k8s.io/v1 kind=EventList items.0.regarding.kind=Pod\n"
        "watch w /apis/events.k8s.io/v1/events?watch=1\n"
        "w: ADDED apiVersion=events.k8s.io/v1 note=m\n"
        "GET /api/v1/events?fieldSelector=involvedObject.name%3Dp,reason%21%3DX\n"
        "200 items.#=1\n"
        "header content-type: application/merge-patch+json\n"
        "PATCH /apis/events.k8s.io/v1/namespaces/default/events/e {'note':'n'}\n"
        "200 note=n apiVersion=events.k8s.io/v1\n"
        "w: MODIFIED note=n\n"
        "GET /api/v1/namespaces/default/events/e\n"
        "200 message=n apiVersion=v1 note=-\n"
        "POST /api/v1/namespaces/default/events "
        "{'metadata':{'name':'f'},'involvedObject':{'namespace':'other'}}\n"
        "422 details.causes.0.field=involvedObject.namespace message~\"does not match event.namespace\"\n"
        "advance 3000000\n"
        "header content-type: application/merge-patch+json\n"
        "PATCH /api/v1/namespaces/default/events/e {'count':3}\n"
        "200\n"
        "advance 3000000\n"
        "GET /api/v1/namespaces/default/events/e\n"
        "200\n"
        "advance 3600000\n"
        "GET /api/v1/namespaces/default/events/e\n"
        "404\n");
}

static void test_what_must_exist_comes_back(void **state)
{
    run("GET /apis/networking.k8s.io/v1/servicecidrs/kubernetes\n"
        "200 spec.cidrs.0=10.96.0.0/16\n"
        "GET /api/v1/namespaces/default/services/kubernetes\n"
        "200 spec.clusterIP=10.96.0.1 spec.ports.0.port=443 spec.ports.0.targetPort=6443 metadata.uid:=uid\n"
        "GET /api/v1/namespaces/default/endpoints/kubernetes\n"
        "200 subsets.0.addresses.0.ip=192.0.2.1 subsets.0.ports.0.port=6443\n"
        "GET /apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes\n"
        "200 endpoints.0.addresses.0=192.0.2.1 addressType=IPv4\n"
        "DELETE /api/v1/namespaces/default/services/kubernetes\n"
        "200\n"
        "DELETE /apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes\n"
        "200\n"
        "advance 1000\n"
        "GET /api/v1/namespaces/default/services/kubernetes\n"
        "200 spec.clusterIP=10.96.0.1\n"
        "GET /apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes\n"
        "200\n");
}

/* A server that comes up under another address says so. */
static void test_endpoints_follow_the_address(void **state)
{
    struct script_server s;
    script_server_open(&s, STR(""), NULL);
    (void)ip_parse(STR("192.0.2.99"), &s.config.advertise_ip);
    script_server_restart(&s);
    script_run(&s, "GET /api/v1/namespaces/default/endpoints/kubernetes\n"
                   "200 subsets.0.addresses.0.ip=192.0.2.99 subsets.0.addresses.#=1\n"
                   "GET /apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes\n"
                   "200 endpoints.0.addresses.0=192.0.2.99\n");
    script_server_close(&s);
}

static void test_health_and_version(void **state)
{
    run("as nobody\n"
        "GET /readyz\n"
        "200 body=ok\n"
        "GET /readyz?verbose\n"
        "200 body~\"[+]ping ok\" body~\"readyz check passed\"\n"
        "GET /livez/ping\n"
        "200 body=ok\n"
        "GET /livez/nonsense\n"
        "404\n"
        "GET /healthz\n"
        "200\n"
        "GET /version\n"
        "200 major=1 minor=36 gitVersion~v1.36.2+fairlead\n"
        "POST /version {}\n"
        "401\n"
        "as admin system:masters\n"
        "POST /version {}\n"
        "405\n");
}

RUN_TESTS(cmocka_unit_test(test_create_get_update_delete),
          cmocka_unit_test(test_update_without_change_writes_nothing), cmocka_unit_test(test_generate_name),
          cmocka_unit_test(test_bad_objects), cmocka_unit_test(test_field_validation),
          cmocka_unit_test(test_dry_run_leaves_nothing), cmocka_unit_test(test_yaml),
          cmocka_unit_test(test_partial_metadata), cmocka_unit_test(test_immutable_map),
          cmocka_unit_test(test_namespaces), cmocka_unit_test(test_status_and_spec_are_apart),
          cmocka_unit_test(test_health_and_version), cmocka_unit_test(test_discovery),
          cmocka_unit_test(test_events_in_both_groups), cmocka_unit_test(test_what_must_exist_comes_back),
          cmocka_unit_test(test_endpoints_follow_the_address))
