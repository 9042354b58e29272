#include "apiserver/body.h"

#include <errno.h>

#include "apiserver/apiserver-private.h"
#include "apiserver/conversion.h"
#include "apiserver/request.h"
#include "object/defaults.h"
#include "object/protobuf-object.h"
#include "wire/yaml.h"

#define PROTOBUF    "application/vnd.kubernetes.protobuf"
#define MEDIA_TYPES "application/json, application/yaml, " PROTOBUF
#define MAX_MANAGER 128

static struct str default_manager(const struct request *r)
{
    struct str agent = http_request_header(r->ex->request, STR("user-agent")), name = STR("");
    if (agent.p)
        (void)str_split(&agent, '/', &name);
    name = str_slice(name, 0, MAX_MANAGER);
    return name.len ? name : STR("unknown");
}

static struct status *read_strictness(struct request *r, enum decode_strictness *ret)
{
    struct str v = query_get(&r->query, STR("fieldValidation"));
    if (!v.len || str_eq(v, STR("Warn")))
        *ret = DECODE_WARN;
    else if (str_eq(v, STR("Ignore")))
        *ret = DECODE_IGNORE;
    else if (str_eq(v, STR("Strict")))
        *ret = DECODE_STRICT;
    else
        return status_bad_request(
            &r->arena,
            "fieldValidation: Unsupported value: \"%.*s\": supported values: \"Ignore\", "
            "\"Strict\", \"Warn\"",
            STR_ARG(str_slice(v, 0, 64)));
    return NULL;
}

static struct status *read_manager(struct request *r, struct str *ret)
{
    struct str v = query_get(&r->query, STR("fieldManager"));
    if (v.len > MAX_MANAGER)
        return status_bad_request(&r->arena, "fieldManager: Too long: may not be more than %d bytes",
                                  MAX_MANAGER);
    for (size_t i = 0; i < v.len; i++) {
        if ((unsigned char)v.p[i] < 0x20 || v.p[i] == 0x7f)
            return status_bad_request(&r->arena, "fieldManager: Invalid value: should only contain printable "
                                                 "characters");
    }
    *ret = v.len ? v : arena_str(&r->arena, default_manager(r));
    return NULL;
}

struct status *body_read_options(struct request *r, struct write_options *ret)
{
    struct str dry = query_get(&r->query, STR("dryRun"));
    if (dry.len && !str_eq(dry, STR("All")))
        return status_bad_request(&r->arena, "dryRun: Unsupported value: \"%.*s\": supported values: \"All\"",
                                  STR_ARG(str_slice(dry, 0, 64)));
    ret->dry_run = dry.len > 0;
    ret->force = query_get_bool(&r->query, STR("force"));
    struct status *refusal = read_strictness(r, &ret->strictness);
    return refusal ? refusal : read_manager(r, &ret->manager);
}

static struct status *parse_yaml(struct request *r, struct arena *a, struct json_parse_info *info,
                                 struct json **ret)
{
    struct err err = {0};
    int status = yaml_parse(a, r->body, info, ret, &err);
    if (status == 0)
        return NULL;
    if (status == -E2BIG)
        return status_too_large(a, "error parsing YAML: %s", err.text);
    return status_bad_request(a, "error converting YAML to JSON: %s", err.text);
}

static struct status *parse_protobuf(struct request *r, struct arena *a, const struct schema_type *type,
                                     struct json **ret)
{
    struct err err = {0};
    if (!type)
        return status_unsupported_media_type(a, STR("application/json, application/yaml"));
    if (protobuf_object_decode(a, type, r->body, ret, &err) < 0)
        return status_bad_request(a, "%s", err.text);
    return NULL;
}

struct status *body_parse(struct request *r, struct arena *a, const struct schema_type *type,
                          struct json_parse_info *info, struct json **ret)
{
    struct err err = {0};
    *info = (struct json_parse_info){0};
    if (!r->body.len)
        return status_bad_request(a, "the body of the request is empty");
    if (str_eq(r->content_type, STR("application/yaml")))
        return parse_yaml(r, a, info, ret);
    if (str_eq(r->content_type, STR(PROTOBUF)))
        return parse_protobuf(r, a, type, ret);
    if (r->content_type.len && !str_eq(r->content_type, STR("application/json")))
        return status_unsupported_media_type(a, STR(MEDIA_TYPES));
    if (json_parse(a, r->body, info, ret, &err) < 0)
        return status_bad_request(a, "the object provided is not valid JSON: %s", err.text);
    return NULL;
}

struct status *body_decode(struct request *r, struct arena *a, const struct write_options *options,
                           const struct json_parse_info *info, struct json **doc)
{
    const struct resource *resource = r->route.resource;
    struct decode_report report;
    const struct decode_options decode = {
        .arena = a,
        .resource = resource->schema,
        .strictness = options->strictness,
        .parsed = info,
    };
    struct status *refusal = object_decode(&decode, *doc, &report);
    if (refusal)
        return refusal;
    for (size_t i = 0; options->strictness == DECODE_WARN && i < report.n; i++)
        request_warn(r, report.problems[i]);
    *doc = conversion_to_stored(a, resource, *doc);
    const struct resource *stored = registry_stored(r->server->registry, resource);
    defaults_apply(a, stored->schema->type, *doc);
    if (stored->strategy->apply_defaults)
        stored->strategy->apply_defaults(stored->self, a, *doc);
    return NULL;
}
