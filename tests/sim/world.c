#include "world.h"

#include <stdarg.h>
#include <stdio.h>

#include "service/decide.h"

#define NODE      "n1"
#define ACTIVE_MS 20000  /* of faults and work */
#define SETTLE_MS 240000 /* within which all must be as it should */

static const struct str masters[] = {STR_INIT("system:masters")};

void world_fail(struct world *w, const char *format, ...)
{
    if (w->failure[0])
        return;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(w->failure, sizeof w->failure, format, args);
    va_end(args);
    world_trace(w, "FAILED: %s", w->failure);
}

void world_trace(struct world *w, const char *format, ...)
{
    if (!w->trace)
        return;
    (void)printf("%8.3f ", (double)loop_now(w->loop).ns / 1e9);
    va_list args;
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)putchar('\n');
}

static bool is_dead(void *user)
{
    return simdisk_is_off(((struct world *)user)->disk);
}

/* --- the control plane --- */

static void config_fill(struct world *w, struct apiserver_config *config)
{
    *config = (struct apiserver_config){
        .loop = w->loop,
        .store = w->store,
        .random = &w->server_random,
        .n_service_cidrs = 2,
        .node_port_first = 30000,
        .node_port_last = 30031, /* few, so that a leak is noticed */
        .secure_port = 6443,
        .version = STR("0.1.0"),
        .build_date = STR("2026-01-01T00:00:00Z"),
        /* Small windows: watches expire. */
        .limits = {.window_events = 20 + random_below(&w->random, 80)},
    };
    (void)ip_prefix_parse(STR("10.96.0.0/26"), &config->service_cidrs[0]);
    (void)ip_prefix_parse(STR("fd00:10:96::/112"), &config->service_cidrs[1]);
    (void)ip_parse(STR("192.0.2.1"), &config->advertise_ip);
}

static void connect_all(struct world *w)
{
    for (int i = 0; i < SIM_N_TRANSPORTS; i++) {
        w->local[i] = local_transport_new(&(struct local_options){.loop = w->loop,
                                                                  .handle = apiserver_handle,
                                                                  .ctx = w->api,
                                                                  .user = STR("sim"),
                                                                  .groups = masters,
                                                                  .n_groups = 1});
        fault_transport_connect(w->faults[i], w->local[i]);
    }
}

/* Now and then the disk takes its time: up to half a second for one commit. */
static int64_t disk_delay_ms(void *user)
{
    struct world *w = user;
    return random_below(&w->random, 50) ? 0 : 1 + (int64_t)random_below(&w->random, 500);
}

void world_start(struct world *w)
{
    struct err err = {0};
    if (w->store)
        return;
    world_trace(w, "start of the control plane");
    struct store_embedded_options options = {.loop = w->loop,
                                             .path = "/data",
                                             .vfs = "sim",
                                             .inline_commits = true,
                                             .inline_delay_ms = disk_delay_ms,
                                             .delay_user = w,
                                             .max_history = 50 + random_below(&w->random, 500)};
    if (store_embedded_open(&options, &w->store, &err) < 0) {
        w->store = NULL;
        /* Only a disk that fails on purpose is an excuse. */
        if (!simdisk_is_off(w->disk) && !chaos_spoils_disk(w->chaos))
            world_fail(w, "the store does not open: %s", err.text);
        return;
    }
    audit_attach(w->audit);
    struct apiserver_config config;
    config_fill(w, &config);
    if (apiserver_new(&config, &w->api, &err) < 0) {
        world_fail(w, "no API server: %s", err.text);
        return;
    }
    apiserver_start(w->api);
    connect_all(w);
    world_start_controllers(w);
}

void world_crash(struct world *w)
{
    if (!w->store)
        return;
    world_trace(w, "crash of the control plane");
    w->n_crashes++;
    simdisk_power_off(w->disk);
    world_stop_controllers(w);
    for (int i = 0; i < SIM_N_TRANSPORTS; i++) {
        fault_transport_connect(w->faults[i], NULL);
        http_transport_free(TAKE(w->local[i]));
    }
    audit_detach(w->audit);
    if (w->api)
        apiserver_free(TAKE(w->api));
    store_close(TAKE(w->store));
    simdisk_crash(w->disk);
}

void world_start_controllers(struct world *w)
{
    if (w->controllers || !w->store)
        return;
    w->controllers = controllers_new(
        &(struct controllers_config){.loop = w->loop,
                                     .transport = fault_transport_outside(w->faults[SIM_CONTROLLERS]),
                                     .random = &w->controllers_random,
                                     .max_endpoints_per_slice = 3});
    controllers_start(w->controllers);
}

void world_stop_controllers(struct world *w)
{
    if (w->controllers)
        controllers_free(TAKE(w->controllers));
}

/* --- the node --- */

struct fake *world_fake(struct world *w)
{
    return w->proxy ? fake_of(proxy_datapath(w->proxy)) : NULL;
}

void world_start_proxy(struct world *w)
{
    struct err err = {0};
    if (w->proxy)
        return;
    struct proxy_config config = {
        .loop = w->loop,
        .random = &w->proxy_random,
        .client = w->clients[SIM_PROXY],
        .mode = "fake",
        .datapath = {.loop = w->loop, .families = {true, true}},
        .decide = {.node_name = NODE},
        .sync_period_ms = 30000,
    };
    w->proxy = proxy_new(&config, &err);
    if (!w->proxy) {
        world_fail(w, "no proxy: %s", err.text);
        return;
    }
    if (w->kernel)
        fake_restore(world_fake(w), w->kernel);
    forwarding_state_unref(TAKE(w->kernel));
    proxy_start(w->proxy);
}

void world_stop_proxy(struct world *w)
{
    if (!w->proxy)
        return;
    forwarding_state_unref(w->kernel);
    w->kernel =
        forwarding_state_ref((struct forwarding_state *)fake_kernel(world_fake(w))); /* counted only */
    proxy_free(TAKE(w->proxy));
}

/* --- a run --- */

static void world_init(struct world *w)
{
    static const struct fault_rates rates = {
        .lose_request = 20, .lose_reply = 20, .cut_stream = 10, .delay = 100, .max_delay_ms = 1500};
    map_set_seed(w->seed);
    w->loop = loop_new_scripted((struct monotime){0}, (struct walltime){INT64_C(1790000000) * TIME_S_NS});
    random_seed(&w->random, w->seed);
    random_seed(&w->server_random, w->seed ^ 0x5e7e7);
    random_seed(&w->controllers_random, w->seed ^ 0xc0117);
    random_seed(&w->proxy_random, w->seed ^ 0x940c1);
    w->disk = simdisk_new("sim", w->seed);
    for (int i = 0; i < SIM_N_TRANSPORTS; i++) {
        w->faults[i] = fault_transport_new(w->loop, &w->random, &rates, is_dead, w);
        w->clients[i] = client_new(&(struct client_config){
            .loop = w->loop, .transport = fault_transport_outside(w->faults[i]), .user_agent = STR("sim")});
    }
    w->audit = audit_new(w);
    w->user = user_new(w);
    w->chaos = chaos_new(w);
    world_start(w);
    world_start_proxy(w);
    w->witness = witness_new(w);
    for (int i = 0; i < SIM_N_TRANSPORTS; i++)
        fault_transport_set_active(w->faults[i], true);
}

static void world_done(struct world *w)
{
    witness_free(w->witness);
    chaos_free(w->chaos);
    user_free(w->user);
    world_stop_proxy(w);
    forwarding_state_unref(w->kernel);
    world_crash(w);
    for (int i = 0; i < SIM_N_TRANSPORTS; i++) {
        client_free(w->clients[i]);
        fault_transport_free(w->faults[i]);
    }
    audit_free(w->audit);
    simdisk_free(w->disk);
    loop_free(w->loop);
}

static void run_until(struct world *w, int64_t ms)
{
    struct monotime end = monotime_add_ms(loop_now(w->loop), ms);
    while (!w->failure[0] && loop_now(w->loop).ns < end.ns) {
        if (!loop_step(w->loop, -1)) {
            world_fail(w, "nothing is left to do");
            return;
        }
        if (w->store && simdisk_is_off(w->disk))
            world_crash(w);
    }
}

static bool is_settled(struct world *w)
{
    return w->store && apiserver_is_ready(w->api) && user_is_idle(w->user) &&
           controllers_are_synced(w->controllers) && controllers_are_idle(w->controllers) &&
           proxy_is_settled(w->proxy) && witness_is_current(w->witness);
}

/* Runs until all is quiet and stays so. */
static void settle(struct world *w)
{
    run_until(w, SETTLE_MS);
    /* The node may just be reading its kernel back. */
    for (int i = 0; i < 20 && !w->failure[0] && !is_settled(w); i++)
        run_until(w, 50);
    if (!w->failure[0] && !is_settled(w)) {
        world_fail(w, "it does not settle: ready %d, user %d, controllers %d %d, proxy %d, witness %d",
                   w->store && apiserver_is_ready(w->api), user_is_idle(w->user),
                   controllers_are_synced(w->controllers), controllers_are_idle(w->controllers),
                   proxy_is_settled(w->proxy), witness_is_current(w->witness));
        return;
    }
    int64_t revision = w->failure[0] ? 0 : store_revision(w->store);
    run_until(w, 60000);
    if (!w->failure[0] && store_revision(w->store) != revision)
        world_fail(w, "it is not quiet: revision %ld became %ld", (long)revision,
                   (long)store_revision(w->store));
}

void sim_run(uint64_t seed, bool trace, struct sim_result *ret)
{
    struct world *w = mem_new(struct world);
    w->seed = seed;
    w->trace = trace;
    world_init(w);
    run_until(w, ACTIVE_MS);
    world_trace(w, "calm");
    w->is_calm = true;
    for (int i = 0; i < SIM_N_TRANSPORTS; i++)
        fault_transport_set_active(w->faults[i], false);
    user_stop(w->user);
    chaos_stop(w->chaos);
    settle(w);
    if (!w->failure[0])
        world_check(w);
    *ret = (struct sim_result){.trace_hash = w->trace_hash,
                               .revision = audit_revision(w->audit),
                               .n_writes = w->n_writes,
                               .n_lookups = w->n_lookups,
                               .n_crashes = w->n_crashes};
    (void)snprintf(ret->failure, sizeof ret->failure, "%s", w->failure);
    world_done(w);
    free(w);
}
