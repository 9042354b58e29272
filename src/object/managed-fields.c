/* metadata.managedFields. */
#include "object/managed-fields.h"

#include <errno.h>
#include <stdlib.h>

#include "object/quote.h"

static int read_entry(struct arena *a, const struct json *v, struct managed_entry *ret, struct err *err)
{
    struct str operation = json_string_at(v, "operation"), type = json_string_at(v, "fieldsType");
    struct managed_entry e = {
        .manager = json_string_at(v, "manager"),
        .operation = str_eqz(operation, "Apply") ? MANAGED_APPLY : MANAGED_UPDATE,
        .api_version = json_string_at(v, "apiVersion"),
        .subresource = json_string_at(v, "subresource"),
        .time = json_string_at(v, "time"),
    };
    struct json *fields = json_getz(v, "fieldsV1");
    struct field_set *set = NULL;
    if (!str_eqz(operation, "Apply") && !str_eqz(operation, "Update"))
        return err_set(err, -EINVAL, "metadata.managedFields: operation must be `Apply` or `Update`");
    if (type.len && !str_eqz(type, "FieldsV1"))
        return err_set(err, -EINVAL, "metadata.managedFields: fieldsType must be `FieldsV1`");
    if (fields && field_set_parse(a, fields, &set, err) < 0) {
        err_wrap(err, "metadata.managedFields");
        return -EINVAL;
    }
    e.fields = set;
    *ret = e;
    return 0;
}

int managed_fields_read(struct arena *a, const struct json *array, struct managed_fields *ret,
                        struct err *err)
{
    ret->n = 0;
    json_foreach (array, v) {
        struct managed_entry e;
        int r = read_entry(a, v, &e, err);
        if (r < 0)
            return r;
        struct managed_entry *old = managed_fields_find(ret, &e);
        if (old)
            old->fields = field_set_union(a, old->fields, e.fields);
        else if (managed_fields_put(ret, &e) < 0)
            return err_set(err, -E2BIG, "metadata.managedFields: more than %d managers", MANAGED_MAX_ENTRIES);
    }
    return 0;
}

/* Order of the array: Apply before Update, then by time, manager, version, subresource. */
static int by_place(const void *x, const void *y)
{
    const struct managed_entry *s = x, *t = y;
    if (s->operation != t->operation)
        return s->operation < t->operation ? -1 : 1;
    int c = str_cmp(s->time, t->time);
    c = c ? c : str_cmp(s->manager, t->manager);
    c = c ? c : str_cmp(s->api_version, t->api_version);
    return c ? c : str_cmp(s->subresource, t->subresource);
}

static void add_text(struct arena *a, struct json *v, struct str key, struct str text)
{
    if (text.len)
        json_add(v, key, json_string(a, arena_str(a, text)));
}

struct json *managed_fields_write(struct arena *a, struct managed_fields *m)
{
    struct json *array = json_array(a);
    qsort(m->v, m->n, sizeof *m->v, by_place);
    for (size_t i = 0; i < m->n; i++) {
        const struct managed_entry *e = &m->v[i];
        if (field_set_is_empty(e->fields))
            continue;
        struct json *v = json_object(a);
        add_text(a, v, STR("manager"), e->manager);
        add_text(a, v, STR("operation"), e->operation == MANAGED_APPLY ? STR("Apply") : STR("Update"));
        add_text(a, v, STR("apiVersion"), e->api_version);
        add_text(a, v, STR("time"), e->time);
        add_text(a, v, STR("fieldsType"), STR("FieldsV1"));
        json_add(v, STR("fieldsV1"), field_set_to_json(a, e->fields));
        add_text(a, v, STR("subresource"), e->subresource);
        json_append(array, v);
    }
    return array->n ? array : NULL;
}

struct managed_entry *managed_fields_find(struct managed_fields *m, const struct managed_entry *key)
{
    for (size_t i = 0; i < m->n; i++) {
        struct managed_entry *e = &m->v[i];
        bool version = key->operation == MANAGED_APPLY || str_eq(e->api_version, key->api_version);
        if (e->operation == key->operation && version && str_eq(e->manager, key->manager) &&
            str_eq(e->subresource, key->subresource))
            return e;
    }
    return NULL;
}

int managed_fields_put(struct managed_fields *m, const struct managed_entry *entry)
{
    struct managed_entry *old = managed_fields_find(m, entry);
    if (!old && m->n == MANAGED_MAX_ENTRIES)
        return -E2BIG;
    *(old ? old : &m->v[m->n++]) = *entry;
    return 0;
}

/* The updater with the oldest change that is not the bucket, or NULL. */
static struct managed_entry *oldest_updater(struct managed_fields *m, size_t *ret_n)
{
    struct managed_entry *oldest = NULL;
    *ret_n = 0;
    for (size_t i = 0; i < m->n; i++) {
        struct managed_entry *e = &m->v[i];
        if (e->operation != MANAGED_UPDATE || field_set_is_empty(e->fields))
            continue;
        ++*ret_n;
        if (!str_eqz(e->manager, "ancient-changes") && (!oldest || str_cmp(e->time, oldest->time) < 0))
            oldest = e;
    }
    return oldest;
}

void managed_fields_cap(struct arena *a, struct managed_fields *m)
{
    size_t n;
    struct managed_entry *oldest;
    while ((oldest = oldest_updater(m, &n)) && n > MANAGED_MAX_UPDATERS) {
        struct managed_entry bucket = *oldest;
        bucket.manager = STR("ancient-changes");
        bucket.subresource = STR_NONE;
        *oldest = m->v[--m->n];
        const struct managed_entry *old = managed_fields_find(m, &bucket);
        if (old)
            bucket.fields = field_set_union(a, old->fields, bucket.fields);
        (void)managed_fields_put(m, &bucket); /* one was just taken out */
    }
}

struct str managed_entry_words(struct arena *a, const struct managed_entry *entry)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    quote_add(&b, entry->manager);
    if (entry->subresource.len) {
        strbuf_addz(&b, " with subresource ");
        quote_add(&b, entry->subresource);
    }
    if (entry->operation == MANAGED_UPDATE)
        strbuf_addf(&b, " using %.*s", STR_ARG(entry->api_version));
    return arena_str(a, strbuf_str(&b));
}
