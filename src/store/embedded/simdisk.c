#include "store/embedded/simdisk.h"

#include <assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>

#include "base/array.h"
#include "base/random.h"
#include "base/str.h"

#define SECTOR   512
#define MAX_PATH 256

/* A write or truncation that is not synced. */
struct change {
    uint64_t offset; /* of a truncation: the new length */
    struct str data; /* owned; p NULL: a truncation */
};

struct changes {
    struct change *v;
    size_t n, capacity;
};

/* What a file is, whatever names it has. */
struct inode {
    struct strbuf live;   /* as processes see it */
    struct strbuf stable; /* as a crash leaves it, but for: */
    struct changes unsynced;
    unsigned n_handles, n_readers;
    const struct handle *writer; /* has more than a read lock */
};

struct name {
    char path[MAX_PATH];
    struct inode *inode; /* of a pending operation: NULL deletes */
};

struct names {
    struct name *v;
    size_t n, capacity;
};

struct handle {
    sqlite3_file base;
    struct simdisk *disk;
    struct inode *inode;
    char path[MAX_PATH];
    int lock;
    bool must_sync_dir; /* SQLite's rule: the first sync of a journal made here syncs its directory too */
    bool must_delete;
};

struct simdisk {
    sqlite3_vfs vfs;
    char *vfs_name;
    struct random random;
    ARRAY_OF(struct inode *) inodes;
    struct names live, stable, pending; /* pending: operations on LIVE that STABLE has not seen, in order */
    struct simdisk_fault fault;         /* no calls: none */
    uint64_t capacity, cut_after;
    bool is_off;
    int last_errno;
    struct simdisk_stats stats;
};

/* --- bytes --- */

static void bytes_resize(struct strbuf *b, size_t len)
{
    if (len > b->len) {
        strbuf_reserve(b, len - b->len);
        memset(b->p + b->len, 0, len - b->len);
    }
    b->len = len;
}

static void bytes_put(struct strbuf *b, uint64_t offset, struct str data)
{
    if (offset + data.len > b->len)
        bytes_resize(b, offset + data.len);
    memcpy(b->p + offset, data.p, data.len);
}

static void change_apply(struct strbuf *b, const struct change *c)
{
    if (c->data.p)
        bytes_put(b, c->offset, c->data);
    else if (c->offset < b->len)
        bytes_resize(b, c->offset);
}

/* --- what survives --- */

enum fate { FATE_KEPT, FATE_LOST, FATE_SECTORS };

/* Applies each sector of a write or not. */
static void change_tear(struct simdisk *d, struct strbuf *b, const struct change *c)
{
    size_t n_done = 0;
    for (size_t at = 0; at < c->data.len;) {
        size_t n = MIN(c->data.len - at, SECTOR - (c->offset + at) % SECTOR);
        if (random_below(&d->random, 2)) {
            bytes_put(b, c->offset + at, (struct str){c->data.p + at, n});
            n_done += n;
        }
        at += n;
    }
    d->stats.n_torn += n_done && n_done < c->data.len;
    d->stats.n_lost += !n_done;
    d->stats.n_kept += n_done == c->data.len;
}

static void change_meet(struct simdisk *d, struct strbuf *b, const struct change *c, enum fate fate)
{
    if (fate == FATE_SECTORS && c->data.p) {
        change_tear(d, b, c);
        return;
    }
    if (fate == FATE_SECTORS)
        fate = random_below(&d->random, 2) ? FATE_KEPT : FATE_LOST;
    if (fate == FATE_KEPT)
        change_apply(b, c);
    d->stats.n_kept += fate == FATE_KEPT;
    d->stats.n_lost += fate == FATE_LOST;
}

static void inode_forget_changes(struct inode *i)
{
    array_foreach (&i->unsynced, c)
        free((char *)c->data.p);
    i->unsynced.n = 0;
}

/* Real disks do all of these: write everything back in time, nothing, in order up to a point, in any order.
 */
static void inode_decide(struct simdisk *d, struct inode *i)
{
    size_t n = i->unsynced.n, whole = 0, torn = 0;
    switch (n ? random_below(&d->random, 4) : 0) {
    case 0:
        break;
    case 1:
        whole = n;
        break;
    case 2:
        whole = random_below(&d->random, n);
        torn = whole + 1;
        break;
    default:
        torn = n;
        break;
    }
    for (size_t at = 0; at < n; at++)
        change_meet(d, &i->stable, &i->unsynced.v[at],
                    at < whole  ? FATE_KEPT
                    : at < torn ? FATE_SECTORS
                                : FATE_LOST);
    inode_forget_changes(i);
}

static void inode_settle(struct inode *i)
{
    array_foreach (&i->unsynced, c)
        change_apply(&i->stable, c);
    inode_forget_changes(i);
}

/* --- names --- */

static struct name *names_find(const struct names *names, const char *path)
{
    array_foreach (names, n)
        if (!strcmp(n->path, path))
            return n;
    return NULL;
}

/* Links PATH to INODE, or unlinks it if that is NULL. */
static void names_set(struct names *names, const char *path, struct inode *inode)
{
    struct name *n = names_find(names, path);
    if (!inode) {
        if (n)
            array_remove(names, (size_t)(n - names->v));
        return;
    }
    if (!n) {
        n = array_push(names);
        snprintf(n->path, sizeof n->path, "%s", path);
    }
    n->inode = inode;
}

static bool names_have(const struct names *names, const struct inode *inode)
{
    array_foreach (names, n)
        if (n->inode == inode)
            return true;
    return false;
}

static void inode_free(struct inode *i)
{
    inode_forget_changes(i);
    array_done(&i->unsynced);
    strbuf_done(&i->live);
    strbuf_done(&i->stable);
    free(i);
}

/* Frees the inodes that nothing can reach any more. */
static void disk_collect(struct simdisk *d)
{
    for (size_t at = d->inodes.n; at-- > 0;) {
        struct inode *i = d->inodes.v[at];
        if (i->n_handles || names_have(&d->live, i) || names_have(&d->stable, i) ||
            names_have(&d->pending, i))
            continue;
        inode_free(i);
        array_remove(&d->inodes, at);
    }
}

static void disk_link(struct simdisk *d, const char *path, struct inode *inode)
{
    names_set(&d->live, path, inode);
    struct name *op = array_push(&d->pending);
    snprintf(op->path, sizeof op->path, "%s", path);
    op->inode = inode;
}

/* One directory for all: syncing it brings every pending operation to disk. */
static void disk_sync_directory(struct simdisk *d)
{
    d->stats.n_dir_syncs++;
    array_foreach (&d->pending, op)
        names_set(&d->stable, op->path, op->inode);
    d->pending.n = 0;
    disk_collect(d);
}

/* Of each name's pending operations the first few survive. */
static void disk_decide_names(struct simdisk *d)
{
    struct names lost = {0};
    uint64_t mood = random_below(&d->random, 3); /* all, none, each by itself */
    array_foreach (&d->pending, op) {
        bool is_kept = mood == 0 || (mood == 2 && random_below(&d->random, 2));
        if (is_kept && !names_find(&lost, op->path))
            names_set(&d->stable, op->path, op->inode);
        else
            snprintf(array_push(&lost)->path, MAX_PATH, "%s", op->path);
    }
    array_done(&lost);
    d->pending.n = 0;
}

static uint64_t disk_used(const struct simdisk *d)
{
    uint64_t used = 0;
    for (size_t i = 0; i < d->inodes.n; i++)
        used += d->inodes.v[i]->live.len;
    return used;
}

/* --- faults --- */

enum verdict {
    VERDICT_GO,
    VERDICT_FAIL, /* with last_errno; the call may do a part of its work */
    VERDICT_OFF,  /* does nothing */
};

static bool fault_hits(struct simdisk *d, enum simdisk_call call, const char *path)
{
    struct simdisk_fault *f = &d->fault;
    if (!(f->calls & call) || (f->suffix && !str_has_suffix(str_of(path), str_of(f->suffix))))
        return false;
    if (f->skip) {
        f->skip--;
        return false;
    }
    if (!f->count)
        return false;
    if (f->count != UINT64_MAX)
        f->count--;
    return true;
}

static enum verdict disk_enter(struct simdisk *d, enum simdisk_call call, const char *path)
{
    if (d->is_off) {
        d->last_errno = EIO;
        return VERDICT_OFF;
    }
    if (call & SIMDISK_CHANGES) {
        d->stats.n_changes++;
        if (d->cut_after && --d->cut_after == 0) {
            d->is_off = true;
            d->last_errno = EIO;
            return VERDICT_FAIL;
        }
    }
    if (!fault_hits(d, call, path))
        return VERDICT_GO;
    d->stats.n_faults++;
    d->last_errno = d->fault.error;
    return VERDICT_FAIL;
}

/* Whether a call that may fail does its work: some do it and fail all the same. */
static bool disk_acts(struct simdisk *d, enum verdict verdict)
{
    return verdict == VERDICT_GO || (verdict == VERDICT_FAIL && random_below(&d->random, 2));
}

/* --- SQLite's file --- */

static struct handle *handle_of(sqlite3_file *f)
{
    return (struct handle *)f;
}

static int file_unlock(sqlite3_file *f, int level)
{
    struct handle *h = handle_of(f);
    struct inode *i = h->inode;
    if (h->lock <= level)
        return SQLITE_OK;
    if (i->writer == h && level <= SQLITE_LOCK_SHARED)
        i->writer = NULL;
    if (level == SQLITE_LOCK_NONE)
        i->n_readers--;
    h->lock = level;
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *f, int level)
{
    struct handle *h = handle_of(f);
    struct inode *i = h->inode;
    bool is_others = i->writer && i->writer != h;
    if (h->lock >= level)
        return SQLITE_OK;
    if (level == SQLITE_LOCK_SHARED) {
        if (is_others && i->writer->lock > SQLITE_LOCK_RESERVED)
            return SQLITE_BUSY;
        i->n_readers++;
    } else if (is_others) {
        return SQLITE_BUSY;
    } else {
        i->writer = h;
        if (level == SQLITE_LOCK_EXCLUSIVE && i->n_readers > 1) {
            h->lock = SQLITE_LOCK_PENDING;
            return SQLITE_BUSY;
        }
    }
    h->lock = level;
    return SQLITE_OK;
}

static int file_check_reserved(sqlite3_file *f, int *ret)
{
    *ret = handle_of(f)->inode->writer != NULL;
    return SQLITE_OK;
}

static int file_close(sqlite3_file *f)
{
    struct handle *h = handle_of(f);
    file_unlock(f, SQLITE_LOCK_NONE);
    h->inode->n_handles--;
    if (h->must_delete && !h->disk->is_off)
        disk_link(h->disk, h->path, NULL);
    disk_collect(h->disk);
    return SQLITE_OK;
}

static int file_read(sqlite3_file *f, void *buffer, int n, sqlite3_int64 offset)
{
    struct handle *h = handle_of(f);
    const struct strbuf *live = &h->inode->live;
    if (disk_enter(h->disk, SIMDISK_READ, h->path) != VERDICT_GO)
        return SQLITE_IOERR_READ;
    h->disk->stats.n_reads++;
    size_t there = (uint64_t)offset < live->len ? MIN((size_t)n, live->len - (size_t)offset) : 0;
    if (there)
        memcpy(buffer, live->p + offset, there);
    memset((char *)buffer + there, 0, (size_t)n - there);
    return there == (size_t)n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static void inode_write(struct inode *i, uint64_t offset, struct str data)
{
    if (!data.len)
        return;
    bytes_put(&i->live, offset, data);
    *array_push(&i->unsynced) = (struct change){offset, {mem_dup(data.p, data.len), data.len}};
}

static int file_write(sqlite3_file *f, const void *buffer, int n, sqlite3_int64 offset)
{
    struct handle *h = handle_of(f);
    struct simdisk *d = h->disk;
    size_t len = (size_t)n, grows = 0;
    enum verdict verdict = disk_enter(d, SIMDISK_WRITE, h->path);
    if (verdict == VERDICT_OFF)
        return SQLITE_IOERR_WRITE;
    if ((uint64_t)offset + len > h->inode->live.len)
        grows = (uint64_t)offset + len - h->inode->live.len;
    if (verdict == VERDICT_GO && d->capacity && grows && disk_used(d) + grows > d->capacity) {
        verdict = VERDICT_FAIL;
        d->last_errno = ENOSPC;
        d->stats.n_faults++;
    }
    if (verdict == VERDICT_FAIL)
        len = random_below(&d->random, len + 1);
    d->stats.n_writes++;
    d->stats.written_bytes += len;
    inode_write(h->inode, (uint64_t)offset, (struct str){buffer, len});
    if (verdict == VERDICT_GO)
        return SQLITE_OK;
    return d->last_errno == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 len)
{
    struct handle *h = handle_of(f);
    enum verdict verdict = disk_enter(h->disk, SIMDISK_TRUNCATE, h->path);
    if (!disk_acts(h->disk, verdict))
        return SQLITE_IOERR_TRUNCATE;
    if ((uint64_t)len < h->inode->live.len) {
        bytes_resize(&h->inode->live, (size_t)len);
        *array_push(&h->inode->unsynced) = (struct change){(uint64_t)len, STR_NONE};
    }
    return verdict == VERDICT_GO ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}

static int file_sync(sqlite3_file *f, int flags)
{
    struct handle *h = handle_of(f);
    struct simdisk *d = h->disk;
    enum verdict verdict = disk_enter(d, SIMDISK_SYNC, h->path);
    if (verdict == VERDICT_FAIL && !d->is_off)
        inode_decide(d, h->inode); /* the kernel counts these pages as clean now, on disk or not */
    if (verdict != VERDICT_GO)
        return SQLITE_IOERR_FSYNC;
    d->stats.n_syncs++;
    inode_settle(h->inode);
    if (h->must_sync_dir) {
        h->must_sync_dir = false;
        disk_sync_directory(d);
    }
    return SQLITE_OK;
}

static int file_size(sqlite3_file *f, sqlite3_int64 *ret)
{
    *ret = (sqlite3_int64)handle_of(f)->inode->live.len;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *f, int op, void *argument)
{
    if (op != SQLITE_FCNTL_LAST_ERRNO)
        return SQLITE_NOTFOUND;
    *(int *)argument = handle_of(f)->disk->last_errno;
    return SQLITE_OK;
}

/* As Linux's VFS says of an ordinary file system. */
static int file_sector_size(sqlite3_file *f)
{
    return 4096;
}
static int file_characteristics(sqlite3_file *f)
{
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
};

/* --- SQLite's disk --- */

static struct simdisk *disk_of(sqlite3_vfs *vfs)
{
    return vfs->pAppData;
}

static struct inode *disk_make_inode(struct simdisk *d)
{
    struct inode *i = mem_new(struct inode);
    *array_push(&d->inodes) = i;
    return i;
}

static int disk_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *f, int flags, int *ret_flags)
{
    const int journals = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
    struct simdisk *d = disk_of(vfs);
    struct handle *h = handle_of(f);
    struct name *name = path ? names_find(&d->live, path) : NULL;
    *h = (struct handle){.disk = d, .inode = name ? name->inode : NULL};
    if (disk_enter(d, SIMDISK_OPEN, path ? path : "") != VERDICT_GO)
        return SQLITE_CANTOPEN;
    if (!name && !(flags & SQLITE_OPEN_CREATE))
        return SQLITE_CANTOPEN;
    if (!name) {
        h->inode = disk_make_inode(d);
        if (path)
            disk_link(d, path, h->inode);
    }
    h->inode->n_handles++;
    h->must_sync_dir = (flags & SQLITE_OPEN_CREATE) && (flags & journals);
    h->must_delete = path && (flags & SQLITE_OPEN_DELETEONCLOSE);
    snprintf(h->path, sizeof h->path, "%s", path ? path : "");
    h->base.pMethods = &file_methods;
    if (ret_flags)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int disk_delete(sqlite3_vfs *vfs, const char *path, int sync_directory)
{
    struct simdisk *d = disk_of(vfs);
    enum verdict verdict = disk_enter(d, SIMDISK_DELETE, path);
    if (!disk_acts(d, verdict))
        return SQLITE_IOERR_DELETE;
    if (!names_find(&d->live, path))
        return SQLITE_IOERR_DELETE_NOENT;
    d->stats.n_deletes++;
    disk_link(d, path, NULL);
    if (verdict == VERDICT_FAIL)
        return SQLITE_IOERR_DELETE;
    if (sync_directory)
        disk_sync_directory(d);
    return SQLITE_OK;
}

static int disk_access(sqlite3_vfs *vfs, const char *path, int flags, int *ret)
{
    struct simdisk *d = disk_of(vfs);
    const struct name *n = names_find(&d->live, path);
    *ret = n && (flags != SQLITE_ACCESS_EXISTS || n->inode->live.len); /* an empty file counts as absent */
    return d->is_off ? SQLITE_IOERR_ACCESS : SQLITE_OK;
}

static int disk_full_path(sqlite3_vfs *vfs, const char *path, int len, char *ret)
{
    return snprintf(ret, (size_t)len, "%s", path) < MIN(len, MAX_PATH) ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int disk_randomness(sqlite3_vfs *vfs, int len, char *ret)
{
    for (int i = 0; i < len; i++)
        ret[i] = (char)random_next(&disk_of(vfs)->random);
    return len;
}

static int disk_sleep(sqlite3_vfs *vfs, int us)
{
    return us;
}

static int disk_time(sqlite3_vfs *vfs, double *ret)
{
    *ret = 2460000.5; /* nothing here depends on the time */
    return SQLITE_OK;
}

static int disk_last_error(sqlite3_vfs *vfs, int len, char *text)
{
    return disk_of(vfs)->last_errno;
}

struct simdisk *simdisk_new(const char *name, uint64_t seed)
{
    struct simdisk *d = mem_new(struct simdisk);
    random_seed(&d->random, seed);
    d->vfs_name = mem_strdup(name);
    d->vfs = (sqlite3_vfs){
        .iVersion = 1,
        .szOsFile = sizeof(struct handle),
        .mxPathname = MAX_PATH - 1,
        .zName = d->vfs_name,
        .pAppData = d,
        .xOpen = disk_open,
        .xDelete = disk_delete,
        .xAccess = disk_access,
        .xFullPathname = disk_full_path,
        .xRandomness = disk_randomness,
        .xSleep = disk_sleep,
        .xCurrentTime = disk_time,
        .xGetLastError = disk_last_error,
    };
    /* SQLite's own random numbers (salts of the WAL) come from the default VFS otherwise, and differ by run.
     */
    sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, (int)(seed % INT32_MAX) + 1, (sqlite3 *)NULL);
    int r = sqlite3_vfs_register(&d->vfs, 0);
    assert(r == SQLITE_OK);
    return d;
}

static void disk_assert_closed(const struct simdisk *d)
{
    for (size_t i = 0; i < d->inodes.n; i++)
        assert(!d->inodes.v[i]->n_handles);
}

void simdisk_free(struct simdisk *d)
{
    if (!d)
        return;
    disk_assert_closed(d);
    sqlite3_vfs_unregister(&d->vfs);
    for (size_t i = 0; i < d->inodes.n; i++)
        inode_free(d->inodes.v[i]);
    array_done(&d->inodes);
    array_done(&d->live);
    array_done(&d->stable);
    array_done(&d->pending);
    free(d->vfs_name);
    free(d);
}

void simdisk_power_off(struct simdisk *d)
{
    d->is_off = true;
}

void simdisk_cut_after(struct simdisk *d, uint64_t n)
{
    d->cut_after = n;
}

bool simdisk_is_off(const struct simdisk *d)
{
    return d->is_off;
}

void simdisk_crash(struct simdisk *d)
{
    disk_assert_closed(d);
    disk_decide_names(d);
    d->live.n = 0;
    array_foreach (&d->stable, n)
        names_set(&d->live, n->path, n->inode);
    disk_collect(d);
    for (size_t at = 0; at < d->inodes.n; at++) {
        struct inode *i = d->inodes.v[at];
        inode_decide(d, i);
        strbuf_truncate(&i->live, 0);
        strbuf_add(&i->live, i->stable.p, i->stable.len);
    }
    d->stats.n_crashes++;
    d->is_off = false;
    d->cut_after = 0;
    d->fault = (struct simdisk_fault){0};
}

void simdisk_set_fault(struct simdisk *d, const struct simdisk_fault *fault)
{
    d->fault = fault ? *fault : (struct simdisk_fault){0};
}

void simdisk_set_capacity(struct simdisk *d, uint64_t bytes)
{
    d->capacity = bytes;
}

int simdisk_damage(struct simdisk *d, const char *path, uint64_t offset, uint8_t bits)
{
    disk_assert_closed(d);
    struct name *n = names_find(&d->live, path);
    if (!n)
        return -ENOENT;
    if (offset >= n->inode->live.len || offset >= n->inode->stable.len)
        return -ERANGE;
    n->inode->live.p[offset] ^= (char)bits;
    n->inode->stable.p[offset] ^= (char)bits;
    return 0;
}

struct simdisk_stats simdisk_stats(const struct simdisk *d)
{
    struct simdisk_stats stats = d->stats;
    stats.used_bytes = disk_used(d);
    return stats;
}
