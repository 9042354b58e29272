/* Request: one exchange on its way through the server.
 *
 * A request outlives its exchange when the client goes away while a write is under way: whoever waits for
 * something holds a reference, and asks request_is_open() before answering. Answering twice is a bug and
 * asserts. Everything that lives as long as the request is in its arena, the copied body too.
 */
#pragma once

#include "apiserver/accept.h"
#include "apiserver/authn.h"
#include "apiserver/query.h"
#include "apiserver/route.h"
#include "base/list.h"
#include "io/http.h"
#include "io/loop.h"

struct apiserver;
struct watch;

struct request {
    struct apiserver *server;
    struct http_exchange *ex; /* NULL once answered or gone */
    struct arena arena;
    unsigned n_refs;
    struct list node; /* in server->requests */
    struct identity identity;
    struct route route;
    struct query query;
    struct accept accept;
    struct str content_type; /* without parameters */
    struct str body;
    struct monotime started;
    struct timer deadline; /* not armed for watches */
    bool is_watch;         /* counted apart */
    struct str warned[16];
    size_t n_warned;
    /* Called when the client is gone, or the deadline over, and the request was not answered. */
    void (*on_gone)(struct request *r);
    void (*on_drained)(struct request *r);
    void *user; /* of who set them */
};

struct request *request_new(struct apiserver *s, struct http_exchange *ex);
struct request *request_ref(struct request *r);
void request_unref(struct request *r);

static inline bool request_is_open(const struct request *r)
{
    return r->ex != NULL;
}

/* The client waits no longer than that; the server's own limit stays. */
void request_set_timeout(struct request *r, int64_t ms);

/* A Warning header for the reply to come; equal ones once, at most 16. */
void request_warn(struct request *r, struct str text);

/* Answers. BODY is copied. */
void request_reply(struct request *r, int code, struct str content_type, struct str body);
void request_reply_status(struct request *r, const struct status *status);
/* With a header more, HEADER. */
void request_reply_header(struct request *r, int code, const struct http_header *header,
                          struct str content_type, struct str body);

/* A streamed answer: begin, http_reply_write(r->ex, ...), end. */
void request_stream_begin(struct request *r, int code, struct str content_type);
void request_stream_end(struct request *r);

/* Ends it without an answer worth counting: the server is closing. */
void request_abandon(struct request *r);
