/* The index of the embedded store: which row of the database is which version of which key. Values are on
 * disk. */
#pragma once

#include "base/array.h"
#include "base/tree.h"
#include "store/store.h"

/* The current version of a key. */
struct index_entry {
    struct tree_node node;
    int64_t id, create_revision, mod_revision;
    char key[];
};

/* A version that is history since a later revision; of a deletion, since its own. */
struct index_version {
    int64_t id, create_revision, mod_revision, until;
    bool is_deletion;
    struct str key; /* owned */
};

struct index {
    struct tree current;
    ARRAY_OF(struct index_version) history; /* in the order of UNTIL; the first N_GONE are no more */
    size_t n_gone;
};

struct index_entry *index_find(const struct index *x, struct str key);
/* Takes in one version, in the order of revisions. */
void index_add(struct index *x, struct str key, int64_t id, int64_t create_revision, int64_t mod_revision,
               bool is_deletion);
size_t index_n_history(const struct index *x);
/* Removes history up to REVISION and appends its row ids to RET_IDS. */
struct index_ids {
    int64_t *v;
    size_t n, capacity;
};
void index_compact(struct index *x, int64_t revision, struct index_ids *ret_ids);
/* The lowest row id of a version behind REVISION, or INT64_MAX. */
int64_t index_first_id_after(const struct index *x, int64_t revision);

/* Row ids of the versions in a range as of a revision, in the order of keys, at most LIMIT (0: all). */
void index_collect(const struct index *x, const struct store_range *range, int64_t revision, size_t limit,
                   struct index_ids *ret_ids);
void index_done(struct index *x);
