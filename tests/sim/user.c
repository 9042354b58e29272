/* The workload: one user who creates, changes and deletes over a network that fails, one write per object at
 * a time, and who knows what must be there: what was acknowledged. When no answer came he asks until he knows
 * which of the two it is. He also plays the kubelet for Pods that controllers make. */
#include <errno.h>
#include <stdio.h>

#include "world.h"

#define NAMESPACE "default"

static const struct client_resource services = {STR_INIT(""), STR_INIT("v1"), STR_INIT("services"),
                                                STR_INIT("Service")};
static const struct client_resource pods = {STR_INIT(""), STR_INIT("v1"), STR_INIT("pods"), STR_INIT("Pod")};
static const struct client_resource nodes = {STR_INIT(""), STR_INIT("v1"), STR_INIT("nodes"),
                                             STR_INIT("Node")};
static const struct client_resource slices = {STR_INIT("discovery.k8s.io"), STR_INIT("v1"),
                                              STR_INIT("endpointslices"), STR_INIT("EndpointSlice")};
static const struct client_resource deployments = {STR_INIT("apps"), STR_INIT("v1"), STR_INIT("deployments"),
                                                   STR_INIT("Deployment")};

struct user {
    struct world *world;
    struct random random;
    struct sim_object objects[SIM_OBJECTS];
    int64_t next_version;
    int next_ip;
    struct timer step, kubelet;
    bool is_stopped, kubelet_busy, kubelet_quiet;
    int n_nodes;    /* that exist: they are made first */
    int n_statuses; /* of the kubelet, under way */
};

static const struct client_resource *resource_of(const struct sim_object *o)
{
    return o->kind == 's' ? &services : o->kind == 'p' ? &pods : o->kind == 'e' ? &slices : &deployments;
}

const char *user_namespace(void)
{
    return NAMESPACE;
}

struct sim_object *user_objects(struct user *u)
{
    return u->objects;
}

static int chance(struct user *u, int n)
{
    return (int)random_below(&u->random, (uint64_t)n);
}

/* --- manifests --- */

/* The last two Services have no selector: their slices are made by hand. */
static bool has_selector(const struct sim_object *o)
{
    return o->index < SIM_SERVICES - 2;
}

static const char *type_name(char type)
{
    return type == 'N'   ? "NodePort"
           : type == 'L' ? "LoadBalancer"
           : type == 'E' ? "ExternalName"
                         : "ClusterIP";
}

static void write_ports(const struct sim_state *s, struct strbuf *out)
{
    const char *sep = "";
    strbuf_addz(out, "\"ports\":[");
    for (int i = 0; i < SIM_PORTS; i++) {
        if (!(s->ports & 1u << i))
            continue;
        strbuf_addf(out, "%s{\"name\":\"p%d\",\"port\":%d,\"targetPort\":%d,\"protocol\":\"%s\"}", sep, i,
                    80 + i, 8080 + i, i == 2 ? "UDP" : "TCP");
        sep = ",";
    }
    strbuf_addz(out, "]");
}

/* Everything a merge patch needs to go from any state to this one. */
static void write_service(const struct sim_object *o, const struct sim_state *s, struct strbuf *out)
{
    bool creates = !o->is.exists;
    strbuf_addf(out, "\"spec\":{\"type\":\"%s\",", type_name(s->type));
    if (has_selector(o))
        strbuf_addf(out, "\"selector\":{\"app\":\"a%d\"},", s->app);
    if (s->type == 'H' && creates)
        strbuf_addz(out, "\"clusterIP\":\"None\",");
    if (creates && s->type != 'E')
        strbuf_addf(out, "\"ipFamilyPolicy\":\"%s\",", s->dual ? "PreferDualStack" : "SingleStack");
    if (s->type == 'E')
        strbuf_addz(out, "\"externalName\":\"x.example\",");
    else if (!creates)
        strbuf_addz(out, "\"externalName\":null,");
    if (s->type == 'N' || s->type == 'L')
        strbuf_addf(out, "\"externalTrafficPolicy\":\"%s\",", s->local ? "Local" : "Cluster");
    else if (!creates)
        strbuf_addz(out, "\"externalTrafficPolicy\":null,");
    if (s->type == 'C')
        strbuf_addf(out, "\"internalTrafficPolicy\":\"%s\",", s->local ? "Local" : "Cluster");
    else if (!creates)
        strbuf_addf(out, "\"internalTrafficPolicy\":%s,", s->type == 'E' ? "null" : "\"Cluster\"");
    write_ports(s, out);
    strbuf_addc(out, '}');
}

static void write_pod_status(const struct sim_state *s, struct strbuf *out)
{
    strbuf_addf(out,
                "\"status\":{\"phase\":\"Running\",\"reason\":\"s%ld\",\"podIP\":\"10.1.%d.%d\",\"podIPs\":["
                "{\"ip\":\"10.1.%d.%d\"},{\"ip\":\"fd00:10:1::%x\"}],\"conditions\":[{\"type\":\"Ready\","
                "\"status\":\"%s\"}]}",
                (long)s->status_version, s->ip / 200, s->ip % 200 + 1, s->ip / 200, s->ip % 200 + 1,
                (unsigned)s->ip, s->ready ? "True" : "False");
}

static void write_slice(const struct sim_object *o, const struct sim_state *s, struct strbuf *out)
{
    if (!o->is.exists)
        strbuf_addz(out, "\"addressType\":\"IPv4\",");
    strbuf_addz(out, "\"ports\":[{\"name\":\"p0\",\"port\":9000,\"protocol\":\"TCP\"}],\"endpoints\":[");
    for (int i = 0; i < s->n; i++)
        strbuf_addf(out, "%s{\"addresses\":[\"10.2.%d.%d\"],\"conditions\":{\"ready\":%s}}", i ? "," : "",
                    o->index, i + 1, s->ready ? "true" : "false");
    strbuf_addz(out, "]");
}

static void write_deployment(const struct sim_object *o, const struct sim_state *s, struct strbuf *out)
{
    strbuf_addf(out, "\"spec\":{\"replicas\":%d", s->n);
    if (!o->is.exists)
        strbuf_addf(
            out,
            ",\"selector\":{\"matchLabels\":{\"d\":\"%s\"}},\"template\":{\"metadata\":{\"labels\":{\"d\":"
            "\"%s\",\"app\":\"a%d\"}},\"spec\":{\"nodeName\":\"n1\",\"containers\":[{\"name\":\"c\","
            "\"image\":\"i\"}]}}",
            o->name, o->name, o->index % SIM_APPS);
    strbuf_addz(out, "}");
}

static void write_labels(const struct sim_object *o, const struct sim_state *s, struct strbuf *out)
{
    strbuf_addf(out, "\"metadata\":{\"name\":\"%s\",\"labels\":{\"v\":\"v%ld\"", o->name, (long)s->version);
    if (o->kind == 'p')
        strbuf_addf(out, ",\"app\":\"a%d\"", s->app);
    if (o->kind == 'e') /* two Services, some slices each */
        strbuf_addf(
            out,
            ",\"kubernetes.io/service-name\":\"s%d\",\"endpointslice.kubernetes.io/managed-by\":\"user\"",
            SIM_SERVICES - 1 - o->index % 2);
    strbuf_addz(out, "}},");
}

static void write_manifest(const struct sim_object *o, const struct sim_state *s, struct strbuf *out)
{
    strbuf_addc(out, '{');
    if (o->verb == 's') {
        write_pod_status(s, out);
        strbuf_addc(out, '}');
        return;
    }
    write_labels(o, s, out);
    if (o->kind == 's')
        write_service(o, s, out);
    else if (o->kind == 'e')
        write_slice(o, s, out);
    else if (o->kind == 'd')
        write_deployment(o, s, out);
    else if (!o->is.exists)
        strbuf_addf(out, "\"spec\":{\"nodeName\":\"n%d\",\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}",
                    s->node);
    else
        strbuf_truncate(out, out->len - 1);
    strbuf_addc(out, '}');
}

/* --- what came back --- */

static bool matches_service(const struct sim_object *o, const struct sim_state *s, const struct json *object,
                            const char **why)
{
    const struct json *ports = json_path(object, "spec", "ports", NULL);
    char app[16];
    (void)snprintf(app, sizeof app, "a%d", s->app);
    *why = "type";
    if (!str_eqz(json_string_at(object, "spec", "type"), type_name(s->type)))
        return false;
    *why = "selector";
    if (has_selector(o) && !str_eqz(json_string_at(object, "spec", "selector", "app"), app))
        return false;
    *why = "ports";
    unsigned found = 0;
    json_foreach (ports, port)
        found |= 1u << (json_int_at(port, 80, "port") - 80);
    return found == s->ports;
}

bool user_matches(const struct sim_object *o, const struct sim_state *s, const struct json *object,
                  const char **ret_why)
{
    char version[32], status[32];
    *ret_why = "existence";
    if (!s->exists || !object)
        return !s->exists == !object;
    (void)snprintf(version, sizeof version, "v%ld", (long)s->version);
    (void)snprintf(status, sizeof status, "s%ld", (long)s->status_version);
    *ret_why = "version";
    if (!str_eqz(json_string_at(object, "metadata", "labels", "v"), version))
        return false;
    *ret_why = "status";
    if (o->kind == 'p' && s->status_version && !str_eqz(json_string_at(object, "status", "reason"), status))
        return false;
    if (o->kind == 's')
        return matches_service(o, s, object, ret_why);
    *ret_why = "size";
    if (o->kind == 'd')
        return json_int_at(object, -1, "spec", "replicas") == s->n;
    const struct json *endpoints = json_getz(object, "endpoints");
    return o->kind != 'e' || (endpoints ? (int)endpoints->n : 0) == s->n;
}

/* An address stays while the Service lives and needs one; a node port while its port stays. */
static void check_addresses(struct sim_object *o, const struct json *object, bool had_ip, bool had_ports)
{
    struct world *w = o->world;
    for (int i = 0; i < 2; i++) {
        struct str ip = json_str(json_at(json_path(object, "spec", "clusterIPs", NULL), (size_t)i));
        if (had_ip && !str_eqz(ip, o->addresses[i]))
            world_fail(w, "%s: address %s became %.*s", o->name, o->addresses[i], STR_ARG(ip));
        (void)snprintf(o->addresses[i], IP_TEXT_LEN, "%.*s", STR_ARG(ip));
    }
    int ports[SIM_PORTS] = {0};
    json_foreach (json_path(object, "spec", "ports", NULL), port) {
        int i = (int)json_int_at(port, 80, "port") - 80;
        ports[i] = (int)json_int_at(port, 0, "nodePort");
        if (had_ports && o->node_ports[i] && ports[i] && ports[i] != o->node_ports[i])
            world_fail(w, "%s: node port %d became %d", o->name, o->node_ports[i], ports[i]);
    }
    memcpy(o->node_ports, ports, sizeof ports);
}

static void settle_write(struct sim_object *o, const struct sim_state *now, const struct json *object)
{
    bool was = o->is.exists;
    char before = o->is.type;
    bool had_ports = was && (before == 'N' || before == 'L'),
         has_ports = now->type == 'N' || now->type == 'L';
    o->is = *now;
    o->is_busy = o->is_uncertain = false;
    o->n_lookups = 0;
    if (o->kind == 's' && now->exists && object)
        check_addresses(o, object, was && before != 'E' && now->type != 'E', had_ports && has_ports);
}

static void lookup_later(struct sim_object *o)
{
    /* Longer than anything may still be on its way. */
    o->is_uncertain = true;
    timer_arm_ms(&o->retry, 2000 + chance(o->world->user, 500));
}

static bool is_unclear(const struct client_result *r)
{
    return r->code < 0 || r->code == CLIENT_FAILED || r->code == CLIENT_THROTTLED;
}

static void on_lookup(void *user, const struct client_result *r)
{
    struct sim_object *o = user;
    struct world *w = o->world;
    const char *why_old, *why_new;
    if (is_unclear(r)) {
        lookup_later(o);
        return;
    }
    if (r->code && r->code != CLIENT_NOT_FOUND) {
        world_fail(w, "get %s: %.*s", o->name, STR_ARG(r->message));
        return;
    }
    const struct json *object = r->code ? NULL : r->object;
    bool is_new = user_matches(o, &o->next, object, &why_new),
         is_old = user_matches(o, &o->is, object, &why_old);
    world_trace(w, "user: %s is the %s one", o->name, is_new ? "new" : is_old ? "old" : "WRONG");
    if (is_new || is_old)
        settle_write(o, is_new ? &o->next : &o->is, object);
    else
        world_fail(w, "%s is neither as before (%s) nor as written (%s) by '%c'", o->name, why_old, why_new,
                   o->verb);
}

static void on_retry(struct timer *timer, void *user)
{
    struct sim_object *o = user;
    o->world->n_lookups++;
    (void)client_send(o->world->clients[SIM_USER],
                      &(struct client_request){.verb = CLIENT_GET,
                                               .resource = resource_of(o),
                                               .namespace = STR(NAMESPACE),
                                               .name = str_of(o->name)},
                      on_lookup, o);
}

static void on_written(void *user, const struct client_result *r)
{
    struct sim_object *o = user;
    struct world *w = o->world;
    const char *why;
    world_trace(w, "user: '%c' %s v%ld: %d %.*s", o->verb, o->name, (long)o->next.version,
                r->code ? r->code : r->status, STR_ARG(r->message));
    if (is_unclear(r)) {
        lookup_later(o);
        return;
    }
    /* The few node ports may be taken. */
    if (r->code == CLIENT_INVALID && str_find(r->message, STR("no more node ports")) >= 0) {
        settle_write(o, &o->is, NULL);
        return;
    }
    if (r->code)
        world_fail(w, "'%c' %s: %d %.*s", o->verb, o->name, r->code, STR_ARG(r->message));
    else if (o->verb != 'd' && !user_matches(o, &o->next, r->object, &why))
        world_fail(w, "'%c' %s: the answer has another %s", o->verb, o->name, why);
    else
        settle_write(o, &o->next, o->verb == 'd' ? NULL : r->object);
}

/* --- what to do next --- */

static void choose_state(struct user *u, struct sim_object *o)
{
    static const char types[] = "CCNNLE";
    struct sim_state *s = &o->next;
    bool fresh = !o->is.exists;
    s->app = o->kind == 's' && !fresh && chance(u, 3) ? s->app : chance(u, SIM_APPS);
    s->n = chance(u, 6);
    s->ready = chance(u, 4) > 0;
    if (o->kind == 'p' && fresh)
        s->node = 1 + chance(u, 2);
    if (o->kind != 's')
        return;
    if (fresh) {
        s->type = chance(u, 6) ? types[chance(u, 6)] : 'H';
        s->dual = chance(u, 2);
    } else if (s->type != 'H' && !chance(u, 3)) {
        s->type = types[chance(u, 6)];
    }
    if (fresh || !chance(u, 2))
        s->ports = 1 + (unsigned)chance(u, (1 << SIM_PORTS) - 1);
    s->local = chance(u, 3) == 0;
}

static void choose_write(struct user *u, struct sim_object *o)
{
    o->next = o->is;
    if (o->is.exists && chance(u, 6) == 0) {
        o->verb = 'd';
        o->next = (struct sim_state){0};
        return;
    }
    if (o->kind == 'p' && o->is.exists && chance(u, 3)) {
        o->verb = 's';
        if (!o->next.ip || !chance(u, 5))
            o->next.ip = u->next_ip++;
        o->next.ready = chance(u, 4) > 0;
        o->next.status_version = ++u->next_version;
        return;
    }
    o->verb = o->is.exists ? 'u' : 'c';
    choose_state(u, o);
    o->next.exists = true;
    if (o->kind == 'p') /* readiness is only in the status */
        o->next.ready = o->is.exists && o->is.ready;
    o->next.version = ++u->next_version;
}

static void send_write(struct user *u, struct sim_object *o)
{
    _cleanup_(arena_done) struct arena arena = {0};
    _cleanup_(strbuf_done) struct strbuf text = {0};
    struct err err = {0};
    struct json *body = NULL;
    struct client_request r = {.verb = o->verb == 'c'   ? CLIENT_CREATE
                                       : o->verb == 'd' ? CLIENT_DELETE
                                                        : CLIENT_PATCH,
                               .resource = resource_of(o),
                               .namespace = STR(NAMESPACE),
                               .name = o->verb == 'c' ? STR_NONE : str_of(o->name),
                               .subresource = o->verb == 's' ? STR("status") : STR_NONE,
                               .patch_type =
                                   o->verb == 'u' || o->verb == 's' ? CLIENT_MERGE_PATCH : STR_NONE};
    if (o->verb == 'd')
        strbuf_addz(&text,
                    o->kind == 'p' ? "{\"gracePeriodSeconds\":0}" : "{\"propagationPolicy\":\"Background\"}");
    else
        write_manifest(o, &o->next, &text);
    if (json_parse(&arena, strbuf_str(&text), NULL, &body, &err) < 0)
        world_fail(u->world, "the simulation's own manifest: %s: %s", err.text, strbuf_cstr(&text));
    r.body = body;
    o->is_busy = true;
    u->world->n_writes++;
    (void)client_send(u->world->clients[SIM_USER], &r, on_written, o);
}

static void on_node(void *user, const struct client_result *r)
{
    struct user *u = user;
    u->n_nodes += r->code == 0 || r->code == CLIENT_EXISTS;
    timer_arm_ms(&u->step, 100);
}

static void make_node(struct user *u)
{
    static const struct str manifests[SIM_NODES] = {
        STR_INIT(
            "{\"metadata\":{\"name\":\"n1\"},\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":"
            "\"192.0.2.1\"},{\"type\":\"InternalIP\",\"address\":\"2001:db8::1\"}]}}"),
        STR_INIT("{\"metadata\":{\"name\":\"n2\"}}"),
    };
    _cleanup_(arena_done) struct arena arena = {0};
    struct json *body = NULL;
    (void)json_parse(&arena, manifests[u->n_nodes], NULL, &body, NULL); /* our own text */
    (void)client_send(u->world->clients[SIM_USER],
                      &(struct client_request){.verb = CLIENT_CREATE, .resource = &nodes, .body = body},
                      on_node, u);
}

static void on_step(struct timer *timer, void *user)
{
    struct user *u = user;
    struct sim_object *o = &u->objects[chance(u, SIM_OBJECTS)];
    if (u->n_nodes < SIM_NODES) {
        make_node(u);
        return;
    }
    if (u->is_stopped)
        return;
    if (!o->is_busy) {
        choose_write(u, o);
        send_write(u, o);
    }
    timer_arm_ms(&u->step, 1 + chance(u, 150));
}

/* --- the kubelet of Pods that a Deployment made --- */

static void on_pod_status(void *user, const struct client_result *r)
{
    ((struct user *)user)->n_statuses--;
}

static void make_ready(struct user *u, const struct json *pod)
{
    _cleanup_(arena_done) struct arena arena = {0};
    _cleanup_(strbuf_done) struct strbuf text = {0};
    struct json *body = NULL;
    struct sim_state s = {.ready = true, .ip = u->next_ip++};
    strbuf_addc(&text, '{');
    write_pod_status(&s, &text);
    strbuf_addc(&text, '}');
    (void)json_parse(&arena, strbuf_str(&text), NULL, &body, NULL); /* our own text */
    u->n_statuses++;
    (void)client_send(u->world->clients[SIM_USER],
                      &(struct client_request){.verb = CLIENT_PATCH,
                                               .resource = &pods,
                                               .namespace = STR(NAMESPACE),
                                               .name = json_string_at(pod, "metadata", "name"),
                                               .subresource = STR("status"),
                                               .patch_type = CLIENT_MERGE_PATCH,
                                               .body = body},
                      on_pod_status, u);
}

static void remove_pod(struct user *u, const struct json *pod)
{
    _cleanup_(arena_done) struct arena arena = {0};
    struct json *body = json_object(&arena);
    json_setz(body, "gracePeriodSeconds", json_int(&arena, 0));
    u->n_statuses++;
    (void)client_send(u->world->clients[SIM_USER],
                      &(struct client_request){.verb = CLIENT_DELETE,
                                               .resource = &pods,
                                               .namespace = STR(NAMESPACE),
                                               .name = json_string_at(pod, "metadata", "name"),
                                               .body = body},
                      on_pod_status, u);
}

static void on_pods(void *user, const struct client_result *r)
{
    struct user *u = user;
    u->kubelet_busy = false;
    u->kubelet_quiet = r->code == 0;
    json_foreach (json_getz(r->code ? NULL : r->object, "items"), pod) {
        bool owned = json_path(pod, "metadata", "ownerReferences", NULL) != NULL;
        if (json_path(pod, "metadata", "deletionTimestamp", NULL))
            remove_pod(u, pod);
        else if (owned && !json_path(pod, "status", "podIP", NULL))
            make_ready(u, pod);
        else
            continue;
        u->kubelet_quiet = false;
    }
}

static void on_kubelet(struct timer *timer, void *user)
{
    struct user *u = user;
    timer_arm_ms(&u->kubelet, 500 + chance(u, 500));
    if (u->kubelet_busy || u->n_statuses)
        return;
    u->kubelet_busy = true;
    (void)client_send(
        u->world->clients[SIM_USER],
        &(struct client_request){.verb = CLIENT_LIST, .resource = &pods, .namespace = STR(NAMESPACE)},
        on_pods, u);
}

/* --- life --- */

static void add_objects(struct user *u, int *at, char kind, int n)
{
    for (int i = 0; i < n; i++) {
        struct sim_object *o = &u->objects[(*at)++];
        o->kind = kind;
        o->index = i;
        o->world = u->world;
        (void)snprintf(o->name, sizeof o->name, "%c%d", kind, i);
        timer_init(&o->retry, u->world->loop, "look up", on_retry, o);
    }
}

struct user *user_new(struct world *w)
{
    struct user *u = mem_new(struct user);
    int at = 0;
    u->world = w;
    u->next_ip = 1;
    random_seed(&u->random, w->seed ^ 0x05e4);
    add_objects(u, &at, 's', SIM_SERVICES);
    add_objects(u, &at, 'p', SIM_PODS);
    add_objects(u, &at, 'e', SIM_SLICES);
    add_objects(u, &at, 'd', SIM_DEPLOYMENTS);
    timer_init(&u->step, w->loop, "user", on_step, u);
    timer_init(&u->kubelet, w->loop, "kubelet", on_kubelet, u);
    timer_arm_ms(&u->step, 50);
    timer_arm_ms(&u->kubelet, 500);
    return u;
}

void user_free(struct user *u)
{
    timer_disarm(&u->step);
    timer_disarm(&u->kubelet);
    for (int i = 0; i < SIM_OBJECTS; i++)
        timer_disarm(&u->objects[i].retry);
    free(u);
}

void user_stop(struct user *u)
{
    u->is_stopped = true;
}

bool user_is_idle(const struct user *u)
{
    for (int i = 0; i < SIM_OBJECTS; i++)
        if (u->objects[i].is_busy)
            return false;
    return u->n_nodes == SIM_NODES && u->kubelet_quiet && !u->n_statuses;
}
