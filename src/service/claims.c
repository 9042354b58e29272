#include "service/claims.h"

#include "base/array.h"

struct claim {
    void *owner;
    const struct service *service;
    enum frontend_kind kind;
};

struct claim_list {
    struct claim *v;
    size_t n, capacity;
};

#define KEY_LEN 21

static struct str make_key(const struct frontend *f, enum protocol protocol, enum ip_family family,
                           char buf[static KEY_LEN])
{
    memset(buf, 0, KEY_LEN);
    buf[0] = (char)family;
    buf[1] = f->kind == FRONTEND_NODE_PORT;
    buf[2] = (char)protocol;
    memcpy(buf + 3, &f->port, sizeof f->port);
    if (f->kind != FRONTEND_NODE_PORT)
        memcpy(buf + 5, f->ip.bytes, sizeof f->ip.bytes);
    return (struct str){buf, KEY_LEN};
}

static void free_list(void *value)
{
    struct claim_list *l = value;
    array_done(l);
    free(l);
}

void claims_done(struct claims *c)
{
    map_done(&c->by_key, free_list);
}

static int cmp_claims(const struct claim *a, const struct claim *b)
{
    bool a_cluster = a->kind == FRONTEND_CLUSTER_IP, b_cluster = b->kind == FRONTEND_CLUSTER_IP;
    if (a_cluster != b_cluster)
        return a_cluster ? -1 : 1;
    if (a->service->created_ns != b->service->created_ns)
        return a->service->created_ns < b->service->created_ns ? -1 : 1;
    int r = str_cmp(a->service->ns, b->service->ns);
    return r ? r : str_cmp(a->service->name, b->service->name);
}

/* One walk over all claims of a Service. */
struct walk {
    struct claims *claims;
    const struct service *service;
    void *owner;
    struct claims_callback callback;
    void (*visit)(const struct walk *w, const struct frontend *f, struct str key);
};

static void tell_others(const struct walk *w, const struct claim_list *l)
{
    array_foreach (l, claim) {
        if (claim->owner != w->owner)
            w->callback.contested(claim->owner, w->callback.user);
    }
}

static void visit_add(const struct walk *w, const struct frontend *f, struct str key)
{
    struct claim_list *l = map_find(&w->claims->by_key, key);
    if (!l) {
        l = mem_new(struct claim_list);
        (void)map_put(&w->claims->by_key, key, l); /* was not there */
    }
    *array_push(l) = (struct claim){w->owner, w->service, f->kind};
    tell_others(w, l);
}

static void visit_remove(const struct walk *w, const struct frontend *f, struct str key)
{
    struct claim_list *l = map_find(&w->claims->by_key, key);
    (void)f;
    for (size_t i = 0; l && i < l->n; i++) {
        if (l->v[i].owner != w->owner)
            continue;
        array_remove(l, i);
        break;
    }
    if (l)
        tell_others(w, l);
    if (l && !l->n)
        free_list(map_delete(&w->claims->by_key, key));
}

static void visit_ip(const struct walk *w, const struct service_port_spec *port, enum frontend_kind kind,
                     const struct ip *ip)
{
    char buf[KEY_LEN];
    struct frontend f = {.kind = kind, .ip = *ip, .port = port->port};
    /* In a family without a ClusterIP the Service has nothing, so it cannot keep others from it either. */
    if (ip->family != IP_NONE && w->service->cluster_ips[family_index(ip->family)].family != IP_NONE)
        w->visit(w, &f, make_key(&f, port->protocol, ip->family, buf));
}

static void walk_port(const struct walk *w, const struct service_port_spec *port)
{
    const struct service *s = w->service;
    for (int i = 0; i < 2; i++) {
        char buf[KEY_LEN];
        struct frontend f = {.kind = FRONTEND_NODE_PORT, .port = port->node_port};
        visit_ip(w, port, FRONTEND_CLUSTER_IP, &s->cluster_ips[i]);
        if (port->node_port && s->cluster_ips[i].family != IP_NONE)
            w->visit(w, &f, make_key(&f, port->protocol, s->cluster_ips[i].family, buf));
    }
    for (size_t i = 0; i < s->n_external_ips; i++)
        visit_ip(w, port, FRONTEND_EXTERNAL_IP, &s->external_ips[i]);
    for (size_t i = 0; i < s->n_balancer_ips; i++)
        visit_ip(w, port, FRONTEND_BALANCER_IP, &s->balancer_ips[i]);
}

static void walk_service(const struct walk *w)
{
    for (size_t i = 0; service_is_proxied(w->service) && i < w->service->n_ports; i++)
        walk_port(w, &w->service->ports[i]);
}

void claims_add(struct claims *c, const struct service *s, void *owner, struct claims_callback callback)
{
    walk_service(&(struct walk){c, s, owner, callback, visit_add});
}

void claims_remove(struct claims *c, const struct service *s, void *owner, struct claims_callback callback)
{
    walk_service(&(struct walk){c, s, owner, callback, visit_remove});
}

bool claims_has(const struct claims *c, const struct frontend *f, enum protocol protocol,
                enum ip_family family, const void *owner)
{
    char buf[KEY_LEN];
    const struct claim_list *l = map_find(&c->by_key, make_key(f, protocol, family, buf));
    const struct claim *best = NULL;
    for (size_t i = 0; l && i < l->n; i++)
        if (!best || cmp_claims(&l->v[i], best) < 0)
            best = &l->v[i];
    return !best || best->owner == owner;
}
