#include "store/embedded/database.h"

#include <errno.h>
#include <stdio.h>

/* Raised with every change of the layout; there is nothing older yet to bring up to it. */
#define DATABASE_VERSION        1
#define CHECKPOINT_PAGES        1000
#define DATABASE_APPLICATION_ID 0x464c4431 /* "FLD1": so that file(1) and people can tell */

/* SQLite says FULL only of a write; syncs, new files and quotas run out of room too. Of a failed commit it
 * keeps the errno only with the log's file. */
static bool database_is_out_of_room(struct database *d, int result)
{
    sqlite3_file *log = NULL;
    int cause = 0;
    if (!d->db || ((result & 0xff) != SQLITE_IOERR && (result & 0xff) != SQLITE_CANTOPEN))
        return false;
    (void)sqlite3_file_control(d->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log); /* none: NULL stays */
    if ((result & 0xff) == SQLITE_IOERR && log && log->pMethods)
        (void)log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &cause); /* not known: 0 stays */
    if (!cause)
        cause = sqlite3_system_errno(d->db);
    return cause == ENOSPC || cause == EDQUOT;
}

static int database_error(struct database *d, int result, const char *what, struct err *err)
{
    const char *text = d->db ? sqlite3_errmsg(d->db) : sqlite3_errstr(result);
    if (database_is_out_of_room(d, result))
        result = SQLITE_FULL;
    switch (result & 0xff) {
    case SQLITE_FULL:
        return err_set(err, -ENOSPC, "%s: the disk of %s is full; make room, nothing acknowledged is lost",
                       what, d->path);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(err, -EUCLEAN,
                       "%s: %s is damaged (%s); restore it from a copy, or move it away to start empty", what,
                       d->path, text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(err, -EBUSY, "%s: another process has %s open; stop it first", what, d->path);
    case SQLITE_READONLY:
        return err_set(err, -EROFS, "%s: %s cannot be written to; check its permissions and the mount", what,
                       d->path);
    case SQLITE_CANTOPEN:
        return err_set(err, -EACCES, "%s: cannot open %s (%s); check that the directory is writable", what,
                       d->path, text);
    case SQLITE_NOMEM:
        return err_set(err, -ENOMEM, "%s: no memory for %s", what, d->path);
    default:
        return err_set(err, -EIO, "%s: %s: %s", what, d->path, text);
    }
}

static int database_exec(struct database *d, const char *sql, const char *what, struct err *err)
{
    int r = sqlite3_exec(d->db, sql, NULL, NULL, NULL);
    return r == SQLITE_OK ? 0 : database_error(d, r, what, err);
}

static int database_read_int(struct database *d, const char *sql, int64_t *ret, struct err *err)
{
    sqlite3_stmt *statement;
    int r = sqlite3_prepare_v2(d->db, sql, -1, &statement, NULL);
    if (r != SQLITE_OK)
        return database_error(d, r, "reading", err);
    r = sqlite3_step(statement);
    if (r == SQLITE_ROW)
        *ret = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return r == SQLITE_ROW || r == SQLITE_DONE ? 0 : database_error(d, r, "reading", err);
}

static int database_make(struct database *d, struct err *err)
{
    char sql[1024];
    snprintf(sql, sizeof sql,
             "BEGIN IMMEDIATE;"
             "CREATE TABLE versions (id INTEGER PRIMARY KEY, revision INTEGER NOT NULL, create_revision "
             "INTEGER NOT NULL,"
             " is_deletion INTEGER NOT NULL, key BLOB NOT NULL, value BLOB);"
             "CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
             "INSERT INTO meta VALUES ('compacted', 0), ('revision', 0);"
             "PRAGMA application_id = %d; PRAGMA user_version = %d;"
             "COMMIT;",
             DATABASE_APPLICATION_ID, DATABASE_VERSION);
    return database_exec(d, sql, "making the store", err);
}

/* Returns 1 if the file is new and empty. Writes nothing: what is not ours stays as it is. */
static int database_check_version(struct database *d, struct err *err)
{
    int64_t version = 0, n_tables = 0;
    int r = database_read_int(d, "PRAGMA user_version", &version, err);
    if (r == 0)
        r = database_read_int(d, "SELECT count(*) FROM sqlite_schema", &n_tables, err);
    if (r < 0)
        return r;
    if (version > DATABASE_VERSION)
        return err_set(err, -EPROTO,
                       "%s was written by a newer fairlead (layout %ld, this one knows %d); nothing was "
                       "changed, run the "
                       "newer program",
                       d->path, version, DATABASE_VERSION);
    if (version == 0 && n_tables == 0)
        return 1;
    if (version == 0)
        return err_set(err, -EUCLEAN,
                       "%s is a database of another program; give --data-dir a directory of its own",
                       d->path);
    return 0; /* the first layout: there is nothing older to upgrade from */
}

static int database_configure(struct database *d, unsigned checkpoint_pages, struct err *err)
{
    /* EXCLUSIVE keeps the WAL index in our memory: no shared file, and a second process is told at once. */
    static const char *const before = "PRAGMA locking_mode=EXCLUSIVE; PRAGMA trusted_schema=OFF;"
                                      "PRAGMA cache_size=-512; PRAGMA temp_store=MEMORY;";
    static const char *const after = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                                     "PRAGMA journal_size_limit=8388608;";
    int r = database_exec(d, before, "opening the store", err);
    int is_new = r == 0 ? database_check_version(d, err) : r;
    r = is_new < 0 ? is_new : database_exec(d, after, "opening the store", err);
    if (r < 0)
        return r;
    sqlite3_wal_autocheckpoint(d->db, checkpoint_pages ? (int)checkpoint_pages : CHECKPOINT_PAGES);
    return is_new ? database_make(d, err) : 0;
}

static int database_prepare(struct database *d, struct err *err)
{
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } rows[] = {
        {&d->begin, "BEGIN IMMEDIATE"},
        {&d->commit, "COMMIT"},
        {&d->rollback, "ROLLBACK"},
        {&d->insert, "INSERT INTO versions VALUES (?1, ?2, ?3, ?4, ?5, ?6)"},
        {&d->by_id, "SELECT revision, create_revision, is_deletion, key, value FROM versions WHERE id = ?1"},
        {&d->after, "SELECT revision, create_revision, is_deletion, key, value, id FROM versions WHERE id > "
                    "?1 ORDER BY id"
                    " LIMIT ?2"},
        {&d->remove, "DELETE FROM versions WHERE id = ?1"},
        {&d->set_meta, "UPDATE meta SET value = ?2 WHERE name = ?1"},
        /* counts, because SQLite writes no page that stays the same */
        {&d->overwrite,
         "INSERT INTO meta VALUES ('overwritten', 1) ON CONFLICT DO UPDATE SET value = value + 1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int r =
            sqlite3_prepare_v3(d->db, rows[i].sql, -1, SQLITE_PREPARE_PERSISTENT, rows[i].statement, NULL);
        if (r != SQLITE_OK)
            return database_error(d, r, "opening the store", err);
    }
    return 0;
}

/* Runs a statement without result and makes it ready again. */
static int database_run(struct database *d, sqlite3_stmt *statement, const char *what, struct err *err)
{
    int r = sqlite3_step(statement);
    int e = r == SQLITE_DONE ? 0 : database_error(d, r, what, err);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return e;
}

int database_open(struct database *d, const struct database_options *options, int64_t *ret_revision,
                  int64_t *ret_compacted, struct err *err)
{
    int64_t last = 0, noted = 0;
    *d = (struct database){0};
    _cleanup_(strbuf_done) struct strbuf path = {0};
    strbuf_addf(&path, "%s/store.db", options->dir);
    d->path = strbuf_take(&path, NULL);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int result = sqlite3_open_v2(d->path, &d->db, flags, options->vfs);
    int r = result == SQLITE_OK ? 0 : database_error(d, result, "opening the store", err);
    if (r == 0)
        r = database_configure(d, options->checkpoint_pages, err);
    if (r == 0)
        r = database_prepare(d, err);
    if (r == 0)
        r = database_read_int(d, "SELECT value FROM meta WHERE name = 'compacted'", ret_compacted, err);
    if (r == 0)
        r = database_read_int(d, "SELECT value FROM meta WHERE name = 'revision'", &noted, err);
    if (r == 0)
        r = database_read_int(d, "SELECT revision FROM versions ORDER BY id DESC LIMIT 1", &last, err);
    if (r < 0) {
        database_close(d);
        return r;
    }
    /* A clean stop deletes the log without syncing the directory: a power cut would bring the old one back,
     * and with its end a transaction whose sync had failed. An empty one now makes what this start found
     * final. On a full disk there is nothing to lose by going on without: the first write that works does the
     * same. */
    (void)database_run(d, d->overwrite, "settling", NULL);
    *ret_revision = MAX(last, noted); /* the last revision's rows may be compacted away */
    return 0;
}

void database_close(struct database *d)
{
    sqlite3_stmt *const statements[] = {d->begin, d->commit, d->rollback, d->insert,   d->by_id,
                                        d->after, d->remove, d->set_meta, d->overwrite};
    for (size_t i = 0; i < ARRAY_LEN(statements); i++)
        sqlite3_finalize(statements[i]);
    sqlite3_close(d->db); /* writes the WAL back: the next start has less to do */
    free(d->path);
    *d = (struct database){0};
}

int database_scan(struct database *d, void (*each)(void *user, const struct database_row *row), void *user,
                  struct err *err)
{
    sqlite3_stmt *statement;
    int r = sqlite3_prepare_v2(
        d->db, "SELECT id, revision, create_revision, is_deletion, key FROM versions ORDER BY id", -1,
        &statement, NULL);
    if (r != SQLITE_OK)
        return database_error(d, r, "loading the store", err);
    while ((r = sqlite3_step(statement)) == SQLITE_ROW) {
        const struct database_row row = {
            .id = sqlite3_column_int64(statement, 0),
            .revision = sqlite3_column_int64(statement, 1),
            .create_revision = sqlite3_column_int64(statement, 2),
            .is_deletion = sqlite3_column_int(statement, 3),
            .key = {sqlite3_column_blob(statement, 4), (size_t)sqlite3_column_bytes(statement, 4)},
        };
        each(user, &row);
    }
    sqlite3_finalize(statement);
    return r == SQLITE_DONE ? 0 : database_error(d, r, "loading the store", err);
}

static int database_insert_one(struct database *d, const struct store_record *record, int64_t id,
                               struct err *err)
{
    const struct store_item item = store_record_item(record);
    sqlite3_bind_int64(d->insert, 1, id);
    sqlite3_bind_int64(d->insert, 2, record->mod_revision);
    sqlite3_bind_int64(d->insert, 3, record->create_revision);
    sqlite3_bind_int(d->insert, 4, record->is_deletion);
    sqlite3_bind_blob(d->insert, 5, item.key.p, (int)item.key.len, SQLITE_STATIC);
    sqlite3_bind_blob(d->insert, 6, item.value.p, (int)item.value.len, SQLITE_STATIC);
    return database_run(d, d->insert, "writing", err);
}

/* Ends a transaction: commits if R is 0, else takes everything back. */
static int database_end(struct database *d, int r, struct err *err)
{
    bool was_committing = r == 0;
    if (r == 0)
        r = database_run(d, d->commit, "committing", err);
    if (r < 0 && !sqlite3_get_autocommit(d->db))
        (void)database_run(d, d->rollback, "taking back", NULL); /* the first error is the one to report */
    /* When the sync failed, the whole transaction stands in the log, and a crash now would bring back what
     * was called not written. The next transaction overwrites it: let that be one without records, at once.
     * If this fails too, the next write does it. */
    if (r < 0 && was_committing)
        (void)database_run(d, d->overwrite, "taking back", NULL);
    return r;
}

int database_insert(struct database *d, struct store_record *const *records, size_t n, int64_t first_id,
                    struct err *err)
{
    int r = database_run(d, d->begin, "writing", err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n && r == 0; i++)
        r = database_insert_one(d, records[i], first_id + (int64_t)i, err);
    return database_end(d, r, err);
}

static struct store_record *database_record(sqlite3_stmt *statement)
{
    struct str key = {sqlite3_column_blob(statement, 3), (size_t)sqlite3_column_bytes(statement, 3)};
    struct str value = {sqlite3_column_blob(statement, 4), (size_t)sqlite3_column_bytes(statement, 4)};
    struct store_record *r =
        store_record_new(key, value, sqlite3_column_int64(statement, 1), sqlite3_column_int64(statement, 0));
    r->is_deletion = sqlite3_column_int(statement, 2);
    return r;
}

int database_get(struct database *d, int64_t id, struct store_record **ret, struct err *err)
{
    sqlite3_bind_int64(d->by_id, 1, id);
    int r = sqlite3_step(d->by_id), e = 0;
    if (r == SQLITE_ROW)
        *ret = database_record(d->by_id);
    else
        e = r == SQLITE_DONE ? err_set(err, -ENOENT, "a version was compacted while it was read")
                             : database_error(d, r, "reading", err);
    sqlite3_reset(d->by_id);
    return e;
}

int database_read_after(struct database *d, int64_t after_id, size_t n, struct store_record **ret,
                        int64_t *ret_ids, size_t *ret_n, struct err *err)
{
    size_t found = 0;
    int r;
    sqlite3_bind_int64(d->after, 1, after_id);
    sqlite3_bind_int64(d->after, 2, (int64_t)n);
    while ((r = sqlite3_step(d->after)) == SQLITE_ROW) {
        ret_ids[found] = sqlite3_column_int64(d->after, 5);
        ret[found++] = database_record(d->after);
    }
    int e = r == SQLITE_DONE ? 0 : database_error(d, r, "reading", err);
    sqlite3_reset(d->after);
    for (size_t i = 0; e < 0 && i < found; i++)
        store_record_unref(ret[i]);
    *ret_n = e < 0 ? 0 : found;
    return e;
}

static int database_note(struct database *d, const char *name, int64_t value, struct err *err)
{
    sqlite3_bind_text(d->set_meta, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(d->set_meta, 2, value);
    return database_run(d, d->set_meta, "compacting", err);
}

int database_compact(struct database *d, const int64_t *ids, size_t n, int64_t revision, struct err *err)
{
    int r = database_run(d, d->begin, "compacting", err);
    if (r < 0)
        return r;
    r = database_note(d, "compacted", revision, err);
    if (r == 0)
        r = database_note(d, "revision", revision, err); /* its rows may go, the number must not come again */
    for (size_t i = 0; i < n && r == 0; i++) {
        sqlite3_bind_int64(d->remove, 1, ids[i]);
        r = database_run(d, d->remove, "compacting", err);
    }
    return database_end(d, r, err);
}
