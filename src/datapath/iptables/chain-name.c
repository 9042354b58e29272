#include "datapath/iptables/chain-name.h"

#include <stdio.h>

#include "base/encoding.h"

#define HASH_LEN 16

static const char *const prefixes[] = {
    [CHAIN_SVC] = "KUBE-SVC-", [CHAIN_SVL] = "KUBE-SVL-", [CHAIN_EXT] = "KUBE-EXT-",
    [CHAIN_FW] = "KUBE-FW-",   [CHAIN_SEP] = "KUBE-SEP-",
};

static void hash(struct str text, char ret[static HASH_LEN + 1])
{
    uint8_t digest[SHA256_LEN];
    _cleanup_(strbuf_done) struct strbuf encoded = {0};
    sha256(text, digest);
    base32_encode((struct str){(const char *)digest, sizeof digest}, &encoded);
    memcpy(ret, encoded.p, HASH_LEN);
    ret[HASH_LEN] = 0;
}

static void join(enum chain_role role, const char *suffix, char ret[static CHAIN_NAME_LEN])
{
    (void)snprintf(ret, CHAIN_NAME_LEN, "%s%s", prefixes[role], suffix);
}

void chain_names_of(const struct service_port *p, struct chain_names *ret)
{
    char suffix[HASH_LEN + 1];
    _cleanup_(strbuf_done) struct strbuf text = {0};
    service_port_format_name(p, &text);
    strbuf_addz(&text, protocol_name_lower(p->protocol));
    hash(strbuf_str(&text), suffix);
    join(CHAIN_SVC, suffix, ret->svc);
    join(CHAIN_SVL, suffix, ret->svl);
    join(CHAIN_EXT, suffix, ret->ext);
    join(CHAIN_FW, suffix, ret->fw);
}

void chain_name_of_backend(const struct service_port *p, const struct backend *b,
                           char ret[static CHAIN_NAME_LEN])
{
    char suffix[HASH_LEN + 1], ip[IP_TEXT_LEN];
    _cleanup_(strbuf_done) struct strbuf text = {0};
    service_port_format_name(p, &text);
    strbuf_addz(&text, protocol_name_lower(p->protocol));
    strbuf_addf(&text, b->ip.family == IP_V6 ? "[%s]:%d" : "%s:%d", ip_format(&b->ip, ip), b->port);
    hash(strbuf_str(&text), suffix);
    join(CHAIN_SEP, suffix, ret);
}

bool chain_name_is_hashed(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (str_has_prefix(name, str_of(prefixes[i])))
            return true;
    return false;
}
