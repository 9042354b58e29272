/* Services, EndpointSlices and Nodes as anybody may write them: parsed, decided, printed and planned without
 * harm; no line of a plan may come from a name (restore input is a language), and no forbidden address may be
 * in a state. Input: JSON objects, one per line.
 */
#include "datapath/iptables/plan.h"
#include "service/decide.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void take(struct decide *d, struct json *json)
{
    struct service *service;
    struct endpointslice *slice;
    struct node *node;
    if (json_getz(json, "addressType")) {
        if (endpointslice_parse(json, NULL, &slice, NULL) == 0)
            decide_set_slice(d, slice);
    } else if (json_path(json, "spec", "podCIDR", NULL)) {
        if (node_parse(json, NULL, &node, NULL) == 0)
            decide_set_node(d, node);
    } else if (service_parse(json, NULL, &service, NULL) == 0) {
        decide_set_service(d, service);
    }
}

static void check_addresses(const struct forwarding_state *s)
{
    for (size_t i = 0; i < s->n_ports; i++) {
        const struct service_port *p = s->ports[i];
        for (size_t k = 0; k < p->n_backends; k++)
            if (address_refused(&p->backends[k].ip) || p->backends[k].ip.family != p->family)
                abort();
        for (size_t k = 0; k < p->n_frontends; k++)
            if (p->frontends[k].kind != FRONTEND_NODE_PORT && address_refused(&p->frontends[k].ip))
                abort();
    }
}

static void check_plan(struct str plan)
{
    struct str line;
    while (str_split(&plan, '\n', &line)) {
        bool known = !line.len || line.p[0] == ':' || line.p[0] == '*' || str_eqz(line, "COMMIT") ||
                     str_has_prefix(line, STR("-A KUBE-")) || str_has_prefix(line, STR("-I ")) ||
                     str_has_prefix(line, STR("-X KUBE-"));
        if (!known || memchr(line.p, 0, line.len))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf out = {0};
    struct decide_config config = {.node_name = "n1"};
    struct decide *d = decide_new(&config);
    struct iptables_dump nothing = {0};
    struct str text = {(const char *)data, len}, line;
    struct json *json;
    while (str_split(&text, '\n', &line))
        if (json_parse(&a, line, NULL, &json, NULL) == 0)
            take(d, json);
    struct forwarding_state *s = decide_run(d, NULL);
    check_addresses(s);
    forwarding_state_print(s, &out);
    for (int i = 0; i < 2; i++) {
        struct rule_context c = {.family = i ? IP_V6 : IP_V4, .mark = 0x4000};
        strbuf_truncate(&out, 0);
        plan_from_dump(&c, &nothing, s, &out);
        check_plan(strbuf_str(&out));
    }
    forwarding_state_unref(s);
    decide_free(d);
    return 0;
}
