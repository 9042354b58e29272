/* The paths of an OpenAPI document: what may be done with a resource. */
#include "object/openapi-private.h"

enum action {
    LIST = 1 << 0,
    CREATE = 1 << 1,
    DELETE_ALL = 1 << 2,
    READ = 1 << 3,
    REPLACE = 1 << 4,
    PATCH = 1 << 5,
    REMOVE = 1 << 6,
};

static const struct action_words {
    enum action action;
    struct str verb;    /* of the resource's verbs */
    const char *method; /* in the path item */
    const char *action_name, *id;
    const char *doc;
} actions[] = {
    {LIST, STR_INIT("list"), "get", "list", "list", "Lists or watches objects of kind"},
    {CREATE, STR_INIT("create"), "post", "post", "create", "Creates an object of kind"},
    {DELETE_ALL, STR_INIT("deletecollection"), "delete", "deletecollection", "deleteCollection",
     "Deletes all selected objects of kind"},
    {READ, STR_INIT("get"), "get", "get", "read", "Reads the object of kind"},
    {REPLACE, STR_INIT("update"), "put", "put", "replace", "Replaces the object of kind"},
    {PATCH, STR_INIT("patch"), "patch", "patch", "patch", "Changes parts of the object of kind"},
    {REMOVE, STR_INIT("delete"), "delete", "delete", "delete", "Deletes the object of kind"},
};

#define WRITES    (CREATE | REPLACE | PATCH)
#define DELETIONS (REMOVE | DELETE_ALL)

static const struct parameter {
    const char *name, *type, *doc;
    int actions;
} parameters[] = {
    {"allowWatchBookmarks", "boolean",
     "Whether a watch may send bookmarks, which only tell the revision reached.", LIST},
    {"continue", "string", "Where to go on, from the last page's metadata.continue.", LIST | DELETE_ALL},
    {"dryRun", "string", "With All, everything is checked and nothing is stored.", WRITES | DELETIONS},
    {"fieldManager", "string", "The name under which the fields that this sets are owned.", WRITES},
    {"fieldSelector", "string", "Only objects whose fields have these values.", LIST | DELETE_ALL},
    {"fieldValidation", "string", "What to do with unknown and duplicate fields: Ignore, Warn or Strict.",
     WRITES},
    {"force", "boolean", "Whether an apply takes fields from other owners.", PATCH},
    {"gracePeriodSeconds", "integer", "Seconds that the object has to end in good order.", DELETIONS},
    {"labelSelector", "string", "Only objects whose labels match.", LIST | DELETE_ALL},
    {"limit", "integer", "At most so many objects on a page.", LIST | DELETE_ALL},
    {"orphanDependents", "boolean", "The old form of propagationPolicy.", DELETIONS},
    {"pretty", "string", "Whether to indent the answer.", LIST | WRITES | READ | DELETIONS},
    {"propagationPolicy", "string", "What becomes of dependents: Orphan, Background or Foreground.",
     DELETIONS},
    {"resourceVersion", "string", "The state to read, or to watch from.", LIST | DELETE_ALL},
    {"resourceVersionMatch", "string", "How exactly resourceVersion is meant: Exact or NotOlderThan.",
     LIST | DELETE_ALL},
    {"sendInitialEvents", "boolean", "Whether a watch starts with the objects that are there.",
     LIST | DELETE_ALL},
    {"timeoutSeconds", "integer", "Seconds after which the answer ends.", LIST | DELETE_ALL},
    {"watch", "boolean", "Sends changes as they come instead of a list.", LIST},
};

/* One path being described. */
struct path {
    const struct schema_resource *resource;
    const struct schema_type *type;  /* what is read and written: the resource's, or Scale */
    struct str group, version, kind; /* of TYPE */
    struct str suffix;               /* of operation ids: "Status", "Scale" */
    bool namespaced, named;
    int actions;
};

static void set_string(struct openapi *o, struct json *object, const char *key, const char *value)
{
    json_setz(object, key, json_string(o->arena, str_of(value)));
}

static struct json *string_list(struct openapi *o, const char *const *values)
{
    struct json *list = json_array(o->arena);
    for (; *values; values++)
        json_append(list, json_string(o->arena, str_of(*values)));
    return list;
}

static struct json *parameter(struct openapi *o, const char *in, const struct parameter *p)
{
    struct json *v = json_object(o->arena), *schema = v;
    set_string(o, v, "name", p->name);
    set_string(o, v, "in", in);
    set_string(o, v, "description", p->doc);
    if (*in == 'p')
        json_setz(v, "required", json_bool(o->arena, true));
    if (o->dialect == OPENAPI_V3) {
        schema = json_object(o->arena);
        json_setz(v, "schema", schema);
    }
    set_string(o, schema, "type", p->type);
    json_setz(schema, "uniqueItems", json_bool(o->arena, true));
    return v;
}

static const char *const media_types[] = {"application/json", "application/yaml", NULL};
static const char *const patch_types[] = {"application/apply-patch+yaml", "application/json-patch+json",
                                          "application/merge-patch+json",
                                          "application/strategic-merge-patch+json", NULL};
static const char *const any_type[] = {"*/*", NULL};

/* {TYPE: {"schema": SCHEMA}, ...} for version 3. */
static struct json *content(struct openapi *o, const char *const *types, const struct json *schema)
{
    struct json *v = json_object(o->arena);
    for (; *types; types++) {
        struct json *one = json_object(o->arena);
        json_setz(one, "schema", json_copy(o->arena, schema));
        json_setz(v, *types, one);
    }
    return v;
}

static void add_body(struct openapi *o, const struct path *p, enum action action, struct json *op)
{
    struct json *schema = action == PATCH        ? openapi_patch_ref(o)
                          : (action & DELETIONS) ? openapi_ref(o, &schema_DeleteOptions)
                                                 : openapi_ref(o, p->type);
    struct json *body = json_object(o->arena);
    if (action & WRITES)
        json_setz(body, "required", json_bool(o->arena, true));
    if (o->dialect == OPENAPI_V3) {
        json_setz(body, "content", content(o, action == PATCH ? patch_types : any_type, schema));
        json_setz(op, "requestBody", body);
        return;
    }
    set_string(o, body, "name", "body");
    set_string(o, body, "in", "body");
    json_setz(body, "schema", schema);
    json_append(json_ensure_array(o->arena, op, "parameters"), body);
    json_setz(op, "consumes", string_list(o, action == PATCH ? patch_types : any_type));
}

static void add_response(struct openapi *o, struct json *op, const char *code, const char *doc,
                         const struct json *schema)
{
    struct json *response = json_object(o->arena);
    set_string(o, response, "description", doc);
    if (schema && o->dialect == OPENAPI_V3)
        json_setz(response, "content", content(o, media_types, schema));
    else if (schema)
        json_setz(response, "schema", json_copy(o->arena, schema));
    json_setz(json_ensure_object(o->arena, op, "responses"), code, response);
}

static void add_responses(struct openapi *o, const struct path *p, enum action action, struct json *op)
{
    struct json *schema = action == LIST       ? openapi_list_ref(o, p->resource)
                          : action & DELETIONS ? openapi_ref(o, &schema_Status)
                                               : openapi_ref(o, p->type);
    add_response(o, op, "200", "OK", schema);
    if (action & WRITES)
        add_response(o, op, "201", "Created", schema);
    if (action & (CREATE | REMOVE))
        add_response(o, op, "202", "Accepted", schema);
    add_response(o, op, "401", "Unauthorized", NULL);
    if (o->dialect == OPENAPI_V2)
        json_setz(op, "produces", string_list(o, media_types));
}

/* "core" and "v1" give CoreV1, "discovery.k8s.io" and "v1" DiscoveryV1. */
static void add_group_words(const struct schema_resource *r, struct strbuf *out)
{
    struct str group = r->group.len ? r->group : STR("core");
    ptrdiff_t dot = str_find_char(group, '.');
    group = str_slice(group, 0, dot < 0 ? group.len : (size_t)dot);
    strbuf_addc(out, (char)(group.p[0] - 'a' + 'A'));
    strbuf_add_str(out, str_slice(group, 1, group.len));
    strbuf_addf(out, "V%.*s", STR_ARG(str_slice(r->version, 1, r->version.len)));
}

static struct json *operation_id(struct openapi *o, const struct path *p, const struct action_words *w)
{
    _cleanup_(strbuf_done) struct strbuf id = {0};
    const struct schema_resource *r = p->resource;
    strbuf_addz(&id, w->id);
    add_group_words(r, &id);
    if (w->action == DELETE_ALL)
        strbuf_addz(&id, "Collection");
    if (p->namespaced)
        strbuf_addz(&id, "Namespaced");
    strbuf_add_str(&id, r->kind);
    strbuf_add_str(&id, p->suffix);
    if (r->scope == SCHEMA_NAMESPACED && !p->namespaced)
        strbuf_addz(&id, "ForAllNamespaces");
    return json_string(o->arena, arena_str(o->arena, strbuf_str(&id)));
}

static struct json *operation(struct openapi *o, const struct path *p, const struct action_words *w)
{
    struct json *op = json_object(o->arena), *list = json_ensure_array(o->arena, op, "parameters");
    json_setz(op, "description", json_stringf(o->arena, "%s %.*s.", w->doc, STR_ARG(p->resource->kind)));
    json_setz(op, "operationId", operation_id(o, p, w));
    /* In the operation, not beside it: kubectl looks for them only here. */
    for (size_t i = 0; i < ARRAY_LEN(parameters); i++) {
        if (parameters[i].actions & w->action)
            json_append(list, parameter(o, "query", &parameters[i]));
    }
    if (w->action & (WRITES | DELETIONS))
        add_body(o, p, w->action, op);
    add_responses(o, p, w->action, op);
    set_string(o, op, "x-kubernetes-action", w->action_name);
    json_setz(op, "x-kubernetes-group-version-kind",
              openapi_group_version_kind(o, p->group, p->version, p->kind));
    return op;
}

static void add_path(struct openapi *o, const struct path *p, const char *subresource)
{
    static const struct parameter name = {"name", "string", "Name of the object.", 0};
    static const struct parameter namespace = {"namespace", "string", "Namespace of the object.", 0};
    const struct schema_resource *r = p->resource;
    _cleanup_(strbuf_done) struct strbuf path = {0};
    if (r->group.len)
        strbuf_addf(&path, "/apis/%.*s/%.*s/", STR_ARG(r->group), STR_ARG(r->version));
    else
        strbuf_addf(&path, "/api/%.*s/", STR_ARG(r->version));
    strbuf_addz(&path, p->namespaced ? "namespaces/{namespace}/" : "");
    strbuf_add_str(&path, r->plural);
    strbuf_addz(&path, p->named ? "/{name}" : "");
    strbuf_addz(&path, subresource);

    struct json *item = json_object(o->arena);
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if ((actions[i].action & p->actions) && schema_has_verb(r, actions[i].verb))
            json_setz(item, actions[i].method, operation(o, p, &actions[i]));
    }
    if (p->named)
        json_append(json_ensure_array(o->arena, item, "parameters"), parameter(o, "path", &name));
    if (p->namespaced)
        json_append(json_ensure_array(o->arena, item, "parameters"), parameter(o, "path", &namespace));
    json_set(o->paths, arena_str(o->arena, strbuf_str(&path)), item);
}

void openapi_add_paths(struct openapi *o, const struct schema_resource *r)
{
    struct path p = {
        .resource = r, .type = r->type, .group = r->group, .version = r->version, .kind = r->kind};
    if (r->scope == SCHEMA_NAMESPACED) {
        p.actions = LIST;
        add_path(o, &p, "");
        p.namespaced = true;
    }
    p.actions = LIST | CREATE | DELETE_ALL;
    add_path(o, &p, "");
    p.named = true;
    p.actions = READ | REPLACE | PATCH | REMOVE;
    add_path(o, &p, "");
    p.actions = READ | REPLACE | PATCH;
    if (r->has_status) {
        p.suffix = STR("Status");
        add_path(o, &p, "/status");
    }
    if (r->has_scale) {
        p.suffix = STR("Scale");
        p.type = &schema_Scale;
        p.group = STR("autoscaling");
        p.version = STR("v1");
        p.kind = STR("Scale");
        add_path(o, &p, "/scale");
    }
}
