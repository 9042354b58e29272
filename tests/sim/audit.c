/* Hears every event of the store: none may be skipped or repeated, and what must hold of each committed state
 * is checked there and then: no address and no node port has two owners, and IPAddress objects are exactly
 * the addresses of Services. */
#include "world.h"

struct audit {
    struct world *world;
    struct store_watch *watch;
    int64_t revision;  /* heard of */
    struct map values; /* key -> strbuf of the value */
    ARRAY_OF(struct sim_event) log;
};

static bool is_under(struct str key, const char *prefix)
{
    return str_has_prefix(key, str_of(prefix));
}

static char kind_of(struct str key)
{
    return is_under(key, "/registry/services/specs/")   ? 's'
           : is_under(key, "/registry/pods/")           ? 'p'
           : is_under(key, "/registry/endpointslices/") ? 'e'
                                                        : 0;
}

static void value_free(void *value)
{
    strbuf_done(value);
    free(value);
}

static void value_drop(struct strbuf *value)
{
    if (value)
        value_free(value);
}

static void keep(struct audit *a, const struct store_event *e)
{
    if (e->type == STORE_DELETE) {
        value_drop(map_delete(&a->values, e->item.key));
        return;
    }
    struct strbuf *value = mem_new(struct strbuf);
    strbuf_add_str(value, e->item.value);
    value_drop(map_put(&a->values, e->item.key, value));
}

static void hash(struct world *w, struct str bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        w->trace_hash = (w->trace_hash ^ (uint8_t)bytes.p[i]) * UINT64_C(0x100000001b3);
}

/* --- what must always hold --- */

struct owners {
    struct audit *audit;
    struct arena arena;
    struct map addresses, node_ports; /* -> key of the Service */
};

static void claim(struct owners *o, struct map *map, struct str what, struct str key)
{
    const char *other = map_put(map, what, arena_dup(&o->arena, key.p, key.len));
    if (other && !str_eqz(key, other))
        world_fail(o->audit->world, "revision %ld: %.*s belongs to %s and to %.*s", (long)o->audit->revision,
                   STR_ARG(what), other, STR_ARG(key));
}

static void claim_service(struct owners *o, struct str key, const struct json *service)
{
    json_foreach (json_path(service, "spec", "clusterIPs", NULL), ip)
        if (!str_eqz(json_str(ip), "None"))
            claim(o, &o->addresses, json_str(ip), key);
    json_foreach (json_path(service, "spec", "ports", NULL), port) {
        int64_t n = json_int_at(port, 0, "nodePort");
        if (n)
            claim(o, &o->node_ports,
                  arena_format(&o->arena, "%.*s %ld", STR_ARG(json_string_at(port, "protocol")), (long)n),
                  key);
    }
    int64_t health = json_int_at(service, 0, "spec", "healthCheckNodePort");
    if (health)
        claim(o, &o->node_ports, arena_format(&o->arena, "TCP %ld", (long)health), key);
}

static void check_ip_addresses(struct owners *o)
{
    struct audit *a = o->audit;
    size_t n = 0;
    map_foreach (&a->values, it) {
        if (!is_under(it->key, "/registry/ipaddresses/"))
            continue;
        struct str name = str_slice(it->key, strlen("/registry/ipaddresses/"), it->key.len);
        n++;
        if (!map_has(&o->addresses, name))
            world_fail(a->world, "revision %ld: the IPAddress %.*s belongs to no Service", (long)a->revision,
                       STR_ARG(name));
    }
    if (n != o->addresses.n)
        world_fail(a->world, "revision %ld: %zu addresses of Services and %zu IPAddresses", (long)a->revision,
                   o->addresses.n, n);
}

static void check_owners(struct audit *a)
{
    struct owners o = {.audit = a};
    map_foreach (&a->values, it) {
        struct json *service = NULL;
        if (!is_under(it->key, "/registry/services/specs/"))
            continue;
        if (json_parse(&o.arena, strbuf_str(it->value), NULL, &service, NULL) < 0)
            world_fail(a->world, "%.*s is not JSON", STR_ARG(it->key));
        else
            claim_service(&o, it->key, service);
    }
    check_ip_addresses(&o);
    map_done(&o.addresses, NULL);
    map_done(&o.node_ports, NULL);
    arena_done(&o.arena);
}

/* --- the watch --- */

static void on_events(void *user, int64_t revision, const struct store_event *events, size_t n)
{
    struct audit *a = user;
    struct world *w = a->world;
    bool services = false;
    if (revision != a->revision + 1)
        world_fail(w, "the store went from revision %ld to %ld", (long)a->revision, (long)revision);
    a->revision = revision;
    hash(w, (struct str){(const char *)&revision, sizeof revision});
    for (size_t i = 0; i < n; i++) {
        const struct store_event *e = &events[i];
        world_trace(w, "%ld %s %.*s", (long)revision, e->type == STORE_DELETE ? "delete" : "put",
                    STR_ARG(e->item.key));
        hash(w, e->item.key);
        hash(w, e->item.value);
        keep(a, e);
        *array_push(&a->log) = (struct sim_event){revision, kind_of(e->item.key), e->type == STORE_DELETE};
        services |= kind_of(e->item.key) == 's' || is_under(e->item.key, "/registry/ipaddresses/");
    }
    if (services)
        check_owners(a);
}

static void on_end(void *user, int status, const struct err *err)
{
    struct audit *a = user;
    a->watch = NULL;
    if (!simdisk_is_off(a->world->disk))
        world_fail(a->world, "the store ended the audit's watch: %s", err ? err->text : "");
}

void audit_attach(struct audit *a)
{
    static const struct store_watch_handler handler = {on_events, on_end};
    struct store *store = a->world->store;
    if (store_revision(store) < a->revision)
        world_fail(a->world, "after the crash the store is at revision %ld, and %ld was acknowledged",
                   (long)store_revision(store), (long)a->revision);
    a->watch = store_watch_open(store, STR("/registry/"), a->revision, &handler, a);
}

void audit_detach(struct audit *a)
{
    if (a->watch)
        store_watch_close(TAKE(a->watch));
}

struct audit *audit_new(struct world *w)
{
    struct audit *a = mem_new(struct audit);
    a->world = w;
    w->trace_hash = UINT64_C(0xcbf29ce484222325);
    return a;
}

void audit_free(struct audit *a)
{
    map_done(&a->values, value_free);
    array_done(&a->log);
    free(a);
}

int64_t audit_revision(const struct audit *a)
{
    return a->revision;
}

const struct sim_event *audit_log(const struct audit *a, size_t *ret_n)
{
    *ret_n = a->log.n;
    return a->log.v;
}

const struct map *audit_values(const struct audit *a)
{
    return &a->values;
}
