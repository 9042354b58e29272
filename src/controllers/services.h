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

/* What a Pod's change marks: the Services that selected it or select it now, if it looks different to them.
 */
void services_pod_changed(struct controller *c, enum resource r, const struct informer_change *change);
/* What a slice's change marks: the Services it was of or is of now, if its manager is MANAGER. */
void services_slice_changed(struct controller *c, const struct informer_change *change, struct str manager);
