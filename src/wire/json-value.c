/* Documents as values: access, building, change, copy, comparison. */
#include "wire/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"

static struct json *json_new(struct arena *a, enum json_type type)
{
    struct json *v = arena_new(a, struct json);
    v->type = type;
    return v;
}

struct json *json_null(struct arena *a)
{
    return json_new(a, JSON_NULL);
}

struct json *json_bool(struct arena *a, bool value)
{
    struct json *v = json_new(a, JSON_BOOL);
    v->boolean = value;
    return v;
}

struct json *json_int(struct arena *a, int64_t value)
{
    struct json *v = json_new(a, JSON_INT);
    v->integer = value;
    return v;
}

struct json *json_string(struct arena *a, struct str s)
{
    struct json *v = json_new(a, JSON_STRING);
    v->text = s;
    return v;
}

struct json *json_stringf(struct arena *a, const char *format, ...)
{
    char small[512];
    va_list ap, again;
    va_start(ap, format);
    va_copy(again, ap);
    int len = vsnprintf(small, sizeof small, format, ap);
    va_end(ap);
    struct json *v = json_string(a, STR(""));
    if (len >= 0 && (size_t)len < sizeof small) {
        v->text = (struct str){arena_dup(a, small, len), len};
    } else if (len >= 0) {
        char *p = arena_alloc(a, (size_t)len + 1);
        vsnprintf(p, (size_t)len + 1, format, again);
        v->text = (struct str){p, len};
    }
    va_end(again);
    return v;
}

struct json *json_array(struct arena *a)
{
    return json_new(a, JSON_ARRAY);
}

struct json *json_object(struct arena *a)
{
    return json_new(a, JSON_OBJECT);
}

static bool json_is_container(const struct json *v)
{
    return v && v->type >= JSON_ARRAY;
}

static void json_link(struct json *parent, struct json *child)
{
    child->next = NULL;
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->n++;
}

/* Recursion is bounded by JSON_MAX_DEPTH: no deeper document can be parsed, and what code builds is shallow.
 */
struct json *json_copy(struct arena *a, const struct json *v)
{
    struct json *copy = json_new(a, v->type);
    if (json_is_container(v)) {
        json_foreach (v, child) {
            struct json *c = json_copy(a, child);
            if (child->key.p)
                c->key = arena_str(a, child->key);
            json_link(copy, c);
        }
    } else if (v->type == JSON_STRING || v->type == JSON_NUMBER) {
        copy->text = arena_str(a, v->text);
    } else {
        copy->integer = 0;
        if (v->type == JSON_BOOL)
            copy->boolean = v->boolean;
        else if (v->type == JSON_INT)
            copy->integer = v->integer;
    }
    return copy;
}

struct json *json_get(const struct json *v, struct str key)
{
    if (!json_is(v, JSON_OBJECT))
        return NULL;
    json_foreach (v, m) {
        if (str_eq(m->key, key))
            return m;
    }
    return NULL;
}

struct json *json_getz(const struct json *v, const char *key)
{
    return json_get(v, str_of(key));
}

struct json *json_path(const struct json *v, ...)
{
    va_list ap;
    va_start(ap, v);
    const char *key;
    while (v && (key = va_arg(ap, const char *)))
        v = json_getz(v, key);
    va_end(ap);
    return (struct json *)v;
}

/* Puts VALUE where OLD is in PARENT. PREV is the one before OLD, or NULL. */
static void json_replace(struct json *parent, struct json *prev, struct json *old, struct json *value)
{
    value->next = old->next;
    if (prev)
        prev->next = value;
    else
        parent->first = value;
    if (parent->last == old)
        parent->last = value;
    old->next = NULL;
}

void json_set(struct json *object, struct str key, struct json *value)
{
    value->key = key;
    struct json *prev = NULL;
    json_foreach (object, m) {
        if (str_eq(m->key, key)) {
            if (m != value)
                json_replace(object, prev, m, value);
            return;
        }
        prev = m;
    }
    json_link(object, value);
}

void json_add(struct json *object, struct str key, struct json *value)
{
    value->key = key;
    json_link(object, value);
}

void json_setz(struct json *object, const char *key, struct json *value)
{
    json_set(object, str_of(key), value);
}

/* Takes CHILD out of PARENT; PREV is the one before it, or NULL. */
static void json_unlink(struct json *parent, struct json *prev, struct json *child)
{
    if (prev)
        prev->next = child->next;
    else
        parent->first = child->next;
    if (parent->last == child)
        parent->last = prev;
    child->next = NULL;
    parent->n--;
}

bool json_unset(struct json *object, struct str key)
{
    if (!json_is(object, JSON_OBJECT))
        return false;
    struct json *prev = NULL;
    json_foreach (object, m) {
        if (str_eq(m->key, key)) {
            json_unlink(object, prev, m);
            return true;
        }
        prev = m;
    }
    return false;
}

bool json_unsetz(struct json *object, const char *key)
{
    return json_unset(object, str_of(key));
}

static struct json *json_ensure(struct arena *a, struct json *object, const char *key, enum json_type type)
{
    struct json *v = json_getz(object, key);
    if (v && v->type != JSON_NULL)
        return v;
    v = json_new(a, type);
    json_setz(object, key, v);
    return v;
}

struct json *json_ensure_object(struct arena *a, struct json *object, const char *key)
{
    return json_ensure(a, object, key, JSON_OBJECT);
}

struct json *json_ensure_array(struct arena *a, struct json *object, const char *key)
{
    return json_ensure(a, object, key, JSON_ARRAY);
}

void json_append(struct json *array, struct json *value)
{
    value->key = STR_NONE;
    json_link(array, value);
}

struct json *json_at(const struct json *array, size_t i)
{
    if (!json_is_container(array) || i >= array->n)
        return NULL;
    struct json *v = array->first;
    while (i--)
        v = v->next;
    return v;
}

void json_insert(struct json *array, size_t i, struct json *value)
{
    if (i >= array->n) {
        json_append(array, value);
        return;
    }
    value->key = STR_NONE;
    struct json *prev = i ? json_at(array, i - 1) : NULL;
    value->next = prev ? prev->next : array->first;
    if (prev)
        prev->next = value;
    else
        array->first = value;
    array->n++;
}

struct json *json_remove_at(struct json *array, size_t i)
{
    struct json *prev = i ? json_at(array, i - 1) : NULL;
    struct json *child = prev ? prev->next : array->first;
    json_unlink(array, prev, child);
    return child;
}

struct str json_str(const struct json *v)
{
    return json_is(v, JSON_STRING) ? v->text : STR_NONE;
}

int64_t json_int_or(const struct json *v, int64_t otherwise)
{
    return json_is(v, JSON_INT) ? v->integer : otherwise;
}

bool json_bool_or(const struct json *v, bool otherwise)
{
    return json_is(v, JSON_BOOL) ? v->boolean : otherwise;
}

const char *json_type_name(enum json_type type)
{
    static const char *const names[] = {"null", "boolean", "number", "number", "string", "array", "object"};
    return names[type];
}

/* A decimal number taken apart: sign, digits without leading and trailing zeros, exponent of the last digit.
 */
struct json_decimal {
    bool negative;
    char *digits;
    size_t n_digits;
    int64_t exponent;
};

static struct json_decimal json_decimal(const struct json *v)
{
    char integer[24];
    struct str text = v->text;
    if (v->type == JSON_INT)
        text = (struct str){integer, (size_t)snprintf(integer, sizeof integer, "%ld", v->integer)};
    struct json_decimal d = {.digits = mem_alloc(text.len)};
    bool fraction = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (c == '-' && i == 0) {
            d.negative = true;
        } else if (c == '.') {
            fraction = true;
        } else if (c == 'e' || c == 'E') {
            struct str e = str_slice(text, i + 1 + (text.p[i + 1] == '+'), text.len);
            int64_t exponent;
            if (str_to_int64(e, &exponent) < 0 || exponent > INT32_MAX || exponent < INT32_MIN)
                exponent = e.len && e.p[0] == '-' ? INT32_MIN : INT32_MAX; /* as far away as any other */
            d.exponent += exponent;
            break;
        } else {
            if (d.n_digits || c != '0')
                d.digits[d.n_digits++] = c;
            d.exponent -= fraction;
        }
    }
    while (d.n_digits && d.digits[d.n_digits - 1] == '0') {
        d.n_digits--;
        d.exponent++;
    }
    if (!d.n_digits)
        d.exponent = d.negative = 0;
    return d;
}

static bool json_number_equal(const struct json *a, const struct json *b)
{
    if (a->type == JSON_INT && b->type == JSON_INT)
        return a->integer == b->integer;
    if (a->type == b->type && str_eq(a->text, b->text))
        return true;
    struct json_decimal x = json_decimal(a), y = json_decimal(b);
    bool equal = x.negative == y.negative && x.exponent == y.exponent && x.n_digits == y.n_digits &&
                 memcmp(x.digits, y.digits, x.n_digits) == 0;
    free(x.digits);
    free(y.digits);
    return equal;
}

static bool json_is_number(const struct json *v)
{
    return v->type == JSON_INT || v->type == JSON_NUMBER;
}

#define JSON_SMALL_OBJECT 16

static bool json_members_equal(const struct json *a, const struct json *b)
{
    struct map by_key = {0};
    bool big = b->n > JSON_SMALL_OBJECT; /* a walk for each member would cost n * n */
    if (big) {
        json_foreach (b, m) {
            map_put(&by_key, m->key, m);
        }
    }
    bool equal = true;
    json_foreach (a, m) {
        const struct json *other = big ? map_find(&by_key, m->key) : json_get(b, m->key);
        if (!other || !json_equal(m, other)) {
            equal = false;
            break;
        }
    }
    map_done(&by_key, NULL);
    return equal;
}

bool json_equal(const struct json *a, const struct json *b)
{
    if (json_is_number(a) && json_is_number(b))
        return json_number_equal(a, b);
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case JSON_BOOL:
        return a->boolean == b->boolean;
    case JSON_STRING:
        return str_eq(a->text, b->text);
    case JSON_OBJECT:
        return a->n == b->n && json_members_equal(a, b);
    case JSON_ARRAY:
        if (a->n != b->n)
            return false;
        for (const struct json *x = a->first, *y = b->first; x; x = x->next, y = y->next)
            if (!json_equal(x, y))
                return false;
        return true;
    default:
        return true;
    }
}
