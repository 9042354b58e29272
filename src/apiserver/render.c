#include "apiserver/render.h"

#include "apiserver/apiserver-private.h"
#include "apiserver/conversion.h"
#include "apiserver/registry.h"
#include "apiserver/request.h"
#include "wire/yaml.h"

#define MEDIA_TYPES "application/json, application/yaml, application/json;as=Table;g=meta.k8s.io;v=v1"

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

struct table_options render_table_options(const struct request *r, const struct accept_choice *choice)
{
    struct str include = query_get(&r->query, STR("includeObject"));
    return (struct table_options){
        .resource = r->route.resource,
        .version = choice->version,
        .include = str_eq(include, STR("Object")) ? TABLE_OBJECT
                   : str_eq(include, STR("None")) ? TABLE_NOTHING
                                                  : TABLE_METADATA,
        .now = loop_wall_now(r->server->config.loop),
    };
}

struct json *render_form(const struct request *r, struct arena *a, const struct accept_choice *choice,
                         struct json *object)
{
    if (choice->form == FORM_PARTIAL)
        return partial(a, object, choice->version);
    if (choice->form == FORM_OBJECT)
        return conversion_from_stored(a, r->route.resource, object);
    struct table_options options = render_table_options(r, choice);
    return table_of_one(a, &options, object);
}

/* A Status or a Scale has no columns: whoever asks for a Table gets it as it is, as upstream does. */
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
        reply_encoded(r, code, choice.encoding, render_form(r, a, &choice, object));
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
    reply_encoded(r, code, choice.encoding, render_form(r, &r->arena, &choice, doc));
}
