/* The subresource "scale" of autoscaling/v1, over spec.replicas. */
#pragma once

struct cache_object;
struct request;

void scale_get(struct request *r, const struct cache_object *o);
/* PUT and PATCH. */
void scale_update(struct request *r);
