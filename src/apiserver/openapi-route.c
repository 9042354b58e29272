/* /openapi/v2 and /openapi/v3: the documents of object/openapi.h, with an ETag so that clients ask once. */
#include "object/openapi.h"

#include "apiserver/info.h"
#include "apiserver/request.h"

#define V2_PROTOBUF_OLD "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
#define V2_PROTOBUF     "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
#define SERVER_VERSION  "v1.36.2"

static bool is_json(struct str type)
{
    return str_eq(type, STR("application/json")) || str_eq(type, STR("*/*")) ||
           str_eq(type, STR("application/*"));
}

/* The media type to answer with, or STR_NONE. */
static struct str choose(const struct request *r, bool has_protobuf)
{
    if (!r->accept.n)
        return STR("application/json");
    for (size_t i = 0; i < r->accept.n; i++) {
        struct str type = r->accept.v[i].type;
        if (is_json(type))
            return STR("application/json");
        if (has_protobuf && (str_eq(type, STR(V2_PROTOBUF_OLD)) || str_eq(type, STR(V2_PROTOBUF))))
            return STR(V2_PROTOBUF); /* Go cannot parse its older name as a media type */
    }
    return STR_NONE;
}

static bool client_has_it(const struct request *r, struct str tag)
{
    struct str list = http_request_header(r->ex->request, STR("if-none-match")), item;
    while (list.p && str_split(&list, ',', &item)) {
        if (str_eq(str_trim(item), tag))
            return true;
    }
    return false;
}

static int write_document(struct str path, bool protobuf, struct strbuf *out)
{
    if (str_eq(path, STR("/openapi/v2")))
        openapi_v2(STR(SERVER_VERSION), protobuf ? OPENAPI_PROTOBUF : OPENAPI_JSON, out);
    else if (str_eq(path, STR("/openapi/v3")))
        openapi_v3_index(out);
    else
        return openapi_v3(str_slice(path, sizeof "/openapi/v3/" - 1, path.len), STR(SERVER_VERSION), out);
    return 0;
}

void info_handle_openapi(struct request *r)
{
    _cleanup_(strbuf_done) struct strbuf body = {0};
    bool v2 = str_eq(r->route.path, STR("/openapi/v2"));
    struct str type = choose(r, v2);
    struct str hash = openapi_hash();
    struct http_header tag = {STR("etag"), arena_format(&r->arena, "\"%.*s\"", STR_ARG(hash))};
    if (!type.p) {
        request_reply_status(r, status_not_acceptable(&r->arena, v2 ? STR("application/json, " V2_PROTOBUF)
                                                                    : STR("application/json")));
        return;
    }
    if (client_has_it(r, tag.value)) {
        request_reply_header(r, 304, &tag, STR(""), STR(""));
        return;
    }
    if (write_document(r->route.path, !is_json(type), &body) < 0)
        request_reply_status(r, status_no_route(&r->arena));
    else
        request_reply_header(r, 200, &tag, type, strbuf_str(&body));
}
