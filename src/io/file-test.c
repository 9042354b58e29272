#include "base/test.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/file.h"

struct place {
    char dir[64], path[128];
};

static int make_place(void **state)
{
    struct place *p = mem_new(struct place);
    snprintf(p->dir, sizeof p->dir, "/tmp/fairlead-file-test-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->path, sizeof p->path, "%s/file", p->dir);
    *state = p;
    return 0;
}

static int drop_place(void **state)
{
    struct place *p = *state;
    unlink(p->path);
    assert_int_equal(rmdir(p->dir), 0); /* no temporary file is left */
    free(p);
    return 0;
}

static void test_write_and_read(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    _cleanup_(strbuf_done) struct strbuf b = {0};
    struct stat st;
    assert_int_equal(file_read(p->path, 100, &b, &err), -ENOENT);
    assert_non_null(strstr(err.text, p->path));
    assert_int_equal(file_write(p->path, STR("first version"), &err), 0);
    assert_int_equal(file_write(p->path, STR("second"), &err), 0);
    assert_int_equal(stat(p->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(file_read(p->path, 6, &b, &err), 0);
    assert_string_equal(b.p, "second");
    strbuf_truncate(&b, 0);
    assert_int_equal(file_read(p->path, 5, &b, &err), -EFBIG);
    assert_int_equal(file_write("/nowhere/x", STR("x"), &err), -ENOENT);
    assert_int_equal(file_read(p->dir, 100, &b, &err), -EISDIR);
}

static void test_make_directory(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    char deep[256], file[300];
    snprintf(deep, sizeof deep, "%s/a//b/c/", p->dir);
    assert_int_equal(file_make_directory(deep, &err), 0);
    assert_int_equal(file_make_directory(deep, &err), 0);
    assert_int_equal(file_write(p->path, STR("x"), &err), 0);
    snprintf(file, sizeof file, "%s/d", p->path);
    assert_int_equal(file_make_directory(file, &err), -ENOTDIR);
    for (int n = 0; n < 3; n++) {
        snprintf(deep, sizeof deep, "%s/%s", p->dir, n == 0 ? "a/b/c" : n == 1 ? "a/b" : "a");
        assert_int_equal(rmdir(deep), 0);
    }
}

static void test_lock(void **state)
{
    struct place *p = *state;
    struct err err = {0};
    int fd = -1, second = -1;
    assert_int_equal(file_lock_directory(p->dir, "file", &fd, &err), 0);
    assert_int_equal(file_lock_directory(p->dir, "file", &second, &err), -EBUSY);
    char pid[32];
    snprintf(pid, sizeof pid, "process %d", (int)getpid());
    assert_non_null(strstr(err.text, pid));
    close(fd);
    /* A process that dies leaves it free. */
    pid_t child = fork();
    if (child == 0)
        _exit(file_lock_directory(p->dir, "file", &fd, NULL) == 0 ? 0 : 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(file_lock_directory(p->dir, "file", &second, &err), 0);
    close(second);
}

RUN_TESTS(cmocka_unit_test_setup_teardown(test_write_and_read, make_place, drop_place),
          cmocka_unit_test_setup_teardown(test_make_directory, make_place, drop_place),
          cmocka_unit_test_setup_teardown(test_lock, make_place, drop_place))
