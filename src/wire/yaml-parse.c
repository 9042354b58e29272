/* Builds JSON documents from libyaml's events. */
#include "wire/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <yaml.h>

#include "base/array.h"
#include "base/map.h"
#include "wire/json-tree.h"
#include "wire/yaml-scalar.h"

#define YAML_INDEX_FROM 16
#define YAML_TAG_MERGE  "tag:yaml.org,2002:merge"

/* A mapping or sequence being filled. */
struct yaml_frame {
    struct json *value;
    struct str anchor; /* p NULL if none */
    bool flow;
    /* Mappings only. */
    bool has_key, is_merge; /* is_merge: the value to come is that of "<<" */
    struct str key;
    struct map index;  /* members by key, once there are YAML_INDEX_FROM */
    struct map merged; /* keys that a merge brought and no key of its own has set since */
};

struct yaml_builder {
    struct arena *arena;
    struct json *documents;
    ARRAY_OF(struct yaml_frame) stack;
    struct map
        anchors; /* of this document: name to a root that shares its children; &open while being filled */
    struct json open;
    struct json_parse_info *info;
    size_t nodes_left, bytes_left; /* of the expansion budget */
    size_t flow_depth, work_left;
    yaml_mark_t at;
    struct err *err;
};

static int yaml_fail(struct yaml_builder *b, int code, const char *why)
{
    return err_set(b->err, code, "invalid YAML at line %zu column %zu: %s", b->at.line + 1, b->at.column + 1,
                   why);
}

/* The innermost open mapping or sequence, NULL outside of all. */
static struct yaml_frame *yaml_top(struct yaml_builder *b)
{
    return b->stack.n ? &b->stack.v[b->stack.n - 1] : NULL;
}

/* The same where there must be one. */
static struct yaml_frame *yaml_inner(struct yaml_builder *b)
{
    return &b->stack.v[b->stack.n - 1];
}

static struct json *yaml_find_member(struct yaml_frame *f, struct str key)
{
    if (f->value->n < YAML_INDEX_FROM)
        return json_get(f->value, key);
    if (!f->index.n) {
        json_foreach (f->value, m) {
            map_put(&f->index, m->key, m);
        }
    }
    return map_find(&f->index, key);
}

/* Sets a member of the mapping; true if it replaced one. Anchors keep roots of their own, so that overwriting
 * the node does not change what an alias means. */
static bool yaml_set_member(struct yaml_frame *f, struct str key, struct json *v)
{
    struct json *old = yaml_find_member(f, key);
    if (old) {
        struct json *next = old->next;
        *old = *v;
        old->key = key;
        old->next = next;
        return true;
    }
    json_add(f->value, key, v);
    if (f->index.n)
        map_put(&f->index, key, v);
    return false;
}

static void yaml_note_duplicate(struct yaml_builder *b)
{
    struct json_parse_info *info = b->info;
    if (!info || info->n_duplicates == JSON_MAX_DUPLICATES)
        return;
    _cleanup_(strbuf_done) struct strbuf path = {0};
    array_foreach (&b->stack, f) {
        if (f->value->type == JSON_ARRAY)
            strbuf_addf(&path, "[%u]", f->value->n);
        else
            strbuf_addf(&path, "%s%.*s", path.len ? "." : "", STR_ARG(f->key));
    }
    if (!info->duplicates)
        info->duplicates = arena_alloc(b->arena, JSON_MAX_DUPLICATES * sizeof *info->duplicates);
    info->duplicates[info->n_duplicates++].path = arena_str(b->arena, strbuf_str(&path));
}

/* A copy of V, charged to the expansion budget. */
static int yaml_expand(struct yaml_builder *b, const struct json *v, struct json **ret)
{
    struct json_extent extent = json_measure(v, b->bytes_left);
    if (extent.bytes > b->bytes_left || extent.nodes > b->nodes_left)
        return yaml_fail(b, -E2BIG, "aliases expand to too much");
    if (extent.depth + (int)b->stack.n > JSON_MAX_DEPTH)
        return yaml_fail(b, -E2BIG, "nested deeper than 512 levels");
    b->bytes_left -= extent.bytes;
    b->nodes_left -= extent.nodes;
    *ret = json_copy_shape(b->arena, v);
    return 0;
}

/* go-yaml v2 lets a merge win over keys before it and lose to keys after it. */
static int yaml_merge_one(struct yaml_builder *b, const struct json *source)
{
    struct yaml_frame *f = yaml_inner(b);
    struct json *copy;
    if (source->type != JSON_OBJECT)
        return yaml_fail(b, -EINVAL, "a merge key needs a mapping or a sequence of mappings");
    int r = yaml_expand(b, source, &copy);
    for (struct json *m = r ? NULL : copy->first, *next; m; m = next) {
        next = m->next;
        yaml_set_member(f, m->key, m);
        map_put(&f->merged, m->key, f);
    }
    return r;
}

/* In a sequence of mappings the earlier ones win, so they are merged last. */
static int yaml_merge(struct yaml_builder *b, const struct json *source)
{
    if (source->type != JSON_ARRAY)
        return yaml_merge_one(b, source);
    ARRAY_OF(const struct json *) sources = {0};
    json_foreach (source, s) {
        *array_push(&sources) = s;
    }
    int r = 0;
    for (size_t i = sources.n; i > 0 && r == 0; i--)
        r = yaml_merge_one(b, sources.v[i - 1]);
    array_done(&sources);
    return r;
}

/* Puts a complete value where it belongs. */
static int yaml_deliver(struct yaml_builder *b, struct json *v)
{
    struct yaml_frame *f = yaml_top(b);
    if (!f || f->value->type == JSON_ARRAY) {
        json_append(f ? f->value : b->documents, v);
        return 0;
    }
    f->has_key = false;
    if (f->is_merge) {
        f->is_merge = false;
        return yaml_merge(b, v);
    }
    bool merged = f->merged.n && map_delete(&f->merged, f->key);
    if (yaml_set_member(f, f->key, v) && !merged)
        yaml_note_duplicate(b);
    return 0;
}

static bool yaml_wants_key(struct yaml_builder *b)
{
    struct yaml_frame *f = yaml_top(b);
    return f && f->value->type == JSON_OBJECT && !f->has_key;
}

static struct str yaml_text(const yaml_char_t *p)
{
    return str_of((const char *)p);
}

static void yaml_put_anchor(struct yaml_builder *b, struct str anchor, const struct json *v)
{
    if (!anchor.p)
        return;
    struct json *root = arena_new(b->arena, struct json);
    *root = *v;
    root->next = NULL;
    root->key = STR_NONE;
    map_put(&b->anchors, anchor, root);
}

/* libyaml drops the tag "!", which makes a plain scalar a string. It shows in the marks: the scalar is longer
 * than its text. (So do several lines and comments, which make strings too, and an anchor, behind which it is
 * lost.) */
static bool yaml_has_bare_tag(const yaml_event_t *e)
{
    size_t n_chars = 0;
    for (size_t i = 0; i < e->data.scalar.length; i++)
        n_chars += (e->data.scalar.value[i] & 0xc0) != 0x80;
    return n_chars && !e->data.scalar.anchor && e->end_mark.index - e->start_mark.index != n_chars;
}

static int yaml_resolve(struct yaml_builder *b, const yaml_event_t *e, struct yaml_scalar *ret)
{
    struct err err = {0};
    bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    struct str text = {arena_dup(b->arena, e->data.scalar.value, e->data.scalar.length),
                       e->data.scalar.length};
    if (!e->data.scalar.tag && plain && !yaml_has_bare_tag(e)) {
        *ret = yaml_scalar_resolve(text);
        return 0;
    }
    int r = yaml_scalar_resolve_tagged(b->arena, yaml_text(e->data.scalar.tag), text, ret, &err);
    return r < 0 ? yaml_fail(b, r, err.text) : 0;
}

static int yaml_take_key(struct yaml_builder *b, const struct yaml_scalar *s)
{
    struct yaml_frame *f = yaml_inner(b);
    struct err err = {0};
    int r = yaml_scalar_to_key(b->arena, s, &f->key, &err);
    if (r < 0)
        return yaml_fail(b, r, err.text);
    f->has_key = true;
    return 0;
}

static bool yaml_is_merge_key(const yaml_event_t *e)
{
    if (!str_eqz((struct str){(const char *)e->data.scalar.value, e->data.scalar.length}, "<<"))
        return false;
    return e->data.scalar.tag ? strcmp((const char *)e->data.scalar.tag, YAML_TAG_MERGE) == 0
                              : e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static int yaml_on_scalar(struct yaml_builder *b, const yaml_event_t *e)
{
    struct yaml_scalar s;
    struct json *v = NULL;
    struct err err = {0};
    struct str anchor = yaml_text(e->data.scalar.anchor);
    bool is_key = yaml_wants_key(b);
    int r = yaml_resolve(b, e, &s);
    if (r < 0)
        return r;
    if (is_key && yaml_is_merge_key(e)) {
        yaml_inner(b)->has_key = yaml_inner(b)->is_merge = true;
        yaml_inner(b)->key = STR("<<");
        return 0;
    }
    if (!is_key || anchor.p) {
        r = yaml_scalar_to_json(b->arena, &s, &v, &err);
        if (r < 0)
            return yaml_fail(b, r, err.text);
        yaml_put_anchor(b, anchor, v);
    }
    return is_key ? yaml_take_key(b, &s) : yaml_deliver(b, v);
}

static int yaml_on_alias(struct yaml_builder *b, const yaml_event_t *e)
{
    const struct json *v = map_find(&b->anchors, yaml_text(e->data.alias.anchor));
    if (!v)
        return yaml_fail(b, -EINVAL, "an alias names an unknown anchor");
    if (v == &b->open)
        return yaml_fail(b, -EINVAL, "an anchor's value contains itself");
    if (yaml_wants_key(b)) {
        struct yaml_scalar s = {YAML_SCALAR_STRING, .text = json_str(v)};
        if (v->type == JSON_STRING)
            return yaml_take_key(b, &s);
        if (v->type >= JSON_ARRAY)
            return yaml_fail(b, -EINVAL, "a mapping key is a mapping or a sequence");
        _cleanup_(strbuf_done) struct strbuf text = {0};
        json_write(v, &text);
        s = yaml_scalar_resolve(arena_str(b->arena, strbuf_str(&text)));
        return yaml_take_key(b, &s);
    }
    struct yaml_frame *f = yaml_top(b);
    if (f && f->is_merge && v->type != JSON_OBJECT)
        return yaml_fail(b, -EINVAL, "a merge key needs a mapping or a sequence of mappings");
    struct json *copy;
    int r = yaml_expand(b, v, &copy);
    return r < 0 ? r : yaml_deliver(b, copy);
}

static int yaml_on_start(struct yaml_builder *b, enum json_type type, struct str anchor, bool flow)
{
    if (yaml_wants_key(b))
        return yaml_fail(b, -EINVAL, "a mapping key is a mapping or a sequence");
    if (b->stack.n == JSON_MAX_DEPTH)
        return yaml_fail(b, -E2BIG, "nested deeper than 512 levels");
    struct json *v = type == JSON_ARRAY ? json_array(b->arena) : json_object(b->arena);
    if (anchor.p) {
        anchor = arena_str(b->arena, anchor);
        map_put(&b->anchors, anchor, &b->open);
    }
    b->flow_depth += flow;
    *array_push(&b->stack) = (struct yaml_frame){.value = v, .anchor = anchor, .flow = flow};
    return 0;
}

static void yaml_pop(struct yaml_builder *b)
{
    struct yaml_frame *f = yaml_inner(b);
    map_done(&f->index, NULL);
    map_done(&f->merged, NULL);
    b->flow_depth -= f->flow;
    b->stack.n--;
}

static int yaml_on_end(struct yaml_builder *b)
{
    struct yaml_frame *f = yaml_inner(b);
    struct json *v = f->value;
    yaml_put_anchor(b, f->anchor, v);
    yaml_pop(b);
    return yaml_deliver(b, v);
}

static int yaml_on_event(struct yaml_builder *b, const yaml_event_t *e)
{
    b->at = e->start_mark;
    /* libyaml walks all open flow levels for every token, which deep and long input would make it do at
     * length. */
    if (b->work_left < b->flow_depth)
        return yaml_fail(b, -E2BIG, "too much is nested too deep");
    b->work_left -= b->flow_depth;
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return yaml_on_scalar(b, e);
    case YAML_ALIAS_EVENT:
        return yaml_on_alias(b, e);
    case YAML_SEQUENCE_START_EVENT:
        return yaml_on_start(b, JSON_ARRAY, yaml_text(e->data.sequence_start.anchor),
                             e->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE);
    case YAML_MAPPING_START_EVENT:
        return yaml_on_start(b, JSON_OBJECT, yaml_text(e->data.mapping_start.anchor),
                             e->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return yaml_on_end(b);
    case YAML_DOCUMENT_START_EVENT:
        map_done(&b->anchors, NULL);
        return 0;
    default:
        return 0;
    }
}

static int yaml_explain(struct yaml_builder *b, const yaml_parser_t *parser)
{
    if (parser->error == YAML_READER_ERROR)
        return err_set(b->err, -EINVAL, "invalid YAML at byte %zu: %s", parser->problem_offset,
                       parser->problem);
    b->at = parser->problem_mark;
    return yaml_fail(b, -EINVAL, parser->problem ? parser->problem : "the parser gave up");
}

static int yaml_run(struct yaml_builder *b, yaml_parser_t *parser)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return yaml_explain(b, parser);
        int r = yaml_on_event(b, &event);
        bool last = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
        if (r < 0 || last)
            return r;
    }
}

/* libyaml compares each %TAG directive with all before it. */
static bool yaml_has_many_directives(struct str text)
{
    size_t n = 0;
    for (struct str line; str_split(&text, '\n', &line);)
        n += str_has_prefix(line, STR("%TAG"));
    return n > YAML_MAX_TAG_DIRECTIVES;
}

int yaml_parse_all(struct arena *a, struct str text, struct json_parse_info *info, struct json **ret,
                   struct err *err)
{
    if (text.len > YAML_MAX_LEN)
        return err_set(err, -E2BIG, "YAML is longer than %zu bytes", YAML_MAX_LEN);
    if (yaml_has_many_directives(text))
        return err_set(err, -E2BIG, "YAML has more than %d %%TAG directives", YAML_MAX_TAG_DIRECTIVES);
    struct yaml_builder b = {.arena = a, .documents = json_array(a), .info = info, .err = err};
    b.nodes_left = YAML_MAX_EXPANDED_NODES;
    b.bytes_left = MAX(text.len * YAML_MAX_EXPANSION, YAML_MIN_EXPANSION_LEN);
    b.work_left = text.len * 10 + 1000 * 1000;
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return err_set(err, -ENOMEM, "cannot start the YAML parser");
    yaml_parser_set_input_string(&parser, (const yaml_char_t *)(text.p ? text.p : ""), text.len);
    int r = yaml_run(&b, &parser);
    while (b.stack.n)
        yaml_pop(&b);
    array_done(&b.stack);
    map_done(&b.anchors, NULL);
    yaml_parser_delete(&parser);
    if (r == 0)
        *ret = b.documents;
    return r;
}

int yaml_parse(struct arena *a, struct str text, struct json_parse_info *info, struct json **ret,
               struct err *err)
{
    struct json *all;
    int r = yaml_parse_all(a, text, info, &all, err);
    if (r < 0)
        return r;
    struct json *first = all->first;
    for (struct json *v = first ? first->next : NULL; v; v = v->next)
        if (v->type != JSON_NULL)
            return err_set(err, -EINVAL, "expected one YAML document, found more");
    if (first)
        first->next = NULL;
    *ret = first ? first : json_null(a);
    return 0;
}
