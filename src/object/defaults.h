/* Defaults that the schema gives fields. */
#pragma once

#include "object/schema.h"
#include "wire/json.h"

/* Sets the default of every field of VALUE that is absent or an empty string (of TYPE, decoded), inside
 * present objects, lists and maps and inside the defaults themselves. Idempotent. A default that is not JSON
 * is a bug of the tables and aborts. */
void defaults_apply(struct arena *a, const struct schema_type *type, struct json *value);
