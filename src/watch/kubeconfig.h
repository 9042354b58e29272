/* Kubeconfig: where the API server is and who we are, from a file, or from inside a pod.
 *
 * What is not supported is refused with its name (exec and auth-provider plugins), never skipped. Files that
 * the kubeconfig names (certificates, token) are read when it is loaded; a token file is also read again by
 * the client, so that it may rotate. Relative paths are relative to the kubeconfig's folder.
 *
 *     struct kubeconfig k = {0};
 *     if (kubeconfig_load(path, &k, &err) < 0) ...
 *     kubeconfig_done(&k);
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

struct kubeconfig {
    struct arena arena; /* of everything below */
    struct str host;    /* name or address, IPv6 without brackets */
    uint16_t port;
    bool is_plain;                /* http:// */
    struct str ca_pem;            /* empty: the system's authorities */
    struct str cert_pem, key_pem; /* client certificate; both or neither */
    struct str server_name;       /* to find in the server's certificate; the host unless said */
    bool is_insecure;             /* insecure-skip-tls-verify */
    struct str token;             /* or: */
    const char *token_file;
    struct str proxy_host;
    uint16_t proxy_port;
};

/* Reads PATH. Errors: file's; -EINVAL with file and field. RET is filled only on success. */
int kubeconfig_load(const char *path, struct kubeconfig *ret, struct err *err);

/* The same from text; NAME is for messages, FOLDER for relative paths. */
int kubeconfig_parse(struct str text, const char *name, const char *folder, struct kubeconfig *ret,
                     struct err *err);

/* Inside a pod: HOST and PORT from KUBERNETES_SERVICE_HOST and _PORT, token and CA from FOLDER
 * ("/var/run/secrets/kubernetes.io/serviceaccount"). Errors: -ENOENT not in a pod; file's. */
int kubeconfig_in_cluster(const char *host, const char *port, const char *folder, struct kubeconfig *ret,
                          struct err *err);

void kubeconfig_done(struct kubeconfig *k);

/* What kubeconfig_write() needs. */
struct kubeconfig_spec {
    struct str server; /* "https://127.0.0.1:6443" */
    struct str cluster, user;
    struct str ca_pem, cert_pem, key_pem;
};
/* A kubeconfig with everything inside it, as YAML. */
void kubeconfig_write(const struct kubeconfig_spec *spec, struct strbuf *out);
