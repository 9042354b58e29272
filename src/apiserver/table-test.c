/* Tables: the columns of every kind, as kubectl prints them. */
#include "apiserver/printers.h"
#include "apiserver/registry.h"
#include "apiserver/test-script.h"
#include "base/test.h"

#define AS_TABLE "header accept: application/json;as=Table;v=v1;g=meta.k8s.io,application/json\n"
#define NS       "/api/v1/namespaces/default"

static void run(const char *text)
{
    struct script_server s;
    script_server_open(&s, STR(""), NULL);
    script_run(&s, text);
    script_server_close(&s);
}

static void test_every_printer_is_there(void **state)
{
    for (size_t i = 0; i < n_schema_resources; i++) {
        const struct schema_resource *r = schema_resources[i];
        assert_true(r->n_columns > 0);
        for (size_t k = 0; k < r->n_columns; k++) {
            struct str path = r->columns[k].path;
            if (path.p[0] == '@' && !printer_find(str_slice(path, 1, path.len)))
                fail_msg("%.*s: no printer %.*s", STR_ARG(r->plural), STR_ARG(path));
        }
    }
}

static void test_tables_of_services(void **state)
{
    run("POST " NS
        "/services {'metadata':{'name':'web'},'spec':{'type':'NodePort','selector':{'b':'2','a':'1'},"
        "'externalIPs':['192.0.2.50'],'ports':[{'name':'x','port':80,'nodePort':30080},{'name':'y','port':53,"
        "'nodePort':30053,'protocol':'UDP'}]}}\n"
        "201\n" AS_TABLE "GET " NS "/services/web\n"
        "200 kind=Table apiVersion=meta.k8s.io/v1 columnDefinitions.0.name=Name "
        "columnDefinitions.0.format=name "
        "columnDefinitions.2.name=Cluster-IP rows.#=1 rows.0.cells.0=web rows.0.cells.1=NodePort "
        "rows.0.cells.3=192.0.2.50 rows.0.cells.4=80:30080/TCP,53:30053/UDP rows.0.cells.5=0s "
        "rows.0.cells.6=a=1,b=2 "
        "rows.0.object.kind=PartialObjectMetadata rows.0.object.metadata.name=web rows.0.object.spec=-\n"
        "POST " NS
        "/services {'metadata':{'name':'name'},'spec':{'type':'ExternalName','externalName':'example.com'}}\n"
        "201\n"
        "POST " NS
        "/services {'metadata':{'name':'lb'},'spec':{'type':'LoadBalancer','ports':[{'port':80}]}}\n"
        "201\n"
        "header accept: application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json\n"
        "GET " NS "/services?includeObject=Object\n"
        "200 kind=Table apiVersion=meta.k8s.io/v1beta1 metadata.resourceVersion=* rows.#=4 "
        "rows.0.cells.0=kubernetes "
        "rows.0.cells.2=10.96.0.1 rows.0.cells.3=<none> rows.0.cells.4=443/TCP rows.0.cells.6=<none> "
        "rows.0.object.kind=Service rows.1.cells.3=<pending> rows.2.cells.2=<none> "
        "rows.2.cells.3=example.com "
        "rows.2.cells.4=<none>\n" AS_TABLE "GET " NS "/services?includeObject=None&limit=1\n"
        "200 rows.#=1 rows.0.object=- metadata.continue=*\n" AS_TABLE "GET " NS "/endpoints/kubernetes\n"
        "200 rows.0.cells.1=192.0.2.1:6443\n" AS_TABLE
        "GET /apis/discovery.k8s.io/v1/namespaces/default/endpointslices\n"
        "200 rows.0.cells.1=IPv4 rows.0.cells.2=6443 rows.0.cells.3=192.0.2.1\n" AS_TABLE
        "GET /apis/networking.k8s.io/v1/servicecidrs\n"
        "200 rows.0.cells.1=10.96.0.0/16\n" AS_TABLE "GET /apis/networking.k8s.io/v1/ipaddresses/10.96.0.1\n"
        "200 rows.0.cells.1=services/default/kubernetes\n");
}

static void test_tables_of_pods(void **state)
{
    run("POST " NS "/pods "
        "{'metadata':{'name':'p'},'spec':{'nodeName':'n','containers':[{'name':'c','image':'i'},{'"
        "name':'d','image':'i'}]}}\n"
        "201\n" AS_TABLE "GET " NS "/pods/p\n"
        "200 rows.0.cells.1=0/2 rows.0.cells.2=Pending rows.0.cells.3=0 rows.0.cells.5=<none> "
        "rows.0.cells.6=n\n"
        "header content-type: application/merge-patch+json\n"
        "PATCH " NS "/pods/p/status "
        "{'status':{'phase':'Running','podIPs':[{'ip':'10.0.0.1'}],'podIP':'10.0.0.1','containerStatuses':["
        "{'name':'c','ready':true,'restartCount':2,'image':'i','imageID':'','state':{'running':{}},"
        "'lastState':{'terminated':{'exitCode':1,'finishedAt':'2026-09-21T14:08:20Z'}}},"
        "{'name':'d','ready':false,'restartCount':1,'image':'i','imageID':'','state':{'waiting':{'reason':'"
        "CrashLoopBackOff'}}}]}}\n"
        "200\n" AS_TABLE "GET " NS "/pods\n"
        "200 rows.0.cells.1=1/2 rows.0.cells.2=CrashLoopBackOff rows.0.cells.3=\"3 (5m1s ago)\" "
        "rows.0.cells.5=10.0.0.1\n"
        "DELETE " NS "/pods/p\n"
        "200\n" AS_TABLE "GET " NS "/pods/p\n"
        "200 rows.0.cells.2=Terminating\n");
}

static void test_tables_of_the_rest(void **state)
{
    run("POST /api/v1/nodes {'metadata':{'name':'n','labels':{'node-role.kubernetes.io/control-plane':''}},"
        "'spec':{'unschedulable':true},"
        "'status':{'conditions':[{'type':'Ready','status':'True'}],'nodeInfo':{'kubeletVersion':'v1'},"
        "'addresses':[{'type':'InternalIP','address':'192.0.2.9'}]}}\n"
        "201\n" AS_TABLE "GET /api/v1/nodes/n\n"
        "200 rows.0.cells.1=Ready,SchedulingDisabled rows.0.cells.2=control-plane rows.0.cells.4=v1 "
        "rows.0.cells.5=192.0.2.9 rows.0.cells.6=<none>\n"
        "POST /apis/apps/v1/namespaces/default/deployments "
        "{'metadata':{'name':'d'},'spec':{'replicas':3,'selector':"
        "{'matchLabels':{'app':'d'}},'template':{'metadata':{'labels':{'app':'d'}},'spec':{'containers':"
        "[{'name':'c','image':'i'}]}}}}\n"
        "201\n" AS_TABLE "GET /apis/apps/v1/namespaces/default/deployments/d\n"
        "200 rows.0.cells.1=0/3 rows.0.cells.2=0 rows.0.cells.3=0 rows.0.cells.5=c rows.0.cells.6=i "
        "rows.0.cells.7=app=d\n"
        "POST " NS "/configmaps {'metadata':{'name':'m'},'data':{'a':'1','b':'2'}}\n"
        "201\n" AS_TABLE "GET " NS "/configmaps\n"
        "200 rows.0.cells.1=2\n"
        "POST " NS "/events {'metadata':{'name':'e'},'type':'Normal','reason':'R','message':' m ','count':4,"
        "'lastTimestamp':'2026-09-21T14:03:21Z','involvedObject':{'kind':'Pod','name':'p','namespace':'"
        "default'}}\n"
        "201\n" AS_TABLE "GET " NS "/events\n"
        "200 rows.0.cells.0=10m rows.0.cells.1=Normal rows.0.cells.2=R rows.0.cells.3=pod/p\n" AS_TABLE
        "GET /apis/events.k8s.io/v1/namespaces/default/events?includeObject=Object\n"
        "200 rows.0.cells.3=pod/p rows.0.object.apiVersion=events.k8s.io/v1 rows.0.object.note=\" m "
        "\"\n" AS_TABLE "GET /api/v1/namespaces\n"
        "200 rows.#=4 rows.0.cells.1=Active\n");
}

/* Whoever writes an Event does not write on the terminal of who reads it. */
static void test_GO_2022_0983_cells_move_no_cursor(void **state)
{
    run("POST " NS "/events {'metadata':{'name':'e'},'message':'a\\u001b[2Jb\\u0007c\\u202ed\\u009be\\u2066f "
        "\\u00e9','type':'\\u007f',"
        "'involvedObject':{'namespace':'default'}}\n"
        "201 message~a\n" AS_TABLE "GET " NS "/events\n"
        "200 rows.0.cells.1=\\x7f rows.0.cells.6~\"a\\\\x1b[2Jb\\\\x07c\" rows.0.cells.6~\303\251\n");
}

static void test_tables_in_watches(void **state)
{
    run(AS_TABLE "watch w " NS "/configmaps?watch=1\n"
                 "POST " NS "/configmaps {'metadata':{'name':'m'},'data':{'a':'1'}}\n"
                 "201 metadata.resourceVersion:=rv\n"
                 "w: ADDED kind=Table rows.0.cells.0=m rows.0.cells.1=1 metadata.resourceVersion=${rv}\n"
                 "DELETE " NS "/configmaps/m\n"
                 "200\n"
                 "w: DELETED kind=Table rows.0.cells.0=m\n");
}

RUN_TESTS(cmocka_unit_test(test_every_printer_is_there), cmocka_unit_test(test_tables_of_services),
          cmocka_unit_test(test_tables_of_pods), cmocka_unit_test(test_tables_of_the_rest),
          cmocka_unit_test(test_GO_2022_0983_cells_move_no_cursor), cmocka_unit_test(test_tables_in_watches))
