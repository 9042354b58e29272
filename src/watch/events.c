#include "watch/events.h"

#include "base/list.h"
#include "base/map.h"

/* Events that are counted together: one Event object. */
struct series {
    struct event_recorder *recorder;
    struct list node;       /* in the order of use, the oldest first */
    struct str key;         /* owned */
    char *namespace, *name; /* of the Event object; name is NULL before it is created */
    int64_t count;
    struct monotime last;
    struct client_call *call; /* one write at a time; what comes meanwhile is written after */
    bool dirty;
    struct arena memory; /* the Event object */
    struct json *object;
};

/* What one component says about one object: the burst that is left, and how many messages per reason. */
struct subject {
    struct list node;
    struct str key; /* owned */
    int64_t tokens;
    struct monotime refilled;
    struct map reasons; /* reason -> struct reason */
};

struct reason {
    struct map messages; /* message -> (void *)1 */
    struct monotime last;
};

struct event_recorder {
    struct client *client;
    struct loop *loop;
    struct map series, subjects;
    struct list series_by_age, subjects_by_age;
    uint64_t serial;
    struct event_stats stats;
};

static const struct client_resource EVENTS = {STR_INIT(""), STR_INIT("v1"), STR_INIT("events"),
                                              STR_INIT("Event")};

static void write_series(struct series *s);

static void free_series(struct series *s)
{
    if (s->call)
        client_cancel(TAKE(s->call));
    list_remove(&s->node);
    arena_done(&s->memory);
    free(s->namespace);
    free(s->name);
    free((char *)s->key.p);
    free(s);
}

static void free_reason(void *value)
{
    struct reason *r = value;
    map_done(&r->messages, NULL);
    free(r);
}

static void free_subject(struct subject *s)
{
    list_remove(&s->node);
    map_done(&s->reasons, free_reason);
    free((char *)s->key.p);
    free(s);
}

struct event_recorder *event_recorder_new(struct client *client, struct loop *loop)
{
    struct event_recorder *r = mem_new(struct event_recorder);
    r->client = client;
    r->loop = loop;
    list_init(&r->series_by_age);
    list_init(&r->subjects_by_age);
    return r;
}

void event_recorder_free(struct event_recorder *r)
{
    if (!r)
        return;
    list_foreach_safe (&r->series_by_age, n)
        free_series(container_of(n, struct series, node));
    list_foreach_safe (&r->subjects_by_age, n)
        free_subject(container_of(n, struct subject, node));
    map_done(&r->series, NULL);
    map_done(&r->subjects, NULL);
    free(r);
}

static struct subject *subject_of(struct event_recorder *r, struct str key)
{
    struct subject *s = map_find(&r->subjects, key);
    if (s) {
        list_remove(&s->node);
        list_append(&r->subjects_by_age, &s->node);
        return s;
    }
    if (r->subjects.n >= EVENTS_MAX_SERIES) {
        struct subject *oldest = container_of(r->subjects_by_age.next, struct subject, node);
        (void)map_delete(&r->subjects, oldest->key); /* it is OLDEST */
        free_subject(oldest);
    }
    s = mem_new(struct subject);
    s->key = (struct str){mem_dup(key.p, key.len), key.len};
    s->tokens = EVENTS_BURST;
    s->refilled = loop_now(r->loop);
    list_append(&r->subjects_by_age, &s->node);
    (void)map_put(&r->subjects, s->key, s); /* replaces nothing */
    return s;
}

static bool take_token(struct subject *s, struct monotime now)
{
    int64_t refills = monotime_since_ms(now, s->refilled) / EVENTS_REFILL_MS;
    if (refills > 0) {
        s->tokens = MIN(s->tokens + refills, EVENTS_BURST);
        s->refilled = monotime_add_ms(s->refilled, refills * EVENTS_REFILL_MS);
    }
    if (!s->tokens)
        return false;
    s->tokens--;
    return true;
}

/* Whether MESSAGE is one too many of its reason. */
static bool is_one_of_many(struct subject *s, const struct event *event, struct monotime now)
{
    struct reason *reason = map_find(&s->reasons, event->reason);
    if (!reason) {
        if (s->reasons.n >= 64)
            return true; /* a component with that many reasons invents them */
        reason = mem_new(struct reason);
        (void)map_put(&s->reasons, event->reason, reason); /* replaces nothing */
    }
    if (monotime_since_ms(now, reason->last) > EVENTS_WINDOW_MS)
        map_done(&reason->messages, NULL);
    reason->last = now;
    if (map_has(&reason->messages, event->message))
        return false;
    if (reason->messages.n >= EVENTS_SIMILAR)
        return true;
    (void)map_put(&reason->messages, event->message, reason); /* a set */
    return false;
}

static void on_written(void *user, const struct client_result *result)
{
    struct series *s = user;
    s->call = NULL;
    if (result->code == CLIENT_NOT_FOUND && s->name) {
        free(TAKE(s->name)); /* expired on the server: a new object */
        s->count = 1;
        s->dirty = true;
    } else if (result->code) {
        s->recorder->stats.failed++; /* events are told once: losing one is cheaper than a queue of them */
    }
    if (s->dirty)
        write_series(s);
}

static void set_times(struct series *s, struct json *object, struct arena *a)
{
    char now[WALLTIME_MAX_LEN];
    struct str text = str_of(walltime_format(loop_wall_now(s->recorder->loop), now));
    if (!json_getz(object, "firstTimestamp"))
        json_setz(object, "firstTimestamp", json_string(a, arena_str(a, text)));
    json_setz(object, "lastTimestamp", json_string(a, arena_str(a, text)));
    json_setz(object, "count", json_int(a, s->count));
}

static void write_series(struct series *s)
{
    struct event_recorder *r = s->recorder;
    struct client_request request = {.resource = &EVENTS, .namespace = str_of(s->namespace)};
    _cleanup_(arena_done) struct arena a = {0};

    s->dirty = false;
    if (s->name) {
        struct json *patch = json_object(&a);
        json_setz(patch, "firstTimestamp", json_copy(&a, json_getz(s->object, "firstTimestamp")));
        json_setz(patch, "message", json_copy(&a, json_getz(s->object, "message")));
        set_times(s, patch, &a);
        request.verb = CLIENT_PATCH;
        request.name = str_of(s->name);
        request.patch_type = CLIENT_MERGE_PATCH;
        request.body = patch;
        r->stats.counted++;
    } else {
        struct json *meta = json_getz(s->object, "metadata");
        struct str about = json_string_at(s->object, "involvedObject", "name");
        /* As upstream names them: the object and a number that grows with time. */
        struct str name = arena_format(&s->memory, "%.*s.%llx", STR_ARG(str_slice(about, 0, 200)),
                                       (unsigned long long)loop_wall_now(r->loop).ns + r->serial++);
        s->name = mem_dup(name.p, name.len);
        json_setz(meta, "name", json_string(&s->memory, name));
        (void)json_unsetz(s->object, "firstTimestamp"); /* that of an expired one */
        set_times(s, s->object, &s->memory);
        request.verb = CLIENT_CREATE;
        request.body = s->object;
        r->stats.created++;
    }
    s->call = client_send(r->client, &request, on_written, s);
}

static void describe(struct series *s, const struct event *event, struct str message)
{
    struct arena *a = &s->memory;
    struct json *object = json_object(a), *meta = json_object(a), *about = json_object(a),
                *source = json_object(a);
    const struct json *m = json_getz(event->about, "metadata");
    const struct {
        const char *member;
        struct str value;
    } reference[] = {
        {"kind", event->kind},
        {"namespace", json_string_at(m, "namespace")},
        {"name", json_string_at(m, "name")},
        {"uid", json_string_at(m, "uid")},
        {"apiVersion", event->api_version},
        {"resourceVersion", json_string_at(m, "resourceVersion")},
    };
    for (size_t i = 0; i < ARRAY_LEN(reference); i++) {
        if (reference[i].value.len)
            json_setz(about, reference[i].member, json_string(a, arena_str(a, reference[i].value)));
    }
    json_setz(object, "apiVersion", json_string(a, STR("v1")));
    json_setz(object, "kind", json_string(a, STR("Event")));
    json_setz(meta, "namespace", json_string(a, str_of(s->namespace)));
    json_setz(object, "metadata", meta);
    json_setz(object, "involvedObject", about);
    json_setz(object, "type", json_string(a, event->type == EVENT_WARNING ? STR("Warning") : STR("Normal")));
    json_setz(object, "reason", json_string(a, arena_str(a, event->reason)));
    json_setz(object, "message", json_string(a, arena_str(a, message)));
    json_setz(source, "component", json_string(a, arena_str(a, event->component)));
    if (event->host.len)
        json_setz(source, "host", json_string(a, arena_str(a, event->host)));
    json_setz(object, "source", source);
    json_setz(object, "reportingComponent", json_string(a, arena_str(a, event->component)));
    json_setz(object, "reportingInstance",
              json_string(a, arena_str(a, event->host.len ? event->host : event->component)));
    s->object = object;
}

static struct series *series_of(struct event_recorder *r, struct str key, const struct event *event,
                                struct str message)
{
    struct series *s = map_find(&r->series, key);
    if (s && monotime_since_ms(loop_now(r->loop), s->last) <= EVENTS_WINDOW_MS) {
        list_remove(&s->node);
        list_append(&r->series_by_age, &s->node);
        return s;
    }
    if (!s && r->series.n >= EVENTS_MAX_SERIES)
        s = container_of(r->series_by_age.next, struct series, node);
    if (s) {
        (void)map_delete(&r->series, s->key); /* it is S */
        free_series(s);
    }
    struct str ns = json_string_at(event->about, "metadata", "namespace");
    s = mem_new(struct series);
    s->recorder = r;
    s->key = (struct str){mem_dup(key.p, key.len), key.len};
    s->namespace = ns.len ? mem_dup(ns.p, ns.len) : mem_strdup("default");
    describe(s, event, message);
    list_append(&r->series_by_age, &s->node);
    (void)map_put(&r->series, s->key, s); /* replaces nothing */
    return s;
}

void event_record(struct event_recorder *r, const struct event *event)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct monotime now = loop_now(r->loop);
    struct str uid = json_string_at(event->about, "metadata", "uid");
    struct str name = json_string_at(event->about, "metadata", "name");
    struct str message = str_slice(event->message, 0, EVENTS_MAX_MESSAGE_LEN);
    struct str about = arena_format(&a, "%.*s %.*s %.*s %.*s", STR_ARG(event->component),
                                    STR_ARG(event->kind), STR_ARG(name), STR_ARG(uid));
    struct subject *subject = subject_of(r, about);
    bool combined = is_one_of_many(subject, event, now);

    if (!take_token(subject, now)) {
        r->stats.dropped++;
        return;
    }
    if (combined)
        message = arena_format(&a, "(combined from similar events): %.*s", STR_ARG(message));
    struct str key = arena_format(&a, "%.*s %d %.*s %.*s", STR_ARG(about), event->type,
                                  STR_ARG(event->reason), STR_ARG(combined ? STR("(combined)") : message));
    struct series *s = series_of(r, key, event, message);
    s->count++;
    s->last = now;
    if (combined)
        json_setz(s->object, "message", json_string(&s->memory, arena_str(&s->memory, message)));
    if (s->call)
        s->dirty = true;
    else
        write_series(s);
}

struct event_stats event_recorder_stats(const struct event_recorder *r)
{
    return r->stats;
}
