#include "datapath/fake/fake.h"

#include <errno.h>

#include "base/map.h"

#define FAKE_MAX_CLIENTS 65536

struct memory {
    struct ip ip;
    uint16_t port;
    struct monotime until;
};

struct fake {
    struct loop *loop;
    struct forwarding_state *kernel;
    int64_t delay_ms;
    int n_failures, failure;
    struct timer timer; /* of the running operation */
    struct datapath_callback callback;
    int result;
    struct forwarding_state *arriving; /* becomes the kernel when the timer fires; NULL: nothing does */
    struct map clients;                /* service port and client -> memory */
};

struct fake_plan {
    struct datapath_plan base;
    struct forwarding_state *want;
    struct strbuf text;
};

static int fake_supported(const struct datapath_options *options, struct err *err)
{
    (void)options;
    (void)err;
    return 0;
}

static void on_timer(struct timer *timer, void *user)
{
    (void)timer;
    struct fake *f = user;
    struct datapath_callback callback = f->callback;
    struct err err = {0};
    if (f->arriving) {
        forwarding_state_unref(f->kernel);
        f->kernel = TAKE(f->arriving);
    }
    if (f->result < 0)
        (void)err_set(&err, f->result, "the fake datapath was told to fail");
    callback.done(callback.user, f->result, &err);
}

static int fake_open(const struct datapath_options *options, void **ret_self, struct err *err)
{
    (void)err;
    struct fake *f = mem_new(struct fake);
    f->loop = options->loop;
    f->kernel = forwarding_state_new();
    timer_init(&f->timer, f->loop, "fake datapath", on_timer, f);
    *ret_self = f;
    return 0;
}

static void fake_close(void *self)
{
    struct fake *f = self;
    timer_disarm(&f->timer);
    forwarding_state_unref(f->arriving);
    forwarding_state_unref(f->kernel);
    map_done(&f->clients, free);
    free(f);
}

static void answer_later(struct fake *f, int result, struct datapath_callback callback)
{
    f->result = result;
    f->callback = callback;
    timer_arm_ms(&f->timer, f->delay_ms);
}

static void fake_read(void *self, struct datapath_callback callback)
{
    answer_later(self, 0, callback);
}

static void fake_plan(void *self, const struct forwarding_state *have, const struct forwarding_state *want,
                      struct datapath_plan **ret_plan)
{
    struct fake *f = self;
    struct fake_plan *plan = mem_new(struct fake_plan);
    const struct forwarding_state *from = have ? have : f->kernel;
    plan->want = forwarding_state_ref((struct forwarding_state *)want); /* counted, not changed */
    struct forwarding_diff d = forwarding_diff_start(from, want);
    const struct service_port *was, *is;
    while (forwarding_diff_next(&d, &was, &is)) {
        const struct service_port *sides[] = {was, is};
        for (int i = 0; i < 2; i++) {
            if (!sides[i])
                continue;
            strbuf_addz(&plan->text, i ? "+ " : "- ");
            service_port_print(sides[i], &plan->text);
        }
    }
    plan->base.is_empty = !plan->text.len && forwarding_state_equal(from, want);
    *ret_plan = &plan->base;
}

static void fake_plan_print(const struct datapath_plan *plan, struct strbuf *out)
{
    strbuf_add_str(out, strbuf_str(&container_of(plan, struct fake_plan, base)->text));
}

static void fake_plan_free(struct datapath_plan *plan)
{
    struct fake_plan *p = container_of(plan, struct fake_plan, base);
    forwarding_state_unref(p->want);
    strbuf_done(&p->text);
    free(p);
}

static void fake_apply(void *self, struct datapath_plan *plan, struct datapath_callback callback)
{
    struct fake *f = self;
    int result = 0;
    if (f->n_failures) {
        f->n_failures--;
        result = f->failure;
    } else {
        f->arriving = forwarding_state_ref(container_of(plan, struct fake_plan, base)->want);
    }
    answer_later(f, result, callback);
}

static void fake_cleanup(void *self, struct datapath_callback callback)
{
    struct fake *f = self;
    f->arriving = forwarding_state_new();
    answer_later(f, 0, callback);
}

const struct datapath_provider datapath_provider_fake = {
    .name = "fake",
    .capabilities = {.localhost_node_ports = true, .transactional = true},
    .supported = fake_supported,
    .open = fake_open,
    .close = fake_close,
    .read = fake_read,
    .plan = fake_plan,
    .plan_print = fake_plan_print,
    .plan_free = fake_plan_free,
    .apply = fake_apply,
    .cleanup = fake_cleanup,
};

struct fake *fake_of(struct datapath *dp)
{
    return datapath_self(dp, &datapath_provider_fake);
}

void fake_fail_next(struct fake *f, int n, int result)
{
    f->n_failures = n;
    f->failure = result;
}

void fake_set_delay_ms(struct fake *f, int64_t delay_ms)
{
    f->delay_ms = delay_ms;
}

void fake_lose(struct fake *f)
{
    forwarding_state_unref(f->kernel);
    f->kernel = forwarding_state_new();
}

void fake_restore(struct fake *f, struct forwarding_state *state)
{
    forwarding_state_unref(f->kernel);
    f->kernel = forwarding_state_ref(state);
}

const struct forwarding_state *fake_kernel(const struct fake *f)
{
    return f->kernel;
}

static void format_client(const struct probe_result *verdict, const struct ip *src, struct strbuf *out)
{
    char text[IP_TEXT_LEN];
    service_port_format_name(verdict->port, out);
    strbuf_addf(out, " %d %s", (int)verdict->port->protocol, ip_format(src, text));
}

/* The remembered backend, if it is still in the set. */
static const struct backend *recall(const struct memory *memory, const struct probe_result *verdict,
                                    struct monotime now)
{
    if (!memory || memory->until.ns <= now.ns)
        return NULL;
    for (uint32_t i = 0; i < probe_n_backends(verdict); i++) {
        const struct backend *b = probe_backend(verdict, i);
        if (ip_eq(&b->ip, &memory->ip) && b->port == memory->port)
            return b;
    }
    return NULL;
}

static const struct backend *choose(struct fake *f, const struct probe_result *verdict, const struct ip *src,
                                    struct random *random, struct monotime now)
{
    uint32_t n = probe_n_backends(verdict);
    if (!verdict->port->affinity_timeout_s)
        return probe_backend(verdict, (uint32_t)random_below(random, n));
    _cleanup_(strbuf_done) struct strbuf key = {0};
    format_client(verdict, src, &key);
    struct memory *memory = map_find(&f->clients, strbuf_str(&key));
    const struct backend *b = recall(memory, verdict, now);
    if (!b)
        b = probe_backend(verdict, (uint32_t)random_below(random, n));
    if (!memory && f->clients.n < FAKE_MAX_CLIENTS) {
        memory = mem_new(struct memory);
        (void)map_put(&f->clients, strbuf_str(&key), memory); /* was not there */
    }
    if (memory) {
        memory->ip = b->ip;
        memory->port = b->port;
        memory->until = monotime_add_ms(now, (int64_t)verdict->port->affinity_timeout_s * 1000);
    }
    return b;
}

void fake_connect(struct fake *f, const struct probe_node *node, const struct probe_packet *packet,
                  struct random *random, struct monotime now, struct fake_connection *ret)
{
    *ret = (struct fake_connection){0};
    probe(f->kernel, node, packet, &ret->verdict);
    if (ret->verdict.verdict != PROBE_FORWARD)
        return;
    ret->backend = *choose(f, &ret->verdict, &packet->src, random, now);
    ret->masqueraded = ret->verdict.masquerade || ip_eq(&ret->backend.ip, &packet->src);
}
