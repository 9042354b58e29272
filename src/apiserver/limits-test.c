/* Races, and what hostile or many clients may cost. */
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "apiserver/local.h"
#include "apiserver/test-script.h"
#include "base/log.h"
#include "base/test.h"

#define MAPS  "/api/v1/namespaces/default/configmaps"
#define MERGE "header content-type: application/merge-patch+json\n"

static void run(const char *text)
{
    struct script_server s;
    script_server_open(&s, STR("canary-token-in-file,root,1,system:masters\n"), NULL);
    script_run(&s, text);
    script_server_close(&s);
}

/* Patches without a version lose no change, however many race. */
static void test_racing_patches_all_count(void **state)
{
    struct script_server s;
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    (void)fprintf(f, "POST " MAPS " {'metadata':{'name':'a'}}\n201\n");
    for (int i = 0; i < 40; i++)
        (void)fprintf(f, MERGE "send p%d PATCH " MAPS "/a {'data':{'k%d':'v'}}\n", i, i);
    (void)fprintf(f, "advance 100\n");
    for (int i = 0; i < 40; i++)
        (void)fprintf(f, "p%d: 200 data.k%d=v\n", i, i);
    (void)fprintf(f, "GET " MAPS "/a\n200");
    for (int i = 0; i < 40; i++)
        (void)fprintf(f, " data.k%d=v", i);
    (void)fprintf(f, "\nGET /metrics\n200 body~\"apiserver_write_retries_total 780\"\n");
    (void)fclose(f);
    script_server_open(&s, STR(""), NULL);
    script_run(&s, text);
    script_server_close(&s);
    free(text);
}

/* Of writers that name the version they saw, one wins. */
static void test_racing_updates_with_versions(void **state)
{
    run("POST " MAPS " {'metadata':{'name':'a'}}\n"
        "201 metadata.resourceVersion:=rv\n"
        "send x PUT " MAPS "/a {'metadata':{'name':'a','resourceVersion':'${rv}'},'data':{'k':'x'}}\n"
        "send y PUT " MAPS "/a {'metadata':{'name':'a','resourceVersion':'${rv}'},'data':{'k':'y'}}\n"
        "advance 100\n"
        "x: 200 data.k=x\n"
        "y: 409 reason=Conflict\n"
        "send x2 POST " MAPS " {'metadata':{'name':'b'}}\n"
        "send y2 POST " MAPS " {'metadata':{'name':'b'}}\n"
        "advance 100\n"
        "x2: 201\n"
        "y2: 409 reason=AlreadyExists\n"
        "send x3 DELETE " MAPS "/b\n"
        "send y3 DELETE " MAPS "/b\n"
        "advance 100\n"
        "x3: 200\n"
        "y3: 404\n");
}

/* The rules look at the very object that the commit replaces: no change slips past one that became immutable.
 */
static void test_CVE_2021_25735_rules_see_what_is_replaced(void **state)
{
    run("POST " MAPS " {'metadata':{'name':'a'},'data':{'k':'v'}}\n"
        "201\n" MERGE "send lock PATCH " MAPS "/a {'immutable':true}\n" MERGE "send change PATCH " MAPS
        "/a {'data':{'k':'w'}}\n"
        "advance 100\n"
        "lock: 200 immutable=true\n"
        "change: 422 reason=Invalid\n"
        "GET " MAPS "/a\n"
        "200 data.k=v\n"
        "POST /api/v1/namespaces {'metadata':{'name':'n'}}\n"
        "201\n"
        "send gone DELETE /api/v1/namespaces/n\n"
        "send late POST /api/v1/namespaces/n/configmaps {'metadata':{'name':'a'}}\n"
        "advance 100\n"
        "gone: 200 status.phase=Terminating\n"
        "late: 403 details.causes.0.reason=NamespaceTerminating\n");
}

static size_t heap_bytes(void)
{
    return mallinfo2().uordblks; /* 0 under a sanitizer */
}

static void test_CVE_2020_8552_metric_labels_are_closed(void **state)
{
    struct script_server s;
    script_server_open(&s, STR(""), NULL);
    const char *hostile = "header user-agent: agent-${1}\nGET /api/v1/thing${1}\n404\n"
                          "header user-agent: agent-${1}\nVERB${1} /apis/group${1}/v1/x/${1}\n404\n"
                          "as user${1} group${1}\nGET /path${1}\n403\n";
    script_run_with(&s, hostile, "0");
    size_t before = heap_bytes();
    for (int i = 1; i < 3000; i++) {
        char number[16];
        (void)snprintf(number, sizeof number, "%d", i);
        script_run_with(&s, hostile, number);
    }
    assert_true(heap_bytes() <= before + 65536);
    script_run(&s,
               "GET /metrics\n200 "
               "body~\"{code=\\\"404\\\",group=\\\"\\\",resource=\\\"other\\\",verb=\\\"list\\\"} 3000\" "
               "body~\"{code=\\\"404\\\",group=\\\"\\\",resource=\\\"other\\\",verb=\\\"none\\\"} 3000\" "
               "body~\"{code=\\\"403\\\",group=\\\"\\\",resource=\\\"other\\\",verb=\\\"get\\\"} 3000\"\n");
    script_server_close(&s);
}

/* Everything the server logs while tokens and Secrets pass through it, searched for them. */
static void test_CVE_2019_11250_no_secret_is_logged(void **state)
{
    char name[] = "/tmp/fairlead-log-XXXXXX", found[65536];
    int file = mkstemp(name), saved = dup(STDERR_FILENO);
    assert_true(file >= 0 && saved >= 0);
    (void)unlink(name);
    (void)fflush(stderr);
    assert_true(dup2(file, STDERR_FILENO) >= 0);
    log_set_verbosity(10);
    run("header authorization: Bearer canary-token-in-file\n"
        "POST /api/v1/namespaces/default/secrets "
        "{'metadata':{'name':'s'},'stringData':{'k':'canary-secret-data'}}\n"
        "201 data.k=Y2FuYXJ5LXNlY3JldC1kYXRh stringData=-\n"
        "header authorization: Bearer canary-wrong-token\n"
        "GET /api/v1/secrets\n401\n"
        "header authorization: Basic canary-basic\n"
        "GET /api/v1/secrets\n401 body~Unauthorized\n"
        "POST /api/v1/namespaces/default/secrets "
        "{'metadata':{'name':'S'},'stringData':{'k':'canary-secret-data'}}\n"
        "422\n"
        "GET /metrics\n200 body~apiserver_authentication_refused_total\n");
    log_set_verbosity(0);
    (void)fflush(stderr);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    ssize_t n = pread(file, found, sizeof found - 1, 0);
    close(file);
    assert_true(n > 0); /* the start was logged: the capture works */
    struct str logged = {found, (size_t)n};
    assert_true(str_find(logged, STR("canary")) < 0);
    assert_true(str_find(logged, STR("Y2FuYXJ5")) < 0);
}

/* Someone who goes away in the middle of a write leaves nothing behind but the write. */
static void test_requests_in_flight_are_bounded(void **state)
{
    struct script_server s;
    const struct apiserver_limits limits = {.requests = 3};
    script_server_open(&s, STR(""), &limits);
    script_run(&s, "send a GET " MAPS "?resourceVersion=1000\n"
                   "send b GET " MAPS "?resourceVersion=1000\n"
                   "send c GET " MAPS "?resourceVersion=1000\n"
                   "GET " MAPS "\n"
                   "429 reason=TooManyRequests @retry-after=1\n"
                   "advance 4000\n"
                   "a: 504\nb: 504\nc: 504\n"
                   "GET " MAPS "\n"
                   "200\n");
    script_server_close(&s);
}

static void on_end(void *user, const struct err *err)
{
    (*(int *)user)++;
}

/* The server ends while the store has a write: the store finishes it, and the next server finds it. */
static void test_server_that_ends_in_a_write(void **state)
{
    struct script_server s;
    const struct str masters = STR("system:masters");
    const struct http_call_handler handler = {.end = on_end};
    const struct http_request request = {
        .method = STR("POST"), .target = STR(MAPS), .body = STR("{\"metadata\":{\"name\":\"late\"}}")};
    int n_ended = 0;
    script_server_open(&s, STR(""), NULL);
    struct http_transport *t = local_transport_new(&(struct local_options){.loop = s.loop,
                                                                           .handle = apiserver_handle,
                                                                           .ctx = s.server,
                                                                           .user = STR("a"),
                                                                           .groups = &masters,
                                                                           .n_groups = 1});
    (void)http_send(t, &request, &handler, &n_ended);
    (void)loop_step(s.loop, 0); /* the request is handled; the store's own task comes in the next round */
    assert_int_equal(n_ended, 0);
    http_transport_free(t);
    script_server_restart(&s);
    script_run(&s, "GET " MAPS "/late\n200\n");
    script_server_close(&s);
}

static void test_timeouts(void **state)
{
    run("send a GET " MAPS "?resourceVersion=1000&timeout=1s\n"
        "advance 500\n"
        "send b GET " MAPS "?timeout=never\n"
        "advance 10\n"
        "b: 400 message~\"not a duration\"\n"
        "advance 600\n"
        "a: 504 reason=Timeout message~\"did not complete within the allotted timeout\"\n"
        "advance 5000\n"
        "GET " MAPS "\n200\n");
}

static void test_clients_that_leave(void **state)
{
    struct script_server s;
    script_server_open(&s, STR(""), NULL);
    /* The end of a script closes its connections: here with a write, a wait and a watch under way. */
    script_run(&s, "watch w " MAPS "?watch=1\n"
                   "send wait GET " MAPS "?resourceVersion=1000\n"
                   "advance 10\n"
                   "send a POST " MAPS " {'metadata':{'name':'a'}}\n");
    script_run(
        &s,
        "GET /metrics\n200 body~\"apiserver_watches 0\" body~\"apiserver_current_inflight_requests 1\"\n");
    script_server_close(&s);
    /* And the end of the server the same. */
    script_server_open(&s, STR(""), NULL);
    script_run(&s, "watch w " MAPS "?watch=1\n");
    script_server_close(&s);
}

RUN_TESTS(cmocka_unit_test(test_racing_patches_all_count),
          cmocka_unit_test(test_racing_updates_with_versions),
          cmocka_unit_test(test_CVE_2021_25735_rules_see_what_is_replaced),
          cmocka_unit_test(test_CVE_2020_8552_metric_labels_are_closed),
          cmocka_unit_test(test_CVE_2019_11250_no_secret_is_logged),
          cmocka_unit_test(test_requests_in_flight_are_bounded),
          cmocka_unit_test(test_server_that_ends_in_a_write), cmocka_unit_test(test_timeouts),
          cmocka_unit_test(test_clients_that_leave))
