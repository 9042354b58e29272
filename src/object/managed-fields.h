/* metadata.managedFields as a value: who owns which fields.
 *
 * An entry is told from others by manager, operation and subresource, and for updates by apiVersion. Entries
 * whose set is empty are dropped when written. All lives in an arena.
 *
 * Source: upstream's apimachinery managedfields.
 */
#pragma once

#include "base/datetime.h"
#include "object/field-set.h"

enum managed_operation { MANAGED_APPLY, MANAGED_UPDATE };

struct managed_entry {
    struct str manager;
    enum managed_operation operation;
    struct str api_version, subresource;
    struct str time; /* as written; may be empty */
    const struct field_set *fields;
};

/* Updates by more managers than this are joined in the entry of "ancient-changes", the oldest first. */
#define MANAGED_MAX_UPDATERS 10
/* Appliers are never joined, so there is a limit. */
#define MANAGED_MAX_ENTRIES 128

struct managed_fields {
    struct managed_entry v[MANAGED_MAX_ENTRIES];
    size_t n;
};

/* Reads the array of an object (NULL: none). Errors: -EINVAL if it is malformed, -E2BIG. */
int managed_fields_read(struct arena *a, const struct json *array, struct managed_fields *ret,
                        struct err *err);

/* The array, sorted as upstream sorts it; NULL if no fields are owned. */
struct json *managed_fields_write(struct arena *a, struct managed_fields *m);

/* The entry with the identity of KEY (its time and fields do not matter), or NULL. */
struct managed_entry *managed_fields_find(struct managed_fields *m, const struct managed_entry *key);
/* Sets an entry. Errors: -E2BIG. */
int managed_fields_put(struct managed_fields *m, const struct managed_entry *entry);
/* Joins the oldest updaters until there are no more than MANAGED_MAX_UPDATERS. */
void managed_fields_cap(struct arena *a, struct managed_fields *m);

/* `"kubectl" with subresource "status" using v1`, as messages name a manager. */
struct str managed_entry_words(struct arena *a, const struct managed_entry *entry);
