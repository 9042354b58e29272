/* Deployments and ReplicaSets: a selector that never changes and fits the template. Source:
 * pkg/apis/apps/validation. */
#include "apiserver/strategies.h"
#include "object/selector.h"
#include "object/validate.h"

static void validate(struct change *c)
{
    const struct field_path *spec = FIELD(NULL, "spec");
    const struct json *selector = json_path(c->object, "spec", "selector", NULL);
    const struct json *labels = json_path(c->object, "spec", "template", "metadata", "labels", NULL);
    struct label_selector parsed;
    struct err err = {0};
    const struct json *replicas = json_path(c->object, "spec", "replicas", NULL);
    if (json_int_or(replicas, 0) < 0)
        field_invalid(c->errors, FIELD(spec, "replicas"), replicas, "must be greater than or equal to 0");
    if (!selector)
        return; /* the schema says that it is required */
    validate_label_selector(c->errors, FIELD(spec, "selector"), selector);
    if (label_selector_from_object(c->arena, selector, &parsed, &err) < 0)
        return; /* said above */
    if (!parsed.n)
        field_invalid(c->errors, FIELD(spec, "selector"), selector,
                      "empty selector is invalid for deployment");
    else if (!label_selector_matches(&parsed, labels))
        field_invalid(c->errors, FIELD(FIELD(FIELD(spec, "template"), "metadata"), "labels"), labels,
                      "`selector` does not match template `labels`");
    struct str restart = json_string_at(c->object, "spec", "template", "spec", "restartPolicy");
    static const struct str always[] = {STR_INIT("Always")};
    if (restart.len && !str_eq(restart, always[0]))
        field_not_supported(c->errors, FIELD(FIELD(FIELD(spec, "template"), "spec"), "restartPolicy"),
                            json_string(c->arena, restart), always, 1);
}

static void validate_update(struct change *c)
{
    validate_immutable(c->errors, FIELD(FIELD(NULL, "spec"), "selector"),
                       json_path(c->object, "spec", "selector", NULL),
                       json_path(c->old, "spec", "selector", NULL));
}

const struct strategy strategy_deployments = {
    .group = STR_INIT("apps"),
    .plural = STR_INIT("deployments"),
    .validate = validate,
    .validate_update = validate_update,
};

const struct strategy strategy_replicasets = {
    .group = STR_INIT("apps"),
    .plural = STR_INIT("replicasets"),
    .validate = validate,
    .validate_update = validate_update,
};
