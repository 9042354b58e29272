/* Events lie in the namespace of what they are about. Source: pkg/apis/core/validation ValidateEventCreate.
 */
#include "apiserver/strategies.h"
#include "object/meta.h"

static void validate(struct change *c)
{
    struct str about = json_string_at(c->object, "involvedObject", "namespace");
    struct str ns = meta_namespace(c->object);
    bool fits = about.len ? str_eq(about, ns) : str_eq(ns, STR("default")) || str_eq(ns, STR("kube-system"));
    if (!fits)
        field_invalid_str(c->errors, FIELD(FIELD(NULL, "involvedObject"), "namespace"), about,
                          "does not match event.namespace");
}

const struct strategy strategy_events = {
    .group = STR_INIT(""),
    .plural = STR_INIT("events"),
    .create_on_update = true,
    .validate = validate,
};
