/* Random Services and slices for tests: few names, so that histories meet themselves, and every policy. */
#pragma once

#include "base/random.h"
#include "base/test.h"
#include "service/decide.h"

static inline bool chance(struct random *r, unsigned percent)
{
    return random_below(r, 100) < percent;
}

static inline const char *one_of(struct random *r, const char *const *list, size_t n)
{
    return list[random_below(r, n)];
}
#define ONE_OF(r, ...)                                                                                       \
    one_of((r), (const char *const[]){__VA_ARGS__}, ARRAY_LEN(((const char *const[]){__VA_ARGS__})))

static inline void write_random_ports(struct random *r, int n, bool node_ports, struct strbuf *out)
{
    strbuf_addz(out, "\"ports\":[");
    int n_ports = 1 + (int)random_below(r, 3);
    for (int i = 0; i < n_ports; i++) {
        strbuf_addf(out, "%s{\"name\":\"p%d\",\"port\":%d,\"protocol\":\"%s\"", i ? "," : "", i, 80 + i,
                    ONE_OF(r, "TCP", "UDP", "SCTP"));
        if (node_ports && chance(r, 80))
            strbuf_addf(out, ",\"nodePort\":%d", 30000 + n % 5 * 10 + i);
        strbuf_addc(out, '}');
    }
    strbuf_addc(out, ']');
}

/* Service sN of namespace a or b (by parity). */
static inline void write_random_service(struct random *r, int n, struct strbuf *out)
{
    const char *type = ONE_OF(r, "ClusterIP", "NodePort", "LoadBalancer", "LoadBalancer", "ExternalName");
    bool balancer = strcmp(type, "LoadBalancer") == 0;
    strbuf_addf(out, "{\"metadata\":{\"namespace\":\"%s\",\"name\":\"s%d\"},\"spec\":{\"type\":\"%s\",",
                n % 2 ? "b" : "a", n, type);
    int stack = (int)random_below(r, 8);
    if (stack == 0)
        strbuf_addz(out, "\"clusterIP\":\"None\",");
    else if (stack < 4)
        strbuf_addf(out, "\"clusterIPs\":[\"10.96.0.%d\"],", n + 1);
    else if (stack < 6)
        strbuf_addf(out, "\"clusterIPs\":[\"fd00:96::%d\"],", n + 1);
    else
        strbuf_addf(out, "\"clusterIPs\":[\"10.96.0.%d\",\"fd00:96::%d\"],", n + 1, n + 1);
    strbuf_addf(out, "\"internalTrafficPolicy\":\"%s\",", ONE_OF(r, "Cluster", "Local"));
    strbuf_addf(out, "\"externalTrafficPolicy\":\"%s\",", ONE_OF(r, "Cluster", "Local"));
    strbuf_addf(out, "\"sessionAffinity\":\"%s\",", ONE_OF(r, "None", "None", "ClientIP"));
    if (chance(r, 30))
        strbuf_addf(out, "\"externalIPs\":[\"203.0.113.%d\",\"2001:db8:e::%d\"],", n % 3, n % 3);
    if (balancer && chance(r, 40))
        strbuf_addf(out, "\"loadBalancerSourceRanges\":[\"%s\",\"%s\"],",
                    ONE_OF(r, "192.0.2.0/24", "198.51.100.0/24", "0.0.0.0/0"),
                    ONE_OF(r, "10.244.1.0/24", "2001:db8::/32"));
    if (balancer && chance(r, 50))
        strbuf_addf(out, "\"healthCheckNodePort\":%d,", 31000 + n);
    write_random_ports(r, n, strcmp(type, "ClusterIP") != 0, out);
    strbuf_addz(out, "},\"status\":{\"loadBalancer\":{\"ingress\":[");
    if (balancer && chance(r, 70))
        strbuf_addf(out, "{\"ip\":\"198.51.100.%d\"},{\"ip\":\"2001:db8:b::%d\",\"ipMode\":\"VIP\"}", n, n);
    strbuf_addz(out, "]}}}");
}

static inline void write_random_endpoint(struct random *r, bool v6, struct strbuf *out)
{
    int host = (int)random_below(r, 12);
    strbuf_addf(out, v6 ? "{\"addresses\":[\"fd00:244::%d\"]" : "{\"addresses\":[\"10.244.1.%d\"]", host + 1);
    strbuf_addf(out, ",\"nodeName\":\"%s\"", host % 3 ? "n2" : "n1");
    if (chance(r, 40))
        strbuf_addf(out, ",\"conditions\":{\"ready\":%s,\"serving\":%s,\"terminating\":%s}",
                    ONE_OF(r, "true", "false", "null"), ONE_OF(r, "true", "false"),
                    ONE_OF(r, "true", "false"));
    if (chance(r, 60))
        strbuf_addf(out, ",\"hints\":{\"forZones\":[{\"name\":\"%s\"}],\"forNodes\":[%s]}",
                    ONE_OF(r, "z1", "z2"), ONE_OF(r, "", "{\"name\":\"n1\"}", "{\"name\":\"n2\"}"));
    strbuf_addc(out, '}');
}

/* Slice xN; belongs to any of N_SERVICES Services, not always to the same. */
static inline void write_random_slice(struct random *r, int n, int n_services, struct strbuf *out)
{
    int owner = (int)random_below(r, (uint64_t)n_services);
    bool v6 = chance(r, 40);
    owner -= owner % 2 != n % 2 && owner > 0; /* slices stay in the namespace of their number */
    strbuf_addf(out,
                "{\"metadata\":{\"namespace\":\"%s\",\"name\":\"x%d\",\"labels\":{\"kubernetes.io/"
                "service-name\":\"s%d\"}},"
                "\"addressType\":\"%s\",\"ports\":[",
                n % 2 ? "b" : "a", n, owner, v6 ? "IPv6" : "IPv4");
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            strbuf_addf(out, "%s{\"name\":\"p%d\",\"port\":%d,\"protocol\":\"%s\"}", i || k ? "," : "", i,
                        8080 + i + 10 * (int)random_below(r, 2),
                        ((const char *const[]){"TCP", "UDP", "SCTP"})[k]);
    strbuf_addz(out, "],\"endpoints\":[");
    int n_endpoints = (int)random_below(r, 6);
    for (int i = 0; i < n_endpoints; i++) {
        strbuf_addz(out, i ? "," : "");
        write_random_endpoint(r, v6, out);
    }
    strbuf_addz(out, "]}");
}

static inline struct service *parse_service_text(const char *text)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *json;
    struct service *s;
    assert_int_equal(json_parse(&a, str_of(text), NULL, &json, NULL), 0);
    assert_int_equal(service_parse(json, NULL, &s, NULL), 0);
    return s;
}

static inline struct endpointslice *parse_slice_text(const char *text)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *json;
    struct endpointslice *s;
    assert_int_equal(json_parse(&a, str_of(text), NULL, &json, NULL), 0);
    assert_int_equal(endpointslice_parse(json, NULL, &s, NULL), 0);
    return s;
}

static inline struct node *parse_node_text(const char *text)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *json;
    struct node *n;
    assert_int_equal(json_parse(&a, str_of(text), NULL, &json, NULL), 0);
    assert_int_equal(node_parse(json, NULL, &n, NULL), 0);
    return n;
}

#define WORLD_SERVICES 8
#define WORLD_SLICES   12

/* What is there now, as text, so that a second decide can start from it. */
struct random_world {
    char *services[WORLD_SERVICES], *slices[WORLD_SLICES];
    char *node;
};

static inline void random_world_done(struct random_world *w)
{
    for (int i = 0; i < WORLD_SERVICES; i++)
        free(w->services[i]);
    for (int i = 0; i < WORLD_SLICES; i++)
        free(w->slices[i]);
    free(w->node);
}

static inline void change_node(struct random_world *w, struct random *r, struct decide *d)
{
    struct strbuf text = {0};
    strbuf_addf(&text,
                "{\"metadata\":{\"name\":\"n1\",\"labels\":{\"topology.kubernetes.io/"
                "zone\":\"%s\"}},\"status\":{\"addresses\":["
                "{\"type\":\"InternalIP\",\"address\":\"%s\"}]}}",
                ONE_OF(r, "z1", "z2", ""), ONE_OF(r, "192.0.2.1", "198.51.100.200"));
    free(w->node);
    w->node = strbuf_take(&text, NULL);
    decide_set_node(d, parse_node_text(w->node));
}

static inline void change_service(struct random_world *w, struct random *r, struct decide *d)
{
    struct strbuf text = {0};
    int i = (int)random_below(r, WORLD_SERVICES);
    char name[8];
    (void)snprintf(name, sizeof name, "s%d", i);
    free(TAKE(w->services[i]));
    if (chance(r, 25)) {
        decide_remove_service(d, i % 2 ? STR("b") : STR("a"), str_of(name));
        return;
    }
    write_random_service(r, i, &text);
    w->services[i] = strbuf_take(&text, NULL);
    decide_set_service(d, parse_service_text(w->services[i]));
}

static inline void change_slice(struct random_world *w, struct random *r, struct decide *d)
{
    struct strbuf text = {0};
    int i = (int)random_below(r, WORLD_SLICES);
    char name[8];
    (void)snprintf(name, sizeof name, "x%d", i);
    free(TAKE(w->slices[i]));
    if (chance(r, 25)) {
        decide_remove_slice(d, i % 2 ? STR("b") : STR("a"), str_of(name));
        return;
    }
    write_random_slice(r, i, WORLD_SERVICES, &text);
    w->slices[i] = strbuf_take(&text, NULL);
    decide_set_slice(d, parse_slice_text(w->slices[i]));
}

/* One change, told to D as well. */
static inline void random_world_step(struct random_world *w, struct random *r, struct decide *d)
{
    uint64_t what = random_below(r, 20);
    if (what == 0)
        change_node(w, r, d);
    else if (what < 9)
        change_service(w, r, d);
    else
        change_slice(w, r, d);
}

/* A decide that gets everything at once, in another order. */
static inline struct forwarding_state *random_world_from_scratch(const struct random_world *w,
                                                                 const struct decide_config *config)
{
    struct decide *d = decide_new(config);
    for (int i = WORLD_SLICES - 1; i >= 0; i--)
        if (w->slices[i])
            decide_set_slice(d, parse_slice_text(w->slices[i]));
    for (int i = WORLD_SERVICES - 1; i >= 0; i--)
        if (w->services[i])
            decide_set_service(d, parse_service_text(w->services[i]));
    if (w->node)
        decide_set_node(d, parse_node_text(w->node));
    struct forwarding_state *s = decide_run(d, NULL);
    decide_free(d);
    return s;
}
