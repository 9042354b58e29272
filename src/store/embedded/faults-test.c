/* The embedded store on a disk that is full, fails or loses power, one case at a time. The names with numbers
 * are those of the bugs elsewhere that the case keeps out (etcd's). */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>

#include "base/test.h"
#include "io/loop.h"
#include "store/embedded/embedded.h"
#include "store/embedded/simdisk.h"

#define RUNS 40
#define NAME "faults"

struct rig {
    struct loop *loop;
    struct simdisk *disk;
    struct store *store;
    unsigned checkpoint_pages;
    int waiting, n_failed, status;
    int64_t revision;
    char text[480];
    struct strbuf page; /* "key=length@revision " for each item */
};

static void rig_open(struct rig *r)
{
    struct err err = {0};
    const struct store_embedded_options o = {.loop = r->loop,
                                             .path = "/data",
                                             .vfs = NAME,
                                             .inline_commits = true,
                                             .max_history = 100000,
                                             .checkpoint_pages = r->checkpoint_pages};
    if (store_embedded_open(&o, &r->store, &err) < 0)
        fail_msg("%s", err.text);
}

static void rig_init(struct rig *r, uint64_t seed, unsigned checkpoint_pages)
{
    *r = (struct rig){.checkpoint_pages = checkpoint_pages};
    r->loop = loop_new_scripted((struct monotime){0}, (struct walltime){0});
    r->disk = simdisk_new(NAME, seed);
    rig_open(r);
}

static void rig_crash(struct rig *r)
{
    simdisk_power_off(r->disk);
    store_close(r->store);
    simdisk_crash(r->disk);
}

static void rig_done(struct rig *r)
{
    store_close(r->store);
    simdisk_free(r->disk);
    loop_free(r->loop);
    strbuf_done(&r->page);
}

static void on_written(void *user, const struct store_result *result)
{
    struct rig *r = user;
    r->waiting--;
    r->status = result->status;
    r->n_failed += result->status != 0;
    r->revision = result->revision;
    snprintf(r->text, sizeof r->text, "%s", result->err ? result->err->text : "");
}

static void submit(struct rig *r, enum store_op_type type, const char *key, size_t len)
{
    char *value = mem_zalloc(len + 1);
    memset(value, 'x', len);
    struct store_op op = {type, str_of(key), {value, len}, STORE_ANY};
    r->waiting++;
    store_write(r->store, &op, 1, on_written, r);
    free(value);
}

static int finish(struct rig *r)
{
    while (r->waiting)
        assert_true(loop_step(r->loop, 0) > 0);
    return r->status;
}

static int put(struct rig *r, const char *key, size_t len)
{
    submit(r, STORE_PUT, key, len);
    return finish(r);
}

static int erase(struct rig *r, const char *key)
{
    submit(r, STORE_DELETE, key, 0);
    return finish(r);
}

static void compact(struct rig *r, int64_t revision)
{
    store_compact(r->store, revision);
    while (loop_step(r->loop, 0) > 0)
        ;
}

static void on_page(void *user, const struct store_page *page)
{
    struct rig *r = user;
    r->waiting--;
    strbuf_truncate(&r->page, 0);
    if (page->status)
        strbuf_addf(&r->page, "status %d", page->status);
    for (size_t i = 0; i < page->n_items; i++)
        strbuf_addf(&r->page, "%.*s=%zu@%ld ", STR_ARG(page->items[i].key), page->items[i].value.len,
                    page->items[i].mod_revision);
}

static void assert_contents(struct rig *r, const char *want)
{
    r->waiting++;
    store_read(r->store, STR("/"), STR("0"), 0, 0, on_page, r);
    (void)finish(r);
    assert_string_equal(strbuf_cstr(&r->page), want);
}

static void assert_says(const struct rig *r, const char *words)
{
    if (str_find(str_of(r->text), str_of(words)) < 0)
        fail_msg("\"%s\" does not say \"%s\"", r->text, words);
}

static void fail_calls(struct rig *r, unsigned calls, const char *suffix, uint64_t count, int error)
{
    simdisk_set_fault(r->disk, &(struct simdisk_fault){calls, suffix, 0, count, error});
}

/* The group fails whole, again and again; reads go on; when there is room, writes work, and nothing of what
 * failed is ever seen. */
static void test_full_disk(void **state)
{
    for (uint64_t seed = 0; seed < RUNS; seed++) {
        struct rig r;
        rig_init(&r, seed, seed % 2 ? 4 : 0);
        assert_int_equal(put(&r, "/a", 100), 0);
        simdisk_set_capacity(r.disk, simdisk_stats(r.disk).used_bytes + seed * 1000);
        for (int again = 0; again < 5; again++) {
            r.n_failed = 0;
            for (int i = 0; i < 4; i++)
                submit(&r, STORE_PUT, i % 2 ? "/b" : "/a", 30000);
            assert_int_equal(finish(&r), -ENOSPC);
            assert_int_equal(r.n_failed, 4);
            assert_int_equal(r.revision, 1);
            assert_says(&r, "is full; make room");
            assert_contents(&r, "/a=100@1 ");
        }
        rig_crash(&r);
        rig_open(&r); /* still full: what is there can be read */
        assert_contents(&r, "/a=100@1 ");
        assert_int_equal(put(&r, "/b", 60000), -ENOSPC);
        simdisk_set_capacity(r.disk, 0);
        assert_int_equal(put(&r, "/b", 7), 0);
        assert_contents(&r, "/a=100@1 /b=7@2 ");
        rig_crash(&r);
        rig_open(&r);
        assert_contents(&r, "/a=100@1 /b=7@2 ");
        rig_done(&r);
    }
}

/* What a failed sync called not written does not come back with a crash. */
static void test_failed_sync_is_taken_back(void **state)
{
    static const int errors[] = {EIO, ENOSPC, EDQUOT};
    for (uint64_t seed = 0; seed < RUNS; seed++) {
        struct rig r;
        int error = errors[seed % ARRAY_LEN(errors)];
        rig_init(&r, seed, 0);
        assert_int_equal(put(&r, "/a", 100), 0);
        fail_calls(&r, SIMDISK_SYNC, "-wal", 1, error);
        assert_int_equal(put(&r, "/a", 200), error == EIO ? -EIO : -ENOSPC);
        assert_contents(&r, "/a=100@1 ");
        rig_crash(&r);
        rig_open(&r);
        assert_contents(&r, "/a=100@1 ");
        assert_int_equal(put(&r, "/a", 300), 0);
        assert_contents(&r, "/a=300@2 ");
        rig_done(&r);
    }
}

/* A write-back that fails costs space, no write; what it left half done is not believed. */
static void test_failed_checkpoint(void **state)
{
    static const unsigned calls[] = {SIMDISK_WRITE, SIMDISK_SYNC,
                                     SIMDISK_WRITE | SIMDISK_SYNC | SIMDISK_TRUNCATE};
    for (uint64_t seed = 0; seed < RUNS; seed++) {
        struct rig r;
        rig_init(&r, seed, 1);
        fail_calls(&r, calls[seed % ARRAY_LEN(calls)], "store.db", UINT64_MAX, seed % 2 ? EIO : ENOSPC);
        for (int i = 0; i < 8; i++)
            assert_int_equal(put(&r, i % 2 ? "/a" : "/b", 5000 + (size_t)i), 0);
        assert_true(simdisk_stats(r.disk).n_faults >= 8);
        assert_contents(&r, "/a=5007@8 /b=5006@7 ");
        if (seed % 4 < 2)
            simdisk_set_fault(r.disk, NULL);
        assert_int_equal(put(&r, "/c", 1), 0);
        rig_crash(&r);
        rig_open(&r);
        assert_contents(&r, "/a=5007@8 /b=5006@7 /c=1@9 ");
        rig_done(&r);
    }
}

/* The first page of FILE that is a piece of a long value of x's, or 0. */
static uint64_t find_overflow_page(const char *path)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NAME);
    sqlite3_file *f = mem_zalloc((size_t)vfs->szOsFile);
    char page[4096];
    uint64_t at = 0;
    assert_int_equal(vfs->xOpen(vfs, path, f, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MAIN_DB, NULL), SQLITE_OK);
    while (f->pMethods->xRead(f, page, sizeof page, (int64_t)at) == SQLITE_OK &&
           !(page[0] == 0 && page[3] != 0 && page[4] == 'x' && page[4095] == 'x'))
        at += sizeof page;
    f->pMethods->xClose(f);
    free(f);
    return at;
}

/* A damaged page stops what needs it, not the rest. */
static void test_damage_does_not_stop_writes(void **state)
{
    struct rig r;
    rig_init(&r, 1, 0);
    assert_int_equal(put(&r, "/a", 50000), 0);
    assert_int_equal(put(&r, "/a", 10), 0);
    store_close(r.store);
    uint64_t at = find_overflow_page("/data/store.db");
    assert_true(at > 0);
    assert_int_equal(simdisk_damage(r.disk, "/data/store.db", at, 0x7f), 0); /* where its next page is */
    rig_open(&r);
    compact(&r, 2);
    for (int i = 0; i < 3; i++)
        assert_int_equal(put(&r, "/b", 10), 0);
    assert_contents(&r, "/a=10@2 /b=10@5 ");
    rig_done(&r);
}

/* Acknowledged before it was synced: here a crash right after the answer loses nothing. */
static void test_6368_acknowledged_is_on_disk(void **state)
{
    for (uint64_t seed = 0; seed < RUNS; seed++) {
        struct rig r;
        rig_init(&r, seed, 0);
        for (int i = 1; i <= 5; i++) {
            char want[32];
            assert_int_equal(put(&r, "/a", (size_t)i * 1000), 0);
            rig_crash(&r);
            rig_open(&r);
            snprintf(want, sizeof want, "/a=%d@%d ", i * 1000, i);
            assert_contents(&r, want);
        }
        rig_done(&r);
    }
}

/* The directory was not synced after a file was made: here the names of files last as their contents do, from
 * the very first write. */
static void test_6378_names_of_files_are_on_disk(void **state)
{
    for (uint64_t seed = 0; seed < RUNS; seed++) {
        struct rig r;
        rig_init(&r, seed, 0);
        assert_int_equal(put(&r, "/a", 1), 0);
        assert_true(simdisk_stats(r.disk).n_dir_syncs > 0);
        rig_crash(&r);
        rig_open(&r);
        assert_contents(&r, "/a=1@1 ");
        store_close(r.store); /* removes the log's file, whose name may come back with a crash */
        simdisk_crash(r.disk);
        rig_open(&r);
        assert_int_equal(put(&r, "/a", 2), 0);
        rig_crash(&r);
        rig_open(&r);
        assert_contents(&r, "/a=2@2 ");
        rig_done(&r);
    }
}

/* A record torn at the log's end was fatal: here the next start leaves it out. */
static void test_14098_torn_tail_is_left_out(void **state)
{
    uint64_t n_torn = 0;
    for (uint64_t seed = 0; seed < RUNS; seed++) {
        struct rig r;
        rig_init(&r, seed, 0);
        assert_int_equal(put(&r, "/a", 100), 0);
        simdisk_cut_after(r.disk, 2 + seed % 6); /* in the middle of the next group's frames */
        submit(&r, STORE_PUT, "/a", 30000);
        (void)finish(&r);
        assert_true(simdisk_is_off(r.disk));
        rig_crash(&r);
        n_torn += simdisk_stats(r.disk).n_torn;
        rig_open(&r);
        assert_contents(&r, "/a=100@1 ");
        assert_int_equal(put(&r, "/a", 300), 0);
        rig_crash(&r);
        rig_open(&r);
        assert_contents(&r, "/a=300@2 ");
        rig_done(&r);
    }
    assert_true(n_torn > RUNS / 4);
}

/* Compaction that was interrupted wedged: here one that fails or is cut off is made up for by the next, and
 * what was deleted stays deleted. */
static void test_14370_interrupted_compaction(void **state)
{
    for (uint64_t seed = 0; seed < RUNS; seed++) {
        struct rig r;
        rig_init(&r, seed, seed % 2);
        put(&r, "/a", 5000);
        put(&r, "/b", 10);
        put(&r, "/a", 6000);
        assert_int_equal(put(&r, "/c", 10), 0);
        fail_calls(&r, SIMDISK_WRITE | SIMDISK_SYNC, "-wal", 1, seed % 3 ? ENOSPC : EIO);
        compact(&r, 4); /* fails: the first version of /a stays on disk */
        simdisk_set_fault(r.disk, NULL);
        assert_int_equal(erase(&r, "/a"), 0);
        put(&r, "/b", 20);
        compact(&r, 6);
        assert_contents(&r, "/b=20@6 /c=10@4 ");
        rig_crash(&r);
        rig_open(&r);
        assert_contents(&r, "/b=20@6 /c=10@4 ");
        put(&r, "/b", 30);
        simdisk_cut_after(r.disk, 1 + seed % 4);
        compact(&r, 7);
        rig_crash(&r);
        rig_open(&r);
        assert_contents(&r, "/b=30@7 /c=10@4 ");
        compact(&r, 7);
        assert_int_equal(store_compacted(r.store), 7);
        assert_int_equal(put(&r, "/d", 1), 0);
        assert_contents(&r, "/b=30@7 /c=10@4 /d=1@8 ");
        rig_done(&r);
    }
}

RUN_TESTS(cmocka_unit_test(test_full_disk), cmocka_unit_test(test_failed_sync_is_taken_back),
          cmocka_unit_test(test_failed_checkpoint), cmocka_unit_test(test_damage_does_not_stop_writes),
          cmocka_unit_test(test_6368_acknowledged_is_on_disk),
          cmocka_unit_test(test_6378_names_of_files_are_on_disk),
          cmocka_unit_test(test_14098_torn_tail_is_left_out),
          cmocka_unit_test(test_14370_interrupted_compaction))
