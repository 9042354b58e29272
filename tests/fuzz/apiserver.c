/* The whole server over the memory store: any method, path and body, sent twice to objects that exist. It
 * must answer each request with a status of its own and stay able to answer the next (kubernetes #40218). */
#include <assert.h>

#include "apiserver/apiserver.h"
#include "apiserver/local.h"
#include "base/random.h"
#include "io/loop.h"
#include "store/memory/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct answer {
    int status;
    bool ended;
};

static void on_head(void *user, int status, const struct http_header *headers, size_t n)
{
    ((struct answer *)user)->status = status;
}

static void on_end(void *user, const struct err *err)
{
    ((struct answer *)user)->ended = true;
}

struct fixture {
    struct loop *loop;
    struct store *store;
    struct random random;
    struct apiserver *server;
    struct http_transport *transport;
};

static int send_request(struct fixture *f, struct str method, struct str target, struct str type,
                        struct str body)
{
    static const struct http_call_handler handler = {.head = on_head, .end = on_end};
    const struct http_header headers[] = {{STR("content-type"), type}};
    struct answer a = {0};
    const struct http_request request = {method, target, headers, 1, body};
    struct http_call *call = http_send(f->transport, &request, &handler, &a);
    loop_script_advance(f->loop, 1);
    if (!a.ended) { /* a watch, or one that waits for a revision to come */
        loop_script_advance(f->loop, 5000);
        if (!a.ended)
            http_cancel(f->transport, call);
    }
    assert(a.status >= 200 && a.status < 600);
    return a.status;
}

static void open_fixture(struct fixture *f)
{
    const struct str masters = STR("system:masters");
    struct apiserver_config config = {
        .n_service_cidrs = 1, .node_port_first = 30000, .node_port_last = 30010};
    *f = (struct fixture){.loop = loop_new_scripted((struct monotime){0}, (struct walltime){0})};
    f->store = store_memory_new(&(struct store_memory_options){.loop = f->loop});
    random_seed(&f->random, 1);
    (void)ip_prefix_parse(STR("10.96.0.0/28"), &config.service_cidrs[0]);
    config.loop = f->loop;
    config.store = f->store;
    config.random = &f->random;
    int status = apiserver_new(&config, &f->server, NULL);
    assert(status == 0);
    apiserver_start(f->server);
    loop_script_advance(f->loop, 10);
    f->transport = local_transport_new(&(struct local_options){.loop = f->loop,
                                                               .handle = apiserver_handle,
                                                               .ctx = f->server,
                                                               .user = STR("fuzz"),
                                                               .groups = &masters,
                                                               .n_groups = 1});
}

static void close_fixture(struct fixture *f)
{
    http_transport_free(f->transport);
    loop_script_advance(f->loop, 10);
    apiserver_free(f->server);
    store_close(f->store);
    loop_free(f->loop);
}

#define SERVICE                                                                                              \
    "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"ports\":[{\"port\":80}],\"selector\":{\"a\":\"b\"}}}"
#define MAP "{\"metadata\":{\"name\":\"m\",\"finalizers\":[\"a.b/c\"]},\"data\":{\"k\":\"v\"}}"
#define POD "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"

/* Three lines: method, target, content type; behind them the body. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct str rest = {(const char *)data, len}, method, target, type;
    struct fixture f;
    if (len > 65536 || !str_split(&rest, '\n', &method) || !str_split(&rest, '\n', &target) ||
        !str_split(&rest, '\n', &type) || !rest.p)
        return 0;
    open_fixture(&f);
    const struct str json = STR("application/json");
    assert(send_request(&f, STR("POST"), STR("/api/v1/namespaces/default/services"), json, STR(SERVICE)) ==
           201);
    assert(send_request(&f, STR("POST"), STR("/api/v1/namespaces/default/configmaps"), json, STR(MAP)) ==
           201);
    assert(send_request(&f, STR("POST"), STR("/api/v1/namespaces/default/pods"), json, STR(POD)) == 201);
    (void)send_request(&f, method, target, type, rest);
    (void)send_request(&f, method, target, type, rest);
    assert(send_request(&f, STR("GET"), STR("/api/v1/namespaces"), json, STR("")) == 200);
    assert(send_request(&f, STR("GET"), STR("/api/v1/services"), json, STR("")) == 200);
    close_fixture(&f);
    return 0;
}
