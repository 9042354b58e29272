/* The cache over a store that a test plays by hand: loading in pages, events, a watch that ends, history. */
#include "apiserver/cache.h"

#include <stdio.h>

#include "base/test.h"
#include "io/loop.h"
#include "store/store.h"

struct fake_watch {
    struct store_watch watch;
    const struct store_watch_handler *handler;
    void *user;
    int64_t after;
    bool is_open;
};

struct fake {
    struct store store;
    store_read_fn *read;
    void *read_user;
    char from[200];
    int64_t read_revision, compacted_to;
    struct fake_watch watch;
};

static void fake_read(struct store *s, const struct store_range *range, store_read_fn *done, void *user)
{
    struct fake *f = (struct fake *)s;
    f->read = done;
    f->read_user = user;
    (void)snprintf(f->from, sizeof f->from, "%.*s", STR_ARG(range->from));
    f->read_revision = range->revision;
}

static struct store_watch *fake_open(struct store *s, struct str prefix, int64_t after,
                                     const struct store_watch_handler *handler, void *user)
{
    struct fake *f = (struct fake *)s;
    f->watch =
        (struct fake_watch){.watch = {s}, .handler = handler, .user = user, .after = after, .is_open = true};
    return &f->watch.watch;
}

static void fake_watch_close(struct store_watch *w)
{
    ((struct fake_watch *)w)->is_open = false;
}

static void fake_compact(struct store *s, int64_t revision)
{
    ((struct fake *)s)->compacted_to = revision;
}

static const struct store_ops fake_ops = {
    .read = fake_read, .watch_open = fake_open, .watch_close = fake_watch_close, .compact = fake_compact};

static struct store_item item(const char *key, const char *value, int64_t revision)
{
    return (struct store_item){str_of(key), str_of(value), revision, revision};
}

static void give_page(struct fake *f, const struct store_item *items, size_t n, bool more, int64_t revision)
{
    const struct store_page page = {.items = items, .n_items = n, .more = more, .revision = revision};
    store_read_fn *read = f->read;
    f->read = NULL;
    assert_non_null(read);
    read(f->read_user, &page);
}

static void give_event(struct fake *f, enum store_op_type type, const char *key, const char *value,
                       int64_t revision)
{
    const struct store_event e = {type, item(key, value, revision)};
    f->watch.handler->events(f->watch.user, revision, &e, 1);
}

struct fixture {
    struct fake fake;
    struct loop *loop;
    struct cache *cache;
    struct cache_resource *pods;
    int n_ready, ready_status;
    struct cache_listener listener;
    struct strbuf heard;
};

static void on_ready(void *user, int status, const struct err *err)
{
    struct fixture *f = user;
    f->n_ready++;
    f->ready_status = status;
}

static void write_event(struct strbuf *out, struct cache_view *view)
{
    const struct cache_event *e = view->event;
    strbuf_addf(out, "%c%.*s@%lld ",
                e->deleted ? '-'
                : e->old   ? '='
                           : '+',
                STR_ARG(cache_object_key(e->new)), (long long)e->new->revision);
}

static void on_event(struct cache_listener *l, struct cache_view *view)
{
    struct fixture *f = container_of(l, struct fixture, listener);
    write_event(&f->heard, view);
}

static void open_fixture(struct fixture *f)
{
    *f = (struct fixture){.fake.store = {.ops = &fake_ops, .revision = 100}, .listener.event = on_event};
    list_init(&f->listener.node);
    f->loop = loop_new_scripted((struct monotime){0}, (struct walltime){0});
    f->cache =
        cache_new(&(struct cache_options){.loop = f->loop, .store = &f->fake.store, .window_events = 4});
    f->pods = cache_add_resource(f->cache, STR("pods"));
    cache_start(f->cache, on_ready, f);
    assert_string_equal(f->fake.from, "/registry/");
}

static void close_fixture(struct fixture *f)
{
    cache_unlisten(&f->listener);
    cache_free(f->cache);
    loop_free(f->loop);
    strbuf_done(&f->heard);
}

#define A "/registry/pods/d/a"
#define B "/registry/pods/d/b"
#define C "/registry/pods/e/c"
#define V "{\"metadata\":{\"name\":\"x\"}}"

static void load_two(struct fixture *f)
{
    const struct store_item first = item(A, V, 3), second = item(B, V, 5);
    open_fixture(f);
    give_page(&f->fake, &first, 1, true, 7);
    assert_int_equal(f->n_ready, 0);
    assert_memory_equal(f->fake.from, A, sizeof A);
    assert_int_equal(f->fake.read_revision, 7);
    give_page(&f->fake, &second, 1, false, 7);
    assert_int_equal(f->n_ready, 1);
    assert_int_equal(f->fake.watch.after, 7);
    cache_listen(f->pods, &f->listener);
}

static void test_load_in_pages(void **state)
{
    struct fixture f;
    load_two(&f);
    assert_int_equal(cache_count(f.pods), 2);
    struct cache_object *o = cache_find(f.pods, STR("d/a"));
    assert_str(cache_object_json(o), "{\"metadata\":{\"resourceVersion\":\"3\",\"name\":\"x\"}}");
    assert_str(cache_object_name(o), "a");
    assert_str(cache_object_namespace(o), "d");
    assert_null(cache_find(f.pods, STR("d")));
    assert_ptr_equal(cache_next(f.pods, STR("d/"), STR_NONE), o);
    assert_str(cache_object_key(cache_next(f.pods, STR("d/"), STR("d/a"))), "d/b");
    assert_null(cache_next(f.pods, STR("d/"), STR("d/b")));
    assert_null(cache_next(f.pods, STR("c/"), STR_NONE));
    close_fixture(&f);
    assert_false(f.fake.watch.is_open);
}

static void test_events_and_history(void **state)
{
    struct fixture f;
    struct cache_snapshot s;
    load_two(&f);
    give_event(&f.fake, STORE_PUT, C, V, 8);
    give_event(&f.fake, STORE_PUT, A, V, 9);
    give_event(&f.fake, STORE_DELETE, B, "", 10);
    give_event(&f.fake, STORE_DELETE, B, "", 11); /* not there any more */
    give_event(&f.fake, STORE_PUT, "/registry/services/specs/d/a", V, 12);
    assert_str(strbuf_str(&f.heard), "+e/c@8 =d/a@9 -d/b@10 ");
    assert_int_equal(cache_revision(f.cache), 12);

    assert_int_equal(cache_snapshot_at(f.pods, STR(""), 7, &s), 0);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.v[0]->revision, 3);
    assert_int_equal(s.v[1]->revision, 5);
    cache_snapshot_done(&s);
    assert_int_equal(cache_snapshot_at(f.pods, STR(""), 9, &s), 0);
    assert_int_equal(s.n, 3);
    assert_int_equal(s.v[0]->revision, 9);
    cache_snapshot_done(&s);
    assert_int_equal(cache_snapshot_at(f.pods, STR("e/"), 8, &s), 0);
    assert_int_equal(s.n, 1);
    cache_snapshot_done(&s);
    assert_int_equal(cache_snapshot_at(f.pods, STR(""), 6, &s), CACHE_EXPIRED);
    assert_int_equal(cache_snapshot_at(f.pods, STR(""), 13, &s), CACHE_FUTURE);
    close_fixture(&f);
}

static void on_replay(void *user, struct cache_view *view)
{
    write_event(user, view);
}

static void test_window_is_bounded(void **state)
{
    struct fixture f;
    _cleanup_(strbuf_done) struct strbuf replayed = {0};
    load_two(&f);
    for (int64_t r = 8; r < 20; r++)
        give_event(&f.fake, STORE_PUT, A, V, r);
    struct cache_stats stats;
    cache_stats(f.cache, &stats);
    assert_int_equal(stats.n_window_events, 4);
    assert_int_equal(cache_oldest(f.pods), 15);
    assert_int_equal(cache_replay(f.pods, 14, on_replay, &replayed), CACHE_EXPIRED);
    assert_int_equal(cache_replay(f.pods, 17, on_replay, &replayed), 0);
    assert_str(strbuf_str(&replayed), "=d/a@18 =d/a@19 ");
    close_fixture(&f);
}

/* After a watch that ended, everything is read again, and what differs becomes events. */
static void test_reload_tells_the_difference(void **state)
{
    struct fixture f;
    const struct store_item now[] = {item(A, V, 3), item(C, V, 30)};
    struct cache_snapshot s;
    load_two(&f);
    give_event(&f.fake, STORE_PUT, "/registry/pods/d/z", V, 8);
    strbuf_truncate(&f.heard, 0);
    f.fake.watch.handler->end(f.fake.watch.user, STORE_COMPACTED, NULL);
    loop_script_advance(f.loop, 1000);
    give_page(&f.fake, now, 2, false, 40);
    assert_str(strbuf_str(&f.heard), "-d/b@40 -d/z@40 +e/c@30 ");
    assert_int_equal(cache_count(f.pods), 2);
    assert_int_equal(f.fake.watch.after, 40);
    assert_int_equal(cache_snapshot_at(f.pods, STR(""), 8, &s), CACHE_EXPIRED);
    give_event(&f.fake, STORE_PUT, B, V, 41);
    assert_int_equal(cache_snapshot_at(f.pods, STR(""), 40, &s), 0);
    assert_int_equal(s.n, 2);
    cache_snapshot_done(&s);
    close_fixture(&f);
}

static void test_failed_loads_are_tried_again(void **state)
{
    struct fixture f;
    const struct store_page failed = {.status = -5};
    open_fixture(&f);
    f.fake.read(f.fake.read_user, &failed);
    assert_int_equal(f.ready_status, -5);
    assert_false(cache_is_ready(f.cache));
    loop_script_advance(f.loop, 1000);
    cache_on_ready(f.cache, on_ready, &f);
    give_page(&f.fake, NULL, 0, false, 1);
    assert_int_equal(f.n_ready, 2);
    assert_true(cache_is_ready(f.cache));
    close_fixture(&f);
}

static void test_history_is_forgotten(void **state)
{
    struct fixture f;
    load_two(&f);
    give_event(&f.fake, STORE_PUT, A, V, 8);
    loop_script_advance(f.loop, 200000);
    give_event(&f.fake, STORE_PUT, A, V, 9);
    assert_int_equal(f.fake.compacted_to, 0);
    loop_script_advance(f.loop, 200000);
    assert_int_equal(f.fake.compacted_to, 8);
    loop_script_advance(f.loop, 300000);
    assert_int_equal(f.fake.compacted_to, 9);
    close_fixture(&f);
}

static void test_splicing(void **state)
{
    static const struct {
        const char *value, *spliced;
    } cases[] = {
        {"{\"metadata\":{\"name\":\"x\"}}", "{\"metadata\":{\"resourceVersion\":\"7\",\"name\":\"x\"}}"},
        {"{\"a\":\"metadata\",\"b\":{\"metadata\":{}},\"metadata\":{\"name\":\"x\"}}",
         "{\"a\":\"metadata\",\"b\":{\"metadata\":{}},\"metadata\":{\"resourceVersion\":\"7\",\"name\":\"x\"}"
         "}"},
        {"{\"metadata\":{\"resourceVersion\":\"3\",\"a\":\"b\"}}",
         "{\"metadata\":{\"resourceVersion\":\"7\",\"a\":\"b\"}}"},
        {"{\"a\":\"\\\"metadata\\\":{\",\"metadata\":{\"name\":\"x\"}}",
         "{\"a\":\"\\\"metadata\\\":{\",\"metadata\":{\"resourceVersion\":\"7\",\"name\":\"x\"}}"},
        {"{\"metadata\":{}}", "{\"metadata\":{\"resourceVersion\":\"7\"}}"},
        {" { \"metadata\" : { \"name\":\"x\"} }",
         " { \"metadata\" : {\"resourceVersion\":\"7\", \"name\":\"x\"} }"},
        {"{\"kind\":\"A\"}", "{\"kind\":\"A\",\"metadata\":{\"resourceVersion\":\"7\"}}"},
        {"{\"metadata\":null}", "{\"metadata\":{\"resourceVersion\":\"7\"}}"},
    };
    static const char *const bad[] = {
        "", "{", "[]", "7", "k8s\001", "{\"metadata\":[]}", "{\"metadata\":{\"a\":\"", "null"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_(strbuf_done) struct strbuf out = {0};
        _cleanup_(arena_done) struct arena a = {0};
        struct json *doc;
        assert_int_equal(cache_splice_revision(str_of(cases[i].value), 7, &out), 0);
        assert_int_equal(json_parse(&a, strbuf_str(&out), NULL, &doc, NULL), 0);
        _cleanup_(strbuf_done) struct strbuf plain = {0}, want = {0};
        struct json *expected;
        assert_int_equal(json_parse(&a, str_of(cases[i].spliced), NULL, &expected, NULL), 0);
        json_write(doc, &plain);
        json_write(expected, &want);
        assert_true(json_equal(doc, expected));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        _cleanup_(strbuf_done) struct strbuf out = {0};
        assert_true(cache_splice_revision(str_of(bad[i]), 7, &out) < 0);
    }
}

RUN_TESTS(cmocka_unit_test(test_load_in_pages), cmocka_unit_test(test_events_and_history),
          cmocka_unit_test(test_window_is_bounded), cmocka_unit_test(test_reload_tells_the_difference),
          cmocka_unit_test(test_failed_loads_are_tried_again), cmocka_unit_test(test_history_is_forgotten),
          cmocka_unit_test(test_splicing))
