#include "store/record.h"

struct store_record *store_record_new(struct str key, struct str value, int64_t create_revision,
                                      int64_t mod_revision)
{
    struct store_record *r = mem_alloc(sizeof *r + key.len + value.len);
    *r = (struct store_record){1,     (uint32_t)key.len, (uint32_t)value.len,
                               false, create_revision,   mod_revision};
    memcpy(r->bytes, key.p, key.len);
    if (value.len)
        memcpy(r->bytes + key.len, value.p, value.len);
    return r;
}

struct store_record *store_record_new_deletion(struct str key, int64_t revision)
{
    struct store_record *r = store_record_new(key, STR_NONE, 0, revision);
    r->is_deletion = true;
    return r;
}

struct store_record *store_record_ref(struct store_record *r)
{
    r->n_refs++;
    return r;
}

void store_record_unref(struct store_record *r)
{
    if (r && --r->n_refs == 0)
        free(r);
}

struct store_item store_record_item(const struct store_record *r)
{
    return (struct store_item){
        .key = store_record_key(r),
        .value = {r->bytes + r->key_len, r->value_len},
        .create_revision = r->create_revision,
        .mod_revision = r->mod_revision,
    };
}

struct store_event store_record_event(const struct store_record *r)
{
    return (struct store_event){r->is_deletion ? STORE_DELETE : STORE_PUT, store_record_item(r)};
}
