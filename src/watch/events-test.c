#include "watch/events.h"

#include "base/test.h"
#include "watch/fake-api.h"

#define EVENTS_PATH "/api/v1/namespaces/a/events"

struct fixture {
    struct loop *loop;
    struct fake_api *api;
    struct client *client;
    struct event_recorder *recorder;
    struct arena arena;
};

static int setup(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    f->loop = loop_new_scripted((struct monotime){0}, (struct walltime){INT64_C(1600000000) * TIME_S_NS});
    f->api = fake_api_new(f->loop);
    f->client = client_new(&(struct client_config){
        .loop = f->loop, .transport = fake_api_transport(f->api), .user_agent = STR("test")});
    f->recorder = event_recorder_new(f->client, f->loop);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    event_recorder_free(f->recorder);
    client_free(f->client);
    fake_api_free(f->api);
    loop_free(f->loop);
    arena_done(&f->arena);
    free(f);
    return 0;
}

static void record(struct fixture *f, const char *reason, const char *message)
{
    struct json *about = NULL;
    assert_int_equal(json_parse(&f->arena,
                                STR("{\"metadata\":{\"namespace\":\"a\",\"name\":\"web\",\"uid\":\"u\"}}"),
                                NULL, &about, NULL),
                     0);
    event_record(f->recorder, &(struct event){.component = STR("tester"),
                                              .about = about,
                                              .kind = STR("Service"),
                                              .api_version = STR("v1"),
                                              .reason = str_of(reason),
                                              .message = str_of(message)});
}

static void test_repetitions_are_counted_on_one_object(void **state)
{
    struct fixture *f = *state;
    record(f, "Made", "made one");
    record(f, "Made", "made one"); /* while the first is being written */
    loop_script_advance(f->loop, 1000);
    record(f, "Made", "made one");
    record(f, "Made", "made two");
    loop_script_advance(f->loop, 1000);
    struct json *all = fake_api_list(f->api, EVENTS_PATH, &f->arena);
    assert_int_equal(all->n, 2);
    const struct json *one = json_at(all, 0);
    assert_int_equal(json_int_at(one, 0, "count"), 3);
    assert_str(json_string_at(one, "message"), "made one");
    assert_str(json_string_at(one, "type"), "Normal");
    assert_str(json_string_at(one, "involvedObject", "uid"), "u");
    assert_str(json_string_at(one, "source", "component"), "tester");
    assert_str(json_string_at(one, "firstTimestamp"), "2020-09-13T12:26:40Z");
    assert_str(json_string_at(one, "lastTimestamp"), "2020-09-13T12:26:41Z");
}

static void test_an_event_that_expired_is_made_again(void **state)
{
    struct fixture *f = *state;
    record(f, "Made", "m");
    loop_script_advance(f->loop, 1000);
    struct json *all = fake_api_list(f->api, EVENTS_PATH, &f->arena);
    struct str path = arena_format(&f->arena, EVENTS_PATH "/%.*s",
                                   STR_ARG(json_string_at(json_at(all, 0), "metadata", "name")));
    fake_api_delete(f->api, path.p);
    record(f, "Made", "m");
    loop_script_advance(f->loop, 1000);
    all = fake_api_list(f->api, EVENTS_PATH, &f->arena);
    assert_int_equal(all->n, 1);
    assert_int_equal(json_int_at(json_at(all, 0), 0, "count"), 1);
}

static void test_many_messages_are_combined_and_a_flood_is_dropped(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 100; i++) {
        struct str message = arena_format(&f->arena, "message %d", i);
        record(f, "Made", message.p);
        loop_script_advance(f->loop, 10);
    }
    struct json *all = fake_api_list(f->api, EVENTS_PATH, &f->arena);
    assert_int_equal(all->n, EVENTS_SIMILAR + 1);
    assert_int_equal(event_recorder_stats(f->recorder).dropped, 100 - EVENTS_BURST);
    bool found = false;
    json_foreach (all, e)
        found =
            found || str_eq(json_string_at(e, "message"), STR("(combined from similar events): message 24"));
    assert_true(found);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
RUN_TESTS(T(test_repetitions_are_counted_on_one_object), T(test_an_event_that_expired_is_made_again),
          T(test_many_messages_are_combined_and_a_flood_is_dropped))
