#include "apiserver/health.h"

#include "apiserver/apiserver-private.h"
#include "apiserver/request.h"

static bool check_ping(const struct apiserver *s)
{
    return true;
}

static bool check_cache(const struct apiserver *s)
{
    return cache_is_ready(s->cache);
}

static bool check_bootstrap(const struct apiserver *s)
{
    return s->is_ready;
}

static const struct health_check {
    struct str name;
    bool ready_only; /* no part of /livez and /healthz */
    bool (*ok)(const struct apiserver *s);
} checks[] = {
    {STR_INIT("ping"), false, check_ping},
    {STR_INIT("watch-cache"), true, check_cache},
    {STR_INIT("poststarthook/bootstrap"), true, check_bootstrap},
};

static bool is_excluded(const struct request *r, struct str name)
{
    for (size_t i = 0; i < r->query.n; i++) {
        if (str_eq(r->query.v[i].name, STR("exclude")) && str_eq(r->query.v[i].value, name))
            return true;
    }
    return false;
}

static void reply_text(struct request *r, int code, struct str text)
{
    request_reply(r, code, STR("text/plain; charset=utf-8"), text);
}

static void reply_one(struct request *r, struct str name, bool ready)
{
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        if (!str_eq(checks[i].name, name) || (checks[i].ready_only && !ready))
            continue;
        if (checks[i].ok(r->server))
            reply_text(r, 200, STR("ok"));
        else
            reply_text(r, 500, STR("internal server error: this check has not passed yet\n"));
        return;
    }
    request_reply_status(r, status_no_route(&r->arena));
}

void health_handle(struct request *r)
{
    _cleanup_(strbuf_done) struct strbuf text = {0};
    struct str rest = str_slice(r->route.path, 1, r->route.path.len), root;
    (void)str_split(&rest, '/', &root);
    bool ready = str_eq(root, STR("readyz")), good = true;
    if (rest.len) {
        reply_one(r, rest, ready);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        if ((checks[i].ready_only && !ready) || is_excluded(r, checks[i].name))
            continue;
        bool ok = checks[i].ok(r->server);
        good &= ok;
        strbuf_addf(&text, "[%c]%.*s %s\n", ok ? '+' : '-', STR_ARG(checks[i].name),
                    ok ? "ok" : "failed: reason withheld");
    }
    strbuf_addf(&text, "%.*s check %s\n", STR_ARG(root), good ? "passed" : "failed");
    if (good && !query_has(&r->query, STR("verbose")))
        reply_text(r, 200, STR("ok"));
    else
        reply_text(r, good ? 200 : 500, strbuf_str(&text));
}
