/* The conformance cases on a real disk with the writer thread, and inline; then what only a disk can do. */
#include "store/embedded/embedded.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/test.h"
#include "store/embedded/simdisk.h"
#include "store/store-conformance.h"

struct place {
    char dir[64];
    bool is_inline;
};

static struct store *open_store(struct place *p, struct loop *loop, struct err *err)
{
    struct store *s = NULL;
    struct store_embedded_options o = {
        .loop = loop, .path = p->dir, .inline_commits = p->is_inline, .max_history = 1000};
    return store_embedded_open(&o, &s, err) < 0 ? NULL : s;
}

static struct store *make(struct loop *loop, void *user)
{
    struct place *p = user;
    struct err err = {0};
    snprintf(p->dir, sizeof p->dir, "/tmp/fairlead-store-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    struct store *s = open_store(p, loop, &err);
    if (!s)
        fail_msg("%s", err.text);
    return s;
}

static void clean(void *user)
{
    struct place *p = user;
    static const char *const names[] = {"/store.db", "/store.db-wal", "/store.db-shm"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[96];
        snprintf(path, sizeof path, "%s%s", p->dir, names[i]);
        unlink(path);
    }
    rmdir(p->dir);
}

static struct loop *make_scripted(void)
{
    return loop_new_scripted((struct monotime){0}, (struct walltime){0});
}

struct written {
    int waiting, status;
    int64_t revision;
    char text[480];
};

static void on_written(void *user, const struct store_result *result)
{
    struct written *w = user;
    w->waiting--;
    w->status = result->status;
    w->revision = result->revision;
    snprintf(w->text, sizeof w->text, "%s", result->err ? result->err->text : "");
}

static struct written put(struct store *s, struct loop *loop, const char *key, const char *value)
{
    struct written w = {.waiting = 1};
    struct store_op op = {STORE_PUT, str_of(key), str_of(value), STORE_ANY};
    store_write(s, &op, 1, on_written, &w);
    while (w.waiting)
        loop_step(loop, 1000);
    return w;
}

static void on_count(void *user, const struct store_page *page)
{
    *(int *)user = page->status ? -1 : (int)page->n_items;
}

static int count(struct store *s, struct loop *loop)
{
    int n = -2;
    store_read(s, STR("/"), STR("0"), 0, 0, on_count, &n);
    while (n == -2)
        loop_step(loop, 1000);
    return n;
}

/* #6368: acknowledged means on disk; #14370: history and compaction survive. */
static void test_reopen_finds_everything(void **state)
{
    struct place p = {.is_inline = false};
    struct loop *loop = loop_new();
    struct store *s = make(loop, &p);
    int64_t last = 0;
    for (int i = 0; i < 50; i++) {
        char key[16];
        snprintf(key, sizeof key, "/k%d", i % 20);
        last = put(s, loop, key, "v").revision;
    }
    store_compact(s, last - 5);
    put(s, loop, "/z", "v");
    store_close(s);
    loop_step(loop, 0);
    s = open_store(&p, loop, NULL);
    assert_non_null(s);
    assert_int_equal(store_revision(s), last + 1);
    assert_int_equal(store_compacted(s), last - 5);
    assert_int_equal(count(s, loop), 21);
    assert_int_equal(put(s, loop, "/z", "w").revision, last + 2);
    struct stat st;
    char path[96];
    snprintf(path, sizeof path, "%s/store.db", p.dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    store_close(s);
    loop_step(loop, 0);
    loop_free(loop);
    clean(&p);
}

/* The number of a revision whose rows were all compacted away does not come again. */
static void test_revision_never_goes_back(void **state)
{
    struct place p = {.is_inline = false};
    struct loop *loop = loop_new();
    struct store *s = make(loop, &p);
    put(s, loop, "/a", "v");
    struct written w = {.waiting = 1};
    struct store_op op = {STORE_DELETE, STR("/a"), STR_NONE, STORE_ANY};
    store_write(s, &op, 1, on_written, &w);
    while (w.waiting)
        loop_step(loop, 1000);
    store_compact(s, w.revision);
    assert_int_equal(count(s, loop), 0);
    store_close(s);
    loop_step(loop, 0);
    s = open_store(&p, loop, NULL);
    assert_int_equal(put(s, loop, "/a", "v").revision, w.revision + 1);
    store_close(s);
    loop_step(loop, 0);
    loop_free(loop);
    clean(&p);
}

static void exec_sql(struct place *p, const char *sql)
{
    char path[96];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/store.db", p->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void assert_refused(struct place *p, struct loop *loop, int code, const char *word)
{
    struct err err = {0};
    assert_null(open_store(p, loop, &err));
    assert_int_equal(err.code, code);
    if (str_find(str_of(err.text), str_of(word)) < 0)
        fail_msg("\"%s\" does not say \"%s\"", err.text, word);
}

static void test_refusals_are_sentences(void **state)
{
    struct place p = {.is_inline = false};
    struct loop *loop = loop_new();
    struct store *s = make(loop, &p);
    put(s, loop, "/a", "v");
    assert_refused(&p, loop, -EBUSY, "another process has");
    store_close(s);
    loop_step(loop, 0);

    exec_sql(&p, "PRAGMA user_version = 2");
    assert_refused(&p, loop, -EPROTO, "newer fairlead");
    exec_sql(&p, "PRAGMA user_version = 1");
    s = open_store(&p, loop, NULL);
    assert_int_equal(count(s, loop), 1);
    store_close(s);
    loop_step(loop, 0);

    char path[96];
    snprintf(path, sizeof path, "%s/store.db", p.dir);
    int fd = open(path, O_WRONLY);
    assert_int_equal(write(fd, "this is no database at all", 26), 26);
    close(fd);
    assert_refused(&p, loop, -EUCLEAN, "is damaged");
    loop_free(loop);
    clean(&p);
}

static void test_history_is_bounded(void **state)
{
    struct place p = {.is_inline = true};
    struct loop *loop = make_scripted();
    struct store *s = make(loop, &p);
    for (int i = 0; i < 3000; i++)
        put(s, loop, "/a", "v");
    loop_step(loop, 0);
    assert_true(store_compacted(s) > 1500 && store_compacted(s) < 3000);
    store_close(s);
    loop_free(loop);
    clean(&p);
}

static struct store *open_simulated(struct loop *loop)
{
    struct store *s;
    struct err err = {0};
    const struct store_embedded_options o = {
        .loop = loop, .path = "/data", .vfs = "failing", .inline_commits = true};
    if (store_embedded_open(&o, &s, &err) < 0)
        fail_msg("%s", err.text);
    return s;
}

/* A write whose sync failed was called not written: no crash may bring it back (seed decides what of the
 * unsynced log survives). With N_FAILING 2 the attempt to take it back fails too; then a start decides. */
static int count_after_failed_sync(uint64_t seed, uint64_t n_failing)
{
    struct loop *loop = make_scripted();
    struct simdisk *disk = simdisk_new("failing", seed);
    struct store *s = open_simulated(loop);
    const struct simdisk_fault fault = {
        .calls = SIMDISK_SYNC, .suffix = "-wal", .count = n_failing, .error = EIO};
    assert_int_equal(put(s, loop, "/kept", "v").status, 0);
    simdisk_set_fault(disk, &fault);
    assert_int_equal(put(s, loop, "/failed", "v").status, -EIO);
    simdisk_set_fault(disk, NULL);
    for (int i = 0, n_stops = n_failing > 1 ? 2 : 1; i < n_stops; i++) {
        if (i == n_stops - 1)
            simdisk_power_off(disk);
        store_close(s);
        if (i == n_stops - 1)
            simdisk_crash(disk);
        s = open_simulated(loop);
    }
    int n = count(s, loop);
    store_close(s);
    simdisk_free(disk);
    loop_free(loop);
    return n;
}

static void test_a_failed_write_stays_away(void **state)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        assert_int_equal(count_after_failed_sync(seed, 1), 1);
        assert_int_equal(count_after_failed_sync(seed, 2), 1);
    }
}

int main(void)
{
    struct place threaded = {.is_inline = false}, inlined = {.is_inline = true};
    int failed = store_conformance_run(&(struct store_maker){make, clean, loop_new, &threaded});
    failed += store_conformance_run(&(struct store_maker){make, clean, make_scripted, &inlined});
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reopen_finds_everything),   cmocka_unit_test(test_revision_never_goes_back),
        cmocka_unit_test(test_refusals_are_sentences),    cmocka_unit_test(test_history_is_bounded),
        cmocka_unit_test(test_a_failed_write_stays_away),
    };
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
