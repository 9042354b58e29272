/* Server-side apply and tracking of ownership. */
#include "object/apply.h"

#include "object/decode.h"
#include "object/defaults.h"
#include "object/managed-fields.h"
#include "object/meta.h"
#include "object/ownership.h"
#include "object/quote.h"

#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

/* What nobody owns: the server decides it, or it names the object. */
static const struct field_set *unowned(struct arena *a)
{
    static const struct str in_metadata[] = {STR_INIT("f:creationTimestamp"), STR_INIT("f:generation"),
                                             STR_INIT("f:managedFields"),     STR_INIT("f:name"),
                                             STR_INIT("f:namespace"),         STR_INIT("f:resourceVersion"),
                                             STR_INIT("f:selfLink"),          STR_INIT("f:uid")};
    static const struct str at_top[] = {STR_INIT("f:apiVersion"), STR_INIT("f:kind"), STR_INIT("f:metadata")};
    struct field_set *root = field_set_new(a, STR_NONE), *meta = NULL;
    for (size_t i = 0; i < ARRAY_LEN(at_top); i++) {
        meta = field_set_new(a, at_top[i]);
        meta->member = true;
        field_set_add(a, root, meta);
    }
    for (size_t i = 0; i < ARRAY_LEN(in_metadata); i++) {
        struct field_set *s = field_set_new(a, in_metadata[i]);
        s->member = true;
        field_set_add(a, meta, s);
    }
    return root;
}

/* Whether a member at the top is not this request's to set: a write of the object leaves status alone, one of
 * status everything else. */
static bool is_ignored(const struct apply_options *o, struct str element)
{
    bool status = str_eqz(element, "f:status");
    if (str_eqz(o->subresource, "status"))
        return !status && !str_eqz(element, "f:metadata");
    return status && o->resource->has_status;
}

static struct field_set *without_ignored(const struct apply_options *o, const struct field_set *s)
{
    struct field_set *kept = field_set_new(o->arena, STR_NONE);
    for (size_t i = 0; i < s->n; i++)
        if (!is_ignored(o, s->children[i]->element))
            field_set_add(o->arena, kept, s->children[i]);
    return kept;
}

static struct field_set *strip(const struct apply_options *o, const struct field_set *s)
{
    return field_set_subtract(o->arena, s, unowned(o->arena));
}

static void compare(const struct apply_options *o, const struct json *old, const struct json *new,
                    struct ownership_change *ret)
{
    struct ownership_change c;
    ownership_compare(o->arena, ownership_root(o->resource->type), old, new, &c);
    *ret = (struct ownership_change){without_ignored(o, c.added), without_ignored(o, c.modified),
                                     without_ignored(o, c.removed)};
}

static struct managed_entry own_entry(const struct apply_options *o, enum managed_operation operation,
                                      const struct field_set *fields)
{
    char text[WALLTIME_MAX_LEN];
    struct str manager = o->manager.len ? o->manager : STR("unknown");
    return (struct managed_entry){
        .manager = arena_str(o->arena, str_slice(manager, 0, APPLY_MAX_MANAGER_LEN)),
        .operation = operation,
        .api_version = decode_api_version(o->arena, o->resource),
        .subresource = o->subresource,
        .time = arena_str(o->arena, str_of(walltime_format(o->now, text))),
        .fields = fields,
    };
}

static void take_managed_fields(struct json *object)
{
    json_unsetz(meta_get(object), "managedFields");
}

static void put_managed_fields(const struct apply_options *o, struct managed_fields *m, struct json *object)
{
    managed_fields_cap(o->arena, m);
    struct json *array = managed_fields_write(o->arena, m);
    if (array)
        json_setz(json_ensure_object(o->arena, object, "metadata"), "managedFields", array);
}

/* Takes what changed from every entry. */
static void take_from_all(struct arena *a, struct managed_fields *m, const struct ownership_change *c,
                          const struct managed_entry *but)
{
    const struct field_set *changed = field_set_union(a, c->added, c->modified);
    for (size_t i = 0; i < m->n; i++) {
        struct managed_entry *e = &m->v[i];
        if (e == but)
            continue;
        e->fields = field_set_subtract(a, e->fields, field_set_intersect(a, e->fields, changed));
        e->fields = field_set_subtract(a, e->fields, c->removed);
    }
}

/* [{}]: the client asks for ownership to be forgotten. */
static bool is_reset(const struct json *array)
{
    json_foreach (array, v) {
        if (v->type != JSON_OBJECT || v->n)
            return false;
    }
    return array && array->n;
}

static void read_managed_fields(const struct apply_options *o, const struct json *live,
                                const struct json *object, struct managed_fields *ret)
{
    const struct json *given = meta_managed_fields(object);
    ret->n = 0;
    if (!o->subresource.len && is_reset(given))
        return;
    if (!o->subresource.len && managed_fields_read(o->arena, given, ret, NULL) == 0 && ret->n)
        return;
    if (managed_fields_read(o->arena, meta_managed_fields(live), ret, NULL) < 0)
        ret->n = 0; /* damaged: as if nobody owned anything, which the next writes mend */
}

struct status *apply_track(const struct apply_options *o, const struct json *live, struct json *object)
{
    struct arena *a = o->arena;
    struct managed_fields m;
    read_managed_fields(o, live, object, &m);
    take_managed_fields(object);
    if (live && !m.n) /* not tracked, or no longer: an update does not begin it */
        return NULL;
    struct ownership_change c;
    compare(o, live ? live : json_object(a), object, &c);
    take_from_all(a, &m, &c, NULL);
    const struct field_set *mine = strip(o, field_set_union(a, c.added, c.modified));
    if (!field_set_is_empty(mine)) {
        struct managed_entry e = own_entry(o, MANAGED_UPDATE, mine);
        const struct managed_entry *previous = managed_fields_find(&m, &e);
        e.fields = field_set_union(a, mine, previous ? previous->fields : NULL);
        if (managed_fields_put(&m, &e) < 0)
            return status_bad_request(a, "metadata.managedFields: more than %d managers",
                                      MANAGED_MAX_ENTRIES);
    }
    put_managed_fields(o, &m, object);
    return NULL;
}

struct conflict {
    const struct managed_entry *entry;
    struct str path;
};

/* A manager that shows more conflicts than this does not need the others to see the point. */
#define MAX_CONFLICTS STATUS_MAX_CAUSES

struct conflicts {
    struct arena *arena;
    const struct managed_entry *entry; /* the one being visited */
    struct conflict v[MAX_CONFLICTS];
    size_t n;
};

static void add_conflict(void *user, struct str path)
{
    struct conflicts *c = user;
    if (c->n < MAX_CONFLICTS)
        c->v[c->n++] = (struct conflict){c->entry, arena_str(c->arena, path)};
}

static struct status *refuse_conflicts(struct arena *a, const struct conflicts *c)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    struct status_cause *causes = arena_new_array(a, struct status_cause, c->n);
    strbuf_addf(&b,
                c->n == 1 ? "Apply failed with %zu conflict: " : "Apply failed with %zu conflicts: ", c->n);
    for (size_t i = 0; i < c->n; i++) {
        struct str who = managed_entry_words(a, c->v[i].entry);
        causes[i] = (struct status_cause){STR("FieldManagerConflict"),
                                          arena_format(a, "conflict with %.*s", STR_ARG(who)), c->v[i].path};
        if (c->n == 1)
            strbuf_addf(&b, "conflict with %.*s: %.*s", STR_ARG(who), STR_ARG(c->v[i].path));
        else if (i == 0 || c->v[i].entry != c->v[i - 1].entry)
            strbuf_addf(&b, "%sconflicts with %.*s:\n- %.*s", i ? "\n" : "", STR_ARG(who),
                        STR_ARG(c->v[i].path));
        else
            strbuf_addf(&b, "\n- %.*s", STR_ARG(c->v[i].path));
    }
    return status_apply_conflict(a, arena_str(a, strbuf_str(&b)), causes, c->n);
}

/* What kubectl applied on the client's side and is still so: its own move to server-side apply may take it.
 */
static const struct field_set *applied_by_client(const struct apply_options *o, struct json *live)
{
    struct json *last = NULL;
    struct decode_report report;
    struct str text = meta_annotation(live, LAST_APPLIED);
    const struct decode_options options = {
        .arena = o->arena, .resource = o->resource, .strictness = DECODE_IGNORE};
    if (!str_eqz(o->manager, "kubectl") || !text.len || json_parse(o->arena, text, NULL, &last, NULL) < 0 ||
        object_decode(&options, last, &report))
        return NULL;
    struct ownership_shape shape = ownership_root(o->resource->type);
    struct ownership_change c;
    ownership_compare(o->arena, shape, last, live, &c);
    struct field_set *s = ownership_of(o->arena, shape, last);
    s = field_set_subtract(o->arena, s, c.modified);
    return field_set_subtract(o->arena, s, c.removed);
}

static struct status *find_conflicts(const struct apply_options *o, struct managed_fields *m,
                                     const struct ownership_change *change, const struct managed_entry *mine,
                                     struct json *live)
{
    struct arena *a = o->arena;
    const struct field_set *changed = field_set_union(a, change->added, change->modified);
    struct conflicts *c = arena_new(a, struct conflicts);
    c->arena = a;
    const struct field_set *allowed = applied_by_client(o, live);
    for (size_t i = 0; i < m->n; i++) {
        if (&m->v[i] == mine)
            continue;
        c->entry = &m->v[i];
        field_set_visit(field_set_subtract(a, field_set_intersect(a, m->v[i].fields, changed), allowed),
                        add_conflict, c);
    }
    return c->n ? refuse_conflicts(a, c) : NULL;
}

/* What could not be read as an object of the kind. */
static struct status *untyped(const struct apply_options *o, const struct json *config, struct str why)
{
    struct str ns = meta_namespace(config), name = meta_name(config);
    struct str version = decode_api_version(o->arena, o->resource);
    return status_bad_request(
        o->arena, "failed to create typed patch object (%.*s/%.*s; %.*s, Kind=%.*s): %.*s", STR_ARG(ns),
        STR_ARG(name), STR_ARG(version), STR_ARG(o->resource->kind), STR_ARG(why));
}

static struct status *check_config(const struct apply_options *o, struct json *config)
{
    struct arena *a = o->arena;
    const struct decode_options options = {.arena = a, .resource = o->resource, .strictness = DECODE_WARN};
    struct decode_report *report = arena_new(a, struct decode_report);
    struct err err = {0};
    const struct json *managed = meta_managed_fields(config);
    if (managed && managed->n)
        return status_bad_request(a, "metadata.managedFields must be nil");
    if (!o->manager.len)
        return status_bad_request(
            a, "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for "
               "apply patch");
    struct status *refusal = object_decode(&options, config, report);
    if (refusal)
        return refusal;
    if (report->n) {
        struct str path =
            str_slice(report->problems[0], STR("unknown field \"").len, report->problems[0].len - 1);
        return untyped(o, config, arena_format(a, ".%.*s: field not declared in schema", STR_ARG(path)));
    }
    if (ownership_check(a, ownership_root(o->resource->type), config, &err) < 0)
        return untyped(o, config, arena_str(a, str_of(err.text)));
    return NULL;
}

/* The fields of entries FROM up to TO but for MINE. Halves are joined so that big sets are copied a few
 * times, not once for each entry. */
static const struct field_set *owned_by_others(struct arena *a, const struct managed_fields *m,
                                               const struct managed_entry *mine, size_t from, size_t to)
{
    if (to - from < 2)
        return from == to || &m->v[from] == mine ? NULL : m->v[from].fields;
    size_t middle = from + (to - from) / 2;
    return field_set_union(a, owned_by_others(a, m, mine, from, middle),
                           owned_by_others(a, m, mine, middle, to));
}

/* Removes what the manager applied before, applies no longer, and nobody else owns. */
static void prune(const struct apply_options *o, struct json *merged, const struct managed_fields *m,
                  const struct managed_entry *mine, const struct field_set *applied)
{
    struct arena *a = o->arena;
    struct ownership_shape shape = ownership_root(o->resource->type);
    if (!mine)
        return;
    const struct field_set *owned = field_set_union(a, applied, owned_by_others(a, m, mine, 0, m->n));
    ownership_remove(a, shape, merged,
                     field_set_subtract(a, ownership_with_parents(a, shape, mine->fields),
                                        ownership_with_parents(a, shape, owned)));
}

/* Objects that nobody tracked were made by somebody: whoever it was keeps a say. */
static void own_before_first_apply(const struct apply_options *o, struct managed_fields *m, struct json *live)
{
    struct apply_options before = *o;
    before.manager = STR("before-first-apply");
    before.subresource = STR_NONE;
    struct field_set *all = ownership_of(o->arena, ownership_root(o->resource->type), live);
    struct managed_entry e = own_entry(&before, MANAGED_UPDATE, strip(o, all));
    (void)managed_fields_put(m, &e); /* the first */
}

static void set_last_applied(struct arena *a, struct json *object, struct str text)
{
    if (text.len)
        meta_set_annotation(a, object, STR(LAST_APPLIED), text);
}

/* kubectl's annotation follows what kubectl applies, so that going back to client-side apply works. */
static struct str last_applied_text(const struct apply_options *o, const struct json *live,
                                    const struct json *config)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    if (!str_eqz(o->manager, "kubectl") || !meta_annotation(live, LAST_APPLIED).len)
        return STR_NONE;
    struct json *copy = json_copy(o->arena, config);
    json_unsetz(json_path(copy, "metadata", "annotations", NULL), LAST_APPLIED);
    json_write(copy, &b);
    strbuf_addc(&b, '\n');
    return arena_str(o->arena, strbuf_str(&b));
}

struct status *apply_config(const struct apply_options *o, const struct json *live, struct json *config,
                            struct json **ret_object)
{
    struct arena *a = o->arena;
    struct status *refusal = check_config(o, config);
    if (refusal)
        return refusal;
    struct ownership_shape shape = ownership_root(o->resource->type);
    struct managed_fields *m = arena_new(a, struct managed_fields);
    if (managed_fields_read(a, meta_managed_fields(live), m, NULL) < 0)
        m->n = 0;
    struct json *old = live ? json_copy(a, live) : json_object(a), *merged;
    take_managed_fields(old);
    if (live && !m->n)
        own_before_first_apply(o, m, old);
    struct str last_applied = last_applied_text(o, live, config);
    const struct field_set *applied = without_ignored(o, ownership_of(a, shape, config));
    struct managed_entry entry = own_entry(o, MANAGED_APPLY, strip(o, applied));
    struct managed_entry *mine = managed_fields_find(m, &entry);
    merged = json_copy(a, old);
    ownership_merge(a, shape, merged, config);
    prune(o, merged, m, mine, applied);
    defaults_apply(a, o->resource->type,
                   merged); /* LIVE has them too: inside atomic values they would look like changes */
    struct ownership_change change;
    compare(o, old, merged, &change);
    refusal = o->force == APPLY_FORCE ? NULL : find_conflicts(o, m, &change, mine, old);
    if (refusal)
        return refusal;
    take_from_all(a, m, &change, mine);
    set_last_applied(a, merged, last_applied);
    if (mine && json_equal(old, merged))
        entry.time = mine->time; /* nothing changed: neither does the time */
    if (managed_fields_put(m, &entry) < 0)
        return status_bad_request(a, "metadata.managedFields: more than %d managers", MANAGED_MAX_ENTRIES);
    put_managed_fields(o, m, merged);
    *ret_object = merged;
    return NULL;
}
