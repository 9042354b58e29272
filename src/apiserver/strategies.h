/* The list of strategies: one line per kind that needs more than its schema. */
#pragma once

#include "apiserver/registry.h"

extern const struct strategy strategy_configmaps, strategy_deployments, strategy_endpoints,
    strategy_endpointslices, strategy_events, strategy_ipaddresses, strategy_namespaces, strategy_nodes,
    strategy_pods, strategy_replicasets, strategy_secrets, strategy_servicecidrs, strategy_services;

extern const struct strategy *const strategies[];
extern const size_t n_strategies;
