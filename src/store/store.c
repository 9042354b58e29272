/* Dispatch to the body, and what every body may rely on: arguments within the limits. */
#include "store/store.h"

#include <assert.h>
#include <errno.h>

void store_write(struct store *s, const struct store_op *ops, size_t n_ops, store_write_fn *done, void *user)
{
    assert(n_ops > 0 && n_ops <= STORE_MAX_OPS);
    s->ops->write(s, ops, n_ops, done, user);
}

void store_read(struct store *s, struct str from, struct str to, int64_t revision, size_t limit,
                store_read_fn *done, void *user)
{
    s->ops->read(s, &(struct store_range){from, to, revision, limit}, done, user);
}

struct store_watch *store_watch_open(struct store *s, struct str prefix, int64_t after,
                                     const struct store_watch_handler *handler, void *user)
{
    return s->ops->watch_open(s, prefix, after, handler, user);
}

void store_watch_close(struct store_watch *w)
{
    if (w)
        w->store->ops->watch_close(w);
}

int64_t store_revision(const struct store *s)
{
    return s->revision;
}

int64_t store_compacted(const struct store *s)
{
    return s->compacted;
}

void store_compact(struct store *s, int64_t revision)
{
    s->ops->compact(s, revision);
}

void store_close(struct store *s)
{
    if (s)
        s->ops->close(s);
}

void store_prefix_end(struct str prefix, struct strbuf *out)
{
    size_t len = prefix.len;
    while (len && (unsigned char)prefix.p[len - 1] == 0xff)
        len--;
    strbuf_add(out, prefix.p, len);
    if (len)
        out->p[out->len - 1]++;
}

int store_check_ops(const struct store_op *ops, size_t n_ops, struct err *err)
{
    for (size_t i = 0; i < n_ops; i++) {
        if (!ops[i].key.len || ops[i].key.len > STORE_MAX_KEY_LEN)
            return err_set(err, -E2BIG, "a key of %zu bytes; the limit is %zu", ops[i].key.len,
                           STORE_MAX_KEY_LEN);
        if (ops[i].value.len > STORE_MAX_VALUE_LEN)
            return err_set(err, -E2BIG, "a value of %zu bytes; the limit is %zu", ops[i].value.len,
                           STORE_MAX_VALUE_LEN);
    }
    return 0;
}
