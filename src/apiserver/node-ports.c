#include "apiserver/node-ports.h"

#include <assert.h>

struct node_port {
    uint16_t n_held;  /* stored Services with this number: 1, or more if a foreign writer made it so */
    bool is_reserved; /* by a change under way */
};

struct node_ports {
    int first, last;
    size_t n_taken;
    struct node_port *v; /* by port - first */
};

struct node_ports *node_ports_new(int first, int last)
{
    assert(first >= 1 && first <= last && last <= 65535);
    struct node_ports *p = mem_new(struct node_ports);
    *p = (struct node_ports){first, last, 0,
                             mem_zalloc((size_t)(last - first + 1) * sizeof(struct node_port))};
    return p;
}

void node_ports_free(struct node_ports *p)
{
    if (!p)
        return;
    free(p->v);
    free(p);
}

bool node_ports_in_range(const struct node_ports *p, int port)
{
    return port >= p->first && port <= p->last;
}

static bool node_port_is_taken(const struct node_port *port)
{
    return port->n_held || port->is_reserved;
}

void node_ports_hold(struct node_ports *p, int port)
{
    if (!node_ports_in_range(p, port))
        return;
    struct node_port *at = &p->v[port - p->first];
    p->n_taken += !node_port_is_taken(at);
    at->n_held++;
}

void node_ports_release(struct node_ports *p, int port)
{
    if (!node_ports_in_range(p, port) || !p->v[port - p->first].n_held)
        return;
    struct node_port *at = &p->v[port - p->first];
    at->n_held--;
    p->n_taken -= !node_port_is_taken(at);
}

int node_ports_reserve(struct node_ports *p, int port)
{
    if (!node_ports_in_range(p, port))
        return NODE_PORT_OUT_OF_RANGE;
    struct node_port *at = &p->v[port - p->first];
    if (node_port_is_taken(at))
        return NODE_PORT_TAKEN;
    at->is_reserved = true;
    p->n_taken++;
    return 0;
}

void node_ports_unreserve(struct node_ports *p, int port)
{
    if (!node_ports_in_range(p, port) || !p->v[port - p->first].is_reserved)
        return;
    struct node_port *at = &p->v[port - p->first];
    at->is_reserved = false;
    p->n_taken -= !node_port_is_taken(at);
}

/* The first free number in [FROM, TO), beginning at a random one; 0 if all are taken. */
static int node_ports_scan(const struct node_ports *p, int from, int to, struct random *random)
{
    if (from >= to)
        return 0;
    int n = to - from, start = (int)random_below(random, (uint64_t)n);
    for (int i = 0; i < n; i++) {
        int port = from + (start + i) % n;
        if (!node_port_is_taken(&p->v[port - p->first]))
            return port;
    }
    return 0;
}

static int node_ports_band(const struct node_ports *p)
{
    int size = p->last - p->first + 1;
    return size <= 16 ? 0 : MIN(MAX(size / 32, 16), 128);
}

int node_ports_pick(struct node_ports *p, struct random *random, int *ret_port)
{
    int band_end = p->first + node_ports_band(p);
    int port = node_ports_scan(p, band_end, p->last + 1, random);
    if (!port)
        port = node_ports_scan(p, p->first, band_end, random);
    if (!port)
        return NODE_PORT_RANGE_FULL;
    *ret_port = port;
    return node_ports_reserve(p, port);
}

size_t node_ports_n_taken(const struct node_ports *p)
{
    return p->n_taken;
}

size_t node_ports_n_total(const struct node_ports *p)
{
    return (size_t)(p->last - p->first + 1);
}

int node_ports_first(const struct node_ports *p)
{
    return p->first;
}

int node_ports_last(const struct node_ports *p)
{
    return p->last;
}
