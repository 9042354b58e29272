/* Garbage collection by owner references: what has no owner left goes; owners being deleted in the foreground
 * wait for their dependents, and orphaned dependents are cut loose first.
 *
 * Keys are "RESOURCE-NUMBER/NAMESPACE/NAME". The graph is the owners' index of the caches. An owner that the
 * caches do not show is asked for at the API before anything is deleted because of its absence.
 *
 * Source: upstream's controller/garbagecollector. */
#include "controllers/controller.h"

#define FOREGROUND "foregroundDeletion"
#define ORPHAN     "orphan"

enum owner_state {
    OWNER_UNKNOWN,  /* being asked for */
    OWNER_SOLID,    /* exists, or nobody can tell that it does not */
    OWNER_WAITING,  /* exists, and waits for this object to go */
    OWNER_DANGLING, /* does not exist */
};

/* One owner of the object under consideration. */
struct owner {
    struct verdict *verdict;
    const struct json *ref;
    enum owner_state state;
};

struct verdict {
    enum resource resource;
    struct json *object;
    struct owner *owners;
    size_t n_owners, n_unknown;
};

static void add(struct controller *c, enum resource r, struct str key)
{
    _cleanup_(strbuf_done) struct strbuf text = {0};
    strbuf_addf(&text, "%d/%s%.*s", r, env_scopes[r] == SCOPE_CLUSTER ? "/" : "", STR_ARG(key));
    reconciler_add(&c->reconciler, strbuf_str(&text));
}

static void add_dependents(struct controller *c, struct str uid)
{
    for (int r = 0; r < N_RESOURCES; r++) {
        struct informer_bucket bucket = informer_find_indexed(env_cache(c->env, r), INDEX_OWNERS, uid);
        for (size_t i = 0; i < bucket.n; i++)
            add(c, r, bucket.v[i]->key);
    }
}

static bool has_finalizer(const struct json *object, struct str name)
{
    json_foreach (json_path(object, "metadata", "finalizers", NULL), f) {
        if (str_eq(json_str(f), name))
            return true;
    }
    return false;
}

/* The namespace that OBJECT's owner of kind R is in. */
static struct str owner_namespace(enum resource r, const struct json *object)
{
    return env_scopes[r] == SCOPE_CLUSTER ? STR("") : json_string_at(object, "metadata", "namespace");
}

static struct json *patch_of(struct sync *s, const struct json *object, const char *member, struct json *list)
{
    struct json *patch = json_object(s->arena), *meta = json_object(s->arena);
    value_set_str(s->arena, meta, "uid", value_uid(object));
    /* The list replaces the whole one: only if nobody has changed it since. */
    value_set_str(s->arena, meta, "resourceVersion", json_string_at(object, "metadata", "resourceVersion"));
    json_setz(meta, member, list);
    json_setz(patch, "metadata", meta);
    return patch;
}

static void remove_finalizer(struct sync *s, enum resource r, const struct json *object, struct str name)
{
    struct json *left = json_array(s->arena);
    json_foreach (json_path(object, "metadata", "finalizers", NULL), f) {
        if (!str_eq(json_str(f), name))
            json_append(left, json_copy(s->arena, f));
    }
    sync_write(s, &(struct sync_write){.verb = CLIENT_PATCH,
                                       .resource = r,
                                       .object = object,
                                       .body = patch_of(s, object, "finalizers", left)});
}

static bool blocks(const struct json *dependent, struct str uid)
{
    json_foreach (json_path(dependent, "metadata", "ownerReferences", NULL), ref) {
        if (str_eq(json_string_at(ref, "uid"), uid))
            return json_bool_at(ref, false, "blockOwnerDeletion");
    }
    return false;
}

/* The owner goes when no dependent that blocks it is left. */
static void sync_foreground(struct controller *c, struct sync *s, enum resource r, const struct json *owner)
{
    struct str uid = value_uid(owner);
    bool blocked = false;
    for (int k = 0; k < N_RESOURCES; k++) {
        struct objects dependents = env_owned(s->env, k, uid, s->arena);
        for (size_t i = 0; i < dependents.n; i++)
            blocked = blocked || blocks(dependents.v[i], uid);
    }
    add_dependents(c, uid);
    if (!blocked)
        remove_finalizer(s, r, owner, STR(FOREGROUND));
}

static struct json *refs_without(struct sync *s, const struct json *object, struct str uid)
{
    struct json *left = json_array(s->arena);
    json_foreach (json_path(object, "metadata", "ownerReferences", NULL), ref) {
        if (!str_eq(json_string_at(ref, "uid"), uid))
            json_append(left, json_copy(s->arena, ref));
    }
    return left;
}

/* The dependents are cut loose first; when none is left, the owner may go. */
static void sync_orphaning(struct sync *s, enum resource r, const struct json *owner)
{
    struct str uid = value_uid(owner);
    size_t n = 0;
    for (int k = 0; k < N_RESOURCES; k++) {
        struct objects dependents = env_owned(s->env, k, uid, s->arena);
        n += dependents.n;
        for (size_t i = 0; i < dependents.n; i++)
            sync_write(s, &(struct sync_write){.verb = CLIENT_PATCH,
                                               .resource = k,
                                               .object = dependents.v[i],
                                               .body = patch_of(s, dependents.v[i], "ownerReferences",
                                                                refs_without(s, dependents.v[i], uid))});
    }
    if (n)
        sync_again(s, 1);
    else
        remove_finalizer(s, r, owner, STR(ORPHAN));
}

static size_t count(const struct verdict *v, enum owner_state state)
{
    size_t n = 0;
    for (size_t i = 0; i < v->n_owners; i++)
        n += v->owners[i].state == state;
    return n;
}

static bool has_dependents(const struct env *env, struct str uid)
{
    for (int r = 0; r < N_RESOURCES; r++) {
        if (informer_find_indexed(env_cache(env, r), INDEX_OWNERS, uid).n)
            return true;
    }
    return false;
}

static void delete_object(struct sync *s, const struct verdict *v, const char *policy)
{
    struct json *options = json_object(s->arena), *preconditions = json_object(s->arena);
    /* An object that changed since may have got an owner: its change brings it back here. */
    value_set_str(s->arena, preconditions, "resourceVersion",
                  json_string_at(v->object, "metadata", "resourceVersion"));
    json_setz(options, "preconditions", preconditions);
    value_set_str(s->arena, options, "propagationPolicy", str_of(policy));
    sync_write(s, &(struct sync_write){
                      .verb = CLIENT_DELETE, .resource = v->resource, .object = v->object, .body = options});
}

static void drop_refs(struct sync *s, const struct verdict *v)
{
    struct json *left = json_array(s->arena);
    for (size_t i = 0; i < v->n_owners; i++) {
        if (v->owners[i].state == OWNER_SOLID)
            json_append(left, json_copy(s->arena, v->owners[i].ref));
    }
    sync_write(s, &(struct sync_write){.verb = CLIENT_PATCH,
                                       .resource = v->resource,
                                       .object = v->object,
                                       .body = patch_of(s, v->object, "ownerReferences", left)});
}

static void judge(struct sync *s, const struct verdict *v)
{
    size_t solid = count(v, OWNER_SOLID), waiting = count(v, OWNER_WAITING);
    if (solid) {
        if (solid != v->n_owners)
            drop_refs(s, v);
    } else if (waiting && has_dependents(s->env, value_uid(v->object))) {
        delete_object(s, v, "Foreground");
    } else if (has_finalizer(v->object, STR(ORPHAN))) {
        delete_object(s, v, "Orphan");
    } else if (has_finalizer(v->object, STR(FOREGROUND))) {
        delete_object(s, v, "Foreground");
    } else {
        delete_object(s, v, "Background");
    }
}

static bool on_live_owner(struct sync *s, void *user, const struct client_result *result)
{
    struct owner *o = user;
    struct verdict *v = o->verdict;
    bool same = result->code == 0 && str_eq(value_uid(result->object), json_string_at(o->ref, "uid"));

    if (same)
        o->state = OWNER_SOLID; /* the caches lag: what happens to it will be heard */
    else if (result->code == 0 || result->code == CLIENT_NOT_FOUND)
        o->state = OWNER_DANGLING;
    if (--v->n_unknown == 0 && !count(v, OWNER_UNKNOWN))
        judge(s, v);
    return result->code == CLIENT_NOT_FOUND;
}

static enum owner_state look_in_cache(struct sync *s, const struct json *object, const struct json *ref,
                                      int r)
{
    bool unclear =
        r < 0 || (env_scopes[r] == SCOPE_NAMESPACE && !json_string_at(object, "metadata", "namespace").len);
    if (unclear)
        return OWNER_SOLID; /* of a kind, or in a place, that we cannot look at */
    const struct json *owner =
        env_get(s->env, r, owner_namespace(r, object), json_string_at(ref, "name"), s->arena);
    if (!owner || !str_eq(value_uid(owner), json_string_at(ref, "uid")))
        return OWNER_UNKNOWN;
    return value_is_leaving(owner) && has_finalizer(owner, STR(FOREGROUND)) ? OWNER_WAITING : OWNER_SOLID;
}

static void sync_dependent(struct sync *s, enum resource r, struct json *object)
{
    const struct json *refs = json_path(object, "metadata", "ownerReferences", NULL);
    if (!json_is(refs, JSON_ARRAY) || !refs->n)
        return;
    struct verdict *v = arena_new(s->arena, struct verdict);
    *v = (struct verdict){
        .resource = r, .object = object, .owners = arena_new_array(s->arena, struct owner, refs->n)};
    json_foreach (refs, ref) {
        struct owner *o = &v->owners[v->n_owners++];
        int kind = env_find_kind(json_string_at(ref, "apiVersion"), json_string_at(ref, "kind"));
        *o = (struct owner){v, ref, look_in_cache(s, object, ref, kind)};
        if (o->state != OWNER_UNKNOWN)
            continue;
        v->n_unknown++;
        sync_read(s, kind, owner_namespace(kind, object), json_string_at(ref, "name"), on_live_owner, o);
    }
    if (!v->n_unknown)
        judge(s, v);
}

static void sync_object(struct controller *c, struct sync *s)
{
    struct str rest = s->key, number, namespace;
    uint64_t r;
    if (!str_split(&rest, '/', &number) || !str_split(&rest, '/', &namespace) ||
        str_to_uint64(number, &r) < 0 || r >= N_RESOURCES)
        return;
    struct json *object = env_get(s->env, (enum resource)r, namespace, rest, s->arena);
    if (!object)
        return;
    if (!value_is_leaving(object))
        sync_dependent(s, (enum resource)r, object);
    else if (has_finalizer(object, STR(FOREGROUND)))
        sync_foreground(c, s, (enum resource)r, object);
    else if (has_finalizer(object, STR(ORPHAN)))
        sync_orphaning(s, (enum resource)r, object);
}

/* Owners that are being deleted may have waited for this object. */
static void add_leaving_owners(struct controller *c, const struct json *object)
{
    _cleanup_(arena_done) struct arena a = {0};
    json_foreach (json_path(object, "metadata", "ownerReferences", NULL), ref) {
        int r = env_find_kind(json_string_at(ref, "apiVersion"), json_string_at(ref, "kind"));
        if (r < 0)
            continue;
        struct str ns = owner_namespace(r, object), name = json_string_at(ref, "name");
        struct informer_item *owner = informer_find(env_cache(c->env, r), ns, name);
        if (owner && value_is_leaving(informer_item_parse(owner, &a)))
            add(c, r, owner->key);
    }
}

static bool metadata_differs(const struct json *before, const struct json *after)
{
    static const char *const members[] = {"ownerReferences", "deletionTimestamp", "finalizers", "uid"};
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        if (!value_same(json_path(before, "metadata", members[i], NULL),
                        json_path(after, "metadata", members[i], NULL)))
            return true;
    }
    return false;
}

static void changed(struct controller *c, enum resource r, const struct informer_change *change)
{
    if (!change->after) {
        add_dependents(c, value_uid(change->object));
        add_leaving_owners(c, change->object);
        return;
    }
    if (change->before && !metadata_differs(change->old_object, change->object))
        return;
    if (change->before) {
        add_leaving_owners(c, change->old_object);
        if (!str_eq(value_uid(change->old_object), value_uid(change->object)))
            add_dependents(c, value_uid(change->old_object)); /* another object of that name */
    }
    if (value_is_leaving(change->object) || json_path(change->object, "metadata", "ownerReferences", NULL))
        add(c, r, change->after->key);
}

static const struct controller_watch WATCHES[] = {
    {PODS, changed},
    {SERVICES, changed},
    {ENDPOINT_SLICES, changed},
    {ENDPOINTS, changed},
    {NODES, changed},
    {NAMESPACES, changed},
    {DEPLOYMENTS, changed},
    {REPLICA_SETS, changed},
    {SERVICE_CIDRS, changed},
    {IP_ADDRESSES, changed},
    {CONFIG_MAPS, changed},
    {SECRETS, changed},
    {SERVICE_ACCOUNTS, changed},
    {LEASES, changed},
};
_Static_assert(ARRAY_LEN(WATCHES) == N_RESOURCES, "every resource may own and be owned");

const struct controller_type garbage_controller = {
    .name = "garbage-collector",
    .sync = sync_object,
    .watches = WATCHES,
    .n_watches = ARRAY_LEN(WATCHES),
};
