#include "store/store-conformance.h"

#include <errno.h>
#include <stdio.h>

#include "base/array.h"
#include "base/test.h"

struct rig {
    const struct store_maker *maker;
    struct loop *loop;
    struct store *store;
    int waiting;
    /* the last result of each kind */
    int status;
    int64_t revision;
    size_t conflict;
    bool has_current, more;
    int64_t current_revision;
    struct strbuf text; /* a page or events, one word each */
    int watch_status;
};

static int setup(void **state)
{
    struct rig *r = mem_new(struct rig);
    r->maker = *state;
    r->loop = r->maker->make_loop();
    r->store = r->maker->make(r->loop, r->maker->user);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    const struct store_maker *maker = r->maker;
    store_close(r->store);
    loop_step(r->loop, 0); /* what a worker had posted */
    loop_free(r->loop);
    if (maker->clean)
        maker->clean(maker->user);
    strbuf_done(&r->text);
    free(r);
    *state = (void *)maker;
    return 0;
}

static void wait_for(struct rig *r)
{
    while (r->waiting)
        loop_step(r->loop, 1000);
}

static void on_written(void *user, const struct store_result *result)
{
    struct rig *r = user;
    r->waiting--;
    r->status = result->status;
    r->revision = result->revision;
    r->conflict = result->conflict;
    r->has_current = result->current != NULL;
    r->current_revision = result->current ? result->current->mod_revision : 0;
    assert_true(result->status >= 0 || result->err);
}

static struct store_op put(const char *key, const char *value, int64_t expect)
{
    return (struct store_op){STORE_PUT, str_of(key), str_of(value), expect};
}

static struct store_op delete (const char *key, int64_t expect)
{
    return (struct store_op){STORE_DELETE, str_of(key), STR_NONE, expect};
}

static int write_ops(struct rig *r, const struct store_op *ops, size_t n)
{
    r->waiting++;
    store_write(r->store, ops, n, on_written, r);
    assert_int_equal(r->waiting, 1); /* never from inside the call */
    wait_for(r);
    return r->status;
}

static int write_one(struct rig *r, struct store_op op)
{
    return write_ops(r, &op, 1);
}

static void on_page(void *user, const struct store_page *page)
{
    struct rig *r = user;
    r->waiting--;
    r->status = page->status;
    r->revision = page->revision;
    r->more = page->more;
    strbuf_truncate(&r->text, 0);
    for (size_t i = 0; i < page->n_items; i++) {
        const struct store_item *item = &page->items[i];
        strbuf_addf(&r->text, "%s%.*s=%.*s@%ld/%ld", i ? " " : "", STR_ARG(item->key), STR_ARG(item->value),
                    item->create_revision, item->mod_revision);
    }
}

static void read_range(struct rig *r, const char *from, const char *to, int64_t revision, size_t limit)
{
    r->waiting++;
    store_read(r->store, str_of(from), str_of(to), revision, limit, on_page, r);
    wait_for(r);
}

static void on_events(void *user, int64_t revision, const struct store_event *events, size_t n)
{
    struct rig *r = user;
    for (size_t i = 0; i < n; i++)
        strbuf_addf(&r->text, "%s%s%.*s@%ld", r->text.len ? " " : "", events[i].type == STORE_PUT ? "+" : "-",
                    STR_ARG(events[i].item.key), revision);
}

static void on_watch_end(void *user, int status, const struct err *err)
{
    struct rig *r = user;
    r->watch_status = status;
}

static const struct store_watch_handler watch_handler = {on_events, on_watch_end};

static void assert_text(struct rig *r, const char *want)
{
    assert_string_equal(strbuf_cstr(&r->text), want);
}

static void test_conditions(void **state)
{
    struct rig *r = *state;
    assert_int_equal(write_one(r, put("/a", "1", STORE_ABSENT)), 0);
    int64_t first = r->revision;
    assert_int_equal(write_one(r, put("/a", "2", STORE_ABSENT)), STORE_CONFLICT);
    assert_true(r->has_current && r->current_revision == first);
    assert_int_equal(write_one(r, put("/a", "2", first)), 0);
    assert_int_equal(r->revision, first + 1);
    assert_int_equal(write_one(r, put("/a", "3", first)), STORE_CONFLICT);
    assert_int_equal(write_one(r, put("/a", "3", STORE_ANY)), 0);
    assert_int_equal(write_one(r, delete ("/a", first)), STORE_CONFLICT);
    assert_int_equal(write_one(r, delete ("/a", STORE_ANY)), 0);
    assert_int_equal(write_one(r, put("/a", "4", first + 2)), STORE_CONFLICT);
    assert_false(r->has_current);
    assert_int_equal(store_revision(r->store), first + 3);
}

static void test_all_or_nothing(void **state)
{
    struct rig *r = *state;
    write_one(r, put("/b", "1", STORE_ABSENT));
    int64_t b = r->revision;
    const struct store_op bad[] = {put("/a", "1", STORE_ABSENT), put("/b", "2", STORE_ABSENT),
                                   put("/c", "1", STORE_ABSENT)};
    assert_int_equal(write_ops(r, bad, 3), STORE_CONFLICT);
    assert_int_equal(r->conflict, 1);
    read_range(r, "/", "0", 0, 0);
    assert_int_equal(r->revision, b);
    const struct store_op good[] = {
        put("/a", "1", STORE_ABSENT), delete ("/b", b), {STORE_CHECK, STR("/c"), STR_NONE, STORE_ABSENT}};
    assert_int_equal(write_ops(r, good, 3), 0);
    assert_int_equal(r->revision, b + 1);
    char want[64];
    snprintf(want, sizeof want, "/a=1@%ld/%ld", b + 1, b + 1);
    read_range(r, "/", "0", 0, 0);
    assert_text(r, want);
}

static void test_nothing_changed_is_no_revision(void **state)
{
    struct rig *r = *state;
    write_one(r, put("/a", "1", STORE_ABSENT));
    int64_t before = r->revision;
    assert_int_equal(write_one(r, delete ("/none", STORE_ANY)), 0);
    assert_int_equal(r->revision, before);
    struct store_op check = {STORE_CHECK, STR("/a"), STR_NONE, before};
    assert_int_equal(write_one(r, check), 0);
    assert_int_equal(r->revision, before);
    check.expect = STORE_ABSENT;
    assert_int_equal(write_one(r, check), STORE_CONFLICT);
}

static void test_pages_at_a_revision(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < 5; i++) {
        char key[8];
        snprintf(key, sizeof key, "/k%d", i);
        write_one(r, put(key, "v", STORE_ABSENT));
    }
    int64_t at = r->revision, first = at - 4;
    char want[128];
    write_one(r, put("/k1", "new", STORE_ANY));
    write_one(r, delete ("/k3", STORE_ANY));
    write_one(r, put("/k9", "v", STORE_ABSENT));
    read_range(r, "/k", "/l", at, 2);
    snprintf(want, sizeof want, "/k0=v@%ld/%ld /k1=v@%ld/%ld", first, first, first + 1, first + 1);
    assert_text(r, want);
    assert_true(r->more && r->revision == at);
    read_range(r, "/k2", "/l", at, 0);
    snprintf(want, sizeof want, "/k2=v@%ld/%ld /k3=v@%ld/%ld /k4=v@%ld/%ld", first + 2, first + 2, first + 3,
             first + 3, at, at);
    assert_text(r, want);
    assert_false(r->more);
    read_range(r, "/k1", "", 0, 0);
    snprintf(want, sizeof want, "/k1=new@%ld/%ld", first + 1, at + 1);
    assert_text(r, want);
    read_range(r, "/k", "/l", at + 100, 0);
    assert_int_equal(r->status, STORE_FUTURE);
}

static void test_watch_from_old_and_live(void **state)
{
    struct rig *r = *state;
    write_one(r, put("/w/a", "1", STORE_ABSENT));
    int64_t first = r->revision;
    write_one(r, put("/x", "1", STORE_ABSENT));
    write_one(r, put("/w/b", "1", STORE_ABSENT));
    strbuf_truncate(&r->text, 0);
    struct store_watch *w = store_watch_open(r->store, STR("/w/"), first, &watch_handler, r);
    const struct store_op ops[] = {put("/w/c", "1", STORE_ABSENT), delete ("/w/a", STORE_ANY),
                                   put("/y", "1", STORE_ABSENT)};
    write_ops(r, ops, 3);
    write_one(r, delete ("/w/b", STORE_ANY));
    char want[128];
    snprintf(want, sizeof want, "+/w/b@%ld +/w/c@%ld -/w/a@%ld -/w/b@%ld", first + 2, first + 3, first + 3,
             first + 4);
    assert_text(r, want);
    store_watch_close(w);
    write_one(r, put("/w/z", "1", STORE_ABSENT));
    assert_text(r, want);
}

static void test_compaction(void **state)
{
    struct rig *r = *state;
    for (int i = 0; i < 10; i++)
        write_one(r, put("/a", "x", STORE_ANY));
    write_one(r, delete ("/a", STORE_ANY));
    write_one(r, put("/b", "x", STORE_ANY));
    int64_t last = r->revision;
    store_compact(r->store, last - 1);
    write_one(r, put("/c", "x", STORE_ANY)); /* whatever compaction takes, it is behind us now */
    assert_int_equal(store_compacted(r->store), last - 1);
    read_range(r, "/", "0", last - 2, 0);
    assert_int_equal(r->status, STORE_COMPACTED);
    char want[64];
    read_range(r, "/", "0", last, 0);
    snprintf(want, sizeof want, "/b=x@%ld/%ld", last, last);
    assert_text(r, want);
    r->watch_status = 0;
    store_watch_open(r->store, STR("/"), last - 2, &watch_handler, r);
    for (int i = 0; i < 100 && !r->watch_status; i++)
        loop_step(r->loop, 10);
    assert_int_equal(r->watch_status, STORE_COMPACTED);
}

struct order {
    struct rig *rig;
    int64_t seen, acknowledged;
    int n;
};

static void order_events(void *user, int64_t revision, const struct store_event *events, size_t n)
{
    struct order *o = user;
    assert_true(revision == o->seen + 1); /* none skipped, none repeated */
    o->seen = revision;
}

static void order_written(void *user, const struct store_result *result)
{
    struct order *o = user;
    assert_int_equal(result->status, 0);
    assert_true(o->seen >= result->revision); /* the watch heard of it first */
    assert_true(result->revision > o->acknowledged);
    o->acknowledged = result->revision;
    o->n--;
}

static void test_events_come_before_results(void **state)
{
    struct rig *r = *state;
    static const struct store_watch_handler handler = {order_events, on_watch_end};
    struct order o = {.rig = r, .seen = store_revision(r->store), .acknowledged = store_revision(r->store)};
    struct store_watch *w = store_watch_open(r->store, STR("/"), o.seen, &handler, &o);
    for (int i = 0; i < 300; i++) {
        char key[16];
        snprintf(key, sizeof key, "/k%d", i % 50);
        struct store_op op = put(key, "v", STORE_ANY);
        o.n++;
        store_write(r->store, &op, 1, order_written, &o);
    }
    while (o.n)
        loop_step(r->loop, 1000);
    store_watch_close(w);
}

/* Writes that were accepted before close are finished. */
static void test_limits(void **state)
{
    struct rig *r = *state;
    static char big[STORE_MAX_KEY_LEN + 2];
    memset(big, 'k', sizeof big - 1);
    assert_true(write_one(r, put(big, "v", STORE_ANY)) < 0);
    assert_true(write_one(r, put("", "v", STORE_ANY)) < 0);
    big[STORE_MAX_KEY_LEN] = 0;
    assert_int_equal(write_one(r, put(big, "v", STORE_ANY)), 0);
}

static struct store_watch *self_closing;

static void close_self(void *user, int64_t revision, const struct store_event *events, size_t n)
{
    store_watch_close(self_closing);
    self_closing = NULL;
}

static void test_watch_may_close_itself(void **state)
{
    struct rig *r = *state;
    static const struct store_watch_handler handler = {close_self, on_watch_end};
    write_one(r, put("/a", "1", STORE_ANY));
    self_closing = store_watch_open(r->store, STR("/"), store_revision(r->store) - 1, &handler, r);
    write_one(r, put("/a", "2", STORE_ANY));
    assert_null(self_closing);
    self_closing = store_watch_open(r->store, STR("/"), store_revision(r->store), &handler, r);
    write_one(r, put("/a", "3", STORE_ANY));
    write_one(r, put("/a", "4", STORE_ANY));
    assert_null(self_closing);
}

/* Three watches in a row; the first to hear an event closes the other two. */
struct trio {
    struct store_watch *watches[3];
    int n_heard;
};

static void close_others(void *user, int64_t revision, const struct store_event *events, size_t n)
{
    struct trio *t = user;
    t->n_heard++;
    for (size_t i = 1; i < 3; i++) {
        store_watch_close(t->watches[i]);
        t->watches[i] = NULL;
    }
}

static void must_not_hear(void *user, int64_t revision, const struct store_event *events, size_t n)
{
    fail_msg("a closed watch heard of revision %ld", revision);
}

static void test_watch_may_close_others(void **state)
{
    struct rig *r = *state;
    static const struct store_watch_handler closer = {close_others, on_watch_end};
    static const struct store_watch_handler closed = {must_not_hear, on_watch_end};
    struct trio t = {0};
    for (size_t i = 0; i < 3; i++)
        t.watches[i] =
            store_watch_open(r->store, STR("/"), store_revision(r->store), i ? &closed : &closer, &t);
    write_one(r, put("/a", "1", STORE_ANY));
    write_one(r, put("/a", "2", STORE_ANY));
    assert_int_equal(t.n_heard, 2);
    store_watch_close(t.watches[0]);
}

static void count_events(void *user, int64_t revision, const struct store_event *events, size_t n)
{
    size_t *n_events = user;
    assert_int_equal(*n_events, 0); /* a revision comes whole and once */
    *n_events = n;
}

/* The largest write there may be, heard live and from history. */
static void test_watch_hears_the_largest_write(void **state)
{
    struct rig *r = *state;
    static const struct store_watch_handler counter = {count_events, on_watch_end};
    char keys[STORE_MAX_OPS][8];
    struct store_op ops[STORE_MAX_OPS];
    size_t n_live = 0, n_old = 0;
    for (size_t i = 0; i < STORE_MAX_OPS; i++) {
        snprintf(keys[i], sizeof keys[i], "/k%03zu", i);
        ops[i] = put(keys[i], "v", STORE_ABSENT);
    }
    int64_t before = store_revision(r->store);
    struct store_watch *live = store_watch_open(r->store, STR("/"), before, &counter, &n_live);
    assert_int_equal(write_ops(r, ops, STORE_MAX_OPS), 0);
    assert_int_equal(n_live, STORE_MAX_OPS);
    struct store_watch *old = store_watch_open(r->store, STR("/"), before, &counter, &n_old);
    for (int i = 0; i < 1000 && !n_old; i++)
        loop_step(r->loop, 10);
    assert_int_equal(n_old, STORE_MAX_OPS);
    store_watch_close(live);
    store_watch_close(old);
}

/* Writes that were accepted are finished and answered; reads are dropped. */
/* After a case that closed the store itself: teardown closes one. */
static void make_again(struct rig *r)
{
    if (r->maker->clean)
        r->maker->clean(r->maker->user);
    r->store = r->maker->make(r->loop, r->maker->user);
}

static void test_close_answers_writes(void **state)
{
    struct rig *r = *state;
    struct store_op op = put("/last", "v", STORE_ANY);
    r->waiting = 3;
    for (int i = 0; i < 3; i++)
        store_write(r->store, &op, 1, on_written, r);
    store_read(r->store, STR("/"), STR("0"), 0, 0, on_page, r);
    store_close(r->store);
    assert_int_equal(r->waiting, 0);
    assert_int_equal(r->status, 0);
    loop_step(r->loop, 0);
    make_again(r);
}

struct closing {
    struct rig *rig;
    struct store_watch *watch;
    int first, second; /* results; 1: none yet */
};

static void on_second(void *user, const struct store_result *result)
{
    ((struct closing *)user)->second = result->status;
    assert_non_null(result->err);
}

static void on_unwanted_page(void *user, const struct store_page *page)
{
    fail_msg("a read begun while the store closes is answered");
}

static void on_unwanted_events(void *user, int64_t revision, const struct store_event *events, size_t n)
{
    fail_msg("a watch hears of revision %ld while the store closes", revision);
}

static void on_unwanted_end(void *user, int status, const struct err *err)
{
    fail_msg("a watch ends with %d while the store closes", status);
}

static const struct store_watch_handler unwanted = {on_unwanted_events, on_unwanted_end};

static void on_first(void *user, const struct store_result *result)
{
    struct closing *c = user;
    struct store *s = c->rig->store;
    const struct store_op op = put("/more", "v", STORE_ANY);
    c->first = result->status;
    store_write(s, &op, 1, on_second, c);
    assert_int_equal(c->second, 1); /* never from inside the call */
    store_read(s, STR("/"), STR("0"), 0, 0, on_unwanted_page, c);
    store_watch_close(store_watch_open(s, STR("/"), 0, &unwanted, c));
    (void)store_watch_open(s, STR("/"), 0, &unwanted, c);
    store_watch_close(c->watch);
}

/* Who hears of a write while the store closes may begin anything: nothing of it outlives the store. */
static void test_close_refuses_what_its_callbacks_begin(void **state)
{
    struct rig *r = *state;
    struct closing c = {.rig = r, .first = 1, .second = 1};
    const struct store_op op = put("/last", "v", STORE_ANY);
    c.watch = store_watch_open(r->store, STR("/"), 0, &unwanted, &c);
    while (loop_step(r->loop, 0) > 0)
        ;
    store_write(r->store, &op, 1, on_first, &c);
    store_close(r->store);
    assert_int_equal(c.first, 0);
    assert_int_equal(c.second, -ESHUTDOWN);
    loop_step(r->loop, 0);
    make_again(r);
}

int store_conformance_run(const struct store_maker *maker)
{
#define CASE(f) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, (void *)maker)
    const struct CMUnitTest tests[] = {
        CASE(test_conditions),
        CASE(test_all_or_nothing),
        CASE(test_nothing_changed_is_no_revision),
        CASE(test_pages_at_a_revision),
        CASE(test_watch_from_old_and_live),
        CASE(test_compaction),
        CASE(test_events_come_before_results),
        CASE(test_limits),
        CASE(test_watch_may_close_itself),
        CASE(test_close_answers_writes),
        CASE(test_close_refuses_what_its_callbacks_begin),
        CASE(test_watch_may_close_others),
        CASE(test_watch_hears_the_largest_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
