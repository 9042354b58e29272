#include "controllers/env.h"

#include <stdlib.h>

#include "object/selector.h"

#define RESOURCE(group, plural, kind)                                                                        \
    {                                                                                                        \
        STR_INIT(group), STR_INIT("v1"), STR_INIT(plural), STR_INIT(kind)                                    \
    }

const struct client_resource env_resources[N_RESOURCES] = {
    [PODS] = RESOURCE("", "pods", "Pod"),
    [SERVICES] = RESOURCE("", "services", "Service"),
    [ENDPOINT_SLICES] = RESOURCE("discovery.k8s.io", "endpointslices", "EndpointSlice"),
    [ENDPOINTS] = RESOURCE("", "endpoints", "Endpoints"),
    [NODES] = RESOURCE("", "nodes", "Node"),
    [NAMESPACES] = RESOURCE("", "namespaces", "Namespace"),
    [DEPLOYMENTS] = RESOURCE("apps", "deployments", "Deployment"),
    [REPLICA_SETS] = RESOURCE("apps", "replicasets", "ReplicaSet"),
    [SERVICE_CIDRS] = RESOURCE("networking.k8s.io", "servicecidrs", "ServiceCIDR"),
    [IP_ADDRESSES] = RESOURCE("networking.k8s.io", "ipaddresses", "IPAddress"),
    [CONFIG_MAPS] = RESOURCE("", "configmaps", "ConfigMap"),
    [SECRETS] = RESOURCE("", "secrets", "Secret"),
    [SERVICE_ACCOUNTS] = RESOURCE("", "serviceaccounts", "ServiceAccount"),
    [LEASES] = RESOURCE("coordination.k8s.io", "leases", "Lease"),
};

const enum resource_scope env_scopes[N_RESOURCES] = {
    [NODES] = SCOPE_CLUSTER,
    [NAMESPACES] = SCOPE_CLUSTER,
    [SERVICE_CIDRS] = SCOPE_CLUSTER,
    [IP_ADDRESSES] = SCOPE_CLUSTER,
};

int env_find_kind(struct str api_version, struct str kind)
{
    ptrdiff_t slash = str_find_char(api_version, '/');
    struct str group = slash < 0 ? STR("") : str_slice(api_version, 0, (size_t)slash);
    for (int i = 0; i < N_RESOURCES; i++) {
        if (str_eq(env_resources[i].kind, kind) && str_eq(env_resources[i].group, group))
            return i;
    }
    return -1;
}

struct str env_api_version(enum resource r, struct arena *a)
{
    const struct client_resource *x = &env_resources[r];
    if (!x->group.len)
        return x->version;
    return arena_format(a, "%.*s/%.*s", STR_ARG(x->group), STR_ARG(x->version));
}

/* The plain pairs of a selector: a Service's is a map, others have matchLabels. */
static const struct json *selector_pairs(const struct json *object)
{
    const struct json *selector = json_path(object, "spec", "selector", NULL);
    const struct json *match = json_getz(selector, "matchLabels");
    return json_is(match, JSON_OBJECT) ? match : selector;
}

/* Services and replica sets are found from a pod's labels, so each is filed under one pair of its selector:
 * whatever it selects has that pair among its labels. */
static void index_selector(const struct json *object, struct informer_index_keys *out)
{
    const struct json *pairs = selector_pairs(object);
    struct str ns = json_string_at(object, "metadata", "namespace"), value;
    if (!json_is(pairs, JSON_OBJECT))
        return;
    if (!json_is(pairs->first, JSON_STRING)) {
        informer_index_add(
            out, arena_format(out->arena, "%.*s/*", STR_ARG(ns))); /* only expressions, or nothing */
        return;
    }
    value = json_str(pairs->first);
    informer_index_add(out, arena_format(out->arena, "%.*s/%.*s=%.*s", STR_ARG(ns),
                                         STR_ARG(pairs->first->key), STR_ARG(value)));
}

static void index_nothing(const struct json *object, struct informer_index_keys *out) {}

static informer_index_fn *const INDEXES_OF[N_RESOURCES][3] = {
    [PODS] = {informer_index_owners, informer_index_labels, index_nothing},
    [SERVICES] = {informer_index_owners, index_nothing, index_selector},
    [ENDPOINT_SLICES] = {informer_index_owners, informer_index_labels, index_nothing},
    [REPLICA_SETS] = {informer_index_owners, informer_index_labels, index_selector},
};
static informer_index_fn *const OWNERS_ONLY[] = {informer_index_owners};

static void drop(struct json *object, const char *const *members, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)json_unsetz(object, members[i]); /* absent is as good */
}

/* Of these only the garbage collector wants to know that they exist and who owns them. */
static void keep_metadata_only(struct json *object, struct arena *a)
{
    static const char *const content[] = {"data", "binaryData",       "stringData", "spec", "secrets",
                                          "kind", "imagePullSecrets", "apiVersion", "type"};
    static const char *const metadata[] = {"annotations", "labels", "creationTimestamp", "generateName"};
    drop(object, content, ARRAY_LEN(content));
    drop(json_getz(object, "metadata"), metadata, ARRAY_LEN(metadata));
}

/* Services and addresses are looked at and never written back: there may be tens of thousands of them, and
 * what no controller reads is left out. */
static void keep_service(struct json *object, struct arena *a)
{
    static const char *const content[] = {"status", "kind", "apiVersion"};
    static const char *const spec[] = {"clusterIPs",
                                       "sessionAffinity",
                                       "sessionAffinityConfig",
                                       "internalTrafficPolicy",
                                       "externalTrafficPolicy",
                                       "ipFamilyPolicy",
                                       "externalIPs",
                                       "loadBalancerIP",
                                       "loadBalancerSourceRanges",
                                       "allocateLoadBalancerNodePorts",
                                       "healthCheckNodePort",
                                       "loadBalancerClass"};
    drop(object, content, ARRAY_LEN(content));
    drop(json_getz(object, "spec"), spec, ARRAY_LEN(spec));
    (void)json_unsetz(json_path(object, "metadata", "annotations", NULL),
                      "kubectl.kubernetes.io/last-applied-configuration"); /* absent is as good */
}

static void keep_address(struct json *object, struct arena *a)
{
    static const char *const content[] = {"spec", "kind", "apiVersion"};
    static const char *const metadata[] = {"annotations", "creationTimestamp"};
    drop(object, content, ARRAY_LEN(content));
    drop(json_getz(object, "metadata"), metadata, ARRAY_LEN(metadata));
}

/* Nodes report much and often; zones, size, readiness and pod ranges are what matters here. */
static void keep_node(struct json *object, struct arena *a)
{
    static const char *const content[] = {"kind", "apiVersion"};
    static const char *const spec[] = {"taints", "providerID", "unschedulable", "externalID", "configSource"};
    static const char *const status[] = {"images",          "nodeInfo",        "addresses",
                                         "capacity",        "volumesInUse",    "volumesAttached",
                                         "daemonEndpoints", "runtimeHandlers", "features"};
    drop(object, content, ARRAY_LEN(content));
    drop(json_getz(object, "spec"), spec, ARRAY_LEN(spec));
    drop(json_getz(object, "status"), status, ARRAY_LEN(status));
    (void)json_unsetz(json_getz(object, "metadata"), "annotations"); /* absent is as good */
}

void env_init_caches(struct env *env)
{
    for (int r = 0; r < N_RESOURCES; r++) {
        struct informer_config config = {.client = env->client,
                                         .loop = env->loop,
                                         .random = env->random,
                                         .resource = &env_resources[r],
                                         .indexes = OWNERS_ONLY,
                                         .n_indexes = 1};
        if (INDEXES_OF[r][0]) {
            config.indexes = INDEXES_OF[r];
            config.n_indexes = ARRAY_LEN(INDEXES_OF[r]);
        }
        config.reduce = r == SERVICES       ? keep_service
                        : r == IP_ADDRESSES ? keep_address
                        : r == NODES        ? keep_node
                        : r >= CONFIG_MAPS  ? keep_metadata_only
                                            : NULL;
        env->caches[r] = informer_new(&config);
    }
}

void env_free_caches(struct env *env)
{
    for (int r = 0; r < N_RESOURCES; r++)
        informer_free(TAKE(env->caches[r]));
}

void env_start_caches(struct env *env)
{
    for (int r = 0; r < N_RESOURCES; r++)
        informer_start(env->caches[r]);
}

struct json *env_get(const struct env *env, enum resource r, struct str namespace, struct str name,
                     struct arena *a)
{
    return informer_item_parse(informer_find(env->caches[r], namespace, name), a);
}

static int item_cmp(const void *a, const void *b)
{
    const struct informer_item *const *x = a, *const *y = b;
    return str_cmp((*x)->key, (*y)->key);
}

static struct objects parse_bucket(struct informer_bucket bucket, struct arena *a)
{
    struct objects objects = {arena_new_array(a, struct json *, bucket.n + 1), 0};
    struct informer_item **items = arena_new_array(a, struct informer_item *, bucket.n + 1);
    for (size_t i = 0; i < bucket.n; i++)
        items[i] = bucket.v[i];
    qsort(items, bucket.n, sizeof *items, item_cmp);
    for (size_t i = 0; i < bucket.n; i++)
        objects.v[objects.n++] = informer_item_parse(items[i], a);
    return objects;
}

struct objects env_with_label(const struct env *env, enum resource r, struct str namespace,
                              struct str label_and_value, struct arena *a)
{
    struct str key = arena_format(a, "%.*s/%.*s", STR_ARG(namespace), STR_ARG(label_and_value));
    struct objects all = parse_bucket(informer_find_indexed(env->caches[r], INDEX_LABELS, key), a);
    struct objects found = {all.v, 0};
    struct str value = label_and_value, name;
    (void)str_split(&value, '=', &name); /* has one */
    for (size_t i = 0; i < all.n; i++) {
        const struct json *label = json_get(json_path(all.v[i], "metadata", "labels", NULL), name);
        bool same = label && str_eq(json_str(label), value) &&
                    str_eq(json_string_at(all.v[i], "metadata", "namespace"), namespace);
        if (same)
            found.v[found.n++] = all.v[i];
    }
    return found;
}

static bool is_owned_by(const struct json *object, struct str uid)
{
    json_foreach (json_path(object, "metadata", "ownerReferences", NULL), ref) {
        if (str_eq(json_string_at(ref, "uid"), uid))
            return true;
    }
    return false;
}

struct objects env_owned(const struct env *env, enum resource r, struct str uid, struct arena *a)
{
    struct objects all = parse_bucket(informer_find_indexed(env->caches[r], INDEX_OWNERS, uid), a);
    struct objects found = {all.v, 0};
    for (size_t i = 0; i < all.n; i++) {
        if (is_owned_by(all.v[i], uid))
            found.v[found.n++] = all.v[i];
    }
    return found;
}

/* Everything in a namespace; for selectors that name no pair to look up. */
static struct objects in_namespace(const struct env *env, enum resource r, struct str namespace,
                                   struct arena *a)
{
    size_t n;
    _cleanup_(mem_freep) struct informer_item **items = informer_items_sorted(env->caches[r], &n);
    struct objects objects = {arena_new_array(a, struct json *, n + 1), 0};
    for (size_t i = 0; i < n; i++) {
        if (str_eq(items[i]->namespace, namespace))
            objects.v[objects.n++] = informer_item_parse(items[i], a);
    }
    return objects;
}

struct objects env_selected(const struct env *env, enum resource r, struct str namespace,
                            const struct json *selector, enum selector_form form, struct arena *a)
{
    const struct json *pairs = form == SELECTOR_MAP ? selector : json_getz(selector, "matchLabels");
    struct label_selector compiled = {.nothing = true};
    struct objects candidates, chosen;

    if (form == SELECTOR_MAP)
        label_selector_from_map(a, selector, &compiled);
    else if (label_selector_from_object(a, selector, &compiled, NULL) < 0)
        return (struct objects){0}; /* stored objects are valid; one that is not selects nothing */
    if (compiled.nothing)
        return (struct objects){0};
    if (json_is(pairs, JSON_OBJECT) && pairs->first) {
        struct str value = json_str(pairs->first);
        candidates = env_with_label(
            env, r, namespace, arena_format(a, "%.*s=%.*s", STR_ARG(pairs->first->key), STR_ARG(value)), a);
    } else {
        candidates = in_namespace(env, r, namespace, a);
    }
    chosen = (struct objects){candidates.v, 0};
    for (size_t i = 0; i < candidates.n; i++) {
        if (label_selector_matches(&compiled, json_path(candidates.v[i], "metadata", "labels", NULL)))
            chosen.v[chosen.n++] = candidates.v[i];
    }
    return chosen;
}

static bool selects(const struct informer_item *item, const struct json *labels)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct label_selector compiled = {.nothing = true};
    const struct json *selector = json_path(informer_item_parse(item, &a), "spec", "selector", NULL);
    if (json_getz(selector, "matchLabels") && json_is(json_getz(selector, "matchLabels"), JSON_OBJECT))
        (void)label_selector_from_object(&a, selector, &compiled, NULL); /* a broken one selects nothing */
    else
        label_selector_from_map(&a, selector, &compiled);
    return label_selector_matches(&compiled, labels);
}

void env_find_selecting(const struct env *env, enum resource r, const struct json *object,
                        void (*found)(void *user, struct str key), void *user)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct informer_index_keys keys = {.arena = &a};
    if (!object)
        return;
    informer_index_labels(object, &keys);
    informer_index_add(&keys,
                       arena_format(&a, "%.*s/*", STR_ARG(json_string_at(object, "metadata", "namespace"))));
    array_foreach (&keys.keys, key) {
        struct informer_bucket bucket = informer_find_indexed(env->caches[r], INDEX_SELECTOR, *key);
        for (size_t i = 0; i < bucket.n; i++) {
            if (selects(bucket.v[i], json_path(object, "metadata", "labels", NULL)))
                found(user, bucket.v[i]->key);
        }
    }
    array_done(&keys.keys);
}
