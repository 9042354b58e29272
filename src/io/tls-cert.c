#include "io/tls-cert.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "base/encoding.h"

static void cert_freep(X509 **p)
{
    X509_free(*p);
}
static void key_freep(EVP_PKEY **p)
{
    EVP_PKEY_free(*p);
}
static void bio_freep(BIO **p)
{
    BIO_free(*p);
}

void tls_pem_done(struct tls_pem *pem)
{
    if (pem->key.p)
        OPENSSL_cleanse(pem->key.p, pem->key.len);
    strbuf_done(&pem->cert);
    strbuf_done(&pem->key);
}

/* --- PEM --- */

static void take_bio(BIO *bio, struct strbuf *out)
{
    char *p;
    long len = BIO_get_mem_data(bio, &p);
    strbuf_add(out, p, (size_t)len);
}

static int write_pem(X509 *cert, EVP_PKEY *key, struct tls_pem *ret)
{
    _cleanup_(bio_freep) BIO *c = BIO_new(BIO_s_mem());
    _cleanup_(bio_freep) BIO *k = BIO_new(BIO_s_mem());
    int ok = c && k && (cert ? PEM_write_bio_X509(c, cert) : PEM_write_bio_PUBKEY(c, key)) &&
             PEM_write_bio_PrivateKey(k, key, NULL, NULL, 0, NULL, NULL);
    if (!ok)
        return -EIO;
    *ret = (struct tls_pem){0};
    take_bio(c, &ret->cert);
    take_bio(k, &ret->key);
    return 0;
}

static X509 *read_cert(struct str pem)
{
    _cleanup_(bio_freep) BIO *bio = BIO_new_mem_buf(pem.p ? pem.p : "", (int)MIN(pem.len, (size_t)INT32_MAX));
    return bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
}

static EVP_PKEY *read_key(struct str pem)
{
    _cleanup_(bio_freep) BIO *bio = BIO_new_mem_buf(pem.p ? pem.p : "", (int)MIN(pem.len, (size_t)INT32_MAX));
    return bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)"") : NULL;
}

/* --- making certificates --- */

static bool set_time(ASN1_TIME *t, struct walltime when)
{
    return ASN1_TIME_adj(t, (time_t)(when.ns / TIME_S_NS), 0, 0);
}

static bool set_serial(X509 *cert)
{
    unsigned char bytes[16];
    tls_random(bytes, sizeof bytes);
    bytes[0] &= 0x7f; /* positive */
    BIGNUM *n = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert));
    BN_free(n);
    return ok;
}

static bool add_name(X509_NAME *name, const char *field, struct str text)
{
    return text.len && X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)text.p,
                                                  (int)MIN(text.len, (size_t)1024), -1, 0);
}

static bool set_subject(X509 *cert, const struct tls_cert_spec *spec)
{
    X509_NAME *name = X509_get_subject_name(cert);
    for (size_t i = 0; i < spec->n_organizations; i++)
        if (!add_name(name, "O", spec->organizations[i]))
            return false;
    return add_name(name, "CN", spec->common_name);
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = ext && X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
    return ok;
}

static bool push_name(GENERAL_NAMES *names, int type, const void *bytes, size_t len)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *text = ASN1_STRING_type_new(type == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING);
    if (!name || !text || !ASN1_STRING_set(text, bytes, (int)len)) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(text);
        return false;
    }
    GENERAL_NAME_set0_value(name, type, text);
    if (sk_GENERAL_NAME_push(names, name) > 0)
        return true;
    GENERAL_NAME_free(name);
    return false;
}

static bool add_alternative_names(X509 *cert, const struct tls_cert_spec *spec)
{
    if (spec->n_dns_names + spec->n_ips == 0)
        return true;
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    bool ok = names;
    for (size_t i = 0; ok && i < spec->n_dns_names; i++)
        ok =
            spec->dns_names[i].len && push_name(names, GEN_DNS, spec->dns_names[i].p, spec->dns_names[i].len);
    for (size_t i = 0; ok && i < spec->n_ips; i++)
        ok = push_name(names, GEN_IPADD, spec->ips[i].bytes, ip_len(spec->ips[i].family));
    ok = ok && X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) > 0;
    GENERAL_NAMES_free(names);
    return ok;
}

static bool add_leaf_extensions(X509 *cert, X509 *ca, const struct tls_cert_spec *spec)
{
    static const char *const usages[] = {NULL, "serverAuth", "clientAuth", "serverAuth,clientAuth"};
    const char *usage = usages[spec->usage & 3];
    return add_extension(cert, ca, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(cert, ca, NID_key_usage, "critical,digitalSignature") &&
           (!usage || add_extension(cert, ca, NID_ext_key_usage, usage)) &&
           add_extension(cert, ca, NID_authority_key_identifier, "keyid") &&
           add_alternative_names(cert, spec);
}

/* A certificate for KEY without extensions and signature. */
static X509 *begin_cert(const struct tls_cert_spec *spec, EVP_PKEY *key)
{
    X509 *cert = X509_new();
    if (cert && X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
        set_time(X509_getm_notBefore(cert), spec->not_before) &&
        set_time(X509_getm_notAfter(cert), spec->not_after) && X509_set_pubkey(cert, key) &&
        set_subject(cert, spec))
        return cert;
    X509_free(cert);
    return NULL;
}

static int cannot_make(struct err *err, const struct tls_cert_spec *spec)
{
    const char *why = ERR_reason_error_string(ERR_peek_last_error());
    return err_set(err, -EINVAL, "no certificate can be made for \"%.*s\": %s", STR_ARG(spec->common_name),
                   why ? why : "a name is empty");
}

int tls_generate_ca(const struct tls_cert_spec *spec, struct tls_pem *ret, struct err *err)
{
    ERR_clear_error();
    _cleanup_(key_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
    _cleanup_(cert_freep) X509 *cert = key ? begin_cert(spec, key) : NULL;
    if (!cert || !X509_set_issuer_name(cert, X509_get_subject_name(cert)) ||
        !add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE") ||
        !add_extension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign,digitalSignature") ||
        !add_extension(cert, cert, NID_subject_key_identifier, "hash") || !X509_sign(cert, key, EVP_sha256()))
        return cannot_make(err, spec);
    int r = write_pem(cert, key, ret);
    return r < 0 ? err_set(err, r, "the new CA cannot be written as PEM") : 0;
}

int tls_generate_cert(const struct tls_cert_spec *spec, const struct tls_pem *ca, struct tls_pem *ret,
                      struct err *err)
{
    ERR_clear_error();
    _cleanup_(cert_freep) X509 *ca_cert = read_cert(strbuf_str(&ca->cert));
    _cleanup_(key_freep) EVP_PKEY *ca_key = read_key(strbuf_str(&ca->key));
    if (!ca_cert || !ca_key || !X509_check_private_key(ca_cert, ca_key))
        return err_set(err, -EINVAL, "the CA is not a certificate in PEM with its private key");
    _cleanup_(key_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
    _cleanup_(cert_freep) X509 *cert = key ? begin_cert(spec, key) : NULL;
    if (!cert || !X509_set_issuer_name(cert, X509_get_subject_name(ca_cert)) ||
        !add_leaf_extensions(cert, ca_cert, spec) || !X509_sign(cert, ca_key, EVP_sha256()))
        return cannot_make(err, spec);
    int r = write_pem(cert, key, ret);
    return r < 0 ? err_set(err, r, "the new certificate cannot be written as PEM") : 0;
}

int tls_generate_key(struct tls_pem *ret, struct err *err)
{
    _cleanup_(key_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
    return key && write_pem(NULL, key, ret) == 0 ? 0 : err_set(err, -EIO, "no key can be made");
}

/* --- reading certificates --- */

static struct walltime walltime_of(const ASN1_TIME *t)
{
    struct tm tm;
    if (!ASN1_TIME_to_tm(t, &tm))
        return (struct walltime){0};
    int64_t seconds = timegm(&tm);
    return (struct walltime){MIN(seconds, INT64_MAX / TIME_S_NS) * TIME_S_NS};
}

int tls_cert_read(struct str pem, struct tls_cert_info *ret, struct err *err)
{
    _cleanup_(cert_freep) X509 *cert = read_cert(pem);
    if (!cert)
        return err_set(err, -EINVAL, "the certificate is not PEM");
    *ret = (struct tls_cert_info){.not_before = walltime_of(X509_get0_notBefore(cert)),
                                  .not_after = walltime_of(X509_get0_notAfter(cert)),
                                  .is_ca = X509_check_ca(cert) == 1};
    char text[256];
    int len = X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, text, sizeof text);
    strbuf_add(&ret->common_name, text, (size_t)MAX(len, 0));
    return 0;
}

bool tls_cert_has_name(struct str pem, struct str name)
{
    _cleanup_(cert_freep) X509 *cert = read_cert(pem);
    struct ip ip;
    if (!cert)
        return false;
    if (ip_parse_sloppy(name, &ip) == 0)
        return X509_check_ip(cert, ip.bytes, ip_len(ip.family), 0) == 1;
    return name.len && X509_check_host(cert, name.p, name.len, 0, NULL) == 1;
}

bool tls_cert_matches(struct str cert_pem, struct str key_pem, struct str ca_pem)
{
    _cleanup_(cert_freep) X509 *cert = read_cert(cert_pem);
    _cleanup_(cert_freep) X509 *ca = read_cert(ca_pem);
    _cleanup_(key_freep) EVP_PKEY *key = read_key(key_pem);
    return cert && ca && key && X509_check_private_key(cert, key) == 1 &&
           X509_verify(cert, X509_get0_pubkey(ca)) == 1;
}

/* --- secrets --- */

void tls_random(void *ret, size_t len)
{
    if (RAND_bytes(ret, (int)len) != 1)
        abort(); /* a guessable secret would be worse */
}

void tls_random_token(size_t n_bytes, struct strbuf *out)
{
    _cleanup_(mem_freep) char *bytes = mem_alloc(n_bytes);
    tls_random(bytes, n_bytes);
    base64url_encode((struct str){bytes, n_bytes}, out);
    OPENSSL_cleanse(bytes, n_bytes);
}

bool tls_secret_eq(struct str a, struct str b)
{
    return a.len == b.len && CRYPTO_memcmp(a.p ? a.p : "", b.p ? b.p : "", a.len) == 0;
}
