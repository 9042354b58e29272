/* A store in memory: nothing is kept when the process ends. For tests, the simulation and --store=memory.
 *
 * History is kept for watches and reads at old revisions up to a bound; what is older is compacted by itself.
 */
#pragma once

#include "store/store.h"

struct loop;

struct store_memory_options {
    struct loop *loop;
    size_t max_history;    /* versions kept besides the current ones; 0: 10,000 */
    size_t first_revision; /* of the first write; 0: 1 */
};

struct store *store_memory_new(const struct store_memory_options *options);
