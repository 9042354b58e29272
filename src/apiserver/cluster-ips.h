/* Cluster IPs: which addresses a Service may have, from the ServiceCIDR objects, and whose they are, from the
 * IPAddress objects.
 *
 * An IPAddress named after the address is the allocation: creating it in the Service's own transaction is the
 * lock, so that a crash can neither leak nor double an address and nothing has to be repaired. Until the
 * transaction is decided the address is reserved here. Dynamic choices prefer the part of a range behind its
 * static band (KEP-3070). Source: upstream's ipallocator, 1.36; section 1.8 of the semantics.
 */
#pragma once

#include "apiserver/registry.h"
#include "base/ip.h"
#include "base/map.h"

struct cluster_ips {
    const struct resource *addresses, *ranges; /* IPAddress and ServiceCIDR */
    struct map reserved;                       /* address text of changes under way */
    uint64_t n_allocations[2], n_errors[2];    /* dynamic, static */
};

enum {
    CLUSTER_IP_TAKEN = 1,
    CLUSTER_IP_OUT_OF_RANGE = 2,
    CLUSTER_IP_RANGE_FULL = 3,
    CLUSTER_IP_NO_RANGE = 4
};

/* Reserves this address and adds its IPAddress object to the change. Errors: CLUSTER_IP_TAKEN,
 * CLUSTER_IP_OUT_OF_RANGE. */
int cluster_ips_take(struct cluster_ips *s, struct change *c, const struct ip *ip);
/* The same for a free one of the family; in a dry run nothing is reserved and the answer is the network's
 * base. Errors: CLUSTER_IP_RANGE_FULL, CLUSTER_IP_NO_RANGE. */
int cluster_ips_pick(struct cluster_ips *s, struct change *c, enum ip_family family, struct ip *ret);
void cluster_ips_unreserve(struct cluster_ips *s, const struct ip *ip);
/* Deletes the IPAddress of an address in the change's transaction. */
void cluster_ips_release(struct cluster_ips *s, struct change *c, struct str ip_text);

/* All usable ranges as "10.96.0.0/16,fd00::/108", for messages. */
struct str cluster_ips_ranges(struct cluster_ips *s, struct arena *a);
void cluster_ips_metrics(struct cluster_ips *s, struct strbuf *out);
