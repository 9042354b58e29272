/* Who gets in, and what they may do. */
#include <stdio.h>

#include "apiserver/authz.h"
#include "apiserver/registry.h"
#include "apiserver/route.h"
#include "apiserver/test-script.h"
#include "base/test.h"

#define MAPS "/api/v1/namespaces/default/configmaps"
#define TOKENS                                                                                               \
    "# token,user,uid,groups\n"                                                                              \
    "canary-admin-token,root,1,system:masters\n"                                                             \
    "canary-plain-token,jane,2,\"dev,ops\"\n"                                                                \
    "\"canary-proxy-token\",system:kube-proxy,3\n"

static void run(const char *text)
{
    struct script_server s;
    script_server_open(&s, STR(TOKENS), NULL);
    script_run(&s, text);
    script_server_close(&s);
}

static void test_credentials(void **state)
{
    run("as nobody\n"
        "GET " MAPS "\n"
        "401 reason=Unauthorized message~\"no credentials were sent\"\n"
        "GET /nonsense\n"
        "401\n"
        "header authorization: Bearer canary-admin-token\n"
        "GET " MAPS "\n"
        "200\n"
        "header authorization: bearer canary-admin-token\n"
        "GET " MAPS "\n"
        "200\n"
        "header authorization: Bearer canary-wrong-token\n"
        "GET " MAPS "\n"
        "401 message~\"the bearer token is not known\"\n"
        "header authorization: Basic cm9vdDpyb290\n"
        "GET " MAPS "\n"
        "401 message~\"no bearer token\"\n"
        "header authorization: Bearer\n"
        "GET " MAPS "\n"
        "401\n"
        "header authorization: Bearer canary-wrong-token\n"
        "GET /version\n"
        "401\n"
        "header authorization: Bearer canary-plain-token\n"
        "GET " MAPS "\n"
        "403 reason=Forbidden "
        "message=\"configmaps is forbidden: User \\\"jane\\\" cannot list resource \\\"configmaps\\\" in API "
        "group "
        "\\\"\\\" in the namespace \\\"default\\\"\"\n"
        "header authorization: Bearer canary-plain-token\n"
        "GET /api/v1/configmaps\n"
        "403 message~\"at the cluster scope\"\n"
        "header authorization: Bearer canary-plain-token\n"
        "GET /nonsense\n"
        "403 message=\"forbidden: User \\\"jane\\\" cannot get path \\\"/nonsense\\\"\"\n"
        "header authorization: Bearer canary-plain-token\n"
        "GET /version\n"
        "200\n"
        "header authorization: Bearer canary-plain-token\n"
        "GET /metrics\n"
        "403\n");
}

/* A certificate and a token: the token counts, as upstream's order has it. */
static void test_token_comes_before_certificate(void **state)
{
    run("header authorization: Bearer canary-plain-token\n"
        "GET " MAPS "\n"
        "403 message~jane\n");
}

static void test_token_files(void **state)
{
    static const struct {
        const char *text, *error;
    } bad[] = {
        {"onlytoken\n", "line 1: a token and a user name are needed"},
        {"a,b\n,user\n", "line 2: a token and a user name are needed"},
        {"a,b,c,\"open\n", "line 1: a quote is not closed"},
        {"a,b,c,d,e\n", "line 1: more than four fields"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct authn *a = NULL;
        struct err err = {0};
        assert_true(authn_new(str_of(bad[i].text), &a, &err) < 0);
        assert_string_equal(err.text, bad[i].error);
    }
}

static void test_kube_proxy_rights(void **state)
{
    run("header authorization: Bearer canary-proxy-token\n"
        "GET /api/v1/services\n200\n"
        "as system:kube-proxy\n"
        "GET /api/v1/services\n200\n"
        "as pod system:kube-proxy\n"
        "GET /apis/discovery.k8s.io/v1/endpointslices\n200\n"
        "watch s /api/v1/services?watch=1\n"
        "GET /apis/networking.k8s.io/v1/servicecidrs\n200\n"
        "GET /api/v1/nodes/n\n404\n"
        "GET /api/v1/namespaces\n200\n"
        "GET /api/v1/secrets\n403\n"
        "GET /api/v1/configmaps\n403\n"
        "POST /api/v1/namespaces/default/services {}\n403\n"
        "DELETE /api/v1/namespaces/default/services/kubernetes\n403\n"
        "POST /api/v1/namespaces/default/events "
        "{'metadata':{'generateName':'e'},'involvedObject':{'namespace':'default'}}\n201\n"
        "GET /api/v1/events\n403\n");
}

static void test_CVE_2025_5187_nodes_write_little(void **state)
{
    run("POST /api/v1/nodes {'metadata':{'name':'other'}}\n201\n"
        "POST /api/v1/namespaces/default/pods "
        "{'metadata':{'name':'mine'},'spec':{'nodeName':'n','containers':[{'name':'c','image':'i'}]}}\n201\n"
        "POST /api/v1/namespaces/default/pods "
        "{'metadata':{'name':'foreign'},'spec':{'nodeName':'other','containers':[{'name':'c','image':'i'}]}}"
        "\n201\n"
        "as system:node:n system:nodes\n"
        "POST /api/v1/nodes {'metadata':{'name':'other2'}}\n"
        "403 message~\"node \\\"n\\\" is not allowed to modify other nodes\"\n"
        "POST /api/v1/nodes {'metadata':{'name':'n','finalizers':['a.b/c']}}\n"
        "403 message~finalizers\n"
        "POST /api/v1/nodes {'metadata':{'name':'n','ownerReferences':"
        "[{'apiVersion':'v1','kind':'Node','name':'other','uid':'1'}]}}\n"
        "403 message~owners\n"
        "POST /api/v1/nodes {'metadata':{'name':'n','labels':{'node-role.kubernetes.io/control-plane':''}}}\n"
        "403 message~\"labels that steer workloads\"\n"
        "POST /api/v1/nodes "
        "{'metadata':{'name':'n','labels':{'kubernetes.io/hostname':'n','example.com/x':'y'}},"
        "'status':{'addresses':[{'type':'InternalIP','address':'192.0.2.7'}]}}\n"
        "201 status.addresses.0.address=192.0.2.7\n"
        "header content-type: application/merge-patch+json\n"
        "PATCH /api/v1/nodes/n {'spec':{'podCIDR':'10.0.0.0/8'}}\n"
        "403 message~\"pod ranges\"\n"
        "header content-type: application/merge-patch+json\n"
        "PATCH /api/v1/nodes/n {'spec':{'taints':[{'key':'a','effect':'NoSchedule'}]}}\n"
        "403 message~taints\n"
        "header content-type: application/merge-patch+json\n"
        "PATCH /api/v1/nodes/n/status {'status':{'conditions':[{'type':'Ready','status':'True'}]}}\n"
        "200\n"
        "header content-type: application/merge-patch+json\n"
        "PATCH /api/v1/nodes/other/status {'status':{}}\n"
        "403\n"
        "DELETE /api/v1/nodes/n\n"
        "403\n"
        "header content-type: application/merge-patch+json\n"
        "PATCH /api/v1/namespaces/default/pods/mine/status {'status':{'phase':'Running'}}\n"
        "200 status.phase=Running\n"
        "header content-type: application/merge-patch+json\n"
        "PATCH /api/v1/namespaces/default/pods/foreign/status {'status':{'phase':'Running'}}\n"
        "403 message~\"bound to it\"\n"
        "header content-type: application/merge-patch+json\n"
        "PATCH /api/v1/namespaces/default/pods/mine {'metadata':{'labels':{'a':'b'}}}\n"
        "403\n"
        "DELETE /api/v1/namespaces/default/pods/foreign\n"
        "403\n"
        "DELETE /api/v1/namespaces/default/pods/mine?gracePeriodSeconds=0\n"
        "200\n"
        "POST /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases {'metadata':{'name':'n'}}\n"
        "201\n"
        "POST /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases {'metadata':{'name':'x'}}\n"
        "403\n"
        "POST /apis/coordination.k8s.io/v1/namespaces/default/leases {'metadata':{'name':'n'}}\n"
        "403\n"
        "GET /api/v1/secrets\n403\n"
        "as system:node: system:nodes\n"
        "GET /api/v1/pods\n403\n"
        "as system:node:n dev\n"
        "GET /api/v1/pods\n403\n");
}

/* etcd's GHSA-xg4h-6gfc-h4m8 and relatives: whatever can be asked goes through the gate, and nothing is open
 * that is not on the list. */

static void check_route(FILE *f, const char *method, const char *path, bool is_public)
{
    (void)fprintf(f, "as nobody\n%s %s\n%s\nas jane dev\n%s %s\n%s\n", method, path,
                  is_public ? "200" : "401", method, path, is_public ? "200" : "403");
}

static void check_resource(FILE *f, const struct resource *r)
{
    static const char *const methods[] = {"GET", "PUT", "PATCH", "DELETE", "POST", "OPTIONS"};
    static const char *const parts[] = {"", "/status", "/scale", "/finalize", "/log", "/exec", "/proxy"};
    char collection[300], path[400];
    (void)snprintf(
        collection, sizeof collection, "%s%.*s/%.*s/%s%.*s", r->schema->group.len ? "/apis/" : "/api",
        STR_ARG(r->schema->group), STR_ARG(r->schema->version),
        r->schema->scope == SCHEMA_NAMESPACED ? "namespaces/default/" : "", STR_ARG(r->schema->plural));
    for (size_t m = 0; m < ARRAY_LEN(methods); m++) {
        check_route(f, methods[m], collection, false);
        for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
            (void)snprintf(path, sizeof path, "%s/name%s", collection, parts[i]);
            check_route(f, methods[m], path, false);
        }
    }
    (void)snprintf(path, sizeof path, "%s?watch=1", collection);
    check_route(f, "GET", path, false);
}

static void test_etcd_watch_grant_every_route_passes_the_gate(void **state)
{
    struct script_server s;
    char *text = NULL;
    size_t len = 0, n_public = 0;
    FILE *f = open_memstream(&text, &len);
    script_server_open(&s, STR(""), NULL);
    for (size_t i = 0; i < route_n_entries; i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "%.*s%s", STR_ARG(route_entries[i].path),
                       route_entries[i].path.len > 1 &&
                               route_entries[i].path.p[route_entries[i].path.len - 1] == '/'
                           ? "ping"
                           : "");
        bool is_public = authz_is_public(str_of(path));
        n_public += is_public;
        (void)fprintf(f, "as nobody\nGET %s\n%s\n", path, is_public ? "200" : "401");
    }
    assert_int_equal(n_public, 7); /* version, and three health paths with what is below them */
    struct registry *registry = apiserver_registry(s.server);
    for (size_t i = 0; i < registry_n_resources(registry); i++)
        check_resource(f, registry_at(registry, i));
    (void)fclose(f);
    script_run(&s, text);
    script_server_close(&s);
    free(text);
}

/* A selector that fixes the name is what the right is looked up for, so the grant covers what is read. */
static void test_effective_range_of_watches(void **state)
{
    const struct identity node = {
        .user = STR_INIT("system:node:n"), .groups = {STR_INIT("system:nodes")}, .n_groups = 1};
    struct authz_request q = {.verb = STR("update"), .resource = STR("nodes"), .name = STR("n")};
    assert_true(authz_allows(&node, &q));
    q.name = STR("other");
    assert_false(authz_allows(&node, &q));
    q.name = STR("");
    assert_false(authz_allows(&node, &q));
}

RUN_TESTS(cmocka_unit_test(test_credentials), cmocka_unit_test(test_token_comes_before_certificate),
          cmocka_unit_test(test_token_files), cmocka_unit_test(test_kube_proxy_rights),
          cmocka_unit_test(test_CVE_2025_5187_nodes_write_little),
          cmocka_unit_test(test_etcd_watch_grant_every_route_passes_the_gate),
          cmocka_unit_test(test_effective_range_of_watches))
