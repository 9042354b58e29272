#include "apiserver/strategies.h"

const struct strategy *const strategies[] = {
    &strategy_configmaps, &strategy_deployments, &strategy_endpoints,  &strategy_endpointslices,
    &strategy_events,     &strategy_ipaddresses, &strategy_namespaces, &strategy_nodes,
    &strategy_pods,       &strategy_replicasets, &strategy_secrets,    &strategy_servicecidrs,
    &strategy_services,
};
const size_t n_strategies = ARRAY_LEN(strategies);
