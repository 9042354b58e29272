/* The system's clocks. Below src/cmd only the loop and blocking start-up code read them; everything else is
 * told the time (loop_now, loop_wall_now), so that it also runs on a scripted clock. */
#pragma once

#include "base/datetime.h"

struct monotime clock_mono(void); /* CLOCK_MONOTONIC */
struct walltime clock_wall(void);
