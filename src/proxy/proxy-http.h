/* What the proxy answers over HTTP: /healthz and /livez on the health port; /metrics, /proxyMode and /healthz
 * on the metrics port. Handlers for io/http-server; section 6.4 and 6.6 of the semantics. */
#pragma once

#include "io/http.h"
#include "proxy/proxy.h"

/* CTX is the proxy. */
void proxy_handle_health(void *ctx, struct http_exchange *ex);
void proxy_handle_metrics(void *ctx, struct http_exchange *ex);
