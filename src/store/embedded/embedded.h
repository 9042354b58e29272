/* The store on this machine's disk: SQLite in WAL mode, one writer thread, group commit.
 *
 * A write is acknowledged when its transaction is synced. One group is under way at a time; writes that come
 * meanwhile form the next one, so one sync serves many. Conditions are evaluated on the loop, in order,
 * against an index of keys and revisions in memory and the group's own changes: when a commit fails, nothing
 * has to be undone. Values stay on disk.
 *
 * Full disk: the writes of that group fail with -ENOSPC and nothing of them is kept; reads go on, and later
 * writes work again when there is space.
 *
 *     if (store_embedded_open(&(struct store_embedded_options){.loop = loop, .path = dir}, &store, &err) < 0)
 * ...
 */
#pragma once

#include "store/store.h"

struct loop;

struct store_embedded_options {
    struct loop *loop;
    const char *path; /* a directory of its own; made if it is not there (mode 0700) */
    const char *vfs; /* SQLite's name of the disk; NULL: the real one, and the directory is made and synced */
    bool inline_commits; /* commit on a task of the loop instead of a thread: for scripted loops */
    /* Optional, with inline_commits: how long the next commit or read takes on this disk. */
    int64_t (*inline_delay_ms)(void *user);
    void *delay_user;
    size_t max_history;        /* superseded versions kept for watches and old reads; 0: 10,000 */
    unsigned checkpoint_pages; /* of 4 KiB in the write-ahead log before they are written back; 0: 1,000 */
};

/* Opens or makes it. Errors, each a sentence that names the file and what to do: -EBUSY another process has
 * it open; -EPROTO it comes from a newer version; -EUCLEAN it is damaged; -ENOSPC, -EROFS, -EACCES and
 * others. */
int store_embedded_open(const struct store_embedded_options *options, struct store **ret, struct err *err);
