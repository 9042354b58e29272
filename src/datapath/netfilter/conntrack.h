/* Removes UDP connections that the kernel remembers towards backends that no longer exist.
 *
 * Conntrack keeps sending a client's datagrams where the first one went; a client with a fixed source port
 * would never reach another backend. After an apply that touched UDP, one dump of the table is compared with
 * the state: an entry that entered through one of our frontends (by its original destination) and is answered
 * by something that is no backend of it is deleted. Unlike kube-proxy this also holds for service ports
 * without any backend and for those that are gone, and it starts from the state, so nothing is lost when the
 * process was away. TCP is never touched.
 *
 * The dump is read piece by piece on the loop. Runs coalesce. Failing is harmless: entries time out.
 *
 * Source: 5.1 of the service reference; kubernetes#139628, #125467.
 */
#pragma once

#include "io/loop.h"
#include "service/forwarding-state.h"

struct conntrack_cleaner;

/* DELETED is counted up; it must outlive the cleaner. */
struct conntrack_cleaner *conntrack_cleaner_new(struct loop *loop, const bool families[2], uint64_t *deleted);
void conntrack_cleaner_free(struct conntrack_cleaner *c);
bool conntrack_cleaner_is_busy(const struct conntrack_cleaner *c);

/* Starts a pass if anything about UDP differs between WAS (NULL: not known, as after a start) and IS. */
void conntrack_cleaner_run(struct conntrack_cleaner *c, struct forwarding_state *was,
                           struct forwarding_state *is);

/* The decision alone, for tests: a connection as conntrack has it. */
struct conntrack_flow {
    struct ip original_dst, reply_src;
    uint16_t original_dport, reply_sport;
    bool translated; /* the kernel changed its destination */
};

struct stale_rules;
struct stale_rules *stale_rules_new(const struct forwarding_state *was, const struct forwarding_state *is,
                                    enum ip_family family);
void stale_rules_free(struct stale_rules *r);
bool stale_rules_match(const struct stale_rules *r, const struct conntrack_flow *flow);
