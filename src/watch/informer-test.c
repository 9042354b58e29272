#include "watch/informer.h"

#include <errno.h>

#include "base/test.h"
#include "watch/fake-api.h"

#define PODS "/api/v1/namespaces/a/pods"

static const struct client_resource pods = {STR_INIT(""), STR_INIT("v1"), STR_INIT("pods"), STR_INIT("Pod")};

struct fixture {
    struct loop *loop;
    struct fake_api *api;
    struct client *client;
    struct informer *cache;
    struct random random;
    struct strbuf seen;
    int faults, fault_status; /* the next so many requests whose target contains FAULT_PART get this */
    const char *fault_part;
};

static void changed(void *user, struct informer *cache, const struct informer_change *change)
{
    struct fixture *f = user;
    const struct informer_item *item = change->after ? change->after : change->before;
    strbuf_addf(&f->seen, "%c%.*s ", !change->before ? '+' : change->after ? '~' : '-', STR_ARG(item->name));
}

static void synced(void *user, struct informer *cache)
{
    struct fixture *f = user;
    assert_true(informer_is_synced(cache));
    strbuf_addz(&f->seen, "synced ");
}

static const struct informer_handler HANDLER = {.changed = changed, .synced = synced};

static int fault(void *user, struct str method, struct str target)
{
    struct fixture *f = user;
    if (!f->faults || str_find(target, str_of(f->fault_part)) < 0)
        return 0;
    f->faults--;
    return f->fault_status;
}

static void start(struct fixture *f, enum informer_list_mode mode, size_t max_bytes)
{
    f->cache = informer_new(&(struct informer_config){.client = f->client,
                                                      .loop = f->loop,
                                                      .random = &f->random,
                                                      .resource = &pods,
                                                      .list_mode = mode,
                                                      .page_limit = 2,
                                                      .max_bytes = max_bytes,
                                                      .watch_seconds = 600});
    informer_add_handler(f->cache, &HANDLER, f);
    informer_start(f->cache);
}

static int setup(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    f->loop = loop_new_scripted((struct monotime){0}, (struct walltime){0});
    f->api = fake_api_new(f->loop);
    random_seed(&f->random, 7);
    fake_api_set_fault(f->api, fault, f);
    f->client = client_new(&(struct client_config){
        .loop = f->loop, .transport = fake_api_transport(f->api), .user_agent = STR("test")});
    fake_api_post(f->api, PODS, "{'metadata':{'name':'one','managedFields':[{}]}}");
    fake_api_post(f->api, PODS, "{'metadata':{'name':'two'}}");
    fake_api_post(f->api, PODS, "{'metadata':{'name':'three'}}");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    informer_free(f->cache);
    client_free(f->client);
    fake_api_free(f->api);
    loop_free(f->loop);
    strbuf_done(&f->seen);
    free(f);
    return 0;
}

static void expect(struct fixture *f, int64_t after_ms, const char *text)
{
    loop_script_advance(f->loop, after_ms);
    assert_str(strbuf_str(&f->seen), text);
    strbuf_truncate(&f->seen, 0);
}

/* The cache holds exactly what the server does. */
static void expect_equal(struct fixture *f)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *all = fake_api_list(f->api, PODS, &a);
    assert_int_equal(all->n, informer_items(f->cache)->n);
    json_foreach (all, pod) {
        struct informer_item *item =
            informer_find(f->cache, STR("a"), json_string_at(pod, "metadata", "name"));
        assert_non_null(item);
        (void)json_unsetz(json_getz(pod, "metadata"), "managedFields");
        assert_true(json_equal(pod, informer_item_parse(item, &a)));
    }
}

static void test_lists_in_pages_then_watches(void **state)
{
    struct fixture *f = *state;
    start(f, INFORMER_LIST_PAGED, 0);
    expect(f, 10, "+one +three +two synced ");
    assert_int_equal(fake_api_requests(f->api, "GET /api/v1/pods?limit=2"), 2);
    assert_int_equal(informer_position(f->cache), fake_api_revision(f->api));
    assert_null(strstr(informer_find_key(f->cache, STR("a/one"))->bytes.p, "managedFields"));
    fake_api_post(f->api, PODS, "{'metadata':{'name':'four'}}");
    fake_api_patch(f->api, PODS "/one", "{'spec':{'x':1}}");
    fake_api_delete(f->api, PODS "/two");
    expect(f, 10, "+four ~one -two ");
    expect_equal(f);
}

static void test_streams_the_initial_events(void **state)
{
    struct fixture *f = *state;
    start(f, INFORMER_LIST_STREAM, 0);
    expect(f, 10, "+one +three +two synced ");
    assert_int_equal(fake_api_requests(f->api, "GET /api/v1/pods?"), 1);
    fake_api_delete(f->api, PODS "/two");
    expect(f, 10, "-two ");
    expect_equal(f);
}

static void test_falls_back_to_pages_if_the_server_cannot_stream(void **state)
{
    struct fixture *f = *state;
    f->faults = 1;
    f->fault_status = 422;
    f->fault_part = "sendInitialEvents";
    start(f, INFORMER_LIST_STREAM, 0);
    expect(f, 10, "+one +three +two synced ");
    assert_int_equal(fake_api_requests(f->api, "GET /api/v1/pods?limit=2"), 2);
}

static void test_a_cut_watch_resumes_without_a_list(void **state)
{
    struct fixture *f = *state;
    start(f, INFORMER_LIST_PAGED, 0);
    expect(f, 5000, "+one +three +two synced ");
    fake_api_inject(f->api, "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"ha");
    fake_api_cut_watches(f->api, -ECONNRESET);
    loop_script_advance(f->loop, 10);
    fake_api_post(f->api, PODS, "{'metadata':{'name':'four'}}");
    expect(f, 2000, "+four ");
    fake_api_cut_watches(f->api, 0);
    fake_api_delete(f->api, PODS "/four");
    expect(f, 10, "-four ");
    assert_int_equal(informer_stats(f->cache).lists, 1);
    expect_equal(f);
}

static void test_expired_history_is_listed_again_with_the_difference(void **state)
{
    struct fixture *f = *state;
    start(f, INFORMER_LIST_PAGED, 0);
    expect(f, 5000, "+one +three +two synced ");
    fake_api_hold_watches(f->api, true);
    fake_api_delete(f->api, PODS "/two");
    fake_api_patch(f->api, PODS "/one", "{'spec':{'x':1}}");
    fake_api_post(f->api, PODS, "{'metadata':{'name':'four'}}");
    fake_api_compact(f->api);
    fake_api_cut_watches(f->api, 0);
    loop_script_advance(f->loop, 10);
    fake_api_hold_watches(f->api, false);
    expect(f, 3000, "-two +four ~one ");
    assert_int_equal(informer_stats(f->cache).lists, 2);
    expect_equal(f);
}

static void test_failures_back_off_with_jitter(void **state)
{
    struct fixture *f = *state;
    f->faults = 1000;
    f->fault_status = 500;
    f->fault_part = "pods";
    start(f, INFORMER_LIST_PAGED, 0);
    expect(f, 10000, "");
    /* 0.8..1.6, 1.6..3.2, 3.2..6.4, 6.4..12.8 s apart */
    assert_in_range(fake_api_requests(f->api, "GET"), 3, 4);
    loop_script_advance(f->loop, 600000);
    assert_in_range(fake_api_requests(f->api, "GET"), 3 + 9, 4 + 22);
    f->faults = 0;
    expect(f, 61000, "+one +three +two synced ");
}

static void test_a_page_token_that_expired_starts_the_list_again(void **state)
{
    struct fixture *f = *state;
    f->faults = 1;
    f->fault_status = 410;
    f->fault_part = "continue";
    start(f, INFORMER_LIST_PAGED, 0);
    expect(f, 10, "");
    expect(f, 3000, "+one +three +two synced ");
    expect_equal(f);
}

static void test_repeated_events_are_ignored(void **state)
{
    struct fixture *f = *state;
    start(f, INFORMER_LIST_PAGED, 0);
    expect(f, 10, "+one +three +two synced ");
    fake_api_patch(f->api, PODS "/one", "{'spec':{'x':1}}");
    expect(f, 10, "~one ");
    fake_api_inject(f->api,
                    "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"namespace\":\"a\",\"name\":\"one\","
                    "\"resourceVersion\":\"11\"}}}\n"
                    "{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"namespace\":\"a\",\"name\":\"one\","
                    "\"resourceVersion\":\"14\"}}}\n");
    expect(f, 10, "");
    assert_int_equal(informer_stats(f->cache).ignored_events, 2);
    assert_int_equal(informer_stats(f->cache).lists, 1);
    expect_equal(f);
}

static void test_events_out_of_order_are_mended_by_a_list(void **state)
{
    struct fixture *f = *state;
    start(f, INFORMER_LIST_PAGED, 0);
    expect(f, 10, "+one +three +two synced ");
    /* Older than the position, and of an object that the cache does not hold. */
    fake_api_inject(f->api,
                    "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"namespace\":\"a\",\"name\":\"ghost\","
                    "\"resourceVersion\":\"12\"}}}\n");
    expect(f, 3000, "");
    assert_int_equal(informer_stats(f->cache).lists, 2);
    expect_equal(f);
}

static void test_nonsense_on_a_watch_never_reaches_the_handlers(void **state)
{
    static const char *const lines[] = {
        "{\"type\":\"ADDED\"\n",
        "null\n",
        "{\"type\":\"ADDED\",\"object\":7}\n",
        "{\"type\":\"ADDED\",\"object\":{}}\n",
        "{\"type\":\"SPARKLED\",\"object\":{\"metadata\":{\"name\":\"x\"}}}\n",
        "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"x\"}}}\n",
        "{\"type\":\"ERROR\",\"object\":{\"code\":500}}\n",
        "{\"type\":\"ERROR\",\"object\":{\"code\":410}}\n",
    };
    struct fixture *f = *state;
    start(f, INFORMER_LIST_PAGED, 0);
    expect(f, 10, "+one +three +two synced ");
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        fake_api_inject(f->api, lines[i]);
        expect(f, 30000, "");
        assert_true(informer_is_watching(f->cache));
    }
    fake_api_delete(f->api, PODS "/two");
    expect(f, 10, "-two ");
    expect_equal(f);
}

static void test_a_position_that_never_comes_is_given_up(void **state)
{
    struct fixture *f = *state;
    start(f, INFORMER_LIST_PAGED, 0);
    expect(f, 10, "+one +three +two synced ");
    fake_api_inject(f->api,
                    "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"99999\"}}}\n");
    fake_api_cut_watches(f->api, -ECONNRESET);
    loop_script_advance(f->loop, 10);
    fake_api_delete(f->api, PODS "/two");
    expect(f, 60000, "-two ");
    expect_equal(f);
}

static void test_a_silent_watch_is_cut_and_resumed(void **state)
{
    struct fixture *f = *state;
    start(f, INFORMER_LIST_PAGED, 0);
    expect(f, 10, "+one +three +two synced ");
    loop_script_advance(f->loop, 640000);
    assert_int_equal(informer_stats(f->cache).watches, 2);
    assert_int_equal(informer_stats(f->cache).lists, 1);
    assert_int_equal(fake_api_open_watches(f->api), 1);
}

static void test_more_than_the_limit_keeps_what_was_known(void **state)
{
    struct fixture *f = *state;
    start(f, INFORMER_LIST_PAGED, 1024);
    expect(f, 10, "+one +three +two synced ");
    for (int i = 0; i < 8; i++)
        fake_api_post(
            f->api, PODS,
            "{'metadata':{'generateName':'big-'},'spec':{'x':'0123456789012345678901234567890123456789'}}");
    loop_script_advance(f->loop, 100000);
    assert_true(informer_stats(f->cache).list_failures > 0);
    assert_in_range(informer_items(f->cache)->n, 3, 9);
    assert_non_null(informer_find(f->cache, STR("a"), STR("one")));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
RUN_TESTS(T(test_lists_in_pages_then_watches), T(test_streams_the_initial_events),
          T(test_falls_back_to_pages_if_the_server_cannot_stream), T(test_a_cut_watch_resumes_without_a_list),
          T(test_expired_history_is_listed_again_with_the_difference), T(test_failures_back_off_with_jitter),
          T(test_a_page_token_that_expired_starts_the_list_again), T(test_repeated_events_are_ignored),
          T(test_events_out_of_order_are_mended_by_a_list),
          T(test_nonsense_on_a_watch_never_reaches_the_handlers), T(test_a_silent_watch_is_cut_and_resumed),
          T(test_a_position_that_never_comes_is_given_up), T(test_more_than_the_limit_keeps_what_was_known))
