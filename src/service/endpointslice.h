/* An EndpointSlice as the proxy needs it: parsed from JSON once, then never changed.
 *
 * Only the first address of an endpoint counts; ports without number or name member are ignored, as are
 * addresses nobody may program (address.h). All text lives in one block, so a slice costs four allocations.
 *
 * Source: sections 2.1, 3.1 and 3.2 of the service reference (kube-proxy 1.36 endpointslicecache.go).
 */
#pragma once

#include "base/err.h"
#include "service/address.h"
#include "service/omissions.h"
#include "wire/json.h"

/* The API's own limits, enforced again. */
#define SLICE_MAX_ENDPOINTS 1000
#define SLICE_MAX_PORTS     20000
#define SLICE_MAX_HINTS     8

struct slice_port {
    struct str name;
    enum protocol protocol;
    uint16_t port;
};

struct slice_endpoint {
    struct ip ip;
    bool ready, serving, terminating;
    uint8_t n_zones, n_nodes; /* hints, zones first, from HINTS on in the slice's array */
    uint32_t hints;
    struct str node_name;
};

struct endpointslice {
    struct str ns, name;
    struct str service; /* name of the Service it belongs to */
    enum ip_family family;
    struct slice_port *ports;
    struct slice_endpoint *endpoints;
    struct str *hints;
    size_t n_ports, n_endpoints, n_hints;
    char *text; /* all bytes the views above point to */
};

/* Parses a discovery.k8s.io/v1 EndpointSlice. The result is the caller's (endpointslice_free).
 * A slice that concerns no proxy (no Service name, headless, names instead of addresses) has an empty
 * SERVICE. Errors: -EINVAL if it is not an object with a name and namespace. OMISSIONS may be NULL. */
int endpointslice_parse(const struct json *json, struct omissions *omissions, struct endpointslice **ret,
                        struct err *err);
void endpointslice_free(struct endpointslice *s);
