/* Waiting until the cache is as new as a client asks ("not older than"), for a bounded time. */
#pragma once

#include <stdint.h>

struct request;

/* Calls GO(R) once the cache has reached REVISION, maybe at once; answers 504 if that takes too long. */
void freshness_wait(struct request *r, int64_t revision, void (*go)(struct request *r));
