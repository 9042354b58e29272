/* JSON documents as block YAML that every YAML 1.1 reader takes for the same. */
#include "wire/yaml.h"

#include "base/array.h"
#include "wire/yaml-scalar.h"

/* Longer keys are written with '?': a reader looks for the colon of a simple one only 1024 characters far. */
#define YAML_SIMPLE_KEY_LEN 500

static bool yaml_is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Conservative: begins like a word or path, and has nothing in it that means something somewhere. What begins
 * with a digit may be a number, a date or base 60 to some reader. */
static bool yaml_is_plain(struct str s)
{
    if (!s.len || (!yaml_is_letter(s.p[0]) && s.p[0] != '/' && s.p[0] != '_'))
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        bool last = i + 1 == s.len;
        if (c == ' ' || c == ':') {
            if (last || s.p[i + 1] == ' ')
                return false;
        } else if (!yaml_is_letter(c) && !(c >= '0' && c <= '9') && (!c || !strchr("_-./+=,@;()$", c))) {
            return false;
        }
    }
    return yaml_scalar_resolve(s).type == YAML_SCALAR_STRING;
}

/* The sequence at P (valid UTF-8) as a code point; *RET_LEN its bytes. */
static uint32_t yaml_code_point(const char *p, size_t len, size_t *ret_len)
{
    unsigned char c = (unsigned char)p[0];
    size_t n = c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    uint32_t v = n == 1 ? c : c & (0x7f >> n);
    n = MIN(n, len);
    for (size_t i = 1; i < n; i++)
        v = v << 6 | ((unsigned char)p[i] & 0x3f);
    *ret_len = n;
    return v;
}

static void yaml_write_quoted(struct str s, struct strbuf *out)
{
    static const char from[] = "\n\t\r\"\\", to[] = "ntr\"\\";
    strbuf_addc(out, '"');
    for (size_t i = 0, len; i < s.len; i += len) {
        uint32_t c = yaml_code_point(s.p + i, s.len - i, &len);
        const char *short_form = c && c < 0x80 ? strchr(from, (int)c) : NULL;
        if (short_form)
            strbuf_addf(out, "\\%c", to[short_form - from]);
        else if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
                 (c >= 0xfffe && c <= 0xffff))
            strbuf_addf(out, "\\u%04X", c);
        else
            strbuf_add(out, s.p + i, len);
    }
    strbuf_addc(out, '"');
}

static void yaml_write_string(struct str s, struct strbuf *out)
{
    if (yaml_is_plain(s))
        strbuf_add_str(out, s);
    else
        yaml_write_quoted(s, out);
}

struct yaml_level {
    const struct json *next;  /* to be written */
    bool array, inline_first; /* inline_first: the first one continues the line, behind "- " */
    int indent;
};

static void yaml_indent(struct strbuf *out, int n)
{
    strbuf_reserve(out, (size_t)n + 1);
    while (n--)
        strbuf_addc(out, ' ');
}

/* True if V was written whole, with its line end; else its members or elements are still to come. */
static bool yaml_write_leaf(const struct json *v, struct strbuf *out)
{
    if (v->type >= JSON_ARRAY && v->n)
        return false;
    if (v->type == JSON_STRING)
        yaml_write_string(v->text, out);
    else
        json_write(v, out);
    strbuf_addc(out, '\n');
    return true;
}

/* Writes the key and its colon; returns how much further in its value stands. */
static int yaml_write_key(struct str key, int indent, struct strbuf *out)
{
    _cleanup_(strbuf_done) struct strbuf text = {0};
    yaml_write_string(key, &text);
    bool simple = text.len <= YAML_SIMPLE_KEY_LEN;
    if (!simple)
        strbuf_addz(out, "? ");
    strbuf_add_str(out, strbuf_str(&text));
    if (!simple) {
        strbuf_addc(out, '\n');
        yaml_indent(out, indent);
    }
    strbuf_addc(out, ':');
    return simple ? 0 : 2;
}

void yaml_write(const struct json *v, struct strbuf *out)
{
    ARRAY_OF(struct yaml_level) stack = {0};
    if (!yaml_write_leaf(v, out))
        *array_push(&stack) = (struct yaml_level){.next = v->first, .array = v->type == JSON_ARRAY};
    while (stack.n) {
        struct yaml_level *level = &stack.v[stack.n - 1];
        const struct json *at = level->next;
        if (!at) {
            stack.n--;
            continue;
        }
        level->next = at->next;
        int indent = level->indent;
        if (!level->inline_first)
            yaml_indent(out, indent);
        level->inline_first = false;
        struct yaml_level below = {.next = at->first, .array = at->type == JSON_ARRAY, .indent = indent + 2};
        bool empty = at->type < JSON_ARRAY || !at->n;
        if (level->array) {
            strbuf_addz(out, "- ");
            below.inline_first = true;
        } else {
            int further = yaml_write_key(at->key, indent, out);
            strbuf_addc(out, empty ? ' ' : '\n');
            below.indent = below.array ? indent + further : indent + 2;
        }
        if (!yaml_write_leaf(at, out))
            *array_push(&stack) = below;
    }
    array_done(&stack);
}
