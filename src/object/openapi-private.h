/* Inside of OpenAPI: what the files that build a document share. */
#pragma once

#include "object/openapi.h"
#include "wire/json.h"

enum openapi_dialect { OPENAPI_V2, OPENAPI_V3 };

/* A document being built. */
struct openapi {
    struct arena *arena;
    enum openapi_dialect dialect;
    struct json *schemas; /* by name; filled as they are referred to */
    struct json *paths;
};

#define OPENAPI_META_PREFIX "io.k8s.apimachinery.pkg.apis.meta.v1."

/* openapi-schemas.c */

/* {"$ref": ...} to the schema of TYPE, or of its list; it and what it needs are added to the document. */
struct json *openapi_ref(struct openapi *o, const struct schema_type *type);
struct json *openapi_list_ref(struct openapi *o, const struct schema_resource *resource);
/* ... to the body of a patch. */
struct json *openapi_patch_ref(struct openapi *o);
/* {"group", "kind", "version"} */
struct json *openapi_group_version_kind(struct openapi *o, struct str group, struct str version,
                                        struct str kind);

/* openapi-paths.c */

/* Adds all paths of RESOURCE and their operations. */
void openapi_add_paths(struct openapi *o, const struct schema_resource *resource);

/* openapi-protobuf.c */

/* Appends a version 2 DOCUMENT as gnostic's openapi.v2.Document. */
void openapi_write_protobuf(const struct json *document, struct strbuf *out);
