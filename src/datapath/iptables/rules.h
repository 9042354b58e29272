/* The rules that say a forwarding state in iptables: kube-proxy's chains, and ours for what they lack.
 *
 * Pure text, one family at a time, in the form iptables-save prints. A top chain is a sequence of the lines
 * of each service port, so the chain changes only if a service port's lines do; the hashed chains belong to
 * one service port each.
 *
 * nat    KUBE-SERVICES -> KUBE-SVC- | KUBE-SVL- | KUBE-FW- | KUBE-EXT-, then node ports -> KUBE-NODEPORTS ->
 * KUBE-EXT-; KUBE-EXT- -> KUBE-SVC- | KUBE-SVL- -> KUBE-SEP- -> DNAT; KUBE-MARK-MASQ marks for
 * KUBE-POSTROUTING filter KUBE-SERVICES and KUBE-EXTERNAL-SERVICES refuse what has no backends;
 * KUBE-PROXY-FIREWALL drops what no source range let in; KUBE-FAIRLEAD-FILTER refuses other ports of a
 * ClusterIP (architecture decision 4)
 *
 * Source: 4.1 of the service reference (kube-proxy 1.36 pkg/proxy/iptables/proxier.go).
 */
#pragma once

#include "datapath/netfilter/iptables-text.h"
#include "service/forwarding-state.h"

/* Endpoints beyond which rules go without comments, as upstream does to save memory. */
#define RULES_LARGE_ENDPOINTS 1000

struct rule_context {
    enum ip_family family;
    uint32_t mark;     /* one bit of the packet mark: masquerade this */
    bool drop_invalid; /* drop packets conntrack calls invalid; off where the host wants them (tcp_be_liberal)
                        */
    bool comments;     /* on rules of endpoints; see rules_have_comments() */
};

/* Top chains made of the lines of service ports. */
enum rule_section {
    SECTION_NAT_SERVICES,
    SECTION_NAT_NODE_PORTS,
    SECTION_FILTER_SERVICES,
    SECTION_FILTER_EXTERNAL,
    SECTION_FILTER_FIREWALL,
    SECTION_FILTER_CLUSTER_IPS,
    N_SECTIONS,
};

bool rules_have_comments(const struct forwarding_state *state);

/* The lines P contributes to a section; none if P is of the other family. */
void rules_port_section(const struct rule_context *c, const struct forwarding_settings *settings,
                        const struct service_port *p, enum rule_section section, struct strbuf *out);
/* The hashed chains of P, dispatchers first. */
void rules_port_chains(const struct rule_context *c, const struct forwarding_settings *settings,
                       const struct service_port *p, struct chain_list *out);
/* The whole top chain of a section. */
void rules_section_chain(const struct rule_context *c, const struct forwarding_state *state,
                         enum rule_section section, struct chain_list *out);
/* Chains that do not depend on service ports one by one: marks, postrouting, forward, health checks,
 * canaries, and the entrance to the ClusterIPs' refusal. */
void rules_fixed_chains(const struct rule_context *c, const struct forwarding_state *state,
                        struct chain_list *out);
/* A chain that kubelet writes to as well: it is never emptied. */
#define RULES_SHARED_CHAIN "KUBE-FIREWALL"
/* Our one rule in it; empty if none is wanted. No line end. */
void rules_shared_rule(const struct rule_context *c, const struct forwarding_settings *settings,
                       struct strbuf *out);

/* Whether node ports answer on IPv4 loopback, which needs net.ipv4.conf.all.route_localnet. */
bool rules_need_route_localnet(const struct forwarding_state *state);

struct rule_jump {
    enum iptables_table table;
    const char *from, *to;
    const char *match; /* words between, "" if none */
};

/* Jumps from built-in chains, in the order in which they are inserted at the head. Ends with FROM == NULL.
 * Those to RULES_SHARED_CHAIN are wanted only with its rule. */
extern const struct rule_jump rule_jumps[];
/* "-A FROM MATCH -j TO" without a line end; the caller may turn -A into -I. */
void rules_format_jump(const struct rule_jump *jump, const char *operation, struct strbuf *out);

/* Chains of fixed names, per table, for cleanup. Ends with NAME == NULL. The shared chain is not among them.
 */
struct rule_chain {
    enum iptables_table table;
    const char *name;
};
extern const struct rule_chain rule_chains[];
