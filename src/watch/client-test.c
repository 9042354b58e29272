#include "watch/client.h"

#include <errno.h>

#include "base/test.h"

/* A transport whose one call is played by the test. */
struct script {
    struct http_transport transport;
    struct http_call_handler handler;
    void *user;
    struct strbuf request; /* "GET /path\nname: value\n...\nbody" */
    int sent, cancelled;
};

static struct http_call *script_send(struct http_transport *t, const struct http_request *r,
                                     const struct http_call_handler *handler, void *user)
{
    struct script *s = container_of(t, struct script, transport);
    s->handler = *handler;
    s->user = user;
    s->sent++;
    strbuf_truncate(&s->request, 0);
    strbuf_addf(&s->request, "%.*s %.*s\n", STR_ARG(r->method), STR_ARG(r->target));
    for (size_t i = 0; i < r->n_headers; i++)
        strbuf_addf(&s->request, "%.*s: %.*s\n", STR_ARG(r->headers[i].name), STR_ARG(r->headers[i].value));
    strbuf_add_str(&s->request, r->body);
    return (struct http_call *)s;
}

static void script_cancel(struct http_transport *t, struct http_call *call)
{
    container_of(t, struct script, transport)->cancelled++;
}

static const struct http_transport_ops SCRIPT_OPS = {.send = script_send, .cancel = script_cancel};
static const struct client_resource PODS = {STR_INIT(""), STR_INIT("v1"), STR_INIT("pods"), STR_INIT("Pod")};
static const struct client_resource SLICES = {STR_INIT("discovery.k8s.io"), STR_INIT("v1"),
                                              STR_INIT("endpointslices"), STR_INIT("EndpointSlice")};

struct fixture {
    struct script script;
    struct loop *loop;
    struct client *client;
    struct strbuf log;
    struct client_stream *stream;
    int close_after; /* lines, then the stream is closed from inside; 0: never */
    const char *token;
    int token_reads;
};

static void on_done(void *user, const struct client_result *r)
{
    struct fixture *f = user;
    strbuf_addf(&f->log, "code=%d status=%d reason=%.*s message=%.*s", r->code, r->status, STR_ARG(r->reason),
                STR_ARG(r->message));
    if (r->object)
        strbuf_addf(&f->log, " name=%.*s", STR_ARG(json_string_at(r->object, "metadata", "name")));
    if (r->retry_after_ms)
        strbuf_addf(&f->log, " retry=%d", (int)r->retry_after_ms);
}

static void on_line(void *user, struct str line)
{
    struct fixture *f = user;
    strbuf_addf(&f->log, "[%.*s]", STR_ARG(line));
    if (f->close_after && --f->close_after == 0)
        client_stream_close(f->stream);
}

static const struct client_stream_handler STREAM = {.line = on_line, .end = on_done};

static int read_token(void *user, struct strbuf *out, struct err *err)
{
    struct fixture *f = user;
    f->token_reads++;
    if (!f->token)
        return -ENOENT;
    strbuf_addz(out, f->token);
    return 0;
}

static int setup(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    f->loop = loop_new_scripted((struct monotime){0}, (struct walltime){0});
    f->script.transport.ops = &SCRIPT_OPS;
    f->client = client_new(&(struct client_config){.loop = f->loop,
                                                   .transport = &f->script.transport,
                                                   .user_agent = STR("test/1"),
                                                   .token_source = {read_token, f}});
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    client_free(f->client);
    loop_free(f->loop);
    strbuf_done(&f->log);
    strbuf_done(&f->script.request);
    free(f);
    return 0;
}

static void answer(struct fixture *f, int status, const char *body)
{
    struct http_call_handler h = f->script.handler;
    h.head(f->script.user, status, NULL, 0);
    h.data(f->script.user, str_of(body));
    h.end(f->script.user, NULL);
}

static void expect(struct fixture *f, const char *text)
{
    assert_str(strbuf_str(&f->log), text);
    strbuf_truncate(&f->log, 0);
}

static void send_get(struct fixture *f)
{
    struct client_request r = {
        .verb = CLIENT_GET, .resource = &PODS, .namespace = STR("a"), .name = STR("x")};
    client_send(f->client, &r, on_done, f);
}

static void test_requests_say_what_upstream_servers_expect(void **state)
{
    struct fixture *f = *state;
    _cleanup_(arena_done) struct arena a = {0};
    struct json *body = json_object(&a);
    struct client_request r = {.verb = CLIENT_PATCH,
                               .resource = &SLICES,
                               .namespace = STR("a"),
                               .name = STR("x/y"),
                               .subresource = STR("status"),
                               .query = STR("dryRun=All"),
                               .body = body,
                               .patch_type = CLIENT_MERGE_PATCH};
    f->token = " secret \n";
    json_setz(body, "k", json_int(&a, 1));
    client_send(f->client, &r, on_done, f);
    assert_str(strbuf_str(&f->script.request),
               "PATCH /apis/discovery.k8s.io/v1/namespaces/a/endpointslices/x%2Fy/status?dryRun=All\n"
               "accept: application/json\nuser-agent: test/1\nauthorization: Bearer secret\n"
               "content-type: application/merge-patch+json\n{\"k\":1}");
    answer(f, 200, "{\"metadata\":{\"name\":\"x\"}}");
    expect(f, "code=0 status=200 reason= message= name=x");
}

static void test_refusals_become_outcomes_with_their_words(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int status;
        const char *body, *expect;
    } cases[] = {
        {404, "{\"kind\":\"Status\",\"reason\":\"NotFound\",\"message\":\"no x\"}",
         "code=1 status=404 reason=NotFound message=no x"},
        {409, "{\"kind\":\"Status\",\"reason\":\"AlreadyExists\",\"message\":\"m\"}",
         "code=2 status=409 reason=AlreadyExists message=m"},
        {409, "{\"kind\":\"Status\",\"reason\":\"Conflict\",\"message\":\"m\"}",
         "code=3 status=409 reason=Conflict message=m"},
        {410, "", "code=4 status=410 reason= message=the server answered with status 410"},
        {401, "nonsense", "code=5 status=401 reason= message=the server answered with status 401"},
        {403, "{\"kind\":\"Pod\"}", "code=6 status=403 reason= message=the server answered with status 403"},
        {422, "{\"kind\":\"Status\",\"message\":\"m\"}", "code=7 status=422 reason= message=m"},
        {429, "{\"kind\":\"Status\",\"message\":\"m\",\"details\":{\"retryAfterSeconds\":2}}",
         "code=8 status=429 reason= message=m retry=2000"},
        {500, "", "code=9 status=500 reason= message=the server answered with status 500"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        send_get(f);
        answer(f, cases[i].status, cases[i].body);
        expect(f, cases[i].expect);
    }
}

static void test_broken_answers_are_errors(void **state)
{
    struct fixture *f = *state;
    struct err err = {.code = -ECONNRESET, .text = "reset"};

    send_get(f);
    f->script.handler.end(f->script.user, &err);
    expect(f, "code=-104 status=0 reason= message=reset");
    send_get(f);
    answer(f, 200, "{\"half\":");
    assert_non_null(strstr(f->log.p, "code=-71 status=200 reason= message=the server's answer is not JSON"));
    strbuf_truncate(&f->log, 0);
    send_get(f);
    loop_script_advance(f->loop, CLIENT_TIMEOUT_MS + 1);
    expect(f, "code=-110 status=0 reason= message=the server was silent for too long");
    assert_int_equal(f->script.cancelled, 1);
}

static void test_a_large_answer_is_cut_off(void **state)
{
    struct fixture *f = *state;
    struct client_request r = {.verb = CLIENT_LIST, .resource = &PODS, .max_reply_len = 10};
    client_send(f->client, &r, on_done, f);
    struct http_call_handler h = f->script.handler;
    h.head(f->script.user, 200, NULL, 0);
    h.data(f->script.user, STR("01234"));
    h.data(f->script.user, STR("56789a"));
    expect(f, "code=-90 status=200 reason= message=the server's answer is larger than the limit");
    assert_int_equal(f->script.cancelled, 1);
}

static void test_cancelled_calls_are_not_heard_of_again(void **state)
{
    struct fixture *f = *state;
    struct client_request r = {.verb = CLIENT_GET, .resource = &PODS, .name = STR("x")};
    client_cancel(client_send(f->client, &r, on_done, f));
    assert_int_equal(f->script.cancelled, 1);
    send_get(f); /* freed with the client */
    expect(f, "");
}

static void test_tokens_are_read_again_when_old_or_refused(void **state)
{
    struct fixture *f = *state;
    f->token = "one";
    send_get(f);
    answer(f, 200, "{}");
    f->token = "two";
    send_get(f);
    assert_non_null(strstr(f->script.request.p, "Bearer one\n"));
    answer(f, 401, "");
    send_get(f);
    assert_non_null(strstr(f->script.request.p, "Bearer two\n"));
    answer(f, 200, "{}");
    assert_int_equal(f->token_reads, 2);
    f->token = NULL;
    loop_script_advance(f->loop, 61000);
    send_get(f);
    assert_int_equal(f->token_reads, 3);
    assert_non_null(strstr(f->script.request.p, "Bearer two\n"));
}

static void open_stream(struct fixture *f)
{
    struct client_request r = {
        .verb = CLIENT_LIST, .resource = &PODS, .query = STR("watch=1"), .max_reply_len = 64};
    f->stream = client_stream_open(f->client, &r, 5000, &STREAM, f);
    f->script.handler.head(f->script.user, 200, NULL, 0);
}

static void feed(struct fixture *f, const char *bytes)
{
    f->script.handler.data(f->script.user, str_of(bytes));
}

static void test_streams_are_cut_into_lines(void **state)
{
    struct fixture *f = *state;
    open_stream(f);
    feed(f, "one\ntw");
    expect(f, "[one]");
    feed(f, "o\r\n\nthree\nhalf");
    expect(f, "[two][three]");
    f->script.handler.end(f->script.user, NULL);
    expect(f, "code=0 status=200 reason= message=");
}

static void test_a_stream_may_be_closed_from_inside(void **state)
{
    struct fixture *f = *state;
    f->close_after = 2;
    open_stream(f);
    feed(f, "one\ntwo\nthree\n");
    expect(f, "[one][two]");
    assert_int_equal(f->script.cancelled, 1);
}

static void test_silent_and_oversized_streams_end(void **state)
{
    struct fixture *f = *state;
    open_stream(f);
    loop_script_advance(f->loop, 4000);
    feed(f, "one\n");
    loop_script_advance(f->loop, 4000);
    expect(f, "[one]");
    loop_script_advance(f->loop, 1001);
    expect(f, "code=-110 status=200 reason= message=the server was silent for too long");
    open_stream(f);
    for (int i = 0; i < 9; i++)
        feed(f, "12345678");
    expect(f, "code=-90 status=200 reason= message=a watch event is larger than the limit");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
RUN_TESTS(T(test_requests_say_what_upstream_servers_expect),
          T(test_refusals_become_outcomes_with_their_words), T(test_broken_answers_are_errors),
          T(test_a_large_answer_is_cut_off), T(test_cancelled_calls_are_not_heard_of_again),
          T(test_tokens_are_read_again_when_old_or_refused), T(test_streams_are_cut_into_lines),
          T(test_a_stream_may_be_closed_from_inside), T(test_silent_and_oversized_streams_end))
