/* What the server says about itself: version, metrics, discovery, OpenAPI, the index of paths. */
#pragma once

struct request;

void info_handle_version(struct request *r);
void info_handle_metrics(struct request *r);
void info_handle_index(struct request *r);
void info_handle_discovery(struct request *r);
void info_handle_openapi(struct request *r);
