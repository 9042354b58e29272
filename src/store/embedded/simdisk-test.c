/* The simulated disk by itself, and the store's conformance cases on it. */
#include "store/embedded/simdisk.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>

#include "base/test.h"
#include "store/embedded/embedded.h"
#include "store/store-conformance.h"

#define RUNS 64

/* One file of a disk, opened as SQLite would. */
struct file {
    struct simdisk *disk;
    sqlite3_vfs *vfs;
    sqlite3_file *f;
};

static int file_open(struct file *t, const char *path, int type)
{
    t->vfs = sqlite3_vfs_find("test");
    t->f = mem_zalloc((size_t)t->vfs->szOsFile);
    int r = t->vfs->xOpen(t->vfs, path, t->f, type | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (r != SQLITE_OK) {
        free(t->f);
        t->f = NULL;
    }
    return r;
}

static void file_end(struct file *t)
{
    t->f->pMethods->xClose(t->f);
    free(t->f);
    t->f = NULL;
}

static int file_fill(struct file *t, char c, int len, int64_t offset)
{
    char *bytes = mem_alloc((size_t)len);
    memset(bytes, c, (size_t)len);
    int r = t->f->pMethods->xWrite(t->f, bytes, len, offset);
    free(bytes);
    return r;
}

static char file_at(struct file *t, int64_t offset)
{
    char c = 0;
    return t->f->pMethods->xRead(t->f, &c, 1, offset) == SQLITE_OK ? c : 0;
}

static int file_sync(struct file *t)
{
    return t->f->pMethods->xSync(t->f, SQLITE_SYNC_NORMAL);
}

/* What is synced stays; what is not is there, gone or torn at sectors, and every one of these comes up. */
static void test_a_crash_tears_what_is_not_synced(void **state)
{
    int n_kept = 0, n_lost = 0, n_torn = 0;
    for (int seed = 0; seed < RUNS; seed++) {
        struct file t = {simdisk_new("test", (uint64_t)seed)};
        assert_int_equal(file_open(&t, "/wal", SQLITE_OPEN_WAL), SQLITE_OK);
        file_fill(&t, 'a', 4096, 0);
        assert_int_equal(file_sync(&t), SQLITE_OK);
        file_fill(&t, 'b', 2048, 0);
        simdisk_power_off(t.disk);
        assert_int_not_equal(file_fill(&t, 'c', 4096, 0), SQLITE_OK);
        assert_int_not_equal(file_sync(&t), SQLITE_OK);
        file_end(&t);
        simdisk_crash(t.disk);
        assert_int_equal(file_open(&t, "/wal", SQLITE_OPEN_WAL), SQLITE_OK);
        int n_new = 0;
        for (int at = 0; at < 2048; at++) {
            char c = file_at(&t, at);
            assert_true(c == 'a' || c == 'b');
            assert_int_equal(c, file_at(&t, at / 512 * 512));
            n_new += c == 'b';
        }
        assert_int_equal(file_at(&t, 2048), 'a');
        assert_int_equal(file_at(&t, 4095), 'a');
        n_kept += n_new == 2048;
        n_lost += n_new == 0;
        n_torn += n_new > 0 && n_new < 2048;
        file_end(&t);
        simdisk_free(t.disk);
    }
    assert_true(n_kept && n_lost && n_torn);
}

/* A file made or deleted is there or not until its directory is synced. */
static void test_a_crash_loses_names(void **state)
{
    int n_made = 0, n_deleted = 0;
    for (int seed = 0; seed < RUNS; seed++) {
        struct file wal = {simdisk_new("test", (uint64_t)seed)}, db = {wal.disk};
        int exists;
        file_open(&wal, "/wal", SQLITE_OPEN_WAL);
        file_sync(&wal); /* syncs the directory: "/wal" is there for good */
        file_open(&db, "/db", SQLITE_OPEN_MAIN_DB);
        file_fill(&db, 'a', 10, 0);
        file_sync(&db); /* syncs only the file */
        file_fill(&wal, 'a', 10, 0);
        file_sync(&wal);
        wal.vfs->xDelete(wal.vfs, "/wal", 0);
        file_end(&wal);
        file_end(&db);
        simdisk_power_off(wal.disk);
        simdisk_crash(wal.disk);
        wal.vfs->xAccess(wal.vfs, "/db", SQLITE_ACCESS_EXISTS, &exists);
        n_made += exists;
        wal.vfs->xAccess(wal.vfs, "/wal", SQLITE_ACCESS_EXISTS, &exists);
        n_deleted += !exists;
        simdisk_free(wal.disk);
    }
    assert_true(n_made > 0 && n_made < RUNS);
    assert_true(n_deleted > 0 && n_deleted < RUNS);
}

static void test_faults_come_when_told(void **state)
{
    struct file t = {simdisk_new("test", 1)};
    file_open(&t, "/a-wal", SQLITE_OPEN_WAL);
    simdisk_set_fault(t.disk, &(struct simdisk_fault){SIMDISK_WRITE, "-wal", 1, 2, ENOSPC});
    assert_int_equal(file_fill(&t, 'a', 10, 0), SQLITE_OK);
    assert_int_equal(file_fill(&t, 'a', 10, 10), SQLITE_FULL);
    assert_int_equal(file_fill(&t, 'a', 10, 10), SQLITE_FULL);
    assert_int_equal(file_fill(&t, 'a', 10, 10), SQLITE_OK);
    simdisk_set_fault(t.disk, &(struct simdisk_fault){SIMDISK_SYNC, NULL, 0, 1, EIO});
    assert_int_equal(file_sync(&t), SQLITE_IOERR_FSYNC);
    assert_int_equal(file_sync(&t), SQLITE_OK);
    simdisk_set_capacity(t.disk, 100);
    assert_int_equal(file_fill(&t, 'b', 100, 0), SQLITE_OK);
    assert_int_equal(file_fill(&t, 'b', 2, 99), SQLITE_FULL);
    assert_int_equal(simdisk_stats(t.disk).n_faults, 4);
    file_end(&t);
    simdisk_free(t.disk);
}

/* What a failed sync did not bring to disk, the next one does not bring either. */
static void test_a_failed_sync_is_not_made_up_for(void **state)
{
    int n_lost = 0;
    for (int seed = 0; seed < RUNS; seed++) {
        struct file t = {simdisk_new("test", (uint64_t)seed)};
        file_open(&t, "/wal", SQLITE_OPEN_WAL);
        file_fill(&t, 'a', 512, 0);
        file_sync(&t);
        file_fill(&t, 'b', 512, 0);
        simdisk_set_fault(t.disk, &(struct simdisk_fault){SIMDISK_SYNC, NULL, 0, 1, EIO});
        file_sync(&t);
        assert_int_equal(file_sync(&t), SQLITE_OK);
        assert_int_equal(file_at(&t, 0), 'b'); /* still in the cache */
        file_end(&t);
        simdisk_power_off(t.disk);
        simdisk_crash(t.disk);
        file_open(&t, "/wal", SQLITE_OPEN_WAL);
        n_lost += file_at(&t, 0) == 'a';
        file_end(&t);
        simdisk_free(t.disk);
    }
    assert_true(n_lost > 0 && n_lost < RUNS);
}

static void test_the_power_goes_in_a_call(void **state)
{
    struct file t = {simdisk_new("test", 1)};
    simdisk_cut_after(t.disk, 3);
    file_open(&t, "/a", SQLITE_OPEN_WAL);
    assert_int_equal(file_fill(&t, 'a', 10, 0), SQLITE_OK);
    assert_false(simdisk_is_off(t.disk));
    assert_int_not_equal(file_sync(&t), SQLITE_OK);
    assert_true(simdisk_is_off(t.disk));
    assert_int_not_equal(file_fill(&t, 'a', 10, 0), SQLITE_OK);
    file_end(&t);
    simdisk_crash(t.disk);
    assert_int_equal(simdisk_damage(t.disk, "/none", 0, 1), -ENOENT);
    simdisk_free(t.disk);
}

/* --- the store on it --- */

static struct store *make(struct loop *loop, void *user)
{
    struct simdisk **disk = user;
    struct store *s;
    struct err err = {0};
    *disk = simdisk_new("conformance", 1);
    const struct store_embedded_options o = {
        .loop = loop, .path = "/data", .vfs = "conformance", .inline_commits = true};
    if (store_embedded_open(&o, &s, &err) < 0)
        fail_msg("%s", err.text);
    return s;
}

static void clean(void *user)
{
    struct simdisk **disk = user;
    simdisk_free(*disk);
}

static struct loop *make_loop(void)
{
    return loop_new_scripted((struct monotime){0}, (struct walltime){0});
}

int main(void)
{
    struct simdisk *disk = NULL;
    int failed = store_conformance_run(&(struct store_maker){make, clean, make_loop, &disk});
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_crash_tears_what_is_not_synced),
        cmocka_unit_test(test_a_crash_loses_names),
        cmocka_unit_test(test_faults_come_when_told),
        cmocka_unit_test(test_a_failed_sync_is_not_made_up_for),
        cmocka_unit_test(test_the_power_goes_in_a_call),
    };
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
