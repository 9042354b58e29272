/* Strategic merge patch: lists. */
#include <errno.h>
#include <stdlib.h>

#include "object/strategic-merge-internal.h"

/* A set of values by their JSON text, each with the node it came from. */
struct value_set {
    struct map by_text;
    struct strbuf text;
};

static void value_set_done(struct value_set *s)
{
    map_done(&s->by_text, NULL);
    strbuf_done(&s->text);
}

static struct str text_of(struct value_set *s, const struct json *v)
{
    strbuf_truncate(&s->text, 0);
    json_write(v, &s->text);
    return strbuf_str(&s->text);
}

/* Puts V in unless an equal value is there; false then. */
static bool value_set_add(struct value_set *s, const struct json *v, void *node)
{
    struct str text = text_of(s, v);
    if (map_has(&s->by_text, text))
        return false;
    map_put(&s->by_text, text, node);
    return true;
}

static void *value_set_find(struct value_set *s, const struct json *v)
{
    return map_find(&s->by_text, text_of(s, v));
}

/* What tells an element from others: the value of its merge key, or the scalar itself. NULL if it has none.
 */
static const struct json *identity(const struct merge_field *field, const struct json *element)
{
    if (field->merge_key.len)
        return json_get(element, field->merge_key);
    return element->type < JSON_ARRAY ? element : NULL;
}

static int lacks_key(struct merge *m, const struct merge_field *field, const struct json *element)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    json_write(element, &b);
    return err_set(m->err, -EINVAL, "map: %.*s does not contain declared merge key: %.*s",
                   STR_ARG(str_slice(strbuf_str(&b), 0, 256)), STR_ARG(field->merge_key));
}

int merge_delete_scalars(struct merge *m, struct json *list, const struct json *values)
{
    _cleanup_(value_set_done) struct value_set gone = {0};
    json_foreach (values, v) {
        if (v->type >= JSON_ARRAY)
            return err_set(m->err, -EINVAL, "invalid patch format of primitive list");
        value_set_add(&gone, v, v);
    }
    json_foreach (list, e) {
        if (e->type < JSON_ARRAY && value_set_find(&gone, e))
            e->type = MERGE_DEAD;
    }
    merge_sweep(list);
    return 0;
}

static int merge_scalars(struct merge *m, struct json *list, struct json *patch)
{
    _cleanup_(value_set_done) struct value_set seen = {0};
    json_foreach (list, e) {
        if (e->type < JSON_ARRAY && !value_set_add(&seen, e, e))
            e->type = MERGE_DEAD;
    }
    merge_sweep(list);
    struct json *following;
    for (struct json *v = patch->first; v; v = following) {
        following = v->next;
        if (v->type >= JSON_ARRAY)
            return err_set(m->err, -EINVAL, "cannot merge lists without merge key");
        if (v->type != JSON_NULL && value_set_add(&seen, v, v))
            json_append(list, v);
    }
    return 0;
}

/* Handles elements that carry `$patch` and takes them out of the patch. */
static int merge_special(struct merge *m, const struct merge_field *field, struct json *list,
                         struct json *patch)
{
    _cleanup_(value_set_done) struct value_set gone = {0};
    bool replace = false;
    json_foreach (patch, v) {
        enum merge_directive directive;
        if (v->type != JSON_OBJECT)
            return err_set(m->err, -EINVAL, "lists of lists and lists of mixed types cannot be merged");
        int r = merge_take_directive(m, v, &directive);
        if (r < 0)
            return r;
        const struct json *key = identity(field, v);
        if (directive == MERGE_DELETE && !key)
            return err_set(m->err, -EINVAL, "delete patch type with no merge key defined");
        if (directive == MERGE_DELETE)
            value_set_add(&gone, key, v);
        replace |= directive == MERGE_REPLACE;
        if (directive == MERGE_DELETE || directive == MERGE_REPLACE || (directive == MERGE_MERGE && !v->n))
            v->type = MERGE_DEAD;
    }
    merge_sweep(patch);
    json_foreach (list, e) {
        const struct json *key = identity(field, e);
        if (replace || (key && value_set_find(&gone, key)))
            e->type = MERGE_DEAD;
    }
    merge_sweep(list);
    return 0;
}

int merge_list(struct merge *m, const struct merge_field *field, struct json *list, struct json *patch)
{
    if (!field->merge_key.len)
        return merge_scalars(m, list, patch);
    int r = merge_special(m, field, list, patch);
    if (r < 0)
        return r;
    _cleanup_(value_set_done) struct value_set by_key = {0};
    json_foreach (list, e) {
        const struct json *key = identity(field, e);
        if (key)
            value_set_add(&by_key, key, e);
    }
    struct json *following;
    for (struct json *v = patch->first; v; v = following) {
        following = v->next;
        const struct json *key = identity(field, v);
        if (!key)
            return lacks_key(m, field, v);
        struct json *old = value_set_find(&by_key, key);
        if (old) {
            r = merge_object(m, field->type ? field->type->element : NULL, old, v);
            if (r < 0)
                return r;
            continue;
        }
        value_set_add(&by_key, key, v);
        if (merge_settle(v))
            json_append(list, v);
    }
    return 0;
}

/* An element with its place, and its places in the order asked for and in the list that was (or NOWHERE). */
struct placed {
    struct json *element;
    size_t in_order, in_had, at;
};

#define NOWHERE SIZE_MAX

static int compare(size_t x, size_t y)
{
    return (x > y) - (x < y);
}

/* Elements with equal keys (ports that differ in protocol only) keep their order. */
static int by_order(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    return x->in_order != y->in_order ? compare(x->in_order, y->in_order) : compare(x->at, y->at);
}

static int by_had(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    return x->in_had != y->in_had ? compare(x->in_had, y->in_had) : compare(x->at, y->at);
}

/* Numbers the identities of LIST, from 1, so that none is NULL. */
static void number(struct value_set *s, const struct merge_field *field, const struct json *list)
{
    size_t i = 0;
    json_foreach (list, e) {
        const struct json *key = identity(field, e);
        i++;
        if (key)
            value_set_add(s, key, (void *)i);
    }
}

static size_t place_in(struct value_set *s, const struct json *key)
{
    size_t i = key ? (size_t)value_set_find(s, key) : 0;
    return i ? i - 1 : NOWHERE;
}

/* Puts the elements of OTHERS among those of ASKED: each before the first that followed it in the list that
 * was. Both keep their own order. */
static void interleave(struct json *list, const struct placed *asked, size_t n_asked,
                       const struct placed *others, size_t n_others)
{
    size_t i = 0, k = 0;
    list->first = list->last = NULL;
    list->n = 0;
    while (i < n_asked || k < n_others) {
        bool known = i < n_asked && k < n_others && asked[i].in_had != NOWHERE && others[k].in_had != NOWHERE;
        bool other = i == n_asked || (known && others[k].in_had < asked[i].in_had);
        json_append(list, other ? others[k++].element : asked[i++].element);
    }
}

int merge_order(struct merge *m, const struct merge_field *field, struct json *list, const struct json *order,
                const struct json *had)
{
    _cleanup_(value_set_done) struct value_set in_order = {0}, in_had = {0};
    json_foreach (order, e) {
        if (!identity(field, e))
            return err_set(m->err, -EINVAL, "invalid patch format of setElementOrder list");
    }
    number(&in_order, field, order);
    number(&in_had, field, had);
    struct placed *all = arena_new_array(m->arena, struct placed, list->n + 1);
    struct placed *others = arena_new_array(m->arena, struct placed, list->n + 1);
    size_t n = 0, n_others = 0;
    json_foreach (list, e) {
        const struct json *key = identity(field, e);
        struct placed p = {e, place_in(&in_order, key), place_in(&in_had, key), n + n_others};
        if (p.in_order == NOWHERE)
            others[n_others++] = p;
        else
            all[n++] = p;
    }
    qsort(all, n, sizeof *all, by_order);
    qsort(others, n_others, sizeof *others, by_had);
    interleave(list, all, n, others, n_others);
    return 0;
}
