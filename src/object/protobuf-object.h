/* Objects in the protocol buffers that typed clients send (`kubectl create` from 1.32 on, kube-proxy's
 * Events).
 *
 * Only reading: answers are JSON, which all of these clients take. Field numbers of the types that clients
 * create are in protobuf-tags.c; a field whose number is not there is refused by name, never dropped, and the
 * client may send JSON. What Go writes for an empty value that is no pointer is as absent, as in JSON.
 *
 *     if (protobuf_object_is(body))
 *         status = protobuf_object_decode(a, resource->type, body, &object, &err);
 *
 * Source: apimachinery runtime/serializer/protobuf; generated.proto of each group.
 */
#pragma once

#include "base/err.h"
#include "object/schema.h"
#include "wire/json.h"

#define PROTOBUF_OBJECT_MAX_DEPTH 32

/* Begins BODY with the envelope's magic bytes? */
bool protobuf_object_is(struct str body);

/* BODY as a document with apiVersion and kind from its envelope, for object_decode(). Errors: -EINVAL with a
 * sentence; -E2BIG nested too deep. */
int protobuf_object_decode(struct arena *a, const struct schema_type *type, struct str body,
                           struct json **ret, struct err *err);

/* The field of TYPE (or of INLINED, a type within it that JSON does not show; empty: none) with a number. */
struct protobuf_tag {
    struct str name;
    bool is_pointer; /* an empty value counts */
    bool is_inlined; /* NAME is a type whose fields are the outer one's */
};
/* False if there is none. */
bool protobuf_tag_find(const struct schema_type *type, struct str inlined, uint32_t number,
                       struct protobuf_tag *ret);
