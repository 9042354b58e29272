/* The agent of this host as a child process of the server: started, watched, started again. */
#pragma once

#include "base/flags.h"
#include "base/ip.h"
#include "io/loop.h"

struct agent_child;

struct agent_child_options {
    struct loop *loop;
    const struct flag_set *flags; /* of the proxy: what was given is handed on */
    const char *kubeconfig, *node_name;
    struct ip node_ip;
};

/* Errors: when this program's own path cannot be found. The child itself may fail later; it is started again
 * after 1 s doubling to 30 s, and each end is logged. */
int agent_child_start(const struct agent_child_options *options, struct agent_child **ret, struct err *err);
/* SIGTERM, then waits for its end for a few seconds, then SIGKILL. NULL is fine. */
void agent_child_stop(struct agent_child *child);
