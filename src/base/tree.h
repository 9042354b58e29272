/* Ordered map from byte strings, with intrusive nodes: a balanced (AVL) search tree.
 *
 * The node lives in its owner and borrows the key's bytes, which must stay unchanged while the node is in a
 * tree. A zeroed struct is an empty tree. Finding, inserting and removing take O(log n); a step to the next
 * node is O(1) on average. Order is that of str_cmp: by bytes, a prefix before what it begins, so the keys
 * with one prefix stand together. For lookups without order, map.h is faster.
 *
 *     struct item { struct tree_node node; char *key; };
 *     tree_node_set_key(&item->node, str_of(item->key));
 *     if (tree_insert(&tree, &item->node)) ... the key was there
 *     for (struct tree_node *n = tree_at_or_after(&tree, from); n && before(tree_key(n), to); n =
 * tree_next(n))
 */
#pragma once

#include "base/str.h"

struct tree_node {
    struct tree_node *parent, *child[2]; /* smaller, greater */
    const char *key_p;
    uint32_t key_len;
    int32_t height; /* of the subtree; a leaf has 1 */
};

struct tree {
    struct tree_node *root;
    size_t n;
};

static inline struct str tree_key(const struct tree_node *n)
{
    return (struct str){n->key_p, n->key_len};
}
/* Only while the node is in no tree. KEY is shorter than 4 GiB and outlives the node's stay in the tree. */
static inline void tree_node_set_key(struct tree_node *n, struct str key)
{
    n->key_p = key.p;
    n->key_len = (uint32_t)key.len;
}

/* The node with that key, or NULL. */
struct tree_node *tree_find(const struct tree *t, struct str key);

/* The first node with a key >= KEY; the last one with a key < KEY; NULL if there is none. */
struct tree_node *tree_at_or_after(const struct tree *t, struct str key);
struct tree_node *tree_before(const struct tree *t, struct str key);

/* Ends of the tree and neighbours of a node, or NULL. */
struct tree_node *tree_first(const struct tree *t);
struct tree_node *tree_last(const struct tree *t);
struct tree_node *tree_next(const struct tree_node *n);
struct tree_node *tree_prev(const struct tree_node *n);

/* Inserts N and returns NULL, or changes nothing and returns the node that has the key already. */
struct tree_node *tree_insert(struct tree *t, struct tree_node *n);

/* Removes N, which is in the tree. Other nodes stay valid, so a walk may remove behind itself. */
void tree_remove(struct tree *t, struct tree_node *n);

#define tree_foreach(t, it) for (struct tree_node *it = tree_first(t); it; it = tree_next(it))
/* The current node may be removed (and freed) inside. */
#define tree_foreach_safe(t, it)                                                                             \
    for (struct tree_node *it = tree_first(t), *it##_next = it ? tree_next(it) : NULL; it;                   \
         it = it##_next, it##_next = it ? tree_next(it) : NULL)
