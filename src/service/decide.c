#include "service/decide.h"

#include "base/array.h"
#include "base/map.h"
#include "service/decide-port.h"

/* All that is known of one Service name. Lives while a Service or a slice of that name is there. */
struct entry {
    struct str ns, name; /* in TEXT */
    char *text;
    struct service *service;                 /* NULL: only slices so far */
    ARRAY_OF(struct endpointslice *) slices; /* sorted by name; owned */
    ARRAY_OF(struct service_port *) ports;   /* the result, sorted */
    struct health_check health;              /* port 0: none */
    bool dirty;
    bool listed; /* in the sorted list of decide, or about to be */
};

struct decide {
    struct decide_config config;
    struct node *node;
    struct map entries;   /* "ns/name" -> entry */
    struct claims claims; /* owners are entries */
    struct map slices;    /* "ns/slice name" -> endpointslice, owned by its entry */
    ARRAY_OF(struct entry *) dirty;
    ARRAY_OF(struct entry *) sorted;   /* entries with results, in the state's order */
    ARRAY_OF(struct entry *) arriving; /* those with a first result, not in SORTED yet */
    bool some_left;                    /* SORTED has entries without results */
    bool settings_dirty;
    struct forwarding_state *state; /* the last result, or NULL */
};

struct decide *decide_new(const struct decide_config *config)
{
    struct decide *d = mem_new(struct decide);
    d->config = *config;
    d->settings_dirty = true;
    return d;
}

static void entry_drop_ports(struct entry *e)
{
    array_foreach (&e->ports, p)
        service_port_unref(*p);
    array_done(&e->ports);
}

static void entry_free(void *value)
{
    struct entry *e = value;
    array_foreach (&e->slices, s)
        endpointslice_free(*s);
    array_done(&e->slices);
    entry_drop_ports(e);
    service_free(e->service);
    free(e->text);
    free(e);
}

void decide_free(struct decide *d)
{
    if (!d)
        return;
    forwarding_state_unref(d->state);
    map_done(&d->slices, NULL);
    claims_done(&d->claims); /* before the Services its claims point to */
    map_done(&d->entries, entry_free);
    array_done(&d->dirty);
    array_done(&d->sorted);
    array_done(&d->arriving);
    node_free(d->node);
    free(d);
}

static void format_key(struct str ns, struct str name, struct strbuf *out)
{
    strbuf_add_str(out, ns);
    strbuf_addc(out, '/');
    strbuf_add_str(out, name);
}

static struct entry *find_entry(struct decide *d, struct str ns, struct str name)
{
    _cleanup_(strbuf_done) struct strbuf key = {0};
    format_key(ns, name, &key);
    return map_find(&d->entries, strbuf_str(&key));
}

static struct entry *ensure_entry(struct decide *d, struct str ns, struct str name)
{
    _cleanup_(strbuf_done) struct strbuf key = {0};
    format_key(ns, name, &key);
    struct entry *e = map_find(&d->entries, strbuf_str(&key));
    if (e)
        return e;
    e = mem_new(struct entry);
    e->text = mem_dup(key.p, key.len);
    e->ns = (struct str){e->text, ns.len};
    e->name = (struct str){e->text + ns.len + 1, name.len};
    (void)map_put(&d->entries, strbuf_str(&key), e); /* was not there */
    return e;
}

static void mark(struct decide *d, struct entry *e)
{
    if (e->dirty)
        return;
    e->dirty = true;
    *array_push(&d->dirty) = e;
}

static void mark_all(struct decide *d)
{
    map_foreach (&d->entries, it)
        mark(d, it->value);
    d->settings_dirty = true;
}

static void on_contested(void *owner, void *user)
{
    mark(user, owner);
}

/* Replaces the Service of an entry, and its claims; NULL: none any more. */
static void entry_set_service(struct decide *d, struct entry *e, struct service *service)
{
    struct claims_callback callback = {on_contested, d};
    if (e->service)
        claims_remove(&d->claims, e->service, e, callback);
    service_free(e->service);
    e->service = service;
    if (service)
        claims_add(&d->claims, service, e, callback);
    mark(d, e);
}

void decide_set_service(struct decide *d, struct service *service)
{
    entry_set_service(d, ensure_entry(d, service->ns, service->name), service);
}

void decide_remove_service(struct decide *d, struct str ns, struct str name)
{
    struct entry *e = find_entry(d, ns, name);
    if (e && e->service)
        entry_set_service(d, e, NULL);
}

/* Takes the slice out of its entry, without freeing it. */
static void detach_slice(struct decide *d, struct endpointslice *slice)
{
    struct entry *e = find_entry(d, slice->ns, slice->service);
    for (size_t i = 0; e && i < e->slices.n; i++) {
        if (e->slices.v[i] != slice)
            continue;
        array_remove(&e->slices, i);
        mark(d, e);
        break;
    }
}

void decide_remove_slice(struct decide *d, struct str ns, struct str name)
{
    _cleanup_(strbuf_done) struct strbuf key = {0};
    format_key(ns, name, &key);
    struct endpointslice *slice = map_delete(&d->slices, strbuf_str(&key));
    if (!slice)
        return;
    detach_slice(d, slice);
    endpointslice_free(slice);
}

void decide_set_slice(struct decide *d, struct endpointslice *slice)
{
    decide_remove_slice(d, slice->ns, slice->name);
    if (!slice->service.len) {
        endpointslice_free(slice); /* concerns no proxy */
        return;
    }
    _cleanup_(strbuf_done) struct strbuf key = {0};
    format_key(slice->ns, slice->name, &key);
    (void)map_put(&d->slices, strbuf_str(&key), slice); /* was just removed */
    struct entry *e = ensure_entry(d, slice->ns, slice->service);
    (void)array_push(&e->slices);
    size_t i = e->slices.n - 1;
    for (; i > 0 && str_cmp(e->slices.v[i - 1]->name, slice->name) > 0; i--)
        e->slices.v[i] = e->slices.v[i - 1];
    e->slices.v[i] = slice;
    mark(d, e);
}

static bool same_for_services(const struct node *a, const struct node *b)
{
    if (!a || !b)
        return a == b;
    if (!str_eq(a->zone, b->zone) || !ip_eq(&a->ips[0], &b->ips[0]) || !ip_eq(&a->ips[1], &b->ips[1]) ||
        a->n_pod_cidrs != b->n_pod_cidrs)
        return false;
    for (size_t i = 0; i < a->n_pod_cidrs; i++)
        if (a->pod_cidrs[i].bits != b->pod_cidrs[i].bits || !ip_eq(&a->pod_cidrs[i].ip, &b->pod_cidrs[i].ip))
            return false;
    return true;
}

void decide_set_node(struct decide *d, struct node *node)
{
    if (!same_for_services(d->node, node))
        mark_all(d);
    node_free(d->node);
    d->node = node;
}

void decide_set_service_cidrs(struct decide *d, const struct ip_prefix *cidrs, size_t n)
{
    n = MIN(n, SERVICE_MAX_CIDRS);
    bool same = n == d->config.n_service_cidrs;
    for (size_t i = 0; same && i < n; i++)
        same = cidrs[i].bits == d->config.service_cidrs[i].bits &&
               ip_eq(&cidrs[i].ip, &d->config.service_cidrs[i].ip);
    if (same)
        return;
    if (n)
        memcpy(d->config.service_cidrs, cidrs, n * sizeof *cidrs);
    d->config.n_service_cidrs = n;
    mark_all(d);
}

bool decide_is_dirty(const struct decide *d)
{
    return !d->state || d->dirty.n || d->settings_dirty;
}

struct ip decide_node_ip(const struct decide *d, enum ip_family family)
{
    const struct ip *bind = &d->config.bind_address;
    if (bind->family == family && !ip_is_unspecified(bind))
        return *bind;
    return d->node ? d->node->ips[family_index(family)] : (struct ip){0};
}

static struct detector make_detector(const struct decide *d, enum ip_family family)
{
    struct detector detector = {0};
    const struct decide_config *c = &d->config;
    const struct ip_prefix *cidrs = c->cluster_cidrs;
    size_t n = c->n_cluster_cidrs;
    if (c->detect_local == DETECT_LOCAL_BRIDGE || c->detect_local == DETECT_LOCAL_INTERFACE_PREFIX) {
        bool whole = c->detect_local == DETECT_LOCAL_BRIDGE;
        detector.mode = !c->interface[0] ? DETECT_NOTHING
                        : whole          ? DETECT_INTERFACE
                                         : DETECT_INTERFACE_PREFIX;
        memcpy(detector.interface, c->interface, sizeof detector.interface);
        detector.interface[sizeof detector.interface - 1] = 0;
        return detector;
    }
    if (c->detect_local == DETECT_LOCAL_NODE_CIDR) {
        cidrs = d->node ? d->node->pod_cidrs : NULL;
        n = d->node ? d->node->n_pod_cidrs : 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (cidrs[i].ip.family != family)
            continue;
        detector.mode = DETECT_CIDR;
        detector.cidr = (struct ip_prefix){ip_prefix_first(&cidrs[i]), cidrs[i].bits};
        break;
    }
    return detector;
}

static struct node_port_addresses make_node_ports(const struct decide *d, enum ip_family family)
{
    const struct decide_config *c = &d->config;
    struct node_port_addresses a = {.all = !c->node_ports_primary && !c->n_node_port_cidrs};
    if (c->node_ports_primary) {
        struct ip ip = decide_node_ip(d, family);
        if (ip.family != IP_NONE && !ip_is_loopback(&ip))
            a.cidrs[a.n++] = (struct ip_prefix){ip, (uint8_t)ip_bits(family)};
        return a;
    }
    for (size_t i = 0; i < c->n_node_port_cidrs; i++) {
        const struct ip_prefix *p = &c->node_port_cidrs[i];
        if (p->ip.family != family)
            continue;
        if (!p->bits)
            return (struct node_port_addresses){.all = true};
        a.cidrs[a.n++] = (struct ip_prefix){ip_prefix_first(p), p->bits};
    }
    return a;
}

static void make_settings(const struct decide *d, struct forwarding_settings *out)
{
    static const enum ip_family families[] = {IP_V4, IP_V6};
    for (int i = 0; i < 2; i++) {
        out->node_ips[i] = decide_node_ip(d, families[i]);
        out->detectors[i] = make_detector(d, families[i]);
        out->node_ports[i] = make_node_ports(d, families[i]);
    }
    out->localhost_node_ports = d->config.localhost_node_ports;
    out->n_service_cidrs = d->config.n_service_cidrs;
    memcpy(out->service_cidrs, d->config.service_cidrs, sizeof out->service_cidrs);
}

static int cmp_port_pointers(const void *a, const void *b)
{
    return service_port_cmp(*(struct service_port *const *)a, *(struct service_port *const *)b);
}

/* Keeps the old service port wherever the new one says the same, so that states share it. */
static struct service_port *keep_if_same(const struct entry *e, struct service_port *p)
{
    array_foreach (&e->ports, old) {
        if (!service_port_equal(*old, p))
            continue;
        service_port_unref(p);
        return service_port_ref(*old);
    }
    return p;
}

static void recompute(struct decide *d, struct entry *e, const struct forwarding_settings *settings,
                      struct omissions *omissions)
{
    __typeof__(e->ports) ports = {0};
    struct decide_input in = {.config = &d->config,
                              .node = d->node,
                              .settings = settings,
                              .service = e->service,
                              .omissions = omissions,
                              .slices = (const struct endpointslice *const *)e->slices.v,
                              .n_slices = e->slices.n,
                              .claims = &d->claims,
                              .owner = e};
    bool proxied = e->service && service_is_proxied(e->service);
    for (size_t i = 0; proxied && i < e->service->n_ports * 2; i++) {
        enum ip_family family = i & 1 ? IP_V6 : IP_V4;
        if (e->service->cluster_ips[i & 1].family == IP_NONE)
            continue;
        *array_push(&ports) = keep_if_same(e, decide_port(&in, &e->service->ports[i / 2], family));
    }
    array_sort(&ports, cmp_port_pointers);
    e->health = (struct health_check){.ns = e->ns, .name = e->name};
    if (proxied && e->service->health_check_node_port) {
        e->health.port = e->service->health_check_node_port;
        e->health.n_local[0] = decide_local_ready(&in, IP_V4);
        e->health.n_local[1] = decide_local_ready(&in, IP_V6);
    }
    entry_drop_ports(e);
    memcpy(&e->ports, &ports, sizeof ports);
    if (ports.n && !e->listed)
        *array_push(&d->arriving) = e;
    d->some_left = d->some_left || (!ports.n && e->listed);
    e->listed = ports.n > 0;
}

static int cmp_entries(const void *a, const void *b)
{
    const struct entry *p = *(struct entry *const *)a, *q = *(struct entry *const *)b;
    int r = str_cmp(p->ns, q->ns);
    return r ? r : str_cmp(p->name, q->name);
}

/* Brings the sorted list up to date: a few come and go, so those are sorted and merged in, not all. */
static void sort_entries(struct decide *d)
{
    size_t n = 0;
    for (size_t i = 0; d->some_left && i < d->sorted.n; i++)
        if (d->sorted.v[i]->listed)
            d->sorted.v[n++] = d->sorted.v[i];
    d->sorted.n = d->some_left ? n : d->sorted.n;
    d->some_left = false;
    array_sort(&d->arriving, cmp_entries);
    size_t old = d->sorted.n, fresh = d->arriving.n;
    for (size_t i = 0; i < fresh; i++)
        *array_push(&d->sorted) = NULL;
    for (size_t to = d->sorted.n; fresh > 0;) { /* from the back, so that nothing is overwritten */
        bool take_old = old > 0 && cmp_entries(&d->sorted.v[old - 1], &d->arriving.v[fresh - 1]) > 0;
        d->sorted.v[--to] = take_old ? d->sorted.v[--old] : d->arriving.v[--fresh];
    }
    d->arriving.n = 0;
}

static void add_health_check(struct forwarding_state *s, const struct health_check *h)
{
    char *text = mem_alloc(h->ns.len + h->name.len + 1);
    memcpy(text, h->ns.p, h->ns.len);
    memcpy(text + h->ns.len, h->name.p, h->name.len);
    struct health_check *copy = &s->health_checks[s->n_health_checks++];
    *copy = *h;
    copy->ns.p = text;
    copy->name.p = text + h->ns.len;
}

static struct forwarding_state *assemble(struct decide *d, const struct forwarding_settings *settings)
{
    struct forwarding_state *s = forwarding_state_new();
    size_t n = 0, n_health = 0;
    array_foreach (&d->sorted, e) {
        n += (*e)->ports.n;
        n_health += (*e)->health.port != 0;
    }
    s->settings = *settings;
    s->ports = n ? mem_realloc_array(NULL, n, sizeof *s->ports) : NULL;
    s->health_checks = n_health ? mem_realloc_array(NULL, n_health, sizeof *s->health_checks) : NULL;
    array_foreach (&d->sorted, e) {
        array_foreach (&(*e)->ports, p) {
            s->n_backends += (*p)->n_backends;
            s->ports[s->n_ports++] = service_port_ref(*p);
        }
        if ((*e)->health.port)
            add_health_check(s, &(*e)->health);
    }
    return s;
}

/* Entries that nothing names any more. */
static void forget(struct decide *d, struct entry *e)
{
    struct str key = str_of(e->text);
    (void)map_delete(&d->entries, key); /* is there */
    entry_free(e);
}

struct forwarding_state *decide_run(struct decide *d, struct omissions *omissions)
{
    if (!decide_is_dirty(d))
        return forwarding_state_ref(d->state);
    struct forwarding_settings settings = {0};
    make_settings(d, &settings);
    array_foreach (&d->dirty, e) {
        (*e)->dirty = false;
        recompute(d, *e, &settings, omissions);
    }
    sort_entries(d);
    array_foreach (&d->dirty, e) {
        if (!(*e)->service && !(*e)->slices.n)
            forget(d, *e);
    }
    d->dirty.n = 0;
    d->settings_dirty = false;
    forwarding_state_unref(d->state);
    d->state = assemble(d, &settings);
    return forwarding_state_ref(d->state);
}
