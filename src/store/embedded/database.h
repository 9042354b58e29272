/* The SQLite file of the embedded store: its layout, and the statements on it. Used by one thread at a time.
 *
 * One row per version of a key, in the order of revisions: a write is one insert, a deletion is a row without
 * a value. What the index in memory does not name as current is history, until compaction deletes it.
 */
#pragma once

#include <sqlite3.h>

#include "store/record.h"

struct database {
    sqlite3 *db;
    sqlite3_stmt *begin, *commit, *rollback, *insert, *by_id, *after, *remove, *set_meta, *overwrite;
    char *path; /* of the file, for messages */
};

/* What is read of a row at open, without its value. */
struct database_row {
    int64_t id, revision, create_revision;
    bool is_deletion;
    struct str key; /* borrowed during the call */
};

struct database_options {
    const char *dir;
    const char *vfs;           /* NULL: SQLite's default */
    unsigned checkpoint_pages; /* 0: the default */
};

/* Opens DIR/store.db. RET_COMPACTED: the revision up to which history is gone; RET_REVISION: the last one
 * given out. Errors: see store_embedded_open(). */
int database_open(struct database *d, const struct database_options *options, int64_t *ret_revision,
                  int64_t *ret_compacted, struct err *err);
void database_close(struct database *d);

/* Calls EACH for every row in order. */
int database_scan(struct database *d, void (*each)(void *user, const struct database_row *row), void *user,
                  struct err *err);

/* All of RECORDS in one synced transaction; their row ids count up from FIRST_ID. Nothing is kept on failure.
 */
int database_insert(struct database *d, struct store_record *const *records, size_t n, int64_t first_id,
                    struct err *err);
/* The record of a row. -ENOENT if it is gone. */
int database_get(struct database *d, int64_t id, struct store_record **ret, struct err *err);
/* The next records with row ids above AFTER_ID, at most N; RET_N tells how many. */
int database_read_after(struct database *d, int64_t after_id, size_t n, struct store_record **ret,
                        int64_t *ret_ids, size_t *ret_n, struct err *err);
/* Deletes rows and notes the compacted revision, in one transaction. */
int database_compact(struct database *d, const int64_t *ids, size_t n, int64_t revision, struct err *err);
