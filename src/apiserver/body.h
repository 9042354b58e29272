/* Bodies: what a client sends becomes a decoded object; and the options that go with a write. */
#pragma once

#include "object/decode.h"
#include "wire/json.h"

struct request;
struct resource;

struct write_options {
    bool dry_run;
    enum decode_strictness strictness;
    struct str manager; /* fieldManager, or what the user agent is called */
    bool force;         /* of an apply */
};

/* Returns a refusal or NULL. */
struct status *body_read_options(struct request *r, struct write_options *ret);

/* The body as a document, in arena A, by its content type: JSON, YAML, or protocol buffers of TYPE (NULL:
 * none of these). Returns a 400, 415 or NULL. */
struct status *body_parse(struct request *r, struct arena *a, const struct schema_type *type,
                          struct json_parse_info *info, struct json **ret);

/* DOC (in A) as an object of the request's resource, with defaults, in the form that is stored. What strict
 * decoding finds becomes warnings or a refusal. */
struct status *body_decode(struct request *r, struct arena *a, const struct write_options *options,
                           const struct json_parse_info *info, struct json **doc);
