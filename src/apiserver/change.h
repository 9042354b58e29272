/* Inside of a change: what the verbs do with one beside its hooks (registry.h has the strategy's side). */
#pragma once

#include "apiserver/registry.h"

/* A new uid, and creationTimestamp now. */
void change_fill_metadata(struct change *c, struct json *object);

/* The object as text, in the arena. */
struct str change_encode(struct arena *a, const struct json *object);
