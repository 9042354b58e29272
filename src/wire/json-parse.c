/* The parser: strict RFC 8259, iterative, over bytes that may be hostile. */
#include "wire/json.h"

#include <errno.h>
#include <stdio.h>

#include "base/map.h"

/* Objects with more members than this find duplicates through a map: a walk for each would cost n * n. */
#define JSON_INDEX_FROM 16

struct json_frame {
    struct json *value; /* the array or object being filled */
    struct map index;   /* its members by key, once it has JSON_INDEX_FROM */
};

struct json_parser {
    struct arena *arena;
    const char *p, *end, *start;
    struct json_frame *stack; /* JSON_MAX_DEPTH of them */
    int depth;
    struct json_parse_info *info;
    const char *expected; /* set on failure */
};

static int json_fail(struct json_parser *s, const char *expected)
{
    s->expected = expected;
    return -EINVAL;
}

static void json_skip_space(struct json_parser *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t' || *s->p == '\r'))
        s->p++;
}

static int json_hex4(struct json_parser *s, uint32_t *ret)
{
    if (s->end - s->p < 4)
        return json_fail(s, "four hexadecimal digits after \\u");
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) {
        char c = s->p[i];
        if (c >= '0' && c <= '9')
            v = v << 4 | (uint32_t)(c - '0');
        else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
            v = v << 4 | (uint32_t)((c & 0xdf) - 'A' + 10);
        else
            return json_fail(s, "four hexadecimal digits after \\u");
    }
    s->p += 4;
    *ret = v;
    return 0;
}

static char *json_put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
        *out++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 63));
        *out++ = (char)(0x80 | (c & 63));
    } else {
        *out++ = (char)(0xf0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 63));
        *out++ = (char)(0x80 | (c >> 6 & 63));
        *out++ = (char)(0x80 | (c & 63));
    }
    return out;
}

/* A lone surrogate becomes U+FFFD, as in Go's decoder. */
static int json_unicode_escape(struct json_parser *s, uint32_t *ret)
{
    uint32_t high, low;
    int r = json_hex4(s, &high);
    if (r < 0)
        return r;
    *ret = high;
    if ((high & 0xf800) != 0xd800)
        return 0;
    *ret = 0xfffd;
    if ((high & 0xfc00) == 0xd800 && s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u') {
        const char *back = s->p;
        s->p += 2;
        r = json_hex4(s, &low);
        if (r < 0)
            return r;
        if ((low & 0xfc00) == 0xdc00)
            *ret = 0x10000 + ((high & 0x3ff) << 10 | (low & 0x3ff));
        else
            s->p = back;
    }
    return 0;
}

/* Length of the well-formed UTF-8 sequence at P, or 0. Source: RFC 3629 section 4. */
static size_t json_utf8_len(const unsigned char *p, size_t len)
{
    unsigned char a = p[0];
    size_t n = a >= 0xc2 && a < 0xe0 ? 2 : a >= 0xe0 && a < 0xf0 ? 3 : a >= 0xf0 && a < 0xf5 ? 4 : 0;
    if (!n || len < n)
        return 0;
    unsigned char low = a == 0xe0   ? 0xa0
                        : a == 0xf0 ? 0x90
                                    : 0x80,
                  high = a == 0xed   ? 0x9f
                         : a == 0xf4 ? 0x8f
                                     : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

/* 1 for bytes that end a run of plain ASCII inside a string. */
static const uint8_t json_stops[256] = {[0 ... 0x1f] = 1, ['"'] = 1, ['\\'] = 1, [0x80 ... 0xff] = 1};

static int json_escape(struct json_parser *s, char **out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (s->p == s->end)
        return json_fail(s, "an escape character");
    char c = *s->p++;
    if (c == 'u') {
        uint32_t code;
        int r = json_unicode_escape(s, &code);
        if (r < 0)
            return r;
        *out = json_put_utf8(*out, code);
        return 0;
    }
    const char *at = c ? strchr(from, c) : NULL;
    if (!at) {
        s->p--;
        return json_fail(s, "one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u");
    }
    *(*out)++ = to[at - from];
    return 0;
}

/* Behind the opening quote. Without escapes the result borrows from the input. */
static int json_parse_string(struct json_parser *s, struct str *ret)
{
    const char *from = s->p, *run = s->p;
    char *copy = NULL, *out = NULL;
    for (;;) {
        while (s->p < s->end && !json_stops[(unsigned char)*s->p])
            s->p++;
        if (s->p == s->end)
            return json_fail(s, "a closing quote");
        unsigned char c = (unsigned char)*s->p;
        if (c >= 0x80) {
            size_t n = json_utf8_len((const unsigned char *)s->p, s->end - s->p);
            if (!n)
                return json_fail(s, "valid UTF-8");
            s->p += n;
            continue;
        }
        if (c < 0x20)
            return json_fail(s, "no control character inside a string");
        if (!copy && c == '"') {
            *ret = (struct str){from, (size_t)(s->p++ - from)};
            return 0;
        }
        if (!copy) {
            /* An unescaped string is never longer than its text, which ends at the first lone quote. */
            const char *q = s->p;
            while (q < s->end && *q != '"')
                q += 1 + (*q == '\\' && s->end - q > 1);
            copy = out = arena_alloc(s->arena, (size_t)(q - from) + 1);
        }
        memcpy(out, run, s->p - run);
        out += s->p - run;
        s->p++;
        if (c == '"') {
            *out = 0;
            *ret = (struct str){copy, (size_t)(out - copy)};
            return 0;
        }
        int r = json_escape(s, &out);
        if (r < 0)
            return r;
        run = s->p;
    }
}

static bool json_digits(struct json_parser *s)
{
    const char *from = s->p;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
        s->p++;
    return s->p > from;
}

static int json_parse_number(struct json_parser *s, struct json *v)
{
    const char *from = s->p;
    bool integer = true;
    s->p += *s->p == '-';
    if (s->p < s->end && *s->p == '0')
        s->p++;
    else if (!json_digits(s))
        return json_fail(s, "a digit");
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        integer = false;
        if (!json_digits(s))
            return json_fail(s, "a digit after the decimal point");
    }
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        s->p++;
        integer = false;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
            s->p++;
        if (!json_digits(s))
            return json_fail(s, "a digit in the exponent");
    }
    struct str text = {from, (size_t)(s->p - from)};
    /* "-0" is not an integer that prints back. */
    if (integer && text.len <= 18 && !str_eq(text, STR("-0")) && str_to_int64(text, &v->integer) == 0) {
        v->type = JSON_INT;
    } else {
        v->type = JSON_NUMBER;
        v->text = text;
    }
    return 0;
}

static int json_parse_word(struct json_parser *s, struct json *v)
{
    struct str rest = {s->p, (size_t)(s->end - s->p)};
    if (str_has_prefix(rest, STR("true")) || str_has_prefix(rest, STR("false"))) {
        v->type = JSON_BOOL;
        v->boolean = *s->p == 't';
        s->p += v->boolean ? 4 : 5;
        return 0;
    }
    if (str_has_prefix(rest, STR("null"))) {
        v->type = JSON_NULL;
        s->p += 4;
        return 0;
    }
    return json_fail(s, "a value");
}

/* The path of member KEY of the innermost object, as field errors print it. */
static struct str json_current_path(struct json_parser *s, struct str key)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    for (int i = 1; i < s->depth; i++) {
        const struct json *child = s->stack[i].value;
        if (!child->key.p)
            strbuf_addf(&b, "[%u]", s->stack[i - 1].value->n - 1);
        else
            strbuf_addf(&b, "%s%.*s", b.len ? "." : "", STR_ARG(child->key));
    }
    strbuf_addf(&b, "%s%.*s", b.len ? "." : "", STR_ARG(key));
    return arena_str(s->arena, strbuf_str(&b));
}

static void json_note_duplicate(struct json_parser *s, struct str key)
{
    struct json_parse_info *info = s->info;
    if (!info || info->n_duplicates == JSON_MAX_DUPLICATES)
        return;
    if (!info->duplicates)
        info->duplicates = arena_alloc(s->arena, JSON_MAX_DUPLICATES * sizeof *info->duplicates);
    info->duplicates[info->n_duplicates++].path = json_current_path(s, key);
}

static struct json *json_frame_find(struct json_frame *f, struct str key)
{
    if (f->value->n < JSON_INDEX_FROM)
        return json_get(f->value, key);
    if (!f->index.n) {
        json_foreach (f->value, m) {
            map_put(&f->index, m->key, m);
        }
    }
    return map_find(&f->index, key);
}

static void json_link_member(struct json *object, struct str key, struct json *v)
{
    json_append(object, v); /* the key is known to be new: no search as in json_set() */
    v->key = key;
}

/* Adds a member to the innermost object; of duplicates the last wins. */
static struct json *json_add_member(struct json_parser *s, struct str key)
{
    struct json_frame *f = &s->stack[s->depth - 1];
    struct json *old = json_frame_find(f, key);
    if (old) {
        json_note_duplicate(s, key);
        struct json *next = old->next;
        *old = (struct json){.key = key, .next = next};
        return old;
    }
    struct json *v = arena_new(s->arena, struct json);
    json_link_member(f->value, key, v);
    if (f->index.n)
        map_put(&f->index, key, v);
    return v;
}

/* Parses the key and colon of the next member and returns where its value goes. */
static int json_parse_member(struct json_parser *s, struct json **ret)
{
    json_skip_space(s);
    if (s->p == s->end || *s->p != '"')
        return json_fail(s, "a member name in quotes");
    s->p++;
    struct str key;
    int r = json_parse_string(s, &key);
    if (r < 0)
        return r;
    json_skip_space(s);
    if (s->p == s->end || *s->p != ':')
        return json_fail(s, "':' after the member name");
    s->p++;
    *ret = json_add_member(s, key);
    return 0;
}

/* Fills V from the text. An opened array or object is pushed. */
static int json_parse_value(struct json_parser *s, struct json *v)
{
    json_skip_space(s);
    if (s->p == s->end)
        return json_fail(s, "a value");
    char c = *s->p;
    if (c == '{' || c == '[') {
        if (s->depth == JSON_MAX_DEPTH)
            return -E2BIG;
        s->p++;
        v->type = c == '{' ? JSON_OBJECT : JSON_ARRAY;
        s->stack[s->depth++] = (struct json_frame){.value = v};
        return 0;
    }
    if (c == '"') {
        s->p++;
        v->type = JSON_STRING;
        return json_parse_string(s, &v->text);
    }
    if (c == '-' || (c >= '0' && c <= '9'))
        return json_parse_number(s, v);
    return json_parse_word(s, v);
}

static void json_pop(struct json_parser *s)
{
    map_done(&s->stack[--s->depth].index, NULL);
}

/* One step inside the innermost container: its end, or its next member or element. */
static int json_parse_step(struct json_parser *s)
{
    struct json *parent = s->stack[s->depth - 1].value;
    bool object = parent->type == JSON_OBJECT;
    json_skip_space(s);
    if (s->p < s->end && *s->p == (object ? '}' : ']')) {
        s->p++;
        json_pop(s);
        return 0;
    }
    if (parent->n) {
        if (s->p == s->end || *s->p != ',')
            return json_fail(s, object ? "',' or '}'" : "',' or ']'");
        s->p++;
    }
    struct json *v;
    if (object) {
        int r = json_parse_member(s, &v);
        if (r < 0)
            return r;
    } else {
        v = arena_new(s->arena, struct json);
        json_append(parent, v);
    }
    return json_parse_value(s, v);
}

static int json_explain(struct json_parser *s, int r, struct err *err)
{
    int line = 1;
    const char *line_start = s->start;
    for (const char *p = s->start; p < s->p; p++) {
        if (*p == '\n') {
            line++;
            line_start = p + 1;
        }
    }
    int column = (int)(s->p - line_start) + 1;
    if (r == -E2BIG)
        return err_set(err, r, "JSON is nested deeper than %d levels at line %d column %d", JSON_MAX_DEPTH,
                       line, column);
    if (s->p >= s->end)
        return err_set(err, r, "JSON ends at line %d column %d, expected %s", line, column, s->expected);
    unsigned char c = (unsigned char)*s->p;
    char found[8];
    snprintf(found, sizeof found, c > 0x20 && c < 0x7f ? "'%c'" : "0x%02x", c);
    return err_set(err, r, "invalid JSON at line %d column %d: expected %s, found %s", line, column,
                   s->expected, found);
}

int json_parse(struct arena *a, struct str text, struct json_parse_info *info, struct json **ret,
               struct err *err)
{
    _cleanup_(arena_done) struct arena stack_arena = {0};
    struct json_parser s = {.arena = a, .p = text.p, .start = text.p, .end = text.p + text.len, .info = info};
    s.stack = arena_alloc(&stack_arena, JSON_MAX_DEPTH * sizeof *s.stack);
    struct json *root = arena_new(a, struct json);
    int r = json_parse_value(&s, root);
    while (r == 0 && s.depth)
        r = json_parse_step(&s);
    while (s.depth)
        json_pop(&s);
    if (r == 0) {
        json_skip_space(&s);
        if (s.p < s.end)
            r = json_fail(&s, "nothing after the value");
    }
    if (r < 0)
        return json_explain(&s, r, err);
    *ret = root;
    return 0;
}
