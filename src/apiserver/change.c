#include "apiserver/change.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "apiserver/cache.h"
#include "apiserver/registry.h"

void change_refuse(struct change *c, struct status *status)
{
    if (!c->failure)
        c->failure = status;
}

void change_warn(struct change *c, const char *format, ...)
{
    char text[1024];
    va_list args;
    if (c->n_warned == ARRAY_LEN(c->warned))
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args); /* a long one is cut */
    va_end(args);
    c->warned[c->n_warned++] = arena_str(c->arena, str_of(text));
}

static struct store_op *add_op(struct change *c, const struct resource *resource, struct str namespace,
                               struct str name)
{
    if (c->n_also == CHANGE_MAX_ALSO)
        return NULL;
    _cleanup_(strbuf_done) struct strbuf key = {0};
    registry_key(resource, namespace, name, &key);
    struct store_op *op = &c->also[c->n_also++];
    *op = (struct store_op){.key = arena_str(c->arena, strbuf_str(&key)), .value = STR("")};
    return op;
}

void change_fill_metadata(struct change *c, struct json *object)
{
    char uuid[RANDOM_UUID_LEN], now[WALLTIME_MAX_LEN];
    struct json *metadata = json_ensure_object(c->arena, object, "metadata");
    random_uuid(c->random, uuid);
    json_setz(metadata, "uid", json_stringf(c->arena, "%s", uuid));
    json_setz(metadata, "creationTimestamp", json_stringf(c->arena, "%s", walltime_format(c->now, now)));
}

struct str change_encode(struct arena *a, const struct json *object)
{
    _cleanup_(strbuf_done) struct strbuf text = {0};
    json_write(object, &text);
    return arena_str(a, strbuf_str(&text));
}

int change_create_also(struct change *c, const struct resource *resource, struct json *object)
{
    struct store_op *op = add_op(c, resource, json_string_at(object, "metadata", "namespace"),
                                 json_string_at(object, "metadata", "name"));
    if (!op)
        return -E2BIG;
    change_fill_metadata(c, object);
    op->type = STORE_PUT;
    op->value = change_encode(c->arena, object);
    op->expect = STORE_ABSENT;
    return 0;
}

int change_delete_also(struct change *c, const struct resource *resource, struct str namespace,
                       struct str name)
{
    struct cache_object *o = registry_get(resource, namespace, name);
    if (!o)
        return 0;
    struct store_op *op = add_op(c, resource, namespace, name);
    if (!op)
        return -E2BIG;
    op->type = STORE_DELETE;
    op->expect = STORE_ANY;
    return 0;
}

int change_check_also(struct change *c, const struct resource *resource, struct str namespace,
                      struct str name, int64_t revision)
{
    struct store_op *op = add_op(c, resource, namespace, name);
    if (!op)
        return -E2BIG;
    op->type = STORE_CHECK;
    op->expect = revision;
    return 0;
}

struct json *change_read(struct change *c, const struct resource *resource, struct str namespace,
                         struct str name)
{
    struct json *doc;
    struct cache_object *o = registry_get(resource, namespace, name);
    if (!o)
        return NULL;
    if (json_parse(c->arena, arena_str(c->arena, cache_object_json(o)), NULL, &doc, NULL) < 0)
        return NULL;
    return doc;
}
