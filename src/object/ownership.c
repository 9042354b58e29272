/* Objects as sets of fields. Recursion is as deep as the documents, which JSON_MAX_DEPTH bounds. */
#include "object/ownership.h"

#include <errno.h>

#include "base/map.h"

/* A part of a value: a member or an element, with its name in field sets. */
struct part {
    struct str name;
    struct json *value;
    struct ownership_shape shape;
};

struct parts {
    struct part *v;
    size_t n;
    struct map by_name; /* struct part *, the first of each name; only for many */
};

static bool is_container(const struct json *v)
{
    return v->type == JSON_OBJECT || v->type == JSON_ARRAY;
}

/* One value to its owners: nothing below it is told apart. */
static bool is_atomic(struct ownership_shape s)
{
    if (s.atomic || !s.type)
        return true;
    return s.type->kind != SCHEMA_OBJECT && s.type->kind != SCHEMA_LIST && s.type->kind != SCHEMA_MAP;
}

static bool is_leaf(struct ownership_shape s, const struct json *v)
{
    return is_atomic(s) || !is_container(v) || v->n == 0;
}

static struct ownership_shape shape_of_field(const struct schema_field *field)
{
    struct ownership_shape s = {.type = field->type};
    if (field->type->kind == SCHEMA_LIST)
        s.atomic = field->merge != SCHEMA_SET && field->merge != SCHEMA_MAP_KEYS;
    else
        s.atomic = field->merge == SCHEMA_ATOMIC || field->type->atomic;
    if (field->merge == SCHEMA_MAP_KEYS) {
        s.keys = field->map_keys;
        s.n_keys = field->n_map_keys;
    }
    return s;
}

/* Elements have no merge rule of their own: lists are atomic, maps granular, objects as their type says. */
static struct ownership_shape shape_of_element(const struct schema_type *type)
{
    return (struct ownership_shape){
        .type = type, .is_item = true, .atomic = type->kind == SCHEMA_LIST || type->atomic};
}

static struct ownership_shape shape_of_member(struct ownership_shape s, struct str name)
{
    if (s.type && s.type->kind == SCHEMA_MAP)
        return shape_of_element(s.type->element);
    const struct schema_field *field =
        s.type && s.type->kind == SCHEMA_OBJECT ? schema_find_field(s.type, name) : NULL;
    return field ? shape_of_field(field) : (struct ownership_shape){0};
}

/* The value of a key of an element: its own, or the default that the schema gives it. Appends nothing if
 * there is none. */
static void write_key(const struct schema_type *type, const struct json *element, struct str key,
                      struct strbuf *out)
{
    const struct json *v = json_get(element, key);
    const struct schema_field *field = type->kind == SCHEMA_OBJECT ? schema_find_field(type, key) : NULL;
    if (v)
        json_write(v, out);
    else if (field)
        strbuf_add_str(out, field->default_json);
}

#define MAX_KEYS 8

/* `k:{"port":80,"protocol":"TCP"}`; *RET_LACKS, unless NULL, is a key without value. */
static struct str keyed_name(struct arena *a, struct ownership_shape list, const struct json *element,
                             struct str *ret_lacks)
{
    struct str sorted[MAX_KEYS];
    size_t n = MIN(list.n_keys, MAX_KEYS);
    for (size_t i = 0; i < n; i++) {
        size_t k = i;
        for (; k > 0 && str_cmp(sorted[k - 1], list.keys[i]) > 0; k--)
            sorted[k] = sorted[k - 1];
        sorted[k] = list.keys[i];
    }
    _cleanup_(strbuf_done) struct strbuf b = {0};
    strbuf_addz(&b, "k:{");
    for (size_t i = 0; i < n; i++) {
        strbuf_addf(&b, "%s\"%.*s\":", i ? "," : "", STR_ARG(sorted[i]));
        size_t before = b.len;
        write_key(list.type->element, element, sorted[i], &b);
        if (b.len > before)
            continue;
        strbuf_addz(&b, "null");
        if (ret_lacks)
            *ret_lacks = sorted[i];
    }
    strbuf_addc(&b, '}');
    return arena_str(a, strbuf_str(&b));
}

/* Names may hold NUL: they are never formatted. */
static struct str part_name(struct arena *a, struct ownership_shape s, const struct json *child)
{
    if (!child->key.p && s.keys)
        return keyed_name(a, s, child, NULL);
    _cleanup_(strbuf_done) struct strbuf b = {0};
    strbuf_addz(&b, child->key.p ? "f:" : "v:");
    if (child->key.p)
        strbuf_add_str(&b, child->key);
    else
        json_write(child, &b);
    return arena_str(a, strbuf_str(&b));
}

static void parts_done(struct parts *p)
{
    map_done(&p->by_name, NULL);
}

/* The parts of V in their order. */
static void parts_init(struct arena *a, struct ownership_shape s, const struct json *v, struct parts *ret)
{
    *ret = (struct parts){.v = arena_new_array(a, struct part, v->n + 1)};
    json_foreach (v, child) {
        struct part *p = &ret->v[ret->n++];
        p->name = part_name(a, s, child);
        p->value = child;
        p->shape = child->key.p ? shape_of_member(s, child->key) : shape_of_element(s.type->element);
    }
}

#define FEW 12 /* parts; walking them costs less than a map */

/* Prepares parts_find(). */
static void parts_index(struct parts *p)
{
    for (size_t i = 0; p->n > FEW && i < p->n; i++)
        if (!map_has(&p->by_name, p->v[i].name))
            map_put(&p->by_name, p->v[i].name, &p->v[i]);
}

/* The first part of this name, or NULL. */
static struct part *parts_find(const struct parts *p, struct str name)
{
    if (p->n > FEW)
        return map_find(&p->by_name, name);
    for (size_t i = 0; i < p->n; i++)
        if (str_eq(p->v[i].name, name))
            return &p->v[i];
    return NULL;
}

/* Which nodes that are not leaves are in a set themselves. */
enum depth_rule {
    ITEMS,      /* elements of lists and maps: what an apply owns */
    CONTAINERS, /* lists and maps too: what an update owns of what it added (Go's zero structs are there from
                   the start) */
    ALL,        /* everything */
};

static struct field_set *build(struct arena *a, struct str name, struct ownership_shape s,
                               const struct json *v, enum depth_rule rule)
{
    struct field_set *set = field_set_new(a, name);
    if (is_leaf(s, v)) {
        set->member = true;
        return set;
    }
    set->member = s.is_item || rule == ALL || (rule == CONTAINERS && s.type->kind != SCHEMA_OBJECT);
    _cleanup_(parts_done) struct parts parts;
    parts_init(a, s, v, &parts);
    for (size_t i = 0; i < parts.n; i++)
        field_set_add(a, set, build(a, parts.v[i].name, parts.v[i].shape, parts.v[i].value, rule));
    field_set_settle(a, set);
    return set;
}

struct field_set *ownership_of(struct arena *a, struct ownership_shape shape, const struct json *value)
{
    struct field_set *set = build(a, STR_NONE, shape, value, ITEMS);
    set->member = false;
    return set;
}

static void compare(struct arena *a, struct ownership_shape s, const struct json *old, const struct json *new,
                    struct ownership_change *change)
{
    bool empty = (!is_container(old) || !old->n) && (!is_container(new) || !new->n);
    if (is_atomic(s) || empty || old->type != new->type) {
        change->modified->member = !json_equal(old, new);
        return;
    }
    _cleanup_(parts_done) struct parts before, after;
    parts_init(a, s, old, &before);
    parts_init(a, s, new, &after);
    parts_index(&before);
    parts_index(&after);
    for (size_t i = 0; i < after.n; i++) {
        struct part *p = &after.v[i], *q = parts_find(&before, p->name);
        if (!q) {
            field_set_add(a, change->added, build(a, p->name, p->shape, p->value, CONTAINERS));
            continue;
        }
        struct ownership_change below = {field_set_new(a, p->name), field_set_new(a, p->name),
                                         field_set_new(a, p->name)};
        compare(a, p->shape, q->value, p->value, &below);
        field_set_add(a, change->added, below.added);
        field_set_add(a, change->modified, below.modified);
        field_set_add(a, change->removed, below.removed);
    }
    for (size_t i = 0; i < before.n; i++)
        if (!parts_find(&after, before.v[i].name))
            field_set_add(a, change->removed,
                          build(a, before.v[i].name, before.v[i].shape, before.v[i].value, ALL));
    field_set_settle(a, change->added);
    field_set_settle(a, change->modified);
    field_set_settle(a, change->removed);
}

void ownership_compare(struct arena *a, struct ownership_shape shape, const struct json *old,
                       const struct json *new, struct ownership_change *ret)
{
    *ret = (struct ownership_change){field_set_new(a, STR_NONE), field_set_new(a, STR_NONE),
                                     field_set_new(a, STR_NONE)};
    compare(a, shape, old, new, ret);
}

struct field_set *ownership_with_parents(struct arena *a, struct ownership_shape shape,
                                         const struct field_set *s)
{
    if (!s)
        return NULL;
    struct field_set *set = field_set_new(a, s->element);
    bool named = str_has_prefix(s->element, STR("f:")) && !shape.is_item;
    set->member = s->member || (named && s->n);
    for (size_t i = 0; i < s->n; i++) {
        struct str element = s->children[i]->element;
        struct ownership_shape below = {0};
        if (str_has_prefix(element, STR("f:")))
            below = shape_of_member(shape, str_slice(element, 2, element.len));
        else if (shape.type && shape.type->kind == SCHEMA_LIST)
            below = shape_of_element(shape.type->element);
        field_set_add(a, set, ownership_with_parents(a, below, s->children[i]));
    }
    return set;
}

/* Makes VALUE, which keeps its place and name, what FROM is. */
static void become(struct json *value, const struct json *from)
{
    struct json copy = *from;
    copy.key = value->key;
    copy.next = value->next;
    *value = copy;
}

static void merge_parts(struct arena *a, struct ownership_shape s, struct json *value, struct json *config);

static void merge_value(struct arena *a, struct ownership_shape s, struct json *value, struct json *config)
{
    if (is_atomic(s) || !is_container(value) || value->type != config->type)
        become(value, config);
    else
        merge_parts(a, s, value, config);
}

/* The merged list: what only VALUE has keeps its place, the rest takes CONFIG's order. */
static void merge_elements(struct arena *a, struct json *list, struct parts *ours, struct parts *theirs)
{
    struct map taken = {0};
    list->first = list->last = NULL;
    list->n = 0;
    for (size_t i = 0, k = 0; i < ours->n || k < theirs->n;) {
        struct part *p = i < ours->n ? &ours->v[i] : NULL;
        if (p && map_has(&taken, p->name)) {
            i++; /* merged where CONFIG has it */
        } else if (p && !parts_find(theirs, p->name)) {
            json_append(list, p->value);
            i++;
        } else {
            struct part *q = &theirs->v[k++], *match = parts_find(ours, q->name);
            if (map_has(&taken, q->name))
                continue;
            if (match)
                merge_value(a, match->shape, match->value, q->value);
            json_append(list, match ? match->value : q->value);
            map_put(&taken, q->name, q);
        }
    }
    map_done(&taken, NULL);
}

static void merge_parts(struct arena *a, struct ownership_shape s, struct json *value, struct json *config)
{
    _cleanup_(parts_done) struct parts ours, theirs;
    parts_init(a, s, value, &ours);
    parts_init(a, s, config, &theirs);
    parts_index(&ours);
    if (value->type == JSON_ARRAY) {
        parts_index(&theirs);
        merge_elements(a, value, &ours, &theirs);
        return;
    }
    for (size_t i = 0; i < theirs.n; i++) {
        struct part *q = &theirs.v[i], *match = parts_find(&ours, q->name);
        if (match)
            merge_value(a, q->shape, match->value, q->value);
        else
            json_add(value, q->value->key, q->value);
    }
}

void ownership_merge(struct arena *a, struct ownership_shape shape, struct json *value, struct json *config)
{
    merge_value(a, shape, value, config);
}

void ownership_remove(struct arena *a, struct ownership_shape shape, struct json *value,
                      const struct field_set *s)
{
    if (is_leaf(shape, value) || !s || !s->n)
        return;
    _cleanup_(parts_done) struct parts parts;
    parts_init(a, shape, value, &parts);
    value->first = value->last = NULL;
    value->n = 0;
    for (size_t i = 0; i < parts.n; i++) {
        struct part *p = &parts.v[i];
        const struct field_set *below = field_set_child(s, p->name);
        if (below && below->member)
            continue;
        bool had = is_container(p->value) && p->value->n;
        ownership_remove(a, p->shape, p->value, below);
        if (had && !p->value->n)
            continue; /* emptied */
        json_add(value, p->value->key, p->value);
    }
}

static int check_elements(struct arena *a, struct ownership_shape s, const struct json *list, struct str path,
                          struct err *err)
{
    struct map seen = {0};
    size_t i = 0;
    int r = 0;
    json_foreach (list, element) {
        struct str lacks = STR_NONE, name = part_name(a, s, element);
        if (s.keys)
            keyed_name(a, s, element, &lacks);
        if (lacks.len)
            r = err_set(err, -EINVAL,
                        "%.*s: element %zu: associative list with keys has an element that omits key field "
                        "\"%.*s\" (and doesn't "
                        "have default value)",
                        STR_ARG(path), i, STR_ARG(lacks));
        else if (map_has(&seen, name))
            r = err_set(err, -EINVAL, "%.*s: duplicate entries for key %.*s", STR_ARG(path),
                        STR_ARG(str_slice(name, 2, name.len)));
        if (r < 0)
            break;
        map_put(&seen, name, element);
        i++;
    }
    map_done(&seen, NULL);
    return r;
}

static int check(struct arena *a, struct ownership_shape s, const struct json *v, struct str path,
                 struct err *err)
{
    if (is_leaf(s, v))
        return 0;
    int r = v->type == JSON_ARRAY ? check_elements(a, s, v, path, err) : 0;
    json_foreach (v, child) {
        if (r < 0)
            return r;
        if (!is_container(child))
            continue;
        struct ownership_shape below =
            child->key.p ? shape_of_member(s, child->key) : shape_of_element(s.type->element);
        struct str inside =
            child->key.p ? arena_format(a, "%.*s.%.*s", STR_ARG(path), STR_ARG(child->key)) : path;
        r = check(a, below, child, inside, err);
    }
    return r;
}

int ownership_check(struct arena *a, struct ownership_shape shape, const struct json *value, struct err *err)
{
    return check(a, shape, value, STR(""), err);
}
