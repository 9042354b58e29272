/* The text of iptables-save and iptables-restore: writing it chain by chain, and knowing what a dump holds.
 *
 * struct chain_list collects chains with their rules. struct iptables_dump keeps a digest of every chain of a
 * dump, over a canonical form of its rules, so that "is this chain what I would write?" is one look-up, for
 * both variants of iptables and whatever way each prints the same rule.
 */
#pragma once

#include "base/err.h"
#include "base/map.h"

enum iptables_table { TABLE_NAT, TABLE_FILTER, TABLE_MANGLE, N_TABLES };

const char *iptables_table_name(enum iptables_table table);

struct chain_text {
    enum iptables_table table;
    char name[32];
    size_t start, len; /* of its rules in the list's text: "-A NAME ...\n" each */
};

struct chain_list {
    struct strbuf text;
    struct chain_text *v;
    size_t n, capacity;
};

void chain_list_done(struct chain_list *l);
/* Opens the next chain; rules appended to L->text from now on are its own. */
void chain_list_begin(struct chain_list *l, enum iptables_table table, const char *name);
void chain_list_end(struct chain_list *l);
struct str chain_list_rules(const struct chain_list *l, const struct chain_text *c);

struct iptables_dump {
    struct map chains; /* "table name" -> digest (IPTABLES_DIGEST_LEN bytes) */
    struct map
        rules; /* "table " and canonical rule, of the chains that are not whole ours -> the dump itself */
};

#define IPTABLES_DIGEST_LEN 32
#define IPTABLES_DUMP_MAX                                                                                    \
    ((size_t)1 << 30) /* bytes of a dump; 50,000 Services of ten endpoints make 200 MB */

/* Reads what iptables-save printed. Chains whose name starts with PREFIX get digests; of all others only the
 * rules that name such a chain are kept, and all of the chain SHARED, which others write to as well. Unknown
 * tables are skipped. Errors: -EINVAL not a dump; -E2BIG. */
int iptables_dump_parse(struct str text, struct str prefix, struct str shared, struct iptables_dump *ret,
                        struct err *err);
void iptables_dump_done(struct iptables_dump *d);

bool iptables_dump_has_chain(const struct iptables_dump *d, enum iptables_table table, struct str name);
/* Whether the chain is there with exactly these rules ("-A NAME ...\n" each). */
bool iptables_dump_has_same(const struct iptables_dump *d, enum iptables_table table, const char *name,
                            struct str rules);
/* Whether a rule ("-A CHAIN ...") of a chain that is not whole ours is there. */
bool iptables_dump_has_rule(const struct iptables_dump *d, enum iptables_table table, struct str rule);

/* Calls EACH with the table and name of every chain that got a digest, in no order. */
void iptables_dump_each_chain(const struct iptables_dump *d,
                              void (*each)(enum iptables_table table, struct str name, void *user),
                              void *user);

/* The canonical form of one rule: its words, unquoted, one per line. Appends to OUT. */
void iptables_rule_canonical(struct str rule, struct strbuf *out);
