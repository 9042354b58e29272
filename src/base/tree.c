#include "base/tree.h"

enum { SMALLER, GREATER };

static int node_height(const struct tree_node *n)
{
    return n ? n->height : 0;
}

static void update_height(struct tree_node *n)
{
    n->height = 1 + MAX(node_height(n->child[SMALLER]), node_height(n->child[GREATER]));
}

static int key_cmp(struct str key, const struct tree_node *n)
{
    return str_cmp(key, tree_key(n));
}

struct tree_node *tree_find(const struct tree *t, struct str key)
{
    struct tree_node *n = t->root;
    while (n) {
        int c = key_cmp(key, n);
        if (!c)
            break;
        n = n->child[c > 0];
    }
    return n;
}

struct tree_node *tree_at_or_after(const struct tree *t, struct str key)
{
    struct tree_node *best = NULL;
    for (struct tree_node *n = t->root; n;) {
        if (key_cmp(key, n) <= 0) {
            best = n;
            n = n->child[SMALLER];
        } else {
            n = n->child[GREATER];
        }
    }
    return best;
}

struct tree_node *tree_before(const struct tree *t, struct str key)
{
    struct tree_node *best = NULL;
    for (struct tree_node *n = t->root; n;) {
        if (key_cmp(key, n) > 0) {
            best = n;
            n = n->child[GREATER];
        } else {
            n = n->child[SMALLER];
        }
    }
    return best;
}

static struct tree_node *outermost(struct tree_node *n, int side)
{
    while (n && n->child[side])
        n = n->child[side];
    return n;
}

static struct tree_node *neighbour(const struct tree_node *n, int side)
{
    if (n->child[side])
        return outermost(n->child[side], !side);
    while (n->parent && n->parent->child[side] == n)
        n = n->parent;
    return n->parent;
}

struct tree_node *tree_first(const struct tree *t)
{
    return outermost(t->root, SMALLER);
}

struct tree_node *tree_last(const struct tree *t)
{
    return outermost(t->root, GREATER);
}

struct tree_node *tree_next(const struct tree_node *n)
{
    return neighbour(n, GREATER);
}

struct tree_node *tree_prev(const struct tree_node *n)
{
    return neighbour(n, SMALLER);
}

/* Puts NEW (may be NULL) where OLD hangs below PARENT (NULL: the root). */
static void replace_child(struct tree *t, struct tree_node *parent, struct tree_node *old,
                          struct tree_node *new)
{
    if (!parent)
        t->root = new;
    else
        parent->child[parent->child[GREATER] == old] = new;
    if (new)
        new->parent = parent;
}

/* Turns N down towards SIDE; its other child takes its place and is returned. */
static struct tree_node *rotate(struct tree *t, struct tree_node *n, int side)
{
    struct tree_node *up = n->child[!side], *inner = up->child[side];
    replace_child(t, n->parent, n, up);
    n->child[!side] = inner;
    if (inner)
        inner->parent = n;
    up->child[side] = n;
    n->parent = up;
    update_height(n);
    update_height(up);
    return up;
}

static struct tree_node *rebalance(struct tree *t, struct tree_node *n)
{
    int lean = node_height(n->child[GREATER]) - node_height(n->child[SMALLER]);
    if (lean >= -1 && lean <= 1) {
        update_height(n);
        return n;
    }
    int heavy = lean > 0;
    struct tree_node *c = n->child[heavy];
    if (node_height(c->child[!heavy]) > node_height(c->child[heavy]))
        rotate(t, c, heavy);
    return rotate(t, n, !heavy);
}

/* From N up to the root, or to where the height did not change. */
static void repair(struct tree *t, struct tree_node *n)
{
    while (n) {
        int before = n->height;
        n = rebalance(t, n);
        if (n->height == before)
            return;
        n = n->parent;
    }
}

struct tree_node *tree_insert(struct tree *t, struct tree_node *n)
{
    struct tree_node *parent = NULL, **at = &t->root;
    while (*at) {
        int c = key_cmp(tree_key(n), *at);
        if (!c)
            return *at;
        parent = *at;
        at = &parent->child[c > 0];
    }
    n->parent = parent;
    n->child[SMALLER] = n->child[GREATER] = NULL;
    n->height = 1;
    *at = n;
    t->n++;
    repair(t, parent);
    return NULL;
}

/* Takes out N, which has two children, by putting its successor in its place. Returns where heights changed.
 */
static struct tree_node *remove_inner(struct tree *t, struct tree_node *n)
{
    struct tree_node *next = outermost(n->child[GREATER], SMALLER);
    struct tree_node *changed = next->parent == n ? next : next->parent;
    if (next->parent != n) {
        replace_child(t, next->parent, next, next->child[GREATER]);
        next->child[GREATER] = n->child[GREATER];
        next->child[GREATER]->parent = next;
    }
    next->child[SMALLER] = n->child[SMALLER];
    next->child[SMALLER]->parent = next;
    next->height = n->height;
    replace_child(t, n->parent, n, next);
    return changed;
}

void tree_remove(struct tree *t, struct tree_node *n)
{
    struct tree_node *changed;
    if (n->child[SMALLER] && n->child[GREATER]) {
        changed = remove_inner(t, n);
    } else {
        changed = n->parent;
        replace_child(t, n->parent, n, n->child[n->child[SMALLER] == NULL]);
    }
    n->parent = n->child[SMALLER] = n->child[GREATER] = NULL;
    t->n--;
    repair(t, changed);
}
