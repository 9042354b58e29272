/* fairlead server: the control plane, and this node too unless --disable-agent.
 *
 * Order of start: lock the data directory, open the store, make certificates, open the port, write the
 * kubeconfigs, load the cache, make what must exist; then controllers and the agent start. The agent is a
 * child process with a certificate of its own; if it ends, it is started again with back-off. The control
 * plane itself needs no rights and gives them up.
 */
#include "cmd/server.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "apiserver/local.h"
#include "base/log.h"
#include "cmd/agent-child.h"
#include "cmd/run.h"
#include "cmd/verbs.h"
#include "controllers/controllers.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/http-server.h"
#include "io/tls.h"
#include "object/status.h"
#include "store/embedded/embedded.h"
#include "store/memory/memory.h"
#include "watch/kubeconfig.h"

#define TOKENS_MAX_LEN ((size_t)1024 * 1024)
#define PATH_LEN       4096

struct server {
    struct server_resolved resolved;
    struct loop *loop;
    struct random random;
    int lock_fd;
    struct store *store;
    struct server_pki pki;
    struct strbuf tokens;
    struct tls_context *tls;
    struct http_server *http;
    uint16_t port;
    struct apiserver *api;
    struct http_transport *local;
    struct controllers *controllers;
    struct agent_child *agent;
    const struct flag_set *agent_flags; /* NULL: --disable-agent */
    char kubeconfig_path[PATH_LEN], agent_kubeconfig_path[PATH_LEN];
};

static int server_open_directory(struct server *s, struct err *err)
{
    const char *dir = s->resolved.data_dir;
    int r = file_make_directory(dir, err);
    if (r < 0)
        return err_wrap(err, "data directory");
    r = file_lock_directory(dir, "lock", &s->lock_fd, err);
    if (r == -EBUSY)
        return err_set(err, r,
                       "another fairlead server uses %s; stop it, or give this one a --data-dir of its own",
                       dir);
    return r;
}

static int server_open_store(struct server *s, struct err *err)
{
    char path[PATH_LEN];
    if (s->resolved.in_memory) {
        s->store = store_memory_new(&(struct store_memory_options){.loop = s->loop});
        return 0;
    }
    snprintf(path, sizeof path, "%.4000s/store", s->resolved.data_dir);
    return store_embedded_open(&(struct store_embedded_options){.loop = s->loop, .path = path}, &s->store,
                               err);
}

/* Every name under which clients may reach the API. */
static int server_load_pki(struct server *s, struct err *err)
{
    const struct server_resolved *r = &s->resolved;
    const struct str names[] = {STR("localhost"),
                                STR("kubernetes"),
                                STR("kubernetes.default"),
                                STR("kubernetes.default.svc"),
                                STR("kubernetes.default.svc.cluster.local"),
                                str_of(r->node_name)};
    struct ip ips[8];
    size_t n = 0;
    if (ip_parse(STR("127.0.0.1"), &ips[n]) == 0)
        n++;
    if (ip_parse(STR("::1"), &ips[n]) == 0)
        n++;
    ips[n++] = r->advertise;
    if (!ip_eq(&r->node_ip, &r->advertise))
        ips[n++] = r->node_ip;
    if (!ip_is_unspecified(&r->bind))
        ips[n++] = r->bind;
    for (size_t i = 0; i < r->n_service_ranges; i++) {
        struct ip base = ip_prefix_first(&r->service_ranges[i]);
        ips[n++] = ip_add(&base, 1);
    }
    const struct server_pki_options options = {
        .dir = r->data_dir,
        .node_name = r->node_name,
        .dns_names = names,
        .n_dns_names = ARRAY_LEN(names),
        .ips = ips,
        .n_ips = n,
        .now = loop_wall_now(s->loop),
    };
    return server_pki_load(&options, &s->pki, err);
}

/* The body of what the HTTP layer refuses by itself. */
static void server_format_error(void *ctx, int status, const char *message, struct strbuf *out)
{
    _cleanup_(arena_done) struct arena a = {0};
    const struct status s = {
        .code = status,
        .reason = status == 413   ? STR("RequestEntityTooLarge")
                  : status == 400 ? STR("BadRequest")
                                  : STR(""),
        .message = str_of(message),
    };
    status_write(&s, out);
}

/* The port is opened first, since objects carry its number; no request is served before the loop runs. */
static void server_handle(void *ctx, struct http_exchange *ex)
{
    struct server *s = ctx;
    apiserver_handle(s->api, ex);
}

static int server_open_port(struct server *s, struct err *err)
{
    const struct tls_server_config tls = {
        .cert_pem = strbuf_str(&s->pki.server.cert),
        .key_pem = strbuf_str(&s->pki.server.key),
        .client_ca_pem = strbuf_str(&s->pki.ca.cert),
    };
    int r = tls_server_new(&tls, &s->tls, err);
    if (r < 0)
        return r;
    http_server_new(&(struct http_server_config){.loop = s->loop,
                                                 .tls = s->tls,
                                                 .handle = server_handle,
                                                 .ctx = s,
                                                 .format_error = server_format_error,
                                                 .error_content_type = "application/json"},
                    &s->http);
    return http_server_listen(s->http, &s->resolved.bind, s->resolved.port, &s->port, err);
}

static int server_write_kubeconfig(struct server *s, const char *user, const struct tls_pem *pem, char *path,
                                   struct err *err)
{
    _cleanup_(strbuf_done) struct strbuf text = {0}, server = {0};
    char address[IP_TEXT_LEN];
    struct ip ip = s->resolved.bind;
    if (ip_is_unspecified(&ip) && ip_parse(ip.family == IP_V4 ? STR("127.0.0.1") : STR("::1"), &ip) < 0)
        return err_set(err, -EINVAL, "no loopback address");
    ip_format(&ip, address);
    strbuf_addf(&server, ip.family == IP_V6 ? "https://[%s]:%u" : "https://%s:%u", address, s->port);
    const struct kubeconfig_spec spec = {
        .server = strbuf_str(&server),
        .cluster = STR("fairlead"),
        .user = str_of(user),
        .ca_pem = strbuf_str(&s->pki.ca.cert),
        .cert_pem = strbuf_str(&pem->cert),
        .key_pem = strbuf_str(&pem->key),
    };
    kubeconfig_write(&spec, &text);
    snprintf(path, PATH_LEN, "%.4000s/%s.kubeconfig", s->resolved.data_dir, user);
    return file_write(path, strbuf_str(&text), err);
}

static void server_start_controllers(struct server *s)
{
    const struct str groups[] = {STR("system:masters")};
    s->local = local_transport_new(&(struct local_options){.loop = s->loop,
                                                           .handle = apiserver_handle,
                                                           .ctx = s->api,
                                                           .user = STR("system:fairlead-controllers"),
                                                           .groups = groups,
                                                           .n_groups = 1});
    struct controllers_config config = {.loop = s->loop,
                                        .transport = s->local,
                                        .random = &s->random,
                                        .n_pod_ranges = s->resolved.n_pod_ranges};
    memcpy(config.pod_ranges, s->resolved.pod_ranges, sizeof config.pod_ranges);
    s->controllers = controllers_new(&config);
    controllers_start(s->controllers);
}

static void server_when_ready(void *user)
{
    struct server *s = user;
    server_start_controllers(s);
    printf("fairlead serves the Kubernetes API on port %u; use it with: kubectl --kubeconfig %s get services "
           "-A\n",
           s->port, s->kubeconfig_path);
    fflush(stdout);
}

static int server_make_api(struct server *s, struct err *err)
{
    const struct server_resolved *r = &s->resolved;
    struct apiserver_config config = {
        .loop = s->loop,
        .store = s->store,
        .random = &s->random,
        .tokens = strbuf_str(&s->tokens),
        .n_service_cidrs = r->n_service_ranges,
        .node_port_first = r->node_port_first,
        .node_port_last = r->node_port_last,
        .advertise_ip = r->advertise,
        .secure_port = s->port,
        .version = STR(FAIRLEAD_VERSION),
        .build_date = STR(FAIRLEAD_BUILD_DATE),
        .git_commit = STR(FAIRLEAD_GIT_COMMIT),
        .ready = server_when_ready,
        .ready_user = s,
    };
    if (ip_is_loopback(&r->advertise)) {
        /* No endpoint may be a loopback address: nobody else could reach it. */
        config.advertise_ip = (struct ip){0};
        log_warn(
            "this host has no address that others reach, so the Service default/kubernetes has no endpoints; "
            "give --advertise-address if there should be some");
    }
    memcpy(config.service_cidrs, r->service_ranges, sizeof config.service_cidrs);
    return apiserver_new(&config, &s->api, err);
}

static int server_start(struct server *s, const char *token_file, struct err *err)
{
    int r = server_open_directory(s, err);
    if (r == 0)
        r = server_open_store(s, err);
    if (r == 0)
        r = server_load_pki(s, err);
    if (r == 0 && *token_file)
        r = file_read(token_file, TOKENS_MAX_LEN, &s->tokens, err);
    if (r == 0)
        r = server_open_port(s, err);
    if (r == 0)
        r = server_make_api(s, err);
    if (r == 0)
        r = server_write_kubeconfig(s, "admin", &s->pki.admin, s->kubeconfig_path, err);
    if (r == 0)
        r = server_write_kubeconfig(s, "agent", &s->pki.agent, s->agent_kubeconfig_path, err);
    if (r == 0 && s->agent_flags)
        r = agent_child_start(&(struct agent_child_options){.loop = s->loop,
                                                            .flags = s->agent_flags,
                                                            .kubeconfig = s->agent_kubeconfig_path,
                                                            .node_name = s->resolved.node_name,
                                                            .node_ip = s->resolved.node_ip},
                              &s->agent, err);
    if (r == 0)
        r = host_drop_capabilities(0, err);
    if (r < 0)
        return r;
    apiserver_start(s->api);
    return 0;
}

static void server_stop(struct server *s)
{
    agent_child_stop(s->agent);
    if (s->controllers)
        controllers_free(s->controllers);
    if (s->local)
        http_transport_free(s->local);
    if (s->http)
        http_server_free(s->http);
    if (s->api)
        apiserver_free(s->api);
    if (s->store)
        store_close(s->store);
    loop_step(s->loop, 0); /* what the store's thread had posted */
    tls_free(s->tls);
    server_pki_done(&s->pki);
    strbuf_done(&s->tokens);
    loop_free(s->loop);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
}

static int server_with_options(const struct server_options *o, const struct flag_set *proxy_set)
{
    struct err err = {0};
    const struct proxy_options *proxy = proxy_set->values;
    struct server s = {.lock_fd = -1};
    run_set_logging(proxy->verbosity, proxy->logging_format);
    struct proxy_resolved unused;
    if (server_options_resolve(o, proxy, &s.resolved, &err) < 0 ||
        proxy_options_resolve(proxy, "host", &unused, &err) < 0) {
        run_fail("server", err.text);
        return RUN_EXIT_USAGE;
    }
    s.agent_flags = o->disable_agent ? NULL : proxy_set;
    s.loop = loop_new();
    random_seed_from_system(&s.random);
    run_stop_on_signals(s.loop);
    (void)host_raise_descriptor_limit(); /* one is open for every client */
    int status = RUN_EXIT_OK;
    if (server_start(&s, o->token_auth_file, &err) < 0)
        status = run_fail("server", err.text);
    else
        loop_run(s.loop);
    server_stop(&s);
    return status;
}

int verb_server(int argc, const char *const *argv)
{
    struct server_options server = {0};
    struct proxy_options proxy = {0};
    struct flag_set sets[] = {
        {.flags = server_flags, .n_flags = n_server_flags, .values = &server},
        {.flags = proxy_flags, .n_flags = n_proxy_flags, .values = &proxy},
    };
    int status = run_parse(
        "server", "Runs the control plane, and this node too. Takes every flag of fairlead proxy as well.",
        sets, ARRAY_LEN(sets), argc, argv);
    if (status < 0 && server.version) {
        version_print();
        status = RUN_EXIT_OK;
    }
    if (status < 0)
        status = server_with_options(&server, &sets[1]);
    flags_done(sets, ARRAY_LEN(sets));
    return status;
}
