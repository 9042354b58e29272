/* Addresses of Services and endpoints as hostile input, and the protocols of their ports.
 *
 * The API server validates these on every write path; the proxy checks again, because whoever can write the
 * store could otherwise point a virtual address at a node's loopback or link-local services (CVE-2021-25737).
 */
#pragma once

#include "base/ip.h"

enum protocol {
    PROTOCOL_TCP = IPPROTO_TCP,
    PROTOCOL_UDP = IPPROTO_UDP,
    PROTOCOL_SCTP = IPPROTO_SCTP,
};

/* "tcp" */
const char *protocol_name_lower(enum protocol protocol);

/* An empty text means TCP, the API's default. Errors: -EINVAL. */
int protocol_parse(struct str s, enum protocol *ret);

/* Parses S, taking the sloppy forms that old stored objects may hold, and refuses unspecified, loopback,
 * link-local and multicast addresses. RET is written only on success, RET_REASON (a static text) only on
 * failure. Errors: -EINVAL not an address; -EPERM an address that nobody may program. */
int address_parse(struct str s, struct ip *ret, const char **ret_reason);

/* NULL, or why IP may not be programmed. */
const char *address_refused(const struct ip *ip);
