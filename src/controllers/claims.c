#include "controllers/claims.h"

#include "object/selector.h"

/* Orphans waiting for the answer about their new owner. */
struct adoption {
    const struct claims *claims;
    struct objects orphans;
};

static bool is_candidate(const struct claims *c, const struct json *child)
{
    return !value_is_leaving(child) && (!c->is_candidate || c->is_candidate(child));
}

/* A merge patch that sets the owner references of CHILD, if it is still the same object. */
static void patch_owners(struct sync *s, const struct claims *c, const struct json *child,
                         struct json *owners)
{
    struct json *patch = json_object(s->arena), *meta = json_object(s->arena);
    value_set_str(s->arena, meta, "uid", value_uid(child));
    json_setz(meta, "ownerReferences", owners);
    json_setz(patch, "metadata", meta);
    sync_write(s, &(struct sync_write){
                      .verb = CLIENT_PATCH, .resource = c->child_kind, .object = child, .body = patch});
}

static void release(struct sync *s, const struct claims *c, const struct json *child)
{
    struct json *left = json_array(s->arena);
    json_foreach (json_path(child, "metadata", "ownerReferences", NULL), ref) {
        if (!str_eq(json_string_at(ref, "uid"), value_uid(c->owner)))
            json_append(left, json_copy(s->arena, ref));
    }
    patch_owners(s, c, child, left);
}

static void adopt(struct sync *s, const struct claims *c, const struct json *child)
{
    struct json *have = json_path(child, "metadata", "ownerReferences", NULL);
    struct json *owners = json_is(have, JSON_ARRAY) ? json_copy(s->arena, have) : json_array(s->arena);
    json_append(owners, owner_reference(s->arena, c->owner, env_api_version(c->owner_kind, s->arena),
                                        env_resources[c->owner_kind].kind));
    patch_owners(s, c, child, owners);
}

static bool on_live_owner(struct sync *s, void *user, const struct client_result *result)
{
    struct adoption *adoption = user;
    if (result->code)
        return result->code == CLIENT_NOT_FOUND; /* then its own deletion comes next */
    if (value_is_leaving(result->object) ||
        !str_eq(value_uid(result->object), value_uid(adoption->claims->owner)))
        return false;
    for (size_t i = 0; i < adoption->orphans.n; i++)
        adopt(s, adoption->claims, adoption->orphans.v[i]);
    return false;
}

static void start_adoption(struct sync *s, struct claims *c, struct objects orphans)
{
    struct adoption *adoption = arena_new(s->arena, struct adoption);
    struct claims *copy = arena_new(s->arena, struct claims);
    *copy = *c;
    *adoption = (struct adoption){copy, orphans};
    sync_read(s, c->owner_kind, s->namespace, s->name, on_live_owner, adoption);
    c->adopting = true;
}

void claims_make(struct sync *s, struct claims *c)
{
    struct str uid = value_uid(c->owner);
    const struct json *selector_json = json_path(c->owner, "spec", "selector", NULL);
    struct objects owned = env_owned(s->env, c->child_kind, uid, s->arena);
    struct label_selector selector = {.nothing = true};

    c->mine = (struct objects){owned.v, 0};
    c->adopting = false;
    (void)label_selector_from_object(s->arena, selector_json, &selector,
                                     NULL); /* a broken one matches nothing */
    for (size_t i = 0; i < owned.n; i++) {
        struct json *child = owned.v[i];
        if (!owner_is_controller(child, uid) || (c->is_candidate && !c->is_candidate(child)))
            continue;
        if (label_selector_matches(&selector, json_path(child, "metadata", "labels", NULL)))
            c->mine.v[c->mine.n++] = child;
        else if (!value_is_leaving(c->owner) && !value_is_leaving(child))
            release(s, c, child);
    }
    if (value_is_leaving(c->owner))
        return;
    struct objects matched =
        env_selected(s->env, c->child_kind, s->namespace, selector_json, SELECTOR_OBJECT, s->arena);
    struct objects orphans = {matched.v, 0};
    for (size_t i = 0; i < matched.n; i++) {
        if (!owner_controller(matched.v[i]) && is_candidate(c, matched.v[i]))
            orphans.v[orphans.n++] = matched.v[i];
    }
    if (orphans.n)
        start_adoption(s, c, orphans);
}
