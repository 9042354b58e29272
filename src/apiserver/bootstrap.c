#include "apiserver/bootstrap.h"

#include "apiserver/apiserver-private.h"
#include "apiserver/local.h"
#include "base/array.h"
#include "base/log.h"
#include "wire/json.h"

#define RETRY_MS  500
#define MAX_STEPS 12

enum step_state { STEP_WAITS, STEP_SENT, STEP_PATCHED, STEP_DONE };

/* One object to be made. */
struct step {
    struct bootstrap *bootstrap;
    struct str group, plural;
    struct str ns, name;
    struct str body;
    int phase;       /* steps of a phase go together, behind those of the one before */
    bool is_patched; /* one that is there already gets this body as a merge patch */
    enum step_state state;
    struct http_call *call;
    int status;
    struct strbuf answer;
};

struct bootstrap {
    struct apiserver *server;
    struct http_transport *transport;
    struct arena arena;
    struct step steps[MAX_STEPS];
    size_t n_steps;
    struct cache_listener listeners[MAX_STEPS]; /* of each step's resource */
    struct timer retry;
    bool was_done;
    void (*done)(void *user);
    void *user;
};

static void proceed(struct bootstrap *b);

/* Requests. */

static void on_head(void *user, int status, const struct http_header *headers, size_t n)
{
    struct step *t = user;
    t->status = status;
}

static void on_data(void *user, struct str bytes)
{
    struct step *t = user;
    if (t->answer.len < 1024)
        strbuf_add_str(&t->answer, bytes);
}

static struct str path_of(struct bootstrap *b, const struct step *t, bool named)
{
    return arena_format(&b->arena, "%s%.*s/v1/%s%.*s%s%.*s%s%.*s", t->group.len ? "/apis/" : "/api",
                        STR_ARG(t->group), t->ns.len ? "namespaces/" : "", STR_ARG(t->ns),
                        t->ns.len ? "/" : "", STR_ARG(t->plural), named ? "/" : "",
                        STR_ARG(named ? t->name : STR("")));
}

static void on_end(void *user, const struct err *err);

static void send_step(struct step *t, struct str method, struct str content_type)
{
    static const struct http_call_handler handler = {.head = on_head, .data = on_data, .end = on_end};
    struct bootstrap *b = t->bootstrap;
    const struct http_header headers[] = {
        {STR("content-type"), content_type},
        {STR("user-agent"), STR("fairlead-bootstrap")},
    };
    const struct http_request request = {
        .method = method,
        .target = path_of(b, t, str_eq(method, STR("PATCH"))),
        .headers = headers,
        .n_headers = ARRAY_LEN(headers),
        .body = t->body,
    };
    t->status = 0;
    strbuf_truncate(&t->answer, 0);
    t->call = http_send(b->transport, &request, &handler, t);
}

static void on_end(void *user, const struct err *err)
{
    struct step *t = user;
    struct bootstrap *b = t->bootstrap;
    t->call = NULL;
    if (t->status == 409 && t->is_patched && t->state == STEP_SENT) {
        t->state = STEP_PATCHED;
        send_step(t, STR("PATCH"), STR("application/merge-patch+json"));
        return;
    }
    if (t->status == 200 || t->status == 201 || t->status == 409) {
        t->state = STEP_DONE;
        proceed(b);
        return;
    }
    log_warn("cannot make the %.*s %.*s, which must exist (%d: %.*s); trying again", STR_ARG(t->plural),
             STR_ARG(t->name), t->status, STR_ARG(str_trim(strbuf_str(&t->answer))));
    t->state = STEP_WAITS;
    timer_arm_ms(&b->retry, RETRY_MS);
}

static void on_retry(struct timer *t, void *user)
{
    proceed(user);
}

/* Sends what waits in the first phase that is not done. */
static void proceed(struct bootstrap *b)
{
    int phase = INT32_MAX;
    for (size_t i = 0; i < b->n_steps; i++) {
        if (b->steps[i].state != STEP_DONE)
            phase = MIN(phase, b->steps[i].phase);
    }
    for (size_t i = 0; i < b->n_steps; i++) {
        struct step *t = &b->steps[i];
        if (t->phase != phase || t->state != STEP_WAITS)
            continue;
        t->state = STEP_SENT;
        send_step(t, STR("POST"), STR("application/json"));
    }
    if (phase != INT32_MAX || b->was_done)
        return;
    b->was_done = true;
    b->done(b->user);
}

/* Somebody deletes what must exist: it comes back. */
static void on_event(struct cache_listener *l, struct cache_view *view)
{
    const struct cache_object *o = view->event->new;
    struct step *t = l->owner;
    if (!view->event->deleted || t->state != STEP_DONE || !str_eq(t->name, cache_object_name(o)) ||
        !str_eq(t->ns, cache_object_namespace(o)))
        return;
    t->state = STEP_WAITS;
    timer_arm_ms(&t->bootstrap->retry, RETRY_MS);
}

/* Steps. */

static void add_step(struct bootstrap *b, const struct step *step)
{
    const struct resource *resource = registry_find(b->server->registry, step->group, step->plural);
    if (!resource)
        return;
    struct step *t = &b->steps[b->n_steps];
    *t = *step;
    t->bootstrap = b;
    b->listeners[b->n_steps] = (struct cache_listener){.event = on_event, .owner = t};
    cache_listen(resource->cache, &b->listeners[b->n_steps]);
    b->n_steps++;
}

static void add_namespaces(struct bootstrap *b)
{
    static const char *const names[] = {"default", "kube-system", "kube-public", "kube-node-lease"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        add_step(b, &(struct step){
                        .group = STR(""),
                        .plural = STR("namespaces"),
                        .ns = STR(""),
                        .name = str_of(names[i]),
                        .body = arena_format(&b->arena, "{\"metadata\":{\"name\":\"%s\"}}", names[i]),
                    });
}

static void add_range(struct bootstrap *b)
{
    const struct apiserver_config *config = &b->server->config;
    _cleanup_(strbuf_done) struct strbuf ranges = {0};
    char text[IP_TEXT_LEN];
    for (size_t i = 0; i < config->n_service_cidrs; i++)
        strbuf_addf(&ranges, "%s\"%s\"", i ? "," : "", ip_prefix_format(&config->service_cidrs[i], text));
    add_step(b, &(struct step){
                    .group = STR("networking.k8s.io"),
                    .plural = STR("servicecidrs"),
                    .ns = STR(""),
                    .name = STR("kubernetes"),
                    .body = arena_format(&b->arena,
                                         "{\"metadata\":{\"name\":\"kubernetes\"},\"spec\":{\"cidrs\":[%s]}}",
                                         strbuf_cstr(&ranges)),
                });
}

#define NAME "\"name\":\"kubernetes\""

static void add_service(struct bootstrap *b)
{
    const struct apiserver_config *config = &b->server->config;
    struct ip base = ip_prefix_first(&config->service_cidrs[0]), ip = ip_add(&base, 1);
    char text[IP_TEXT_LEN];
    struct str body = arena_format(
        &b->arena,
        "{\"metadata\":{" NAME ",\"labels\":{\"component\":\"apiserver\",\"provider\":\"kubernetes\"}},"
        "\"spec\":{\"type\":\"ClusterIP\",\"clusterIP\":\"%s\",\"ipFamilyPolicy\":\"SingleStack\","
        "\"ports\":[{\"name\":\"https\",\"protocol\":\"TCP\",\"port\":443,\"targetPort\":%u}]}}",
        ip_format(&ip, text), config->secure_port);
    add_step(b, &(struct step){
                    .group = STR(""),
                    .plural = STR("services"),
                    .ns = STR("default"),
                    .name = STR("kubernetes"),
                    .body = body,
                    .phase = 1,
                });
}

static void add_endpoints(struct bootstrap *b)
{
    const struct apiserver_config *config = &b->server->config;
    char ip[IP_TEXT_LEN];
    (void)ip_format(&config->advertise_ip, ip);
    struct str ports = arena_format(
        &b->arena, "\"ports\":[{\"name\":\"https\",\"port\":%u,\"protocol\":\"TCP\"}]", config->secure_port);
    add_step(b,
             &(struct step){
                 .group = STR(""),
                 .plural = STR("endpoints"),
                 .ns = STR("default"),
                 .name = STR("kubernetes"),
                 .phase = 1,
                 .is_patched = true,
                 .body = arena_format(&b->arena,
                                      "{\"metadata\":{" NAME
                                      ",\"labels\":{\"endpointslice.kubernetes.io/skip-mirror\":\"true\"}},"
                                      "\"subsets\":[{\"addresses\":[{\"ip\":\"%s\"}],%.*s}]}",
                                      ip, STR_ARG(ports)),
             });
    add_step(b, &(struct step){
                    .group = STR("discovery.k8s.io"),
                    .plural = STR("endpointslices"),
                    .ns = STR("default"),
                    .name = STR("kubernetes"),
                    .phase = 1,
                    .is_patched = true,
                    .body = arena_format(
                        &b->arena,
                        "{\"metadata\":{" NAME ",\"labels\":{\"kubernetes.io/service-name\":\"kubernetes\"}},"
                        "\"addressType\":\"%s\","
                        "\"endpoints\":[{\"addresses\":[\"%s\"],\"conditions\":{\"ready\":true}}],%.*s}",
                        ip_family_name(config->advertise_ip.family), ip, STR_ARG(ports)),
                });
}

struct bootstrap *bootstrap_new(struct apiserver *s, void (*done)(void *user), void *user)
{
    struct bootstrap *b = mem_new(struct bootstrap);
    struct str masters = STR("system:masters");
    b->server = s;
    b->done = done;
    b->user = user;
    b->transport = local_transport_new(&(struct local_options){
        .loop = s->config.loop,
        .handle = apiserver_handle,
        .ctx = s,
        .user = STR("system:apiserver"),
        .groups = &masters,
        .n_groups = 1,
    });
    timer_init(&b->retry, s->config.loop, "bootstrap", on_retry, b);
    add_namespaces(b);
    if (s->config.n_service_cidrs) {
        add_range(b);
        add_service(b);
        if (s->config.advertise_ip.family != IP_NONE)
            add_endpoints(b);
    }
    proceed(b);
    return b;
}

void bootstrap_free(struct bootstrap *b)
{
    if (!b)
        return;
    timer_disarm(&b->retry);
    http_transport_free(b->transport);
    for (size_t i = 0; i < b->n_steps; i++) {
        cache_unlisten(&b->listeners[i]);
        strbuf_done(&b->steps[i].answer);
    }
    arena_done(&b->arena);
    free(b);
}
