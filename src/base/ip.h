/* IP addresses and prefixes of both families as values.
 *
 * One tagged type for IPv4 and IPv6, so that code path and tests are shared. Text forms: the strict parser
 * takes what Kubernetes calls canonical input (no leading zeros, no IPv4-mapped IPv6, no zone); the sloppy
 * one also takes leading zeros (read as decimal) and mapped forms, which old stored objects may hold.
 * Printing is RFC 5952.
 */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/str.h"

enum ip_family {
    IP_NONE = 0, /* a zeroed address is none */
    IP_V4 = 4,
    IP_V6 = 6,
};

struct ip {
    enum ip_family family;
    uint8_t bytes[16]; /* network order; IPv4 in the first four, the rest zero */
};

struct ip_prefix {
    struct ip ip;
    uint8_t bits; /* 0..32 or 0..128 */
};

#define IP_TEXT_LEN 48 /* longest text with a "/128" and the NUL */

static inline size_t ip_len(enum ip_family family)
{
    return family == IP_V4 ? 4 : 16;
}
static inline int ip_bits(enum ip_family family)
{
    return family == IP_V4 ? 32 : 128;
}

/* "IPv4", "IPv6": the API's words. */
const char *ip_family_name(enum ip_family family);

/* Errors: -EINVAL. RET is written only on success. */
int ip_parse(struct str s, struct ip *ret);
int ip_parse_sloppy(struct str s, struct ip *ret);
/* "ADDRESS/BITS"; bits behind the prefix may be set (see ip_prefix_is_canonical). */
int ip_prefix_parse(struct str s, struct ip_prefix *ret);
int ip_prefix_parse_sloppy(struct str s, struct ip_prefix *ret);

/* Writes the text and a NUL; returns BUF. */
const char *ip_format(const struct ip *ip, char buf[static IP_TEXT_LEN]);
const char *ip_prefix_format(const struct ip_prefix *prefix, char buf[static IP_TEXT_LEN]);

bool ip_eq(const struct ip *a, const struct ip *b);
int ip_cmp(const struct ip *a, const struct ip *b); /* family first, then bytes */

bool ip_prefix_contains(const struct ip_prefix *prefix, const struct ip *ip);
bool ip_prefix_overlaps(const struct ip_prefix *a, const struct ip_prefix *b);
bool ip_prefix_is_canonical(const struct ip_prefix *prefix); /* no bit set behind the prefix */
struct ip ip_prefix_first(const struct ip_prefix *prefix);
struct ip ip_prefix_last(const struct ip_prefix *prefix);

/* IP + N within its family, wrapping at the end. */
struct ip ip_add(const struct ip *ip, uint64_t n);
/* B - A, saturating at UINT64_MAX; both of one family and A <= B. */
uint64_t ip_distance(const struct ip *a, const struct ip *b);

bool ip_is_unspecified(const struct ip *ip);
bool ip_is_loopback(const struct ip *ip);
bool ip_is_link_local(const struct ip *ip);           /* unicast */
bool ip_is_link_local_multicast(const struct ip *ip); /* 224.0.0.0/24, ffx2::/16 */
bool ip_is_multicast(const struct ip *ip);

socklen_t ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *ret);
/* False for other families. Mapped IPv4 becomes IPv4. */
bool ip_from_sockaddr(const struct sockaddr *sa, struct ip *ret, uint16_t *ret_port);
