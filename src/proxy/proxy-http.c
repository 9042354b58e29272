#include "proxy/proxy-http.h"

#include "wire/json.h"

static void reply_text(struct http_exchange *ex, int status, const char *type, struct str body)
{
    const struct http_header headers[] = {
        {STR("content-type"), str_of(type)},
        {STR("x-content-type-options"), STR("nosniff")},
    };
    http_reply(ex, status, headers, ARRAY_LEN(headers), body);
}

static void reply_unknown(struct http_exchange *ex, const char *known)
{
    struct str text = arena_format(ex->arena, "404 page not found; there are %s\n", known);
    reply_text(ex, 404, "text/plain; charset=utf-8", text);
}

static struct str request_path(const struct http_exchange *ex)
{
    struct str target = ex->request->target;
    ptrdiff_t query = str_find_char(target, '?');
    return query < 0 ? target : str_slice(target, 0, query);
}

static void add_family(struct arena *a, struct json *status, const char *name, const struct proxy_health *h)
{
    char buf[WALLTIME_MAX_LEN];
    struct json *family = json_object(a);
    json_setz(family, "lastUpdated", json_stringf(a, "%s", walltime_format_nano(h->last_updated, buf)));
    json_setz(family, "healthy", json_bool(a, h->healthy));
    json_setz(status, name, family);
}

static void reply_health(struct proxy *p, struct http_exchange *ex, bool with_node)
{
    struct proxy_health h = proxy_health(p);
    struct arena *a = ex->arena;
    char buf[WALLTIME_MAX_LEN];
    bool ok = h.healthy && (!with_node || h.node_eligible);
    struct json *body = json_object(a), *status = json_object(a);
    json_setz(body, "lastUpdated",
              json_stringf(a, "%s", walltime_format_nano(ok ? h.now : h.last_updated, buf)));
    json_setz(body, "currentTime", json_stringf(a, "%s", walltime_format_nano(h.now, buf)));
    if (with_node)
        json_setz(body, "nodeEligible", json_bool(a, h.node_eligible));
    json_setz(body, "healthy", json_bool(a, h.healthy));
    if (proxy_has_family(p, IP_V4))
        add_family(a, status, "IPv4", &h);
    if (proxy_has_family(p, IP_V6))
        add_family(a, status, "IPv6", &h);
    json_setz(body, "status", status);
    uint64_t *counts = with_node ? proxy_metrics(p)->healthz : proxy_metrics(p)->livez;
    counts[!ok]++;
    _cleanup_(strbuf_done) struct strbuf out = {0};
    json_write(body, &out);
    reply_text(ex, ok ? 200 : 503, "application/json", strbuf_str(&out));
}

void proxy_handle_health(void *ctx, struct http_exchange *ex)
{
    struct str path = request_path(ex);
    if (str_eqz(path, "/healthz"))
        reply_health(ctx, ex, true);
    else if (str_eqz(path, "/livez"))
        reply_health(ctx, ex, false);
    else
        reply_unknown(ex, "/healthz and /livez");
}

void proxy_handle_metrics(void *ctx, struct http_exchange *ex)
{
    struct proxy *p = ctx;
    struct str path = request_path(ex);
    if (str_eqz(path, "/metrics")) {
        _cleanup_(strbuf_done) struct strbuf out = {0};
        proxy_write_metrics(p, &out);
        reply_text(ex, 200, "text/plain; version=0.0.4; charset=utf-8", strbuf_str(&out));
    } else if (str_eqz(path, "/proxyMode")) {
        reply_text(ex, 200, "text/plain; charset=utf-8", str_of(proxy_mode(p)));
    } else if (str_eqz(path, "/healthz")) {
        reply_text(ex, 200, "text/plain; charset=utf-8", STR("ok"));
    } else {
        reply_unknown(ex, "/metrics, /proxyMode and /healthz");
    }
}
