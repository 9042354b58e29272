/* Input for iptables-restore --noflush, put together chain by chain and printed table by table.
 *
 * Declaring a chain creates or empties it, so a chain that is written holds exactly the given rules
 * afterwards. Each table is one transaction of its own. The order is mangle, nat, filter: a new connection
 * then either is translated or meets a refusal that is still there, and none is refused because filter knows
 * of a Service before nat does.
 */
#pragma once

#include "datapath/netfilter/iptables-text.h"

struct restore_input {
    struct strbuf declare[N_TABLES], rules[N_TABLES], remove[N_TABLES];
};

void restore_input_done(struct restore_input *r);
void restore_write_chain(struct restore_input *r, enum iptables_table table, const char *name,
                         struct str rules);
void restore_delete_chain(struct restore_input *r, enum iptables_table table, struct str name);
/* One line, without its end, behind the declarations: "-I INPUT ...". */
void restore_add_line(struct restore_input *r, enum iptables_table table, struct str line);
/* Nothing if nothing was put in. */
void restore_print(const struct restore_input *r, struct strbuf *out);
