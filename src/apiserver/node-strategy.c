/* Nodes register themselves with their status. Source: pkg/registry/core/node, validation of podCIDRs. */
#include "apiserver/addresses.h"
#include "apiserver/strategies.h"

/* podCIDR is podCIDRs[0], whichever the client knows. */
static void apply_defaults(void *self, struct arena *a, struct json *object)
{
    struct json *spec = json_getz(object, "spec");
    struct str one = json_string_at(spec, "podCIDR");
    struct json *list = json_getz(spec, "podCIDRs");
    if (one.len && (!list || !list->n))
        json_append(json_ensure_array(a, spec, "podCIDRs"), json_string(a, one));
    else if (!one.len && list && list->n)
        json_setz(spec, "podCIDR", json_string(a, json_str(json_at(list, 0))));
}

static void validate(struct change *c)
{
    const struct field_path *spec = FIELD(NULL, "spec");
    const struct json *list = json_path(c->object, "spec", "podCIDRs", NULL);
    const struct json *stored = json_path(c->old, "spec", "podCIDRs", NULL);
    size_t i = 0;
    if (!list)
        return;
    if (list->n > 2)
        field_invalid(c->errors, FIELD(spec, "podCIDRs"), list, "specified %u; must not be more than 2",
                      list->n);
    json_foreach (list, item) {
        (void)address_validate_prefix(c->errors, FIELD_INDEX(FIELD(spec, "podCIDRs"), i), json_str(item),
                                      stored);
        i++;
    }
    if (!str_eq(json_string_at(c->object, "spec", "podCIDR"), json_str(json_at(list, 0))))
        field_invalid(c->errors, FIELD_INDEX(FIELD(spec, "podCIDRs"), 0), json_at(list, 0),
                      "must match spec.podCIDR");
}

static void validate_update(struct change *c)
{
    const struct json *old = json_path(c->old, "spec", "podCIDRs", NULL);
    const struct json *new = json_path(c->object, "spec", "podCIDRs", NULL);
    if (old && old->n && (!new || !json_equal(old, new)))
        field_forbidden(c->errors, FIELD(FIELD(NULL, "spec"), "podCIDRs"),
                        "node updates may not change podCIDR except "
                        "from \"\" to valid");
}

const struct strategy strategy_nodes = {
    .group = STR_INIT(""),
    .plural = STR_INIT("nodes"),
    .keeps_status = true,
    .apply_defaults = apply_defaults,
    .validate = validate,
    .validate_update = validate_update,
};
