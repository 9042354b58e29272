/* Printing documents the way Go's encoder does, so that clients see the same bytes as from a kube-apiserver.
 */
#include "wire/json.h"

/* Bytes that cannot stand for themselves inside a string: 1 control, quote, backslash; 2 <, >, &; 3 the lead
 * byte of U+2028 and U+2029. */
static const uint8_t json_special[256] = {
    [0 ... 0x1f] = 1, ['"'] = 1, ['\\'] = 1, ['<'] = 2, ['>'] = 2, ['&'] = 2, [0xe2] = 3,
};

static void json_write_escape(unsigned char c, struct strbuf *out)
{
    switch (c) {
    case '"':
        strbuf_add(out, "\\\"", 2);
        break;
    case '\\':
        strbuf_add(out, "\\\\", 2);
        break;
    case '\n':
        strbuf_add(out, "\\n", 2);
        break;
    case '\r':
        strbuf_add(out, "\\r", 2);
        break;
    case '\t':
        strbuf_add(out, "\\t", 2);
        break;
    case '\b':
        strbuf_add(out, "\\b", 2);
        break;
    case '\f':
        strbuf_add(out, "\\f", 2);
        break;
    default:
        strbuf_addf(out, "\\u%04x", c);
    }
}

void json_write_string(struct str s, struct strbuf *out)
{
    strbuf_reserve(out, s.len + 2);
    strbuf_addc(out, '"');
    size_t from = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (!json_special[c])
            continue;
        bool separator = c == 0xe2 && i + 2 < s.len && (unsigned char)s.p[i + 1] == 0x80 &&
                         ((unsigned char)s.p[i + 2] & 0xfe) == 0xa8;
        if (json_special[c] == 3 && !separator)
            continue;
        strbuf_add(out, s.p + from, i - from);
        if (separator) {
            strbuf_add(out, (unsigned char)s.p[i + 2] == 0xa8 ? "\\u2028" : "\\u2029", 6);
            i += 2;
        } else {
            json_write_escape(c, out);
        }
        from = i + 1;
    }
    strbuf_add(out, s.p + from, s.len - from);
    strbuf_addc(out, '"');
}

static void json_write_int(int64_t v, struct strbuf *out)
{
    char digits[24];
    int at = sizeof digits;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do
        digits[--at] = (char)('0' + u % 10);
    while (u /= 10);
    if (v < 0)
        digits[--at] = '-';
    strbuf_add(out, digits + at, sizeof digits - at);
}

static void json_write_scalar(const struct json *v, struct strbuf *out)
{
    switch (v->type) {
    case JSON_NULL:
        strbuf_add(out, "null", 4);
        break;
    case JSON_BOOL:
        strbuf_addz(out, v->boolean ? "true" : "false");
        break;
    case JSON_INT:
        json_write_int(v->integer, out);
        break;
    case JSON_NUMBER:
        strbuf_add_str(out, v->text);
        break;
    default:
        json_write_string(v->text, out);
    }
}

static void json_newline(int indent, int depth, struct strbuf *out)
{
    if (indent < 0)
        return;
    strbuf_addc(out, '\n');
    for (int i = 0; i < indent * depth; i++)
        strbuf_addc(out, ' ');
}

/* Recursion is bounded by JSON_MAX_DEPTH, see json_copy(). INDENT -1 means compact. */
static void json_write_value(const struct json *v, int indent, int depth, struct strbuf *out)
{
    if (v->type < JSON_ARRAY) {
        json_write_scalar(v, out);
        return;
    }
    bool object = v->type == JSON_OBJECT;
    strbuf_addc(out, object ? '{' : '[');
    for (const struct json *c = v->first; c; c = c->next) {
        json_newline(indent, depth + 1, out);
        if (object) {
            json_write_string(c->key, out);
            strbuf_addc(out, ':');
            if (indent >= 0)
                strbuf_addc(out, ' ');
        }
        json_write_value(c, indent, depth + 1, out);
        if (c->next)
            strbuf_addc(out, ',');
    }
    if (v->first)
        json_newline(indent, depth, out);
    strbuf_addc(out, object ? '}' : ']');
}

void json_write(const struct json *v, struct strbuf *out)
{
    json_write_value(v, -1, 0, out);
}

void json_write_pretty(const struct json *v, int indent, struct strbuf *out)
{
    json_write_value(v, indent, 0, out);
}
