/* Random writes, compactions and watches on a simulated disk whose power goes at any moment, also inside
 * SQLite's calls, or that fails and recovers; what is there afterwards is compared with a model.
 *
 *     store-crash-test [SEEDS [FIRST-SEED]]
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "store/embedded/crash-model.h"

#define SEEDS 600
#define LIVES 5

/* Some of these come in each seed. */
static void model_draw_options(struct model *m)
{
    static const unsigned checkpoint_pages[] = {0, 1, 8, 30};
    static const size_t histories[] = {100000, 100000, 40, 4};
    m->checkpoint_pages = checkpoint_pages[random_below(&m->random, ARRAY_LEN(checkpoint_pages))];
    m->max_history = histories[random_below(&m->random, ARRAY_LEN(histories))];
    m->has_faults = random_below(&m->random, 3) == 0;
}

static void draw_fault(struct model *m)
{
    static const unsigned calls[] = {
        SIMDISK_WRITE,
        SIMDISK_WRITE,
        SIMDISK_SYNC,
        SIMDISK_TRUNCATE,
        SIMDISK_READ,
        SIMDISK_CHANGES,
        SIMDISK_OPEN | SIMDISK_DELETE,
    };
    static const char *const suffixes[] = {NULL, NULL, "-wal", "store.db"};
    const struct simdisk_fault fault = {
        .calls = calls[random_below(&m->random, ARRAY_LEN(calls))],
        .suffix = suffixes[random_below(&m->random, ARRAY_LEN(suffixes))],
        .skip = random_below(&m->random, 10),
        .count = random_below(&m->random, 4) ? 1 + random_below(&m->random, 3) : UINT64_MAX,
        .error = random_below(&m->random, 2) ? EIO : ENOSPC,
    };
    if (random_below(&m->random, 4))
        simdisk_set_fault(m->disk, &fault);
    else
        simdisk_set_capacity(m->disk, simdisk_stats(m->disk).used_bytes + random_below(&m->random, 40000));
}

static void clear_faults(struct model *m)
{
    simdisk_set_fault(m->disk, NULL);
    simdisk_set_capacity(m->disk, 0);
}

/* After faults: the disk works, so the store must; and no failed write may come back with a crash. */
static void recover_from_faults(struct model *m)
{
    model_drain(m);
    clear_faults(m);
    uint64_t n_before = m->n_failed;
    int64_t revision = m->revision;
    for (int i = 0; i < 50 && m->revision == revision; i++) {
        model_submit(m);
        model_drain(m);
    }
    if (!simdisk_is_off(m->disk) && (m->n_failed > n_before || m->revision == revision))
        model_fail(m, "writes do not work again after faults");
    if (!simdisk_is_off(m->disk))
        model_check(m);
}

static void live_once(struct model *m)
{
    int n_steps = (int)random_below(&m->random, 40);
    bool is_cut = random_below(&m->random, 2);
    if (is_cut && !m->has_faults)
        simdisk_cut_after(m->disk, 1 + random_below(&m->random, 120));
    for (int i = 0; i < n_steps && !simdisk_is_off(m->disk); i++) {
        uint64_t n = random_below(&m->random, 12);
        if (n < 7)
            model_submit(m);
        else if (n < 9)
            loop_step(m->loop, 0);
        else if (n == 9)
            model_compact(m);
        else if (n == 10)
            model_watch(m, store_compacted(m->store));
        else if (m->has_faults)
            draw_fault(m);
        else
            model_drain(m);
    }
    if (m->has_faults)
        recover_from_faults(m);
}

/* The power may go while it opens: nothing is lost by that, and the next time it works. */
static void open_with_power_cuts(struct model *m)
{
    while (random_below(&m->random, 3) == 0) {
        struct err err = {0};
        simdisk_cut_after(m->disk, 1 + random_below(&m->random, 12));
        if (model_try_open(m, &err) == 0)
            model_crash(m);
        else
            simdisk_crash(m->disk);
    }
    model_open(m);
}

static void run_seed(uint64_t seed, struct model *totals)
{
    struct model m;
    model_init(&m, seed);
    model_draw_options(&m);
    for (int life = 0; life < LIVES; life++) {
        open_with_power_cuts(&m);
        live_once(&m);
        switch (random_below(&m.random, 3)) {
        case 0: /* an orderly end, with power or while the power goes */
            if (random_below(&m.random, 2))
                simdisk_cut_after(m.disk, 1 + random_below(&m.random, 20));
            model_close(&m);
            break;
        case 1:
            model_drain(&m);
            model_crash(&m);
            break;
        default:
            model_crash(&m);
        }
    }
    model_open(&m);
    model_close(&m);
    totals->n_acknowledged += m.n_acknowledged;
    totals->n_failed += m.n_failed;
    totals->n_conflicts += m.n_conflicts;
    model_done(&m);
}

int main(int argc, char **argv)
{
    struct model totals = {0};
    uint64_t n = SEEDS, first = 1;
    if ((argc > 1 && str_to_uint64(str_of(argv[1]), &n) < 0) ||
        (argc > 2 && str_to_uint64(str_of(argv[2]), &first) < 0)) {
        fprintf(stderr, "usage: store-crash-test [SEEDS [FIRST-SEED]]\n");
        return 2;
    }
    for (uint64_t seed = first; seed < first + n; seed++)
        run_seed(seed, &totals);
    printf("%" PRIu64 " seeds: %" PRIu64 " writes acknowledged, %" PRIu64 " conflicts, %" PRIu64 " failed\n",
           n, totals.n_acknowledged, totals.n_conflicts, totals.n_failed);
    /* A run that met too little of what it is for must not pass. */
    return n >= SEEDS && (!totals.n_failed || totals.n_acknowledged < n * 20) ? 1 : 0;
}
