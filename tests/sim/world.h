/* The whole system in one process, on a scripted clock, with faults from a seed. See meson.build.
 *
 * world.c builds and runs it, crashes and restarts its parts (chaos.c says when); user.c is the workload and
 * knows what was acknowledged; audit.c hears every event of the store and checks what must always hold;
 * witness.c watches through the API and compares with the audit's log; check.c compares the end with naive
 * models. Nothing else is shared: parts talk through the API.
 */
#pragma once

#include "apiserver/apiserver.h"
#include "apiserver/local.h"
#include "base/array.h"
#include "base/map.h"
#include "base/random.h"
#include "controllers/controllers.h"
#include "datapath/fake/fake.h"
#include "faults.h"
#include "proxy/proxy.h"
#include "store/embedded/embedded.h"
#include "store/embedded/simdisk.h"
#include "watch/client.h"

enum { SIM_SERVICES = 6, SIM_PODS = 8, SIM_SLICES = 3, SIM_DEPLOYMENTS = 2 };
enum { SIM_OBJECTS = SIM_SERVICES + SIM_PODS + SIM_SLICES + SIM_DEPLOYMENTS };
enum { SIM_PORTS = 3, SIM_APPS = 3, SIM_NODES = 2 };

/* What an object of the user's is, as its manifest says; the rest of it follows from this. */
struct sim_state {
    bool exists;
    int64_t version;        /* label v; every write of metadata or spec has its own */
    int64_t status_version; /* Pods: status.reason */
    int app;                /* Service: selector; Pod: label; both app=aN */
    char type;              /* Service: C, N, L, E(xternalName), H(eadless) */
    unsigned ports;         /* Service: mask of ports */
    bool local;             /* Service: externalTrafficPolicy, or of type C internalTrafficPolicy, Local */
    bool dual;              /* Service: as many families as there are */
    int n;                  /* Deployment: replicas; slice: endpoints */
    bool ready;             /* Pod; slice: all of them */
    int ip;                 /* Pod: number of its address; 0: none yet */
    int node;               /* Pod: 1, 2 */
};

struct sim_object {
    char kind; /* s Service, p Pod, e EndpointSlice by hand, d Deployment */
    char name[12];
    int index;                 /* within its kind */
    struct sim_state is, next; /* as last acknowledged, and what the write under way makes of it */
    bool is_busy, is_uncertain;
    char verb;                      /* of the write under way: c, u, s(tatus), d */
    char addresses[2][IP_TEXT_LEN]; /* Service: as first acknowledged; must not change while it lives */
    int node_ports[SIM_PORTS];      /* 0: none */
    struct world *world;
    struct timer retry; /* asks how an uncertain write ended */
    int n_lookups;
};

struct sim_event { /* one of the store's */
    int64_t revision;
    char kind; /* s, p, e or 0 */
    bool is_deletion;
};

enum { SIM_USER, SIM_CONTROLLERS, SIM_PROXY, SIM_WITNESS, SIM_N_TRANSPORTS };

struct user;
struct audit;
struct witness;
struct chaos;

struct world {
    uint64_t seed;
    struct random random, server_random, controllers_random, proxy_random;
    struct loop *loop;
    bool is_calm; /* no faults, no new work */
    bool trace;   /* print what happens */

    struct simdisk *disk;
    struct store *store; /* NULL while crashed */
    struct apiserver *api;
    struct http_transport *local[SIM_N_TRANSPORTS];
    struct fault_transport *faults[SIM_N_TRANSPORTS];
    struct client *clients[SIM_N_TRANSPORTS]; /* of the user, the proxy and the witness */
    struct controllers *controllers;
    struct proxy *proxy;
    struct forwarding_state *kernel; /* of the node while the proxy is down */

    struct user *user;
    struct audit *audit;
    struct witness *witness;
    struct chaos *chaos;

    uint64_t trace_hash; /* of everything the store has committed */
    int n_writes, n_lookups, n_crashes;
    char failure[2048]; /* the first one; empty: none */
};

struct sim_result {
    uint64_t trace_hash;
    int64_t revision;
    int n_writes, n_lookups, n_crashes;
    char failure[2048];
};

/* One run from its seed; the same seed gives the same result. */
void sim_run(uint64_t seed, bool trace, struct sim_result *ret);

void world_fail(struct world *w, const char *format, ...) _printf_(2, 3);
void world_trace(struct world *w, const char *format, ...) _printf_(2, 3);

/* Crash and restart of the parts; each is fine in either state. */
void world_crash(struct world *w); /* the power of the control plane goes */
void world_start(struct world *w);
void world_start_proxy(struct world *w);
void world_stop_proxy(struct world *w);
void world_start_controllers(struct world *w);
void world_stop_controllers(struct world *w);
struct fake *world_fake(struct world *w); /* NULL while the proxy is down */

/* The workload. */
struct user *user_new(struct world *w);
void user_free(struct user *u);
void user_stop(struct user *u); /* begins nothing new but readiness of what controllers make */
bool user_is_idle(const struct user *u);
struct sim_object *user_objects(struct user *u); /* SIM_OBJECTS */
/* Whether OBJECT, as the API gives it, is what STATE says. WHY names the first difference. */
bool user_matches(const struct sim_object *o, const struct sim_state *state, const struct json *object,
                  const char **ret_why);
const char *user_namespace(void);

struct audit *audit_new(struct world *w);
void audit_free(struct audit *a);
void audit_attach(struct audit *a); /* to the store that was just opened */
void audit_detach(struct audit *a);
int64_t audit_revision(const struct audit *a);
const struct sim_event *audit_log(const struct audit *a, size_t *ret_n);
/* Values by key, as committed last. */
const struct map *audit_values(const struct audit *a);

struct witness *witness_new(struct world *w);
void witness_free(struct witness *t);
/* Has heard of all that the audit has. */
bool witness_is_current(const struct witness *t);

struct chaos *chaos_new(struct world *w);
void chaos_free(struct chaos *c);
void chaos_stop(struct chaos *c); /* everything is repaired and started */

bool chaos_spoils_disk(const struct chaos *c); /* it is full or failing on purpose */

/* Everything that must hold once all is calm. */
void world_check(struct world *w);
