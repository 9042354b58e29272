#include "apiserver/registry.h"

#include "apiserver/cache.h"
#include "apiserver/strategies.h"
#include "base/array.h"

struct registry {
    struct registry_options options;
    struct resource *resources;
    size_t n;
};

static const struct strategy *find_strategy(const struct schema_resource *schema)
{
    static const struct strategy none = {0};
    for (size_t i = 0; i < n_strategies; i++) {
        if (str_eq(strategies[i]->group, schema->group) && str_eq(strategies[i]->plural, schema->plural))
            return strategies[i];
    }
    return &none;
}

static void on_observe(void *user, struct cache_object *old, struct cache_object *new)
{
    const struct resource *resource = user;
    resource->strategy->observe(resource->self, old, new);
}

static void add_storage(struct registry *r, struct resource *resource)
{
    resource->cache = cache_add_resource(r->options.cache, resource->schema->storage_prefix);
    if (resource->strategy->observe)
        cache_resource_observe(resource->cache, on_observe, resource);
}

static void share_storage(struct registry *r, struct resource *resource)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->resources[i].schema == resource->stored)
            resource->cache = r->resources[i].cache;
    }
}

struct registry *registry_new(const struct registry_options *options)
{
    struct registry *r = mem_new(struct registry);
    r->options = *options;
    r->n = n_schema_resources;
    r->resources = mem_zalloc(sizeof *r->resources * (r->n + 1));
    for (size_t i = 0; i < r->n; i++) {
        struct resource *resource = &r->resources[i];
        resource->schema = schema_resources[i];
        resource->stored = resource->schema->stored_as ? resource->schema->stored_as : resource->schema;
        resource->strategy = find_strategy(resource->schema);
    }
    /* Strategies start when every resource can be found. */
    for (size_t i = 0; i < r->n; i++) {
        if (r->resources[i].stored == r->resources[i].schema)
            add_storage(r, &r->resources[i]);
    }
    for (size_t i = 0; i < r->n; i++) {
        struct resource *resource = &r->resources[i];
        if (!resource->cache)
            share_storage(r, resource);
        if (resource->strategy->start)
            resource->self = resource->strategy->start(r, options->config);
    }
    return r;
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++) {
        if (r->resources[i].strategy->stop)
            r->resources[i].strategy->stop(r->resources[i].self);
    }
    free(r->resources);
    free(r);
}

const struct resource *registry_find(const struct registry *r, struct str group, struct str plural)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct schema_resource *s = r->resources[i].schema;
        if (str_eq(s->plural, plural) && str_eq(s->group, group))
            return &r->resources[i];
    }
    return NULL;
}

const struct resource *registry_find_version(const struct registry *r, struct str group, struct str version,
                                             struct str plural)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct schema_resource *s = r->resources[i].schema;
        if (str_eq(s->plural, plural) && str_eq(s->group, group) && str_eq(s->version, version))
            return &r->resources[i];
    }
    return NULL;
}

const struct resource *registry_stored(const struct registry *r, const struct resource *resource)
{
    if (resource->stored == resource->schema)
        return resource;
    return registry_find_version(r, resource->stored->group, resource->stored->version,
                                 resource->stored->plural);
}

size_t registry_n_resources(const struct registry *r)
{
    return r->n;
}

const struct resource *registry_at(const struct registry *r, size_t i)
{
    return &r->resources[i];
}

static void object_key(struct str namespace, struct str name, struct strbuf *out)
{
    if (namespace.len) {
        strbuf_add_str(out, namespace);
        strbuf_addc(out, '/');
    }
    strbuf_add_str(out, name);
}

struct cache_object *registry_get(const struct resource *resource, struct str namespace, struct str name)
{
    _cleanup_(strbuf_done) struct strbuf key = {0};
    object_key(namespace, name, &key);
    return cache_find(resource->cache, strbuf_str(&key));
}

void registry_key(const struct resource *resource, struct str namespace, struct str name, struct strbuf *out)
{
    strbuf_addz(out, "/registry/");
    strbuf_add_str(out, resource->stored->storage_prefix);
    strbuf_addc(out, '/');
    object_key(namespace, name, out);
}

void registry_metrics(const struct registry *r, struct strbuf *out)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->resources[i].strategy->metrics)
            r->resources[i].strategy->metrics(r->resources[i].self, out);
    }
}
