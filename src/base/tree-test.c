#include "base/tree.h"

#include <stdio.h>

#include "base/random.h"
#include "base/test.h"

enum { N_KEYS = 400 };

struct item {
    struct tree_node node;
    char key[12];
    bool in;
};

struct fixture {
    struct tree tree;
    struct item items[N_KEYS]; /* sorted by key */
};

static void fixture_init(struct fixture *f)
{
    *f = (struct fixture){0};
    for (int i = 0; i < N_KEYS; i++) {
        snprintf(f->items[i].key, sizeof f->items[i].key, "k%05d", i);
        tree_node_set_key(&f->items[i].node, str_of(f->items[i].key));
    }
}

/* Height and number of nodes, checking links, heights and balance on the way. */
static int check_subtree(const struct tree_node *n, const struct tree_node *parent, size_t *count)
{
    if (!n)
        return 0;
    assert_ptr_equal(n->parent, parent);
    int smaller = check_subtree(n->child[0], n, count), greater = check_subtree(n->child[1], n, count);
    assert_in_range(smaller - greater + 1, 0, 2);
    assert_int_equal(n->height, 1 + MAX(smaller, greater));
    ++*count;
    return n->height;
}

static struct item *model_from(struct fixture *f, int from, int step)
{
    for (int i = from; i >= 0 && i < N_KEYS; i += step)
        if (f->items[i].in)
            return &f->items[i];
    return NULL;
}

static struct item *item_of(struct tree_node *n)
{
    return n ? container_of(n, struct item, node) : NULL;
}

static void check_against_model(struct fixture *f, int k)
{
    struct item *item = &f->items[k];
    struct str key = str_of(item->key);
    assert_ptr_equal(item_of(tree_find(&f->tree, key)), item->in ? item : NULL);
    assert_ptr_equal(item_of(tree_at_or_after(&f->tree, key)), model_from(f, k, 1));
    assert_ptr_equal(item_of(tree_before(&f->tree, key)), model_from(f, k - 1, -1));
    if (item->in) {
        assert_ptr_equal(item_of(tree_next(&item->node)), model_from(f, k + 1, 1));
        assert_ptr_equal(item_of(tree_prev(&item->node)), model_from(f, k - 1, -1));
    }
    assert_ptr_equal(item_of(tree_first(&f->tree)), model_from(f, 0, 1));
    assert_ptr_equal(item_of(tree_last(&f->tree)), model_from(f, N_KEYS - 1, -1));
}

static void test_random_history_matches_model(void **state)
{
    struct fixture f;
    fixture_init(&f);
    struct random r;
    random_seed(&r, 7);
    for (int i = 0; i < 20000; i++) {
        int k = (int)random_below(&r, N_KEYS);
        struct item *item = &f.items[k];
        /* Alternate between growing and shrinking, so that both ends of the size are reached. */
        if (random_below(&r, 100) < (i / 2000 % 2 ? 20 : 80)) {
            assert_ptr_equal(item_of(tree_insert(&f.tree, &item->node)), item->in ? item : NULL);
            item->in = true;
        } else if (item->in) {
            tree_remove(&f.tree, &item->node);
            item->in = false;
        }
        check_against_model(&f, (int)random_below(&r, N_KEYS));
        if (i % 50 == 0) {
            size_t count = 0;
            check_subtree(f.tree.root, NULL, &count);
            assert_int_equal(count, f.tree.n);
        }
    }
}

static void test_ascending_keys_stay_balanced(void **state)
{
    struct fixture f;
    fixture_init(&f);
    for (int i = 0; i < N_KEYS; i++)
        assert_null(tree_insert(&f.tree, &f.items[i].node));
    size_t count = 0;
    assert_true(check_subtree(f.tree.root, NULL, &count) <= 12);
    int i = 0;
    tree_foreach (&f.tree, n)
        assert_ptr_equal(item_of(n), &f.items[i++]);
    assert_int_equal(i, N_KEYS);
    tree_foreach_safe (&f.tree, n)
        tree_remove(&f.tree, n);
    assert_int_equal(f.tree.n, 0);
    assert_null(f.tree.root);
}

static void test_a_prefix_sorts_before_what_it_begins(void **state)
{
    struct tree t = {0};
    struct tree_node a, ab, b, empty;
    tree_node_set_key(&a, STR("a"));
    tree_node_set_key(&ab, STR("a\0b"));
    tree_node_set_key(&b, STR("b"));
    tree_node_set_key(&empty, STR(""));
    tree_insert(&t, &b);
    tree_insert(&t, &ab);
    tree_insert(&t, &a);
    tree_insert(&t, &empty);
    assert_ptr_equal(tree_first(&t), &empty);
    assert_ptr_equal(tree_next(&empty), &a);
    assert_ptr_equal(tree_next(&a), &ab);
    assert_ptr_equal(tree_next(&ab), &b);
    assert_null(tree_next(&b));
}

RUN_TESTS(cmocka_unit_test(test_random_history_matches_model),
          cmocka_unit_test(test_ascending_keys_stay_balanced),
          cmocka_unit_test(test_a_prefix_sorts_before_what_it_begins))
