/* The fake datapath: its kernel is a forwarding state in memory.
 *
 * It ships, is reached by every caller through datapath.h like any other, and can be told to fail, to be
 * slow, and to lose what it has. It answers what would happen to a packet (probe.h). The simulation and the
 * conformance suite run on it.
 */
#pragma once

#include "base/random.h"
#include "datapath/fake/probe.h"
#include "datapath/provider.h"

extern const struct datapath_provider datapath_provider_fake;

struct fake;

/* NULL if DP is another provider. */
struct fake *fake_of(struct datapath *dp);

/* The next N applies fail with RESULT (a negative errno) and change nothing. */
void fake_fail_next(struct fake *f, int n, int result);
/* Reads and applies take that long from now on. */
void fake_set_delay_ms(struct fake *f, int64_t delay_ms);
/* Somebody flushed the kernel: what was applied is gone until the next repair. */
void fake_lose(struct fake *f);

/* The kernel has STATE (a reference is taken): what a predecessor, closed since, left in it. */
void fake_restore(struct fake *f, struct forwarding_state *state);

/* What the fake kernel has; never NULL. */
const struct forwarding_state *fake_kernel(const struct fake *f);

struct fake_connection {
    struct probe_result verdict;
    struct backend backend; /* of PROBE_FORWARD; ip IP_NONE otherwise */
    bool masqueraded;       /* the backend sees an address of the node */
};

/* Opens a connection at NOW: remembers affinity as a kernel does. Clients remembered are limited; a new one
 * beyond the limit is served and not remembered. */
void fake_connect(struct fake *f, const struct probe_node *node, const struct probe_packet *packet,
                  struct random *random, struct monotime now, struct fake_connection *ret);
