/* Status objects: constructors with upstream's words, and their JSON. */
#include "object/status.h"

#include <stdarg.h>
#include <stdio.h>

#include "object/quote.h"

static struct status *status_new(struct arena *a, int code, const char *reason, struct str message)
{
    struct status *s = arena_new(a, struct status);
    s->code = code;
    s->reason = str_of(reason);
    s->message = message;
    return s;
}

/* Details that name an object of a resource by its plural name. */
static struct status *about(struct status *s, const struct schema_resource *r, struct str name)
{
    s->has_details = true;
    s->name = name;
    if (r) {
        s->group = r->group;
        s->kind = r->plural;
    }
    return s;
}

/* "services", "deployments.apps". */
static struct str qualified(struct arena *a, struct str what, struct str group)
{
    return group.len ? arena_format(a, "%.*s.%.*s", STR_ARG(what), STR_ARG(group)) : what;
}

/* `services "x"` */
static struct str object_words(struct arena *a, const struct schema_resource *r, struct str name)
{
    struct str plural = qualified(a, r->plural, r->group), quoted = quote(a, name);
    return arena_format(a, "%.*s %.*s", STR_ARG(plural), STR_ARG(quoted));
}

/* nonnull: else gcc takes the check that UBSan adds for a null format for a use of one. */
__attribute__((nonnull(2))) _printf_(2, 0) static struct str
    format_va(struct arena *a, const char *format, va_list ap)
{
    char small[512];
    va_list again;
    va_copy(again, ap);
    int len = vsnprintf(small, sizeof small, format, ap);
    char *p = small;
    if (len >= (int)sizeof small) {
        p = arena_alloc(a, (size_t)len + 1);
        vsnprintf(p, (size_t)len + 1, format, again);
    }
    va_end(again);
    return p == small ? arena_str(a, str_of(small)) : str_of(p);
}

struct status *status_not_found(struct arena *a, const struct schema_resource *r, struct str name)
{
    struct str what = object_words(a, r, name);
    return about(status_new(a, 404, "NotFound", arena_format(a, "%.*s not found", STR_ARG(what))), r, name);
}

struct status *status_no_route(struct arena *a)
{
    struct status *s =
        status_new(a, 404, "NotFound", STR("the server could not find the requested resource"));
    s->has_details = true;
    return s;
}

struct status *status_already_exists(struct arena *a, const struct schema_resource *r, struct str name)
{
    struct str what = object_words(a, r, name);
    return about(status_new(a, 409, "AlreadyExists", arena_format(a, "%.*s already exists", STR_ARG(what))),
                 r, name);
}

struct status *status_generate_name_conflict(struct arena *a, const struct schema_resource *r,
                                             struct str name)
{
    struct status *s = status_already_exists(a, r, name);
    s->message = arena_format(a, "%.*s, the server was not able to generate a unique name for the object",
                              STR_ARG(s->message));
    s->retry_after_seconds = 1;
    return s;
}

struct status *status_conflict(struct arena *a, const struct schema_resource *r, struct str name,
                               const char *why)
{
    struct str what = object_words(a, r, name);
    struct str message = arena_format(a, "Operation cannot be fulfilled on %.*s: %s", STR_ARG(what), why);
    return about(status_new(a, 409, "Conflict", message), r, name);
}

struct status *status_apply_conflict(struct arena *a, struct str message, struct status_cause *causes,
                                     size_t n)
{
    struct status *s = status_new(a, 409, "Conflict", message);
    s->has_details = true;
    s->causes = causes;
    s->n_causes = MIN(n, STATUS_MAX_CAUSES);
    return s;
}

struct status *status_invalid(struct arena *a, const struct schema_resource *r, struct str name,
                              const struct field_errors *errors)
{
    struct str kind = qualified(a, r->kind, r->group), quoted = quote(a, name),
               text = field_errors_text(errors);
    struct status *s = status_new(
        a, 422, "Invalid",
        arena_format(a, "%.*s %.*s is invalid: %.*s", STR_ARG(kind), STR_ARG(quoted), STR_ARG(text)));
    about(s, r, name);
    s->kind = r->kind;
    s->causes = arena_new_array(a, struct status_cause, errors->n ? errors->n : 1);
    for (size_t i = 0; i < errors->n; i++)
        s->causes[s->n_causes++] = (struct status_cause){field_error_reason(errors->v[i].type),
                                                         errors->v[i].body, errors->v[i].field};
    return s;
}

struct status *status_bad_request(struct arena *a, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    struct status *s = status_new(a, 400, "BadRequest", format_va(a, format, ap));
    va_end(ap);
    return s;
}

struct status *status_unauthorized(struct arena *a)
{
    return status_new(a, 401, "Unauthorized", STR("Unauthorized"));
}

static struct status *forbidden(struct arena *a, const struct schema_resource *r, struct str name,
                                struct str why)
{
    struct str what = !r ? STR_NONE : name.len ? object_words(a, r, name) : qualified(a, r->plural, r->group);
    struct str message = r ? arena_format(a, "%.*s is forbidden: %.*s", STR_ARG(what), STR_ARG(why))
                           : arena_format(a, "forbidden: %.*s", STR_ARG(why));
    return about(status_new(a, 403, "Forbidden", message), r, name);
}

struct status *status_forbidden(struct arena *a, const struct schema_resource *r, struct str name,
                                const char *why, ...)
{
    va_list ap;
    va_start(ap, why);
    struct str text = format_va(a, why, ap);
    va_end(ap);
    return forbidden(a, r, name, text);
}

struct status *status_forbidden_request(struct arena *a, const struct status_request *request)
{
    _cleanup_(strbuf_done) struct strbuf why = {0};
    const struct schema_resource *r = request->resource;
    strbuf_addz(&why, "User ");
    quote_add(&why, request->user);
    if (!r) {
        strbuf_addf(&why, " cannot %.*s path ", STR_ARG(request->verb));
        quote_add(&why, request->path);
        return forbidden(a, NULL, STR_NONE, strbuf_str(&why));
    }
    strbuf_addf(&why, " cannot %.*s resource \"%.*s%s%.*s\" in API group \"%.*s\" ", STR_ARG(request->verb),
                STR_ARG(r->plural), request->subresource.len ? "/" : "", STR_ARG(request->subresource),
                STR_ARG(r->group));
    if (request->ns.len) {
        strbuf_addz(&why, "in the namespace ");
        quote_add(&why, request->ns);
    } else {
        strbuf_addz(&why, "at the cluster scope");
    }
    return forbidden(a, r, request->name, strbuf_str(&why));
}

struct status *status_method_not_allowed(struct arena *a, const struct schema_resource *r, struct str verb)
{
    if (!r) {
        struct status *s = status_new(a, 405, "MethodNotAllowed",
                                      STR("the server does not allow this method on the requested resource"));
        s->has_details = true;
        return s;
    }
    struct str plural = qualified(a, r->plural, r->group);
    struct str message = arena_format(a, "%.*s is not supported on resources of kind \"%.*s\"", STR_ARG(verb),
                                      STR_ARG(plural));
    return about(status_new(a, 405, "MethodNotAllowed", message), r, STR_NONE);
}

struct status *status_not_acceptable(struct arena *a, struct str accepted)
{
    return status_new(
        a, 406, "NotAcceptable",
        arena_format(a, "only the following media types are accepted: %.*s", STR_ARG(accepted)));
}

struct status *status_unsupported_media_type(struct arena *a, struct str accepted)
{
    return status_new(
        a, 415, "UnsupportedMediaType",
        arena_format(a,
                     "the body of the request was in an unknown format - accepted media types include: %.*s",
                     STR_ARG(accepted)));
}

struct status *status_too_large(struct arena *a, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    struct str why = format_va(a, format, ap);
    va_end(ap);
    return status_new(a, 413, "RequestEntityTooLarge",
                      arena_format(a, "Request entity is too large: %.*s", STR_ARG(why)));
}

/* Details that carry nothing but the seconds to wait. */
static struct status *retry_after(struct status *s, int seconds)
{
    s->has_details = true;
    s->retry_after_seconds = seconds;
    return s;
}

struct status *status_too_many_requests(struct arena *a, const char *message, int retry_after_seconds)
{
    return retry_after(status_new(a, 429, "TooManyRequests", arena_str(a, str_of(message))),
                       retry_after_seconds);
}

struct status *status_gone(struct arena *a, const char *message)
{
    return status_new(a, 410, "Gone", arena_str(a, str_of(message)));
}

struct status *status_expired(struct arena *a, const char *message)
{
    return status_new(a, 410, "Expired", arena_str(a, str_of(message)));
}

struct status *status_internal(struct arena *a, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    struct str why = format_va(a, format, ap);
    va_end(ap);
    struct status *s =
        status_new(a, 500, "InternalError", arena_format(a, "Internal error occurred: %.*s", STR_ARG(why)));
    s->has_details = true;
    s->causes = arena_new(a, struct status_cause);
    s->causes[0].message = why;
    s->n_causes = 1;
    return s;
}

struct status *status_timeout(struct arena *a, const char *message, int retry_after_seconds)
{
    return retry_after(status_new(a, 504, "Timeout", arena_format(a, "Timeout: %s", message)),
                       retry_after_seconds);
}

struct status *status_server_timeout(struct arena *a, const struct schema_resource *r, struct str verb,
                                     int retry_after_seconds)
{
    struct str plural = qualified(a, r->plural, r->group);
    struct str message = arena_format(
        a, "The %.*s operation against %.*s could not be completed at this time, please try again.",
        STR_ARG(verb), STR_ARG(plural));
    return retry_after(about(status_new(a, 500, "ServerTimeout", message), r, verb), retry_after_seconds);
}

struct status *status_unavailable(struct arena *a, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    struct status *s = status_new(a, 503, "ServiceUnavailable", format_va(a, format, ap));
    va_end(ap);
    return s;
}

struct status *status_insufficient_storage(struct arena *a, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    struct status *s = status_new(a, 507, "InsufficientStorage", format_va(a, format, ap));
    va_end(ap);
    return s;
}

struct status *status_deleted(struct arena *a, const struct schema_resource *r, struct str name,
                              struct str uid)
{
    struct status *s = about(status_new(a, 0, "", STR_NONE), r, name);
    s->uid = uid;
    return s;
}

static void set_text(struct arena *a, struct json *object, struct str key, struct str text)
{
    if (text.len)
        json_add(object, key, json_string(a, text));
}

static struct json *details_to_json(struct arena *a, const struct status *s)
{
    struct json *details = json_object(a);
    set_text(a, details, STR("name"), s->name);
    set_text(a, details, STR("group"), s->group);
    set_text(a, details, STR("kind"), s->kind);
    set_text(a, details, STR("uid"), s->uid);
    if (s->n_causes)
        json_add(details, STR("causes"), json_array(a));
    for (size_t i = 0; i < s->n_causes; i++) {
        struct json *cause = json_object(a);
        set_text(a, cause, STR("reason"), s->causes[i].reason);
        set_text(a, cause, STR("message"), s->causes[i].message);
        set_text(a, cause, STR("field"), s->causes[i].field);
        json_append(details->last, cause);
    }
    if (s->retry_after_seconds)
        json_add(details, STR("retryAfterSeconds"), json_int(a, s->retry_after_seconds));
    return details;
}

struct json *status_to_json(struct arena *a, const struct status *s)
{
    struct json *v = json_object(a);
    json_add(v, STR("kind"), json_string(a, STR("Status")));
    json_add(v, STR("apiVersion"), json_string(a, STR("v1")));
    json_add(v, STR("metadata"), json_object(a));
    json_add(v, STR("status"), json_string(a, s->code >= 400 ? STR("Failure") : STR("Success")));
    set_text(a, v, STR("message"), s->message);
    set_text(a, v, STR("reason"), s->reason);
    if (s->has_details)
        json_add(v, STR("details"), details_to_json(a, s));
    if (s->code)
        json_add(v, STR("code"), json_int(a, s->code));
    return v;
}

void status_write(const struct status *s, struct strbuf *out)
{
    _cleanup_(arena_done) struct arena a = {0};
    json_write(status_to_json(&a, s), out);
}
