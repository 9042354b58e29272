#include "apiserver/admission.h"

#include "apiserver/authn.h"
#include "apiserver/authz.h"
#include "apiserver/cache.h"
#include "object/meta.h"

static bool is_resource(const struct change *c, struct str group, struct str plural)
{
    return str_eq(c->resource->schema->group, group) && str_eq(c->resource->schema->plural, plural);
}

static struct status *check_protected(struct change *c)
{
    static const struct str kept[] = {STR_INIT("default"), STR_INIT("kube-system"), STR_INIT("kube-public")};
    if (!is_resource(c, STR(""), STR("namespaces")))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        if (str_eq(kept[i], c->name))
            return status_forbidden(c->arena, c->resource->schema, c->name,
                                    "this namespace may not be deleted");
    }
    return NULL;
}

static bool starts_deletion(const struct change *c)
{
    return c->old && !meta_is_deleted(c->old) &&
           (c->verb == CHANGE_DELETE || (c->object && meta_is_deleted(c->object)));
}

/* Source: apiserver pkg/admission/plugin/namespace/lifecycle. */
struct status *admission_check_namespace(struct change *c)
{
    if (starts_deletion(c))
        return check_protected(c);
    if (c->verb != CHANGE_CREATE || !c->namespace.len)
        return NULL;
    const struct resource *namespaces = registry_find(c->registry, STR(""), STR("namespaces"));
    struct cache_object *o = registry_get(namespaces, STR(""), c->namespace);
    if (!o)
        return status_not_found(c->arena, namespaces->schema, c->namespace);
    struct json *doc;
    if (json_parse(c->arena, cache_object_json(o), NULL, &doc, NULL) < 0)
        return status_internal(c->arena, "the namespace cannot be read");
    if (!meta_is_deleted(doc)) {
        (void)change_check_also(c, namespaces, STR(""), c->namespace,
                                o->revision); /* the first operation fits */
        return NULL;
    }
    struct status *s = status_forbidden(c->arena, c->resource->schema, c->name,
                                        "unable to create new content in namespace %.*s because it is being "
                                        "terminated",
                                        STR_ARG(c->namespace));
    s->has_details = true;
    s->causes = arena_new(c->arena, struct status_cause);
    s->n_causes = 1;
    *s->causes = (struct status_cause){
        .reason = STR("NamespaceTerminating"),
        .message = arena_format(c->arena, "namespace %.*s is being terminated", STR_ARG(c->namespace)),
        .field = STR("metadata.namespace"),
    };
    return s;
}

/* Nodes. */

static struct status *refuse_node(struct change *c, const char *why)
{
    return status_forbidden(c->arena, c->resource->schema, c->name, "node \"%.*s\" %s",
                            STR_ARG(authz_node_name(c->identity)), why);
}

static bool same(const struct json *a, const struct json *b)
{
    return (!a && !b) || (a && b && json_equal(a, b));
}

/* Labels that a node may give itself. Everything else under kubernetes.io steers workloads and is the
 * operator's. */
static bool may_set_label(struct str key)
{
    static const struct str own[] = {
        STR_INIT("kubernetes.io/hostname"),
        STR_INIT("kubernetes.io/os"),
        STR_INIT("kubernetes.io/arch"),
        STR_INIT("topology.kubernetes.io/zone"),
        STR_INIT("topology.kubernetes.io/region"),
        STR_INIT("node.kubernetes.io/instance-type"),
        STR_INIT("beta.kubernetes.io/os"),
        STR_INIT("beta.kubernetes.io/arch"),
        STR_INIT("beta.kubernetes.io/instance-type"),
    };
    struct str domain = key, prefix;
    if (!str_split(&domain, '/', &prefix) || !domain.p)
        return true; /* no prefix */
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        if (str_eq(own[i], key))
            return true;
    }
    if (str_eq(prefix, STR("kubelet.kubernetes.io")) || str_eq(prefix, STR("node.kubernetes.io")))
        return true;
    return !str_has_suffix(prefix, STR("kubernetes.io")) && !str_has_suffix(prefix, STR("k8s.io"));
}

static bool labels_are_fine(const struct json *new, const struct json *old)
{
    json_foreach (new, label) {
        if (!same(label, json_get(old, label->key)) && !may_set_label(label->key))
            return false;
    }
    json_foreach (old, label) {
        if (!json_get(new, label->key) && !may_set_label(label->key))
            return false;
    }
    return true;
}

/* A node writes its own Node: status, annotations, labels that steer nothing, and the spec it is born with.
 */
static struct status *check_own_node(struct change *c)
{
    static const char *const kept_metadata[] = {"ownerReferences", "finalizers"};
    static const char *const kept_spec[] = {"taints", "configSource", "podCIDR", "podCIDRs"};
    if (!str_eq(c->name, authz_node_name(c->identity)))
        return refuse_node(c, "is not allowed to modify other nodes");
    if (c->verb == CHANGE_DELETE)
        return refuse_node(c, "is not allowed to delete itself");
    for (size_t i = 0; i < ARRAY_LEN(kept_metadata); i++) {
        if (!same(json_path(c->object, "metadata", kept_metadata[i], NULL),
                  json_path(c->old, "metadata", kept_metadata[i], NULL)))
            return refuse_node(c, "is not allowed to change its owners or finalizers");
    }
    for (size_t i = 0; i < ARRAY_LEN(kept_spec); i++) {
        bool taint_at_birth = i == 0 && !c->old;
        if (!taint_at_birth && !same(json_path(c->object, "spec", kept_spec[i], NULL),
                                     json_path(c->old, "spec", kept_spec[i], NULL)))
            return refuse_node(c, "is not allowed to change its taints or pod ranges");
    }
    if (!labels_are_fine(meta_labels(c->object), meta_labels(c->old)))
        return refuse_node(c, "is not allowed to change labels that steer workloads");
    return NULL;
}

/* Of Pods a node writes the status of those that are bound to it, and nothing else; it may delete them. */
static struct status *check_pod(struct change *c)
{
    struct str node = json_string_at(c->old, "spec", "nodeName");
    if (!c->old || !str_eq(node, authz_node_name(c->identity)))
        return refuse_node(c, "can only write pods that are bound to it");
    bool removal = c->verb == CHANGE_DELETE || meta_is_deleted(c->object);
    if (removal || str_eq(c->subresource, STR("status")))
        return NULL;
    return refuse_node(c, "can only update the status of pods");
}

/* Source: plugin/pkg/admission/noderestriction. */
struct status *admission_check_node(struct change *c)
{
    if (!authz_node_name(c->identity).len || identity_has_group(c->identity, STR("system:masters")))
        return NULL;
    if (is_resource(c, STR(""), STR("nodes")))
        return check_own_node(c);
    if (is_resource(c, STR(""), STR("pods")))
        return check_pod(c);
    if (is_resource(c, STR("coordination.k8s.io"), STR("leases")) &&
        !str_eq(c->name, authz_node_name(c->identity)))
        return refuse_node(c, "can only write the lease of its own name");
    return NULL;
}
