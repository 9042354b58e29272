/* JSON documents in an arena.
 *
 * A document is a tree of struct json. Objects keep the order of their members; integers of up to 18 digits
 * are int64_t, every other number keeps its text exactly; strings are UTF-8 and may hold NUL. Nodes are
 * mutable and belong to the arena of the document: nothing is freed singly, a node moved to another document
 * of another arena must be copied (json_copy). Member and element access walks a list: fine for objects
 * written by people; code that would do it for every member of a big one builds a map first.
 *
 * Parsing is strict RFC 8259 and iterative; depth and bytes are limited. Of duplicate keys the last wins, as
 * Go's decoder has it, and the paths of all are reported, which strict field validation needs.
 *
 *     _cleanup_(arena_done) struct arena a = {0};
 *     struct json *doc;
 *     if (json_parse(&a, bytes, NULL, &doc, &err) < 0) ...
 *     struct str name = json_string_at(doc, "metadata", "name");
 *     json_write(doc, &out);
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

enum json_type { JSON_NULL, JSON_BOOL, JSON_INT, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    struct json *next; /* next member or element */
    struct str key;    /* member name inside an object, else p is NULL */
    enum json_type type;
    uint32_t n; /* members or elements */
    union {
        bool boolean;
        int64_t integer;
        struct str text; /* string value, or number text */
        struct {
            struct json *first, *last;
        };
    };
};

#define JSON_MAX_DEPTH 512

struct json_duplicate {
    struct str path; /* "spec.ports[0].name" */
};

/* Optional details of a parse. */
struct json_parse_info {
    struct json_duplicate *duplicates; /* in the arena; at most JSON_MAX_DUPLICATES are kept */
    size_t n_duplicates;
};
#define JSON_MAX_DUPLICATES 64

/* Parses all of TEXT. Strings without escapes borrow from TEXT, which must live as long as the arena.
 * Errors: -EINVAL with line, column and what was expected; -E2BIG deeper than JSON_MAX_DEPTH. */
int json_parse(struct arena *a, struct str text, struct json_parse_info *info, struct json **ret,
               struct err *err);

/* Compact text as Go's encoder writes it: <, >, &, U+2028 and U+2029 escaped. Appends to OUT. */
void json_write(const struct json *v, struct strbuf *out);
/* Indented by N spaces; for people. */
void json_write_pretty(const struct json *v, int indent, struct strbuf *out);
/* One string with its quotes. */
void json_write_string(struct str s, struct strbuf *out);

/* Builders: a new value in the arena. Strings are borrowed, not copied. */
struct json *json_null(struct arena *a);
struct json *json_bool(struct arena *a, bool v);
struct json *json_int(struct arena *a, int64_t v);
struct json *json_string(struct arena *a, struct str s);
struct json *json_stringf(struct arena *a, const char *format, ...) _printf_(2, 3);
struct json *json_array(struct arena *a);
struct json *json_object(struct arena *a);
/* A deep copy; strings too, so that it lives by itself. */
struct json *json_copy(struct arena *a, const struct json *v);

/* Members. V may be NULL or of another type everywhere here: then there is nothing to find. */
struct json *json_get(const struct json *v, struct str key);
struct json *json_getz(const struct json *v, const char *key);
/* Walks member names given as C strings, ending with NULL: json_path(v, "spec", "ports", NULL). */
struct json *json_path(const struct json *v, ...) __attribute__((sentinel));
/* Sets or replaces a member (key is borrowed), keeping its place if it is there. VALUE must not be in a tree.
 */
void json_set(struct json *object, struct str key, struct json *value);
void json_setz(struct json *object, const char *key, struct json *value);
/* Removes a member; true if it was there. */
bool json_unset(struct json *object, struct str key);
bool json_unsetz(struct json *object, const char *key);
/* The member, made an empty object (array) if it is absent or null. */
struct json *json_ensure_object(struct arena *a, struct json *object, const char *key);
struct json *json_ensure_array(struct arena *a, struct json *object, const char *key);

/* Appends a member that is known to be absent (key is borrowed): no walk, for building big objects. */
void json_add(struct json *object, struct str key, struct json *value);

/* Elements. */
void json_append(struct json *array, struct json *value);
struct json *json_at(const struct json *array, size_t i);
void json_insert(struct json *array, size_t i, struct json *value); /* i <= n */
struct json *json_remove_at(struct json *array, size_t i);          /* i < n; returns what was there */

/* The first member or element, or NULL. */
static inline struct json *json_first(const struct json *v)
{
    return v && v->type >= JSON_ARRAY ? v->first : NULL;
}

/* Iterates over members or elements; V may be NULL. The current one may be changed but not removed. */
#define json_foreach(v, it) for (struct json *it = json_first(v); it; it = it->next)

/* Scalars; DEFAULT or STR_NONE if V is NULL or of another type. */
struct str json_str(const struct json *v);
int64_t json_int_or(const struct json *v, int64_t otherwise);
bool json_bool_or(const struct json *v, bool otherwise);
/* json_string_at(v, "metadata", "name") */
#define json_string_at(v, ...)          json_str(json_path((v), __VA_ARGS__, NULL))
#define json_int_at(v, otherwise, ...)  json_int_or(json_path((v), __VA_ARGS__, NULL), (otherwise))
#define json_bool_at(v, otherwise, ...) json_bool_or(json_path((v), __VA_ARGS__, NULL), (otherwise))

static inline bool json_is(const struct json *v, enum json_type type)
{
    return v && v->type == type;
}

/* The number of elements of an array; 0 for everything else. */
static inline size_t json_n(const struct json *v)
{
    return json_is(v, JSON_ARRAY) ? v->n : 0;
}

/* Equality of values: order of members does not matter, of elements it does; 1 equals 1.0. */
bool json_equal(const struct json *a, const struct json *b);

/* "null", "boolean", "number", "string", "array", "object": for messages. */
const char *json_type_name(enum json_type type);
