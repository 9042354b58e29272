/* Pieces of rules. Inside of rules-*.c only. */
#pragma once

#include "datapath/iptables/chain-name.h"
#include "datapath/iptables/rules.h"

/* "-A CHAIN" */
void rule_begin(struct strbuf *out, const char *chain);
/* " -d IP/32" or " -s ..." */
void rule_address(struct strbuf *out, const char *option, const struct ip *ip);
void rule_prefix(struct strbuf *out, const char *option, const struct ip_prefix *prefix);
/* " -m comment --comment "NAMESPACE/NAME:PORT TEXT"" */
void rule_comment(struct strbuf *out, const struct service_port *p, const char *text);
/* " -p PROTO" and " -m PROTO --dport PORT": the comment stands between, as iptables-save has it. */
void rule_protocol(struct strbuf *out, const struct service_port *p);
void rule_dport(struct strbuf *out, const struct service_port *p, uint16_t port);
/* " -j TARGET" and the end of the line */
void rule_jump_to(struct strbuf *out, const char *target);
/* " -j REJECT ..." or DROP. TCP gets a reset where kube-proxy sends an ICMP error: errors are limited to a
 * few per second and client, and one that arrives while the client is still inside connect(2), as from a pod
 * of the same node, does not end the attempt: it then takes the SYN's repetition, a second later. */
void rule_refuse(struct strbuf *out, const struct service_port *p, enum frontend_action action);
/* " -j REJECT ..." by ICMP */
void rule_unreachable(struct strbuf *out, enum ip_family family);
/* The match "source is (not) a pod of this node". Only if the detector detects. */
enum detect_sense { DETECT_IS_LOCAL, DETECT_IS_NOT_LOCAL };
void rule_detect(struct strbuf *out, const struct detector *d, enum detect_sense sense);

const struct ip_prefix *rules_loopback(enum ip_family family);
/* Whether node ports of the family take loopback destinations. */
bool rules_take_loopback(const struct rule_context *c, const struct forwarding_settings *s);
