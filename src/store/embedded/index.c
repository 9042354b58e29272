#include "store/embedded/index.h"

struct index_entry *index_find(const struct index *x, struct str key)
{
    struct tree_node *n = tree_find(&x->current, key);
    return n ? container_of(n, struct index_entry, node) : NULL;
}

static void index_retire(struct index *x, const struct index_entry *e, int64_t until)
{
    struct str key = tree_key(&e->node);
    *array_push(&x->history) = (struct index_version){
        .id = e->id,
        .create_revision = e->create_revision,
        .mod_revision = e->mod_revision,
        .until = until,
        .key = {mem_dup(key.p, key.len), key.len},
    };
}

void index_add(struct index *x, struct str key, int64_t id, int64_t create_revision, int64_t mod_revision,
               bool is_deletion)
{
    struct index_entry *e = index_find(x, key);
    if (e)
        index_retire(x, e, mod_revision);
    if (is_deletion) {
        if (e) {
            tree_remove(&x->current, &e->node);
            free(e);
        }
        *array_push(&x->history) = (struct index_version){.id = id,
                                                          .mod_revision = mod_revision,
                                                          .until = mod_revision,
                                                          .is_deletion = true,
                                                          .key = {mem_dup(key.p, key.len), key.len}};
        return;
    }
    if (!e) {
        e = mem_alloc(sizeof *e + key.len);
        memcpy(e->key, key.p, key.len);
        tree_node_set_key(&e->node, (struct str){e->key, key.len});
        tree_insert(&x->current, &e->node);
    }
    e->id = id;
    e->create_revision = create_revision;
    e->mod_revision = mod_revision;
}

size_t index_n_history(const struct index *x)
{
    return x->history.n - x->n_gone;
}

void index_compact(struct index *x, int64_t revision, struct index_ids *ret_ids)
{
    while (x->n_gone < x->history.n && x->history.v[x->n_gone].until <= revision) {
        struct index_version *v = &x->history.v[x->n_gone++];
        *array_push(ret_ids) = v->id;
        free((char *)v->key.p);
    }
    if (!x->n_gone || x->n_gone * 2 < x->history.n)
        return; /* moving the rest down costs less than what is gone, on average */
    if (x->n_gone)
        memmove(x->history.v, x->history.v + x->n_gone, index_n_history(x) * sizeof *x->history.v);
    x->history.n -= x->n_gone;
    x->n_gone = 0;
}

int64_t index_first_id_after(const struct index *x, int64_t revision)
{
    int64_t first = INT64_MAX;
    tree_foreach (&x->current, n) {
        const struct index_entry *e = container_of(n, struct index_entry, node);
        if (e->mod_revision > revision)
            first = MIN(first, e->id);
    }
    for (size_t i = x->n_gone; i < x->history.n; i++)
        if (x->history.v[i].mod_revision > revision)
            first = MIN(first, x->history.v[i].id);
    return first;
}

static bool index_in_range(struct str key, const struct store_range *range)
{
    return range->to.len ? str_cmp(key, range->from) >= 0 && str_cmp(key, range->to) < 0
                         : str_eq(key, range->from);
}

/* A version that was current at an old revision. */
struct old_version {
    struct str key;
    int64_t id;
};

static int compare_old_versions(const void *a, const void *b)
{
    return str_cmp(((const struct old_version *)a)->key, ((const struct old_version *)b)->key);
}

void index_collect(const struct index *x, const struct store_range *range, int64_t revision, size_t limit,
                   struct index_ids *ret_ids)
{
    ARRAY_OF(struct old_version) old = {0};
    for (size_t i = x->n_gone; i < x->history.n; i++) {
        const struct index_version *v = &x->history.v[i];
        if (!v->is_deletion && v->mod_revision <= revision && v->until > revision &&
            index_in_range(v->key, range))
            *array_push(&old) = (struct old_version){v->key, v->id};
    }
    if (old.n)
        qsort(old.v, old.n, sizeof *old.v, compare_old_versions);
    size_t next = 0;
    struct tree_node *n = tree_at_or_after(&x->current, range->from);
    while (!limit || ret_ids->n < limit) {
        bool has_current = n && index_in_range(tree_key(n), range);
        if (next < old.n && (!has_current || str_cmp(old.v[next].key, tree_key(n)) <= 0)) {
            *array_push(ret_ids) = old.v[next++].id;
            continue;
        }
        if (!has_current)
            break;
        const struct index_entry *e = container_of(n, struct index_entry, node);
        if (e->mod_revision <= revision)
            *array_push(ret_ids) = e->id;
        n = tree_next(n);
    }
    array_done(&old);
}

void index_done(struct index *x)
{
    tree_foreach_safe (&x->current, n) {
        tree_remove(&x->current, n);
        free(container_of(n, struct index_entry, node));
    }
    for (size_t i = x->n_gone; i < x->history.n; i++)
        free((char *)x->history.v[i].key.p);
    array_done(&x->history);
    x->n_gone = 0;
}
