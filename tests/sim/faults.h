/* A transport that misbehaves: wraps another one, or none while the other side is down.
 *
 * While faults are on, requests are lost before the server sees them, replies are lost after it acted,
 * everything is delayed, and streams are cut in the middle. All from the seed. */
#pragma once

#include "base/random.h"
#include "io/http.h"
#include "io/loop.h"

struct fault_rates { /* in a thousand requests, or pieces of a stream */
    int lose_request, lose_reply, cut_stream, delay;
    int max_delay_ms;
};

struct fault_transport;

/* IS_DEAD (may be NULL) tells that the server's power has gone: nothing of it is heard any more. */
struct fault_transport *fault_transport_new(struct loop *loop, struct random *random,
                                            const struct fault_rates *rates, bool (*is_dead)(void *user),
                                            void *user);
struct http_transport *fault_transport_outside(struct fault_transport *t);
/* INNER is borrowed; NULL: the other side is down, and what was under way breaks. */
void fault_transport_connect(struct fault_transport *t, struct http_transport *inner);
/* The connection breaks; what comes next finds a new one. */
void fault_transport_reset(struct fault_transport *t);
void fault_transport_set_active(struct fault_transport *t, bool active);
void fault_transport_free(struct fault_transport *t);
