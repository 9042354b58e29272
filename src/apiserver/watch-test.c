/* Watches and lists: order, resumption, selectors, paging, old and future revisions, slow clients. */
#include <stdio.h>

#include "apiserver/test-script.h"
#include "base/test.h"

static void run_limited(const char *text, const struct apiserver_limits *limits)
{
    struct script_server s;
    script_server_open(&s, STR(""), limits);
    script_run(&s, text);
    script_server_close(&s);
}

static void run(const char *text)
{
    run_limited(text, NULL);
}

#define MAPS "/api/v1/namespaces/default/configmaps"

static void test_watch_tells_what_happens(void **state)
{
    run("POST " MAPS " {'metadata':{'name':'a'}}\n"
        "201\n"
        "watch all /api/v1/configmaps?watch=true\n"
        "all: ADDED metadata.name=a kind=ConfigMap apiVersion=v1\n"
        "GET " MAPS "\n"
        "200 metadata.resourceVersion:=rv\n"
        "watch later /api/v1/configmaps?watch=1&resourceVersion=${rv}\n"
        "later: NOTHING\n"
        "POST " MAPS " {'metadata':{'name':'b'}}\n"
        "201 metadata.resourceVersion:=rb\n"
        "PUT " MAPS "/b {'metadata':{'name':'b'},'data':{'k':'v'}}\n"
        "200 metadata.resourceVersion:=rb2\n"
        "DELETE " MAPS "/b\n"
        "200\n"
        "all: ADDED metadata.name=b metadata.resourceVersion=${rb}\n"
        "all: MODIFIED metadata.name=b data.k=v metadata.resourceVersion=${rb2}\n"
        "all: DELETED metadata.name=b data.k=v metadata.resourceVersion:=rd\n"
        "all: NOTHING\n"
        "later: ADDED metadata.name=b\n"
        "later: MODIFIED\n"
        "later: DELETED metadata.resourceVersion=${rd}\n"
        "later: NOTHING\n"
        "watch again /api/v1/watch/configmaps?resourceVersion=${rb}\n"
        "again: MODIFIED metadata.resourceVersion=${rb2}\n"
        "again: DELETED metadata.resourceVersion=${rd}\n"
        "again: NOTHING\n");
}

static void test_watch_of_names_and_namespaces(void **state)
{
    run("POST /api/v1/namespaces {'metadata':{'name':'n'}}\n"
        "201\n"
        "watch one " MAPS "?watch=1&fieldSelector=metadata.name=a\n"
        "watch here " MAPS "?watch=1\n"
        "watch not /api/v1/configmaps?watch=1&fieldSelector=metadata.name!=a\n"
        "POST /api/v1/namespaces/n/configmaps {'metadata':{'name':'a'}}\n"
        "201\n"
        "POST " MAPS " {'metadata':{'name':'b'}}\n"
        "201\n"
        "POST " MAPS " {'metadata':{'name':'a'}}\n"
        "201\n"
        "one: ADDED metadata.name=a metadata.namespace=default\n"
        "one: NOTHING\n"
        "here: ADDED metadata.name=b\n"
        "here: ADDED metadata.name=a\n"
        "here: NOTHING\n"
        "not: ADDED metadata.name=b\n"
        "not: NOTHING\n");
}

/* An object that leaves a selection is deleted for its watch, one that enters is added. */
static void test_watch_follows_selectors(void **state)
{
    run("watch web " MAPS "?watch=1&labelSelector=app%3Dweb\n"
        "POST " MAPS " {'metadata':{'name':'a','labels':{'app':'db'}}}\n"
        "201\n"
        "web: NOTHING\n"
        "PUT " MAPS "/a {'metadata':{'name':'a','labels':{'app':'web'}},'data':{'k':'1'}}\n"
        "200\n"
        "web: ADDED data.k=1\n"
        "PUT " MAPS "/a {'metadata':{'name':'a','labels':{'app':'web'}},'data':{'k':'2'}}\n"
        "200\n"
        "web: MODIFIED data.k=2\n"
        "PUT " MAPS "/a {'metadata':{'name':'a','labels':{'app':'db'}},'data':{'k':'3'}}\n"
        "200 metadata.resourceVersion:=rv\n"
        "web: DELETED data.k=2 metadata.labels.app=web metadata.resourceVersion=${rv}\n"
        "DELETE " MAPS "/a\n"
        "200\n"
        "web: NOTHING\n");
}

/* kube-proxy relies on the inequality. */
static void test_headless_services_are_selected_away(void **state)
{
    run("watch vip /api/v1/services?watch=1&fieldSelector=spec.clusterIP!%3DNone\n"
        "vip: ADDED metadata.name=kubernetes spec.clusterIP=10.96.0.1\n"
        "POST /api/v1/namespaces/default/services "
        "{'metadata':{'name':'h'},'spec':{'clusterIP':'None','selector':{'a':'b'}}}\n"
        "201 spec.clusterIP=None\n"
        "vip: NOTHING\n"
        "GET /api/v1/services?fieldSelector=spec.clusterIP!%3DNone\n"
        "200 items.#=1 items.0.metadata.name=kubernetes\n"
        "GET /api/v1/services?fieldSelector=spec.clusterIP%3DNone\n"
        "200 items.#=1 items.0.metadata.name=h\n");
}

static void test_initial_events_and_bookmarks(void **state)
{
    run("POST " MAPS " {'metadata':{'name':'a'}}\n"
        "201\n"
        "GET " MAPS "\n"
        "200 metadata.resourceVersion:=rv\n"
        "watch list "
        "/api/v1/"
        "configmaps?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch="
        "NotOlderThan\n"
        "list: ADDED metadata.name=a\n"
        "list: BOOKMARK kind=ConfigMap metadata.resourceVersion=${rv} "
        "metadata.annotations.k8s|io/initial-events-end=true\n"
        "list: NOTHING\n"
        "POST /api/v1/namespaces {'metadata':{'name':'n'}}\n"
        "201 metadata.resourceVersion:=rn\n"
        "advance 70000\n"
        "list: BOOKMARK metadata.resourceVersion=${rn} metadata.annotations=-\n"
        "list: NOTHING\n"
        "watch none "
        "/api/v1/"
        "configmaps?watch=1&sendInitialEvents=false&allowWatchBookmarks=true&resourceVersionMatch="
        "NotOlderThan\n"
        "none: NOTHING\n"
        "GET /api/v1/configmaps?watch=1&sendInitialEvents=true\n"
        "400 message~\"sendInitialEvents requires setting resourceVersionMatch to NotOlderThan\"\n"
        "GET /api/v1/configmaps?watch=1&resourceVersionMatch=NotOlderThan\n"
        "400\n"
        "GET /api/v1/configmaps?sendInitialEvents=true\n"
        "400\n");
}

static void test_timeout_ends_a_watch(void **state)
{
    run("watch short /api/v1/configmaps?watch=1&timeoutSeconds=5\n"
        "advance 4000\n"
        "short: NOTHING\n"
        "advance 2000\n"
        "short: END\n");
}

/* Beyond the window a client must list again: 410 with the reason Expired. */
static void test_too_old_revision_is_expired(void **state)
{
    const struct apiserver_limits limits = {.window_events = 3};
    run_limited(
        "POST " MAPS " {'metadata':{'name':'a'},'data':{'k':'0'}}\n"
        "201 metadata.resourceVersion:=rv\n"
        "GET /api/v1/configmaps?limit=1\n"
        "200\n"
        "POST " MAPS " {'metadata':{'name':'b'}}\n"
        "201\n"
        "GET /api/v1/configmaps?limit=1\n"
        "200 metadata.continue:=token\n"
        "PUT " MAPS "/a {'metadata':{'name':'a'},'data':{'k':'1'}}\n"
        "200 metadata.resourceVersion:=r1\n"
        "PUT " MAPS "/a {'metadata':{'name':'a'},'data':{'k':'2'}}\n"
        "200\n"
        "PUT " MAPS "/a {'metadata':{'name':'a'},'data':{'k':'3'}}\n"
        "200\n"
        "PUT " MAPS "/a {'metadata':{'name':'a'},'data':{'k':'4'}}\n"
        "200\n"
        "watch old /api/v1/configmaps?watch=1&resourceVersion=${rv}\n"
        "old: ERROR kind=Status code=410 reason=Expired message~\"too old resource version: ${rv} (${r1})\"\n"
        "old: END\n"
        "watch fine /api/v1/configmaps?watch=1&resourceVersion=${r1}\n"
        "fine: MODIFIED data.k=2\n"
        "fine: MODIFIED data.k=3\n"
        "fine: MODIFIED data.k=4\n"
        "GET /api/v1/configmaps?resourceVersion=${rv}&resourceVersionMatch=Exact\n"
        "410 reason=Expired\n"
        "GET /api/v1/configmaps?limit=1&continue=${token}\n"
        "410 reason=Expired metadata.continue:=token\n"
        "GET /api/v1/configmaps?limit=1&continue=${token}\n"
        "200 items.#=1 items.0.metadata.name=b\n",
        &limits);
}

static void test_paging_sees_one_revision(void **state)
{
    run("POST " MAPS " {'metadata':{'name':'a'}}\n"
        "201\n"
        "POST " MAPS " {'metadata':{'name':'b'},'data':{'k':'old'}}\n"
        "201\n"
        "POST " MAPS " {'metadata':{'name':'c'}}\n"
        "201\n"
        "POST " MAPS " {'metadata':{'name':'d'}}\n"
        "201\n"
        "GET " MAPS "?limit=1\n"
        "200 items.#=1 items.0.metadata.name=a metadata.remainingItemCount=3 metadata.continue:=t "
        "metadata.resourceVersion:=rv\n"
        "PUT " MAPS "/b {'metadata':{'name':'b'},'data':{'k':'new'}}\n"
        "200\n"
        "DELETE " MAPS "/c\n"
        "200\n"
        "POST " MAPS " {'metadata':{'name':'bb'}}\n"
        "201\n"
        "GET " MAPS "?limit=2&continue=${t}\n"
        "200 items.#=2 items.0.metadata.name=b items.0.data.k=old items.1.metadata.name=c "
        "metadata.continue:=t "
        "metadata.resourceVersion=${rv} metadata.remainingItemCount=1\n"
        "GET " MAPS "?continue=${t}\n"
        "200 items.#=1 items.0.metadata.name=d metadata.continue=- metadata.remainingItemCount=-\n"
        "GET " MAPS "?resourceVersion=${rv}&resourceVersionMatch=Exact\n"
        "200 items.#=4 items.1.data.k=old metadata.resourceVersion=${rv}\n"
        "GET " MAPS "?resourceVersion=${rv}&resourceVersionMatch=NotOlderThan\n"
        "200 items.#=4 items.1.data.k=new items.2.metadata.name=bb\n"
        "GET " MAPS "?continue=garbage!\n"
        "400 message~\"continue key is not valid\"\n"
        "GET " MAPS "?continue=${t}&resourceVersion=5\n"
        "400 message=\"specifying resource version is not allowed when using continue\"\n"
        "GET " MAPS "?resourceVersionMatch=Exact\n"
        "400\n"
        "GET " MAPS "?resourceVersion=x\n"
        "400 message~\"invalid resource version\"\n"
        "GET " MAPS "?limit=1&labelSelector=a%21%3Db\n"
        "200 items.#=1 metadata.continue=* metadata.remainingItemCount=-\n");
}

static void test_future_revisions_are_waited_for(void **state)
{
    run("GET /api/v1/configmaps\n"
        "200 metadata.resourceVersion:=rv\n"
        "GET " MAPS "?resourceVersion=1000\n"
        "advance 4000\n"
        "504 reason=Timeout message~\"Too large resource version: 1000, current: ${rv}\" @retry-after=1\n"
        "GET " MAPS "/a?resourceVersion=1000\n"
        "advance 4000\n"
        "504 reason=Timeout\n");
}

/* A client that does not read costs a bounded queue, then its watch. */
static void test_slow_watch_is_ended(void **state)
{
    struct script_server s;
    const struct apiserver_limits limits = {.watch_queue_bytes = 200000};
    char big[60001];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    script_server_open(&s, STR(""), &limits);
    script_run_with(&s,
                    "watch slow /api/v1/configmaps?watch=1\n"
                    "pause\n"
                    "as other system:masters\n"
                    "POST " MAPS " {'metadata':{'name':'a'},'data':{'k':'${1}'}}\n201\n"
                    "POST " MAPS " {'metadata':{'name':'b'},'data':{'k':'${1}'}}\n201\n"
                    "POST " MAPS " {'metadata':{'name':'c'},'data':{'k':'${1}'}}\n201\n"
                    "POST " MAPS " {'metadata':{'name':'d'},'data':{'k':'${1}'}}\n201\n"
                    "POST " MAPS " {'metadata':{'name':'e'},'data':{'k':'${1}'}}\n201\n"
                    "POST " MAPS " {'metadata':{'name':'f'},'data':{'k':'${1}'}}\n201\n"
                    "POST " MAPS " {'metadata':{'name':'g'},'data':{'k':'${1}'}}\n201\n"
                    "GET /metrics\n"
                    "200 body~\"apiserver_watch_slow_closed_total 1\" body~\"apiserver_watches 0\"\n",
                    big);
    script_server_close(&s);
}

/* One that stops for a while and goes on misses nothing. */
static void test_paused_watch_misses_nothing(void **state)
{
    struct script_server s;
    char big[100001];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    script_server_open(&s, STR(""), NULL);
    script_run_with(&s,
                    "watch w /api/v1/configmaps?watch=1\n"
                    "pause\n"
                    "POST " MAPS " {'metadata':{'name':'a'},'data':{'k':'${1}'}}\n"
                    "resume\n201\n"
                    "pause\n"
                    "POST " MAPS " {'metadata':{'name':'b'},'data':{'k':'${1}'}}\n"
                    "resume\n201\n"
                    "pause\n"
                    "POST " MAPS " {'metadata':{'name':'c'},'data':{'k':'${1}'}}\n"
                    "resume\n201\n"
                    "w: ADDED metadata.name=a\n"
                    "w: ADDED metadata.name=b\n"
                    "w: ADDED metadata.name=c\n"
                    "w: NOTHING\n",
                    big);
    script_server_close(&s);
}

static void test_watches_are_counted(void **state)
{
    const struct apiserver_limits limits = {.watches_per_user = 2};
    run_limited("watch a /api/v1/configmaps?watch=1&timeoutSeconds=1\n"
                "watch b /api/v1/configmaps?watch=1\n"
                "GET /api/v1/configmaps?watch=1\n"
                "429 reason=TooManyRequests @retry-after=5\n"
                "as other system:masters\n"
                "watch c /api/v1/configmaps?watch=1\n"
                "as admin system:masters\n"
                "advance 2000\n"
                "a: END\n"
                "watch d /api/v1/configmaps?watch=1\n"
                "GET /metrics\n"
                "200 body~\"apiserver_dropped_watches_total 1\" body~\"apiserver_watches 3\"\n",
                &limits);
}

/* Lists longer than one piece arrive whole. */
static void test_long_lists_are_streamed(void **state)
{
    struct script_server s;
    char big[60001], *text = NULL;
    size_t len = 0;
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    FILE *f = open_memstream(&text, &len);
    for (int i = 0; i < 20; i++)
        (void)fprintf(f, "POST " MAPS " {'metadata':{'name':'m%02d'},'data':{'k':'${1}'}}\n201\n", i);
    (void)fprintf(f, "GET " MAPS "\n200 items.#=20 items.0.metadata.name=m00 items.19.metadata.name=m19\n"
                     "watch w " MAPS "?watch=1\n");
    for (int i = 0; i < 20; i++)
        (void)fprintf(f, "w: ADDED metadata.name=m%02d\n", i);
    (void)fclose(f);
    script_server_open(&s, STR(""), NULL);
    script_run_with(&s, text, big);
    script_server_close(&s);
    free(text);
}

static void test_restart_keeps_everything(void **state)
{
    struct script_server s;
    script_server_open(&s, STR(""), NULL);
    script_run(&s, "POST " MAPS " {'metadata':{'name':'a'},'data':{'k':'v'}}\n201\n");
    script_server_restart(&s);
    script_run(&s, "GET " MAPS "/a\n200 data.k=v metadata.resourceVersion:=rv\n"
                   "GET /api/v1/configmaps\n200 items.#=1\n"
                   "GET /api/v1/namespaces\n200 items.#=4\n"
                   "watch w /api/v1/configmaps?watch=1&resourceVersion=1\n"
                   "w: ERROR code=410 reason=Expired\n");
    script_server_close(&s);
}

RUN_TESTS(cmocka_unit_test(test_watch_tells_what_happens),
          cmocka_unit_test(test_watch_of_names_and_namespaces),
          cmocka_unit_test(test_watch_follows_selectors),
          cmocka_unit_test(test_headless_services_are_selected_away),
          cmocka_unit_test(test_initial_events_and_bookmarks), cmocka_unit_test(test_timeout_ends_a_watch),
          cmocka_unit_test(test_too_old_revision_is_expired), cmocka_unit_test(test_paging_sees_one_revision),
          cmocka_unit_test(test_future_revisions_are_waited_for), cmocka_unit_test(test_slow_watch_is_ended),
          cmocka_unit_test(test_paused_watch_misses_nothing), cmocka_unit_test(test_watches_are_counted),
          cmocka_unit_test(test_long_lists_are_streamed), cmocka_unit_test(test_restart_keeps_everything))
