/* A simulated disk: files in memory behind SQLite's VFS, with crashes and faults that repeat from a seed.
 *
 * It knows of every file what was synced and what was only written. A crash keeps what was synced; each
 * unsynced write is kept, lost or torn at sectors of 512 bytes, and a file made or deleted since its
 * directory was synced may be there or not. A sync that fails leaves its writes half done for good: a later
 * sync does not bring them to disk, as on Linux. The directory is synced when Linux's VFS of SQLite would do
 * it.
 *
 * Files belong to the disk, not to who opens them: a store that is opened again on the same disk finds them.
 * Enough for locking_mode=EXCLUSIVE (no shared memory). One thread at a time. For tests only.
 *
 *     struct simdisk *disk = simdisk_new("disk-1", seed);
 *     store_embedded_open(&(struct store_embedded_options){.loop = loop, .path = "/data", .vfs = "disk-1",
 *                                                          .inline_commits = true}, &store, &err);
 *     simdisk_power_off(disk);      // or simdisk_cut_after(disk, n): in the middle of SQLite's calls
 *     store_close(store);           // frees memory; cannot change the disk any more
 *     simdisk_crash(disk);          // what survives is decided; power is back
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct simdisk;

/* Kinds of calls that can fail. Each counts as one call; reading the size, locks and closing do not count. */
enum simdisk_call {
    SIMDISK_OPEN = 1,
    SIMDISK_READ = 2,
    SIMDISK_WRITE = 4,
    SIMDISK_TRUNCATE = 8,
    SIMDISK_SYNC = 16,
    SIMDISK_DELETE = 32,
};
#define SIMDISK_CHANGES (SIMDISK_OPEN | SIMDISK_WRITE | SIMDISK_TRUNCATE | SIMDISK_SYNC | SIMDISK_DELETE)

struct simdisk_fault {
    unsigned calls;     /* mask of enum simdisk_call */
    const char *suffix; /* only files whose name ends so ("-wal"); NULL: all; must outlive the fault */
    uint64_t skip;      /* such calls that still work */
    uint64_t count;     /* such calls that fail then; UINT64_MAX: all */
    int error;          /* EIO or ENOSPC; a write that fails may have been done in part */
};

struct simdisk_stats {
    uint64_t n_changes; /* calls of SIMDISK_CHANGES that were tried while there was power */
    uint64_t n_reads, n_writes, n_syncs, n_dir_syncs, n_deletes;
    uint64_t written_bytes;
    uint64_t n_faults;                          /* calls failed by a fault or for want of room */
    uint64_t n_crashes, n_torn, n_lost, n_kept; /* unsynced writes at crashes: in part, not at all, whole */
    uint64_t used_bytes;                        /* now */
};

/* Registers the disk with SQLite under NAME (unique in the process, copied). */
struct simdisk *simdisk_new(const char *name, uint64_t seed);
/* No file may be open. NULL is fine. */
void simdisk_free(struct simdisk *d);

/* From now on every call fails and changes nothing, until simdisk_crash(). */
void simdisk_power_off(struct simdisk *d);
/* The power goes during the Nth call of SIMDISK_CHANGES from now (1: the next one), which may be done in
 * part. 0: not any more. */
void simdisk_cut_after(struct simdisk *d, uint64_t n);
bool simdisk_is_off(const struct simdisk *d);
/* Decides what survives, and brings the power back; faults and the cut are gone. No file may be open: close
 * the store first, after simdisk_power_off(). */
void simdisk_crash(struct simdisk *d);

/* The one fault in force; NULL: none. Counting starts now. */
void simdisk_set_fault(struct simdisk *d, const struct simdisk_fault *fault);
/* Bytes that all files together may have: what would grow beyond fails with ENOSPC. 0: no limit. */
void simdisk_set_capacity(struct simdisk *d, uint64_t bytes);

/* Turns bits of what is at OFFSET of a file, on disk and as read: a bad sector, or somebody's editor. No file
 * may be open. Errors: -ENOENT no such file, -ERANGE it is shorter. */
int simdisk_damage(struct simdisk *d, const char *path, uint64_t offset, uint8_t bits);

struct simdisk_stats simdisk_stats(const struct simdisk *d);
