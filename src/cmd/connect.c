#include "cmd/connect.h"

#include <stdlib.h>

#include "io/file.h"
#include "io/http-client.h"
#include "io/tls.h"

#define SERVICE_ACCOUNT_DIR "/var/run/secrets/kubernetes.io/serviceaccount"
#define TOKEN_MAX_LEN       ((size_t)64 * 1024)

static int connection_read_token(void *user, struct strbuf *out, struct err *err)
{
    struct connection *c = user;
    size_t before = out->len;
    int r = file_read(c->kubeconfig.token_file, TOKEN_MAX_LEN, out, err);
    if (r < 0)
        return r;
    while (out->len > before && strchr(" \t\r\n", out->p[out->len - 1]))
        strbuf_truncate(out, out->len - 1);
    return 0;
}

static int connection_make_tls(struct connection *c, struct err *err)
{
    const struct kubeconfig *k = &c->kubeconfig;
    if (k->is_plain)
        return 0;
    const struct tls_client_config config = {
        .ca_pem = k->ca_pem,
        .cert_pem = k->cert_pem,
        .key_pem = k->key_pem,
        .server_name = k->server_name,
        .verify = k->is_insecure ? TLS_INSECURE : TLS_VERIFY,
    };
    return tls_client_new(&config, &c->tls, err);
}

int connection_open(struct connection *c, struct loop *loop, const char *path, struct str user_agent,
                    struct err *err)
{
    *c = (struct connection){0};
    int r = *path
                ? kubeconfig_load(path, &c->kubeconfig, err)
                : kubeconfig_in_cluster(getenv("KUBERNETES_SERVICE_HOST"), getenv("KUBERNETES_SERVICE_PORT"),
                                        SERVICE_ACCOUNT_DIR, &c->kubeconfig, err);
    if (r < 0)
        return r;
    r = connection_make_tls(c, err);
    if (r < 0) {
        err_wrap(err, "%s", *path ? path : "in-cluster configuration");
        kubeconfig_done(&c->kubeconfig);
        return r;
    }
    const struct kubeconfig *k = &c->kubeconfig;
    c->transport = http_client_new(&(struct http_client_config){
        .loop = loop,
        .host = k->host,
        .port = k->port,
        .tls = c->tls,
        .proxy_host = k->proxy_host,
        .proxy_port = k->proxy_port,
    });
    struct client_config config = {
        .loop = loop, .transport = c->transport, .user_agent = user_agent, .token = k->token};
    if (k->token_file)
        config.token_source = (struct client_token_source){connection_read_token, c};
    c->client = client_new(&config);
    return 0;
}

void connection_close(struct connection *c)
{
    if (c->client)
        client_free(c->client);
    if (c->transport)
        http_transport_free(c->transport);
    tls_free(c->tls);
    kubeconfig_done(&c->kubeconfig);
}
