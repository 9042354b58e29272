/* Hints: which zones and nodes an endpoint is meant for. Source: sections 2.4 (9) and 2.7 of the semantics.
 */
#pragma once

#include "controllers/controller.h"
#include "controllers/slice-plan.h"

/* Puts hints on the endpoints of one address family, as the Service asks. Returns NULL if they have the hints
 * that topology mode gives (or it was not asked for), else why it cannot give any: a sentence for people. */
const char *hints_set(struct sync *s, const struct json *service, slice_groups *groups);

/* Topology mode was asked for by annotation. */
bool hints_are_wanted(const struct json *service);
/* Any endpoint of SLICE has hints for zones. */
bool hints_are_in(const struct json *slice);

/* Whether hints or zones depend on what differs between two states of a node. */
bool hints_node_differs(const struct json *before, const struct json *after);
