/* One entry of the connection table as the kernel sends it: netlink attributes -> UDP flow. Pure. */
#pragma once

#include "datapath/netfilter/conntrack.h"

#define CONNTRACK_TUPLE_MAX_LEN 96

/* What names an entry when it is to be deleted. */
struct conntrack_identity {
    uint8_t tuple[CONNTRACK_TUPLE_MAX_LEN]; /* the content of its original tuple, as the kernel sent it */
    uint16_t tuple_len;
    uint32_t id;
    uint16_t zone;
    bool has_id, has_zone;
};

/* Reads the attributes behind the nfgenmsg header: LEN bytes, 4-byte aligned. False for what is not a whole
 * UDP entry; then nothing is written. */
bool conntrack_parse_entry(const void *attributes, size_t len, struct conntrack_flow *ret_flow,
                           struct conntrack_identity *ret_identity);
