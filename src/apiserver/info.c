#include "apiserver/info.h"

#include <inttypes.h>

#include "apiserver/apiserver-private.h"
#include "apiserver/render.h"
#include "apiserver/request.h"

#define UPSTREAM "v1.36.2"

void info_handle_version(struct request *r)
{
    const struct apiserver_config *c = &r->server->config;
    struct arena *a = &r->arena;
    struct json *v = json_object(a);
    struct str commit = c->git_commit.len ? c->git_commit : STR("unknown");
    json_setz(v, "major", json_string(a, STR("1")));
    json_setz(v, "minor", json_string(a, STR("36")));
    json_setz(v, "gitVersion", json_stringf(a, UPSTREAM "+fairlead-%.*s", STR_ARG(c->version)));
    json_setz(v, "gitCommit", json_string(a, commit));
    json_setz(v, "gitTreeState", json_string(a, STR("clean")));
    json_setz(v, "buildDate",
              json_string(a, c->build_date.len ? c->build_date : STR("1970-01-01T00:00:00Z")));
    json_setz(v, "goVersion", json_string(a, STR("none (C)")));
    json_setz(v, "compiler", json_stringf(a, "gcc-%s", __VERSION__));
    json_setz(v, "platform", json_string(a, STR("linux/amd64")));
    render_value(r, 200, v);
}

static void write_cache(const struct apiserver *s, struct strbuf *out)
{
    struct cache_stats stats;
    cache_stats(s->cache, &stats);
    strbuf_addf(
        out,
        "# HELP apiserver_cache_objects Objects in the watch cache.\n# TYPE apiserver_cache_objects gauge\n"
        "apiserver_cache_objects %zu\n",
        stats.n_objects);
    strbuf_addf(out,
                "# HELP apiserver_cache_bytes Bytes of their JSON.\n# TYPE apiserver_cache_bytes gauge\n"
                "apiserver_cache_bytes %zu\n",
                stats.n_bytes);
    strbuf_addf(out,
                "# HELP apiserver_cache_window_bytes Bytes of recent events.\n"
                "# TYPE apiserver_cache_window_bytes gauge\napiserver_cache_window_bytes %zu\n",
                stats.n_window_bytes);
    strbuf_addf(out,
                "# HELP apiserver_cache_unreadable_total Stored values that are no JSON objects.\n"
                "# TYPE apiserver_cache_unreadable_total counter\napiserver_cache_unreadable_total %" PRIu64
                "\n",
                stats.n_unreadable);
    strbuf_addf(
        out,
        "# HELP apiserver_watches Open watches.\n# TYPE apiserver_watches gauge\napiserver_watches %zu\n",
        s->n_watches);
    strbuf_addf(out,
                "# HELP apiserver_current_inflight_requests Requests under way, watches apart.\n"
                "# TYPE apiserver_current_inflight_requests gauge\napiserver_current_inflight_requests %zu\n",
                s->n_requests);
    strbuf_addf(out,
                "# HELP apiserver_storage_revision Revision of the last write seen.\n"
                "# TYPE apiserver_storage_revision gauge\napiserver_storage_revision %" PRId64 "\n",
                cache_revision(s->cache));
}

void info_handle_metrics(struct request *r)
{
    _cleanup_(strbuf_done) struct strbuf out = {0};
    metrics_write(r->server->metrics, &out);
    write_cache(r->server, &out);
    registry_metrics(r->server->registry, &out);
    request_reply(r, 200, STR("text/plain; version=0.0.4; charset=utf-8"), strbuf_str(&out));
}

void info_handle_index(struct request *r)
{
    struct arena *a = &r->arena;
    struct json *v = json_object(a), *paths = json_array(a);
    for (size_t i = 0; i < route_n_entries; i++) {
        struct str path = route_entries[i].path;
        if (path.len > 1 && path.p[path.len - 1] != '/')
            json_append(paths, json_string(a, path));
    }
    for (size_t i = 0; i < registry_n_resources(r->server->registry); i++) {
        const struct schema_resource *s = registry_at(r->server->registry, i)->schema;
        const struct schema_resource *before = i ? registry_at(r->server->registry, i - 1)->schema : NULL;
        if (before && str_eq(before->group, s->group) && str_eq(before->version, s->version))
            continue;
        json_append(paths, s->group.len
                               ? json_stringf(a, "/apis/%.*s/%.*s", STR_ARG(s->group), STR_ARG(s->version))
                               : json_stringf(a, "/api/%.*s", STR_ARG(s->version)));
    }
    json_setz(v, "paths", paths);
    render_value(r, 200, v);
}
