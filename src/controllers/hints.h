/* Hints: which zones and nodes an endpoint is meant for. Source: sections 2.4 (9) and 2.7 of the semantics.
 */
#pragma once

#include "controllers/controller.h"
#include "controllers/slice-plan.h"

/* Puts hints on the endpoints of one address family, as the Service asks. */
void hints_set(struct sync *s, const struct json *service, slice_groups *groups);

/* Whether hints or zones depend on what differs between two states of a node. */
bool hints_node_differs(const struct json *before, const struct json *after);
