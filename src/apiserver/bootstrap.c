#include "apiserver/bootstrap.h"

#include "apiserver/apiserver-private.h"
#include "apiserver/local.h"
#include "base/array.h"
#include "base/log.h"
#include "wire/json.h"

#define RETRY_MS 500

/* One object to be made: POST to PATH; an answer of 201 or 409 (it is there) is fine. */
struct step {
    struct str path, body;
};

struct bootstrap {
    struct apiserver *server;
    struct http_transport *transport;
    struct arena arena;
    ARRAY_OF(struct step) steps;
    size_t next;
    struct http_call *call;
    int status;
    struct strbuf answer;
    struct timer retry;
    void (*done)(void *user);
    void *user;
};

static void send_next(struct bootstrap *b);

static void on_head(void *user, int status, const struct http_header *headers, size_t n)
{
    struct bootstrap *b = user;
    b->status = status;
}

static void on_data(void *user, struct str bytes)
{
    struct bootstrap *b = user;
    if (b->answer.len < 4096)
        strbuf_add_str(&b->answer, bytes);
}

static void on_end(void *user, const struct err *err)
{
    struct bootstrap *b = user;
    b->call = NULL;
    if (b->status == 201 || b->status == 409) {
        b->next++;
        send_next(b);
        return;
    }
    log_warn("cannot create what must exist at %.*s (%d: %.*s); trying again",
             STR_ARG(b->steps.v[b->next].path), b->status, STR_ARG(str_trim(strbuf_str(&b->answer))));
    timer_arm_ms(&b->retry, RETRY_MS);
}

static void send_next(struct bootstrap *b)
{
    static const struct http_call_handler handler = {.head = on_head, .data = on_data, .end = on_end};
    static const struct http_header headers[] = {
        {STR_INIT("content-type"), STR_INIT("application/json")},
        {STR_INIT("user-agent"), STR_INIT("fairlead-bootstrap")},
    };
    if (b->next == b->steps.n) {
        b->done(b->user);
        return;
    }
    b->status = 0;
    strbuf_truncate(&b->answer, 0);
    b->call = http_send(b->transport,
                        &(struct http_request){
                            .method = STR("POST"),
                            .target = b->steps.v[b->next].path,
                            .headers = headers,
                            .n_headers = ARRAY_LEN(headers),
                            .body = b->steps.v[b->next].body,
                        },
                        &handler, b);
}

static void on_retry(struct timer *t, void *user)
{
    send_next(user);
}

static void add_step(struct bootstrap *b, struct str path, struct str body)
{
    *array_push(&b->steps) = (struct step){path, body};
}

static void add_namespaces(struct bootstrap *b)
{
    static const char *const names[] = {"default", "kube-system", "kube-public", "kube-node-lease"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        add_step(b, STR("/api/v1/namespaces"),
                 arena_format(&b->arena, "{\"metadata\":{\"name\":\"%s\"}}", names[i]));
}

static void add_range(struct bootstrap *b)
{
    const struct apiserver_config *config = &b->server->config;
    _cleanup_(strbuf_done) struct strbuf ranges = {0};
    char text[IP_TEXT_LEN];
    if (!config->n_service_cidrs ||
        !registry_find(b->server->registry, STR("networking.k8s.io"), STR("servicecidrs")))
        return;
    for (size_t i = 0; i < config->n_service_cidrs; i++)
        strbuf_addf(&ranges, "%s\"%s\"", i ? "," : "", ip_prefix_format(&config->service_cidrs[i], text));
    add_step(b, STR("/apis/networking.k8s.io/v1/servicecidrs"),
             arena_format(&b->arena, "{\"metadata\":{\"name\":\"kubernetes\"},\"spec\":{\"cidrs\":[%s]}}",
                          strbuf_cstr(&ranges)));
}

static void add_service(struct bootstrap *b)
{
    const struct apiserver_config *config = &b->server->config;
    char ip[IP_TEXT_LEN], first[IP_TEXT_LEN];
    if (!config->n_service_cidrs ||
        !registry_find(b->server->registry, STR("networking.k8s.io"), STR("ipaddresses")))
        return;
    struct ip base = ip_prefix_first(&config->service_cidrs[0]), cluster_ip = ip_add(&base, 1);
    add_step(
        b, STR("/api/v1/namespaces/default/services"),
        arena_format(
            &b->arena,
            "{\"metadata\":{\"name\":\"kubernetes\",\"labels\":{\"component\":\"apiserver\",\"provider\":"
            "\"kubernetes\"}},\"spec\":{\"type\":\"ClusterIP\",\"clusterIP\":\"%s\",\"ipFamilyPolicy\":"
            "\"SingleStack\",\"sessionAffinity\":\"None\",\"ports\":[{\"name\":\"https\",\"protocol\":"
            "\"TCP\",\"port\":443,\"targetPort\":%u}]}}",
            ip_format(&cluster_ip, first), config->secure_port ? config->secure_port : 6443));
    if (config->advertise_ip.family == IP_NONE)
        return;
    (void)ip_format(&config->advertise_ip, ip);
    if (registry_find(b->server->registry, STR(""), STR("endpoints")))
        add_step(
            b, STR("/api/v1/namespaces/default/endpoints"),
            arena_format(&b->arena,
                         "{\"metadata\":{\"name\":\"kubernetes\",\"labels\":{\"endpointslice.kubernetes.io/"
                         "skip-mirror\":\"true\"}},\"subsets\":[{\"addresses\":[{\"ip\":\"%s\"}],\"ports\":[{"
                         "\"name\":\"https\",\"port\":%u,\"protocol\":\"TCP\"}]}]}",
                         ip, config->secure_port));
    if (registry_find(b->server->registry, STR("discovery.k8s.io"), STR("endpointslices")))
        add_step(
            b, STR("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"),
            arena_format(&b->arena,
                         "{\"metadata\":{\"name\":\"kubernetes\",\"labels\":{\"kubernetes.io/service-name\":"
                         "\"kubernetes\"}},\"addressType\":\"%s\",\"endpoints\":[{\"addresses\":[\"%s\"],"
                         "\"conditions\":{\"ready\":true}}],\"ports\":[{\"name\":\"https\",\"port\":%u,"
                         "\"protocol\":\"TCP\"}]}",
                         ip_family_name(config->advertise_ip.family), ip, config->secure_port));
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
    add_range(b);
    add_service(b);
    send_next(b);
    return b;
}

void bootstrap_free(struct bootstrap *b)
{
    if (!b)
        return;
    timer_disarm(&b->retry);
    http_transport_free(b->transport);
    array_done(&b->steps);
    strbuf_done(&b->answer);
    arena_done(&b->arena);
    free(b);
}
