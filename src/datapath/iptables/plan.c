#include "datapath/iptables/plan.h"

#include "datapath/iptables/chain-name.h"

/* A chain is edited if it has this many rules for each one that changes; else it is written whole. */
#define EDIT_MIN_RATIO 4

static void restore_input_cleanup(struct restore_input *r)
{
    restore_input_done(r);
}

static void render_all(const struct rule_context *c, const struct forwarding_state *state,
                       struct chain_list *out)
{
    rules_fixed_chains(c, state, out);
    for (int section = 0; section < N_SECTIONS; section++)
        rules_section_chain(c, state, (enum rule_section)section, out);
    for (size_t i = 0; i < state->n_ports; i++)
        rules_port_chains(c, &state->settings, state->ports[i], out);
}

/* Chains of a service proxy, by name; kubelet's own (KUBE-KUBELET-CANARY, ...) are not. */
static bool is_ours(enum iptables_table table, struct str name)
{
    for (const struct rule_chain *c = rule_chains; c->name; c++)
        if (c->table == table && str_eqz(name, c->name))
            return true;
    return (table == TABLE_NAT && chain_name_is_hashed(name)) || str_has_prefix(name, STR("KUBE-FAIRLEAD-"));
}

struct stale_search {
    struct map wanted; /* "table name" */
    struct restore_input *restore;
};

static void chain_key(enum iptables_table table, struct str name, struct strbuf *out)
{
    strbuf_addf(out, "%d ", (int)table);
    strbuf_add_str(out, name);
}

static void delete_if_stale(enum iptables_table table, struct str name, void *user)
{
    struct stale_search *s = user;
    _cleanup_(strbuf_done) struct strbuf key = {0};
    chain_key(table, name, &key);
    if (is_ours(table, name) && !map_has(&s->wanted, strbuf_str(&key)))
        restore_delete_chain(s->restore, table, name);
}

static void delete_stale(const struct iptables_dump *dump, const struct chain_list *chains,
                         struct restore_input *restore)
{
    struct stale_search search = {.restore = restore};
    for (size_t i = 0; i < chains->n; i++) {
        _cleanup_(strbuf_done) struct strbuf key = {0};
        chain_key(chains->v[i].table, str_of(chains->v[i].name), &key);
        (void)map_put(&search.wanted, strbuf_str(&key), restore); /* a set */
    }
    iptables_dump_each_chain(dump, delete_if_stale, &search);
    map_done(&search.wanted, NULL);
}

static void ensure_shared_rule(const struct iptables_dump *dump, struct str rule,
                               struct restore_input *restore)
{
    if (!iptables_dump_has_chain(dump, TABLE_FILTER, STR(RULES_SHARED_CHAIN)))
        restore_write_chain(restore, TABLE_FILTER, RULES_SHARED_CHAIN, STR(""));
    if (!iptables_dump_has_rule(dump, TABLE_FILTER, rule))
        restore_add_line(restore, TABLE_FILTER, rule);
}

static void ensure_jumps(const struct iptables_dump *dump, bool shared, struct restore_input *restore)
{
    for (const struct rule_jump *j = rule_jumps; j->from; j++) {
        _cleanup_(strbuf_done) struct strbuf line = {0};
        if (!shared && strcmp(j->to, RULES_SHARED_CHAIN) == 0)
            continue;
        rules_format_jump(j, "-A", &line);
        if (iptables_dump_has_rule(dump, j->table, strbuf_str(&line)))
            continue;
        line.p[1] = 'I';
        restore_add_line(restore, j->table, strbuf_str(&line));
    }
}

void plan_from_dump(const struct rule_context *c, const struct iptables_dump *dump,
                    const struct forwarding_state *want, struct strbuf *out)
{
    struct rule_context context = *c;
    struct chain_list chains = {0};
    _cleanup_(restore_input_cleanup) struct restore_input restore = {0};
    _cleanup_(strbuf_done) struct strbuf shared = {0};
    context.comments = rules_have_comments(want);
    render_all(&context, want, &chains);
    for (size_t i = 0; i < chains.n; i++) {
        const struct chain_text *t = &chains.v[i];
        struct str rules = chain_list_rules(&chains, t);
        if (!iptables_dump_has_same(dump, t->table, t->name, rules))
            restore_write_chain(&restore, t->table, t->name, rules);
    }
    rules_shared_rule(&context, &want->settings, &shared);
    if (shared.len)
        ensure_shared_rule(dump, strbuf_str(&shared), &restore);
    ensure_jumps(dump, shared.len > 0, &restore);
    delete_stale(dump, &chains, &restore);
    chain_list_done(&chains);
    restore_print(&restore, out);
}

/* One side of a difference. */
struct side {
    struct rule_context context;
    const struct forwarding_state *state;
};

/* Writes the chains of IS that WAS lacks or has otherwise; deletes those that only WAS has. */
static void write_difference(const struct chain_list *was, const struct chain_list *is,
                             struct restore_input *restore)
{
    struct map old = {0};
    for (size_t i = 0; i < was->n; i++)
        (void)map_put(&old, str_of(was->v[i].name),
                      &was->v[i]); /* names are unique within what is compared */
    for (size_t i = 0; i < is->n; i++) {
        const struct chain_text *t = &is->v[i];
        const struct chain_text *before = map_delete(&old, str_of(t->name));
        struct str rules = chain_list_rules(is, t);
        if (!before || !str_eq(chain_list_rules(was, before), rules))
            restore_write_chain(restore, t->table, t->name, rules);
    }
    for (size_t i = 0; i < was->n; i++) /* in order, which the map has not */
        if (map_has(&old, str_of(was->v[i].name)))
            restore_delete_chain(restore, was->v[i].table, str_of(was->v[i].name));
    map_done(&old, NULL);
}

static void render_port(const struct side *s, const struct service_port *p, struct chain_list *out)
{
    if (p)
        rules_port_chains(&s->context, &s->state->settings, p, out);
}

static bool section_differs(const struct side *from, const struct service_port *was, const struct side *to,
                            const struct service_port *is, enum rule_section section)
{
    _cleanup_(strbuf_done) struct strbuf a = {0}, b = {0};
    if (was)
        rules_port_section(&from->context, &from->state->settings, was, section, &a);
    if (is)
        rules_port_section(&to->context, &to->state->settings, is, section, &b);
    return !str_eq(strbuf_str(&a), strbuf_str(&b));
}

static void compare_ports(const struct side *from, const struct service_port *was, const struct side *to,
                          const struct service_port *is, struct restore_input *restore)
{
    struct chain_list a = {0}, b = {0};
    render_port(from, was, &a);
    render_port(to, is, &b);
    write_difference(&a, &b, restore);
    chain_list_done(&a);
    chain_list_done(&b);
}

/* Chains whose names only differ by their table must not meet in one comparison. */
static void compare_fixed(const struct side *from, const struct side *to, struct restore_input *restore)
{
    struct chain_list a = {0}, b = {0};
    rules_fixed_chains(&from->context, from->state, &a);
    rules_fixed_chains(&to->context, to->state, &b);
    for (size_t i = 0; i < b.n; i++) { /* both lists have the same chains in the same order */
        struct str rules = chain_list_rules(&b, &b.v[i]);
        if (!str_eq(chain_list_rules(&a, &a.v[i]), rules))
            restore_write_chain(restore, b.v[i].table, b.v[i].name, rules);
    }
    chain_list_done(&a);
    chain_list_done(&b);
}

static void compare_changed(const struct side *from, const struct side *to, bool dirty[static N_SECTIONS],
                            struct restore_input *restore)
{
    struct forwarding_diff d = forwarding_diff_start(from->state, to->state);
    const struct service_port *was, *is;
    while (forwarding_diff_next(&d, &was, &is)) {
        if ((was ? was : is)->family != to->context.family)
            continue;
        compare_ports(from, was, to, is, restore);
        for (int s = 0; s < N_SECTIONS; s++)
            dirty[s] = dirty[s] || section_differs(from, was, to, is, (enum rule_section)s);
    }
}

bool plan_knows_difference(const struct forwarding_state *have, const struct forwarding_state *want)
{
    return rules_have_comments(have) == rules_have_comments(want) &&
           forwarding_settings_equal(&have->settings, &want->settings);
}

/* The lines in which two texts differ, as one region; what stands before and behind it is the same. */
struct edit {
    struct str old, new; /* whole lines */
    size_t n_before;     /* lines in front */
    size_t n_lines;      /* of the new text */
};

static size_t count_lines(struct str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += text.p[i] == '\n';
    return n;
}

static bool is_line_start(struct str text, size_t at)
{
    return at == 0 || text.p[at - 1] == '\n';
}

static struct edit compare_lines(struct str was, struct str is)
{
    size_t front = 0, back = 0, same = 0;
    while (same < was.len && same < is.len && was.p[same] == is.p[same]) {
        same++;
        if (was.p[same - 1] == '\n')
            front = same;
    }
    /* From the end, as long as lines are the same; the byte in front of a whole line is a line end, or there
     * is none. */
    size_t most = MIN(was.len, is.len) - front;
    for (same = 0; same < most && was.p[was.len - same - 1] == is.p[is.len - same - 1]; same++)
        if (was.p[was.len - same - 1] == '\n')
            back = same;
    if (same == most && is_line_start(was, was.len - same) && is_line_start(is, is.len - same))
        back = same;
    return (struct edit){.old = str_slice(was, front, was.len - back),
                         .new = str_slice(is, front, is.len - back),
                         .n_before = count_lines(str_slice(is, 0, front)),
                         .n_lines = count_lines(is)};
}

/* Changes single rules of a long chain: the nft variant takes four times as long to write 1,000 rules anew. A
 * rule to delete is named by its text, so that a chain which others changed makes the restore fail, and then
 * the kernel is read. New rules are numbered upwards: each is put in front of the same old rule, because
 * iptables-nft cannot point to one of the same transaction. */
static void write_edit(struct restore_input *restore, enum iptables_table table, const char *chain,
                       const struct edit *edit)
{
    _cleanup_(strbuf_done) struct strbuf line = {0};
    struct str rest = edit->old, rule;
    size_t position = edit->n_before;
    while (rest.len && str_split(&rest, '\n', &rule) && rule.len) {
        strbuf_truncate(&line, 0);
        strbuf_addf(&line, "-D%.*s", STR_ARG(str_slice(rule, 2, rule.len)));
        restore_add_line(restore, table, strbuf_str(&line));
    }
    rest = edit->new;
    while (rest.len && str_split(&rest, '\n', &rule) && rule.len) {
        size_t head = strlen("-A ") + strlen(chain);
        strbuf_truncate(&line, 0);
        strbuf_addf(&line, "-I %s %zu%.*s", chain, ++position, STR_ARG(str_slice(rule, head, rule.len)));
        restore_add_line(restore, table, strbuf_str(&line));
    }
}

static void write_section(const struct side *from, const struct side *to, enum rule_section section,
                          struct restore_input *restore)
{
    struct chain_list was = {0}, is = {0};
    rules_section_chain(&from->context, from->state, section, &was);
    rules_section_chain(&to->context, to->state, section, &is);
    const struct chain_text *t = &is.v[0];
    struct str rules = chain_list_rules(&is, t);
    struct edit edit = compare_lines(chain_list_rules(&was, &was.v[0]), rules);
    if ((count_lines(edit.old) + count_lines(edit.new)) * EDIT_MIN_RATIO <= edit.n_lines)
        write_edit(restore, t->table, t->name, &edit);
    else
        restore_write_chain(restore, t->table, t->name, rules);
    chain_list_done(&was);
    chain_list_done(&is);
}

void plan_from_difference(const struct rule_context *c, const struct forwarding_state *have,
                          const struct forwarding_state *want, struct strbuf *out)
{
    struct side from = {*c, have}, to = {*c, want};
    bool dirty[N_SECTIONS] = {false};
    _cleanup_(restore_input_cleanup) struct restore_input restore = {0};
    from.context.comments = rules_have_comments(have);
    to.context.comments = rules_have_comments(want);
    compare_fixed(&from, &to, &restore);
    compare_changed(&from, &to, dirty, &restore);
    for (int s = 0; s < N_SECTIONS; s++)
        if (dirty[s])
            write_section(&from, &to, (enum rule_section)s, &restore);
    restore_print(&restore, out);
}

static void delete_if_ours(enum iptables_table table, struct str name, void *user)
{
    if (is_ours(table, name))
        restore_delete_chain(user, table, name);
}

void plan_cleanup(const struct iptables_dump *dump, struct strbuf *out)
{
    _cleanup_(restore_input_cleanup) struct restore_input restore = {0};
    for (const struct rule_jump *j = rule_jumps; j->from; j++) {
        _cleanup_(strbuf_done) struct strbuf line = {0};
        rules_format_jump(j, "-A", &line);
        if (strcmp(j->to, RULES_SHARED_CHAIN) == 0 ||
            !iptables_dump_has_rule(dump, j->table, strbuf_str(&line)))
            continue;
        line.p[1] = 'D';
        restore_add_line(&restore, j->table, strbuf_str(&line));
    }
    iptables_dump_each_chain(dump, delete_if_ours, &restore);
    restore_print(&restore, out);
}
