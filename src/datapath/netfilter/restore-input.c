#include "datapath/netfilter/restore-input.h"

void restore_input_done(struct restore_input *r)
{
    for (int i = 0; i < N_TABLES; i++) {
        strbuf_done(&r->declare[i]);
        strbuf_done(&r->rules[i]);
        strbuf_done(&r->remove[i]);
    }
}

void restore_write_chain(struct restore_input *r, enum iptables_table table, const char *name,
                         struct str rules)
{
    strbuf_addf(&r->declare[table], ":%s - [0:0]\n", name);
    strbuf_add_str(&r->rules[table], rules);
}

void restore_delete_chain(struct restore_input *r, enum iptables_table table, struct str name)
{
    /* Emptied first: only then nothing of this restore still points to or from it. */
    strbuf_addf(&r->declare[table], ":%.*s - [0:0]\n", STR_ARG(name));
    strbuf_addf(&r->remove[table], "-X %.*s\n", STR_ARG(name));
}

void restore_add_line(struct restore_input *r, enum iptables_table table, struct str line)
{
    strbuf_add_str(&r->rules[table], line);
    strbuf_addc(&r->rules[table], '\n');
}

void restore_print(const struct restore_input *r, struct strbuf *out)
{
    static const enum iptables_table order[] = {TABLE_MANGLE, TABLE_NAT, TABLE_FILTER};
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        enum iptables_table t = order[i];
        if (!r->declare[t].len && !r->rules[t].len)
            continue;
        strbuf_addf(out, "*%s\n", iptables_table_name(t));
        strbuf_add_str(out, strbuf_str(&r->declare[t]));
        strbuf_add_str(out, strbuf_str(&r->rules[t]));
        strbuf_add_str(out, strbuf_str(&r->remove[t]));
        strbuf_addz(out, "COMMIT\n");
    }
}
