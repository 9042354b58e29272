#include "base/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

const char *ip_family_name(enum ip_family family)
{
    return family == IP_V4 ? "IPv4" : family == IP_V6 ? "IPv6" : "none";
}

static int ip_parse_v4(struct str s, bool leading_zeros, struct ip *ret)
{
    struct ip ip = {.family = IP_V4};
    struct str part;
    int n = 0;
    while (str_split(&s, '.', &part)) {
        uint64_t v;
        if (n == 4 || part.len == 0 || (part.len > 3 && !leading_zeros) || str_to_uint64(part, &v) < 0 ||
            v > 255)
            return -EINVAL;
        if (part.len > 1 && part.p[0] == '0' && !leading_zeros)
            return -EINVAL;
        ip.bytes[n++] = (uint8_t)v;
    }
    if (n != 4)
        return -EINVAL;
    *ret = ip;
    return 0;
}

static const uint8_t ip_mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static int ip_parse_v6(struct str s, struct ip *ret)
{
    char text[INET6_ADDRSTRLEN];
    if (s.len >= sizeof text || memchr(s.p, 0, s.len))
        return -EINVAL;
    memcpy(text, s.p, s.len);
    text[s.len] = 0;
    struct ip ip = {.family = IP_V6};
    if (inet_pton(AF_INET6, text, ip.bytes) != 1)
        return -EINVAL;
    *ret = ip;
    return 0;
}

static int ip_parse_any(struct str s, bool sloppy, struct ip *ret)
{
    if (!s.len)
        return -EINVAL;
    if (str_find_char(s, ':') < 0)
        return ip_parse_v4(s, sloppy, ret);
    struct ip ip;
    int r = ip_parse_v6(s, &ip);
    if (r < 0)
        return r;
    if (memcmp(ip.bytes, ip_mapped_prefix, sizeof ip_mapped_prefix) == 0) {
        if (!sloppy)
            return -EINVAL;
        struct ip v4 = {.family = IP_V4};
        memcpy(v4.bytes, ip.bytes + 12, 4);
        ip = v4;
    }
    *ret = ip;
    return 0;
}

int ip_parse(struct str s, struct ip *ret)
{
    return ip_parse_any(s, false, ret);
}

int ip_parse_sloppy(struct str s, struct ip *ret)
{
    return ip_parse_any(s, true, ret);
}

static int ip_prefix_parse_any(struct str s, bool sloppy, struct ip_prefix *ret)
{
    ptrdiff_t slash = str_find_char(s, '/');
    if (slash < 0)
        return -EINVAL;
    struct str bits_text = str_slice(s, slash + 1, s.len);
    struct ip_prefix prefix = {0};
    uint64_t bits;
    int r = ip_parse_any(str_slice(s, 0, slash), sloppy, &prefix.ip);
    if (r < 0)
        return r;
    if (str_to_uint64(bits_text, &bits) < 0)
        return -EINVAL;
    if (bits_text.len > 1 && bits_text.p[0] == '0')
        return -EINVAL;
    bool mapped = prefix.ip.family == IP_V4 && str_find_char(s, ':') >= 0;
    if (mapped && bits < 96)
        return -EINVAL;
    bits -= mapped ? 96 : 0;
    if (bits > (uint64_t)ip_bits(prefix.ip.family))
        return -EINVAL;
    prefix.bits = (uint8_t)bits;
    *ret = prefix;
    return 0;
}

int ip_prefix_parse(struct str s, struct ip_prefix *ret)
{
    return ip_prefix_parse_any(s, false, ret);
}

int ip_prefix_parse_sloppy(struct str s, struct ip_prefix *ret)
{
    return ip_prefix_parse_any(s, true, ret);
}

const char *ip_format(const struct ip *ip, char buf[static IP_TEXT_LEN])
{
    int af = ip->family == IP_V4 ? AF_INET : AF_INET6;
    if (ip->family == IP_NONE || !inet_ntop(af, ip->bytes, buf, IP_TEXT_LEN))
        snprintf(buf, IP_TEXT_LEN, "none");
    return buf;
}

const char *ip_prefix_format(const struct ip_prefix *prefix, char buf[static IP_TEXT_LEN])
{
    char address[IP_TEXT_LEN];
    ip_format(&prefix->ip, address);
    snprintf(buf, IP_TEXT_LEN, "%.43s/%u", address, prefix->bits);
    return buf;
}

bool ip_eq(const struct ip *a, const struct ip *b)
{
    return ip_cmp(a, b) == 0;
}

int ip_cmp(const struct ip *a, const struct ip *b)
{
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

/* The address with the bits behind the prefix set to ONES. */
static struct ip ip_prefix_edge(const struct ip_prefix *prefix, bool ones)
{
    struct ip ip = prefix->ip;
    for (size_t i = 0; i < ip_len(ip.family); i++) {
        int keep = prefix->bits - (int)i * 8;
        uint8_t mask = keep >= 8 ? 0xff : keep <= 0 ? 0 : (uint8_t)(0xff << (8 - keep));
        ip.bytes[i] = (uint8_t)((ip.bytes[i] & mask) | (ones ? (uint8_t)~mask : 0));
    }
    return ip;
}

struct ip ip_prefix_first(const struct ip_prefix *prefix)
{
    return ip_prefix_edge(prefix, false);
}

struct ip ip_prefix_last(const struct ip_prefix *prefix)
{
    return ip_prefix_edge(prefix, true);
}

bool ip_prefix_contains(const struct ip_prefix *prefix, const struct ip *ip)
{
    if (prefix->ip.family != ip->family)
        return false;
    struct ip first = ip_prefix_first(prefix), last = ip_prefix_last(prefix);
    return ip_cmp(&first, ip) <= 0 && ip_cmp(ip, &last) <= 0;
}

bool ip_prefix_overlaps(const struct ip_prefix *a, const struct ip_prefix *b)
{
    return a->bits <= b->bits ? ip_prefix_contains(a, &b->ip) : ip_prefix_contains(b, &a->ip);
}

bool ip_prefix_is_canonical(const struct ip_prefix *prefix)
{
    struct ip first = ip_prefix_first(prefix);
    return ip_eq(&first, &prefix->ip);
}

struct ip ip_add(const struct ip *ip, uint64_t n)
{
    struct ip sum = *ip;
    for (size_t i = ip_len(ip->family); i-- > 0 && n;) {
        n += sum.bytes[i];
        sum.bytes[i] = (uint8_t)n;
        n >>= 8;
    }
    return sum;
}

uint64_t ip_distance(const struct ip *a, const struct ip *b)
{
    unsigned __int128 x = 0, y = 0;
    for (size_t i = 0; i < ip_len(a->family); i++) {
        x = x << 8 | a->bytes[i];
        y = y << 8 | b->bytes[i];
    }
    return y - x > UINT64_MAX ? UINT64_MAX : (uint64_t)(y - x);
}

bool ip_is_unspecified(const struct ip *ip)
{
    static const uint8_t zero[16];
    return ip->family != IP_NONE && memcmp(ip->bytes, zero, sizeof zero) == 0;
}

bool ip_is_loopback(const struct ip *ip)
{
    static const uint8_t one[16] = {[15] = 1};
    return ip->family == IP_V4 ? ip->bytes[0] == 127
                               : ip->family == IP_V6 && memcmp(ip->bytes, one, sizeof one) == 0;
}

bool ip_is_link_local(const struct ip *ip)
{
    return ip->family == IP_V4 ? ip->bytes[0] == 169 && ip->bytes[1] == 254
                               : ip->family == IP_V6 && ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80;
}

bool ip_is_link_local_multicast(const struct ip *ip)
{
    return ip->family == IP_V4 ? ip->bytes[0] == 224 && !ip->bytes[1] && !ip->bytes[2]
                               : ip->family == IP_V6 && ip->bytes[0] == 0xff && (ip->bytes[1] & 0x0f) == 2;
}

bool ip_is_multicast(const struct ip *ip)
{
    return ip->family == IP_V4 ? (ip->bytes[0] & 0xf0) == 0xe0 : ip->family == IP_V6 && ip->bytes[0] == 0xff;
}

socklen_t ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *ret)
{
    memset(ret, 0, sizeof *ret);
    if (ip->family == IP_V4) {
        struct sockaddr_in *sin = (struct sockaddr_in *)ret;
        sin->sin_family = AF_INET;
        sin->sin_port = htons(port);
        memcpy(&sin->sin_addr, ip->bytes, 4);
        return sizeof *sin;
    }
    struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)ret;
    sin6->sin6_family = AF_INET6;
    sin6->sin6_port = htons(port);
    memcpy(&sin6->sin6_addr, ip->bytes, 16);
    return sizeof *sin6;
}

bool ip_from_sockaddr(const struct sockaddr *sa, struct ip *ret, uint16_t *ret_port)
{
    struct ip ip = {0};
    uint16_t port;
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *sin = (const struct sockaddr_in *)sa;
        ip.family = IP_V4;
        memcpy(ip.bytes, &sin->sin_addr, 4);
        port = ntohs(sin->sin_port);
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)sa;
        const uint8_t *bytes = sin6->sin6_addr.s6_addr;
        bool mapped = memcmp(bytes, ip_mapped_prefix, sizeof ip_mapped_prefix) == 0;
        ip.family = mapped ? IP_V4 : IP_V6;
        memcpy(ip.bytes, mapped ? bytes + 12 : bytes, ip_len(ip.family));
        port = ntohs(sin6->sin6_port);
    } else {
        return false;
    }
    *ret = ip;
    if (ret_port)
        *ret_port = port;
    return true;
}
