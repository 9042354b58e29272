/* Entries of the connection table from a hostile kernel: whatever parses must be whole, and match rules
 * without harm. */
#include "datapath/netfilter/conntrack-message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct conntrack_flow flow;
    struct conntrack_identity identity;
    uint8_t *copy = mem_alloc(len ? len : 1); /* exactly as long as the input, so that ASan sees its end */
    memcpy(copy, data, len);
    bool whole = conntrack_parse_entry(copy, len, &flow, &identity);
    if (whole) {
        struct forwarding_state *s = forwarding_state_new();
        struct stale_rules *r = stale_rules_new(NULL, s, flow.original_dst.family);
        if (identity.tuple_len > CONNTRACK_TUPLE_MAX_LEN || stale_rules_match(r, &flow))
            abort(); /* an empty state makes nothing stale */
        stale_rules_free(r);
        forwarding_state_unref(s);
    }
    free(copy);
    return 0;
}
