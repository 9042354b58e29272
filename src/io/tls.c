#include "io/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

struct tls_context {
    SSL_CTX *ctx;
    bool is_server;
    struct strbuf server_name; /* of a client, for SNI and the check */
    bool insecure;
};

static const unsigned char alpn_any[] = "\x02h2\x08http/1.1";
static const unsigned char alpn_http1[] = "\x08http/1.1";

/* --- reading PEM --- */

static BIO *bio_of(struct str pem)
{
    return BIO_new_mem_buf(pem.p ? pem.p : "", (int)MIN(pem.len, (size_t)INT32_MAX));
}

/* OpenSSL's last reason, for the end of a sentence. */
static const char *reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    return text ? text : "not readable";
}

/* Calls TAKE for each certificate of PEM. Returns how many there were, or -1. */
static int each_cert(struct str pem, int (*take)(void *user, X509 *cert), void *user)
{
    BIO *bio = bio_of(pem);
    int n = 0;
    for (X509 *cert; bio && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)); n++) {
        int ok = take(user, cert);
        X509_free(cert);
        if (!ok) {
            n = -1;
            break;
        }
    }
    BIO_free(bio);
    return n;
}

static int take_own(void *user, X509 *cert)
{
    SSL_CTX *ctx = user;
    if (!SSL_CTX_get0_certificate(ctx))
        return SSL_CTX_use_certificate(ctx, cert);
    return SSL_CTX_add1_chain_cert(ctx, cert);
}

static int take_trusted(void *user, X509 *cert)
{
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(user), cert);
}

static int use_own(SSL_CTX *ctx, struct str cert_pem, struct str key_pem, struct err *err)
{
    if (each_cert(cert_pem, take_own, ctx) < 1)
        return err_set(err, -EINVAL, "the certificate is not PEM: %s", reason());
    BIO *bio = bio_of(key_pem);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"") : NULL;
    BIO_free(bio);
    int ok = key && SSL_CTX_use_PrivateKey(ctx, key) && SSL_CTX_check_private_key(ctx);
    bool readable = key;
    EVP_PKEY_free(key);
    if (!readable)
        return err_set(err, -EINVAL, "the private key is not PEM: %s", reason());
    return ok ? 0 : err_set(err, -EINVAL, "the private key does not belong to the certificate");
}

static int use_trusted(SSL_CTX *ctx, struct str ca_pem, struct err *err)
{
    return each_cert(ca_pem, take_trusted, ctx) < 1
               ? err_set(err, -EINVAL, "the CA certificate is not PEM: %s", reason())
               : 0;
}

/* --- contexts --- */

static struct tls_context *context_new(const SSL_METHOD *method)
{
    struct tls_context *tls = mem_new(struct tls_context);
    tls->ctx = SSL_CTX_new(method);
    if (!tls->ctx)
        abort(); /* out of memory */
    SSL_CTX_set_min_proto_version(tls->ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(tls->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                      SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_cache_mode(tls->ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(tls->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                   SSL_MODE_RELEASE_BUFFERS);
    /* One read(2) brings header and body of a record, often of several. */
    SSL_CTX_set_read_ahead(tls->ctx, 1);
    return tls;
}

void tls_free(struct tls_context *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->ctx);
    strbuf_done(&tls->server_name);
    free(tls);
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                       unsigned in_len, void *user)
{
    unsigned char *picked;
    (void)ssl, (void)user;
    if (SSL_select_next_proto(&picked, out_len, alpn_any, sizeof alpn_any - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = picked;
    return SSL_TLSEXT_ERR_OK;
}

/* Takes every client certificate; what is wrong with it is kept as the connection's verify result. */
static int verify_client(X509_STORE_CTX *store, void *user)
{
    (void)user;
    int ok = X509_verify_cert(store);
    if (ok <= 0 && X509_STORE_CTX_get_error(store) == X509_V_OK)
        X509_STORE_CTX_set_error(store, X509_V_ERR_UNSPECIFIED);
    return 1;
}

int tls_server_new(const struct tls_server_config *config, struct tls_context **ret, struct err *err)
{
    struct tls_context *tls = context_new(TLS_server_method());
    ERR_clear_error();
    tls->is_server = true;
    SSL_CTX_set_num_tickets(tls->ctx, 0);
    SSL_CTX_set_alpn_select_cb(tls->ctx, select_alpn, NULL);
    int r = use_own(tls->ctx, config->cert_pem, config->key_pem, err);
    if (r == 0 && config->client_ca_pem.len) {
        BIO *bio = bio_of(config->client_ca_pem);
        X509 *ca = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
        SSL_CTX_add_client_CA(tls->ctx, ca); /* a hint for clients with several certificates */
        X509_free(ca);
        BIO_free(bio);
        SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_cert_verify_callback(tls->ctx, verify_client, NULL);
        r = use_trusted(tls->ctx, config->client_ca_pem, err);
    }
    if (r < 0) {
        tls_free(tls);
        return r;
    }
    *ret = tls;
    return 0;
}

int tls_client_new(const struct tls_client_config *config, struct tls_context **ret, struct err *err)
{
    struct tls_context *tls = context_new(TLS_client_method());
    ERR_clear_error();
    strbuf_add_str(&tls->server_name, config->server_name);
    tls->insecure = config->verify == TLS_INSECURE;
    int r = 0;
    if (!tls->insecure) {
        SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER, NULL);
        if (config->ca_pem.len)
            r = use_trusted(tls->ctx, config->ca_pem, err);
        else if (!SSL_CTX_set_default_verify_paths(tls->ctx))
            r = err_set(err, -EINVAL, "the system's list of CAs is %s", reason());
    }
    if (r == 0 && (config->cert_pem.len || config->key_pem.len))
        r = use_own(tls->ctx, config->cert_pem, config->key_pem, err);
    if (r < 0) {
        tls_free(tls);
        return r;
    }
    if (config->alpn == TLS_ALPN_HTTP1)
        SSL_CTX_set_alpn_protos(tls->ctx, alpn_http1, sizeof alpn_http1 - 1);
    else
        SSL_CTX_set_alpn_protos(tls->ctx, alpn_any, sizeof alpn_any - 1);
    *ret = tls;
    return 0;
}

static bool set_server_name(SSL *ssl, const struct tls_context *tls)
{
    struct ip ip;
    const char *name = strbuf_cstr(&tls->server_name);
    bool is_ip = ip_parse_sloppy(strbuf_str(&tls->server_name), &ip) == 0;
    if (!is_ip && *name && !SSL_set_tlsext_host_name(ssl, name))
        return false;
    if (tls->insecure)
        return true;
    if (is_ip)
        return X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl), ip.bytes, ip_len(ip.family));
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return *name && SSL_set1_host(ssl, name);
}

SSL *tls_connection_new(struct tls_context *tls, int fd)
{
    SSL *ssl = SSL_new(tls->ctx);
    if (!ssl || !SSL_set_fd(ssl, fd) || (!tls->is_server && !set_server_name(ssl, tls))) {
        SSL_free(ssl);
        return NULL;
    }
    if (tls->is_server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    return ssl;
}

bool tls_is_h2(SSL *ssl)
{
    const unsigned char *p;
    unsigned len;
    SSL_get0_alpn_selected(ssl, &p, &len);
    return len == 2 && memcmp(p, "h2", 2) == 0;
}

/* --- who is there --- */

/* A name in a subject as UTF-8; STR_NONE if it has a NUL or does not convert. Owned by the caller. */
static struct str name_text(X509_NAME *name, int i)
{
    unsigned char *utf8 = NULL;
    int len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i)));
    struct str text = STR_NONE;
    if (len >= 0 && !memchr(utf8, 0, (size_t)len))
        text = (struct str){mem_dup(utf8, (size_t)len), (size_t)len};
    OPENSSL_free(utf8);
    return text;
}

static void read_subject(X509 *cert, struct tls_client_identity *id)
{
    X509_NAME *name = X509_get_subject_name(cert);
    int n = X509_NAME_entry_count(name), at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (at >= 0)
        id->user = name_text(name, at);
    id->groups = n ? mem_realloc_array(NULL, (size_t)n, sizeof *id->groups) : NULL;
    for (at = -1; (at = X509_NAME_get_index_by_NID(name, NID_organizationName, at)) >= 0;) {
        struct str group = name_text(name, at);
        if (group.p)
            id->groups[id->n_groups++] = group;
    }
    if (!id->user.p || !id->user.len) {
        tls_client_identity_done(id);
        id->error = "the client certificate has no usable common name";
    }
}

static const char *refusal(long result)
{
    switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "the client certificate has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "the client certificate is not valid yet";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        return "the client certificate is signed by an unknown authority";
    case X509_V_ERR_INVALID_PURPOSE:
        return "the client certificate is not meant for clients";
    default:
        return X509_verify_cert_error_string(result);
    }
}

static struct walltime walltime_of(const ASN1_TIME *t)
{
    struct tm tm;
    if (!ASN1_TIME_to_tm(t, &tm))
        return (struct walltime){0};
    int64_t seconds = timegm(&tm); /* years from 2262 on do not fit into nanoseconds */
    return (struct walltime){MIN(seconds, INT64_MAX / TIME_S_NS) * TIME_S_NS};
}

void tls_client_identity_get(SSL *ssl, struct tls_client_identity *ret)
{
    *ret = (struct tls_client_identity){0};
    X509 *cert = SSL_get0_peer_certificate(ssl);
    if (!cert)
        return;
    long result = SSL_get_verify_result(ssl);
    ret->not_after = walltime_of(X509_get0_notAfter(cert));
    if (result == X509_V_OK)
        read_subject(cert, ret);
    else
        ret->error = refusal(result);
}

void tls_client_identity_done(struct tls_client_identity *id)
{
    for (size_t i = 0; i < id->n_groups; i++)
        free((char *)id->groups[i].p);
    free(id->groups);
    free((char *)id->user.p);
    *id = (struct tls_client_identity){0};
}

int tls_error(SSL *ssl, int result, int saved_errno, struct err *err)
{
    long verify = SSL_get_verify_result(ssl);
    unsigned long code = ERR_peek_last_error();
    if (result == SSL_ERROR_ZERO_RETURN || (result == SSL_ERROR_SYSCALL && saved_errno == 0))
        return err_set(err, -ECONNRESET, "the connection was closed");
    if (result == SSL_ERROR_SYSCALL)
        return err_set_errno(err, -saved_errno, "the connection failed");
    if (!SSL_is_server(ssl) && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return err_set(err, -EACCES, "the server's certificate is refused: %s",
                       X509_verify_cert_error_string(verify));
    return err_set(err, -EPROTO, "TLS failed: %s", reason());
}
