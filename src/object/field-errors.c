/* Field errors: paths, messages, the collector. */
#include "object/field-errors.h"

#include <stdarg.h>
#include <stdio.h>

#include "object/quote.h"

/* The chain is as deep as the document it names, which JSON_MAX_DEPTH bounds. */
void field_path_write(const struct field_path *path, struct strbuf *out)
{
    if (!path) {
        strbuf_addz(out, "<nil>");
        return;
    }
    if (path->parent)
        field_path_write(path->parent, out);
    if (path->is_index)
        strbuf_addf(out, "[%zu]", path->index);
    else if (path->is_key)
        strbuf_addf(out, "[%.*s]", STR_ARG(path->name));
    else
        strbuf_addf(out, "%s%.*s", path->parent ? "." : "", STR_ARG(path->name));
}

struct str field_path_text(struct arena *a, const struct field_path *path)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    field_path_write(path, &b);
    return arena_str(a, strbuf_str(&b));
}

static const struct {
    struct str reason, words;
    bool omits_value;
} types[] = {
    [FIELD_NOT_FOUND] = {STR_INIT("FieldValueNotFound"), STR_INIT("Not found"), false},
    [FIELD_REQUIRED] = {STR_INIT("FieldValueRequired"), STR_INIT("Required value"), true},
    [FIELD_DUPLICATE] = {STR_INIT("FieldValueDuplicate"), STR_INIT("Duplicate value"), false},
    [FIELD_INVALID] = {STR_INIT("FieldValueInvalid"), STR_INIT("Invalid value"), false},
    [FIELD_NOT_SUPPORTED] = {STR_INIT("FieldValueNotSupported"), STR_INIT("Unsupported value"), false},
    [FIELD_FORBIDDEN] = {STR_INIT("FieldValueForbidden"), STR_INIT("Forbidden"), true},
    [FIELD_TOO_LONG] = {STR_INIT("FieldValueTooLong"), STR_INIT("Too long"), true},
    [FIELD_TOO_MANY] = {STR_INIT("FieldValueTooMany"), STR_INIT("Too many"), false},
    [FIELD_INTERNAL] = {STR_INIT("InternalError"), STR_INIT("Internal error"), true},
    [FIELD_TYPE_INVALID] = {STR_INIT("FieldValueTypeInvalid"), STR_INIT("Invalid value"), false},
};

struct str field_error_reason(enum field_error_type type)
{
    return types[type].reason;
}

#define FIELD_VALUE_MAX_LEN 1024 /* of a value in a message; longer ones are cut */

static void value_write(const struct json *value, struct strbuf *out)
{
    size_t before = out->len;
    if (!value)
        strbuf_addz(out, "null");
    else if (value->type == JSON_STRING)
        quote_add(out, str_slice(value->text, 0, FIELD_VALUE_MAX_LEN));
    else
        json_write(value, out);
    if (out->len - before > 4 * FIELD_VALUE_MAX_LEN + 2) {
        strbuf_truncate(out, before + FIELD_VALUE_MAX_LEN);
        strbuf_addz(out, "...");
    }
}

struct problem {
    enum field_error_type type;
    const struct json *value;
};

static void add(struct field_errors *e, const struct field_path *path, struct problem problem,
                const char *detail, va_list ap)
{
    if (e->n == FIELD_ERRORS_MAX) {
        e->n_dropped++;
        return;
    }
    _cleanup_(strbuf_done) struct strbuf b = {0};
    strbuf_add_str(&b, types[problem.type].words);
    if (!types[problem.type].omits_value) {
        strbuf_addz(&b, ": ");
        value_write(problem.value, &b);
    }
    char text[2048];
    vsnprintf(text, sizeof text, detail, ap);
    if (text[0])
        strbuf_addf(&b, ": %s", text);
    e->v[e->n++] = (struct field_error){
        .type = problem.type,
        .field = field_path_text(e->arena, path),
        .body = arena_str(e->arena, strbuf_str(&b)),
        .detail = arena_str(e->arena, str_of(text)),
    };
}

_printf_(4, 5) static void addf(struct field_errors *e, const struct field_path *path, struct problem problem,
                                const char *detail, ...)
{
    va_list ap;
    va_start(ap, detail);
    add(e, path, problem, detail, ap);
    va_end(ap);
}

void field_invalid(struct field_errors *e, const struct field_path *path, const struct json *value,
                   const char *detail, ...)
{
    va_list ap;
    va_start(ap, detail);
    add(e, path, (struct problem){FIELD_INVALID, value}, detail, ap);
    va_end(ap);
}

void field_required(struct field_errors *e, const struct field_path *path, const char *detail, ...)
{
    va_list ap;
    va_start(ap, detail);
    add(e, path, (struct problem){FIELD_REQUIRED, NULL}, detail, ap);
    va_end(ap);
}

void field_forbidden(struct field_errors *e, const struct field_path *path, const char *detail, ...)
{
    va_list ap;
    va_start(ap, detail);
    add(e, path, (struct problem){FIELD_FORBIDDEN, NULL}, detail, ap);
    va_end(ap);
}

void field_internal(struct field_errors *e, const struct field_path *path, const char *detail, ...)
{
    va_list ap;
    va_start(ap, detail);
    add(e, path, (struct problem){FIELD_INTERNAL, NULL}, detail, ap);
    va_end(ap);
}

void field_not_found(struct field_errors *e, const struct field_path *path, const struct json *value)
{
    addf(e, path, (struct problem){FIELD_NOT_FOUND, value}, "%s", "");
}

void field_duplicate(struct field_errors *e, const struct field_path *path, const struct json *value)
{
    addf(e, path, (struct problem){FIELD_DUPLICATE, value}, "%s", "");
}

void field_too_long(struct field_errors *e, const struct field_path *path, size_t max_bytes)
{
    addf(e, path, (struct problem){FIELD_TOO_LONG, NULL}, "may not be more than %zu byte%s", max_bytes,
         max_bytes == 1 ? "" : "s");
}

void field_too_many(struct field_errors *e, const struct field_path *path, size_t n, size_t max)
{
    struct json value = {.type = JSON_INT, .integer = (int64_t)n};
    addf(e, path, (struct problem){FIELD_TOO_MANY, &value}, "must have at most %zu item%s", max,
         max == 1 ? "" : "s");
}

void field_not_supported(struct field_errors *e, const struct field_path *path, const struct json *value,
                         const struct str *supported, size_t n_supported)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    for (size_t i = 0; i < n_supported; i++) {
        strbuf_addz(&b, i ? ", " : "supported values: ");
        quote_add(&b, supported[i]);
    }
    addf(e, path, (struct problem){FIELD_NOT_SUPPORTED, value}, "%s", strbuf_cstr(&b));
}

void field_invalid_str(struct field_errors *e, const struct field_path *path, struct str value,
                       const char *detail)
{
    struct json v = {.type = JSON_STRING, .text = value};
    field_invalid(e, path, &v, "%s", detail);
}

static bool said_before(const struct field_errors *e, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (str_eq(e->v[k].field, e->v[i].field) && str_eq(e->v[k].body, e->v[i].body))
            return true;
    return false;
}

struct str field_errors_text(const struct field_errors *e)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    size_t n = 0;
    for (size_t i = 0; i < e->n; i++) {
        if (said_before(e, i))
            continue;
        strbuf_addf(&b, "%s%.*s: %.*s", n++ ? ", " : "", STR_ARG(e->v[i].field), STR_ARG(e->v[i].body));
    }
    if (e->n_dropped)
        strbuf_addf(&b, ", and %zu more", e->n_dropped);
    return n > 1 ? arena_format(e->arena, "[%s]", strbuf_cstr(&b)) : arena_str(e->arena, strbuf_str(&b));
}
