/* OpenAPI documents, built from the schema tables when somebody asks.
 *
 * Version 3 has one document per group and version (`kubectl explain`, `kubectl apply` from 1.27 on) and an
 * index of them with URLs that change with the content; version 2 is one document for everything, as JSON and
 * as protocol buffers, which is all that kubectl 1.20 reads. A document is built in an arena of its own (a
 * few MB) and nothing is kept: callers that expect many requests cache the bytes.
 *
 * Source: kube-openapi; gnostic's openapiv2/OpenAPIv2.proto for the field numbers.
 */
#pragma once

#include "object/schema.h"

enum openapi_form { OPENAPI_JSON, OPENAPI_PROTOBUF };

/* The index at /openapi/v3, as JSON. */
void openapi_v3_index(struct strbuf *out);

/* The document of a PATH of the index: "api/v1", "apis/apps/v1". SERVER_VERSION becomes info.version
 * ("v1.36.2"). Errors: -ENOENT there is no such group and version. */
int openapi_v3(struct str path, struct str server_version, struct strbuf *out);

/* The document at /openapi/v2. */
void openapi_v2(struct str server_version, enum openapi_form form, struct strbuf *out);

/* A name for the content of all documents of this build: hex digits, for ETag and the like. */
struct str openapi_hash(void);
