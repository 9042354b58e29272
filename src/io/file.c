#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static void fd_closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int file_read(const char *path, size_t max_len, struct strbuf *out, struct err *err)
{
    _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, -errno, "%s cannot be opened", path);
    for (size_t total = 0;;) {
        char chunk[16384];
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set_errno(err, -errno, "%s cannot be read", path);
        if (n == 0)
            return 0;
        total += (size_t)n;
        if (total > max_len)
            return err_set(err, -EFBIG, "%s is longer than %zu bytes", path, max_len);
        strbuf_add(out, chunk, (size_t)n);
    }
}

static int write_all(int fd, struct str bytes)
{
    while (bytes.len) {
        ssize_t n = write(fd, bytes.p, bytes.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        bytes = str_slice(bytes, (size_t)n, bytes.len);
    }
    return 0;
}

static int write_temporary(const char *path, struct str bytes, unsigned mode)
{
    (void)unlink(path); /* left by a crash, or not there */
    _cleanup_(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return -errno;
    int r = write_all(fd, bytes);
    if (r == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
        r = -errno;
    return r;
}

/* The directory of PATH, without its last '/'. */
static void add_parent(const char *path, struct strbuf *out)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        strbuf_addc(out, '.');
    else
        strbuf_add(out, path, slash == path ? 1 : (size_t)(slash - path));
}

static int sync_parent(const char *path)
{
    _cleanup_(strbuf_done) struct strbuf dir = {0};
    add_parent(path, &dir);
    _cleanup_(fd_closep) int fd = open(dir.p, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int file_write_mode(const char *path, struct str bytes, unsigned mode, struct err *err)
{
    _cleanup_(strbuf_done) struct strbuf temporary = {0};
    strbuf_addf(&temporary, "%s.new", path);
    int r = write_temporary(temporary.p, bytes, mode);
    if (r == 0 && rename(temporary.p, path) < 0)
        r = -errno;
    if (r < 0) {
        (void)unlink(temporary.p); /* the reason is known already */
        return err_set_errno(err, r, "%s cannot be written", path);
    }
    r = sync_parent(path);
    return r < 0 ? err_set_errno(err, r, "the directory of %s cannot be synced", path) : 0;
}

int file_write(const char *path, struct str bytes, struct err *err)
{
    return file_write_mode(path, bytes, 0600, err);
}

int file_make_directory(const char *path, struct err *err)
{
    _cleanup_(mem_freep) char *copy = mem_strdup(path);
    for (char *p = copy;;) {
        p += strspn(p, "/");
        p += strcspn(p, "/");
        char saved = *p;
        *p = 0;
        struct stat st;
        if (mkdir(copy, 0700) < 0 && (errno != EEXIST || stat(copy, &st) < 0 || !S_ISDIR(st.st_mode)))
            return err_set_errno(err, errno == EEXIST ? -ENOTDIR : -errno, "the directory %s cannot be made",
                                 copy);
        *p = saved;
        if (!saved || !p[strspn(p, "/")])
            return 0;
    }
}

int file_lock_directory(const char *dir, const char *name, int *ret_fd, struct err *err)
{
    _cleanup_(strbuf_done) struct strbuf path = {0};
    strbuf_addf(&path, "%s/%s", dir, name);
    _cleanup_(fd_closep) int fd = open(path.p, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set_errno(err, -errno, "the lock %s cannot be opened", path.p);
    char text[32] = "";
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int r = errno == EWOULDBLOCK ? -EBUSY : -errno;
        (void)!pread(fd, text, sizeof text - 1, 0); /* only for the message */
        text[strcspn(text, "\n")] = 0;
        return r == -EBUSY ? err_set(err, r, "%s is in use by process %s", dir, *text ? text : "unknown")
                           : err_set_errno(err, r, "the lock %s cannot be taken", path.p);
    }
    int len = snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)len, 0) != len)
        return err_set_errno(err, -errno, "the lock %s cannot be written", path.p);
    *ret_fd = fd;
    fd = -1;
    return 0;
}
