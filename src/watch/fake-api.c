#include "watch/fake-api.h"

#include <stdio.h>

#include "base/encoding.h"
#include "base/map.h"
#include "base/random.h"

struct http_call {
    struct fake_api *api;
    struct list node;
    struct task task;
    struct http_call_handler handler;
    void *user;
    struct strbuf method, target, body, agent;
    /* A watch: what it is of, and what it has been sent. */
    bool watching, bookmark_due;
    struct strbuf prefix;
    uint64_t sent;
    struct strbuf raw;
    bool cut;
    int cut_error;
};

#define EXPIRED_EVENT                                                                                        \
    "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\"}}\n"

struct event {
    uint64_t rv;
    const char *type;
    char *key, *bytes;
};

struct fake_api {
    struct http_transport transport; /* first */
    struct loop *loop;
    struct map objects; /* "group/plural/namespace/name" -> char *json */
    ARRAY_OF(struct event) history;
    uint64_t rv, compacted;
    struct list calls;
    struct random random;
    fake_api_fault_fn *fault;
    void *fault_user;
    struct strbuf writes, log;
    bool hold;
};

/* A path taken apart. */
struct target {
    struct str group, ns, plural, name, sub, query;
};

static struct target parse_target(struct str text)
{
    struct target t = {0};
    struct str path = text, part = {0}, rest;
    ptrdiff_t q = str_find_char(text, '?');
    if (q >= 0) {
        path = str_slice(text, 0, (size_t)q);
        t.query = str_slice(text, (size_t)q + 1, text.len);
    }
    struct str parts[10] = {0};
    size_t n = 0;
    rest = str_slice(path, 1, path.len);
    while (n < ARRAY_LEN(parts) && str_split(&rest, '/', &part))
        parts[n++] = part;
    size_t i = 2;
    if (str_eq(parts[0], STR("apis"))) {
        t.group = parts[1];
        i = 3;
    }
    bool deep = str_eq(parts[i], STR("namespaces")) && parts[i + 2].len &&
                !str_eq(parts[i + 2], STR("finalize")) && !str_eq(parts[i + 2], STR("status"));
    if (deep) {
        t.ns = parts[i + 1];
        i += 2;
    }
    t.plural = parts[i];
    t.name = i + 1 < n ? parts[i + 1] : STR_NONE;
    t.sub = i + 2 < n ? parts[i + 2] : STR_NONE;
    return t;
}

static void key_of(const struct target *t, struct strbuf *out)
{
    strbuf_addf(out, "%.*s/%.*s/", STR_ARG(t->group), STR_ARG(t->plural));
    if (t->ns.len)
        strbuf_addf(out, "%.*s/", STR_ARG(t->ns));
    strbuf_add_str(out, t->name);
}

static bool query_value(struct str query, const char *name, struct strbuf *out)
{
    struct str rest = query, part;
    while (rest.p && str_split(&rest, '&', &part)) {
        ptrdiff_t eq = str_find_char(part, '=');
        if (eq > 0 && str_eqz(str_slice(part, 0, (size_t)eq), name)) {
            (void)percent_decode(str_slice(part, (size_t)eq + 1, part.len), PERCENT_QUERY, out);
            return true;
        }
    }
    return false;
}

static void wake_watches(struct fake_api *api)
{
    list_foreach (&api->calls, n) {
        struct http_call *call = container_of(n, struct http_call, node);
        if (call->watching && !api->hold)
            task_post(api->loop, &call->task);
    }
}

static void record(struct fake_api *api, const char *type, struct str key, const struct json *object)
{
    struct strbuf text = {0};
    json_write(object, &text);
    *array_push(&api->history) =
        (struct event){api->rv, type, mem_dup(key.p, key.len), strbuf_take(&text, NULL)};
    wake_watches(api);
}

static void set_rv(struct fake_api *api, struct arena *a, struct json *object)
{
    api->rv++;
    json_setz(json_ensure_object(a, object, "metadata"), "resourceVersion",
              json_stringf(a, "%llu", (unsigned long long)api->rv));
}

static void save(struct fake_api *api, struct str key, const struct json *object, const char *type)
{
    struct strbuf text = {0};
    json_write(object, &text);
    free(map_put(&api->objects, key, strbuf_take(&text, NULL)));
    record(api, type, key, object);
}

static bool is_leaving(const struct json *object)
{
    return json_string_at(object, "metadata", "deletionTimestamp").len > 0;
}

static bool may_go(const struct json *object)
{
    const struct json *f = json_path(object, "metadata", "finalizers", NULL);
    const struct json *sf = json_path(object, "spec", "finalizers", NULL);
    return (!f || f->n == 0) && (!sf || sf->n == 0);
}

static void erase(struct fake_api *api, struct arena *a, struct str key, struct json *object)
{
    set_rv(api, a, object);
    free(map_delete(&api->objects, key));
    record(api, "DELETED", key, object);
}

struct answer {
    int status;
    struct json *body;
    struct arena *a;
};

static void refuse(struct answer *out, int status, const char *reason)
{
    struct json *body = json_object(out->a);
    json_setz(body, "kind", json_string(out->a, STR("Status")));
    json_setz(body, "status", json_string(out->a, STR("Failure")));
    json_setz(body, "reason", json_string(out->a, str_of(reason)));
    json_setz(body, "message", json_stringf(out->a, "fake refusal: %s", reason));
    json_setz(body, "code", json_int(out->a, status));
    out->status = status;
    out->body = body;
}

static struct json *load(struct fake_api *api, struct str key, struct arena *a)
{
    const char *text = map_find(&api->objects, key);
    struct json *object = NULL;
    if (text)
        (void)json_parse(a, arena_str(a, str_of(text)), NULL, &object, NULL);
    return object;
}

static void stamp_new(struct fake_api *api, const struct target *t, struct json *object, struct arena *a)
{
    struct json *meta = json_ensure_object(a, object, "metadata");
    char uid[RANDOM_UUID_LEN], now[WALLTIME_MAX_LEN], suffix[6];
    random_uuid(&api->random, uid);
    if (!json_string_at(meta, "name").len) {
        random_name(&api->random, suffix, 5);
        json_setz(meta, "name",
                  json_stringf(a, "%.*s%s", STR_ARG(json_string_at(meta, "generateName")), suffix));
    }
    if (t->ns.len)
        json_setz(meta, "namespace", json_string(a, arena_str(a, t->ns)));
    if (!json_getz(meta, "uid"))
        json_setz(meta, "uid", json_stringf(a, "%s", uid));
    if (!json_getz(meta, "creationTimestamp"))
        json_setz(meta, "creationTimestamp",
                  json_stringf(a, "%s", walltime_format(loop_wall_now(api->loop), now)));
    json_setz(meta, "generation", json_int(a, 1));
}

static bool namespace_is_ending(struct fake_api *api, const struct target *t, struct arena *a)
{
    _cleanup_(strbuf_done) struct strbuf key = {0};
    if (!t->ns.len)
        return false;
    key_of(&(struct target){.plural = STR("namespaces"), .name = t->ns}, &key);
    return json_string_at(load(api, strbuf_str(&key), a), "metadata", "deletionTimestamp").len > 0;
}

static void do_create(struct fake_api *api, struct target *t, struct json *object, struct answer *out)
{
    _cleanup_(strbuf_done) struct strbuf key = {0};
    if (namespace_is_ending(api, t, out->a)) {
        refuse(out, 403, "Forbidden");
        struct json *cause = json_object(out->a);
        json_setz(cause, "reason", json_string(out->a, STR("NamespaceTerminating")));
        json_append(json_ensure_array(out->a, json_ensure_object(out->a, out->body, "details"), "causes"),
                    cause);
        return;
    }
    stamp_new(api, t, object, out->a);
    t->name = json_string_at(object, "metadata", "name");
    key_of(t, &key);
    if (map_has(&api->objects, strbuf_str(&key))) {
        refuse(out, 409, "AlreadyExists");
        return;
    }
    set_rv(api, out->a, object);
    save(api, strbuf_str(&key), object, "ADDED");
    out->status = 201;
    out->body = object;
}

static bool same(const struct json *a, const struct json *b)
{
    return a && b ? json_equal(a, b) : a == b;
}

/* Keeps what a client cannot change, and the half that is not addressed. */
static void carry_over(struct fake_api *api, const struct target *t, struct json *old, struct json *object,
                       struct arena *a)
{
    static const char *const kept[] = {"uid",        "creationTimestamp", "deletionTimestamp",
                                       "generation", "namespace",         "name"};
    struct json *meta = json_ensure_object(a, object, "metadata");
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        struct json *v = json_path(old, "metadata", kept[i], NULL);
        if (v)
            json_setz(meta, kept[i], json_copy(a, v));
        else
            (void)json_unsetz(meta, kept[i]);
    }
    bool status = str_eq(t->sub, STR("status")), finalize = str_eq(t->sub, STR("finalize"));
    const char *half = status ? "spec" : "status";
    struct json *other = json_getz(old, half);
    if (finalize)
        return;
    if (other)
        json_setz(object, half, json_copy(a, other));
    else
        (void)json_unsetz(object, half);
    if (!status && !same(json_getz(old, "spec"), json_getz(object, "spec")))
        json_setz(meta, "generation", json_int(a, json_int_at(old, 1, "metadata", "generation") + 1));
}

static void replace(struct fake_api *api, struct str key, struct json *old, struct json *object,
                    struct answer *out)
{
    out->status = 200;
    out->body = object;
    if (is_leaving(object) && may_go(object)) {
        erase(api, out->a, key, object);
        return;
    }
    json_setz(json_getz(object, "metadata"), "resourceVersion",
              json_copy(out->a, json_path(old, "metadata", "resourceVersion", NULL)));
    if (json_equal(old, object))
        return; /* nothing changed, nothing is written */
    set_rv(api, out->a, object);
    save(api, key, object, "MODIFIED");
}

static void do_update(struct fake_api *api, struct target *t, struct json *object, struct answer *out)
{
    _cleanup_(strbuf_done) struct strbuf key = {0};
    key_of(t, &key);
    struct json *old = load(api, strbuf_str(&key), out->a);
    if (!old) {
        refuse(out, 404, "NotFound");
        return;
    }
    struct str rv = json_string_at(object, "metadata", "resourceVersion");
    if (rv.len && !str_eq(rv, json_string_at(old, "metadata", "resourceVersion"))) {
        refuse(out, 409, "Conflict");
        return;
    }
    carry_over(api, t, old, object, out->a);
    replace(api, strbuf_str(&key), old, object, out);
}

static struct json *merge(struct arena *a, struct json *base, const struct json *patch)
{
    if (!json_is(patch, JSON_OBJECT))
        return json_copy(a, patch);
    if (!json_is(base, JSON_OBJECT))
        base = json_object(a);
    json_foreach (patch, m) {
        if (m->type == JSON_NULL) {
            (void)json_unset(base, m->key);
            continue;
        }
        struct json *v = merge(a, json_get(base, m->key), m);
        struct json *had = json_get(base, m->key);
        if (v != had)
            json_set(base, arena_str(a, m->key), v);
    }
    return base;
}

static void do_patch(struct fake_api *api, struct target *t, struct json *patch, struct answer *out)
{
    _cleanup_(strbuf_done) struct strbuf key = {0};
    key_of(t, &key);
    struct json *old = load(api, strbuf_str(&key), out->a);
    if (!old) {
        refuse(out, 404, "NotFound");
        return;
    }
    struct str uid = json_string_at(patch, "metadata", "uid"),
               rv = json_string_at(patch, "metadata", "resourceVersion");
    if ((uid.len && !str_eq(uid, json_string_at(old, "metadata", "uid"))) ||
        (rv.len && !str_eq(rv, json_string_at(old, "metadata", "resourceVersion")))) {
        refuse(out, 409, "Conflict");
        return;
    }
    struct json *object = merge(out->a, json_copy(out->a, old), patch);
    carry_over(api, t, old, object, out->a);
    replace(api, strbuf_str(&key), old, object, out);
}

static void add_finalizer(struct arena *a, struct json *object, struct str name)
{
    json_append(json_ensure_array(a, json_ensure_object(a, object, "metadata"), "finalizers"),
                json_string(a, name));
}

static void do_delete(struct fake_api *api, struct str key, const struct json *options, struct answer *out)
{
    struct json *object = load(api, key, out->a);
    char now[WALLTIME_MAX_LEN];
    if (!object) {
        refuse(out, 404, "NotFound");
        return;
    }
    struct str uid = json_string_at(options, "preconditions", "uid");
    struct str rv = json_string_at(options, "preconditions", "resourceVersion");
    if ((uid.len && !str_eq(uid, json_string_at(object, "metadata", "uid"))) ||
        (rv.len && !str_eq(rv, json_string_at(object, "metadata", "resourceVersion")))) {
        refuse(out, 409, "Conflict");
        return;
    }
    struct str policy = json_string_at(options, "propagationPolicy");
    out->status = 200;
    out->body = object;
    if (!is_leaving(object)) {
        if (str_eq(policy, STR("Foreground")))
            add_finalizer(out->a, object, STR("foregroundDeletion"));
        if (str_eq(policy, STR("Orphan")))
            add_finalizer(out->a, object, STR("orphan"));
    }
    if (may_go(object)) {
        erase(api, out->a, key, object);
        return;
    }
    if (is_leaving(object))
        return;
    json_setz(json_getz(object, "metadata"), "deletionTimestamp",
              json_stringf(out->a, "%s", walltime_format(loop_wall_now(api->loop), now)));
    if (json_path(object, "spec", "finalizers", NULL))
        json_setz(json_ensure_object(out->a, object, "status"), "phase",
                  json_string(out->a, STR("Terminating")));
    set_rv(api, out->a, object);
    save(api, key, object, "MODIFIED");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Keys with PREFIX, sorted; in the arena. */
static char **keys_of(struct fake_api *api, struct str prefix, struct arena *a, size_t *ret_n)
{
    char **v = arena_new_array(a, char *, api->objects.n + 1);
    *ret_n = 0;
    map_foreach (&api->objects, e) {
        if (str_has_prefix(e->key, prefix))
            v[(*ret_n)++] = arena_dup(a, e->key.p, e->key.len);
    }
    qsort(v, *ret_n, sizeof *v, by_text);
    return v;
}

static void do_list(struct fake_api *api, const struct target *t, struct answer *out)
{
    _cleanup_(strbuf_done) struct strbuf prefix = {0};
    _cleanup_(strbuf_done) struct strbuf limit_text = {0};
    _cleanup_(strbuf_done) struct strbuf next = {0};
    uint64_t limit = 0;
    size_t n;

    key_of(t, &prefix);
    if (query_value(t->query, "limit", &limit_text))
        (void)str_to_uint64(strbuf_str(&limit_text), &limit);
    (void)query_value(t->query, "continue", &next);
    char **keys = keys_of(api, strbuf_str(&prefix), out->a, &n);
    struct json *items = json_array(out->a), *meta = json_object(out->a);
    json_setz(meta, "resourceVersion", json_stringf(out->a, "%llu", (unsigned long long)api->rv));
    for (size_t i = 0; i < n; i++) {
        if (next.len && strcmp(keys[i], next.p) <= 0)
            continue;
        if (limit && items->n == limit) {
            json_setz(meta, "continue", json_string(out->a, str_of(keys[i - 1])));
            break;
        }
        json_append(items, load(api, str_of(keys[i]), out->a));
    }
    out->status = 200;
    out->body = json_object(out->a);
    json_setz(out->body, "metadata", meta);
    json_setz(out->body, "items", items);
}

static void do_write(struct fake_api *api, struct str method, struct target *t, struct str body,
                     struct answer *out)
{
    struct json *object = NULL;
    _cleanup_(strbuf_done) struct strbuf key = {0};

    if (body.len && json_parse(out->a, arena_str(out->a, body), NULL, &object, NULL) < 0) {
        refuse(out, 400, "BadRequest");
        return;
    }
    key_of(t, &key);
    if (str_eq(method, STR("POST"))) {
        do_create(api, t, object, out);
    } else if (str_eq(method, STR("PUT"))) {
        do_update(api, t, object, out);
    } else if (str_eq(method, STR("PATCH"))) {
        do_patch(api, t, object, out);
    } else if (t->name.len) {
        do_delete(api, strbuf_str(&key), object, out);
    } else {
        size_t n;
        char **keys = keys_of(api, strbuf_str(&key), out->a, &n);
        for (size_t i = 0; i < n; i++)
            do_delete(api, str_of(keys[i]), NULL, out);
        out->status = 200;
        out->body = json_object(out->a);
    }
}

static void handle(struct fake_api *api, struct str method, struct str target, struct str body,
                   struct answer *out)
{
    struct target t = parse_target(target);
    if (!str_eq(method, STR("GET"))) {
        do_write(api, method, &t, body, out);
        return;
    }
    if (!t.name.len) {
        do_list(api, &t, out);
        return;
    }
    _cleanup_(strbuf_done) struct strbuf key = {0};
    key_of(&t, &key);
    out->status = 200;
    out->body = load(api, strbuf_str(&key), out->a);
    if (!out->body)
        refuse(out, 404, "NotFound");
}

static void call_free(struct http_call *call)
{
    task_cancel(&call->task);
    list_remove(&call->node);
    strbuf_done(&call->method);
    strbuf_done(&call->target);
    strbuf_done(&call->body);
    strbuf_done(&call->agent);
    strbuf_done(&call->prefix);
    strbuf_done(&call->raw);
    free(call);
}

static void call_end(struct http_call *call, int error)
{
    struct http_call_handler h = call->handler;
    void *user = call->user;
    struct err err = {0};
    if (error)
        err_set(&err, error, "fake fault");
    call_free(call);
    h.end(user, error ? &err : NULL);
}

static void add_event(struct strbuf *out, const char *type, const char *bytes)
{
    strbuf_addf(out, "{\"type\":\"%s\",\"object\":%s}\n", type, bytes);
}

static void start_watch(struct http_call *call, const struct target *t, struct strbuf *out)
{
    struct fake_api *api = call->api;
    _cleanup_(strbuf_done) struct strbuf rv = {0};
    _cleanup_(strbuf_done) struct strbuf flag = {0};
    _cleanup_(arena_done) struct arena a = {0};
    bool initial = query_value(t->query, "sendInitialEvents", &flag);
    size_t n;

    key_of(t, &call->prefix);
    call->watching = true;
    if (initial) {
        char **keys = keys_of(api, strbuf_str(&call->prefix), &a, &n);
        for (size_t i = 0; i < n; i++)
            add_event(out, "ADDED", map_find(&api->objects, str_of(keys[i])));
        strbuf_addf(
            out,
            "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"%llu\",\"annotations\":"
            "{\"k8s.io/initial-events-end\":\"true\"}}}}\n",
            (unsigned long long)api->rv);
        call->sent = api->rv;
        return;
    }
    (void)query_value(t->query, "resourceVersion", &rv);
    if (str_to_uint64(strbuf_str(&rv), &call->sent) < 0)
        call->sent = 0;
}

static void feed_watch(struct http_call *call, struct strbuf *out)
{
    struct fake_api *api = call->api;
    strbuf_add_str(out, strbuf_str(&call->raw));
    strbuf_truncate(&call->raw, 0);
    if (api->hold)
        return;
    if (call->sent < api->compacted) {
        strbuf_addz(out, EXPIRED_EVENT);
        call->sent = api->rv;
        return;
    }
    array_foreach (&api->history, e) {
        if (e->rv <= call->sent)
            continue;
        call->sent = e->rv;
        if (str_has_prefix(str_of(e->key), strbuf_str(&call->prefix)))
            add_event(out, e->type, e->bytes);
    }
}

static void run_watch(struct http_call *call, bool first, const struct target *t)
{
    _cleanup_(strbuf_done) struct strbuf out = {0};
    struct http_call_handler h = call->handler;
    void *user = call->user;
    bool cut = call->cut;
    int cut_error = call->cut_error;

    if (first) {
        h.head(user, 200, NULL, 0);
        start_watch(call, t, &out);
    }
    feed_watch(call, &out);
    if (cut) {
        if (out.len)
            task_post(call->api->loop, &call->task); /* the end comes a round later */
        else
            call_end(call, cut_error);
    }
    if (out.len)
        h.data(user, strbuf_str(&out)); /* may cancel the call */
}

static bool is_in_the_future(const struct fake_api *api, const struct target *t)
{
    _cleanup_(strbuf_done) struct strbuf rv = {0};
    uint64_t number;
    return query_value(t->query, "resourceVersion", &rv) && str_to_uint64(strbuf_str(&rv), &number) == 0 &&
           number > api->rv;
}

static void run_call(struct task *task, void *user)
{
    struct http_call *call = user;
    struct fake_api *api = call->api;
    struct str method = strbuf_str(&call->method), target = strbuf_str(&call->target);
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf body = {0};
    struct answer answer = {.a = &a};
    struct target t = parse_target(target);

    if (call->watching) {
        run_watch(call, false, NULL);
        return;
    }
    strbuf_addf(&api->log, "%.*s %.*s\n", STR_ARG(method), STR_ARG(target));
    int fault = api->fault ? api->fault(api->fault_user, method, target) : 0;
    if (fault < 0) {
        call_end(call, fault);
        return;
    }
    bool watch = str_find(t.query, STR("watch=1")) >= 0;
    if (!fault && watch && is_in_the_future(api, &t))
        fault = 504;
    if (!fault && watch) {
        run_watch(call, true, &t);
        return;
    }
    if (fault)
        refuse(&answer, fault, fault == 409 ? "Conflict" : fault == 410 ? "Expired" : "InternalError");
    else
        handle(api, method, target, strbuf_str(&call->body), &answer);
    if (!str_eq(method, STR("GET")) && !fault)
        strbuf_addf(&api->writes, "%.*s %.*s\n", STR_ARG(method), STR_ARG(target));
    if (answer.body)
        json_write(answer.body, &body);
    struct http_call_handler h = call->handler;
    h.head(call->user, answer.status, NULL, 0);
    if (body.len)
        h.data(call->user, strbuf_str(&body));
    call_end(call, 0);
}

static struct http_call *transport_send(struct http_transport *transport, const struct http_request *request,
                                        const struct http_call_handler *handler, void *user)
{
    struct fake_api *api = container_of(transport, struct fake_api, transport);
    struct http_call *call = mem_new(struct http_call);
    call->api = api;
    call->handler = *handler;
    call->user = user;
    strbuf_add_str(&call->method, request->method);
    strbuf_add_str(&call->target, request->target);
    strbuf_add_str(&call->body, request->body);
    list_append(&api->calls, &call->node);
    task_init(&call->task, run_call, call);
    task_post(api->loop, &call->task);
    return call;
}

static void transport_cancel(struct http_transport *transport, struct http_call *call)
{
    call_free(call);
}

static void transport_free(struct http_transport *transport) {}

static const struct http_transport_ops transport_ops = {transport_send, transport_cancel, transport_free};

struct fake_api *fake_api_new(struct loop *loop)
{
    struct fake_api *api = mem_new(struct fake_api);
    api->transport.ops = &transport_ops;
    api->loop = loop;
    api->rv = 10;
    list_init(&api->calls);
    random_seed(&api->random, 1);
    return api;
}

void fake_api_free(struct fake_api *api)
{
    list_foreach_safe (&api->calls, n)
        call_free(container_of(n, struct http_call, node));
    map_done(&api->objects, free);
    array_foreach (&api->history, e) {
        free(e->key);
        free(e->bytes);
    }
    array_done(&api->history);
    strbuf_done(&api->writes);
    strbuf_done(&api->log);
    free(api);
}

struct http_transport *fake_api_transport(struct fake_api *api)
{
    return &api->transport;
}

void fake_api_set_fault(struct fake_api *api, fake_api_fault_fn *fault, void *user)
{
    api->fault = fault;
    api->fault_user = user;
}

static void write_now(struct fake_api *api, const char *method, const char *path, const char *body)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct answer answer = {.a = &a};
    struct target t = parse_target(str_of(path));
    char *text = arena_dup(&a, body ? body : "", body ? strlen(body) : 0);
    for (char *p = text; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    do_write(api, str_of(method), &t, str_of(text), &answer);
    if (answer.status >= 300) {
        (void)fprintf(stderr, "fake-api: %s %s: %d: %s\n", method, path, answer.status, text);
        abort();
    }
}

void fake_api_post(struct fake_api *api, const char *path, const char *body)
{
    write_now(api, "POST", path, body);
}

void fake_api_put(struct fake_api *api, const char *path, const char *body)
{
    write_now(api, "PUT", path, body);
}

void fake_api_patch(struct fake_api *api, const char *path, const char *body)
{
    write_now(api, "PATCH", path, body);
}

void fake_api_delete(struct fake_api *api, const char *path)
{
    write_now(api, "DELETE", path, NULL);
}

struct json *fake_api_get(struct fake_api *api, const char *path, struct arena *a)
{
    _cleanup_(strbuf_done) struct strbuf key = {0};
    struct target t = parse_target(str_of(path));
    key_of(&t, &key);
    return load(api, strbuf_str(&key), a);
}

struct json *fake_api_list(struct fake_api *api, const char *path, struct arena *a)
{
    struct answer answer = {.a = a};
    struct target t = parse_target(str_of(path));
    do_list(api, &t, &answer);
    return json_getz(answer.body, "items");
}

char *fake_api_take_writes(struct fake_api *api)
{
    return strbuf_take(&api->writes, NULL);
}

size_t fake_api_requests(const struct fake_api *api, const char *prefix)
{
    struct str rest = strbuf_str(&api->log), line;
    size_t n = 0;
    while (rest.p && str_split(&rest, '\n', &line))
        n += line.len && str_has_prefix(line, str_of(prefix));
    return n;
}

void fake_api_inject(struct fake_api *api, const char *bytes)
{
    list_foreach (&api->calls, n) {
        struct http_call *call = container_of(n, struct http_call, node);
        if (!call->watching)
            continue;
        strbuf_addz(&call->raw, bytes);
        task_post(api->loop, &call->task);
    }
}

void fake_api_cut_watches(struct fake_api *api, int error)
{
    list_foreach (&api->calls, n) {
        struct http_call *call = container_of(n, struct http_call, node);
        if (!call->watching)
            continue;
        call->cut = true;
        call->cut_error = error;
        task_post(api->loop, &call->task);
    }
}

void fake_api_compact(struct fake_api *api)
{
    api->compacted = api->rv;
    array_foreach (&api->history, e) {
        free(e->key);
        free(e->bytes);
    }
    api->history.n = 0;
}

void fake_api_hold_watches(struct fake_api *api, bool hold)
{
    api->hold = hold;
    wake_watches(api);
}

size_t fake_api_open_watches(const struct fake_api *api)
{
    size_t n = 0;
    list_foreach (&api->calls, it)
        n += container_of(it, struct http_call, node)->watching;
    return n;
}

uint64_t fake_api_revision(const struct fake_api *api)
{
    return api->rv;
}
