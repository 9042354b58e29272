/* fairlead proxy: the service proxy of a node of any cluster, in kube-proxy's place. */
#include <errno.h>

#include "base/log.h"
#include "cmd/connect.h"
#include "cmd/run.h"
#include "cmd/serve-proxy.h"
#include "cmd/verbs.h"
#include "io/host.h"

static int proxy_run(const struct proxy_options *o, const struct proxy_resolved *resolved, struct loop *loop)
{
    struct err err = {0};
    struct random random;
    struct connection connection;
    struct served_proxy served;
    (void)host_raise_descriptor_limit(); /* userspace forwarding needs two for every connection */
    random_seed_from_system(&random);
    if (host_set_oom_score_adj((int)o->oom_score_adj, &err) < 0)
        log_warn("%s; the proxy goes on", err.text);
    if (connection_open(&connection, loop, o->kubeconfig, STR("fairlead-proxy/" FAIRLEAD_VERSION), &err) < 0)
        return run_fail("proxy", err.text);
    if (serve_proxy_start(&served, o, resolved, loop, &random, connection.client, &err) < 0) {
        connection_close(&connection);
        return run_fail("proxy", err.text);
    }
    run_stop_on_signals(loop);
    loop_run(loop);
    serve_proxy_stop(&served);
    connection_close(&connection);
    return RUN_EXIT_OK;
}

static int proxy_with_options(const struct proxy_options *o)
{
    struct err err = {0};
    char host[HOST_NAME_LEN];
    struct proxy_resolved resolved;
    if (o->version) {
        version_print();
        return RUN_EXIT_OK;
    }
    run_set_logging(o->verbosity, o->logging_format);
    if (strcmp(o->mode, "none") == 0)
        err_set(&err, -EINVAL,
                "--proxy-mode=none leaves a proxy nothing to do; it is for fairlead server and agent");
    if (err.code || host_name(host, &err) < 0 || proxy_options_resolve(o, host, &resolved, &err) < 0) {
        run_fail("proxy", err.text);
        return RUN_EXIT_USAGE;
    }
    struct loop *loop = loop_new();
    int status = o->cleanup ? serve_proxy_cleanup(&resolved, loop) : proxy_run(o, &resolved, loop);
    loop_free(loop);
    return status;
}

int verb_proxy(int argc, const char *const *argv)
{
    struct proxy_options options = {0};
    struct flag_set set = {.flags = proxy_flags, .n_flags = n_proxy_flags, .values = &options};
    int status =
        run_parse("proxy", "Programs Services on this node, as kube-proxy does.", &set, 1, argc, argv);
    if (status < 0)
        status = proxy_with_options(&options);
    flags_done(&set, 1);
    return status;
}
