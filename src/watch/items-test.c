#include "watch/items.h"

#include "base/test.h"

struct fixture {
    struct items items;
    struct strbuf seen; /* "+a/x " added, "~" changed, "-" gone */
    struct arena arena;
};

static void seen(void *user, const struct informer_change *change)
{
    struct fixture *f = user;
    const struct informer_item *item = change->after ? change->after : change->before;
    strbuf_addf(&f->seen, "%c%.*s ", !change->before ? '+' : change->after ? '~' : '-', STR_ARG(item->key));
    assert_non_null(change->object);
    assert_int_equal(change->old_object != NULL, change->before != NULL);
}

static informer_index_fn *const INDEXES[] = {informer_index_labels, informer_index_owners};

static struct json *make(struct fixture *f, const char *name, const char *label, int rv)
{
    struct json *object = NULL;
    struct str text =
        arena_format(&f->arena,
                     "{\"metadata\":{\"namespace\":\"a\",\"name\":\"%s\",\"resourceVersion\":\"%d\","
                     "\"labels\":{\"app\":\"%s\"},\"ownerReferences\":[{\"uid\":\"u1\"}]}}",
                     name, rv, label);
    assert_int_equal(json_parse(&f->arena, text, NULL, &object, NULL), 0);
    return object;
}

static void expect_seen(struct fixture *f, const char *text)
{
    assert_str(strbuf_str(&f->seen), text);
    strbuf_truncate(&f->seen, 0);
}

static void done(struct fixture *f)
{
    items_done(&f->items);
    strbuf_done(&f->seen);
    arena_done(&f->arena);
}

static void test_put_and_remove_keep_the_indexes(void **state)
{
    struct fixture f = {0};
    items_init(&f.items, INDEXES, 2, seen, &f);
    assert_true(items_put(&f.items, make(&f, "x", "web", 1)));
    assert_true(items_put(&f.items, make(&f, "y", "web", 2)));
    assert_true(items_put(&f.items, make(&f, "y", "web", 2))); /* the same bytes */
    expect_seen(&f, "+a/x +a/y ");
    assert_int_equal(items_find_indexed(&f.items, 0, STR("a/app=web")).n, 2);
    assert_int_equal(items_find_indexed(&f.items, 1, STR("u1")).n, 2);
    assert_true(items_put(&f.items, make(&f, "x", "db", 3)));
    expect_seen(&f, "~a/x ");
    assert_int_equal(items_find_indexed(&f.items, 0, STR("a/app=web")).n, 1);
    assert_int_equal(items_find_indexed(&f.items, 0, STR("a/app=db")).n, 1);
    assert_int_equal(items_find(&f.items, STR("a/x"))->rv, 3);
    assert_true(items_remove(&f.items, make(&f, "x", "other", 4)));
    assert_true(items_remove(&f.items, make(&f, "x", "other", 4)));
    expect_seen(&f, "-a/x ");
    assert_int_equal(items_find_indexed(&f.items, 0, STR("a/app=db")).n, 0);
    assert_null(items_find(&f.items, STR("a/x")));
    done(&f);
}

static void test_commit_reports_the_difference_only(void **state)
{
    struct fixture f = {0};
    items_init(&f.items, INDEXES, 2, seen, &f);
    items_put(&f.items, make(&f, "keep", "web", 1));
    items_put(&f.items, make(&f, "change", "web", 2));
    items_put(&f.items, make(&f, "drop", "web", 3));
    strbuf_truncate(&f.seen, 0);
    assert_true(items_stage(&f.items, make(&f, "new", "web", 9)));
    assert_true(items_stage(&f.items, make(&f, "keep", "web", 1)));
    assert_true(items_stage(&f.items, make(&f, "change", "web", 7)));
    assert_true(items_stage(&f.items, make(&f, "change", "web", 8)));
    assert_string_equal(strbuf_cstr(&f.seen), "");
    items_commit(&f.items);
    expect_seen(&f, "-a/drop ~a/change +a/new ");
    assert_int_equal(items_find(&f.items, STR("a/change"))->rv, 8);
    assert_int_equal(f.items.by_key.n, 3);
    items_stage(&f.items, make(&f, "lost", "web", 9));
    items_stage_clear(&f.items);
    items_commit(&f.items);
    expect_seen(&f, "-a/change -a/keep -a/new ");
    assert_int_equal(f.items.n_bytes, 0);
    done(&f);
}

static void test_an_object_without_a_name_is_refused(void **state)
{
    struct fixture f = {0};
    items_init(&f.items, INDEXES, 2, seen, &f);
    assert_false(items_put(&f.items, make(&f, "", "web", 1)));
    assert_false(items_stage(&f.items, json_object(&f.arena)));
    assert_false(items_remove(&f.items, json_null(&f.arena)));
    assert_null(informer_item_parse(NULL, &f.arena));
    done(&f);
}

RUN_TESTS(cmocka_unit_test(test_put_and_remove_keep_the_indexes),
          cmocka_unit_test(test_commit_reports_the_difference_only),
          cmocka_unit_test(test_an_object_without_a_name_is_refused))
