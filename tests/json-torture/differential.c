/* Compares json_parse() with jansson on the torture list and on 40,000 mutations of it (fixed seed). They
 * must agree on what is JSON and on the value, but for what `differences` lists, each with its reason.
 *   differential FOLDER */
#include <math.h>
#include <stdio.h>

#include "base/random.h"
#include "cases.h"
#include "peer.h"
#include "wire/json.h"

#define N_MUTATIONS 40000

static bool has(struct str text, const char *needle)
{
    return str_find(text, str_of(needle)) >= 0;
}

/* Any number that jansson's int64_t or double cannot hold. */
static bool has_big_number(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char number[1024];
        size_t n = 0;
        bool integer = true;
        for (; i + n < text.len && n < sizeof number - 1 && text.p[i + n] &&
               strchr("0123456789+-.eE", text.p[i + n]);
             n++) {
            integer = integer && !strchr(".eE", text.p[i + n]);
            number[n] = text.p[i + n];
        }
        number[n] = 0;
        if (n > 18 && integer)
            return true;
        double v = n ? strtod(number, NULL) : 0;
        if (isinf(v) || n == sizeof number - 1)
            return true;
        i += n;
    }
    return false;
}

static bool has_surrogate_escape(struct str text)
{
    for (size_t i = 0; i + 3 < text.len; i++)
        if (text.p[i] == '\\' && text.p[i + 1] == 'u' && (text.p[i + 2] | 0x20) == 'd' &&
            strchr("89abcdefABCDEF", text.p[i + 3]))
            return true;
    return false;
}

static bool has_nul_escape(struct str text)
{
    return has(text, "\\u0000");
}

static bool has_nul_byte(struct str text)
{
    return str_find_char(text, 0) >= 0;
}

static bool is_deep(struct str text)
{
    return text.len > 2 * JSON_MAX_DEPTH;
}

/* Where one of the two accepts and the other refuses. */
static const struct {
    const char *reason;
    bool we_accept;
    bool (*applies)(struct str text);
} differences[] = {
    {"jansson has no integers beyond int64_t and no reals beyond double; we keep the text", true,
     has_big_number},
    {"jansson refuses a lone surrogate; we read U+FFFD, as Go does", true, has_surrogate_escape},
    {"jansson refuses NUL in a member name; RFC 8259 does not", true, has_nul_escape},
    {"jansson overlooks a NUL byte behind a number; RFC 8259 does not allow it", false, has_nul_byte},
    {"jansson goes 2048 levels deep, we 512", false, is_deep},
};
static size_t n_known[ARRAY_LEN(differences)];

static bool is_known(struct str text, bool we_accept)
{
    for (size_t i = 0; i < ARRAY_LEN(differences); i++) {
        if (differences[i].we_accept == we_accept && differences[i].applies(text)) {
            n_known[i]++;
            return true;
        }
    }
    return false;
}

static bool same(const struct json *v, struct peer p);

static bool same_members(const struct json *v, struct peer p)
{
    struct peer member;
    json_foreach (v, m) {
        if (!peer_get(p, m->key, &member) || !same(m, member))
            return false;
    }
    return true;
}

static bool same_elements(const struct json *v, struct peer p)
{
    size_t i = 0;
    json_foreach (v, e) {
        if (!same(e, peer_at(p, i++)))
            return false;
    }
    return true;
}

static bool same_number(const struct json *v, struct peer p)
{
    char *text = mem_dup(v->text.p, v->text.len);
    bool ok = peer_type(p) == PEER_INT ? peer_int(p) == strtoll(text, NULL, 10)
                                       : peer_type(p) == PEER_REAL && peer_real(p) == strtod(text, NULL);
    free(text);
    return ok;
}

static bool same(const struct json *v, struct peer p)
{
    enum peer_type type = peer_type(p);
    switch (v->type) {
    case JSON_NULL:
        return type == PEER_NULL;
    case JSON_BOOL:
        return type == PEER_BOOL && peer_bool(p) == v->boolean;
    case JSON_INT:
        return type == PEER_INT && peer_int(p) == v->integer;
    case JSON_NUMBER:
        return same_number(v, p);
    case JSON_STRING:
        return type == PEER_STRING && str_eq(v->text, peer_string(p));
    case JSON_ARRAY:
        return type == PEER_ARRAY && peer_size(p) == v->n && same_elements(v, p);
    case JSON_OBJECT:
        return type == PEER_OBJECT && peer_size(p) == v->n && same_members(v, p);
    }
    return false;
}

/* True if the two agree or differ in a known way. */
static bool compare(struct str text)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *v;
    struct err err = {0};
    struct peer peer;
    char why[200] = "accepts";
    int r = json_parse(&a, text, NULL, &v, &err);
    bool ok, theirs = peer_parse(text, &peer, why);
    ok = (r == 0) != theirs ? is_known(text, r == 0) : !theirs || same(v, peer);
    if (!ok)
        printf("ours: %s; jansson: %s; input: %.*s\n", r < 0 ? err.text : "accepts", why,
               STR_ARG(str_slice(text, 0, 200)));
    if (theirs)
        peer_done(&peer);
    return ok;
}

static void mutate(struct random *random, struct str from, struct strbuf *out)
{
    static const char bytes[] = "{}[]\",:\\/u0123456789aeE+-.dDfFtrunl \n\x80\xc3\xa9\xff";
    strbuf_truncate(out, 0);
    strbuf_add_str(out, from);
    for (uint64_t n = 1 + random_below(random, 3); n > 0; n--) {
        size_t at = random_below(random, out->len + 1);
        char c = bytes[random_below(random, sizeof bytes)];
        if (at == out->len || random_below(random, 3) == 0) {
            strbuf_addc(out, c);
            memmove(out->p + at + 1, out->p + at, out->len - 1 - at);
            out->p[at] = c;
        } else if (random_below(random, 2)) {
            out->p[at] = c;
        } else {
            memmove(out->p + at, out->p + at + 1, out->len - at - 1);
            strbuf_truncate(out, out->len - 1);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    struct torture_list list = torture_load(argv[1]);
    struct random random;
    struct strbuf text = {0};
    size_t n_bad = 0;
    random_seed(&random, 20261124);
    for (size_t i = 0; i < list.n; i++)
        n_bad += !compare(list.v[i].text);
    for (size_t i = 0; i < N_MUTATIONS && n_bad < 20; i++) {
        const struct torture_case *c = &list.v[random_below(&random, list.n)];
        if (c->text.len > 2000)
            continue;
        mutate(&random, c->text, &text);
        n_bad += !compare(strbuf_str(&text));
    }
    strbuf_done(&text);
    torture_unload(&list);
    for (size_t i = 0; i < ARRAY_LEN(differences); i++) {
        printf("%zu times: %s\n", n_known[i], differences[i].reason);
        if (!n_known[i]) {
            printf("... so this difference is no more\n");
            n_bad++;
        }
    }
    printf("json differential: %zu disagreements\n", n_bad);
    return n_bad != 0;
}
