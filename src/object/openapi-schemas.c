/* The schemas of an OpenAPI document. */
#include "object/openapi-private.h"

static struct json *named_ref(struct openapi *o, struct str name)
{
    struct json *ref = json_object(o->arena);
    const char *prefix = o->dialect == OPENAPI_V2 ? "#/definitions/" : "#/components/schemas/";
    json_setz(ref, "$ref", json_stringf(o->arena, "%s%.*s", prefix, STR_ARG(name)));
    return ref;
}

static void set_string(struct openapi *o, struct json *object, const char *key, struct str value)
{
    if (value.len)
        json_setz(object, key, json_string(o->arena, value));
}

static struct json *type_and_format(struct openapi *o, const char *type, const char *format)
{
    struct json *schema = json_object(o->arena);
    set_string(o, schema, "type", str_of(type));
    set_string(o, schema, "format", str_of(format));
    return schema;
}

/* Values that JSON writes in more than one way have schemas of their own, which `kubectl explain` shows by
 * name. */
static const struct special {
    enum schema_kind kind;
    struct str name;
    const char *format, *other; /* OTHER: a second type, which version 2 cannot say */
    const char *doc;
} specials[] = {
    {SCHEMA_INT_OR_STRING, STR_INIT("io.k8s.apimachinery.pkg.util.intstr.IntOrString"), "int-or-string",
     "integer", "A number, or a string such as a port's name or a percentage."},
    {SCHEMA_QUANTITY, STR_INIT("io.k8s.apimachinery.pkg.api.resource.Quantity"), NULL, "number",
     "An amount: a decimal number with an optional suffix, such as 500m, 2, 64Mi or 1.5G."},
    {SCHEMA_TIME, STR_INIT(OPENAPI_META_PREFIX "Time"), "date-time", NULL,
     "A moment, as RFC 3339 with whole seconds: 2026-11-24T08:14:15Z."},
    {SCHEMA_MICROTIME, STR_INIT(OPENAPI_META_PREFIX "MicroTime"), "date-time", NULL,
     "A moment, as RFC 3339 with microseconds: 2026-11-24T08:14:15.123456Z."},
};

static struct json *special_schema(struct openapi *o, const struct special *s)
{
    struct json *schema =
        type_and_format(o, s->other && o->dialect == OPENAPI_V3 ? NULL : "string", s->format);
    set_string(o, schema, "description", str_of(s->doc));
    if (s->other && o->dialect == OPENAPI_V3) {
        struct json *one_of = json_array(o->arena);
        json_append(one_of, type_and_format(o, s->other, NULL));
        json_append(one_of, type_and_format(o, "string", NULL));
        json_setz(schema, "oneOf", one_of);
    }
    return schema;
}

static struct json *special_ref(struct openapi *o, enum schema_kind kind)
{
    for (size_t i = 0; i < ARRAY_LEN(specials); i++) {
        const struct special *s = &specials[i];
        if (s->kind != kind)
            continue;
        if (!json_get(o->schemas, s->name))
            json_set(o->schemas, s->name, special_schema(o, s));
        return named_ref(o, s->name);
    }
    return NULL;
}

/* The schema of a value of TYPE, where it is used. */
static struct json *use(struct openapi *o, const struct schema_type *type)
{
    struct json *schema;
    switch (type->kind) {
    case SCHEMA_STRING:
        return type_and_format(o, "string", NULL);
    case SCHEMA_BOOL:
        return type_and_format(o, "boolean", NULL);
    case SCHEMA_INT32:
        return type_and_format(o, "integer", "int32");
    case SCHEMA_INT64:
        return type_and_format(o, "integer", "int64");
    case SCHEMA_DOUBLE:
        return type_and_format(o, "number", "double");
    case SCHEMA_BYTES:
        return type_and_format(o, "string", "byte");
    case SCHEMA_INT_OR_STRING:
    case SCHEMA_QUANTITY:
    case SCHEMA_TIME:
    case SCHEMA_MICROTIME:
        return special_ref(o, type->kind);
    case SCHEMA_OBJECT:
        return openapi_ref(o, type);
    case SCHEMA_LIST:
        schema = type_and_format(o, "array", NULL);
        json_setz(schema, "items", use(o, type->element));
        return schema;
    case SCHEMA_MAP:
        schema = type_and_format(o, "object", NULL);
        json_setz(schema, "additionalProperties", use(o, type->element));
        return schema;
    case SCHEMA_ANY:
        break;
    }
    return type_and_format(o, "object", NULL);
}

static struct json *strings(struct openapi *o, const struct str *values, size_t n)
{
    struct json *array = json_array(o->arena);
    for (size_t i = 0; i < n; i++)
        json_append(array, json_string(o->arena, values[i]));
    return array;
}

static void add_merge_rules(struct openapi *o, const struct schema_field *f, struct json *schema)
{
    static const char *const list_types[] = {[SCHEMA_ATOMIC] = "atomic",
                                             [SCHEMA_SET] = "set",
                                             [SCHEMA_MAP_KEYS] = "map",
                                             [SCHEMA_GRANULAR] = "atomic"};
    if (f->type->kind == SCHEMA_LIST)
        set_string(o, schema, "x-kubernetes-list-type", str_of(list_types[f->merge]));
    if (f->n_map_keys)
        json_setz(schema, "x-kubernetes-list-map-keys", strings(o, f->map_keys, f->n_map_keys));
    if ((f->type->kind == SCHEMA_MAP || f->type->kind == SCHEMA_OBJECT) && f->merge == SCHEMA_ATOMIC)
        set_string(o, schema, "x-kubernetes-map-type", STR("atomic"));
    set_string(o, schema, "x-kubernetes-patch-merge-key", f->patch_merge_key);
    if (f->patch_merge || f->patch_retain_keys) {
        const char *strategy = !f->patch_merge        ? "retainKeys"
                               : f->patch_retain_keys ? "merge,retainKeys"
                                                      : "merge";
        set_string(o, schema, "x-kubernetes-patch-strategy", str_of(strategy));
    }
}

static void add_rules(struct openapi *o, const struct schema_field *f, struct json *schema)
{
    struct json *value;
    /* An empty object as default only means that the defaults inside it count; it need not be a valid one. */
    if (f->default_json.len && !f->default_if_field.len && f->type->kind != SCHEMA_OBJECT &&
        json_parse(o->arena, f->default_json, NULL, &value, NULL) == 0)
        json_setz(schema, "default", value);
    if (f->n_enum_values) {
        struct json *items = json_getz(schema, "items");
        json_setz(items ? items : schema, "enum", strings(o, f->enum_values, f->n_enum_values));
    }
    if (f->has_min)
        json_setz(schema, "minimum", json_int(o->arena, f->min));
    if (f->has_max)
        json_setz(schema, "maximum", json_int(o->arena, f->max));
    add_merge_rules(o, f, schema);
}

static struct json *property(struct openapi *o, const struct schema_field *f)
{
    struct json *schema = use(o, f->type);
    /* Version 3 ignores what stands beside a reference. */
    if (o->dialect == OPENAPI_V3 && json_getz(schema, "$ref")) {
        struct json *all_of = json_array(o->arena), *ref = schema;
        json_append(all_of, ref);
        schema = json_object(o->arena);
        json_setz(schema, "allOf", all_of);
    }
    set_string(o, schema, "description", f->doc);
    add_rules(o, f, schema);
    return schema;
}

struct json *openapi_group_version_kind(struct openapi *o, struct str group, struct str version,
                                        struct str kind)
{
    struct json *v = json_object(o->arena);
    json_setz(v, "group", json_string(o->arena, group));
    json_setz(v, "kind", json_string(o->arena, kind));
    json_setz(v, "version", json_string(o->arena, version));
    return v;
}

/* The kinds whose objects are of TYPE: clients find the schema of a kind by them. */
static void add_kinds(struct openapi *o, const struct schema_type *type, struct json *schema)
{
    struct json *kinds = json_array(o->arena);
    for (size_t i = 0; i < n_schema_resources; i++) {
        const struct schema_resource *r = schema_resources[i];
        if (r->type == type)
            json_append(kinds, openapi_group_version_kind(o, r->group, r->version, r->kind));
    }
    if (type == &schema_Status)
        json_append(kinds, openapi_group_version_kind(o, STR(""), STR("v1"), type->name));
    if (type == &schema_Scale)
        json_append(kinds, openapi_group_version_kind(o, STR("autoscaling"), STR("v1"), type->name));
    if (type == &schema_DeleteOptions) {
        for (size_t i = 0; i < n_schema_resources; i++) {
            const struct schema_resource *r = schema_resources[i];
            if (!i || !str_eq(r->group, schema_resources[i - 1]->group))
                json_append(kinds, openapi_group_version_kind(o, r->group, r->version, type->name));
        }
    }
    if (kinds->n)
        json_setz(schema, "x-kubernetes-group-version-kind", kinds);
}

static struct json *object_schema(struct openapi *o, const struct schema_type *type, struct json *schema)
{
    struct json *properties = json_object(o->arena), *required = json_array(o->arena);
    set_string(o, schema, "description", type->doc);
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct schema_field *f = &type->fields[i];
        json_set(properties, f->name, property(o, f));
        if (f->required)
            json_append(required, json_string(o->arena, f->name));
    }
    if (type->n_fields)
        json_setz(schema, "properties", properties);
    if (required->n)
        json_setz(schema, "required", required);
    if (type->atomic)
        set_string(o, schema, "x-kubernetes-map-type", STR("atomic"));
    add_kinds(o, type, schema);
    return schema;
}

struct json *openapi_ref(struct openapi *o, const struct schema_type *type)
{
    if (!json_get(o->schemas, type->openapi)) {
        struct json *schema = type_and_format(o, "object", NULL);
        json_set(o->schemas, type->openapi, schema); /* first, so that a type may contain itself */
        object_schema(o, type, schema);
    }
    return named_ref(o, type->openapi);
}

struct json *openapi_list_ref(struct openapi *o, const struct schema_resource *resource)
{
    struct str name = arena_format(o->arena, "%.*sList", STR_ARG(resource->type->openapi));
    if (json_get(o->schemas, name))
        return named_ref(o, name);
    static const struct schema_type string = {.kind = SCHEMA_STRING};
    const struct schema_type items = {.kind = SCHEMA_LIST, .element = resource->type};
    const struct schema_field fields[] = {
        {.name = STR_INIT("apiVersion"), .type = &string, .doc = STR_INIT("Group and version of this list.")},
        {.name = STR_INIT("items"), .type = &items, .doc = STR_INIT("The objects."), .required = true},
        {.name = STR_INIT("kind"),
         .type = &string,
         .doc = STR_INIT("What this is: the kind's name and List.")},
        {.name = STR_INIT("metadata"),
         .type = &schema_ListMeta,
         .doc = STR_INIT("The state that the list shows, and how to go on from here."),
         .merge = SCHEMA_GRANULAR},
    };
    const struct schema_type list = {
        .kind = SCHEMA_OBJECT,
        .doc = arena_format(o->arena, "A list of %.*s objects.", STR_ARG(resource->kind)),
        .fields = fields,
        .n_fields = ARRAY_LEN(fields)};
    struct json *schema = object_schema(o, &list, type_and_format(o, "object", NULL)),
                *kinds = json_array(o->arena);
    json_append(kinds,
                openapi_group_version_kind(o, resource->group, resource->version, resource->list_kind));
    json_setz(schema, "x-kubernetes-group-version-kind", kinds);
    json_set(o->schemas, name, schema);
    return named_ref(o, name);
}

struct json *openapi_patch_ref(struct openapi *o)
{
    struct str name = STR(OPENAPI_META_PREFIX "Patch");
    if (!json_get(o->schemas, name)) {
        struct json *schema = type_and_format(o, "object", NULL);
        set_string(o, schema, "description", STR("A change, in the form that the content type names."));
        json_set(o->schemas, name, schema);
    }
    return named_ref(o, name);
}
