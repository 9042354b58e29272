#include "service/address.h"

#include <errno.h>

const char *protocol_name_lower(enum protocol protocol)
{
    switch (protocol) {
    case PROTOCOL_TCP:
        return "tcp";
    case PROTOCOL_UDP:
        return "udp";
    case PROTOCOL_SCTP:
        return "sctp";
    }
    return "?";
}

int protocol_parse(struct str s, enum protocol *ret)
{
    if (!s.len || str_eqz(s, "TCP"))
        *ret = PROTOCOL_TCP;
    else if (str_eqz(s, "UDP"))
        *ret = PROTOCOL_UDP;
    else if (str_eqz(s, "SCTP"))
        *ret = PROTOCOL_SCTP;
    else
        return -EINVAL;
    return 0;
}

const char *address_refused(const struct ip *ip)
{
    if (ip_is_unspecified(ip))
        return "is unspecified";
    if (ip_is_loopback(ip))
        return "is a loopback address";
    if (ip_is_link_local(ip))
        return "is link-local";
    if (ip_is_multicast(ip) || ip_is_link_local_multicast(ip))
        return "is multicast";
    return NULL;
}

int address_parse(struct str s, struct ip *ret, const char **ret_reason)
{
    struct ip ip;
    if (ip_parse_sloppy(s, &ip) < 0) {
        *ret_reason = "is not an IP address";
        return -EINVAL;
    }
    const char *reason = address_refused(&ip);
    if (reason) {
        *ret_reason = reason;
        return -EPERM;
    }
    *ret = ip;
    return 0;
}
