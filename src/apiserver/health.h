/* /healthz, /livez, /readyz and the checks below them, as text. */
#pragma once

struct request;

void health_handle(struct request *r);
