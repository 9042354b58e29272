/* Pods: born Pending, deleted gracefully once a node has them, and with a spec that hardly changes.
 * Source: pkg/registry/core/pod, validation ValidatePodUpdate. */
#include "apiserver/strategies.h"
#include "base/map.h"

#define DEFAULT_GRACE_S 30

static const char *const container_lists[] = {"initContainers", "containers"};

/* BestEffort without any request or limit, Guaranteed when cpu and memory limits equal requests everywhere.
 */
static const char *qos_class(const struct json *spec)
{
    bool any = false, guaranteed = true;
    for (size_t i = 0; i < ARRAY_LEN(container_lists); i++) {
        json_foreach (json_getz(spec, container_lists[i]), container) {
            const struct json *requests = json_path(container, "resources", "requests", NULL);
            const struct json *limits = json_path(container, "resources", "limits", NULL);
            any |= (requests && requests->n) || (limits && limits->n);
            guaranteed &= limits && json_getz(limits, "cpu") && json_getz(limits, "memory") &&
                          (!requests || json_equal(requests, limits));
        }
    }
    return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

static void prepare_create(struct change *c)
{
    struct json *status = json_object(c->arena);
    json_setz(status, "phase", json_string(c->arena, STR("Pending")));
    json_setz(status, "qosClass", json_string(c->arena, str_of(qos_class(json_getz(c->object, "spec")))));
    json_setz(c->object, "status", status);
}

/* What limits say and requests do not. */
static void apply_defaults(void *self, struct arena *a, struct json *object)
{
    struct json *spec = json_getz(object, "spec");
    for (size_t i = 0; i < ARRAY_LEN(container_lists); i++) {
        json_foreach (json_getz(spec, container_lists[i]), container) {
            struct json *resources = json_getz(container, "resources"),
                        *limits = json_getz(resources, "limits");
            json_foreach (limits, limit) {
                struct json *requests = json_ensure_object(a, resources, "requests");
                if (!json_get(requests, limit->key))
                    json_set(requests, limit->key, json_copy(a, limit));
            }
        }
    }
}

static void validate(struct change *c)
{
    const struct field_path *spec = FIELD(NULL, "spec");
    struct map names = {0};
    for (size_t i = 0; i < ARRAY_LEN(container_lists); i++) {
        size_t at = 0;
        json_foreach (json_path(c->object, "spec", container_lists[i], NULL), container) {
            const struct field_path *path =
                FIELD(FIELD_INDEX(FIELD_STR(spec, str_of(container_lists[i])), at), "name");
            const struct json *name = json_getz(container, "name");
            at++;
            if (!json_str(name).len)
                continue; /* the schema says that it is required */
            name_validate(c->errors, path, json_str(name), name_check_dns1123_label);
            if (map_put(&names, json_str(name), container))
                field_duplicate(c->errors, path, name);
        }
    }
    map_done(&names, NULL);
}

static bool keeps_tolerations(const struct json *new, const struct json *old)
{
    json_foreach (old, have) {
        bool found = false;
        json_foreach (new, t)
            found |= json_equal(t, have);
        if (!found)
            return false;
    }
    return true;
}

/* NEW with everything that may change as it was. */
static void level(struct arena *a, struct json *new, const struct json *old)
{
    for (size_t i = 0; i < ARRAY_LEN(container_lists); i++) {
        const struct json *had = json_getz(old, container_lists[i]);
        had = had ? had->first : NULL;
        json_foreach (json_getz(new, container_lists[i]), container) {
            struct json *image = json_getz(had, "image");
            if (image)
                json_setz(container, "image", json_copy(a, image));
            had = had ? had->next : NULL;
        }
    }
    bool deadline_is_fine =
        !json_getz(old, "activeDeadlineSeconds") ||
        json_int_at(new, INT64_MAX, "activeDeadlineSeconds") <= json_int_at(old, 0, "activeDeadlineSeconds");
    const char *fields[2] = {deadline_is_fine ? "activeDeadlineSeconds" : NULL,
                             keeps_tolerations(json_getz(new, "tolerations"), json_getz(old, "tolerations"))
                                 ? "tolerations"
                                 : NULL};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        struct json *value = fields[i] ? json_getz(old, fields[i]) : NULL;
        if (value)
            json_setz(new, fields[i], json_copy(a, value));
        else if (fields[i])
            (void)json_unsetz(new, fields[i]);
    }
}

static void validate_update(struct change *c)
{
    const struct json *old = json_getz(c->old, "spec"), *new = json_getz(c->object, "spec");
    if (!old || !new || json_equal(old, new))
        return;
    struct json *leveled = json_copy(c->arena, new);
    level(c->arena, leveled, old);
    if (!json_equal(leveled, old))
        field_forbidden(
            c->errors, FIELD(NULL, "spec"),
            "pod updates may not change fields other than "
            "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
            "`spec.tolerations` (only additions to existing tolerations),"
            "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)");
}

static void grace_period(void *self, const struct json *object, int64_t *seconds)
{
    struct str phase = json_string_at(object, "status", "phase");
    if (*seconds < 0)
        *seconds = json_int_at(object, DEFAULT_GRACE_S, "spec", "terminationGracePeriodSeconds");
    if (!json_string_at(object, "spec", "nodeName").len || str_eq(phase, STR("Failed")) ||
        str_eq(phase, STR("Succeeded")))
        *seconds = 0;
}

const struct strategy strategy_pods = {
    .group = STR_INIT(""),
    .plural = STR_INIT("pods"),
    .returns_deleted = true,
    .apply_defaults = apply_defaults,
    .prepare_create = prepare_create,
    .validate = validate,
    .validate_update = validate_update,
    .grace_period = grace_period,
};
