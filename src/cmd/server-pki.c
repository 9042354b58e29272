#include "cmd/server-pki.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "io/file.h"

#define DAY_NS         (24 * 3600 * TIME_S_NS)
#define PKI_MAX_FILE   ((size_t)64 * 1024)
#define PKI_RENEW_DAYS 30
#define PKI_CA_DAYS    3650
#define PKI_CERT_DAYS  365
#define PKI_PATH_LEN   4096

static int pki_path(const char *dir, const char *name, const char *suffix, char ret[static PKI_PATH_LEN],
                    struct err *err)
{
    int len = snprintf(ret, PKI_PATH_LEN, "%s/pki/%s%s", dir, name, suffix);
    return len < PKI_PATH_LEN ? 0 : err_set(err, -ENAMETOOLONG, "the path of the data directory is too long");
}

/* Reads both halves. Returns 0, or 1 if one of them is not there. */
static int pki_read(const char *dir, const char *name, struct tls_pem *ret, struct err *err)
{
    char cert[PKI_PATH_LEN], key[PKI_PATH_LEN];
    int r = pki_path(dir, name, ".crt", cert, err);
    if (r == 0)
        r = pki_path(dir, name, ".key", key, err);
    if (r == 0)
        r = file_read(cert, PKI_MAX_FILE, &ret->cert, err);
    if (r == 0)
        r = file_read(key, PKI_MAX_FILE, &ret->key, err);
    return r == -ENOENT ? 1 : r;
}

/* The key first: a certificate on disk always has its key. */
static int pki_write(const char *dir, const char *name, const struct tls_pem *pem, struct err *err)
{
    char cert[PKI_PATH_LEN], key[PKI_PATH_LEN];
    int r = pki_path(dir, name, ".crt", cert, err);
    if (r == 0)
        r = pki_path(dir, name, ".key", key, err);
    if (r == 0)
        r = file_write(key, strbuf_str(&pem->key), err);
    if (r == 0)
        r = file_write(cert, strbuf_str(&pem->cert), err);
    return r;
}

static bool pki_is_good(const struct tls_cert_spec *spec, const struct tls_pem *pem, const struct tls_pem *ca)
{
    struct tls_cert_info info = {0};
    struct str cert = strbuf_str(&pem->cert);
    if (tls_cert_read(cert, &info, NULL) < 0)
        return false;
    bool good = str_eq(strbuf_str(&info.common_name), spec->common_name) &&
                info.not_after.ns - spec->not_before.ns > PKI_RENEW_DAYS * DAY_NS &&
                tls_cert_matches(cert, strbuf_str(&pem->key), strbuf_str(&ca->cert));
    strbuf_done(&info.common_name);
    for (size_t i = 0; i < spec->n_dns_names && good; i++)
        good = tls_cert_has_name(cert, spec->dns_names[i]);
    for (size_t i = 0; i < spec->n_ips && good; i++) {
        char text[IP_TEXT_LEN];
        good = tls_cert_has_name(cert, str_of(ip_format(&spec->ips[i], text)));
    }
    return good;
}

/* Whether the authority has signed anything yet: only after it was written wholly. */
static bool pki_was_used(const char *dir)
{
    char path[PKI_PATH_LEN];
    return pki_path(dir, "server", ".crt", path, NULL) == 0 && access(path, F_OK) == 0;
}

/* What trusts an authority stops working without it, so a lost or damaged one is never replaced silently. */
static int pki_refuse_ca(const char *dir, const char *what, struct err *err)
{
    return err_set(err, -EUCLEAN,
                   "%s in %s/pki: restore ca.crt and ca.key, or remove %s/pki to make a new authority, which "
                   "every kubeconfig must then be given",
                   what, dir, dir);
}

static int pki_load_ca(const struct server_pki_options *o, struct tls_pem *ret, struct err *err)
{
    struct tls_pem pem = {0};
    struct str cert;
    int r = pki_read(o->dir, "ca", &pem, err);
    if (r == 0) {
        cert = strbuf_str(&pem.cert);
        if (!tls_cert_matches(cert, strbuf_str(&pem.key), cert))
            r = pki_refuse_ca(o->dir,
                              "the certificate and the key of the authority are damaged or not a pair", err);
    } else if (r == 1 && (pem.cert.len || pki_was_used(o->dir))) {
        r = pki_refuse_ca(o->dir, "the certificate or the key of the authority is missing", err);
    }
    if (r == 0) {
        *ret = pem;
        return 0;
    }
    tls_pem_done(&pem);
    if (r < 0)
        return r;
    const struct tls_cert_spec spec = {
        .common_name = STR("fairlead-ca"),
        .not_before = {o->now.ns - DAY_NS},
        .not_after = {o->now.ns + PKI_CA_DAYS * DAY_NS},
    };
    r = tls_generate_ca(&spec, ret, err);
    return r < 0 ? r : pki_write(o->dir, "ca", ret, err);
}

/* Loads the certificate NAME, or makes it again if it is not there or no longer good. */
static int pki_load_cert(const struct server_pki_options *o, const char *name, struct tls_cert_spec *spec,
                         const struct tls_pem *ca, struct tls_pem *ret, struct err *err)
{
    spec->not_before = o->now;
    spec->not_after.ns = o->now.ns + PKI_CERT_DAYS * DAY_NS;
    struct tls_pem pem = {0};
    if (pki_read(o->dir, name, &pem, NULL) == 0 && pki_is_good(spec, &pem, ca)) {
        *ret = pem;
        return 0;
    }
    tls_pem_done(&pem);
    spec->not_before.ns = o->now.ns - DAY_NS; /* clients' clocks may be behind */
    int r = tls_generate_cert(spec, ca, ret, err);
    return r < 0 ? r : pki_write(o->dir, name, ret, err);
}

int server_pki_load(const struct server_pki_options *o, struct server_pki *ret, struct err *err)
{
    char dir[PKI_PATH_LEN], node_user[300];
    struct server_pki pki = {0};
    int r = pki_path(o->dir, "", "", dir, err);
    if (r == 0)
        r = file_make_directory(dir, err);
    if (r == 0)
        r = pki_load_ca(o, &pki.ca, err);
    if (r < 0)
        goto failed;
    snprintf(node_user, sizeof node_user, "system:node:%s", o->node_name);
    const struct str masters[] = {STR("system:masters")},
                     nodes[] = {STR("system:nodes"), STR("system:kube-proxy")};
    struct {
        const char *name;
        struct tls_cert_spec spec;
        struct tls_pem *pem;
    } certs[] = {
        {"server",
         {.common_name = STR("fairlead-server"),
          .dns_names = o->dns_names,
          .n_dns_names = o->n_dns_names,
          .ips = o->ips,
          .n_ips = o->n_ips,
          .usage = TLS_FOR_SERVER},
         &pki.server},
        {"admin",
         {.common_name = STR("fairlead-admin"),
          .organizations = masters,
          .n_organizations = 1,
          .usage = TLS_FOR_CLIENT},
         &pki.admin},
        {"agent",
         {.common_name = str_of(node_user),
          .organizations = nodes,
          .n_organizations = 2,
          .usage = TLS_FOR_CLIENT},
         &pki.agent},
    };
    for (size_t i = 0; i < ARRAY_LEN(certs) && r == 0; i++) {
        r = pki_load_cert(o, certs[i].name, &certs[i].spec, &pki.ca, certs[i].pem, err);
        if (r < 0)
            err_wrap(err, "cannot make the %s certificate", certs[i].name);
    }
    if (r == 0) {
        *ret = pki;
        return 0;
    }
failed:
    server_pki_done(&pki);
    return r;
}

void server_pki_done(struct server_pki *pki)
{
    tls_pem_done(&pki->ca);
    tls_pem_done(&pki->server);
    tls_pem_done(&pki->admin);
    tls_pem_done(&pki->agent);
}
