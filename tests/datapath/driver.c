/* datapath-driver: drives one provider by JSON lines on standard input, one answer line each; for the
 * conformance suite.
 *
 *   {"apply": {"config": {...}, "node": {...}, "services": [...], "slices": [...]}}   the whole wanted world
 *   {"probe": {"src": A, "dst": B, "protocol": "tcp", "port": N, "interface": I, "nodeIPs": [...]}}   fake
 * only
 *   {"repair": {}}  {"cleanup": {}}  {"stats": {}}  {"state": {}}  {"plan": {}}
 *
 * Answers are {"result": ...} or {"error": "..."}.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "base/array.h"
#include "base/map.h"
#include "datapath/fake/fake.h"
#include "io/clock.h"
#include "service/decide.h"

struct driver {
    struct loop *loop;
    struct datapath *dp;
    struct decide *decide;
    struct strbuf config_text; /* a change of it starts decide anew */
    struct map
        objects; /* what the last world had: kind, then "ns/name"; what the next one lacks is removed */
    struct forwarding_state *state;
    struct random random;
    bool done;
    int result;
    struct err err;
};

static void on_done(void *user, int result, const struct err *err)
{
    struct driver *d = user;
    d->done = true;
    d->result = result;
    d->err = err ? *err : (struct err){0};
}

static void wait_for(struct driver *d)
{
    while (!d->done || datapath_is_busy(d->dp))
        (void)loop_step(d->loop, 1000);
}

static void answer(const struct json *result)
{
    _cleanup_(strbuf_done) struct strbuf out = {0};
    json_write(result, &out);
    printf("%s\n", strbuf_cstr(&out));
    (void)fflush(stdout); /* a broken pipe ends the driver anyway */
}

static void answer_error(const char *text)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *v = json_object(&a);
    json_setz(v, "error", json_string(&a, str_of(text)));
    answer(v);
}

static void answer_value(struct arena *a, struct json *value)
{
    struct json *v = json_object(a);
    json_setz(v, "result", value);
    answer(v);
}

static size_t parse_cidrs(const struct json *list, struct ip_prefix *out, size_t max)
{
    size_t n = 0;
    json_foreach (list, it) {
        if (n < max && ip_prefix_parse(json_str(it), &out[n]) == 0)
            n++;
    }
    return n;
}

static void parse_config(const struct json *json, struct decide_config *c)
{
    static const char *const modes[] = {"ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"};
    struct str first_port_address = json_str(json_at(json_getz(json, "nodePortAddresses"), 0));
    *c = (struct decide_config){0};
    (void)snprintf(c->node_name, sizeof c->node_name, "%.*s", STR_ARG(json_str(json_getz(json, "nodeName"))));
    (void)snprintf(c->interface, sizeof c->interface, "%.*s",
                   STR_ARG(json_str(json_getz(json, "interface"))));
    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        if (str_eqz(json_str(json_getz(json, "detectLocalMode")), modes[i]))
            c->detect_local = (enum detect_local)i;
    c->n_cluster_cidrs =
        parse_cidrs(json_getz(json, "clusterCIDRs"), c->cluster_cidrs, DECIDE_MAX_CLUSTER_CIDRS);
    c->n_service_cidrs = parse_cidrs(json_getz(json, "serviceCIDRs"), c->service_cidrs, SERVICE_MAX_CIDRS);
    c->n_node_port_cidrs =
        parse_cidrs(json_getz(json, "nodePortAddresses"), c->node_port_cidrs, NODE_PORT_MAX_CIDRS);
    c->node_ports_primary = str_eqz(first_port_address, "primary");
    c->masquerade_all = json_bool_or(json_getz(json, "masqueradeAll"), false);
    c->localhost_node_ports = json_bool_or(json_getz(json, "localhostNodePorts"), false);
}

static void use_config(struct driver *d, const struct json *json)
{
    _cleanup_(strbuf_done) struct strbuf text = {0};
    json_write(json, &text);
    if (d->decide && str_eq(strbuf_str(&text), strbuf_str(&d->config_text)))
        return;
    struct decide_config config;
    parse_config(json, &config);
    decide_free(d->decide);
    d->decide = decide_new(&config);
    map_done(&d->objects, NULL);
    strbuf_truncate(&d->config_text, 0);
    strbuf_add_str(&d->config_text, strbuf_str(&text));
}

static void note_seen(struct map *seen, char kind, struct str ns, struct str name)
{
    _cleanup_(strbuf_done) struct strbuf key = {0};
    strbuf_addf(&key, "%c%.*s/%.*s", kind, STR_ARG(ns), STR_ARG(name));
    (void)map_put(seen, strbuf_str(&key), seen); /* a set */
}

static int set_objects(struct driver *d, const struct json *world, struct map *seen, struct omissions *o,
                       struct err *err)
{
    json_foreach (json_getz(world, "services"), it) {
        struct service *service;
        if (service_parse(it, o, &service, err) < 0)
            return -EINVAL;
        note_seen(seen, 's', service->ns, service->name);
        decide_set_service(d->decide, service);
    }
    json_foreach (json_getz(world, "slices"), it) {
        struct endpointslice *slice;
        if (endpointslice_parse(it, o, &slice, err) < 0)
            return -EINVAL;
        note_seen(seen, 'e', slice->ns, slice->name);
        decide_set_slice(d->decide, slice);
    }
    return 0;
}

static void remove_unseen(struct driver *d, const struct map *seen)
{
    map_foreach (&d->objects, it) {
        if (map_has(seen, it->key))
            continue;
        struct str ns, name = str_slice(it->key, 1, it->key.len);
        (void)str_split(&name, '/', &ns);
        if (it->key.p[0] == 's')
            decide_remove_service(d->decide, ns, name);
        else
            decide_remove_slice(d->decide, ns, name);
    }
}

static void do_apply(struct driver *d, const struct json *world)
{
    struct err err = {0};
    struct map seen = {0};
    struct node *node = NULL;
    _cleanup_(omissions_done) struct omissions o = {0};
    _cleanup_(arena_done) struct arena a = {0};
    use_config(d, json_getz(world, "config"));
    if (json_getz(world, "node") && node_parse(json_getz(world, "node"), &o, &node, &err) == 0)
        decide_set_node(d->decide, node);
    if (set_objects(d, world, &seen, &o, &err) < 0) {
        map_done(&seen, NULL);
        answer_error(err.text);
        return;
    }
    remove_unseen(d, &seen);
    map_done(&d->objects, NULL);
    d->objects = seen;
    forwarding_state_unref(d->state);
    d->state = decide_run(d->decide, &o);
    d->done = false;
    datapath_apply(d->dp, d->state, (struct datapath_callback){on_done, d});
    wait_for(d);
    if (d->result < 0)
        answer_error(d->err.text);
    else
        answer_value(&a, json_string(&a, strbuf_str(&o.text)));
}

static void do_request(struct driver *d, void (*request)(struct datapath *, struct datapath_callback))
{
    _cleanup_(arena_done) struct arena a = {0};
    d->done = false;
    request(d->dp, (struct datapath_callback){on_done, d});
    wait_for(d);
    if (d->result < 0)
        answer_error(d->err.text);
    else
        answer_value(&a, json_int(&a, d->result));
}

static void do_stats(struct driver *d)
{
    _cleanup_(arena_done) struct arena a = {0};
    const struct datapath_stats *s = datapath_stats(d->dp);
    struct json *v = json_object(&a);
    json_setz(v, "applied", json_int(&a, (int64_t)s->applied));
    json_setz(v, "unchanged", json_int(&a, (int64_t)s->unchanged));
    json_setz(v, "failures", json_int(&a, (int64_t)s->failures));
    json_setz(v, "partial", json_int(&a, (int64_t)s->partial));
    json_setz(v, "full", json_int(&a, (int64_t)s->full));
    json_setz(v, "repaired", json_int(&a, (int64_t)s->repaired));
    json_setz(v, "staleFlows", json_int(&a, (int64_t)s->stale_flows));
    answer_value(&a, v);
}

static uint8_t parse_protocol(struct str s)
{
    return str_eqz(s, "udp") ? IPPROTO_UDP : str_eqz(s, "icmp") ? IPPROTO_ICMP : IPPROTO_TCP;
}

static void do_probe(struct driver *d, const struct json *json)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct fake *fake = fake_of(d->dp);
    struct probe_node node = {0};
    struct probe_packet packet = {0};
    struct fake_connection c;
    char text[IP_TEXT_LEN];
    packet.protocol = parse_protocol(json_str(json_getz(json, "protocol")));
    packet.dst_port = (uint16_t)json_int_or(json_getz(json, "port"), 0);
    json_foreach (json_getz(json, "nodeIPs"), it) {
        if (node.n_ips < PROBE_MAX_NODE_IPS && ip_parse(json_str(it), &node.ips[node.n_ips]) == 0)
            node.n_ips++;
    }
    if (!fake || ip_parse(json_str(json_getz(json, "src")), &packet.src) < 0 ||
        ip_parse(json_str(json_getz(json, "dst")), &packet.dst) < 0) {
        answer_error(fake ? "a probe needs src and dst" : "only the fake datapath answers probes");
        return;
    }
    if (json_getz(json, "interface"))
        packet.in_interface = arena_str(&a, json_str(json_getz(json, "interface"))).p;
    fake_connect(fake, &node, &packet, &d->random, clock_mono(), &c);
    struct json *v = json_object(&a), *candidates = json_array(&a);
    for (uint32_t i = 0; i < probe_n_backends(&c.verdict); i++) {
        const struct backend *b = probe_backend(&c.verdict, i);
        struct json *candidate = json_object(&a);
        json_setz(candidate, "ip", json_stringf(&a, "%s", ip_format(&b->ip, text)));
        json_setz(candidate, "port", json_int(&a, b->port));
        json_append(candidates, candidate);
    }
    json_setz(v, "candidates", candidates);
    json_setz(v, "verdict", json_stringf(&a, "%s", probe_verdict_name(c.verdict.verdict)));
    if (c.backend.ip.family != IP_NONE) {
        json_setz(v, "ip", json_stringf(&a, "%s", ip_format(&c.backend.ip, text)));
        json_setz(v, "port", json_int(&a, c.backend.port));
        json_setz(v, "masqueraded", json_bool(&a, c.masqueraded));
    }
    answer_value(&a, v);
}

enum text_kind { TEXT_STATE, TEXT_PLAN };

static void do_text(struct driver *d, enum text_kind kind)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf out = {0};
    if (d->state && kind == TEXT_STATE)
        forwarding_state_print(d->state, &out);
    else if (d->state)
        datapath_print_plan(d->dp, NULL, d->state, &out);
    answer_value(&a, json_string(&a, strbuf_str(&out)));
}

static void do_line(struct driver *d, struct str line)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *json;
    struct err err = {0};
    if (json_parse(&a, line, NULL, &json, &err) < 0)
        answer_error(err.text);
    else if (json_getz(json, "apply"))
        do_apply(d, json_getz(json, "apply"));
    else if (json_getz(json, "probe"))
        do_probe(d, json_getz(json, "probe"));
    else if (json_getz(json, "repair"))
        do_request(d, datapath_repair);
    else if (json_getz(json, "cleanup"))
        do_request(d, datapath_cleanup);
    else if (json_getz(json, "stats"))
        do_stats(d);
    else if (json_getz(json, "state"))
        do_text(d, TEXT_STATE);
    else if (json_getz(json, "plan"))
        do_text(d, TEXT_PLAN);
    else
        answer_error("unknown request");
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"provider", required_argument, NULL, 'p'}, {"variant", required_argument, NULL, 'v'}, {0}};
    const char *provider = "fake";
    struct datapath_options dp_options = {.families = {true, true}, .masquerade_bit = 14};
    struct driver d = {0};
    struct err err = {0};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == '?')
            return 2;
        *(c == 'p' ? &provider : &dp_options.variant) = optarg;
    }
    d.loop = dp_options.loop = loop_new();
    random_seed_from_system(&d.random);
    if (datapath_supported(provider, &dp_options, &err) < 0 ||
        datapath_open(provider, &dp_options, &d.dp, &err) < 0) {
        fprintf(stderr, "datapath-driver: %s\n", err.text);
        return 1;
    }
    char *line = NULL;
    size_t capacity = 0;
    for (ssize_t n; (n = getline(&line, &capacity, stdin)) > 0;)
        do_line(&d, (struct str){line, (size_t)n});
    free(line);
    datapath_close(d.dp);
    forwarding_state_unref(d.state);
    decide_free(d.decide);
    map_done(&d.objects, NULL);
    strbuf_done(&d.config_text);
    loop_free(d.loop);
    return 0;
}
