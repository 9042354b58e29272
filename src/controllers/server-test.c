/* All controllers against the real API server, in one process on a scripted clock. */
#include "apiserver/apiserver.h"
#include "apiserver/local.h"
#include "apiserver/test-script.h"
#include "base/test.h"
#include "controllers/controllers.h"

#define SERVICES    "/api/v1/namespaces/default/services"
#define PODS        "/api/v1/namespaces/default/pods"
#define ENDPOINTS   "/api/v1/namespaces/default/endpoints"
#define SLICES      "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
#define OF_WEB      "?labelSelector=kubernetes.io/service-name%3Dweb"
#define DEPLOYMENTS "/apis/apps/v1/namespaces/default/deployments"
#define SETS        "/apis/apps/v1/namespaces/default/replicasets"
#define MERGE       "header content-type: application/merge-patch+json\n"

struct cluster {
    struct script_server server;
    struct http_transport *transport;
    struct controllers *controllers;
    struct random random;
};

static int setup(void **state)
{
    static const struct str masters[] = {STR_INIT("system:masters")};
    struct cluster *c = mem_new(struct cluster);
    random_seed(&c->random, 5);
    script_server_open(&c->server, STR(""), NULL);
    c->transport = local_transport_new(&(struct local_options){.loop = c->server.loop,
                                                               .handle = apiserver_handle,
                                                               .ctx = c->server.server,
                                                               .user = STR("system:controllers"),
                                                               .groups = masters,
                                                               .n_groups = 1});
    c->controllers = controllers_new(&(struct controllers_config){
        .loop = c->server.loop, .transport = c->transport, .random = &c->random});
    controllers_start(c->controllers);
    loop_script_advance(c->server.loop, 1000);
    assert_true(controllers_are_synced(c->controllers));
    *state = c;
    return 0;
}

static int teardown(void **state)
{
    struct cluster *c = *state;
    controllers_free(c->controllers);
    http_transport_free(c->transport);
    script_server_close(&c->server);
    free(c);
    return 0;
}

static void run(void **state, const char *text)
{
    struct cluster *c = *state;
    script_run(&c->server, text);
}

static void test_a_service_gets_its_endpoints(void **state)
{
    run(state, "POST " SERVICES " {'metadata':{'name':'web'},'spec':{'selector':{'app':'web'},'ports':[{'"
               "port':80,'targetPort':8080}]}}\n"
               "201\n"
               "advance 100\n"
               "GET " SLICES OF_WEB "\n"
               "200 items.#=1 items.0.addressType=IPv4 items.0.endpoints.#=0\n"
               "POST " PODS " {'metadata':{'name':'p1','labels':{'app':'web'}},'spec':{'containers':[{'name':"
               "'c','image':'i'}]}}\n"
               "201\n" MERGE "PATCH " PODS
               "/p1/status {'status':{'phase':'Running','podIP':'10.1.0.1','podIPs':[{'ip':'10.1.0.1'}],"
               "'conditions':[{'type':'Ready','status':'True'}]}}\n"
               "200\n"
               "advance 100\n"
               "GET " SLICES OF_WEB "\n"
               "200 items.#=1 items.0.endpoints.#=1 items.0.endpoints.0.addresses.0=10.1.0.1 "
               "items.0.ports.0.port=8080 "
               "items.0.endpoints.0.conditions.ready=true items.0.metadata.ownerReferences.0.name=web\n"
               "GET " ENDPOINTS "/web\n"
               "200 subsets.0.addresses.0.ip=10.1.0.1 subsets.0.ports.0.port=8080\n"
               "GET " SLICES OF_WEB "\n"
               "200 items.0.metadata.resourceVersion:=rv\n"
               "advance 3600000\n"
               "GET " SLICES OF_WEB "\n"
               "200 items.0.metadata.resourceVersion=${rv}\n"
               "DELETE " PODS "/p1\n"
               "200\n"
               "advance 100\n"
               "GET " SLICES OF_WEB "\n"
               "200 items.#=1 items.0.endpoints.#=0\n"
               "DELETE " SERVICES "/web\n"
               "200\n"
               "advance 1000\n"
               "GET " SLICES OF_WEB "\n"
               "200 items.#=0\n"
               "GET " ENDPOINTS "/web\n"
               "404\n");
}

static void test_endpoints_by_hand_are_mirrored(void **state)
{
    run(state,
        "POST " SERVICES " {'metadata':{'name':'db'},'spec':{'ports':[{'port':80}]}}\n"
        "201\n"
        "POST " ENDPOINTS
        " {'metadata':{'name':'db'},'subsets':[{'addresses':[{'ip':'192.0.2.1'}],'ports':[{'port':5432}]}]}\n"
        "201\n"
        "advance 1000\n"
        "GET " SLICES "?labelSelector=kubernetes.io/service-name%3Ddb\n"
        "200 items.#=1 items.0.endpoints.0.addresses.0=192.0.2.1 items.0.ports.0.port=5432\n"
        "DELETE " ENDPOINTS "/db\n"
        "200\n"
        "advance 1000\n"
        "GET " SLICES "?labelSelector=kubernetes.io/service-name%3Ddb\n"
        "200 items.#=0\n");
}

#define DEPLOYMENT                                                                                           \
    "POST " DEPLOYMENTS                                                                                      \
    " {'metadata':{'name':'web'},'spec':{'replicas':2,'selector':{'matchLabels':{'app':'web'}},"             \
    "'template':{'metadata':{'labels':{'app':'web'}},'spec':{'containers':[{'name':'c','image':'i:1'}]}}}}"  \
    "\n"                                                                                                     \
    "201\n"                                                                                                  \
    "advance 1000\n"

static void test_a_deployment_makes_pods_and_rolls(void **state)
{
    run(state,
        DEPLOYMENT "GET " PODS "?labelSelector=app%3Dweb\n"
                   "200 items.#=2 items.0.metadata.ownerReferences.0.kind=ReplicaSet "
                   "items.0.metadata.name:=a items.1.metadata.name:=b\n"
                   "GET " DEPLOYMENTS "/web\n"
                   "200 status.replicas=2 status.observedGeneration=1 status.unavailableReplicas=2\n" MERGE
                   "PATCH " PODS "/${a}/status {'status':{'conditions':[{'type':'Ready','status':'True'}]}}\n"
                   "200\n" MERGE "PATCH " PODS
                   "/${b}/status {'status':{'conditions':[{'type':'Ready','status':'True'}]}}\n"
                   "200\n"
                   "advance 1000\n"
                   "GET " DEPLOYMENTS "/web\n"
                   "200 status.availableReplicas=2 status.updatedReplicas=2 status.readyReplicas=2 "
                   "status.unavailableReplicas=-\n" MERGE "PATCH " DEPLOYMENTS
                   "/web {'spec':{'template':{'spec':{'containers':[{'name':'c','image':'i:2'}]}}}}\n"
                   "200\n"
                   "advance 1000\n"
                   "GET " SETS "\n"
                   "200 items.#=2\n"
                   "GET " PODS "?labelSelector=app%3Dweb\n"
                   "200 items.#=3\n"
                   "GET " DEPLOYMENTS "/web\n"
                   "200 status.updatedReplicas=1 status.observedGeneration=2 "
                   "body~\"deployment.kubernetes.io/revision\\\":\\\"2\"\n"
                   "GET " DEPLOYMENTS "/web/scale\n"
                   "200 spec.replicas=2\n"
                   "GET /api/v1/namespaces/default/events\n"
                   "200 body~ScalingReplicaSet body~SuccessfulCreate\n");
}

static void test_deleting_a_deployment_takes_everything_along(void **state)
{
    run(state, DEPLOYMENT "DELETE " DEPLOYMENTS "/web {'propagationPolicy':'Foreground'}\n"
                          "200 metadata.finalizers.0=foregroundDeletion\n"
                          "advance 5000\n"
                          "GET " DEPLOYMENTS "/web\n"
                          "404\n"
                          "GET " SETS "\n"
                          "200 items.#=0\n"
                          "GET " PODS "\n"
                          "200 items.#=0\n");
}

static void test_orphans_stay_and_are_adopted_again(void **state)
{
    run(state, DEPLOYMENT
        "DELETE " DEPLOYMENTS "/web {'propagationPolicy':'Orphan'}\n"
        "200\n"
        "advance 5000\n"
        "GET " DEPLOYMENTS "/web\n"
        "404\n"
        "GET " SETS "\n"
        "200 items.#=1 items.0.metadata.ownerReferences=- items.0.metadata.name:=set\n"
        "GET " PODS "\n"
        "200 items.#=2\n" DEPLOYMENT "GET " SETS "\n"
        "200 items.#=1 items.0.metadata.name=${set} items.0.metadata.ownerReferences.0.name=web\n");
}

static void test_a_namespace_goes_with_its_content(void **state)
{
    run(state,
        "POST /api/v1/namespaces {'metadata':{'name':'n'}}\n"
        "201 status.phase=Active\n"
        "POST /api/v1/namespaces/n/configmaps {'metadata':{'name':'c','finalizers':['example.com/hold']}}\n"
        "201\n"
        "POST /api/v1/namespaces/n/services "
        "{'metadata':{'name':'s'},'spec':{'selector':{'a':'b'},'ports':[{'port':80}]}}\n"
        "201\n"
        "POST /apis/apps/v1/namespaces/n/deployments "
        "{'metadata':{'name':'d'},'spec':{'replicas':3,'selector':{'matchLabels':{"
        "'x':'y'}},'template':{'metadata':{'labels':{'x':'y'}},'spec':{'containers':[{'name':'c','image':'i'}"
        "]}}}}\n"
        "201\n"
        "advance 1000\n"
        "DELETE /api/v1/namespaces/n\n"
        "200 status.phase=Terminating\n"
        "advance 5000\n"
        "GET /api/v1/namespaces/n\n"
        "200 body~SomeFinalizersRemain body~\"configmaps. has 1 resource instances\"\n" MERGE
        "PATCH /api/v1/namespaces/n/configmaps/c {'metadata':{'finalizers':null}}\n"
        "200\n"
        "advance 5000\n"
        "GET /api/v1/namespaces/n\n"
        "404\n"
        "GET /api/v1/pods\n"
        "200 items.#=0\n");
}

static void test_service_cidrs_are_ready_and_held(void **state)
{
    run(state, "GET /apis/networking.k8s.io/v1/servicecidrs/kubernetes\n"
               "200 status.conditions.0.type=Ready status.conditions.0.status=True metadata.finalizers.#=1\n"
               "POST /apis/networking.k8s.io/v1/servicecidrs "
               "{'metadata':{'name':'more'},'spec':{'cidrs':['10.200.0.0/24']}}\n"
               "201\n"
               "advance 1000\n"
               "DELETE /apis/networking.k8s.io/v1/servicecidrs/more\n"
               "200\n"
               "GET /apis/networking.k8s.io/v1/servicecidrs/more\n"
               "200 metadata.deletionTimestamp=*\n"
               "advance 12000\n"
               "GET /apis/networking.k8s.io/v1/servicecidrs/more\n"
               "404\n");
}

static void test_a_quiet_cluster_is_quiet(void **state)
{
    struct cluster *c = *state;
    run(state,
        DEPLOYMENT "POST " SERVICES
                   " {'metadata':{'name':'web'},'spec':{'selector':{'app':'web'},'ports':[{'port':80}]}}\n"
                   "201\n"
                   "advance 3600000\n"
                   "GET " PODS "\n"
                   "200 metadata.resourceVersion:=rv\n"
                   "advance 3600000\n"
                   "GET " PODS "\n"
                   "200 metadata.resourceVersion=${rv}\n");
    assert_true(controllers_are_idle(c->controllers));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
RUN_TESTS(T(test_a_service_gets_its_endpoints), T(test_endpoints_by_hand_are_mirrored),
          T(test_a_deployment_makes_pods_and_rolls), T(test_deleting_a_deployment_takes_everything_along),
          T(test_orphans_stay_and_are_adopted_again), T(test_a_namespace_goes_with_its_content),
          T(test_service_cidrs_are_ready_and_held), T(test_a_quiet_cluster_is_quiet))
