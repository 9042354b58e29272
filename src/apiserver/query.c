#include "apiserver/query.h"

#include "base/encoding.h"

static struct str decode(struct arena *a, struct str text, bool *ok)
{
    if (str_find_char(text, '%') < 0 && str_find_char(text, '+') < 0)
        return arena_str(a, text);
    _cleanup_(strbuf_done) struct strbuf b = {0};
    if (percent_decode(text, PERCENT_QUERY, &b) < 0)
        *ok = false;
    return arena_str(a, strbuf_str(&b));
}

struct status *query_parse(struct arena *a, struct str text, struct query *ret)
{
    struct str pair;
    bool ok = true;
    ret->n = 0;
    while (text.p && str_split(&text, '&', &pair)) {
        if (!pair.len)
            continue;
        if (ret->n == QUERY_MAX)
            return status_bad_request(a, "more than %d query parameters", QUERY_MAX);
        struct str name, value = pair;
        (void)str_split(&value, '=', &name);
        ret->v[ret->n].name = decode(a, name, &ok);
        ret->v[ret->n++].value = value.p ? decode(a, value, &ok) : STR("");
        if (!ok)
            return status_bad_request(a, "invalid URL escape in the query");
    }
    return NULL;
}

struct str query_get(const struct query *q, struct str name)
{
    for (size_t i = q->n; i-- > 0;) {
        if (str_eq(q->v[i].name, name))
            return q->v[i].value;
    }
    return STR_NONE;
}

bool query_has(const struct query *q, struct str name)
{
    return query_get(q, name).p != NULL;
}

bool query_get_bool(const struct query *q, struct str name)
{
    struct str v = query_get(q, name);
    return v.p && !str_case_eq(v, STR("false")) && !str_eq(v, STR("0"));
}

struct status *query_get_int(struct arena *a, const struct query *q, struct str name, int64_t otherwise,
                             int64_t *ret)
{
    struct str v = query_get(q, name);
    *ret = otherwise;
    if (!v.p || !v.len)
        return NULL;
    if (str_to_int64(v, ret) < 0)
        return status_bad_request(a, "invalid value \"%.*s\" of query parameter %.*s: not a number",
                                  STR_ARG(str_slice(v, 0, 64)), STR_ARG(name));
    return NULL;
}
