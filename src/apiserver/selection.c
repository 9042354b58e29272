#include "apiserver/selection.h"

#include <inttypes.h>

#include "apiserver/cache.h"
#include "apiserver/conversion.h"
#include "apiserver/registry.h"
#include "apiserver/request.h"
#include "base/encoding.h"
#include "object/meta.h"

static struct status *parse_selectors(struct request *r, struct selection *s)
{
    struct err err = {0};
    struct str labels = query_get(&r->query, STR("labelSelector"));
    struct str fields = query_get(&r->query, STR("fieldSelector"));
    if (labels.len && label_selector_parse(&r->arena, labels, &s->labels, &err) < 0)
        return status_bad_request(&r->arena, "%s", err.text);
    if (!fields.len)
        return NULL;
    if (field_selector_parse(&r->arena, fields, &s->fields, &err) < 0 ||
        field_selector_check(&s->fields, s->resource->schema, &err) < 0)
        return status_bad_request(&r->arena, "%s", err.text);
    struct str name = field_selector_exact(&s->fields, STR("metadata.name"));
    if (name.p && !s->name.len)
        s->name = name;
    return NULL;
}

static struct status *parse_version(struct request *r, struct selection *s)
{
    struct arena *a = &r->arena;
    struct str version = query_get(&r->query, STR("resourceVersion"));
    struct str match = query_get(&r->query, STR("resourceVersionMatch"));
    s->has_version = version.len > 0;
    if (version.len && (str_to_int64(version, &s->version) < 0 || s->version < 0))
        return status_bad_request(a, "Invalid value: \"%.*s\": invalid resource version",
                                  STR_ARG(str_slice(version, 0, 64)));
    if (str_eq(match, STR("Exact")))
        s->match = MATCH_EXACT;
    else if (str_eq(match, STR("NotOlderThan")))
        s->match = MATCH_NOT_OLDER;
    else if (match.len)
        return status_bad_request(a,
                                  "resourceVersionMatch: Unsupported value: \"%.*s\": supported values: "
                                  "\"Exact\", \"NotOlderThan\"",
                                  STR_ARG(str_slice(match, 0, 64)));
    return NULL;
}

/* Source: upstream's apimachinery meta/internalversion/validation. */
static struct status *check_combination(struct request *r, const struct selection *s, bool is_watch)
{
    struct arena *a = &r->arena;
    if (is_watch && s->has_send_initial && s->match != MATCH_NOT_OLDER)
        return status_bad_request(a, "resourceVersionMatch: Forbidden: sendInitialEvents requires setting "
                                     "resourceVersionMatch to NotOlderThan");
    if (is_watch && s->match != MATCH_UNSET && !s->has_send_initial)
        return status_bad_request(
            a, "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch "
               "unless sendInitialEvents is provided");
    if (is_watch && s->send_initial && !s->bookmarks)
        return status_bad_request(
            a, "allowWatchBookmarks: Forbidden: sendInitialEvents needs allowWatchBookmarks");
    if (is_watch)
        return NULL;
    if (s->has_send_initial)
        return status_bad_request(a, "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list");
    if (s->match != MATCH_UNSET && !s->has_version)
        return status_bad_request(a,
                                  "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless "
                                  "resourceVersion is provided");
    if (s->match != MATCH_UNSET && s->continue_token.len)
        return status_bad_request(a,
                                  "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when "
                                  "continue is provided");
    if (s->match == MATCH_EXACT && s->version == 0)
        return status_bad_request(
            a, "resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is forbidden "
               "for resourceVersion \"0\"");
    if (s->continue_token.len && s->has_version && s->version != 0)
        return status_bad_request(a, "specifying resource version is not allowed when using continue");
    return NULL;
}

struct status *selection_parse(struct request *r, struct selection *ret)
{
    struct selection *s = ret;
    *s = (struct selection){
        .resource = r->route.resource,
        .prefix = r->route.ns.len ? arena_format(&r->arena, "%.*s/", STR_ARG(r->route.ns)) : STR(""),
        .name = r->route.name.len ? r->route.name : STR(""),
        .bookmarks = query_get_bool(&r->query, STR("allowWatchBookmarks")),
        .send_initial = query_get_bool(&r->query, STR("sendInitialEvents")),
        .has_send_initial = query_has(&r->query, STR("sendInitialEvents")),
        .continue_token = query_get(&r->query, STR("continue")),
    };
    struct status *bad = parse_selectors(r, s);
    if (!bad)
        bad = parse_version(r, s);
    if (!bad)
        bad = query_get_int(&r->arena, &r->query, STR("limit"), 0, &s->limit);
    if (!bad)
        bad = query_get_int(&r->arena, &r->query, STR("timeoutSeconds"), 0, &s->timeout_seconds);
    if (bad)
        return bad;
    if (s->limit < 0 || s->timeout_seconds < 0)
        return status_bad_request(&r->arena, "limit and timeoutSeconds must not be negative");
    return check_combination(r, s, r->route.verb == VERB_WATCH);
}

bool selection_is_all(const struct selection *s)
{
    return !s->name.len && !s->labels.n && !s->labels.nothing && !s->fields.n;
}

bool selection_matches(const struct selection *s, struct arena *a, const struct json *object)
{
    if (!object)
        return false;
    if (s->name.len && !str_eq(s->name, meta_name(object)))
        return false;
    if (!label_selector_matches(&s->labels, meta_labels(object)))
        return false;
    if (!s->fields.n)
        return true;
    if (conversion_is_needed(s->resource))
        object = conversion_from_stored(a, s->resource, json_copy(a, object));
    return field_selector_matches(&s->fields, object);
}

bool selection_matches_cached(const struct selection *s, const struct cache_object *o)
{
    if (s->name.len && !str_eq(s->name, cache_object_name(o)))
        return false;
    if (!s->labels.n && !s->labels.nothing && !s->fields.n)
        return true;
    _cleanup_(arena_done) struct arena a = {0};
    struct json *doc;
    if (json_parse(&a, cache_object_json(o), NULL, &doc, NULL) < 0)
        return false;
    return selection_matches(s, &a, doc);
}

struct str continue_encode(struct arena *a, int64_t revision, struct str key)
{
    _cleanup_(strbuf_done) struct strbuf text = {0}, token = {0};
    strbuf_addf(&text, "{\"v\":\"meta.k8s.io/v1\",\"rv\":%" PRId64 ",\"start\":", revision);
    json_write_string(key, &text);
    strbuf_addc(&text, '}');
    base64url_encode(strbuf_str(&text), &token);
    return arena_str(a, strbuf_str(&token));
}

struct status *continue_decode(struct arena *a, struct str token, int64_t *ret_revision, struct str *ret_key)
{
    _cleanup_(strbuf_done) struct strbuf text = {0};
    struct json *doc;
    if (token.len > 4096 || base64url_decode(token, &text) < 0)
        return status_bad_request(a, "continue key is not valid: illegal base64 data");
    if (json_parse(a, arena_str(a, strbuf_str(&text)), NULL, &doc, NULL) < 0)
        return status_bad_request(a, "continue key is not valid: it is no JSON object");
    if (!str_eq(json_string_at(doc, "v"), STR("meta.k8s.io/v1")))
        return status_bad_request(a, "continue key is not valid: unknown version");
    int64_t revision = json_int_at(doc, 0, "rv");
    struct str key = json_string_at(doc, "start");
    if (revision == 0 || revision < -1 || !key.len)
        return status_bad_request(
            a, "continue key is not valid: incorrect encoded start resourceVersion or key");
    *ret_revision = revision;
    *ret_key = key;
    return NULL;
}
