#include <stdlib.h>

#include "controllers/rollout.h"

#define HISTORY_MAX_LEN 2000

static const char *const NOT_COPIED[] = {"kubectl.kubernetes.io/last-applied-configuration",
                                         ROLLOUT_REVISION,
                                         ROLLOUT_HISTORY,
                                         ROLLOUT_DESIRED,
                                         ROLLOUT_MAX_REPLICAS,
                                         "deprecated.deployment.rollback.to"};

int64_t rollout_revision(const struct json *object)
{
    int64_t n;
    return str_to_int64(value_annotation(object, ROLLOUT_REVISION), &n) < 0 ? 0 : n;
}

static struct json *template_without_hash(const struct json *object, struct arena *a)
{
    const struct json *template = json_path(object, "spec", "template", NULL);
    struct json *copy = template ? json_copy(a, template) : json_object(a);
    (void)json_unsetz(json_path(copy, "metadata", "labels", NULL),
                      ROLLOUT_HASH_LABEL); /* absent is as good */
    return copy;
}

struct json *rollout_find_new_set(const struct rollout *r)
{
    const struct json *wanted = template_without_hash(r->deployment, r->arena);
    for (size_t i = 0; i < r->n_sets; i++) {
        if (value_same(template_without_hash(r->sets[i], r->arena), wanted))
            return r->sets[i];
    }
    return NULL;
}

/* FNV-1a of the template and the collision count, in the alphabet of generated names. */
static struct str template_hash(const struct rollout *r)
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    _cleanup_(strbuf_done) struct strbuf text = {0};
    uint32_t hash = 2166136261U;

    json_write(template_without_hash(r->deployment, r->arena), &text);
    int64_t collisions = json_int_at(r->deployment, 0, "status", "collisionCount");
    if (collisions)
        strbuf_addf(&text, "%lld", (long long)collisions);
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (uint8_t)text.p[i]) * 16777619U;
    struct str digits = arena_format(r->arena, "%u", hash);
    char *out = arena_dup(r->arena, digits.p, digits.len);
    for (size_t i = 0; i < digits.len; i++)
        out[i] = alphabet[(uint8_t)digits.p[i] % (sizeof alphabet - 1)];
    return (struct str){out, digits.len};
}

static int64_t max_old_revision(const struct rollout *r)
{
    int64_t max = 0;
    for (size_t i = 0; i < r->n_sets; i++) {
        if (r->sets[i] != r->new_set)
            max = MAX(max, rollout_revision(r->sets[i]));
    }
    return max;
}

static bool is_copied(struct str key)
{
    for (size_t i = 0; i < ARRAY_LEN(NOT_COPIED); i++) {
        if (str_eqz(key, NOT_COPIED[i]))
            return false;
    }
    return true;
}

static void set_number(struct rollout *r, struct json *annotations, const char *key, int64_t n)
{
    json_setz(annotations, key, json_stringf(r->arena, "%lld", (long long)n));
}

static void set_replica_annotations(struct rollout *r, struct json *annotations)
{
    set_number(r, annotations, ROLLOUT_DESIRED, r->replicas);
    set_number(r, annotations, ROLLOUT_MAX_REPLICAS, r->replicas + r->max_surge);
}

static struct json *labels_with_hash(struct rollout *r, const struct json *labels, struct str hash)
{
    struct json *copy = json_is(labels, JSON_OBJECT) ? json_copy(r->arena, labels) : json_object(r->arena);
    value_set_str(r->arena, copy, ROLLOUT_HASH_LABEL, hash);
    return copy;
}

static struct json *metadata_of_new_set(struct rollout *r, struct str hash)
{
    struct arena *a = r->arena;
    struct json *meta = json_object(a), *owners = json_array(a), *annotations = json_object(a);
    struct str name = json_string_at(r->deployment, "metadata", "name");

    value_set_str(a, meta, "name", arena_format(a, "%.*s-%.*s", STR_ARG(name), STR_ARG(hash)));
    value_set_str(a, meta, "namespace", r->sync->namespace);
    json_foreach (json_path(r->deployment, "metadata", "annotations", NULL), x) {
        if (is_copied(x->key))
            json_set(annotations, x->key, json_copy(a, x));
    }
    set_number(r, annotations, ROLLOUT_REVISION, max_old_revision(r) + 1);
    set_replica_annotations(r, annotations);
    json_setz(meta, "annotations", annotations);
    json_setz(
        meta, "labels",
        labels_with_hash(r, json_path(r->deployment, "spec", "template", "metadata", "labels", NULL), hash));
    json_append(owners, owner_reference(a, r->deployment, STR("apps/v1"), STR("Deployment")));
    json_setz(meta, "ownerReferences", owners);
    return meta;
}

static struct json *spec_of_new_set(struct rollout *r, struct str hash)
{
    struct arena *a = r->arena;
    const struct json *had_selector = json_path(r->deployment, "spec", "selector", NULL);
    struct json *spec = json_object(a), *template = template_without_hash(r->deployment, a);
    struct json *selector = had_selector ? json_copy(a, had_selector) : json_object(a);
    struct json *template_meta = json_ensure_object(a, template, "metadata");
    int64_t min_ready_s = json_int_at(r->deployment, 0, "spec", "minReadySeconds");

    json_setz(selector, "matchLabels", labels_with_hash(r, json_getz(selector, "matchLabels"), hash));
    json_setz(template_meta, "labels", labels_with_hash(r, json_getz(template_meta, "labels"), hash));
    value_set_int(a, spec, "replicas", rollout_new_set_replicas(r));
    if (min_ready_s)
        value_set_int(a, spec, "minReadySeconds", min_ready_s);
    json_setz(spec, "selector", selector);
    json_setz(spec, "template", template);
    return spec;
}

static void count_collision(struct sync *s, struct rollout *r)
{
    struct json *object = json_copy(s->arena, r->deployment);
    struct json *status = json_ensure_object(s->arena, object, "status");
    value_set_int(s->arena, status, "collisionCount", json_int_at(status, 0, "collisionCount") + 1);
    sync_write(s, &(struct sync_write){.verb = CLIENT_UPDATE,
                                       .resource = DEPLOYMENTS,
                                       .object = object,
                                       .subresource = STR("status")});
}

/* The set of that name may be ours, made by a try whose answer or event has not reached us. */
static bool on_existing(struct sync *s, void *user, const struct client_result *result)
{
    struct rollout *r = user;
    if (result->code)
        return result->code == CLIENT_NOT_FOUND;
    bool ours = owner_is_controller(result->object, value_uid(r->deployment)) &&
                value_same(template_without_hash(result->object, s->arena),
                           template_without_hash(r->deployment, s->arena));
    if (!ours)
        count_collision(s, r); /* another template with this hash: the next try has another name */
    return false;
}

static bool on_created(struct sync *s, void *user, const struct client_result *result)
{
    struct rollout *r = user;
    if (result->code == CLIENT_EXISTS) {
        sync_read(s, REPLICA_SETS, s->namespace, r->new_name, on_existing, r);
        sync_fail(s); /* either way it is for the next look */
        return true;
    }
    if (client_namespace_is_ending(result))
        return true;
    if (result->code) {
        controller_event(s, DEPLOYMENTS, r->deployment, EVENT_WARNING, "ReplicaSetCreateError",
                         "Failed to create new replica set: %.*s", STR_ARG(result->message));
        return false;
    }
    int64_t replicas = rollout_set_replicas(result->object);
    if (replicas)
        controller_event(s, DEPLOYMENTS, r->deployment, EVENT_NORMAL, "ScalingReplicaSet",
                         "Scaled up replica set %.*s from 0 to %lld",
                         STR_ARG(json_string_at(result->object, "metadata", "name")), (long long)replicas);
    return false;
}

void rollout_create_new_set(struct rollout *r)
{
    struct arena *a = r->arena;
    struct json *set = json_object(a);
    struct str hash = template_hash(r);

    value_set_str(a, set, "apiVersion", STR("apps/v1"));
    value_set_str(a, set, "kind", STR("ReplicaSet"));
    json_setz(set, "metadata", metadata_of_new_set(r, hash));
    json_setz(set, "spec", spec_of_new_set(r, hash));
    r->progress = (struct condition){STR("Progressing"), STR("True"), STR("NewReplicaSetCreated"),
                                     arena_format(a, "Created new replica set \"%.*s\"",
                                                  STR_ARG(json_string_at(set, "metadata", "name")))};
    r->wrote = true;
    sync_write(
        r->sync,
        &(struct sync_write){
            .verb = CLIENT_CREATE, .resource = REPLICA_SETS, .object = set, .done = on_created, .user = r});
}

static void patch_metadata(struct rollout *r, enum resource kind, const struct json *object,
                           struct json *annotations, struct json *spec)
{
    struct json *patch = json_object(r->arena), *meta = json_object(r->arena);
    value_set_str(r->arena, meta, "uid", value_uid(object));
    if (annotations->n)
        json_setz(meta, "annotations", annotations);
    json_setz(patch, "metadata", meta);
    if (spec && spec->n)
        json_setz(patch, "spec", spec);
    sync_write(r->sync,
               &(struct sync_write){.verb = CLIENT_PATCH, .resource = kind, .object = object, .body = patch});
    r->wrote = true;
}

/* A revision that an older set gets again (a rollback) is remembered beside the ones it had. */
static void add_history(struct rollout *r, struct json *annotations, int64_t old)
{
    struct str had = value_annotation(r->new_set, ROLLOUT_HISTORY);
    if (!old)
        return;
    struct str all = had.len ? arena_format(r->arena, "%.*s,%lld", STR_ARG(had), (long long)old)
                             : arena_format(r->arena, "%lld", (long long)old);
    while (all.len > HISTORY_MAX_LEN) {
        ptrdiff_t comma = str_find_char(all, ',');
        all = str_slice(all, comma < 0 ? all.len : (size_t)comma + 1, all.len);
    }
    value_set_str(r->arena, annotations, ROLLOUT_HISTORY, all);
}

static void mark_new_set(struct rollout *r, int64_t revision)
{
    struct json *annotations = json_object(r->arena), *spec = json_object(r->arena);
    int64_t had = rollout_revision(r->new_set),
            min_ready_s = json_int_at(r->deployment, 0, "spec", "minReadySeconds");

    if (had < revision) {
        set_number(r, annotations, ROLLOUT_REVISION, revision);
        add_history(r, annotations, had);
    }
    json_foreach (json_path(r->deployment, "metadata", "annotations", NULL), x) {
        const struct json *there = json_get(json_path(r->new_set, "metadata", "annotations", NULL), x->key);
        if (is_copied(x->key) && !value_same(there, x))
            json_set(annotations, x->key, json_copy(r->arena, x));
    }
    if (json_int_at(r->new_set, 0, "spec", "minReadySeconds") != min_ready_s)
        value_set_int(r->arena, spec, "minReadySeconds", min_ready_s);
    if (annotations->n || spec->n)
        patch_metadata(r, REPLICA_SETS, r->new_set, annotations, spec);
}

void rollout_mark_revision(struct rollout *r)
{
    int64_t revision = MAX(max_old_revision(r) + 1, rollout_revision(r->new_set));
    mark_new_set(r, revision);
    if (rollout_revision(r->deployment) != revision) {
        struct json *annotations = json_object(r->arena);
        set_number(r, annotations, ROLLOUT_REVISION, revision);
        patch_metadata(r, DEPLOYMENTS, r->deployment, annotations, NULL);
        r->wrote_deployment = true;
    }
}

/* For the answer to a patch of replicas. */
struct scaling {
    struct rollout *rollout;
    struct json *set;
    int64_t from, to;
};

static bool on_scaled(struct sync *s, void *user, const struct client_result *result)
{
    const struct scaling *x = user;
    if (result->code == 0 && x->from != x->to)
        controller_event(s, DEPLOYMENTS, x->rollout->deployment, EVENT_NORMAL, "ScalingReplicaSet",
                         "Scaled %s replica set %.*s from %lld to %lld", x->to > x->from ? "up" : "down",
                         STR_ARG(json_string_at(x->set, "metadata", "name")), (long long)x->from,
                         (long long)x->to);
    return false;
}

void rollout_scale_set(struct rollout *r, struct json *set, int64_t replicas)
{
    struct json *patch = json_object(r->arena), *meta = json_object(r->arena), *spec = json_object(r->arena);
    struct json *annotations = json_object(r->arena);
    struct scaling *x = arena_new(r->arena, struct scaling);
    struct str had_desired = value_annotation(set, ROLLOUT_DESIRED),
               had_max = value_annotation(set, ROLLOUT_MAX_REPLICAS);

    *x = (struct scaling){r, set, rollout_set_replicas(set), replicas};
    set_replica_annotations(r, annotations);
    if (x->from == x->to && str_eq(had_desired, json_string_at(annotations, ROLLOUT_DESIRED)) &&
        str_eq(had_max, json_string_at(annotations, ROLLOUT_MAX_REPLICAS)))
        return;
    value_set_str(r->arena, meta, "uid", value_uid(set));
    /* What the numbers were computed from: anything newer must be looked at again. */
    value_set_str(r->arena, meta, "resourceVersion", json_string_at(set, "metadata", "resourceVersion"));
    json_setz(meta, "annotations", annotations);
    json_setz(patch, "metadata", meta);
    value_set_int(r->arena, spec, "replicas", replicas);
    json_setz(patch, "spec", spec);
    r->wrote = true;
    sync_write(r->sync, &(struct sync_write){.verb = CLIENT_PATCH,
                                             .resource = REPLICA_SETS,
                                             .object = set,
                                             .body = patch,
                                             .done = on_scaled,
                                             .user = x});
}

static int by_revision(const void *a, const void *b)
{
    int64_t x = rollout_revision(*(struct json *const *)a), y = rollout_revision(*(struct json *const *)b);
    return x < y ? -1 : x > y;
}

void rollout_clean_up(struct rollout *r)
{
    struct json **empty = arena_new_array(r->arena, struct json *, r->n_sets + 1);
    int64_t limit = json_int_at(r->deployment, 10, "spec", "revisionHistoryLimit"), n_old = 0;
    size_t n = 0;

    for (size_t i = 0; i < r->n_sets; i++) {
        struct json *set = r->sets[i];
        if (set == r->new_set || value_is_leaving(set))
            continue;
        n_old++;
        if (!rollout_set_replicas(set) && !rollout_set_status(set, "replicas"))
            empty[n++] = set;
    }
    qsort(empty, n, sizeof *empty, by_revision);
    for (size_t i = 0; i < n && n_old > limit; i++, n_old--)
        sync_write(r->sync,
                   &(struct sync_write){.verb = CLIENT_DELETE, .resource = REPLICA_SETS, .object = empty[i]});
}
