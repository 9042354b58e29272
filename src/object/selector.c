/* Label selectors. */
#include "object/selector.h"

#include <errno.h>
#include <stdlib.h>

#include "object/names.h"

enum token {
    TOKEN_END,
    TOKEN_WORD,
    TOKEN_OPERATOR,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_COMMA,
    TOKEN_NOT,
    TOKEN_WRONG
};

static const struct {
    struct str text;
    enum token token;
    enum selector_operator op;
} symbols[] = {
    /* longest first */
    {STR_INIT("=="), TOKEN_OPERATOR, SELECTOR_DOUBLE_EQUALS},
    {STR_INIT("!="), TOKEN_OPERATOR, SELECTOR_NOT_EQUALS},
    {STR_INIT("="), TOKEN_OPERATOR, SELECTOR_EQUALS},
    {STR_INIT(">"), TOKEN_OPERATOR, SELECTOR_GREATER},
    {STR_INIT("<"), TOKEN_OPERATOR, SELECTOR_LESS},
    {STR_INIT("("), TOKEN_OPEN, 0},
    {STR_INIT(")"), TOKEN_CLOSE, 0},
    {STR_INIT(","), TOKEN_COMMA, 0},
    {STR_INIT("!"), TOKEN_NOT, 0},
};

struct parser {
    struct arena *arena;
    struct str text;
    size_t at;
    /* The token looked at. */
    enum token token;
    struct str word;
    enum selector_operator op;
    struct err *err;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_special(char c)
{
    return memchr("=!(),><", c, 7) != NULL;
}

static void next_symbol(struct parser *p)
{
    struct str rest = str_slice(p->text, p->at, p->text.len);
    for (size_t i = 0; i < ARRAY_LEN(symbols); i++) {
        if (!str_has_prefix(rest, symbols[i].text))
            continue;
        p->token = symbols[i].token;
        p->op = symbols[i].op;
        p->word = symbols[i].text;
        p->at += p->word.len;
        return;
    }
    p->token = TOKEN_WRONG; /* not reached: every special character is a symbol */
}

/* Looks at the next token. "in" and "notin" are words here; only the place of an operator makes them
 * operators. */
static void next(struct parser *p)
{
    while (p->at < p->text.len && is_space(p->text.p[p->at]))
        p->at++;
    size_t start = p->at;
    if (start == p->text.len) {
        p->token = TOKEN_END;
        p->word = STR("");
    } else if (is_special(p->text.p[start])) {
        next_symbol(p);
    } else {
        while (p->at < p->text.len && !is_special(p->text.p[p->at]) && !is_space(p->text.p[p->at]))
            p->at++;
        p->token = TOKEN_WORD;
        p->word = str_slice(p->text, start, p->at);
    }
}

static int unexpected(struct parser *p, const char *expected)
{
    struct str word = str_slice(p->word, 0, 64);
    return err_set(p->err, -EINVAL, "found '%.*s', expected: %s", STR_ARG(word), expected);
}

static int invalid(struct arena *a, const struct field_path *path, struct str value, name_check_fn *check,
                   struct err *err)
{
    struct name_problems problems;
    check(value, &problems);
    if (!problems.n)
        return 0;
    _cleanup_(strbuf_done) struct strbuf b = {0};
    for (size_t i = 0; i < problems.n; i++)
        strbuf_addf(&b, "%s%s", i ? "; " : "", problems.text[i]);
    struct field_errors e = {.arena = a};
    field_invalid_str(&e, path, str_slice(value, 0, 128), strbuf_cstr(&b));
    return err_set(err, -EINVAL, "%.*s", STR_ARG(field_errors_text(&e)));
}

static int check_values(struct arena *a, struct selector_requirement *r, struct err *err)
{
    const struct field_path *path = FIELD(NULL, "values");
    for (size_t i = 0; i < r->n_values; i++) {
        int e =
            invalid(a, FIELD_KEY(FIELD_INDEX(path, i), r->key), r->values[i], name_check_label_value, err);
        if (e < 0)
            return e;
    }
    if (r->op != SELECTOR_GREATER && r->op != SELECTOR_LESS)
        return 0;
    if (str_to_int64(r->values[0], &r->number) < 0)
        return err_set(
            err, -EINVAL,
            "values[0]: Invalid value: \"%.*s\": for 'Gt', 'Lt' operators, the value must be an integer",
            STR_ARG(r->values[0]));
    return 0;
}

/* Sorts the values and drops repeated ones. */
static void settle_values(struct selector_requirement *r)
{
    if (r->n_values < 2)
        return;
    qsort(r->values, r->n_values, sizeof *r->values, str_cmp_qsort);
    size_t n = 1;
    for (size_t i = 1; i < r->n_values; i++)
        if (!str_eq(r->values[i], r->values[n - 1]))
            r->values[n++] = r->values[i];
    r->n_values = n;
}

static int by_key(const void *a, const void *b)
{
    const struct selector_requirement *x = a, *y = b;
    int c = str_cmp(x->key, y->key);
    return c ? c : (int)x->op - (int)y->op;
}

static void settle(struct label_selector *s)
{
    if (s->n > 1)
        qsort(s->v, s->n, sizeof *s->v, by_key);
}

static int push_value(struct parser *p, struct selector_requirement *r, struct str value)
{
    if (r->n_values == SELECTOR_MAX_VALUES)
        return err_set(p->err, -E2BIG, "more than %d values in a selector", SELECTOR_MAX_VALUES);
    if ((r->n_values & (r->n_values - 1)) == 0) { /* at 0, 1, 2, 4, ...: double */
        struct str *more = arena_new_array(p->arena, struct str, r->n_values ? r->n_values * 2 : 1);
        if (r->n_values)
            memcpy(more, r->values, r->n_values * sizeof *more);
        r->values = more;
    }
    r->values[r->n_values++] = value;
    return 0;
}

/* "(a,,b)": an empty place between commas or at an end is an empty value. */
static int parse_values(struct parser *p, struct selector_requirement *r)
{
    if (p->token != TOKEN_OPEN)
        return unexpected(p, "'('");
    for (;;) {
        next(p);
        bool word = p->token == TOKEN_WORD;
        if (!word && p->token != TOKEN_COMMA && p->token != TOKEN_CLOSE)
            return unexpected(p, "',', ')' or identifier");
        int e = push_value(p, r, word ? p->word : STR(""));
        if (e < 0)
            return e;
        if (word)
            next(p);
        if (p->token == TOKEN_CLOSE)
            break;
        if (p->token != TOKEN_COMMA)
            return unexpected(p, "',' or ')'");
    }
    next(p);
    return 0;
}

static int parse_exact_value(struct parser *p, struct selector_requirement *r)
{
    if (p->token == TOKEN_END || p->token == TOKEN_COMMA)
        return push_value(p, r, STR(""));
    if (p->token != TOKEN_WORD)
        return unexpected(p, "identifier");
    int e = push_value(p, r, p->word);
    next(p);
    return e;
}

static int parse_operator(struct parser *p, struct selector_requirement *r)
{
    if (p->token == TOKEN_OPERATOR)
        r->op = p->op;
    else if (p->token == TOKEN_WORD && str_eqz(p->word, "in"))
        r->op = SELECTOR_IN;
    else if (p->token == TOKEN_WORD && str_eqz(p->word, "notin"))
        r->op = SELECTOR_NOT_IN;
    else
        return unexpected(p, "in, notin, =, ==, !=, gt, lt");
    next(p);
    return r->op == SELECTOR_IN || r->op == SELECTOR_NOT_IN ? parse_values(p, r) : parse_exact_value(p, r);
}

static int parse_requirement(struct parser *p, struct selector_requirement *r)
{
    bool negated = p->token == TOKEN_NOT;
    if (negated)
        next(p);
    if (p->token != TOKEN_WORD)
        return unexpected(p, "identifier");
    r->key = p->word;
    int e = invalid(p->arena, NULL, r->key, name_check_label_key, p->err);
    if (e < 0)
        return e;
    next(p);
    if (negated || p->token == TOKEN_END || p->token == TOKEN_COMMA) {
        r->op = negated ? SELECTOR_NOT_EXISTS : SELECTOR_EXISTS;
        return 0;
    }
    e = parse_operator(p, r);
    if (e < 0)
        return e;
    settle_values(r);
    return check_values(p->arena, r, p->err);
}

static int parse_all(struct parser *p, struct label_selector *s)
{
    next(p);
    while (p->token != TOKEN_END) {
        if (p->token != TOKEN_WORD && p->token != TOKEN_NOT)
            return unexpected(p, s->n ? "identifier after ','" : "!, identifier, or 'end of string'");
        if (s->n == SELECTOR_MAX_REQUIREMENTS)
            return err_set(p->err, -E2BIG, "more than %d requirements in a selector",
                           SELECTOR_MAX_REQUIREMENTS);
        int e = parse_requirement(p, &s->v[s->n]);
        if (e < 0) {
            err_wrap(p->err, "unable to parse requirement");
            return e;
        }
        s->n++;
        if (p->token == TOKEN_END)
            break;
        if (p->token != TOKEN_COMMA)
            return unexpected(p, "',' or 'end of string'");
        next(p);
        if (p->token == TOKEN_END)
            return unexpected(p, "identifier after ','");
    }
    return 0;
}

int label_selector_parse(struct arena *a, struct str text, struct label_selector *ret, struct err *err)
{
    struct parser p = {.arena = a, .text = text, .err = err};
    size_t commas = 0;
    for (size_t i = 0; i < text.len; i++)
        commas += text.p[i] == ',';
    struct label_selector s = {
        .v = arena_new_array(a, struct selector_requirement, MIN(commas + 1, SELECTOR_MAX_REQUIREMENTS))};
    int e = parse_all(&p, &s);
    if (e < 0)
        return e;
    settle(&s);
    *ret = s;
    return 0;
}

static int operator_from_name(struct str name, enum selector_operator *ret)
{
    static const struct {
        const char *name;
        enum selector_operator op;
    } names[] = {{"In", SELECTOR_IN},
                 {"NotIn", SELECTOR_NOT_IN},
                 {"Exists", SELECTOR_EXISTS},
                 {"DoesNotExist", SELECTOR_NOT_EXISTS}};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eqz(name, names[i].name)) {
            *ret = names[i].op;
            return 0;
        }
    }
    return -EINVAL;
}

static int from_expression(struct arena *a, const struct json *expression, struct selector_requirement *r,
                           struct err *err)
{
    struct str op = json_string_at(expression, "operator");
    const struct json *values = json_getz(expression, "values");
    if (operator_from_name(op, &r->op) < 0)
        return err_set(err, -EINVAL, "\"%.*s\" is not a valid label selector operator",
                       STR_ARG(str_slice(op, 0, 64)));
    r->key = json_string_at(expression, "key");
    int e = invalid(a, FIELD(NULL, "key"), r->key, name_check_label_key, err);
    if (e < 0)
        return e;
    size_t n = json_n(values);
    bool wants = r->op == SELECTOR_IN || r->op == SELECTOR_NOT_IN;
    if (wants && !n)
        return err_set(err, -EINVAL,
                       "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty");
    if (!wants && n)
        return err_set(err, -EINVAL,
                       "values: Invalid value: values set must be empty for exists and does not exist");
    if (n > SELECTOR_MAX_VALUES)
        return err_set(err, -E2BIG, "more than %d values in a selector", SELECTOR_MAX_VALUES);
    r->values = arena_new_array(a, struct str, n);
    json_foreach (values, v)
        r->values[r->n_values++] = v->type == JSON_STRING ? v->text : STR("");
    settle_values(r);
    return check_values(a, r, err);
}

static void from_pair(struct arena *a, const struct json *member, struct selector_requirement *r)
{
    *r = (struct selector_requirement){.key = member->key, .op = SELECTOR_EQUALS, .n_values = 1};
    r->values = arena_new(a, struct str);
    r->values[0] = member->type == JSON_STRING ? member->text : STR("");
}

int label_selector_from_object(struct arena *a, const struct json *object, struct label_selector *ret,
                               struct err *err)
{
    if (!object || object->type == JSON_NULL) {
        *ret = (struct label_selector){.nothing = true};
        return 0;
    }
    const struct json *labels = json_getz(object, "matchLabels"),
                      *expressions = json_getz(object, "matchExpressions");
    size_t n = (json_is(labels, JSON_OBJECT) ? labels->n : 0) + json_n(expressions);
    if (n > SELECTOR_MAX_REQUIREMENTS)
        return err_set(err, -E2BIG, "more than %d requirements in a selector", SELECTOR_MAX_REQUIREMENTS);
    struct label_selector s = {.v = arena_new_array(a, struct selector_requirement, n + 1)};
    if (json_is(labels, JSON_OBJECT)) {
        json_foreach (labels, m) {
            struct selector_requirement *r = &s.v[s.n++];
            from_pair(a, m, r);
            int e = invalid(a, FIELD(NULL, "key"), r->key, name_check_label_key, err);
            e = e < 0 ? e : check_values(a, r, err);
            if (e < 0)
                return e;
        }
    }
    if (json_is(expressions, JSON_ARRAY)) {
        json_foreach (expressions, x) {
            int e = from_expression(a, x, &s.v[s.n++], err);
            if (e < 0)
                return e;
        }
    }
    settle(&s);
    *ret = s;
    return 0;
}

void label_selector_from_map(struct arena *a, const struct json *map, struct label_selector *ret)
{
    *ret = (struct label_selector){.nothing = !json_is(map, JSON_OBJECT)};
    if (ret->nothing || !map->n)
        return;
    ret->v = arena_new_array(a, struct selector_requirement, map->n);
    json_foreach (map, m)
        from_pair(a, m, &ret->v[ret->n++]);
    settle(ret);
}

static bool has_value(const struct selector_requirement *r, struct str value)
{
    if (r->n_values == 1)
        return str_eq(r->values[0], value);
    return bsearch(&value, r->values, r->n_values, sizeof value, str_cmp_qsort) != NULL;
}

static bool requirement_matches(const struct selector_requirement *r, const struct json *labels)
{
    const struct json *label = json_get(labels, r->key);
    struct str value = json_str(label);
    int64_t number;
    switch (r->op) {
    case SELECTOR_EXISTS:
        return label;
    case SELECTOR_NOT_EXISTS:
        return !label;
    case SELECTOR_NOT_EQUALS:
    case SELECTOR_NOT_IN:
        return !label || !has_value(r, value);
    case SELECTOR_GREATER:
        return label && str_to_int64(value, &number) == 0 && number > r->number;
    case SELECTOR_LESS:
        return label && str_to_int64(value, &number) == 0 && number < r->number;
    default:
        return label && has_value(r, value);
    }
}

bool label_selector_matches(const struct label_selector *s, const struct json *labels)
{
    for (size_t i = 0; i < s->n; i++)
        if (!requirement_matches(&s->v[i], labels))
            return false;
    return !s->nothing;
}

static void write_values(const struct selector_requirement *r, struct strbuf *out)
{
    for (size_t i = 0; i < r->n_values; i++) {
        strbuf_addz(out, i ? "," : "");
        strbuf_add_str(out, r->values[i]);
    }
}

void label_selector_write(const struct label_selector *s, struct strbuf *out)
{
    static const char *const operators[] = {
        [SELECTOR_EQUALS] = "=",    [SELECTOR_DOUBLE_EQUALS] = "==", [SELECTOR_NOT_EQUALS] = "!=",
        [SELECTOR_IN] = " in (",    [SELECTOR_NOT_IN] = " notin (",  [SELECTOR_EXISTS] = "",
        [SELECTOR_NOT_EXISTS] = "", [SELECTOR_GREATER] = ">",        [SELECTOR_LESS] = "<",
    };
    for (size_t i = 0; i < s->n; i++) {
        const struct selector_requirement *r = &s->v[i];
        strbuf_addf(out, "%s%s", i ? "," : "", r->op == SELECTOR_NOT_EXISTS ? "!" : "");
        strbuf_add_str(out, r->key);
        strbuf_addz(out, operators[r->op]);
        write_values(r, out);
        if (r->op == SELECTOR_IN || r->op == SELECTOR_NOT_IN)
            strbuf_addc(out, ')');
    }
}
