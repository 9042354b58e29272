/* Files: whole reads with a limit, writes that are there wholly or not at all, and the lock of a directory.
 */
#pragma once

#include "base/err.h"
#include "base/str.h"

/* Appends the contents of PATH to OUT. Errors: open(2)'s and read(2)'s with the path; -EFBIG over MAX_LEN. */
int file_read(const char *path, size_t max_len, struct strbuf *out, struct err *err);

/* Replaces PATH (mode 0600) by a synced temporary file beside it, renames and syncs the directory: after a
 * crash there is the old file or the new one. Errors: open(2)'s, write(2)'s, rename(2)'s with the path. */
int file_write(const char *path, struct str bytes, struct err *err);
/* The same with other permissions. */
int file_write_mode(const char *path, struct str bytes, unsigned mode, struct err *err);

/* Makes PATH and its parents (mode 0700 for what is new). Errors: mkdir(2)'s with the path. */
int file_make_directory(const char *path, struct err *err);

/* Takes the lock of directory DIR, held until the descriptor in RET_FD is closed, by kill -9 too. The file is
 * DIR/NAME and holds the process id. Errors: -EBUSY someone has it; open(2)'s. */
int file_lock_directory(const char *dir, const char *name, int *ret_fd, struct err *err);
