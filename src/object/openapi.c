#include "object/openapi.h"

#include <errno.h>

#include "object/openapi-private.h"

static void start(struct openapi *o, struct arena *a, enum openapi_dialect dialect)
{
    *o = (struct openapi){.arena = a, .dialect = dialect, .schemas = json_object(a), .paths = json_object(a)};
}

static struct json *info(struct openapi *o, struct str server_version)
{
    struct json *v = json_object(o->arena);
    json_setz(v, "title", json_string(o->arena, STR("Kubernetes")));
    json_setz(v, "version", json_string(o->arena, server_version));
    return v;
}

void openapi_v2(struct str server_version, enum openapi_form form, struct strbuf *out)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct openapi o;
    start(&o, &a, OPENAPI_V2);
    for (size_t i = 0; i < n_schema_resources; i++)
        openapi_add_paths(&o, schema_resources[i]);
    struct json *document = json_object(&a);
    json_setz(document, "swagger", json_string(&a, STR("2.0")));
    json_setz(document, "info", info(&o, server_version));
    json_setz(document, "paths", o.paths);
    json_setz(document, "definitions", o.schemas);
    if (form == OPENAPI_PROTOBUF)
        openapi_write_protobuf(document, out);
    else
        json_write(document, out);
}

/* "api/v1" of the core group, "apis/apps/v1" of the others. */
static struct str index_path(struct arena *a, const struct schema_resource *r)
{
    return r->group.len ? arena_format(a, "apis/%.*s/%.*s", STR_ARG(r->group), STR_ARG(r->version))
                        : arena_format(a, "api/%.*s", STR_ARG(r->version));
}

int openapi_v3(struct str path, struct str server_version, struct strbuf *out)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct openapi o;
    start(&o, &a, OPENAPI_V3);
    for (size_t i = 0; i < n_schema_resources; i++) {
        if (str_eq(index_path(&a, schema_resources[i]), path))
            openapi_add_paths(&o, schema_resources[i]);
    }
    if (!o.paths->n)
        return -ENOENT;
    struct json *document = json_object(&a), *components = json_object(&a);
    json_setz(document, "openapi", json_string(&a, STR("3.0.0")));
    json_setz(document, "info", info(&o, server_version));
    json_setz(document, "paths", o.paths);
    json_setz(components, "schemas", o.schemas);
    json_setz(document, "components", components);
    json_write(document, out);
    return 0;
}

struct str openapi_hash(void)
{
    return schema_hash;
}

void openapi_v3_index(struct strbuf *out)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *index = json_object(&a), *paths = json_ensure_object(&a, index, "paths");
    for (size_t i = 0; i < n_schema_resources; i++) {
        struct str path = index_path(&a, schema_resources[i]);
        if (json_get(paths, path))
            continue;
        struct json *entry = json_object(&a);
        json_setz(entry, "serverRelativeURL",
                  json_stringf(&a, "/openapi/v3/%.*s?hash=%.*s", STR_ARG(path), STR_ARG(schema_hash)));
        json_set(paths, path, entry);
    }
    json_write(index, out);
}
