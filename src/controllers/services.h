/* Services: what controllers read out of a Service object. */
#pragma once

#include "base/ip.h"
#include "controllers/controller.h"

/* Has a selector and is of a type that uses it. */
bool services_has_selector(const struct json *service);
bool services_is_headless(const struct json *service);
bool services_publishes_not_ready(const struct json *service);
/* The families of its endpoints, the primary first; returns how many (1 or 2). */
size_t services_families(const struct json *service, enum ip_family ret[static 2]);

/* Marks the Services that select POD (which may be NULL) by its labels. */
void services_add_selecting(struct controller *c, const struct json *pod);
