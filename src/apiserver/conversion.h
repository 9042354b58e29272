/* Conversion between the form of a kind that is served and the one that is stored, where they differ: Event
 * of events.k8s.io/v1 is stored as core Event. For all other kinds both are the same. */
#pragma once

#include "wire/json.h"

struct resource;

bool conversion_is_needed(const struct resource *resource);

/* The other form; made in A, borrowing from OBJECT, which is used up. OBJECT itself if nothing is to be done.
 */
struct json *conversion_to_stored(struct arena *a, const struct resource *resource, struct json *object);
struct json *conversion_from_stored(struct arena *a, const struct resource *resource, struct json *object);
