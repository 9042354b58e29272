/* Deletion of namespaces: first everything in them, then they themselves. Source: upstream's
 * controller/namespace/deletion. */
#include "controllers/controller.h"

#define FINALIZER "kubernetes"

static const struct client_resource EVENTS = {STR_INIT(""), STR_INIT("v1"), STR_INIT("events"),
                                              STR_INIT("Event")};

/* What is left of one resource after its collection was deleted. */
struct remains {
    struct emptying *all;
    const struct client_resource *resource;
    int64_t n, n_finalizers;
    int64_t grace_s; /* the longest that a pod may still take */
    bool failed;
};

struct emptying {
    struct json *namespace;
    struct remains v[N_RESOURCES + 1];
    size_t n, pending;
};

static bool has_finalizer(const struct json *namespace)
{
    json_foreach (json_path(namespace, "spec", "finalizers", NULL), f) {
        if (str_eq(json_str(f), STR(FINALIZER)))
            return true;
    }
    return false;
}

static struct json *without_finalizer(const struct json *namespace, struct arena *a)
{
    struct json *object = json_copy(a, namespace), *left = json_array(a);
    json_foreach (json_path(namespace, "spec", "finalizers", NULL), f) {
        if (!str_eq(json_str(f), STR(FINALIZER)))
            json_append(left, json_copy(a, f));
    }
    json_setz(json_ensure_object(a, object, "spec"), "finalizers", left);
    return object;
}

static void finalize(struct sync *s, struct emptying *e)
{
    sync_write(s, &(struct sync_write){.verb = CLIENT_UPDATE,
                                       .resource = NAMESPACES,
                                       .object = without_finalizer(e->namespace, s->arena),
                                       .subresource = STR("finalize")});
}

static struct str list_remains(struct emptying *e, struct arena *a, bool finalizers)
{
    _cleanup_(strbuf_done) struct strbuf out = {0};
    for (size_t i = 0; i < e->n; i++) {
        const struct remains *r = &e->v[i];
        int64_t n = finalizers ? r->n_finalizers : r->n;
        if (!n)
            continue;
        strbuf_addf(&out, "%s%.*s.%.*s has %lld resource instances", out.len ? ", " : "",
                    STR_ARG(r->resource->plural), STR_ARG(r->resource->group), (long long)n);
    }
    return arena_str(a, strbuf_str(&out));
}

static struct str list_failures(struct emptying *e, struct arena *a)
{
    _cleanup_(strbuf_done) struct strbuf out = {0};
    for (size_t i = 0; i < e->n; i++) {
        if (e->v[i].failed)
            strbuf_addf(&out, "%s%.*s", out.len ? ", " : "", STR_ARG(e->v[i].resource->plural));
    }
    return arena_str(a, strbuf_str(&out));
}

/* Says in the status what the deletion waits for. */
static void report(struct sync *s, struct emptying *e)
{
    char now[WALLTIME_MAX_LEN];
    struct arena *a = s->arena;
    struct json *object = json_copy(a, e->namespace);
    struct json *status = json_ensure_object(a, object, "status"),
                *list = json_ensure_array(a, status, "conditions");
    struct str failures = list_failures(e, a), remains = list_remains(e, a, false),
               finalizers = list_remains(e, a, true);
    const struct condition conditions[] = {
        {STR("NamespaceDeletionDiscoveryFailure"), STR("False"), STR("ResourcesDiscovered"),
         STR("All resources successfully discovered")},
        {STR("NamespaceDeletionGroupVersionParsingFailure"), STR("False"), STR("ParsedGroupVersions"),
         STR("All legacy kube types successfully parsed")},
        {STR("NamespaceDeletionContentFailure"), failures.len ? STR("True") : STR("False"),
         failures.len ? STR("ContentDeletionFailed") : STR("ContentDeleted"),
         failures.len ? arena_format(a, "Failed to delete all resource types: %.*s", STR_ARG(failures))
                      : STR("All content successfully deleted, may be waiting on finalization")},
        {STR("NamespaceContentRemaining"), remains.len ? STR("True") : STR("False"),
         remains.len ? STR("SomeResourcesRemain") : STR("ContentRemoved"),
         remains.len ? arena_format(a, "Some resources are remaining: %.*s", STR_ARG(remains))
                     : STR("All content successfully removed")},
        {STR("NamespaceFinalizersRemaining"), finalizers.len ? STR("True") : STR("False"),
         finalizers.len ? STR("SomeFinalizersRemain") : STR("ContentHasNoFinalizers"),
         finalizers.len ? arena_format(a, "Some content in the namespace has finalizers remaining: %.*s",
                                       STR_ARG(finalizers))
                        : STR("All content-preserving finalizers finished")},
    };
    for (size_t i = 0; i < ARRAY_LEN(conditions); i++)
        (void)value_set_condition(a, list, &conditions[i],
                                  str_of(walltime_format(sync_now(s), now))); /* compared below */
    value_set_str(a, status, "phase", STR("Terminating"));
    if (!value_same(status, json_getz(e->namespace, "status")))
        sync_write(s, &(struct sync_write){.verb = CLIENT_UPDATE,
                                           .resource = NAMESPACES,
                                           .object = object,
                                           .subresource = STR("status")});
}

/* Every resource has been deleted and looked at. */
static void conclude(struct sync *s, struct emptying *e)
{
    bool failed = false, left = false;
    int64_t grace_s = 0;
    for (size_t i = 0; i < e->n; i++) {
        failed = failed || e->v[i].failed;
        left = left || e->v[i].n;
        grace_s = MAX(grace_s, e->v[i].grace_s);
    }
    if (!failed && !left) {
        finalize(s, e);
        return;
    }
    report(s, e);
    if (left)
        sync_again(s, (grace_s / 2 + 1) * 1000); /* sooner if a watch tells */
}

static void one_less(struct sync *s, struct remains *r)
{
    if (--r->all->pending == 0)
        conclude(s, r->all);
}

static bool on_listed(struct sync *s, void *user, const struct client_result *result)
{
    struct remains *r = user;
    r->failed = result->code != 0;
    json_foreach (json_getz(result->object, "items"), object) {
        const struct json *finalizers = json_path(object, "metadata", "finalizers", NULL);
        r->n++;
        r->n_finalizers += json_n(finalizers) > 0;
        r->grace_s = MAX(r->grace_s, json_int_at(object, 0, "metadata", "deletionGracePeriodSeconds"));
    }
    one_less(s, r);
    return false;
}

static bool on_deleted(struct sync *s, void *user, const struct client_result *result)
{
    struct remains *r = user;
    if (result->code && result->code != CLIENT_NOT_FOUND) {
        r->failed = true;
        one_less(s, r);
        return false;
    }
    struct client_request request = {.verb = CLIENT_LIST,
                                     .resource = r->resource,
                                     .namespace = s->name,
                                     .query = STR("limit=500"),
                                     .max_reply_len = CLIENT_MAX_LIST_LEN};
    sync_send(s, &request, on_listed, r);
    return true;
}

static void empty(struct sync *s, struct emptying *e, const struct client_resource *resource)
{
    struct remains *r = &e->v[e->n++];
    struct client_request request = {.verb = CLIENT_DELETE, .resource = resource, .namespace = s->name};
    *r = (struct remains){.all = e, .resource = resource};
    e->pending++;
    sync_send(s, &request, on_deleted, r);
}

static void sync_namespace(struct controller *c, struct sync *s)
{
    struct json *namespace = env_get(s->env, NAMESPACES, STR(""), s->name, s->arena);
    if (!namespace || !value_is_leaving(namespace) || !has_finalizer(namespace))
        return;
    struct emptying *e = arena_new(s->arena, struct emptying);
    e->namespace = namespace;
    for (int i = 0; i < N_RESOURCES; i++) {
        if (env_scopes[i] == SCOPE_NAMESPACE)
            empty(s, e, &env_resources[i]);
    }
    empty(s, e, &EVENTS);
}

static void namespace_changed(struct controller *c, enum resource r, const struct informer_change *change)
{
    if (change->after && value_is_leaving(change->object))
        reconciler_add(&c->reconciler, change->after->key);
}

/* Something has gone from a namespace: perhaps the last that it waited for. */
static void content_changed(struct controller *c, enum resource r, const struct informer_change *change)
{
    _cleanup_(arena_done) struct arena a = {0};
    if (change->after)
        return;
    if (value_is_leaving(env_get(c->env, NAMESPACES, STR(""), change->before->namespace, &a)))
        reconciler_add(&c->reconciler, change->before->namespace);
}

static const struct controller_watch WATCHES[] = {
    {NAMESPACES, namespace_changed}, {PODS, content_changed},         {SERVICES, content_changed},
    {DEPLOYMENTS, content_changed},  {REPLICA_SETS, content_changed}, {ENDPOINT_SLICES, content_changed},
    {CONFIG_MAPS, content_changed},  {SECRETS, content_changed},
};

const struct controller_type namespace_controller = {
    .name = "namespace",
    .sync = sync_namespace,
    .watches = WATCHES,
    .n_watches = ARRAY_LEN(WATCHES),
    .base_ms = 100,
    .max_ms = 60000,
};
