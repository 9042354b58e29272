#include "datapath/netfilter/iptables-text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "base/array.h"
#include "base/encoding.h"

static const char *const table_names[] = {"nat", "filter", "mangle"};

const char *iptables_table_name(enum iptables_table table)
{
    return table_names[table];
}

void chain_list_done(struct chain_list *l)
{
    strbuf_done(&l->text);
    array_done(l);
}

void chain_list_begin(struct chain_list *l, enum iptables_table table, const char *name)
{
    struct chain_text *c = array_push(l);
    *c = (struct chain_text){.table = table, .start = l->text.len};
    (void)snprintf(c->name, sizeof c->name, "%s", name);
}

void chain_list_end(struct chain_list *l)
{
    struct chain_text *c = &l->v[l->n - 1];
    c->len = l->text.len - c->start;
}

struct str chain_list_rules(const struct chain_list *l, const struct chain_text *c)
{
    return str_slice(strbuf_str(&l->text), c->start, c->start + c->len);
}

/* Takes the next word of a rule, without quotes and escapes, appending it to OUT; false at the end. */
static bool next_word(struct str *rest, struct strbuf *out)
{
    size_t i = 0;
    bool quoted = false;
    while (i < rest->len && rest->p[i] == ' ')
        i++;
    if (i == rest->len)
        return false;
    for (; i < rest->len && (quoted || rest->p[i] != ' '); i++) {
        char c = rest->p[i];
        if (c == '"') {
            quoted = !quoted;
            continue;
        }
        if (c == '\\' && i + 1 < rest->len)
            c = rest->p[++i];
        strbuf_addc(out, c);
    }
    *rest = str_slice(*rest, i, rest->len);
    return true;
}

/* The kernel keeps a probability as 31 bits; how many decimals are printed depends on who prints. */
static void canonical_probability(struct strbuf *out, size_t start)
{
    double p = strtod(out->p + start, NULL);
    long bits = p >= 0 && p <= 1 ? lround(p * 2147483648.0) : -1;
    strbuf_truncate(out, start);
    strbuf_addf(out, "%ld", bits);
}

void iptables_rule_canonical(struct str rule, struct strbuf *out)
{
    bool probability = false;
    for (size_t start = out->len; next_word(&rule, out); start = out->len) {
        if (probability)
            canonical_probability(out, start);
        probability = out->len - start == strlen("--probability") &&
                      memcmp(out->p + start, "--probability", out->len - start) == 0;
        strbuf_addc(out, '\n');
    }
}

static void digest_of_rules(struct str rules, uint8_t ret[static IPTABLES_DIGEST_LEN])
{
    _cleanup_(strbuf_done) struct strbuf canonical = {0};
    struct str line;
    while (str_split(&rules, '\n', &line)) {
        if (!line.len)
            continue;
        iptables_rule_canonical(line, &canonical);
        strbuf_addc(&canonical, '\n');
    }
    sha256(strbuf_str(&canonical), ret);
}

static void make_key(enum iptables_table table, struct str name, struct strbuf *out)
{
    strbuf_addf(out, "%s ", table_names[table]);
    strbuf_add_str(out, name);
}

/* Rules of one table while it is read: a dump lists them chain by chain, but nobody promises that. */
struct reader {
    struct iptables_dump *dump;
    struct str prefix, shared;
    enum iptables_table table; /* N_TABLES: one that is skipped */
    struct map pending;        /* chain -> struct strbuf of its rules */
};

static void free_pending(void *value)
{
    struct strbuf *b = value;
    strbuf_done(b);
    free(b);
}

static void finish_table(struct reader *r)
{
    map_foreach (&r->pending, it) {
        _cleanup_(strbuf_done) struct strbuf key = {0};
        uint8_t digest[IPTABLES_DIGEST_LEN];
        digest_of_rules(strbuf_str(it->value), digest);
        make_key(r->table, it->key, &key);
        free(map_put(&r->dump->chains, strbuf_str(&key), mem_dup(digest, sizeof digest)));
    }
    map_done(&r->pending, free_pending);
    r->table = N_TABLES;
}

static void start_table(struct reader *r, struct str name)
{
    for (int i = 0; i < N_TABLES; i++)
        if (str_eqz(name, table_names[i]))
            r->table = (enum iptables_table)i;
}

static struct str first_word(struct str s)
{
    ptrdiff_t end = str_find_char(s, ' ');
    return end < 0 ? s : str_slice(s, 0, (size_t)end);
}

static void take_chain(struct reader *r, struct str name)
{
    if (r->table == N_TABLES || !str_has_prefix(name, r->prefix) || map_has(&r->pending, name))
        return;
    (void)map_put(&r->pending, name, mem_new(struct strbuf)); /* was not there */
}

static void take_rule(struct reader *r, struct str line)
{
    if (r->table == N_TABLES)
        return;
    struct str chain = first_word(str_slice(line, 3, line.len));
    struct strbuf *rules = map_find(&r->pending, chain);
    if (rules) {
        strbuf_add_str(rules, line);
        strbuf_addc(rules, '\n');
    }
    _cleanup_(strbuf_done) struct strbuf key = {0};
    make_key(r->table, STR(""), &key);
    iptables_rule_canonical(line, &key);
    if (!rules || str_eq(chain, r->shared))
        (void)map_put(&r->dump->rules, strbuf_str(&key), r->dump); /* twice is as good as once */
}

static bool concerns_us(const struct reader *r, struct str line)
{
    return map_has(&r->pending, first_word(str_slice(line, 3, line.len))) || str_find(line, r->prefix) >= 0;
}

int iptables_dump_parse(struct str text, struct str prefix, struct str shared, struct iptables_dump *ret,
                        struct err *err)
{
    struct iptables_dump dump = {0};
    struct reader r = {.dump = &dump, .prefix = prefix, .shared = shared, .table = N_TABLES};
    struct str line;
    int result =
        text.len > IPTABLES_DUMP_MAX ? err_set(err, -E2BIG, "an iptables dump of %zu bytes", text.len) : 0;
    for (size_t number = 1; result == 0 && str_split(&text, '\n', &line); number++) {
        if (!line.len || line.p[0] == '#')
            continue;
        if (line.p[0] == '*')
            start_table(&r, str_slice(line, 1, line.len));
        else if (line.p[0] == ':')
            take_chain(&r, first_word(str_slice(line, 1, line.len)));
        else if (str_eqz(line, "COMMIT"))
            finish_table(&r);
        else if (!str_has_prefix(line, STR("-A ")))
            result = err_set(err, -EINVAL, "line %zu of the iptables dump is not understood", number);
        else if (concerns_us(&r, line))
            take_rule(&r, line);
    }
    map_done(&r.pending, free_pending);
    if (result < 0) {
        iptables_dump_done(&dump);
        return result;
    }
    map_foreach (&dump.rules, it)
        it->value = ret; /* any value but NULL; the local one is about to go */
    *ret = dump;
    return 0;
}

void iptables_dump_done(struct iptables_dump *d)
{
    map_done(&d->chains, free);
    map_done(&d->rules, NULL);
}

bool iptables_dump_has_chain(const struct iptables_dump *d, enum iptables_table table, struct str name)
{
    _cleanup_(strbuf_done) struct strbuf key = {0};
    make_key(table, name, &key);
    return map_has(&d->chains, strbuf_str(&key));
}

bool iptables_dump_has_same(const struct iptables_dump *d, enum iptables_table table, const char *name,
                            struct str rules)
{
    _cleanup_(strbuf_done) struct strbuf key = {0};
    uint8_t digest[IPTABLES_DIGEST_LEN];
    make_key(table, str_of(name), &key);
    const void *there = map_find(&d->chains, strbuf_str(&key));
    if (!there)
        return false;
    digest_of_rules(rules, digest);
    return memcmp(there, digest, sizeof digest) == 0;
}

bool iptables_dump_has_rule(const struct iptables_dump *d, enum iptables_table table, struct str rule)
{
    _cleanup_(strbuf_done) struct strbuf key = {0};
    make_key(table, STR(""), &key);
    iptables_rule_canonical(rule, &key);
    return map_has(&d->rules, strbuf_str(&key));
}

void iptables_dump_each_chain(const struct iptables_dump *d,
                              void (*each)(enum iptables_table table, struct str name, void *user),
                              void *user)
{
    map_foreach (&d->chains, it) {
        ptrdiff_t space = str_find_char(it->key, ' ');
        for (int i = 0; i < N_TABLES; i++)
            if (str_eqz(str_slice(it->key, 0, (size_t)space), table_names[i]))
                each((enum iptables_table)i, str_slice(it->key, (size_t)space + 1, it->key.len), user);
    }
}
