/* Field selectors. */
#include <errno.h>
#include <stdio.h>

#include "object/selector.h"

/* Index of the first C in S that no backslash escapes, or S.len. */
static size_t find_plain(struct str s, char c)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] == '\\')
            i++;
        else if (s.p[i] == c)
            return i;
    }
    return s.len;
}

static int unescape(struct arena *a, struct str s, struct str *ret, struct err *err)
{
    char *p = arena_alloc(a, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (c == ',' || c == '=')
            return err_set(err, -EINVAL, "invalid field selector: unescaped character in value: %c", c);
        if (c != '\\') {
            p[n++] = c;
            continue;
        }
        c = ++i < s.len ? s.p[i] : 0;
        if (c != '\\' && c != ',' && c != '=')
            return err_set(err, -EINVAL, "invalid field selector: invalid escape sequence: \\%.*s", c ? 1 : 0,
                           &c);
        p[n++] = c;
    }
    p[n] = 0;
    *ret = (struct str){p, n};
    return 0;
}

static int parse_term(struct arena *a, struct str term, struct field_requirement *r, struct err *err)
{
    size_t at = find_plain(term, '=');
    if (at == term.len)
        return err_set(err, -EINVAL, "can't understand '%.*s'", STR_ARG(str_slice(term, 0, 128)));
    r->negated = at && term.p[at - 1] == '!';
    r->path = arena_str(a, str_slice(term, 0, at - r->negated));
    at++;
    if (!r->negated && at < term.len && term.p[at] == '=')
        at++;
    return unescape(a, str_slice(term, at, term.len), &r->value, err);
}

int field_selector_parse(struct arena *a, struct str text, struct field_selector *ret, struct err *err)
{
    size_t commas = 0;
    for (size_t i = 0; i < text.len; i++)
        commas += text.p[i] == ',';
    struct field_selector s = {
        .v = arena_new_array(a, struct field_requirement, MIN(commas + 1, SELECTOR_MAX_REQUIREMENTS))};
    for (size_t at = 0; at < text.len;) {
        struct str term = str_slice(text, at, text.len);
        term.len = find_plain(term, ',');
        at += term.len + 1;
        if (!term.len)
            continue;
        if (s.n == SELECTOR_MAX_REQUIREMENTS)
            return err_set(err, -E2BIG, "more than %d requirements in a selector", SELECTOR_MAX_REQUIREMENTS);
        int e = parse_term(a, term, &s.v[s.n++], err);
        if (e < 0) {
            struct str whole = str_slice(text, 0, 128);
            if (err && str_has_prefix(str_of(err->text), STR("can't")))
                err_set(err, e, "invalid selector: '%.*s'; can't understand '%.*s'", STR_ARG(whole),
                        STR_ARG(str_slice(term, 0, 128)));
            return e;
        }
    }
    *ret = s;
    return 0;
}

int field_selector_check(const struct field_selector *s, const struct schema_resource *r, struct err *err)
{
    for (size_t i = 0; i < s->n; i++) {
        struct str path = s->v[i].path;
        bool known = str_eqz(path, "metadata.name") || str_eqz(path, "metadata.namespace");
        for (size_t k = 0; !known && k < r->n_selectable; k++)
            known = str_eq(path, r->selectable[k]);
        if (!known)
            return err_set(err, -EINVAL, "field label not supported: %.*s", STR_ARG(str_slice(path, 0, 128)));
    }
    return 0;
}

static struct str field_text(const struct json *object, struct str path, char buf[static 24])
{
    struct str part;
    const struct json *v = object;
    while (v && str_split(&path, '.', &part))
        v = json_get(v, part);
    if (json_is(v, JSON_INT))
        return (struct str){buf, (size_t)snprintf(buf, 24, "%ld", v->integer)};
    if (json_is(v, JSON_BOOL))
        return v->boolean ? STR("true") : STR("false");
    return json_str(v);
}

bool field_selector_matches(const struct field_selector *s, const struct json *object)
{
    char buf[24];
    for (size_t i = 0; i < s->n; i++)
        if (str_eq(field_text(object, s->v[i].path, buf), s->v[i].value) == s->v[i].negated)
            return false;
    return true;
}

struct str field_selector_exact(const struct field_selector *s, struct str path)
{
    for (size_t i = 0; i < s->n; i++)
        if (!s->v[i].negated && str_eq(s->v[i].path, path))
            return s->v[i].value;
    return STR_NONE;
}

void field_selector_write(const struct field_selector *s, struct strbuf *out)
{
    for (size_t i = 0; i < s->n; i++) {
        strbuf_addz(out, i ? "," : "");
        strbuf_add_str(out, s->v[i].path);
        strbuf_addz(out, s->v[i].negated ? "!=" : "=");
        for (size_t k = 0; k < s->v[i].value.len; k++) {
            char c = s->v[i].value.p[k];
            if (c == '\\' || c == ',' || c == '=')
                strbuf_addc(out, '\\');
            strbuf_addc(out, c);
        }
    }
}
