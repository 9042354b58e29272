/* Schema: what kinds exist, and the types, defaults and rules of their fields.
 *
 * The tables are generated from api/ at build time by tools/generate-api (schema files are documented in
 * api/README.md), and everything reads them: strict decoding, defaulting, validation of shape, strategic
 * merge and apply, OpenAPI, `kubectl explain`, discovery, printed columns. A type is a graph of static
 * constants.
 */
#pragma once

#include "base/str.h"

enum schema_kind {
    SCHEMA_STRING,
    SCHEMA_BOOL,
    SCHEMA_INT32,
    SCHEMA_INT64,
    SCHEMA_DOUBLE,
    SCHEMA_INT_OR_STRING,
    SCHEMA_QUANTITY,
    SCHEMA_TIME,      /* RFC 3339, seconds; null allowed */
    SCHEMA_MICROTIME, /* RFC 3339, microseconds; null allowed */
    SCHEMA_BYTES,     /* base64 in JSON */
    SCHEMA_OBJECT,    /* fields */
    SCHEMA_LIST,      /* of element */
    SCHEMA_MAP,       /* string to element */
    SCHEMA_ANY,       /* any JSON value (RawExtension, FieldsV1) */
};

/* How a list is merged: by server-side apply, and by strategic merge patch (which merges SET lists and MAP
 * lists that have a merge key, and replaces ATOMIC ones). */
enum schema_merge { SCHEMA_ATOMIC, SCHEMA_SET, SCHEMA_MAP_KEYS, SCHEMA_GRANULAR };

struct schema_type;

struct schema_field {
    struct str name;
    const struct schema_type *type;
    struct str doc; /* one sentence; may be empty in nested PodSpec types */
    bool required;
    /* JSON, or empty: none. A default of "" (two quotes) says how an absent merge key reads; it is not
     * written. */
    struct str default_json;
    bool default_over_zero; /* a number that is 0 gets the default too (a string that is "" always does) */
    /* The default applies only if this sibling, after its own default, has one of these values. */
    struct str default_if_field; /* empty: always */
    const struct str *default_if_values;
    size_t n_default_if_values;
    /* Rules on the value itself (of a list: on its elements); zero means none. An optional string may be "".
     */
    const struct str *enum_values; /* n_enum_values of them */
    size_t n_enum_values;
    bool has_min, has_max;
    int64_t min, max;
    bool immutable; /* on update, once set */
    /* Merging of this field when it is a list, map or object. */
    enum schema_merge merge; /* server-side apply: lists ATOMIC, SET or MAP_KEYS; maps and objects GRANULAR or
                              * ATOMIC (an ATOMIC type makes its fields ATOMIC); scalars ATOMIC */
    const struct str *map_keys; /* MAP_KEYS: x-kubernetes-list-map-keys */
    size_t n_map_keys;
    bool patch_merge;           /* strategic merge: x-kubernetes-patch-strategy has merge */
    bool patch_retain_keys;     /* ... has retainKeys */
    struct str patch_merge_key; /* x-kubernetes-patch-merge-key; empty for lists of scalars */
};

struct schema_type {
    enum schema_kind kind;
    struct str name;    /* SCHEMA_OBJECT: Go type name, "ServiceSpec" */
    struct str openapi; /* SCHEMA_OBJECT: "io.k8s.api.core.v1.ServiceSpec" */
    struct str doc;
    const struct schema_field
        *fields; /* SCHEMA_OBJECT: sorted by name; apiVersion, kind, metadata included */
    size_t n_fields;
    const struct schema_type *element; /* SCHEMA_LIST, SCHEMA_MAP */
    bool atomic; /* SCHEMA_OBJECT: merged as one value by apply (x-kubernetes-map-type) */
};

/* A printed column: name, OpenAPI type and format, priority (0 shows without -o wide), and what it shows,
 * which the apiserver's printers interpret (docs in api/README.md). */
struct schema_column {
    struct str name, type, format, doc;
    int priority;
    struct str path; /* JSON path, or a printer's name after '@' */
};

enum schema_scope { SCHEMA_NAMESPACED, SCHEMA_CLUSTER };

/* A resource: a kind under its plural name. One kind may be served in two groups (Event). */
struct schema_resource {
    struct str group, version; /* group "" is core */
    struct str kind, plural, singular, list_kind;
    const struct str *short_names;
    size_t n_short_names;
    const struct str *categories;
    size_t n_categories;
    enum schema_scope scope;
    struct str storage_prefix; /* below /registry/: "services/specs" */
    const struct schema_type *type;
    const struct str *verbs; /* sorted: "create", "delete", ... */
    size_t n_verbs;
    bool has_status, has_scale; /* subresources */
    bool generation; /* metadata.generation counts changes of what is neither metadata nor status */
    const struct str *selectable; /* field selectors besides metadata.name and .namespace: "spec.type" */
    size_t n_selectable;
    const struct schema_column *columns;
    size_t n_columns;
    /* Another resource whose objects these are too (events.k8s.io Event and core Event), or NULL: the storage
     * is then the other one's. */
    const struct schema_resource *stored_as;
};

extern const struct schema_resource *const schema_resources[];
extern const size_t n_schema_resources;

/* NULL if there is none. */
const struct schema_resource *schema_find_resource(struct str group, struct str version, struct str plural);
const struct schema_resource *schema_find_kind(struct str group, struct str version, struct str kind);
const struct schema_field *schema_find_field(const struct schema_type *type, struct str name);

bool schema_has_verb(const struct schema_resource *resource, struct str verb);

/* Types that no resource leads to, or that code needs by name. A list type ("ServiceList") is not in the
 * tables: it is apiVersion, kind, metadata (ListMeta) and items. */
extern const struct schema_type schema_ObjectMeta, schema_ListMeta, schema_Status, schema_DeleteOptions,
    schema_LabelSelector, schema_Scale;

/* A name for the content of the tables and of what is made of them: hex digits that change with the sources.
 */
extern const struct str schema_hash;
