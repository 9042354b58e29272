/* API client: one request, one answer, over any HTTP transport.
 *
 * A client knows who it is (user agent, bearer token) and how API paths, bodies and Status errors look; the
 * transport knows TLS and connections, or that the server is in the same process. Nothing blocks: answers
 * arrive on the loop, never from inside client_send(). An answer's object lives until its callback returns.
 *
 * client_stream_open() is for watches: it cuts the body into lines and hands each over whole.
 *
 *     struct client_request r = {.verb = CLIENT_GET, .resource = &client_pods, .namespace = ns, .name =
 * name}; client_send(client, &r, on_pod, self); static void on_pod(void *user, const struct client_result
 * *res) { if (res->code == 0) use(res->object); }
 */
#pragma once

#include "base/err.h"
#include "base/random.h"
#include "io/http.h"
#include "io/loop.h"
#include "wire/json.h"

/* Outcomes of a request that callers handle; 0 is done, a negative errno means that no answer came. */
enum client_outcome {
    CLIENT_NOT_FOUND = 1, /* 404 */
    CLIENT_EXISTS,        /* 409, reason AlreadyExists */
    CLIENT_CONFLICT,      /* 409, any other reason: read again and retry */
    CLIENT_GONE,          /* 410: the resourceVersion or continue token is too old */
    CLIENT_UNAUTHORIZED,  /* 401 */
    CLIENT_FORBIDDEN,     /* 403 */
    CLIENT_INVALID,       /* 400, 413, 415, 422: repeating it cannot help */
    CLIENT_THROTTLED,     /* 429 */
    CLIENT_FAILED,        /* any other status */
};

enum client_verb { CLIENT_GET, CLIENT_LIST, CLIENT_CREATE, CLIENT_UPDATE, CLIENT_PATCH, CLIENT_DELETE };

/* A resource of the API by its path; the strings are static or outlive the client. */
struct client_resource {
    struct str group, version, plural; /* group "" is core */
    struct str kind;
};

/* Content types of CLIENT_PATCH. */
#define CLIENT_JSON_PATCH      STR("application/json-patch+json")
#define CLIENT_MERGE_PATCH     STR("application/merge-patch+json")
#define CLIENT_STRATEGIC_PATCH STR("application/strategic-merge-patch+json")
#define CLIENT_APPLY_PATCH     STR("application/apply-patch+yaml")

struct client_request {
    enum client_verb verb;
    const struct client_resource *resource;
    struct str namespace;   /* empty: cluster scope, or all namespaces */
    struct str name;        /* empty for LIST and CREATE; DELETE without a name deletes the collection */
    struct str subresource; /* "status", or empty */
    struct str query;       /* already encoded, without '?' */
    const struct json *body;
    struct str patch_type; /* content type of CLIENT_PATCH */
    size_t max_reply_len;  /* 0: CLIENT_MAX_REPLY_LEN */
    int timeout_ms;        /* 0: CLIENT_TIMEOUT_MS; without any byte coming */
};

#define CLIENT_MAX_REPLY_LEN ((size_t)8 * 1024 * 1024)
#define CLIENT_MAX_LIST_LEN  ((size_t)256 * 1024 * 1024)
#define CLIENT_TIMEOUT_MS    30000

struct client_result {
    int code;            /* 0, an enum client_outcome, or a negative errno */
    int status;          /* HTTP status; 0 if no answer came */
    struct json *object; /* the answer when code is 0 and it had a body, else NULL; in ARENA */
    struct arena *arena;
    struct str reason;      /* of the Status object: "AlreadyExists"; may be empty */
    struct str message;     /* one sentence, never empty when code is not 0 */
    struct str cause;       /* reason of the Status's first cause: "NamespaceTerminating"; may be empty */
    int64_t retry_after_ms; /* what the server asked for; 0: nothing */
};
typedef void client_done_fn(void *user, const struct client_result *result);

/* Where the bearer token comes from: appends it to OUT. Called again when the last one is a minute old or was
 * refused, so that a rotated file is seen; if it fails, the old token stays in use. */
struct client_token_source {
    int (*read)(void *user, struct strbuf *out, struct err *err);
    void *user;
};

struct client_config {
    struct loop *loop;
    struct http_transport *transport; /* borrowed; outlives the client */
    struct str user_agent;            /* copied */
    struct str token;                 /* copied; empty: none, or from the source */
    struct client_token_source token_source;
};

struct client;
struct client_call;
struct client_stream;

struct client *client_new(const struct client_config *config);
/* Cancels what is under way without callbacks. */
void client_free(struct client *c);

/* Sends a request; what it points to is copied. DONE is called exactly once, later, unless the call is
 * cancelled. */
struct client_call *client_send(struct client *c, const struct client_request *request, client_done_fn *done,
                                void *user);
void client_cancel(struct client_call *call);

struct client_stream_handler {
    void (*open)(void *user);                  /* the server has answered 200; optional */
    void (*line)(void *user, struct str line); /* without its line end; may close the stream */
    /* The stream is over and gone. Code 0: the server ended it; a part of a line at the end is dropped. */
    void (*end)(void *user, const struct client_result *result);
};

#define CLIENT_MAX_LINE_LEN ((size_t)16 * 1024 * 1024)

/* Like CLIENT_LIST with "watch=1" in the query. MAX_SILENCE_MS without a byte ends it with -ETIMEDOUT (0:
 * never). */
struct client_stream *client_stream_open(struct client *c, const struct client_request *request,
                                         int64_t max_silence_ms, const struct client_stream_handler *handler,
                                         void *user);
/* Ends the stream without another callback; fine from inside its own. */
void client_stream_close(struct client_stream *s);

/* "/api/v1/namespaces/NS/pods/NAME/status?QUERY", percent-encoded where needed. */
void client_path(const struct client_request *request, struct strbuf *out);

/* Adds "KEY=VALUE" with the value encoded, and '&' in front if OUT is not empty. */
void client_query_add(struct strbuf *out, const char *key, struct str value);

/* The refusal of anything new in a namespace that is being deleted: repeating it cannot help. */
bool client_namespace_is_ending(const struct client_result *result);

/* Text for logs: "conflict", "not found", or that of an errno. */
const char *client_outcome_name(int code);
