/* The forwarding state: all that a node does with Service traffic, as one value. Every datapath gets the
 * same.
 *
 * It is a sorted list of service ports (namespace, name, port name, protocol, family). Each has frontends,
 * where traffic enters, and backends, where it goes; a frontend says what happens to a new connection. All
 * policies are decided already: a provider looks at no Service field.
 *
 * States and service ports are immutable and counted by reference, and a new state shares the service ports
 * that did not change: comparing two pointers is comparing two service ports, and forwarding_diff is cheap.
 * One thread at a time.
 *
 *     struct forwarding_diff d = forwarding_diff_start(old, new);
 *     const struct service_port *was, *is;
 *     while (forwarding_diff_next(&d, &was, &is))
 *         ...                              // was NULL: new; is NULL: gone
 */
#pragma once

#include "service/address.h"

struct backend {
    struct ip ip;
    uint16_t port;
    bool local;      /* runs on this node */
    bool in_cluster; /* member of the cluster set */
    bool in_local;   /* member of the local set */
    bool serving;    /* answers, maybe while terminating: its connections are valid though no set holds it */
};

enum backend_set { BACKENDS_CLUSTER, BACKENDS_LOCAL };

enum frontend_kind { FRONTEND_CLUSTER_IP, FRONTEND_EXTERNAL_IP, FRONTEND_BALANCER_IP, FRONTEND_NODE_PORT };

enum frontend_action {
    FRONTEND_FORWARD, /* to one backend of the set */
    FRONTEND_REJECT,  /* the client is told: nobody serves anywhere */
    FRONTEND_DROP,    /* silence: others serve, but not here by policy */
};

/* Whose source address is replaced by the node's, besides a backend that reaches itself (always). */
enum masquerade {
    MASQUERADE_NEVER,
    MASQUERADE_OFF_CLUSTER, /* sources that are not pods of this node (settings.detector) */
    MASQUERADE_FROM_NODE,   /* the node itself, by one of its addresses */
    MASQUERADE_ALWAYS,
};

struct frontend {
    enum frontend_kind kind;
    struct ip ip; /* IP_NONE for a node port: the addresses of settings.node_ports */
    uint16_t port;
    enum frontend_action action;
    enum backend_set set; /* of FRONTEND_FORWARD */
    /* Pods of this node (if the detector knows them; their address is kept) and the node itself (masqueraded)
     * get the cluster set, whatever the action says of others. Set for externalTrafficPolicy Local only. */
    bool short_circuit;
    bool ranged; /* only the source ranges of the service port may enter (none: nobody); others are dropped */
    enum masquerade masquerade;
};

struct service_port {
    unsigned refs;
    struct str ns, name, port_name; /* in TEXT */
    enum protocol protocol;
    enum ip_family family;
    uint32_t
        affinity_timeout_s; /* 0: none; counts per client address over all frontends and one backend set */
    bool has_any;           /* somebody serves somewhere */

    struct backend *backends;        /* sorted by their text, as rules are; no address and port twice */
    struct frontend *frontends;      /* sorted by kind, then address */
    struct ip_prefix *source_ranges; /* with the balancer addresses themselves where the node is in a range */
    uint32_t n_backends, n_cluster, n_local, n_frontends, n_source_ranges;
    char *text;
};

/* A TCP port that answers a load balancer's question for local endpoints (src/proxy serves it). */
struct health_check {
    struct str ns, name; /* borrowed from the owner of the list */
    uint16_t port;
    uint32_t n_local[2]; /* distinct ready local endpoint addresses, by family */
};

enum detector_mode { DETECT_NOTHING, DETECT_CIDR, DETECT_INTERFACE, DETECT_INTERFACE_PREFIX };

#define DETECTOR_INTERFACE_LEN 16 /* IFNAMSIZ */

/* How a packet's source is known to be a pod of this node. */
struct detector {
    enum detector_mode mode;
    struct ip_prefix cidr;
    char interface[DETECTOR_INTERFACE_LEN];
};

#define NODE_PORT_MAX_CIDRS 64
#define SERVICE_MAX_CIDRS   16

struct node_port_addresses {
    bool all; /* every local address; else those local ones inside CIDRS, which may be none */
    struct ip_prefix cidrs[NODE_PORT_MAX_CIDRS];
    size_t n;
};

/* What holds for all Services of the node; by family where it is an array of two (v4, v6). */
struct forwarding_settings {
    struct ip node_ips[2];
    struct detector detectors[2];
    struct node_port_addresses node_ports[2];
    bool localhost_node_ports; /* node ports also answer on IPv4 loopback, where the datapath can */
    struct ip_prefix service_cidrs[SERVICE_MAX_CIDRS]; /* may be empty: not known */
    size_t n_service_cidrs;
};

struct forwarding_state {
    unsigned refs;
    struct service_port **ports; /* sorted */
    size_t n_ports;
    struct health_check *health_checks; /* sorted by namespace and name */
    size_t n_health_checks;
    size_t n_backends; /* of all service ports */
    struct forwarding_settings settings;
};

/* Index into the arrays by family. */
static inline int family_index(enum ip_family family)
{
    return family == IP_V6;
}

struct service_port *service_port_ref(struct service_port *p);
void service_port_unref(struct service_port *p); /* NULL is fine */
/* Order of the state. */
int service_port_cmp(const struct service_port *a, const struct service_port *b);
/* Equal in everything. */
bool service_port_equal(const struct service_port *a, const struct service_port *b);

/* "namespace/name", and ":portname" if the port is named: the name that chains and comments are made from. */
void service_port_format_name(const struct service_port *p, struct strbuf *out);

/* A state without service ports, owned by the caller. */
struct forwarding_state *forwarding_state_new(void);
struct forwarding_state *forwarding_state_ref(struct forwarding_state *s);
void forwarding_state_unref(struct forwarding_state *s);
bool forwarding_settings_equal(const struct forwarding_settings *a, const struct forwarding_settings *b);
bool forwarding_state_equal(const struct forwarding_state *a, const struct forwarding_state *b);

static inline void forwarding_state_unrefp(struct forwarding_state **s)
{
    forwarding_state_unref(*s);
}

/* One line per frontend with its policy and backends, for people and golden tests. */
void forwarding_state_print(const struct forwarding_state *s, struct strbuf *out);
void service_port_print(const struct service_port *p, struct strbuf *out);

struct forwarding_diff {
    const struct forwarding_state *from, *to;
    size_t i, j;
};

/* FROM may be NULL: nothing. Both must outlive the walk. */
struct forwarding_diff forwarding_diff_start(const struct forwarding_state *from,
                                             const struct forwarding_state *to);
/* The next pair that differs, in order; false at the end. */
bool forwarding_diff_next(struct forwarding_diff *d, const struct service_port **ret_was,
                          const struct service_port **ret_is);
