#include "store/memory/memory.h"

#include "store/store-conformance.h"

static struct loop *make_loop(void)
{
    return loop_new_scripted((struct monotime){0}, (struct walltime){0});
}

static struct store *make(struct loop *loop, void *user)
{
    return store_memory_new(&(struct store_memory_options){.loop = loop});
}

int main(void)
{
    return store_conformance_run(&(struct store_maker){.make = make, .make_loop = make_loop});
}
