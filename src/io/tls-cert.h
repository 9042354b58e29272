/* Certificates and secrets made here: EC P-256 keys, PEM in and out.
 *
 *     struct tls_pem ca, server;
 *     tls_generate_ca(&(struct tls_cert_spec){.common_name = STR("fairlead-ca"), ...}, &ca, &err);
 *     tls_generate_cert(&spec, &ca, &server, &err);
 */
#pragma once

#include "base/datetime.h"
#include "base/err.h"
#include "base/ip.h"
#include "base/str.h"

struct tls_pem {
    struct strbuf cert, key;
};
void tls_pem_done(struct tls_pem *pem);

enum tls_usage { TLS_FOR_SERVER = 1, TLS_FOR_CLIENT = 2 };

struct tls_cert_spec {
    struct str common_name;
    const struct str *organizations; /* Kubernetes' groups */
    size_t n_organizations;
    const struct str *dns_names;
    size_t n_dns_names;
    const struct ip *ips;
    size_t n_ips;
    int usage; /* mask of enum tls_usage; not for a CA */
    struct walltime not_before, not_after;
};

/* Errors: -EINVAL a name that no certificate can hold; -EIO OpenSSL failed. */
int tls_generate_ca(const struct tls_cert_spec *spec, struct tls_pem *ret, struct err *err);
/* Signed by CA; -EINVAL also if CA is not a certificate with its key. */
int tls_generate_cert(const struct tls_cert_spec *spec, const struct tls_pem *ca, struct tls_pem *ret,
                      struct err *err);
/* An EC P-256 key pair: the private key in RET->key, the public key ("PUBLIC KEY") in RET->cert. */
int tls_generate_key(struct tls_pem *ret, struct err *err);

/* What a certificate says, for deciding whether it is still the one wanted. Errors: -EINVAL. */
struct tls_cert_info {
    struct strbuf common_name;
    struct walltime not_before, not_after;
    bool is_ca;
};
int tls_cert_read(struct str pem, struct tls_cert_info *ret, struct err *err);
/* Whether the first certificate of PEM is good for that server name, DNS or IP. */
bool tls_cert_has_name(struct str pem, struct str name);
/* Whether CERT_PEM is signed by CA_PEM and has the key KEY_PEM. */
bool tls_cert_matches(struct str cert_pem, struct str key_pem, struct str ca_pem);

/* Bytes that nobody can guess. Aborts if the system has none. */
void tls_random(void *ret, size_t len);
/* N_BYTES of them as URL-safe base64. */
void tls_random_token(size_t n_bytes, struct strbuf *out);
/* Equality whose time depends on the lengths only. */
bool tls_secret_eq(struct str a, struct str b);
