#include "apiserver/render.h"

#include "apiserver/cache.h"
#include "apiserver/conversion.h"
#include "apiserver/registry.h"
#include "apiserver/request.h"
#include "wire/yaml.h"

#define MEDIA_TYPES "application/json, application/yaml"

bool render_choose(struct request *r, bool list, struct accept_choice *ret)
{
    if (accept_choose(&r->accept, list, ret))
        return true;
    request_reply_status(r, status_not_acceptable(&r->arena, STR(MEDIA_TYPES)));
    return false;
}

bool render_is_verbatim(const struct resource *resource, const struct accept_choice *choice)
{
    return choice->form == FORM_OBJECT && choice->encoding == ENCODING_JSON &&
           !conversion_is_needed(resource);
}

static void reply_encoded(struct request *r, int code, enum accept_encoding encoding,
                          const struct json *value)
{
    _cleanup_(strbuf_done) struct strbuf body = {0};
    if (encoding == ENCODING_YAML) {
        yaml_write(value, &body);
        request_reply(r, code, STR("application/yaml"), strbuf_str(&body));
        return;
    }
    json_write(value, &body);
    strbuf_addc(&body, '\n');
    request_reply(r, code, STR("application/json"), strbuf_str(&body));
}

static struct json *partial(struct arena *a, struct json *object, struct str version)
{
    struct json *p = json_object(a), *metadata = json_getz(object, "metadata");
    json_setz(p, "kind", json_string(a, STR("PartialObjectMetadata")));
    json_setz(p, "apiVersion", json_stringf(a, "meta.k8s.io/%.*s", STR_ARG(version)));
    if (metadata)
        json_setz(p, "metadata", json_copy(a, metadata));
    return p;
}

struct json *render_form(struct arena *a, const struct resource *resource, const struct accept_choice *choice,
                         struct json *object)
{
    if (choice->form == FORM_PARTIAL)
        return partial(a, object, choice->version);
    return conversion_from_stored(a, resource, object);
}

void render_value(struct request *r, int code, struct json *value)
{
    struct accept_choice choice;
    if (render_choose(r, false, &choice))
        reply_encoded(r, code, choice.encoding, value);
}

void render_object(struct request *r, int code, struct arena *a, struct json *object)
{
    struct accept_choice choice;
    if (render_choose(r, false, &choice))
        reply_encoded(r, code, choice.encoding, render_form(a, r->route.resource, &choice, object));
}

void render_cached(struct request *r, int code, const struct cache_object *o)
{
    struct accept_choice choice;
    struct json *doc;
    if (!render_choose(r, false, &choice))
        return;
    if (render_is_verbatim(r->route.resource, &choice)) {
        request_reply(r, code, STR("application/json"), cache_object_json(o));
        return;
    }
    if (json_parse(&r->arena, cache_object_json(o), NULL, &doc, NULL) < 0) {
        request_reply_status(r, status_internal(&r->arena, "the stored object cannot be read"));
        return;
    }
    reply_encoded(r, code, choice.encoding, render_form(&r->arena, r->route.resource, &choice, doc));
}
