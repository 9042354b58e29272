/* Running iptables-save and iptables-restore of either variant, on the loop.
 *
 * A host has rules in one of two kernels interfaces: the old tables ("legacy") or nf_tables ("nft"). Rules in
 * one do not see those in the other, so a proxy must use what the rest of the host uses. One run at a time
 * per tool.
 */
#pragma once

#include "base/ip.h"
#include "io/loop.h"

enum iptables_variant {
    IPTABLES_UNKNOWN,
    IPTABLES_LEGACY,
    IPTABLES_NFT,
    IPTABLES_PLAIN /* only unsuffixed programs */
};

/* "legacy", "nft", "plain". */
const char *iptables_variant_name(enum iptables_variant variant);

struct iptables_tool;

struct iptables_tool *iptables_tool_new(struct loop *loop);
/* Ends a run without its callback. */
void iptables_tool_free(struct iptables_tool *t);

/* Whether the programs of a variant and family are installed. */
bool iptables_tool_exists(enum iptables_variant variant, enum ip_family family);

/* What the host's own rules and its "iptables" command suggest, for hosts with both variants: the one with
 * kubelet's chains, else the one with more rules, else that of the iptables command. The two texts are dumps
 * of the IPv4 rules. */
enum iptables_variant iptables_choose_variant(struct str legacy_dump, struct str nft_dump);
/* Whether anybody made old tables in this network namespace; dumping them otherwise would make them. */
bool iptables_has_legacy_tables(void);

/* OUT: what the program printed, borrowed during the callback. ERR: the program's own words. */
struct iptables_callback {
    void (*done)(void *user, int result, struct str out, const struct err *err);
    void *user;
};

/* Errors: -EAGAIN somebody held the lock of the tables too long; -EIO the program failed; -ETIMEDOUT; those
 * of process_start. */
void iptables_tool_save(struct iptables_tool *t, enum iptables_variant variant, enum ip_family family,
                        struct iptables_callback callback);
/* INPUT is borrowed during the call. Existing rules and counters stay unless INPUT says otherwise. */
void iptables_tool_restore(struct iptables_tool *t, enum iptables_variant variant, enum ip_family family,
                           struct str input, struct iptables_callback callback);
