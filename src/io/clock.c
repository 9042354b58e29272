#include "io/clock.h"

#include <time.h>

static int64_t read_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return ts.tv_sec * TIME_S_NS + ts.tv_nsec;
}

struct monotime clock_mono(void)
{
    return (struct monotime){read_ns(CLOCK_MONOTONIC)};
}

struct walltime clock_wall(void)
{
    return (struct walltime){read_ns(CLOCK_REALTIME)};
}
