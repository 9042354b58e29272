/* When what fails: from the seed. */
#include <errno.h>

#include "world.h"

struct chaos {
    struct world *world;
    struct random random;
    struct timer step, revive, resume, repair_disk;
    struct simdisk_fault fault;
    bool spoils_disk;
};

static uint64_t below(struct chaos *c, uint64_t n)
{
    return random_below(&c->random, n);
}

static void crash(struct chaos *c)
{
    if (!c->world->store)
        return;
    if (below(c, 2))
        world_crash(c->world);
    else
        simdisk_cut_after(c->world->disk, 1 + below(c, 40)); /* in the middle of a commit; world.c notices */
    timer_arm_ms(&c->revive, 10 + (int64_t)below(c, 3000));
}

/* Full, or failing for a few calls. */
static void spoil_disk(struct chaos *c)
{
    static const unsigned calls[] = {SIMDISK_WRITE, SIMDISK_SYNC, SIMDISK_TRUNCATE, SIMDISK_CHANGES,
                                     SIMDISK_READ};
    struct simdisk *disk = c->world->disk;
    c->spoils_disk = true;
    if (below(c, 2)) {
        simdisk_set_capacity(disk, simdisk_stats(disk).used_bytes + below(c, 20000));
    } else {
        c->fault = (struct simdisk_fault){.calls = calls[below(c, ARRAY_LEN(calls))],
                                          .skip = below(c, 5),
                                          .count = 1 + below(c, 5),
                                          .error = below(c, 2) ? EIO : ENOSPC};
        simdisk_set_fault(disk, &c->fault);
    }
    timer_arm_ms(&c->repair_disk, (int64_t)below(c, 3000));
}

static void spoil_node(struct chaos *c)
{
    static const int errors[] = {-EIO, -ENOMEM, -EBUSY};
    struct fake *fake = world_fake(c->world);
    if (!fake)
        return;
    switch (below(c, 3)) {
    case 0:
        fake_fail_next(fake, 1 + (int)below(c, 4), errors[below(c, 3)]);
        break;
    case 1:
        fake_lose(fake);
        break;
    default:
        fake_set_delay_ms(fake, (int64_t)below(c, 1000));
    }
}

static void spoil_network(struct chaos *c)
{
    struct world *w = c->world;
    uint64_t i = below(c, SIM_N_TRANSPORTS);
    if (below(c, 2)) {
        fault_transport_reset(w->faults[i]);
    } else if (w->local[i]) {
        local_transport_pause(w->local[i], true);
        timer_arm_ms(&c->resume, (int64_t)below(c, 5000));
    }
}

static void restart_part(struct chaos *c)
{
    if (below(c, 2)) {
        world_stop_proxy(c->world);
        world_start_proxy(c->world);
    } else {
        world_stop_controllers(c->world);
        world_start_controllers(c->world);
    }
}

static void forget_history(struct chaos *c)
{
    struct store *store = c->world->store;
    if (store)
        store_compact(store, MAX(store_revision(store) - (int64_t)below(c, 30), 0));
}

static void on_step(struct timer *timer, void *user)
{
    struct chaos *c = user;
    timer_arm_ms(timer, 50 + (int64_t)below(c, 2000));
    switch (below(c, 10)) {
    case 0:
    case 1:
        crash(c);
        break;
    case 2:
        spoil_disk(c);
        break;
    case 3:
    case 4:
        spoil_node(c);
        break;
    case 5:
        restart_part(c);
        break;
    case 6:
        forget_history(c);
        break;
    default:
        spoil_network(c);
    }
}

static void on_revive(struct timer *timer, void *user)
{
    struct chaos *c = user;
    simdisk_cut_after(c->world->disk, 0);
    world_start(c->world);
    if (!c->world->store) /* its disk still fails */
        timer_arm_ms(timer, 500);
}

static void on_resume(struct timer *timer, void *user)
{
    struct world *w = ((struct chaos *)user)->world;
    for (int i = 0; i < SIM_N_TRANSPORTS; i++)
        if (w->local[i])
            local_transport_pause(w->local[i], false);
}

static void on_repair_disk(struct timer *timer, void *user)
{
    struct chaos *c = user;
    struct world *w = c->world;
    c->spoils_disk = false;
    simdisk_set_fault(w->disk, NULL);
    simdisk_set_capacity(w->disk, 0);
}

bool chaos_spoils_disk(const struct chaos *c)
{
    return c && c->spoils_disk;
}

struct chaos *chaos_new(struct world *w)
{
    struct chaos *c = mem_new(struct chaos);
    c->world = w;
    random_seed(&c->random, w->seed ^ 0xc4a05);
    timer_init(&c->step, w->loop, "chaos", on_step, c);
    timer_init(&c->revive, w->loop, "revive", on_revive, c);
    timer_init(&c->resume, w->loop, "resume", on_resume, c);
    timer_init(&c->repair_disk, w->loop, "repair disk", on_repair_disk, c);
    timer_arm_ms(&c->step, 1000);
    return c;
}

void chaos_free(struct chaos *c)
{
    timer_disarm(&c->step);
    timer_disarm(&c->revive);
    timer_disarm(&c->resume);
    timer_disarm(&c->repair_disk);
    free(c);
}

void chaos_stop(struct chaos *c)
{
    timer_disarm(&c->step);
    timer_disarm(&c->revive);
    on_repair_disk(&c->repair_disk, c);
    on_resume(&c->resume, c);
    on_revive(&c->revive, c);
    if (world_fake(c->world)) {
        fake_fail_next(world_fake(c->world), 0, 0);
        fake_set_delay_ms(world_fake(c->world), 0);
    }
}
