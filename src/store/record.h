/* Records: one version of one key, immutable and counted by references, shared by history, watches and
 * replies. */
#pragma once

#include "store/store.h"

struct store_record {
    uint32_t n_refs;
    uint32_t key_len, value_len;
    bool is_deletion; /* value empty, mod_revision of the deletion */
    int64_t create_revision, mod_revision;
    char bytes[]; /* key, value */
};

/* A record with one reference. */
struct store_record *store_record_new(struct str key, struct str value, int64_t create_revision,
                                      int64_t mod_revision);
struct store_record *store_record_new_deletion(struct str key, int64_t revision);
struct store_record *store_record_ref(struct store_record *r);
void store_record_unref(struct store_record *r); /* NULL is fine */

static inline struct str store_record_key(const struct store_record *r)
{
    return (struct str){r->bytes, r->key_len};
}
/* Views that live as long as the record. */
struct store_item store_record_item(const struct store_record *r);
struct store_event store_record_event(const struct store_record *r);
