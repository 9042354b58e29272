/* Namespaces: stay until their content is gone, which spec.finalizers says. Source:
 * pkg/registry/core/namespace. */
#include "apiserver/strategies.h"
#include "object/meta.h"

#define NAME_LABEL "kubernetes.io/metadata.name"

static void set_phase(struct change *c, const char *phase)
{
    struct json *status = json_ensure_object(c->arena, c->object, "status");
    json_setz(status, "phase", json_string(c->arena, str_of(phase)));
}

static void apply_defaults(void *self, struct arena *a, struct json *object)
{
    if (meta_name(object).len)
        meta_set_label(a, object, STR(NAME_LABEL), meta_name(object));
}

static void prepare_create(struct change *c)
{
    struct json *spec = json_ensure_object(c->arena, c->object, "spec");
    struct json *finalizers = json_ensure_array(c->arena, spec, "finalizers");
    bool has = false;
    json_foreach (finalizers, f)
        has |= str_eq(json_str(f), STR("kubernetes"));
    if (!has)
        json_append(finalizers, json_string(c->arena, STR("kubernetes")));
    set_phase(c, "Active");
    apply_defaults(c->self, c->arena, c->object);
}

static void prepare_update(struct change *c)
{
    struct json *old = json_path(c->old, "spec", "finalizers", NULL);
    struct json *spec = json_ensure_object(c->arena, c->object, "spec");
    if (str_eq(c->subresource, STR("finalize")))
        return;
    (void)json_unsetz(spec, "finalizers");
    if (old)
        json_setz(spec, "finalizers", json_copy(c->arena, old));
}

static void prepare_termination(struct change *c)
{
    set_phase(c, "Terminating");
}

static bool holds(void *self, const struct json *object)
{
    const struct json *finalizers = json_path(object, "spec", "finalizers", NULL);
    return finalizers && finalizers->n > 0;
}

const struct strategy strategy_namespaces = {
    .group = STR_INIT(""),
    .plural = STR_INIT("namespaces"),
    .check_name = name_check_dns1123_label,
    .has_finalize = true,
    .apply_defaults = apply_defaults,
    .prepare_create = prepare_create,
    .prepare_update = prepare_update,
    .prepare_termination = prepare_termination,
    .holds = holds,
};
