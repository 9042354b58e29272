/* The end of a run, against models that are as naive as can be: nothing here shares code with what it checks.
 */
#include <netinet/in.h>
#include <stdio.h>

#include "world.h"

struct check {
    struct world *world;
    struct arena arena;
    ARRAY_OF(struct json *) services, pods, slices;
    struct map by_key; /* every object of the store */
};

static void load(struct check *c)
{
    map_foreach (audit_values(c->world->audit), it) {
        struct json *object;
        if (json_parse(&c->arena, strbuf_str(it->value), NULL, &object, NULL) < 0)
            continue;
        (void)map_put(&c->by_key, it->key, object);
        if (str_has_prefix(it->key, STR("/registry/services/specs/")))
            *array_push(&c->services) = object;
        else if (str_has_prefix(it->key, STR("/registry/pods/")))
            *array_push(&c->pods) = object;
        else if (str_has_prefix(it->key, STR("/registry/endpointslices/")))
            *array_push(&c->slices) = object;
    }
}

static struct str name_of(const struct json *object)
{
    return json_string_at(object, "metadata", "name");
}

static bool has_label(const struct json *object, const char *key, struct str value)
{
    return str_eq(json_string_at(object, "metadata", "labels", key), value);
}

/* --- what was acknowledged --- */

static void check_acknowledged(struct check *c)
{
    static const char *const paths[] = {
        ['s'] = "services/specs", ['p'] = "pods", ['e'] = "endpointslices", ['d'] = "deployments"};
    const struct sim_object *objects = user_objects(c->world->user);
    for (int i = 0; i < SIM_OBJECTS; i++) {
        const struct sim_object *o = &objects[i];
        const char *why;
        struct str key =
            arena_format(&c->arena, "/registry/%s/%s/%s", paths[(int)o->kind], user_namespace(), o->name);
        const struct json *object = map_find(&c->by_key, key);
        if (!user_matches(o, &o->is, object, &why))
            world_fail(c->world, "%s is not as acknowledged: %s (version %ld)", o->name, why,
                       (long)o->is.version);
        if (o->kind != 's' || !object)
            continue;
        for (size_t f = 0; f < 2; f++)
            if (!str_eqz(json_str(json_at(json_path(object, "spec", "clusterIPs", NULL), f)),
                         o->addresses[f]))
                world_fail(c->world, "%s has lost its address %s", o->name, o->addresses[f]);
    }
}

static void check_deployments(struct check *c)
{
    const struct sim_object *objects = user_objects(c->world->user);
    for (int i = 0; i < SIM_OBJECTS; i++) {
        int n = 0;
        if (objects[i].kind != 'd')
            continue;
        for (size_t p = 0; p < c->pods.n; p++)
            n += has_label(c->pods.v[p], "d", str_of(objects[i].name));
        if (n != (objects[i].is.exists ? objects[i].is.n : 0))
            world_fail(c->world, "%s has %d Pods, not %d", objects[i].name, n, objects[i].is.n);
    }
}

/* --- slices --- */

static int family_of(struct str ip)
{
    return str_find_char(ip, ':') >= 0;
}

static struct str pod_ip(const struct json *pod, int family)
{
    json_foreach (json_path(pod, "status", "podIPs", NULL), it)
        if (family_of(json_string_at(it, "ip")) == family)
            return json_string_at(it, "ip");
    return STR_NONE;
}

static bool pod_ready(const struct json *pod)
{
    json_foreach (json_path(pod, "status", "conditions", NULL), it)
        if (str_eqz(json_string_at(it, "type"), "Ready"))
            return str_eqz(json_string_at(it, "status"), "True");
    return false;
}

static void add_line(struct check *c, struct map *set, struct str line, const char *what)
{
    if (map_put(set, line, c))
        world_fail(c->world, "%s: twice %.*s", what, STR_ARG(line));
}

/* The ports of a slice or Service as text, in the order of their names. */
static struct str ports_text(struct check *c, const struct json *ports, const char *number)
{
    struct strbuf out = {0};
    for (int i = 0; i < SIM_PORTS; i++) {
        json_foreach (ports, port)
            if (str_eq(json_string_at(port, "name"), arena_format(&c->arena, "p%d", i)))
                strbuf_addf(&out, "p%d=%ld/%.*s,", i, (long)json_int_at(port, 0, number),
                            STR_ARG(json_string_at(port, "protocol")));
    }
    struct str text = arena_str(&c->arena, strbuf_str(&out));
    strbuf_done(&out);
    return text;
}

static void want_endpoints(struct check *c, const struct json *service, int family, struct map *ret)
{
    struct str app = json_string_at(service, "spec", "selector", "app");
    struct str ports = ports_text(c, json_path(service, "spec", "ports", NULL), "targetPort");
    for (size_t i = 0; i < c->pods.n; i++) {
        const struct json *pod = c->pods.v[i];
        struct str ip = pod_ip(pod, family);
        if (has_label(pod, "app", app) && ip.len)
            add_line(c, ret,
                     arena_format(&c->arena, "%.*s %.*s ready %d node %.*s ports %.*s", STR_ARG(ip),
                                  STR_ARG(name_of(pod)), pod_ready(pod),
                                  STR_ARG(json_string_at(pod, "spec", "nodeName")), STR_ARG(ports)),
                     "the model");
    }
}

static void have_endpoints(struct check *c, const struct json *service, int family, struct map *ret)
{
    for (size_t i = 0; i < c->slices.n; i++) {
        const struct json *slice = c->slices.v[i];
        if (!has_label(slice, "kubernetes.io/service-name", name_of(service)) ||
            !str_eqz(json_string_at(slice, "addressType"), family ? "IPv6" : "IPv4"))
            continue;
        struct str ports = ports_text(c, json_getz(slice, "ports"), "port");
        json_foreach (json_getz(slice, "endpoints"), e)
            add_line(c, ret,
                     arena_format(&c->arena, "%.*s %.*s ready %d node %.*s ports %.*s",
                                  STR_ARG(json_str(json_first(json_getz(e, "addresses")))),
                                  STR_ARG(json_string_at(e, "targetRef", "name")),
                                  json_bool_at(e, true, "conditions", "ready"),
                                  STR_ARG(json_string_at(e, "nodeName")), STR_ARG(ports)),
                     "slices");
    }
}

static void compare(struct check *c, const char *what, struct map *want, struct map *have)
{
    map_foreach (want, it)
        if (!map_has(have, it->key))
            world_fail(c->world, "%s: missing: %.*s", what, STR_ARG(it->key));
    map_foreach (have, it)
        if (!map_has(want, it->key))
            world_fail(c->world, "%s: too much: %.*s", what, STR_ARG(it->key));
}

static bool has_family(const struct json *service, int family)
{
    json_foreach (json_path(service, "spec", "ipFamilies", NULL), it)
        if (str_eqz(json_str(it), family ? "IPv6" : "IPv4"))
            return true;
    return false;
}

static void check_slices(struct check *c)
{
    for (size_t i = 0; i < c->services.n; i++) {
        const struct json *service = c->services.v[i];
        if (!json_path(service, "spec", "selector", NULL) ||
            str_eqz(json_string_at(service, "spec", "type"), "ExternalName"))
            continue;
        for (int family = 0; family < 2; family++) {
            struct map want = {0}, have = {0};
            if (has_family(service, family))
                want_endpoints(c, service, family, &want);
            have_endpoints(c, service, family, &have);
            compare(c, arena_format(&c->arena, "slices of %.*s", STR_ARG(name_of(service))).p, &want, &have);
            map_done(&want, NULL);
            map_done(&have, NULL);
        }
    }
    for (size_t i = 0; i < c->slices.n; i++) {
        struct str service =
            json_string_at(c->slices.v[i], "metadata", "labels", "kubernetes.io/service-name");
        struct str key =
            arena_format(&c->arena, "/registry/services/specs/%s/%.*s", user_namespace(), STR_ARG(service));
        if (!has_label(c->slices.v[i], "endpointslice.kubernetes.io/managed-by", STR("user")) &&
            !map_has(&c->by_key, key))
            world_fail(c->world, "the slice %.*s belongs to no Service", STR_ARG(name_of(c->slices.v[i])));
    }
}

/* --- the kernel --- */

static const struct probe_node node = {.n_ips = 2};

struct frontend_check {
    const struct json *service, *port;
    struct str ip;
    int family;
    int64_t number;
    bool local_only; /* the policy that counts there */
};

/* Backends as the slices say: "10.1.0.1:8080". */
static int want_backends(struct check *c, const struct frontend_check *f, bool local_only, struct map *ret)
{
    struct str port_name = json_string_at(f->port, "name");
    int n = 0;
    for (size_t i = 0; i < c->slices.n; i++) {
        const struct json *slice = c->slices.v[i];
        if (!has_label(slice, "kubernetes.io/service-name", name_of(f->service)) ||
            !str_eqz(json_string_at(slice, "addressType"), f->family ? "IPv6" : "IPv4"))
            continue;
        json_foreach (json_getz(slice, "ports"), port) {
            if (!str_eq(json_string_at(port, "name"), port_name))
                continue;
            json_foreach (json_getz(slice, "endpoints"), e) {
                if (!json_bool_at(e, true, "conditions", "ready") ||
                    (local_only && !str_eqz(json_string_at(e, "nodeName"), "n1")))
                    continue;
                n++;
                (void)map_put(ret,
                              arena_format(&c->arena, "%.*s:%ld",
                                           STR_ARG(json_str(json_first(json_getz(e, "addresses")))),
                                           (long)json_int_at(port, 0, "port")),
                              c); /* slices by hand may repeat one */
            }
        }
    }
    return n;
}

static void have_backends(struct check *c, const struct probe_result *result, struct map *ret)
{
    for (uint32_t i = 0; result->verdict == PROBE_FORWARD && i < probe_n_backends(result); i++) {
        char text[IP_TEXT_LEN];
        const struct backend *b = probe_backend(result, i);
        (void)map_put(ret, arena_format(&c->arena, "%s:%d", ip_format(&b->ip, text), b->port), c);
    }
}

static void check_frontend(struct check *c, const struct frontend_check *f)
{
    struct map want = {0}, have = {0}, anywhere = {0};
    struct probe_node here = node;
    struct probe_packet packet = {.dst_port = (uint16_t)f->number, .in_interface = "eth0"};
    struct probe_result result;
    (void)ip_parse(STR("192.0.2.1"), &here.ips[0]);
    (void)ip_parse(STR("2001:db8::1"), &here.ips[1]);
    (void)ip_parse(f->family ? STR("2001:db8:9::9") : STR("203.0.113.9"), &packet.src);
    (void)ip_parse(f->ip, &packet.dst);
    packet.protocol = str_eqz(json_string_at(f->port, "protocol"), "UDP") ? IPPROTO_UDP : IPPROTO_TCP;
    int n = want_backends(c, f, f->local_only, &want);
    (void)want_backends(c, f, false, &anywhere);
    enum probe_verdict verdict = n ? PROBE_FORWARD : f->local_only && anywhere.n ? PROBE_DROP : PROBE_REJECT;
    probe(fake_kernel(world_fake(c->world)), &here, &packet, &result);
    struct str what = arena_format(&c->arena, "%.*s %.*s:%ld", STR_ARG(name_of(f->service)), STR_ARG(f->ip),
                                   (long)f->number);
    if (result.verdict != verdict)
        world_fail(c->world, "the node: %.*s: %s, not %s", STR_ARG(what), probe_verdict_name(result.verdict),
                   probe_verdict_name(verdict));
    have_backends(c, &result, &have);
    compare(c, what.p, &want, &have);
    map_done(&want, NULL);
    map_done(&have, NULL);
    map_done(&anywhere, NULL);
}

/* Every way in of one Service; returns how many. */
static size_t check_ways_in(struct check *c, const struct json *service)
{
    size_t n = 0;
    bool internal_local = str_eqz(json_string_at(service, "spec", "internalTrafficPolicy"), "Local");
    bool external_local = str_eqz(json_string_at(service, "spec", "externalTrafficPolicy"), "Local");
    json_foreach (json_path(service, "spec", "clusterIPs", NULL), ip) {
        if (str_eqz(json_str(ip), "None"))
            continue;
        int family = family_of(json_str(ip));
        json_foreach (json_path(service, "spec", "ports", NULL), port) {
            struct frontend_check f = {
                service, port, json_str(ip), family, json_int_at(port, 0, "port"), internal_local};
            check_frontend(c, &f);
            n++;
            f.number = json_int_at(port, 0, "nodePort");
            f.ip = family ? STR("2001:db8::1") : STR("192.0.2.1");
            f.local_only = external_local;
            if (!f.number)
                continue;
            check_frontend(c, &f);
            n++;
        }
    }
    return n;
}

static void check_node(struct check *c)
{
    const struct forwarding_state *kernel = fake_kernel(world_fake(c->world));
    size_t want = 0, have = 0;
    for (size_t i = 0; i < c->services.n; i++)
        want += check_ways_in(c, c->services.v[i]);
    for (size_t i = 0; i < kernel->n_ports; i++)
        have += kernel->ports[i]->n_frontends;
    if (want != have)
        world_fail(c->world, "the node has %zu frontends, not %zu", have, want);
}

void world_check(struct world *w)
{
    struct check c = {.world = w};
    load(&c);
    check_acknowledged(&c);
    check_deployments(&c);
    check_slices(&c);
    check_node(&c);
    array_done(&c.services);
    array_done(&c.pods);
    array_done(&c.slices);
    map_done(&c.by_key, NULL);
    arena_done(&c.arena);
}
