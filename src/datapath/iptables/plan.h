/* Plans of the iptables provider: what to feed to iptables-restore, one family at a time. Pure. */
#pragma once

#include "datapath/iptables/rules.h"
#include "datapath/netfilter/restore-input.h"

/* Prefix of all chains that belong to a service proxy, ours and kube-proxy's, and of some of kubelet's. */
#define PLAN_CHAIN_PREFIX "KUBE-"

/* From what a dump holds: writes each chain that differs, inserts missing jumps, deletes chains of service
 * ports that are gone. Prints nothing if the kernel has it all. */
void plan_from_dump(const struct rule_context *c, const struct iptables_dump *dump,
                    const struct forwarding_state *want, struct strbuf *out);

/* From the difference of two states, in proportion to what changed: a long top chain is edited rule by rule,
 * a short one written whole. Supposes that the jumps are in place. The comments of C are set by the callee.
 */
/* False if rules of unchanged service ports may look different: then only a dump tells what to write. */
bool plan_knows_difference(const struct forwarding_state *have, const struct forwarding_state *want);
void plan_from_difference(const struct rule_context *c, const struct forwarding_state *have,
                          const struct forwarding_state *want, struct strbuf *out);

/* Removes every jump and chain of a service proxy that the dump holds; leaves the shared chain. */
void plan_cleanup(const struct iptables_dump *dump, struct strbuf *out);
