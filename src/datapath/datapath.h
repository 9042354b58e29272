/* A datapath, for those who use one (src/proxy, the conformance driver).
 *
 * It brings the kernel to a forwarding state and keeps it there. One request runs at a time and ends with its
 * callback, never inside the call; whoever has newer states meanwhile keeps the newest and asks again
 * (requests coalesce at the caller). A failed request leaves the kernel as it was or, where a provider says
 * so, half done in a way its header describes; the next request starts from what the kernel really has.
 *
 *     datapath_open("iptables", &options, &dp, &err);
 *     datapath_apply(dp, state, (struct datapath_callback){on_applied, self});
 *     ...                              // on_applied(self, 0, NULL)
 *     datapath_close(dp);              // the rules stay
 *
 * Not for threads: everything runs on the loop of the options. Providers are written against provider.h.
 */
#pragma once

#include "base/err.h"
#include "io/loop.h"
#include "service/forwarding-state.h"

struct datapath;

/* RESULT: 0, DATAPATH_REPAIRED, or a negative errno; ERR is never NULL when RESULT is negative, and only
 * lives during the call. The callback may make the next request. */
struct datapath_callback {
    void (*done)(void *user, int result, const struct err *err);
    void *user;
};

enum { DATAPATH_REPAIRED = 1 };

/* What a provider can do, as data: callers ask this instead of a name. */
struct datapath_capabilities {
    bool needs_root;     /* touches the kernel */
    bool uses_conntrack; /* UDP connections outlive their rules and are to be cleaned up */
    bool localhost_node_ports;
    bool transactional; /* a failed apply has changed nothing */
    bool notices_drift; /* reports others' changes by itself; else call datapath_repair() now and then */
};

struct datapath_options {
    struct loop *loop;
    bool families[2];    /* v4, v6: those that are not asked for are left alone */
    int masquerade_bit;  /* 0..31, of the packet mark, where the datapath uses marks */
    const char *variant; /* of the provider: "" or NULL finds out; iptables: "legacy", "nft" */
};

/* Counters since open. */
struct datapath_stats {
    uint64_t applied, unchanged; /* requests that wrote something, that found nothing to do */
    uint64_t failures;           /* attempts that failed, also those that were repeated */
    uint64_t partial, full;      /* attempts from the difference of two states, from what the kernel has */
    uint64_t repaired;           /* drifts found */
    uint64_t stale_flows;        /* conntrack entries removed */
};

/* Name of provider I, or NULL behind the last. */
const char *datapath_name(size_t i);

/* Whether this host can run it. Errors: -ENOENT no such provider; -ENOTSUP with what is missing. */
int datapath_supported(const char *name, const struct datapath_options *options, struct err *err);

/* Opens one; nothing is written yet. Errors: -ENOENT no such provider; the provider's own. */
int datapath_open(const char *name, const struct datapath_options *options, struct datapath **ret,
                  struct err *err);

/* Ends a running request without its callback; the kernel keeps what it has. NULL is fine. */
void datapath_close(struct datapath *dp);

const struct datapath_capabilities *datapath_capabilities(const struct datapath *dp);
const struct datapath_stats *datapath_stats(const struct datapath *dp);

/* True from a request until its callback and until stale connections are cleaned up. */
bool datapath_is_busy(const struct datapath *dp);
/* True while a request runs: none may be made. */
bool datapath_is_applying(const struct datapath *dp);

/* Brings the kernel to STATE (a reference is taken). An attempt that failed after planning from a difference
 * is repeated once from what the kernel has. The first request adopts what a predecessor left. Errors, in the
 * callback: the provider's; the state that was applied before stays the applied one. */
void datapath_apply(struct datapath *dp, struct forwarding_state *state, struct datapath_callback callback);

/* Reads the kernel back and repairs what differs from the applied state. Result: 0 nothing differed,
 * DATAPATH_REPAIRED, or an error. Before the first apply there is nothing to repair: 0. */
void datapath_repair(struct datapath *dp, struct datapath_callback callback);

/* Removes all that any instance of this provider ever made, of both families. */
void datapath_cleanup(struct datapath *dp, struct datapath_callback callback);

/* What the last successful request brought, or NULL. */
const struct forwarding_state *datapath_applied(const struct datapath *dp);

/* Prints what it takes from FROM to TO, in the provider's own words; no effects. FROM NULL: from what the
 * last read found, an empty kernel if there was none. */
void datapath_print_plan(struct datapath *dp, const struct forwarding_state *from,
                         const struct forwarding_state *to, struct strbuf *out);
