/* TLS over OpenSSL 3: contexts for both sides, and why a peer's certificate was refused.
 *
 * TLS 1.2 and later. A server asks for a client certificate and goes on without a good one: the reason stays
 * with the connection, so that the API can answer 401 in a sentence. There is no session resumption: a
 * resumed session would skip the look at the certificate, and clients here keep their connections. A context
 * is shared by its connections, which keep what they need of it alive. Not for threads.
 *
 *     struct tls_context *tls;
 *     if (tls_server_new(&(struct tls_server_config){.cert_pem = c, .key_pem = k, .client_ca_pem = ca}, &tls,
 * &err) < 0)
 */
#pragma once

#include "base/datetime.h"
#include "base/err.h"
#include "base/ip.h"
#include "base/str.h"

struct tls_context;
struct ssl_st; /* OpenSSL's SSL */

struct tls_server_config {
    struct str cert_pem; /* the server's certificate, then intermediates */
    struct str key_pem;
    struct str client_ca_pem; /* who may sign client certificates; empty: none is asked for */
};

struct tls_client_config {
    struct str ca_pem;            /* who may sign the server's certificate; empty: the system's list */
    struct str cert_pem, key_pem; /* both or neither */
    struct str server_name;       /* DNS name or IP address to find in the server's certificate */
    enum { TLS_VERIFY, TLS_INSECURE } verify;
    enum { TLS_ALPN_ANY, TLS_ALPN_HTTP1 } alpn; /* ANY: h2, then http/1.1 */
};

/* Errors: -EINVAL with what is wrong with which of the inputs. */
int tls_server_new(const struct tls_server_config *config, struct tls_context **ret, struct err *err);
int tls_client_new(const struct tls_client_config *config, struct tls_context **ret, struct err *err);
void tls_free(struct tls_context *tls);

/* A new side of a connection on FD, before its handshake. NULL when OpenSSL has no memory. SSL_free() it. */
struct ssl_st *tls_connection_new(struct tls_context *tls, int fd);

/* After the handshake: whether HTTP/2 was agreed on. */
bool tls_is_h2(struct ssl_st *ssl);

/* The verified client of a server's connection. */
struct tls_client_identity {
    struct str user;    /* CN; p is NULL without a good certificate */
    struct str *groups; /* every O */
    size_t n_groups;
    struct walltime not_after;
    const char *error; /* static: why the certificate that was sent is refused, else NULL */
};
void tls_client_identity_get(struct ssl_st *ssl, struct tls_client_identity *ret);
void tls_client_identity_done(struct tls_client_identity *id);

/* Says why an SSL call failed: RESULT is its SSL_get_error(), SAVED_ERRNO the errno after it. Returns the
 * code. */
int tls_error(struct ssl_st *ssl, int result, int saved_errno, struct err *err);
