/* The API server: everything between an HTTP exchange and the store.
 *
 * One loop, one thread; whatever it needs comes in as an argument. apiserver_handle() is the whole server:
 * io's HTTP server calls it for connections from outside, local.h inside the process.
 *
 *   exchange -> authn (who) -> route (what) -> authz (may they) -> verb -> registry + strategy -> store
 *                                                                   ^ reads, watches: cache <-------|
 *
 *     struct apiserver *s;
 *     if (apiserver_new(&config, &s, &err) < 0) ...
 *     apiserver_start(s);                 // loads the cache, then makes what must exist; /readyz tells when
 *     ... http_server(..., apiserver_handle, s) ...
 *     apiserver_free(s);                  // ends watches and waits
 */
#pragma once

#include "base/err.h"
#include "base/ip.h"

struct http_exchange;
struct loop;
struct random;
struct registry;
struct store;

/* Zero means the default in brackets. */
struct apiserver_limits {
    size_t body_bytes;        /* of a request [3 MiB] */
    size_t object_bytes;      /* of a stored object [1.5 MiB] */
    size_t watches;           /* open at once, all clients [20000] */
    size_t watches_per_user;  /* [5000] */
    size_t watch_queue_bytes; /* waiting for a slow client; then the watch is ended [4 MiB] */
    size_t watch_user_bytes;  /* the same of all watches of a user [64 MiB] */
    size_t requests;          /* in flight at once, watches apart [2000] */
    int64_t request_ms;       /* until 504 [60000] */
    size_t window_events;     /* see cache.h */
    size_t window_bytes;
};

struct apiserver_config {
    struct loop *loop;
    struct store *store;
    struct random *random;
    struct str tokens; /* text of the token file, or empty */

    struct ip_prefix service_cidrs[2]; /* cluster IPs; the first is the primary family */
    size_t n_service_cidrs;
    uint16_t node_port_first, node_port_last;
    struct ip advertise_ip; /* of the endpoints of default/kubernetes; IP_NONE: no such endpoints */
    uint16_t secure_port;

    struct str version;    /* "0.1.0": goes into gitVersion behind '+fairlead' */
    struct str git_commit; /* empty if not known */
    struct str build_date; /* RFC 3339 */

    struct apiserver_limits limits;

    void (*ready)(void *user); /* called once, from the loop, when all that must exist does; optional */
    void *ready_user;
};

struct apiserver;

/* CONFIG's pointers outlive the server; the rest is copied. Errors: -EINVAL for a bad token file. */
int apiserver_new(const struct apiserver_config *config, struct apiserver **ret, struct err *err);
void apiserver_start(struct apiserver *s);
/* Ends every reply under way. The store must still be open; close it afterwards: it then finishes what it was
 * given. */
void apiserver_free(struct apiserver *s);

/* An http_handle_fn: CTX is the struct apiserver. Answers every exchange exactly once, now or later. */
void apiserver_handle(void *ctx, struct http_exchange *ex);

/* All that must exist does (see bootstrap.h). */
bool apiserver_is_ready(const struct apiserver *s);

struct registry *apiserver_registry(struct apiserver *s);
