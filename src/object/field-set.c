/* Field sets. Recursion is as deep as the document a set was made of, which JSON_MAX_DEPTH bounds. */
#include "object/field-set.h"

#include <errno.h>
#include <stdlib.h>

#include "object/quote.h"

struct field_set *field_set_new(struct arena *a, struct str element)
{
    struct field_set *s = arena_new(a, struct field_set);
    s->element = element;
    return s;
}

bool field_set_is_empty(const struct field_set *s)
{
    return !s || (!s->member && !s->n);
}

void field_set_add(struct arena *a, struct field_set *s, struct field_set *child)
{
    if (field_set_is_empty(child))
        return;
    if ((s->n & (s->n - 1)) == 0) { /* at 0, 1, 2, 4, ...: double */
        struct field_set **more = arena_new_array(a, struct field_set *, s->n ? s->n * 2 : 1);
        if (s->n)
            memcpy(more, s->children, s->n * sizeof *more);
        s->children = more;
    }
    s->children[s->n++] = child;
}

static int by_element(const void *x, const void *y)
{
    const struct field_set *const *s = x, *const *t = y;
    return str_cmp((*s)->element, (*t)->element);
}

void field_set_settle(struct arena *a, struct field_set *s)
{
    if (s->n < 2)
        return;
    qsort(s->children, s->n, sizeof(struct field_set *), by_element);
    size_t n = 1;
    for (size_t i = 1; i < s->n; i++) {
        if (str_eq(s->children[i]->element, s->children[n - 1]->element))
            s->children[n - 1] = field_set_union(a, s->children[n - 1], s->children[i]);
        else
            s->children[n++] = s->children[i];
    }
    s->n = n;
}

const struct field_set *field_set_child(const struct field_set *s, struct str element)
{
    const struct field_set wanted = {.element = element}, *key = &wanted;
    if (!s || !s->n)
        return NULL;
    struct field_set **found = bsearch(&key, s->children, s->n, sizeof(struct field_set *), by_element);
    return found ? *found : NULL;
}

bool field_set_equal(const struct field_set *x, const struct field_set *y)
{
    if (field_set_is_empty(x) || field_set_is_empty(y))
        return field_set_is_empty(x) && field_set_is_empty(y);
    if (x->member != y->member || x->n != y->n)
        return false;
    for (size_t i = 0; i < x->n; i++)
        if (!str_eq(x->children[i]->element, y->children[i]->element) ||
            !field_set_equal(x->children[i], y->children[i]))
            return false;
    return true;
}

typedef struct field_set *combine_fn(struct arena *a, const struct field_set *x, const struct field_set *y);

/* Combines children of equal elements; one side may be NULL. The rule for single ones is in COMBINE. */
static struct field_set *combine(struct arena *a, const struct field_set *x, const struct field_set *y,
                                 bool member, combine_fn *rule)
{
    struct field_set *s = field_set_new(a, x ? x->element : y ? y->element : STR_NONE);
    s->member = member;
    size_t i = 0, k = 0, n = x ? x->n : 0, m = y ? y->n : 0;
    while (i < n || k < m) {
        int c = i == n ? 1 : k == m ? -1 : str_cmp(x->children[i]->element, y->children[k]->element);
        const struct field_set *left = c <= 0 ? x->children[i++] : NULL,
                               *right = c >= 0 ? y->children[k++] : NULL;
        field_set_add(a, s, rule(a, left, right));
    }
    return s;
}

struct field_set *field_set_union(struct arena *a, const struct field_set *x, const struct field_set *y)
{
    if (!x || !y)
        return (struct field_set *)(x ? x : y);
    return combine(a, x, y, x->member || y->member, field_set_union);
}

struct field_set *field_set_intersect(struct arena *a, const struct field_set *x, const struct field_set *y)
{
    if (!x || !y)
        return NULL;
    return combine(a, x, y, x->member && y->member, field_set_intersect);
}

struct field_set *field_set_subtract(struct arena *a, const struct field_set *x, const struct field_set *y)
{
    if (!x || !y)
        return (struct field_set *)x;
    return combine(a, x, y, x->member && !y->member, field_set_subtract);
}

static int by_key(const void *x, const void *y)
{
    const struct json *const *s = x, *const *t = y;
    return str_cmp((*s)->key, (*t)->key);
}

/* "k:" and the object with its members sorted. */
static struct str key_element(struct arena *a, struct json *object)
{
    const struct json **members = arena_new_array(a, const struct json *, object->n + 1);
    _cleanup_(strbuf_done) struct strbuf b = {0};
    size_t n = 0;
    json_foreach (object, m)
        members[n++] = m;
    qsort(members, n, sizeof *members, by_key);
    strbuf_addz(&b, "k:{");
    for (size_t i = 0; i < n; i++) {
        if (i)
            strbuf_addc(&b, ',');
        json_write_string(members[i]->key, &b);
        strbuf_addc(&b, ':');
        json_write(members[i], &b);
    }
    strbuf_addc(&b, '}');
    return arena_str(a, strbuf_str(&b));
}

/* The canonical form of an element: other servers may order keys and escape otherwise. */
static int read_element(struct arena *a, struct str text, struct str *ret, struct err *err)
{
    struct json *v = NULL;
    struct str rest = str_slice(text, 2, text.len);
    if (text.len < 2 || text.p[1] != ':')
        return err_set(err, -EINVAL, "missing colon: invalid field path element");
    switch (text.p[0]) {
    case 'f':
        *ret = arena_str(a, text);
        return 0;
    case 'i': {
        int64_t index;
        *ret = arena_str(a, text);
        return str_to_int64(rest, &index) < 0 ? err_set(err, -EINVAL, "invalid index in a field path element")
                                              : 0;
    }
    case 'k':
        if (json_parse(a, rest, NULL, &v, err) < 0 || v->type != JSON_OBJECT)
            return err_set(err, -EINVAL, "invalid key in a field path element");
        *ret = key_element(a, v);
        return 0;
    case 'v': {
        if (json_parse(a, rest, NULL, &v, err) < 0)
            return err_set(err, -EINVAL, "invalid value in a field path element");
        _cleanup_(strbuf_done) struct strbuf b = {0};
        strbuf_addz(&b, "v:");
        json_write(v, &b);
        *ret = arena_str(a, strbuf_str(&b));
        return 0;
    }
    default:
        return err_set(err, -EINVAL, "unknown field path element type");
    }
}

static int parse_node(struct arena *a, const struct json *fields, struct field_set *s, struct err *err)
{
    if (fields->type != JSON_OBJECT)
        return err_set(err, -EINVAL, "invalid FieldsV1: expected an object");
    s->member = fields->n == 0 && s->element.len;
    json_foreach (fields, m) {
        if (str_eqz(m->key, ".")) {
            s->member = s->element.len; /* the root is no field */
            continue;
        }
        struct field_set *child = field_set_new(a, STR_NONE);
        int r = read_element(a, m->key, &child->element, err);
        r = r < 0 ? r : parse_node(a, m, child, err);
        if (r < 0)
            return r;
        field_set_add(a, s, child);
    }
    field_set_settle(a, s);
    return 0;
}

int field_set_parse(struct arena *a, const struct json *fields, struct field_set **ret, struct err *err)
{
    struct field_set *s = field_set_new(a, STR_NONE);
    int r = parse_node(a, fields, s, err);
    if (r == 0)
        *ret = s;
    return r;
}

struct json *field_set_to_json(struct arena *a, const struct field_set *s)
{
    struct json *v = json_object(a);
    if (s && s->member && s->n)
        json_add(v, STR("."), json_object(a));
    for (size_t i = 0; s && i < s->n; i++)
        json_add(v, s->children[i]->element, field_set_to_json(a, s->children[i]));
    return v;
}

static void write_value(const struct json *v, struct strbuf *out)
{
    if (v->type == JSON_STRING)
        quote_add(out, v->text);
    else
        json_write(v, out);
}

static void write_element(struct str element, struct strbuf *out)
{
    struct str rest = str_slice(element, 2, element.len);
    _cleanup_(arena_done) struct arena a = {0};
    struct json *v = NULL;
    bool value = element.p[0] == 'k' || element.p[0] == 'v';
    if (!value || json_parse(&a, rest, NULL, &v, NULL) < 0) {
        strbuf_addf(out, element.p[0] == 'f' ? ".%.*s" : "[%.*s]", STR_ARG(rest));
        return;
    }
    strbuf_addc(out, '[');
    if (element.p[0] == 'v') {
        strbuf_addc(out, '=');
        write_value(v, out);
    } else {
        json_foreach (v, m) {
            strbuf_addf(out, "%s%.*s=", m == v->first ? "" : ",", STR_ARG(m->key));
            write_value(m, out);
        }
    }
    strbuf_addc(out, ']');
}

struct visitor {
    void (*visit)(void *user, struct str path);
    void *user;
    struct strbuf path;
};

static void visit_node(struct visitor *v, const struct field_set *s)
{
    size_t before = v->path.len;
    if (s->element.len)
        write_element(s->element, &v->path);
    if (s->member)
        v->visit(v->user, strbuf_str(&v->path));
    for (size_t i = 0; i < s->n; i++)
        visit_node(v, s->children[i]);
    strbuf_truncate(&v->path, before);
}

void field_set_visit(const struct field_set *s, void (*visit)(void *user, struct str path), void *user)
{
    struct visitor v = {.visit = visit, .user = user};
    if (s)
        visit_node(&v, s);
    strbuf_done(&v.path);
}
