/* The node's service proxy: caches of Services, EndpointSlices and this Node -> decide -> datapath.
 *
 * Level-triggered: an event only says which object to look at again. A change is applied at once when nothing
 * is under way; what arrives during an apply waits for its end and goes together. A failed apply keeps the
 * previous rules and is tried again with back-off; the API server being away changes nothing. Nothing is
 * applied before the first lists of Services and EndpointSlices are complete and the Node is known (or 30 s
 * have passed).
 *
 *     struct proxy *proxy = proxy_new(&config, &err);      // NULL: err says why
 *     proxy_start(proxy);
 *     loop_run(loop);
 *     proxy_free(proxy);                                   // the rules stay
 */
#pragma once

#include "datapath/datapath.h"
#include "proxy/metrics.h"
#include "service/decide.h"
#include "watch/client.h"

struct proxy_config {
    struct loop *loop;
    struct random *random;
    struct client *client;
    const char *mode; /* a datapath's name */
    struct datapath_options datapath;
    struct decide_config decide;
    int64_t sync_period_ms; /* upper bound between read-backs; also what healthy is measured with */
    /* Called once, after the first successful apply. Optional. */
    void (*first_sync)(void *user);
    void *user;
};

struct proxy;

/* Opens the datapath; writes nothing yet. NULL on failure. */
struct proxy *proxy_new(const struct proxy_config *config, struct err *err);
void proxy_free(struct proxy *p);
void proxy_start(struct proxy *p);

struct datapath *proxy_datapath(struct proxy *p);
/* Whether everything known is in the kernel. */
bool proxy_is_settled(const struct proxy *p);

struct proxy_health {
    bool healthy;       /* no change has waited for longer than two sync periods */
    bool node_eligible; /* the Node exists, is not being deleted nor about to be removed by the autoscaler */
    struct walltime last_updated, now;
};
struct proxy_health proxy_health(const struct proxy *p);
struct proxy_metrics *proxy_metrics(struct proxy *p);
void proxy_write_metrics(const struct proxy *p, struct strbuf *out);
const char *proxy_mode(const struct proxy *p);
bool proxy_has_family(const struct proxy *p, enum ip_family family);
