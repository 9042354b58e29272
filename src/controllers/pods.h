/* Pods: what controllers read out of a Pod object. Source: upstream's pkg/api/v1/pod. */
#pragma once

#include "base/datetime.h"
#include "base/ip.h"
#include "wire/json.h"

bool pod_is_ready(const struct json *pod);    /* condition Ready is True */
bool pod_is_terminal(const struct json *pod); /* phase Succeeded or Failed */
/* Ready for MIN_READY_S at least. RET_WAIT_MS: how long until it will be; 0 if it is or time does not help.
 */
bool pod_is_available(const struct json *pod, int64_t min_ready_s, struct walltime now, int64_t *ret_wait_ms);

/* The first address of FAMILY in canonical text; len 0 if there is none. */
struct str pod_ip(const struct json *pod, enum ip_family family, struct arena *a);

/* The port that a Service port leads to in this pod: targetPort as a number, or the container port of that
 * name and protocol in containers and restartable init containers. 0 if the pod has none. */
int64_t pod_target_port(const struct json *pod, const struct json *service_port);

/* Whether endpoints depend on what differs between two states of a pod. */
bool pod_endpoints_differ(const struct json *before, const struct json *after);
