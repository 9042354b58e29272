#include "cmd/serve-proxy.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>

#include "base/log.h"
#include "cmd/run.h"
#include "io/host.h"
#include "io/http-server.h"
#include "proxy/proxy-http.h"

/* What programs rules: netlink and iptables need no more. */
#define KEPT_CAPABILITIES (UINT64_C(1) << CAP_NET_ADMIN | UINT64_C(1) << CAP_NET_RAW)

/* Modes in the order in which an empty --proxy-mode tries them. */
static const char *const preferred_modes[] = {"iptables"};

static int choose_mode(const char *wanted, const struct datapath_options *options, const char **ret,
                       struct err *err)
{
    if (*wanted) {
        int r = datapath_supported(wanted, options, err);
        if (r < 0)
            return err_wrap(err, "--proxy-mode=%s cannot run here", wanted);
        *ret = wanted;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(preferred_modes); i++) {
        if (datapath_supported(preferred_modes[i], options, err) == 0) {
            log_info("proxy mode %s: the best of what is built that this host supports", preferred_modes[i]);
            *ret = preferred_modes[i];
            return 0;
        }
    }
    return err_wrap(err, "no proxy mode can run here");
}

static int open_port(struct http_server **ret, struct loop *loop, const struct proxy_listen *listen,
                     http_handle_fn *handle, struct proxy *proxy, struct err *err)
{
    if (!listen->port)
        return 0;
    http_server_new(
        &(struct http_server_config){.loop = loop, .handle = handle, .ctx = proxy, .max_connections = 64},
        ret);
    return http_server_listen(*ret, &listen->ip, listen->port, NULL, err);
}

/* An address that cannot be bound is a warning unless --bind-address-hard-fail says otherwise. */
static int open_ports(struct served_proxy *s, const struct proxy_options *o, const struct proxy_resolved *r,
                      struct loop *loop, struct err *err)
{
    int health = open_port(&s->health, loop, &r->health, proxy_handle_health, s->proxy, err);
    if (health < 0 && o->bind_address_hard_fail)
        return err_wrap(err, "health port");
    if (health < 0)
        log_warn("health port: %s; the proxy goes on without it", err->text);
    int metrics = open_port(&s->metrics, loop, &r->metrics, proxy_handle_metrics, s->proxy, err);
    if (metrics < 0 && o->bind_address_hard_fail)
        return err_wrap(err, "metrics port");
    if (metrics < 0)
        log_warn("metrics port: %s; the proxy goes on without it", err->text);
    return 0;
}

static void on_first_sync(void *user)
{
    log_info("every Service known to the API is programmed");
}

int serve_proxy_start(struct served_proxy *s, const struct proxy_options *options,
                      const struct proxy_resolved *resolved, struct loop *loop, struct random *random,
                      struct client *client, struct err *err)
{
    struct proxy_config config = {
        .loop = loop,
        .random = random,
        .client = client,
        .datapath = resolved->datapath,
        .decide = resolved->decide,
        .sync_period_ms = resolved->sync_period_ms,
        .first_sync = on_first_sync,
    };
    config.datapath.loop = loop;
    config.datapath.families[0] = true;
    config.datapath.families[1] = host_has_family(IP_V6);
    *s = (struct served_proxy){0};
    int r = choose_mode(resolved->mode, &config.datapath, &config.mode, err);
    if (r < 0)
        return r;
    s->proxy = proxy_new(&config, err);
    if (!s->proxy)
        return err->code;
    r = open_ports(s, options, resolved, loop, err);
    if (r == 0 && host_has_capability(CAP_NET_ADMIN))
        r = host_drop_capabilities(KEPT_CAPABILITIES, err);
    if (r < 0) {
        serve_proxy_stop(s);
        return r;
    }
    proxy_start(s->proxy);
    return 0;
}

void serve_proxy_stop(struct served_proxy *s)
{
    if (s->health)
        http_server_free(s->health);
    if (s->metrics)
        http_server_free(s->metrics);
    proxy_free(s->proxy);
    *s = (struct served_proxy){0};
}

struct cleanup {
    struct loop *loop;
    const char *mode;
    int failures;
};

static void on_cleaned(void *user, int result, const struct err *err)
{
    struct cleanup *c = user;
    if (result < 0) {
        fprintf(stderr, "fairlead proxy: cannot remove the %s rules: %s\n", c->mode, err->text);
        c->failures++;
    }
    loop_stop(c->loop);
}

int serve_proxy_cleanup(const struct proxy_resolved *resolved, struct loop *loop)
{
    struct cleanup c = {.loop = loop};
    for (size_t i = 0; (c.mode = datapath_name(i)); i++) {
        struct datapath_options options = resolved->datapath;
        struct datapath *dp;
        struct err err = {0};
        options.loop = loop;
        options.families[0] = true;
        options.families[1] = host_has_family(IP_V6);
        if (datapath_supported(c.mode, &options, &err) < 0)
            continue; /* what cannot run here has left nothing here */
        if (datapath_open(c.mode, &options, &dp, &err) < 0) {
            fprintf(stderr, "fairlead proxy: cannot look for %s rules: %s\n", c.mode, err.text);
            c.failures++;
            continue;
        }
        datapath_cleanup(dp, (struct datapath_callback){on_cleaned, &c});
        loop_run(loop);
        datapath_close(dp);
    }
    return c.failures ? RUN_EXIT_FAILED : RUN_EXIT_OK;
}
