/* HTTP messages, and the two seams that carry them.
 *
 * An exchange is one request and its reply as the server's handler sees it; a transport is how a client sends
 * a request and hears the reply. Both are small vtables: io/http-server and io/http-client implement them
 * over TLS with HTTP/1.1 and HTTP/2, apiserver/local joins the two inside one process, and the simulation
 * wraps a transport to delay, drop and cut. Nothing above knows which one it has.
 *
 * Server side: the handler gets a whole request (the body is read and limited before) and must answer every
 * exchange exactly once, now or later: http_reply(), or http_reply_begin() + http_reply_write()... +
 * http_reply_end(). If the client goes away first, on_abort is called once and the exchange is gone after it.
 *
 *     http_reply(ex, 200, headers, ARRAY_LEN(headers), body);
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/ip.h"

struct http_header {
    struct str name; /* lower case */
    struct str value;
};

struct http_request {
    struct str method; /* "GET" */
    struct str target; /* origin form, undecoded: "/api/v1/pods?watch=1" */
    const struct http_header *headers;
    size_t n_headers;
    struct str body;
};

/* The value of the first header NAME (lower case), or STR_NONE. */
struct str http_request_header(const struct http_request *request, struct str name);
struct str http_header_find(const struct http_header *headers, size_t n_headers, struct str name);

/* Replies of these statuses never have a body (RFC 9112 section 6.3). */
static inline bool http_status_has_no_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

/* Who is on the other side, as far as the connection proves it. */
struct http_peer {
    struct ip ip; /* family IP_NONE inside the process */
    uint16_t port;
    /* From a verified client certificate, else n_groups 0 and user.p NULL: CN and every O. */
    struct str user;
    const struct str *groups;
    size_t n_groups;
    /* A client certificate was sent and refused: the reason, else NULL. */
    const char *cert_error;
};

struct http_exchange {
    const struct http_exchange_ops *ops;
    const struct http_request *request; /* valid until the reply has ended */
    const struct http_peer *peer;
    struct arena *arena; /* freed when the exchange ends */
    /* Set by the handler if it keeps the exchange: the client is gone, nothing may be written any more. A
     * handler that does not set it must still end its reply, which then goes nowhere. Not called from inside
     * the handler. */
    void (*on_abort)(struct http_exchange *ex, void *user);
    /* Optional: what was queued has been sent (http_reply_queued() fell to zero). */
    void (*on_drained)(struct http_exchange *ex, void *user);
    void *user;
};

struct http_exchange_ops {
    /* Status and headers; BODY is copied. LAST says whether this ends the reply. */
    void (*reply)(struct http_exchange *ex, int status, const struct http_header *headers, size_t n_headers,
                  struct str body, bool last);
    void (*write)(struct http_exchange *ex, struct str bytes);
    void (*end)(struct http_exchange *ex);
    size_t (*queued)(const struct http_exchange *ex);
};

/* A whole reply. Content-Length is added; of hop-by-hop headers only "connection: close" means something: the
 * connection ends after the reply. */
void http_reply(struct http_exchange *ex, int status, const struct http_header *headers, size_t n_headers,
                struct str body);

/* A streamed reply. After http_reply_end() the exchange is gone. */
void http_reply_begin(struct http_exchange *ex, int status, const struct http_header *headers,
                      size_t n_headers);
void http_reply_write(struct http_exchange *ex, struct str bytes);
void http_reply_end(struct http_exchange *ex);

/* Bytes written and not yet taken by the connection: the handler bounds what a slow reader may cost. */
size_t http_reply_queued(const struct http_exchange *ex);

/* Answers one exchange; see above. */
typedef void http_handle_fn(void *ctx, struct http_exchange *ex);

/* What a client hears. HEAD comes once, DATA any number of times, END once and last: err is NULL after a
 * whole reply, else why there is none or only a part. END may come without HEAD. The call is gone when END
 * returns. No callback comes from inside http_send(). */
struct http_call_handler {
    void (*head)(void *user, int status, const struct http_header *headers, size_t n_headers);
    void (*data)(void *user, struct str bytes);
    void (*end)(void *user, const struct err *err);
};

struct http_call;

struct http_transport {
    const struct http_transport_ops *ops;
};

struct http_transport_ops {
    struct http_call *(*send)(struct http_transport *t, const struct http_request *request,
                              const struct http_call_handler *handler, void *user);
    void (*cancel)(struct http_transport *t, struct http_call *call);
    void (*free)(struct http_transport *t);
};

/* Sends a request (copied). Never NULL: what goes wrong arrives as END. */
struct http_call *http_send(struct http_transport *t, const struct http_request *request,
                            const struct http_call_handler *handler, void *user);
/* Ends a call without another callback. */
void http_cancel(struct http_transport *t, struct http_call *call);
void http_transport_free(struct http_transport *t);
