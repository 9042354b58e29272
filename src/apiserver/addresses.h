/* Syntax of addresses in API fields: the messages of upstream, and the special addresses that no Service or
 * endpoint may have (CVE-2021-25737). STORED is the list of values the old object has, NULL if none: those
 * are accepted as they are. */
#pragma once

#include "base/ip.h"
#include "object/field-errors.h"

/* True if TEXT is one of the strings in STORED. */
bool address_is_stored(const struct json *stored, struct str text);

/* Adds a field error unless TEXT is an IP address in canonical form. Returns whether it is. */
bool address_validate(struct field_errors *e, const struct field_path *path, struct str text,
                      const struct json *stored);
/* The same for a prefix without bits behind it. */
bool address_validate_prefix(struct field_errors *e, const struct field_path *path, struct str text,
                             const struct json *stored);

enum address_use { ADDRESS_OF_SERVICE, ADDRESS_OF_ENDPOINT };
/* Adds an error if the address is unspecified, loopback, link-local or link-local multicast. */
void address_validate_special(struct field_errors *e, const struct field_path *path, struct str text,
                              enum address_use use);
