#include "io/http.h"

struct str http_header_find(const struct http_header *headers, size_t n_headers, struct str name)
{
    for (size_t i = 0; i < n_headers; i++)
        if (str_eq(headers[i].name, name))
            return headers[i].value;
    return STR_NONE;
}

struct str http_request_header(const struct http_request *request, struct str name)
{
    return http_header_find(request->headers, request->n_headers, name);
}

void http_reply(struct http_exchange *ex, int status, const struct http_header *headers, size_t n_headers,
                struct str body)
{
    ex->ops->reply(ex, status, headers, n_headers, body, true);
}

void http_reply_begin(struct http_exchange *ex, int status, const struct http_header *headers,
                      size_t n_headers)
{
    ex->ops->reply(ex, status, headers, n_headers, STR_NONE, false);
}

void http_reply_write(struct http_exchange *ex, struct str bytes)
{
    ex->ops->write(ex, bytes);
}

void http_reply_end(struct http_exchange *ex)
{
    ex->ops->end(ex);
}

size_t http_reply_queued(const struct http_exchange *ex)
{
    return ex->ops->queued(ex);
}

struct http_call *http_send(struct http_transport *t, const struct http_request *request,
                            const struct http_call_handler *handler, void *user)
{
    return t->ops->send(t, request, handler, user);
}

void http_cancel(struct http_transport *t, struct http_call *call)
{
    t->ops->cancel(t, call);
}

void http_transport_free(struct http_transport *t)
{
    if (t)
        t->ops->free(t);
}
