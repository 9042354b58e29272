/* fairlead agent: this host as a node of a fairlead server: its Node object, its heartbeat, its Services. */
#include <errno.h>

#include "base/log.h"
#include "cmd/connect.h"
#include "cmd/run.h"
#include "cmd/serve-proxy.h"
#include "cmd/verbs.h"
#include "io/child.h"
#include "node/registration.h"

struct agent_options {
    const char *node_name, *node_ip;
    int64_t parent_pid;
};

static const struct flag agent_flags[] = {
    {.name = "node-name",
     .type = FLAG_STRING,
     .offset = offsetof(struct agent_options, node_name),
     .help = "Name of this host's Node object. Empty: the host name."},
    {.name = "node-ip",
     .type = FLAG_STRING,
     .offset = offsetof(struct agent_options, node_ip),
     .help = "Address of this host, or one per family with a comma. Empty: the source address of the default "
             "route."},
    {.name = "parent-pid",
     .type = FLAG_INT,
     .offset = offsetof(struct agent_options, parent_pid),
     .initial = "0",
     .max = INT32_MAX,
     .help = "End when this process, which started the agent, ends; the server gives it. 0: nobody's child."},
};

static int agent_addresses(const char *text, struct ip ret[2], struct err *err)
{
    struct str rest = str_of(text), part;
    struct ip ip;
    if (!rest.len) {
        if (host_default_address(IP_NONE, &ip, err) < 0)
            return err_wrap(err, "give --node-ip");
        ret[ip.family == IP_V6] = ip;
        return 0;
    }
    while (str_split(&rest, ',', &part)) {
        if (ip_parse(str_trim(part), &ip) < 0)
            return err_set(err, -EINVAL, "--node-ip: \"%.*s\" is not an IP address", STR_ARG(part));
        ret[ip.family == IP_V6] = ip;
    }
    return 0;
}

struct agent {
    struct loop *loop;
    struct random random;
    struct connection connection;
    struct registration *registration;
    struct served_proxy served;
};

static int agent_start(struct agent *a, const struct proxy_options *o, const struct proxy_resolved *resolved,
                       const struct registration_config *node, struct err *err)
{
    int r =
        connection_open(&a->connection, a->loop, o->kubeconfig, STR("fairlead-agent/" FAIRLEAD_VERSION), err);
    if (r < 0)
        return r;
    struct registration_config config = *node;
    config.loop = a->loop;
    config.random = &a->random;
    config.client = a->connection.client;
    a->registration = registration_new(&config);
    if (strcmp(resolved->mode, "none") != 0)
        r = serve_proxy_start(&a->served, o, resolved, a->loop, &a->random, a->connection.client, err);
    else
        r = host_drop_capabilities(0, err);
    if (r == 0)
        registration_start(a->registration);
    return r;
}

static int agent_run(const struct proxy_options *o, const struct proxy_resolved *resolved,
                     const struct registration_config *node)
{
    struct err err = {0};
    struct agent a = {.loop = loop_new()};
    (void)host_raise_descriptor_limit(); /* userspace forwarding needs two for every connection */
    random_seed_from_system(&a.random);
    if (host_set_oom_score_adj((int)o->oom_score_adj, &err) < 0)
        log_warn("%s; the agent goes on", err.text);
    int status = RUN_EXIT_OK;
    if (agent_start(&a, o, resolved, node, &err) < 0) {
        status = run_fail("agent", err.text);
    } else {
        run_stop_on_signals(a.loop);
        loop_run(a.loop);
    }
    serve_proxy_stop(&a.served);
    registration_free(a.registration);
    connection_close(&a.connection);
    loop_free(a.loop);
    return status;
}

static int agent_with_options(const struct agent_options *agent, struct proxy_options *o)
{
    struct err err = {0};
    char host[HOST_NAME_LEN];
    struct proxy_resolved resolved;
    struct registration_config node = {.version = "v1.36.2+fairlead" FAIRLEAD_VERSION};
    run_set_logging(o->verbosity, o->logging_format);
    if (*agent->node_name)
        o->hostname_override = agent->node_name;
    if (!o->cluster_cidr.n && !*o->detect_local_mode)
        o->detect_local_mode = "NodeCIDR"; /* the pods of this node are those of its podCIDR */
    if (agent->parent_pid && child_end_with_parent((pid_t)agent->parent_pid, &err) < 0) {
        run_fail("agent", err.text);
        return RUN_EXIT_FAILED;
    }
    if (host_name(host, &err) < 0 || proxy_options_resolve(o, host, &resolved, &err) < 0 ||
        agent_addresses(agent->node_ip, node.ips, &err) < 0) {
        run_fail("agent", err.text);
        return RUN_EXIT_USAGE;
    }
    node.node_name = resolved.decide.node_name;
    node.host_name = host;
    host_facts_read(&node.facts);
    return agent_run(o, &resolved, &node);
}

int verb_agent(int argc, const char *const *argv)
{
    struct agent_options agent = {0};
    struct proxy_options proxy = {0};
    struct flag_set sets[] = {
        {.flags = agent_flags, .n_flags = ARRAY_LEN(agent_flags), .values = &agent},
        {.flags = proxy_flags, .n_flags = n_proxy_flags, .values = &proxy},
    };
    int status = run_parse(
        "agent", "Joins this host to a fairlead server: its Node object, its heartbeat, its Services.", sets,
        ARRAY_LEN(sets), argc, argv);
    if (status < 0 && proxy.version) {
        version_print();
        status = RUN_EXIT_OK;
    }
    if (status < 0)
        status = agent_with_options(&agent, &proxy);
    flags_done(sets, ARRAY_LEN(sets));
    return status;
}
