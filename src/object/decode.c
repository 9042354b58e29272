/* Decoding against a schema. */
#include "object/decode.h"

#include <errno.h>
#include <stdio.h>

#include "base/datetime.h"
#include "base/encoding.h"
#include "object/quantity.h"
#include "object/quote.h"

struct decoder {
    const struct decode_options *options;
    struct decode_report *report;
    struct err *err;
};

/* Where a value stands: the path to it, and the innermost struct with the field that holds it, for messages.
 */
struct place {
    const struct field_path *path;
    const struct schema_type *owner; /* NULL at the top */
};

static int decode_at(struct decoder *d, const struct schema_type *type, struct json *v,
                     const struct place *at);

/* "v1" of "io.k8s.api.core.v1.ServiceSpec". */
static struct str go_package(struct str openapi)
{
    struct str rest = openapi, part, last = STR_NONE, before = STR_NONE;
    while (str_split(&rest, '.', &part)) {
        before = last;
        last = part;
    }
    return before;
}

static void write_go_type(const struct schema_type *type, struct strbuf *out)
{
    static const char *const names[] = {
        [SCHEMA_STRING] = "string",    [SCHEMA_BOOL] = "bool",
        [SCHEMA_INT32] = "int32",      [SCHEMA_INT64] = "int64",
        [SCHEMA_DOUBLE] = "float64",   [SCHEMA_INT_OR_STRING] = "intstr.IntOrString",
        [SCHEMA_TIME] = "v1.Time",     [SCHEMA_MICROTIME] = "v1.MicroTime",
        [SCHEMA_BYTES] = "[]uint8",    [SCHEMA_QUANTITY] = "resource.Quantity",
        [SCHEMA_LIST] = "[]",          [SCHEMA_MAP] = "map[string]",
        [SCHEMA_ANY] = "interface {}",
    };
    for (; type->kind == SCHEMA_LIST || type->kind == SCHEMA_MAP; type = type->element)
        strbuf_addz(out, names[type->kind]);
    if (type->kind == SCHEMA_OBJECT)
        strbuf_addf(out, "%.*s.%.*s", STR_ARG(go_package(type->openapi)), STR_ARG(type->name));
    else
        strbuf_addz(out, names[type->kind]);
}

/* The path as Go's decoder has it: names only, no indexes. */
static void write_go_path(const struct field_path *path, struct strbuf *out)
{
    if (!path)
        return;
    write_go_path(path->parent, out);
    if (!path->is_index && !path->is_key)
        strbuf_addf(out, ".%.*s", STR_ARG(path->name));
}

static void write_go_value(const struct json *v, struct strbuf *out)
{
    static const char *const names[] = {"null", "bool", "number", "number", "string", "array", "object"};
    strbuf_addz(out, names[v->type]);
    if (v->type == JSON_NUMBER)
        strbuf_addf(out, " %.*s", STR_ARG(str_slice(v->text, 0, 40)));
    else if (v->type == JSON_INT)
        strbuf_addf(out, " %ld", v->integer);
}

/* What Go says of a value that does not fit a type. For a number in a place for another type it leaves out
 * the number. */
static int wrong_type(struct decoder *d, const struct schema_type *type, const struct json *v,
                      const struct place *at)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    bool number = type->kind == SCHEMA_INT32 || type->kind == SCHEMA_INT64 || type->kind == SCHEMA_DOUBLE;
    strbuf_addz(&b, "json: cannot unmarshal ");
    if (number || v->type > JSON_NUMBER || v->type < JSON_INT)
        write_go_value(v, &b);
    else
        strbuf_addz(&b, "number");
    if (at->owner) {
        strbuf_addf(&b, " into Go struct field %.*s", STR_ARG(at->owner->name));
        write_go_path(at->path, &b);
    } else {
        strbuf_addz(&b, " into Go value");
    }
    strbuf_addz(&b, " of type ");
    write_go_type(type, &b);
    return err_set(d->err, -EINVAL, "%s", strbuf_cstr(&b));
}

static int decode_integer(struct decoder *d, const struct schema_type *type, struct json *v,
                          const struct place *at)
{
    int64_t n;
    if (v->type == JSON_NUMBER && str_to_int64(v->text, &n) == 0) { /* 19 digits, "-0" */
        v->type = JSON_INT;
        v->integer = n;
    }
    if (v->type != JSON_INT)
        return wrong_type(d, type, v, at);
    if (type->kind == SCHEMA_INT32 && (v->integer < INT32_MIN || v->integer > INT32_MAX))
        return wrong_type(d, type, v, at);
    return 0;
}

/* Its own decoder in Go, which knows no field. */
static int decode_int_or_string(struct decoder *d, struct json *v)
{
    static const struct schema_type int32 = {.kind = SCHEMA_INT32};
    const struct place nowhere = {0};
    return v->type == JSON_STRING ? 0 : decode_integer(d, &int32, v, &nowhere);
}

static void set_text(struct decoder *d, struct json *v, const char *text)
{
    v->type = JSON_STRING;
    v->text = arena_str(d->options->arena, str_of(text));
}

static int decode_quantity(struct decoder *d, struct json *v)
{
    char integer[24], canonical[QUANTITY_MAX_LEN];
    struct str text = STR("");
    if (v->type == JSON_STRING || v->type == JSON_NUMBER)
        text = str_trim(v->text);
    else if (v->type == JSON_INT)
        text = (struct str){integer, (size_t)snprintf(integer, sizeof integer, "%ld", v->integer)};
    struct quantity q;
    int r = quantity_parse(text, &q, d->err);
    if (r < 0)
        return r;
    set_text(d, v, quantity_format(&q, canonical));
    return 0;
}

static int decode_time(struct decoder *d, const struct schema_type *type, struct json *v)
{
    bool micro = type->kind == SCHEMA_MICROTIME;
    char text[WALLTIME_MAX_LEN];
    struct walltime t;
    if (v->type != JSON_STRING) {
        static const struct schema_type string = {.kind = SCHEMA_STRING};
        const struct place nowhere = {0};
        return wrong_type(d, &string, v, &nowhere);
    }
    if (walltime_parse(v->text, &t) < 0) {
        struct str shown = quote(d->options->arena, str_slice(v->text, 0, 100));
        return err_set(d->err, -EINVAL,
                       "parsing time %.*s as \"2006-01-02T15:04:05%sZ07:00\": cannot parse %.*s as \"2006\"",
                       STR_ARG(shown), micro ? ".000000" : "", STR_ARG(shown));
    }
    set_text(d, v, micro ? walltime_format_micro(t, text) : walltime_format(t, text));
    return 0;
}

static bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/* Go's decoder skips line ends; what is stored has none. */
static int decode_bytes(struct decoder *d, const struct schema_type *type, struct json *v,
                        const struct place *at)
{
    if (v->type != JSON_STRING)
        return wrong_type(d, type, v, at);
    _cleanup_(strbuf_done) struct strbuf text = {0}, raw = {0};
    for (size_t i = 0; i < v->text.len; i++)
        if (v->text.p[i] != '\n' && v->text.p[i] != '\r')
            strbuf_addc(&text, v->text.p[i]);
    if (base64_decode(strbuf_str(&text), &raw) < 0) {
        size_t bad = 0;
        while (bad < v->text.len && is_base64(v->text.p[bad]))
            bad++;
        return err_set(d->err, -EINVAL, "illegal base64 data at input byte %zu", bad);
    }
    if (text.len != v->text.len)
        v->text = arena_str(d->options->arena, strbuf_str(&text));
    return 0;
}

/* What Go makes of a null in a list or map: the zero value. */
static void become_zero(const struct schema_type *type, struct json *v)
{
    switch (type->kind) {
    case SCHEMA_BOOL:
        v->type = JSON_BOOL;
        v->boolean = false;
        break;
    case SCHEMA_INT32:
    case SCHEMA_INT64:
    case SCHEMA_DOUBLE:
    case SCHEMA_INT_OR_STRING:
        v->type = JSON_INT;
        v->integer = 0;
        break;
    case SCHEMA_LIST:
    case SCHEMA_MAP:
    case SCHEMA_OBJECT:
        v->type = type->kind == SCHEMA_LIST ? JSON_ARRAY : JSON_OBJECT;
        v->n = 0;
        v->first = v->last = NULL;
        break;
    case SCHEMA_ANY:
    case SCHEMA_TIME:
    case SCHEMA_MICROTIME:
        break;
    default:
        v->type = JSON_STRING;
        v->text = type->kind == SCHEMA_QUANTITY ? STR("0") : STR("");
    }
}

static int decode_element(struct decoder *d, const struct schema_type *type, struct json *v,
                          const struct place *at)
{
    if (v->type != JSON_NULL)
        return decode_at(d, type, v, at);
    become_zero(type, v);
    return 0;
}

static int decode_list(struct decoder *d, const struct schema_type *type, struct json *v,
                       const struct place *at)
{
    if (v->type != JSON_ARRAY)
        return wrong_type(d, type, v, at);
    size_t i = 0;
    json_foreach (v, e) {
        const struct place inside = {FIELD_INDEX(at->path, i++), at->owner};
        int r = decode_element(d, type->element, e, &inside);
        if (r < 0)
            return r;
    }
    return 0;
}

static int decode_map(struct decoder *d, const struct schema_type *type, struct json *v,
                      const struct place *at)
{
    if (v->type != JSON_OBJECT)
        return wrong_type(d, type, v, at);
    json_foreach (v, m) {
        const struct place inside = {FIELD_KEY(at->path, m->key), at->owner};
        int r = decode_element(d, type->element, m, &inside);
        if (r < 0)
            return r;
    }
    return 0;
}

/* "spec.ports[0].name": strict decoding separates keys of maps by points too. */
static void write_strict_path(const struct field_path *path, struct strbuf *out)
{
    if (path->parent)
        write_strict_path(path->parent, out);
    if (path->is_index)
        strbuf_addf(out, "[%zu]", path->index);
    else
        strbuf_addf(out, "%s%.*s", path->parent ? "." : "", STR_ARG(path->name));
}

static void report(struct decoder *d, const char *what, struct str path)
{
    if (d->report->n == DECODE_MAX_PROBLEMS || d->options->strictness == DECODE_IGNORE)
        return;
    struct str quoted = quote(d->options->arena, path);
    d->report->problems[d->report->n++] =
        arena_format(d->options->arena, "%s field %.*s", what, STR_ARG(quoted));
}

static void report_unknown(struct decoder *d, const struct field_path *path)
{
    if (d->options->strictness == DECODE_IGNORE || d->report->n == DECODE_MAX_PROBLEMS)
        return;
    _cleanup_(strbuf_done) struct strbuf b = {0};
    write_strict_path(path, &b);
    report(d, "unknown", strbuf_str(&b));
}

static bool is_empty_container(const struct schema_type *type, const struct json *v)
{
    return (type->kind == SCHEMA_LIST || type->kind == SCHEMA_MAP) && v->n == 0;
}

static int decode_object(struct decoder *d, const struct schema_type *type, struct json *v,
                         const struct place *at)
{
    if (v->type != JSON_OBJECT)
        return wrong_type(d, type, v, at);
    struct json *m = v->first, *following;
    v->first = v->last = NULL;
    v->n = 0;
    for (; m; m = following) {
        following = m->next;
        const struct schema_field *field = schema_find_field(type, m->key);
        const struct place inside = {FIELD_STR(at->path, m->key), type};
        if (!field)
            report_unknown(d, inside.path);
        if (!field || m->type == JSON_NULL)
            continue;
        int r = decode_at(d, field->type, m, &inside);
        if (r < 0)
            return r;
        if (!is_empty_container(field->type, m) || field->required)
            json_add(v, field->name, m);
    }
    return 0;
}

/* Recursion is as deep as the document, which JSON_MAX_DEPTH bounds. */
static int decode_at(struct decoder *d, const struct schema_type *type, struct json *v,
                     const struct place *at)
{
    switch (type->kind) {
    case SCHEMA_STRING:
        return v->type == JSON_STRING ? 0 : wrong_type(d, type, v, at);
    case SCHEMA_BOOL:
        return v->type == JSON_BOOL ? 0 : wrong_type(d, type, v, at);
    case SCHEMA_INT32:
    case SCHEMA_INT64:
        return decode_integer(d, type, v, at);
    case SCHEMA_DOUBLE:
        return v->type == JSON_INT || v->type == JSON_NUMBER ? 0 : wrong_type(d, type, v, at);
    case SCHEMA_INT_OR_STRING:
        return decode_int_or_string(d, v);
    case SCHEMA_QUANTITY:
        return decode_quantity(d, v);
    case SCHEMA_TIME:
    case SCHEMA_MICROTIME:
        return decode_time(d, type, v);
    case SCHEMA_BYTES:
        return decode_bytes(d, type, v, at);
    case SCHEMA_OBJECT:
        return decode_object(d, type, v, at);
    case SCHEMA_LIST:
        return decode_list(d, type, v, at);
    case SCHEMA_MAP:
        return decode_map(d, type, v, at);
    case SCHEMA_ANY:
        return 0;
    }
    return 0;
}

/* A duplicate inside a field that is unknown was said with it. */
static bool is_inside_unknown(const struct decode_report *r, struct str path)
{
    struct str prefix = STR("unknown field \"");
    for (size_t i = 0; i < r->n; i++) {
        struct str unknown = str_slice(r->problems[i], prefix.len, r->problems[i].len - 1);
        if (!str_has_prefix(r->problems[i], prefix) || !str_has_prefix(path, unknown))
            continue;
        if (path.len == unknown.len || path.p[unknown.len] == '.' || path.p[unknown.len] == '[')
            return true;
    }
    return false;
}

static void report_duplicates(struct decoder *d)
{
    const struct json_parse_info *parsed = d->options->parsed;
    for (size_t i = 0; parsed && i < parsed->n_duplicates; i++)
        if (!is_inside_unknown(d->report, parsed->duplicates[i].path))
            report(d, "duplicate", parsed->duplicates[i].path);
}

int decode_value(const struct decode_options *options, const struct schema_type *type, struct json *value,
                 struct decode_report *rep, struct err *err)
{
    struct decoder d = {.options = options, .report = rep, .err = err};
    rep->n = 0;
    const struct place top = {0};
    int r = decode_at(&d, type, value, &top);
    if (r == 0)
        report_duplicates(&d);
    return r;
}

struct str decode_strict_error(struct arena *a, const struct decode_report *rep)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    strbuf_addz(&b, "strict decoding error: ");
    for (size_t i = 0; i < rep->n; i++)
        strbuf_addf(&b, "%s%.*s", i ? ", " : "", STR_ARG(rep->problems[i]));
    return arena_str(a, strbuf_str(&b));
}

struct str decode_api_version(struct arena *a, const struct schema_resource *r)
{
    return r->group.len ? arena_format(a, "%.*s/%.*s", STR_ARG(r->group), STR_ARG(r->version)) : r->version;
}

static struct status *check_type(const struct decode_options *o, struct json *object)
{
    struct arena *a = o->arena;
    struct json *kind = json_getz(object, "kind"), *version = json_getz(object, "apiVersion");
    struct str expected = decode_api_version(a, o->resource);
    bool wrong = object->type != JSON_OBJECT ||
                 (kind && kind->type != JSON_STRING && kind->type != JSON_NULL) ||
                 (version && version->type != JSON_STRING && version->type != JSON_NULL);
    if (wrong)
        return status_bad_request(
            a,
            "couldn't get version/kind; json parse error: json: cannot unmarshal %s into Go value of "
            "type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
            "\"json:\\\"kind,omitempty\\\"\" }",
            json_type_name(object->type));
    struct str k = json_str(kind), v = json_str(version);
    if (v.len && !str_eq(v, expected))
        return status_bad_request(
            a, "the API version in the data (%.*s) does not match the expected API version (%.*s)",
            STR_ARG(str_slice(v, 0, 256)), STR_ARG(expected));
    if (k.len && !str_eq(k, o->resource->kind))
        return status_bad_request(
            a,
            "%.*s in version \"%.*s\" cannot be handled as a %.*s: the kind in the data does not match "
            "the resource",
            STR_ARG(str_slice(k, 0, 256)), STR_ARG(expected), STR_ARG(o->resource->kind));
    if (!v.len)
        json_setz(object, "apiVersion", json_string(a, expected));
    if (!k.len)
        json_setz(object, "kind", json_string(a, o->resource->kind));
    return NULL;
}

struct status *object_decode(const struct decode_options *options, struct json *object,
                             struct decode_report *rep)
{
    rep->n = 0;
    struct status *refusal = check_type(options, object);
    if (refusal)
        return refusal;
    struct err err = {0};
    struct str kind = options->resource->kind,
               version = decode_api_version(options->arena, options->resource), why;
    int r = decode_value(options, options->resource->type, object, rep, &err);
    if (r < 0)
        why = str_of(err.text);
    else if (rep->n && options->strictness == DECODE_STRICT)
        why = decode_strict_error(options->arena, rep);
    else
        return NULL;
    return status_bad_request(options->arena, "%.*s in version \"%.*s\" cannot be handled as a %.*s: %.*s",
                              STR_ARG(kind), STR_ARG(version), STR_ARG(kind), STR_ARG(why));
}
