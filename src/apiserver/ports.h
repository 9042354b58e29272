/* Syntax of ports in API fields, as Services, Endpoints and EndpointSlices share it: upstream's messages. */
#pragma once

#include "object/field-errors.h"

/* Adds an error unless V is a whole number from 1 to 65535; NULL reads as 0. */
void port_validate_number(struct field_errors *e, const struct field_path *path, const struct json *v);
/* Adds an error unless V is TCP, UDP or SCTP. */
void port_validate_protocol(struct field_errors *e, const struct field_path *path, const struct json *v);
/* Adds an error for each problem of V, if there is one: appProtocol has the syntax of a label key. */
void port_validate_app_protocol(struct field_errors *e, const struct field_path *path, const struct json *v);
