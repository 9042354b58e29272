#include "controllers/controllers.h"

#include <stdarg.h>
#include <stdio.h>

#include "controllers/controller.h"

static const struct controller_type *const ALL_TYPES[] = {
    &endpointslice_controller, &endpoints_controller,   &mirroring_controller,
    &replicaset_controller,    &deployment_controller,  &namespace_controller,
    &garbage_controller,       &servicecidr_controller, &nodes_controller,
};

/* One subscription of one controller to one cache. */
struct subscription {
    struct controller *controller;
    const struct controller_watch *watch;
};

struct controllers {
    struct controllers_config config;
    struct env env;
    struct controller *controllers;
    size_t n_controllers;
    ARRAY_OF(struct subscription *) subscriptions;
    bool started;
};

static void on_changed(void *user, struct informer *cache, const struct informer_change *change)
{
    const struct subscription *s = user;
    s->watch->changed(s->controller, s->watch->resource, change);
}

/* Keys gather while the caches fill; the work begins when all of them know everything. */
static void on_synced(void *user, struct informer *cache)
{
    struct controllers *c = user;
    if (c->started || !informer_are_synced(c->env.caches, N_RESOURCES))
        return;
    c->started = true;
    for (size_t i = 0; i < c->n_controllers; i++)
        reconciler_start(&c->controllers[i].reconciler);
}

static void on_any_change(void *user, struct informer *cache, const struct informer_change *change) {}

static const struct informer_handler change_handler = {.changed = on_changed};
static const struct informer_handler sync_handler = {.changed = on_any_change, .synced = on_synced};

static void run_sync(struct sync *s, void *user)
{
    struct controller *c = user;
    c->type->sync(c, s);
}

static void subscribe(struct controllers *all, struct controller *c)
{
    for (size_t i = 0; i < c->type->n_watches; i++) {
        struct subscription *s = mem_new(struct subscription);
        *s = (struct subscription){c, &c->type->watches[i]};
        *array_push(&all->subscriptions) = s;
        informer_add_handler(env_cache(&all->env, s->watch->resource), &change_handler, s);
    }
}

struct controllers *controllers_new(const struct controllers_config *config)
{
    return controllers_new_selected(config, ALL_TYPES, ARRAY_LEN(ALL_TYPES));
}

struct controllers *controllers_new_selected(const struct controllers_config *config,
                                             const struct controller_type *const *types, size_t n_types)
{
    struct controllers *c = mem_new(struct controllers);
    c->controllers = mem_realloc_array(NULL, n_types, sizeof *c->controllers);
    c->n_controllers = n_types;
    c->config = *config;
    if (!c->config.max_endpoints_per_slice)
        c->config.max_endpoints_per_slice = 100;
    if (!c->config.mirroring_max_endpoints_per_subset)
        c->config.mirroring_max_endpoints_per_subset = 1000;
    c->env.loop = config->loop;
    c->env.random = config->random;
    c->env.client =
        client_new(&(struct client_config){.loop = config->loop,
                                           .transport = config->transport,
                                           .user_agent = STR("fairlead-controllers/" FAIRLEAD_VERSION)});
    c->env.events = event_recorder_new(c->env.client, config->loop);
    env_init_caches(&c->env);
    for (int r = 0; r < N_RESOURCES; r++)
        informer_add_handler(env_cache(&c->env, r), &sync_handler, c);
    for (size_t i = 0; i < c->n_controllers; i++) {
        const struct controller_type *type = types[i];
        struct controller *one = &c->controllers[i];
        *one = (struct controller){.type = type, .env = &c->env, .options = &c->config};
        reconciler_init(&one->reconciler, &c->env,
                        &(struct reconciler_config){.name = type->name,
                                                    .sync = run_sync,
                                                    .user = one,
                                                    .base_ms = type->base_ms,
                                                    .max_ms = type->max_ms,
                                                    .max_failures = type->max_failures});
        subscribe(c, one);
    }
    return c;
}

void controllers_free(struct controllers *c)
{
    if (!c)
        return;
    env_free_caches(&c->env);
    event_recorder_free(c->env.events);
    client_free(c->env.client);
    for (size_t i = 0; i < c->n_controllers; i++)
        reconciler_done(&c->controllers[i].reconciler);
    array_foreach (&c->subscriptions, s)
        free(*s);
    array_done(&c->subscriptions);
    free(c->controllers);
    free(c);
}

void controllers_start(struct controllers *c)
{
    env_start_caches(&c->env);
}

bool controllers_are_synced(const struct controllers *c)
{
    return c->started;
}

bool controllers_are_idle(const struct controllers *c)
{
    for (size_t i = 0; i < c->n_controllers; i++) {
        if (!reconciler_is_idle(&c->controllers[i].reconciler))
            return false;
    }
    return c->started;
}

void controller_add_itself(struct controller *c, enum resource r, const struct informer_change *change)
{
    reconciler_add(&c->reconciler, (change->after ? change->after : change->before)->key);
}

static void add_owner(struct controller *c, const struct json *object, struct str kind)
{
    const struct json *ref = owner_controller(object);
    if (ref && str_eq(json_string_at(ref, "kind"), kind))
        reconciler_add_name(&c->reconciler, json_string_at(object, "metadata", "namespace"),
                            json_string_at(ref, "name"));
}

void controller_add_owner(struct controller *c, enum resource r, const struct informer_change *change,
                          struct str kind)
{
    add_owner(c, change->object, kind);
    if (change->old_object != change->object)
        add_owner(c, change->old_object, kind);
}

void controller_event(struct sync *s, enum resource kind, const struct json *object, enum event_type type,
                      const char *reason, const char *format, ...)
{
    char text[EVENTS_MAX_MESSAGE_LEN];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    event_record(s->env->events,
                 &(struct event){
                     .component = arena_format(s->arena, "%s-controller", s->reconciler->config.name),
                     .about = object,
                     .kind = env_resources[kind].kind,
                     .api_version = env_api_version(kind, s->arena),
                     .type = type,
                     .reason = str_of(reason),
                     .message = {text, len < 0 ? 0 : MIN((size_t)len, sizeof text - 1)},
                 });
}
