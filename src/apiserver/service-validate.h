/* Validation of Services with upstream's messages (section 1.3 to 1.5 of the semantics). Pure; nothing is
 * changed.
 *
 * OLD is what is stored, NULL on creation: values that are stored already are not checked for syntax again,
 * so that rules which became stricter never lock an object.
 */
#pragma once

#include "object/field-errors.h"
#include "wire/json.h"

void service_validate(const struct json *service, const struct json *old, struct field_errors *errors);
/* What may not change, once set. */
void service_validate_update(const struct json *service, const struct json *old, struct field_errors *errors);
/* status.loadBalancer. */
void service_validate_status(const struct json *service, const struct json *old, struct field_errors *errors);

/* One sentence per deprecated or doubtful use, for Warning headers. */
void service_warnings(const struct json *service, void (*warn)(void *user, const char *text), void *user);
