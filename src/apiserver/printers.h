/* Printers: what a column of a Table shows, for those that are more than a path into the object. The columns
 * themselves are in api/ ("@NAME" is a printer here). Source: upstream's pkg/printers/internalversion. */
#pragma once

#include "base/datetime.h"
#include "wire/json.h"

/* The cell for OBJECT (stored form); NOW is for ages. Strings are made in the arena. */
typedef struct json *printer_fn(struct arena *a, const struct json *object, struct walltime now);

/* NULL if there is none of that name. */
printer_fn *printer_find(struct str name);

/* "5m" since an RFC 3339 time, "<unknown>" without one. */
struct str printer_age(struct arena *a, struct str time, struct walltime now);
/* The strings of a list, with commas between; "<none>" for none. More than MAX of them (0: no limit) are
 * counted: " + 3 more...". */
struct str printer_join(struct arena *a, const struct str *v, size_t n, size_t max);

/* S with what would steer a terminal made visible ("\x1b"): others' text is printed on ours (GO-2022-0983).
 */
struct str printer_harmless(struct arena *a, struct str s);

/* In files of their own: pods, and what carries Service traffic. */
printer_fn printer_pod_ready, printer_pod_status, printer_pod_restarts, printer_pod_ip, printer_pod_node,
    printer_pod_nominated_node, printer_pod_readiness_gates;
printer_fn printer_service_cluster_ip, printer_service_external_ip, printer_service_ports,
    printer_service_selector, printer_endpoints, printer_endpointslice_ports, printer_endpointslice_endpoints;
