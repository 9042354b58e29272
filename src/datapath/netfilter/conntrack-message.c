#include "datapath/netfilter/conntrack-message.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

/* Attributes of a nest by type, at most N of them; foreign bytes, checked by mnl_attr_ok. */
#define CT_ATTR_MAX 32

static void split_attributes(const struct nlattr *first, size_t len,
                             const struct nlattr *ret[static CT_ATTR_MAX])
{
    memset(ret, 0, CT_ATTR_MAX * sizeof *ret);
    for (const struct nlattr *a = first; mnl_attr_ok(a, (int)len);) {
        if (mnl_attr_get_type(a) < CT_ATTR_MAX)
            ret[mnl_attr_get_type(a)] = a;
        size_t step = MNL_ALIGN(a->nla_len);
        if (step >= len)
            break;
        len -= step;
        a = (const struct nlattr *)((const char *)a + step);
    }
}

static void split_nest(const struct nlattr *nest, const struct nlattr *ret[static CT_ATTR_MAX])
{
    split_attributes(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest), ret);
}

static bool get_u16(const struct nlattr *a, uint16_t *ret)
{
    if (!a || mnl_attr_get_payload_len(a) != sizeof *ret)
        return false;
    *ret = ntohs(mnl_attr_get_u16(a));
    return true;
}

static bool get_u32(const struct nlattr *a, uint32_t *ret)
{
    if (!a || mnl_attr_get_payload_len(a) != sizeof *ret)
        return false;
    *ret = ntohl(mnl_attr_get_u32(a));
    return true;
}

static bool get_ip(const struct nlattr *v4, const struct nlattr *v6, struct ip *ret)
{
    const struct nlattr *a = v4 ? v4 : v6;
    struct ip ip = {.family = v4 ? IP_V4 : IP_V6};
    if (!a || mnl_attr_get_payload_len(a) != ip_len(ip.family))
        return false;
    memcpy(ip.bytes, mnl_attr_get_payload(a), ip_len(ip.family));
    *ret = ip;
    return true;
}

struct tuple {
    struct ip src, dst;
    uint16_t sport, dport;
};

/* False for anything but UDP. */
static bool parse_tuple(const struct nlattr *nest, struct tuple *ret)
{
    const struct nlattr *parts[CT_ATTR_MAX], *ip[CT_ATTR_MAX], *proto[CT_ATTR_MAX];
    split_nest(nest, parts);
    if (!parts[CTA_TUPLE_IP] || !parts[CTA_TUPLE_PROTO])
        return false;
    split_nest(parts[CTA_TUPLE_IP], ip);
    split_nest(parts[CTA_TUPLE_PROTO], proto);
    const struct nlattr *number = proto[CTA_PROTO_NUM];
    if (!number || mnl_attr_get_payload_len(number) != 1 || mnl_attr_get_u8(number) != IPPROTO_UDP)
        return false;
    return get_ip(ip[CTA_IP_V4_SRC], ip[CTA_IP_V6_SRC], &ret->src) &&
           get_ip(ip[CTA_IP_V4_DST], ip[CTA_IP_V6_DST], &ret->dst) &&
           get_u16(proto[CTA_PROTO_SRC_PORT], &ret->sport) && get_u16(proto[CTA_PROTO_DST_PORT], &ret->dport);
}

bool conntrack_parse_entry(const void *attributes, size_t len, struct conntrack_flow *ret_flow,
                           struct conntrack_identity *ret_identity)
{
    const struct nlattr *a[CT_ATTR_MAX];
    struct tuple original, reply;
    uint32_t status;
    split_attributes(attributes, len, a);
    if (!a[CTA_TUPLE_ORIG] || !a[CTA_TUPLE_REPLY] || !parse_tuple(a[CTA_TUPLE_ORIG], &original) ||
        !parse_tuple(a[CTA_TUPLE_REPLY], &reply) || !get_u32(a[CTA_STATUS], &status) ||
        mnl_attr_get_payload_len(a[CTA_TUPLE_ORIG]) > CONNTRACK_TUPLE_MAX_LEN)
        return false;
    *ret_flow = (struct conntrack_flow){
        .original_dst = original.dst,
        .original_dport = original.dport,
        .reply_src = reply.src,
        .reply_sport = reply.sport,
        .translated = status & IPS_DST_NAT,
    };
    struct conntrack_identity identity = {.tuple_len = mnl_attr_get_payload_len(a[CTA_TUPLE_ORIG])};
    memcpy(identity.tuple, mnl_attr_get_payload(a[CTA_TUPLE_ORIG]), identity.tuple_len);
    identity.has_id = get_u32(a[CTA_ID], &identity.id);
    identity.has_zone = get_u16(a[CTA_ZONE], &identity.zone);
    *ret_identity = identity;
    return true;
}
