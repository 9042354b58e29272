#include "apiserver/table.h"

#include "apiserver/conversion.h"
#include "apiserver/printers.h"
#include "apiserver/registry.h"
#include "object/meta.h"

static struct json *column_definitions(struct arena *a, const struct schema_resource *schema)
{
    struct json *list = json_array(a);
    for (size_t i = 0; i < schema->n_columns; i++) {
        const struct schema_column *c = &schema->columns[i];
        struct json *v = json_object(a);
        json_setz(v, "name", json_string(a, c->name));
        json_setz(v, "type", json_string(a, c->type));
        json_setz(v, "format", json_string(a, c->format.p ? c->format : STR("")));
        json_setz(v, "description", json_string(a, c->doc));
        json_setz(v, "priority", json_int(a, c->priority));
        json_append(list, v);
    }
    return list;
}

/* ".spec.type" */
static struct json *at_path(const struct json *object, struct str path)
{
    struct json *v = (struct json *)object;
    struct str part;
    path = str_slice(path, 1, path.len);
    while (v && path.p && str_split(&path, '.', &part))
        v = json_get(v, part);
    return v;
}

static struct json *cell(struct arena *a, const struct table_options *o, const struct schema_column *c,
                         const struct json *object)
{
    if (c->path.len && c->path.p[0] == '@') {
        printer_fn *print = printer_find(str_slice(c->path, 1, c->path.len));
        return print ? print(a, object, o->now) : json_string(a, STR("<unknown>"));
    }
    struct json *v = at_path(object, c->path);
    if (v)
        return json_copy(a, v);
    return str_eq(c->type, STR("string")) ? json_string(a, STR("")) : json_null(a);
}

/* Rows of pods that have ended carry a condition, by which clients may hide them. */
static void add_conditions(struct arena *a, struct json *row, const struct table_options *o,
                           const struct json *object)
{
    struct str phase = json_string_at(object, "status", "phase");
    bool succeeded = str_eq(phase, STR("Succeeded"));
    if (!str_eq(o->resource->stored->kind, STR("Pod")) || (!succeeded && !str_eq(phase, STR("Failed"))))
        return;
    struct json *condition = json_object(a);
    json_setz(condition, "type", json_string(a, STR("Completed")));
    json_setz(condition, "status", json_string(a, STR("True")));
    json_setz(condition, "reason", json_string(a, phase));
    json_setz(
        condition, "message",
        json_string(a, succeeded ? STR("The pod has completed successfully.") : STR("The pod failed.")));
    json_append(json_ensure_array(a, row, "conditions"), condition);
}

static struct json *row_object(struct arena *a, const struct table_options *o, struct json *object)
{
    if (o->include == TABLE_OBJECT)
        return conversion_from_stored(a, o->resource, object);
    if (o->include == TABLE_NOTHING)
        return NULL;
    struct json *v = json_object(a), *metadata = meta_get(object);
    json_setz(v, "kind", json_string(a, STR("PartialObjectMetadata")));
    json_setz(v, "apiVersion", json_stringf(a, "meta.k8s.io/%.*s", STR_ARG(o->version)));
    if (metadata)
        json_setz(v, "metadata", json_copy(a, metadata));
    return v;
}

static struct json *row(struct arena *a, const struct table_options *o, struct json *object)
{
    struct json *v = json_object(a), *cells = json_array(a);
    for (size_t i = 0; i < o->resource->stored->n_columns; i++) {
        struct json *one = cell(a, o, &o->resource->stored->columns[i], object);
        if (one->type == JSON_STRING)
            one->text = printer_harmless(a, one->text);
        json_append(cells, one);
    }
    json_setz(v, "cells", cells);
    add_conditions(a, v, o, object);
    struct json *carried = row_object(a, o, object);
    if (carried)
        json_setz(v, "object", carried);
    return v;
}

struct json *table_make(struct arena *a, const struct table_options *o, struct json *items,
                        struct json *metadata)
{
    struct json *table = json_object(a), *rows = json_array(a);
    while (items->n)
        json_append(rows, row(a, o, json_remove_at(items, 0)));
    json_setz(table, "kind", json_string(a, STR("Table")));
    json_setz(table, "apiVersion", json_stringf(a, "meta.k8s.io/%.*s", STR_ARG(o->version)));
    json_setz(table, "metadata", metadata);
    json_setz(table, "columnDefinitions", column_definitions(a, o->resource->stored));
    json_setz(table, "rows", rows);
    return table;
}

struct json *table_of_one(struct arena *a, const struct table_options *o, struct json *object)
{
    struct json *items = json_array(a), *metadata = json_object(a);
    struct str version = meta_resource_version(object);
    if (version.len)
        json_setz(metadata, "resourceVersion", json_string(a, version));
    json_append(items, object);
    return table_make(a, o, items, metadata);
}
