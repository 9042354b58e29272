/* ConfigMaps and Secrets: keys, sizes, immutability. Source: pkg/apis/core/validation. */
#include "apiserver/strategies.h"
#include "base/encoding.h"
#include "object/validate.h"

#define MAX_DATA_BYTES ((size_t)1024 * 1024)

static size_t check_keys(struct change *c, const char *field)
{
    size_t bytes = 0;
    json_foreach (json_getz(c->object, field), item) {
        name_validate(c->errors, FIELD_KEY(FIELD_STR(NULL, str_of(field)), item->key), item->key,
                      name_check_config_key);
        bytes += json_str(item).len;
    }
    return bytes;
}

static void check_immutable(struct change *c, const char *const *fields, size_t n)
{
    if (!json_bool_at(c->old, false, "immutable"))
        return;
    if (!json_bool_at(c->object, false, "immutable"))
        field_forbidden(c->errors, FIELD(NULL, "immutable"), "field is immutable when `immutable` is set");
    for (size_t i = 0; i < n; i++) {
        const struct json *new = json_getz(c->object, fields[i]), *old = json_getz(c->old, fields[i]);
        if ((new || old) && !(new &&old &&json_equal(new, old)))
            field_forbidden(c->errors, FIELD_STR(NULL, str_of(fields[i])),
                            "field is immutable when `immutable` is set");
    }
}

static void validate_configmap(struct change *c)
{
    size_t bytes = check_keys(c, "data") + check_keys(c, "binaryData");
    json_foreach (json_getz(c->object, "binaryData"), item) {
        if (json_get(json_getz(c->object, "data"), item->key))
            field_invalid_str(c->errors, FIELD_KEY(FIELD(NULL, "data"), item->key), item->key,
                              "duplicate of key present in binaryData");
    }
    if (bytes > MAX_DATA_BYTES)
        field_too_long(c->errors, NULL, MAX_DATA_BYTES);
}

static void validate_configmap_update(struct change *c)
{
    static const char *const fields[] = {"data", "binaryData"};
    check_immutable(c, fields, ARRAY_LEN(fields));
}

const struct strategy strategy_configmaps = {
    .group = STR_INIT(""),
    .plural = STR_INIT("configmaps"),
    .validate = validate_configmap,
    .validate_update = validate_configmap_update,
};

/* stringData is for writing only: it becomes data. */
static void fold_string_data(void *self, struct arena *a, struct json *object)
{
    struct json *strings = json_getz(object, "stringData");
    if (!json_is(strings, JSON_OBJECT))
        return;
    struct json *data = json_ensure_object(a, object, "data");
    json_foreach (strings, item) {
        _cleanup_(strbuf_done) struct strbuf encoded = {0};
        base64_encode(json_str(item), &encoded);
        json_set(data, item->key, json_string(a, arena_str(a, strbuf_str(&encoded))));
    }
    (void)json_unsetz(object, "stringData");
}

/* What a type of Secret must hold. */
static const struct {
    const char *type, *keys[2];
} secret_types[] = {
    {"kubernetes.io/dockercfg", {".dockercfg"}},
    {"kubernetes.io/dockerconfigjson", {".dockerconfigjson"}},
    {"kubernetes.io/ssh-auth", {"ssh-privatekey"}},
    {"kubernetes.io/tls", {"tls.crt", "tls.key"}},
};

static void validate_secret(struct change *c)
{
    struct str type = json_string_at(c->object, "type");
    const struct json *data = json_getz(c->object, "data");
    if (check_keys(c, "data") > MAX_DATA_BYTES * 4 / 3)
        field_too_long(c->errors, FIELD(NULL, "data"), MAX_DATA_BYTES);
    for (size_t i = 0; i < ARRAY_LEN(secret_types); i++) {
        if (!str_eqz(type, secret_types[i].type))
            continue;
        for (size_t k = 0; k < 2 && secret_types[i].keys[k]; k++) {
            if (!json_getz(data, secret_types[i].keys[k]))
                field_required(c->errors, FIELD_KEY(FIELD(NULL, "data"), str_of(secret_types[i].keys[k])),
                               "%s", "");
        }
    }
}

static void validate_secret_update(struct change *c)
{
    static const char *const fields[] = {"data"};
    validate_immutable(c->errors, FIELD(NULL, "type"), json_getz(c->object, "type"),
                       json_getz(c->old, "type"));
    check_immutable(c, fields, ARRAY_LEN(fields));
}

const struct strategy strategy_secrets = {
    .group = STR_INIT(""),
    .plural = STR_INIT("secrets"),
    .apply_defaults = fold_string_data,
    .validate = validate_secret,
    .validate_update = validate_secret_update,
};
