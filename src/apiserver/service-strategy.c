/* The Service kind: allocation of cluster IPs and node ports around every write, type transitions,
 * validation.
 *
 * The order is upstream's (section 1.2 of the semantics): carry over, mirror, wipe, decide families,
 * allocate, validate. Addresses are allocated by IPAddress objects in the same transaction; node ports by a
 * table that follows the stored Services. Whatever a change reserves is recorded in its struct reservation
 * and given back when the change ends, by which time the stored object holds it.
 */
#include "apiserver/apiserver.h"
#include "apiserver/cache.h"
#include "apiserver/cluster-ips.h"
#include "apiserver/node-ports.h"
#include "apiserver/service-fields.h"
#include "apiserver/service-validate.h"
#include "apiserver/strategies.h"
#include "base/array.h"
#include "object/names.h"

struct services {
    struct registry *registry;
    struct cluster_ips ips;
    struct node_ports *ports;
    struct service_families families;
    uint64_t n_port_allocations[2], n_port_errors[2]; /* dynamic, static */
};

/* What one change holds until it ends. */
struct reservation {
    struct ip ips[2];
    size_t n_ips;
    ARRAY_OF(int) ports;
};

static void *services_start(struct registry *registry, const struct apiserver_config *config)
{
    struct services *s = mem_new(struct services);
    s->registry = registry;
    s->ips.addresses = registry_find(registry, STR("networking.k8s.io"), STR("ipaddresses"));
    s->ips.ranges = registry_find(registry, STR("networking.k8s.io"), STR("servicecidrs"));
    s->ports = node_ports_new(config->node_port_first, config->node_port_last);
    for (size_t i = 0; i < config->n_service_cidrs; i++)
        s->families.v[s->families.n++] = config->service_cidrs[i].ip.family;
    return s;
}

static void services_stop(void *self)
{
    struct services *s = self;
    node_ports_free(s->ports);
    map_done(&s->ips.reserved, NULL);
    free(s);
}

/* Calls EACH for every node port of a stored Service, the health check's too. */
static void services_each_port(struct services *s, const struct cache_object *o,
                               void (*each)(struct node_ports *, int))
{
    /* Most Services have none: do not parse those. */
    if (!o || str_find(cache_object_json(o), STR("odePort\":")) < 0)
        return;
    _cleanup_(arena_done) struct arena a = {0};
    struct json *object;
    if (json_parse(&a, cache_object_json(o), NULL, &object, NULL) < 0)
        return; /* what does not parse was written behind our back and holds nothing */
    int64_t health = json_int_at(object, 0, "spec", "healthCheckNodePort");
    if (health > 0 && health <= 65535)
        each(s->ports, (int)health);
    json_foreach (json_path(object, "spec", "ports", NULL), port) {
        int64_t number = json_int_at(port, 0, "nodePort");
        bool seen = false; /* TCP and UDP of one Service may share a number: it holds that once */
        for (const struct json *other = json_path(object, "spec", "ports", NULL)->first; other != port;
             other = other->next)
            seen = seen || json_int_at(other, 0, "nodePort") == number;
        if (number > 0 && number <= 65535 && !seen)
            each(s->ports, (int)number);
    }
}

static void services_observe(void *self, const struct cache_object *old, const struct cache_object *new)
{
    services_each_port(self, new, node_ports_hold);
    services_each_port(self, old, node_ports_release);
}

static void services_apply_defaults(void *self, struct arena *arena, struct json *object)
{
    service_apply_defaults(arena, object);
}

static struct reservation *services_reservation(struct change *c)
{
    if (!c->reserved)
        c->reserved = mem_new(struct reservation);
    return c->reserved;
}

static void services_end(struct change *c)
{
    struct services *s = c->self;
    struct reservation *r = c->reserved;
    if (!r)
        return;
    for (size_t i = 0; i < r->n_ips; i++)
        cluster_ips_unreserve(&s->ips, &r->ips[i]);
    array_foreach (&r->ports, port)
        node_ports_unreserve(s->ports, *port);
    array_done(&r->ports);
    free(r);
    c->reserved = NULL;
}

static void services_keep_ip(struct change *c, const struct ip *ip)
{
    struct reservation *r = services_reservation(c);
    if (!c->dry_run && r->n_ips < ARRAY_LEN(r->ips))
        r->ips[r->n_ips++] = *ip;
}

/* --- cluster IPs --- */

static void services_refuse_ip(struct change *c, int outcome, struct str text)
{
    struct services *s = c->self;
    const struct field_path *path = FIELD(FIELD(NULL, "spec"), "clusterIPs");
    struct json *value = json_array(c->arena);
    json_append(value, json_string(c->arena, text));
    if (outcome == CLUSTER_IP_TAKEN)
        field_invalid(c->errors, path, value, "failed to allocate IP %.*s: provided IP is already allocated",
                      STR_ARG(text));
    else
        field_invalid(c->errors, path, value,
                      "failed to allocate IP %.*s: provided IP is not in the valid range. The range of valid "
                      "IPs is %.*s",
                      STR_ARG(text), STR_ARG(cluster_ips_ranges(&s->ips, c->arena)));
}

static void services_take_ip(struct change *c, const struct json *value)
{
    struct services *s = c->self;
    struct str text = json_str(value);
    struct ip ip;
    if (ip_parse_sloppy(text, &ip) < 0)
        return; /* validation has the words for it */
    int r = cluster_ips_take(&s->ips, c, &ip);
    if (r)
        services_refuse_ip(c, r, text);
    else
        services_keep_ip(c, &ip);
}

static void services_pick_ip(struct change *c, enum ip_family family, struct json *list)
{
    struct services *s = c->self;
    struct ip ip;
    char text[IP_TEXT_LEN];
    int r = cluster_ips_pick(&s->ips, c, family, &ip);
    if (r == CLUSTER_IP_RANGE_FULL) {
        change_refuse(c, status_internal(c->arena, "failed to allocate a serviceIP: range is full"));
        return;
    }
    if (r) {
        change_refuse(c,
                      status_internal(c->arena, "failed to allocate a serviceIP: no %s ServiceCIDR is ready",
                                      ip_family_name(family)));
        return;
    }
    json_append(list, json_stringf(c->arena, "%s", ip_format(&ip, text)));
    services_keep_ip(c, &ip);
}

static bool services_list_has(const struct json *list, struct str text)
{
    json_foreach (list, v) {
        if (str_eq(json_str(v), text))
            return true;
    }
    return false;
}

/* Addresses that the old object had and the new one has not go with this transaction. */
static void services_release_ips(struct change *c, const struct json *keep)
{
    struct services *s = c->self;
    json_foreach (json_path(c->old, "spec", "clusterIPs", NULL), v) {
        if (!str_eqz(json_str(v), "None") && !services_list_has(keep, json_str(v)))
            cluster_ips_release(&s->ips, c, json_str(v));
    }
}

static void services_allocate_ips(struct change *c)
{
    struct json *spec = json_getz(c->object, "spec");
    if (!service_needs_cluster_ip(c->object)) {
        services_release_ips(c, NULL);
        return;
    }
    if (service_is_headless(c->object))
        return;
    const struct json *old_list = json_path(c->old, "spec", "clusterIPs", NULL);
    struct service_families families = service_families(c->object);
    struct json *list = json_ensure_array(c->arena, spec, "clusterIPs");
    if (!json_is(list, JSON_ARRAY) || list->n > families.n)
        return; /* more addresses than families: validation says so */
    json_foreach (list, v) {
        if (!services_list_has(old_list, json_str(v)))
            services_take_ip(c, v);
    }
    while (list->n < families.n && !c->failure && !c->errors->n)
        services_pick_ip(c, families.v[list->n], list);
    if (!list->n)
        return;
    if (!json_str(json_getz(spec, "clusterIP")).len)
        json_setz(spec, "clusterIP", json_string(c->arena, json_str(list->first)));
    services_release_ips(c, list);
}

/* --- node ports --- */

static bool services_old_has_port(const struct change *c, int64_t number)
{
    json_foreach (json_path(c->old, "spec", "ports", NULL), port) {
        if (json_int_at(port, 0, "nodePort") == number)
            return true;
    }
    return false;
}

static bool services_change_has_port(const struct change *c, int64_t number)
{
    const struct reservation *r = c->reserved;
    for (size_t i = 0; r && i < r->ports.n; i++)
        if (r->ports.v[i] == number)
            return true;
    return false;
}

/* Reserves NUMBER for the change. Returns an outcome of node-ports.h. */
static int services_reserve_port(struct change *c, int64_t number)
{
    struct services *s = c->self;
    int port = number > 0 && number <= 65535 ? (int)number : 0;
    s->n_port_allocations[1]++;
    int r = node_ports_reserve(s->ports, port);
    s->n_port_errors[1] += r != 0;
    if (r)
        return r;
    *array_push(&services_reservation(c)->ports) = port;
    return 0;
}

static int services_pick_port(struct change *c, int64_t *ret_number)
{
    struct services *s = c->self;
    int port;
    s->n_port_allocations[0]++;
    int r = node_ports_pick(s->ports, c->random, &port);
    s->n_port_errors[0] += r != 0;
    if (r)
        return r;
    *array_push(&services_reservation(c)->ports) = port; /* a dry run gives it back before anyone else asks */
    *ret_number = port;
    return 0;
}

static void services_refuse_port(struct change *c, size_t i, const struct json *value, int outcome)
{
    struct services *s = c->self;
    const struct field_path *path = FIELD(FIELD_INDEX(FIELD(FIELD(NULL, "spec"), "ports"), i), "nodePort");
    if (outcome == NODE_PORT_TAKEN)
        field_invalid(c->errors, path, value, "provided port is already allocated");
    else
        field_invalid(c->errors, path, value,
                      "provided port is not in the valid range. The range of valid ports is %d-%d",
                      node_ports_first(s->ports), node_ports_last(s->ports));
}

/* The node port that another protocol of the same port number has or asks for; 0 if none. */
static int64_t services_shared_port(const struct change *c, const struct json *port)
{
    json_foreach (json_path(c->object, "spec", "ports", NULL), other) {
        int64_t number = json_int_at(other, 0, "nodePort");
        bool same_port = json_int_at(other, 0, "port") == json_int_at(port, 0, "port");
        bool same_protocol =
            str_eq(json_str(json_getz(other, "protocol")), json_str(json_getz(port, "protocol")));
        if (other != port && number && same_port && !same_protocol)
            return number;
    }
    return 0;
}

static void services_allocate_port(struct change *c, struct json *port, size_t i)
{
    int64_t number = json_int_at(port, 0, "nodePort");
    if (!number && service_allocates_node_ports(c->object)) {
        number = services_shared_port(c, port);
        if (!number && services_pick_port(c, &number)) {
            change_refuse(c, status_internal(c->arena, "failed to allocate a nodePort: range is full"));
            return;
        }
        json_setz(port, "nodePort", json_int(c->arena, number));
    }
    if (!number || services_old_has_port(c, number) || services_change_has_port(c, number))
        return;
    int r = services_reserve_port(c, number);
    if (r)
        services_refuse_port(c, i, json_getz(port, "nodePort"), r);
}

static void services_allocate_health_port(struct change *c)
{
    struct json *spec = json_getz(c->object, "spec");
    if (!service_needs_health_port(c->object))
        return;
    int64_t number = json_int_at(spec, 0, "healthCheckNodePort");
    if (number && json_int_at(c->old, 0, "spec", "healthCheckNodePort") == number)
        return;
    int r = number ? services_reserve_port(c, number) : services_pick_port(c, &number);
    if (r == NODE_PORT_RANGE_FULL) {
        change_refuse(c,
                      status_internal(c->arena, "failed to allocate a HealthCheck NodePort: range is full"));
    } else if (r) {
        change_refuse(c, status_internal(c->arena,
                                         "failed to allocate requested HealthCheck NodePort %ld: %s", number,
                                         r == NODE_PORT_TAKEN ? "provided port is already allocated"
                                                              : "provided port is not in the valid range"));
    } else {
        json_setz(spec, "healthCheckNodePort", json_int(c->arena, number));
    }
}

static void services_allocate_ports(struct change *c)
{
    size_t i = 0;
    if (service_needs_node_ports(c->object)) {
        json_foreach (json_path(c->object, "spec", "ports", NULL), port) {
            if (!c->failure && json_is(port, JSON_OBJECT))
                services_allocate_port(c, port, i++);
        }
    }
    if (!c->failure)
        services_allocate_health_port(c);
}

/* --- hooks --- */

static void services_prepare(struct change *c)
{
    struct services *s = c->self;
    (void)json_ensure_object(c->arena, c->object, "spec");
    service_mirror_cluster_ips(c->arena, c->object, c->old);
    if (c->old)
        service_wipe_for_type(c->object, c->old);
    service_decide_families(c->arena, c->object, c->old, &s->families, c->errors);
    if (c->errors->n)
        return;
    services_allocate_ips(c);
    if (!c->errors->n && !c->failure)
        services_allocate_ports(c);
}

static void services_prepare_create(struct change *c)
{
    struct json *status = json_object(c->arena);
    json_setz(status, "loadBalancer", json_object(c->arena));
    json_setz(c->object, "status", status);
    services_prepare(c);
}

static void services_prepare_update(struct change *c)
{
    (void)json_ensure_object(c->arena, c->object, "spec");
    service_carry_over(c->arena, c->object, c->old);
    services_prepare(c);
}

static void services_prepare_delete(struct change *c)
{
    const struct resource *endpoints = registry_find(c->registry, STR(""), STR("endpoints"));
    services_release_ips(c, NULL);
    if (endpoints)
        (void)change_delete_also(c, endpoints, c->namespace, c->name);
}

static void services_validate(struct change *c)
{
    if (!c->old && c->name.len)
        name_validate(c->errors, FIELD(FIELD(NULL, "metadata"), "name"), c->name, name_check_dns1123_label);
    service_validate(c->object, c->old, c->errors);
}

static void services_validate_update(struct change *c)
{
    service_validate_update(c->object, c->old, c->errors);
}

static void services_validate_status(struct change *c)
{
    service_validate_status(c->object, c->old, c->errors);
}

static void services_warn_one(void *user, const char *text)
{
    change_warn(user, "%s", text);
}

static void services_warn(struct change *c)
{
    service_warnings(c->object, services_warn_one, c);
}

static void services_metrics(void *self, struct strbuf *out)
{
    static const char prefix[] = "kube_apiserver_nodeport_allocator";
    static const char *const scopes[] = {"dynamic", "static"};
    struct services *s = self;
    size_t taken = node_ports_n_taken(s->ports);
    cluster_ips_metrics(&s->ips, out);
    strbuf_addf(out, "# TYPE %s_allocated_ports gauge\n%s_allocated_ports %zu\n", prefix, prefix, taken);
    strbuf_addf(out, "# TYPE %s_available_ports gauge\n%s_available_ports %zu\n", prefix, prefix,
                node_ports_n_total(s->ports) - taken);
    strbuf_addf(out, "# TYPE %s_allocation_total counter\n# TYPE %s_allocation_errors_total counter\n",
                prefix, prefix);
    for (int i = 0; i < 2; i++) {
        strbuf_addf(out, "%s_allocation_total{scope=\"%s\"} %lu\n", prefix, scopes[i],
                    s->n_port_allocations[i]);
        strbuf_addf(out, "%s_allocation_errors_total{scope=\"%s\"} %lu\n", prefix, scopes[i],
                    s->n_port_errors[i]);
    }
}

const struct strategy strategy_services = {
    .group = STR_INIT(""),
    .plural = STR_INIT("services"),
    .create_on_update = true,
    .start = services_start,
    .stop = services_stop,
    .observe = services_observe,
    .apply_defaults = services_apply_defaults,
    .prepare_create = services_prepare_create,
    .prepare_update = services_prepare_update,
    .prepare_delete = services_prepare_delete,
    .validate = services_validate,
    .validate_update = services_validate_update,
    .validate_status = services_validate_status,
    .warnings = services_warn,
    .committed = services_end,
    .aborted = services_end,
    .metrics = services_metrics,
};
