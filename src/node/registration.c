#include "node/registration.h"

#include "base/log.h"

#define HEARTBEAT_MS    10000
#define STATUS_EVERY_MS 300000
#define LEASE_SECONDS   40
#define RETRY_MS        1000

static const struct client_resource nodes = {STR_INIT(""), STR_INIT("v1"), STR_INIT("nodes"),
                                             STR_INIT("Node")};
static const struct client_resource leases = {STR_INIT("coordination.k8s.io"), STR_INIT("v1"),
                                              STR_INIT("leases"), STR_INIT("Lease")};

struct registration {
    struct registration_config config;
    struct timer heartbeat, retry;
    struct client_call *node_call, *lease_call;
    struct walltime started; /* of the Ready condition */
    struct monotime status_written;
    bool node_exists, status_known;
};

static struct json *node_metadata(const struct registration *r, struct arena *a)
{
    struct json *metadata = json_object(a), *labels = json_object(a);
    const char *architecture = r->config.facts.architecture;
    json_setz(labels, "kubernetes.io/hostname", json_string(a, str_of(r->config.host_name)));
    json_setz(labels, "kubernetes.io/os", json_string(a, STR("linux")));
    json_setz(labels, "kubernetes.io/arch", json_string(a, str_of(architecture)));
    json_setz(metadata, "name", json_string(a, str_of(r->config.node_name)));
    json_setz(metadata, "labels", labels);
    return metadata;
}

static void add_address(struct arena *a, struct json *list, const char *type, struct str address)
{
    struct json *o = json_object(a);
    json_setz(o, "type", json_string(a, str_of(type)));
    json_setz(o, "address", json_string(a, address));
    json_append(list, o);
}

static struct json *node_addresses(const struct registration *r, struct arena *a)
{
    struct json *list = json_array(a);
    for (size_t i = 0; i < 2; i++) {
        char text[IP_TEXT_LEN];
        if (r->config.ips[i].family != IP_NONE)
            add_address(a, list, "InternalIP", arena_str(a, str_of(ip_format(&r->config.ips[i], text))));
    }
    add_address(a, list, "Hostname", str_of(r->config.host_name));
    return list;
}

static struct json *node_info(const struct registration *r, struct arena *a)
{
    const struct host_facts *f = &r->config.facts;
    const struct {
        const char *field, *value;
    } rows[] = {
        {"machineID", f->machine_id},          {"systemUUID", f->machine_id}, {"bootID", f->boot_id},
        {"kernelVersion", f->kernel},          {"osImage", f->os_image},      {"containerRuntimeVersion", ""},
        {"kubeletVersion", r->config.version}, {"kubeProxyVersion", ""},      {"operatingSystem", "linux"},
        {"architecture", f->architecture},
    };
    struct json *info = json_object(a);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        json_setz(info, rows[i].field, json_string(a, str_of(rows[i].value)));
    return info;
}

static struct json *node_ready_condition(const struct registration *r, struct arena *a)
{
    char now[WALLTIME_MAX_LEN], since[WALLTIME_MAX_LEN];
    struct json *c = json_object(a);
    json_setz(c, "type", json_string(a, STR("Ready")));
    json_setz(c, "status", json_string(a, STR("False")));
    json_setz(c, "reason", json_string(a, STR("ContainerRuntimeMissing")));
    json_setz(c, "message",
              json_string(a, STR("this node serves Services; it runs no pods, because this version does "
                                 "not start containers yet")));
    json_setz(c, "lastHeartbeatTime",
              json_stringf(a, "%s", walltime_format(loop_wall_now(r->config.loop), now)));
    json_setz(c, "lastTransitionTime", json_stringf(a, "%s", walltime_format(r->started, since)));
    return c;
}

static struct json *node_status(const struct registration *r, struct arena *a)
{
    const struct host_facts *f = &r->config.facts;
    struct json *status = json_object(a), *conditions = json_array(a), *capacity = json_object(a);
    json_append(conditions, node_ready_condition(r, a));
    json_setz(capacity, "cpu", json_stringf(a, "%u", f->n_cpus));
    json_setz(capacity, "memory", json_stringf(a, "%luKi", f->memory_bytes / 1024));
    json_setz(capacity, "pods", json_string(a, STR("0")));
    json_setz(status, "addresses", node_addresses(r, a));
    json_setz(status, "capacity", capacity);
    json_setz(status, "allocatable", json_copy(a, capacity));
    json_setz(status, "conditions", conditions);
    json_setz(status, "nodeInfo", node_info(r, a));
    return status;
}

static void send_node(struct registration *r);

static void failed(struct registration *r, const char *what, const struct client_result *result)
{
    log_warn_limited("Node %s: cannot %s: %.*s; trying again", r->config.node_name, what,
                     STR_ARG(result->message));
    timer_arm_ms(&r->retry, RETRY_MS);
}

static void on_status_written(void *user, const struct client_result *result)
{
    struct registration *r = user;
    bool first = !r->status_known;
    r->node_call = NULL;
    if (result->code == CLIENT_NOT_FOUND)
        r->node_exists = false; /* somebody deleted it: make it again */
    if (result->code) {
        failed(r, "write its status", result);
        return;
    }
    r->status_known = true;
    r->status_written = loop_now(r->config.loop);
    if (first && r->config.registered)
        r->config.registered(r->config.user);
}

static void on_node_created(void *user, const struct client_result *result)
{
    struct registration *r = user;
    r->node_call = NULL;
    if (result->code && result->code != CLIENT_EXISTS) {
        failed(r, "register", result);
        return;
    }
    r->node_exists = true;
    send_node(r);
}

/* Creates the Node, or writes its status. */
static void send_node(struct registration *r)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *body = json_object(&a);
    struct client_request request = {.resource = &nodes, .body = body};
    if (r->node_call)
        return;
    json_setz(body, "apiVersion", json_string(&a, STR("v1")));
    json_setz(body, "kind", json_string(&a, STR("Node")));
    if (!r->node_exists) {
        json_setz(body, "metadata", node_metadata(r, &a));
        request.verb = CLIENT_CREATE;
        r->node_call = client_send(r->config.client, &request, on_node_created, r);
        return;
    }
    json_setz(body, "status", node_status(r, &a));
    request.verb = CLIENT_PATCH;
    request.patch_type = CLIENT_STRATEGIC_PATCH;
    request.name = str_of(r->config.node_name);
    request.subresource = STR("status");
    r->node_call = client_send(r->config.client, &request, on_status_written, r);
}

static struct json *lease_object(const struct registration *r, struct arena *a)
{
    char now[WALLTIME_MAX_LEN];
    struct json *o = json_object(a), *metadata = json_object(a), *spec = json_object(a);
    json_setz(metadata, "name", json_string(a, str_of(r->config.node_name)));
    json_setz(metadata, "namespace", json_string(a, STR("kube-node-lease")));
    json_setz(spec, "holderIdentity", json_string(a, str_of(r->config.node_name)));
    json_setz(spec, "leaseDurationSeconds", json_int(a, LEASE_SECONDS));
    json_setz(spec, "renewTime",
              json_stringf(a, "%s", walltime_format_micro(loop_wall_now(r->config.loop), now)));
    json_setz(o, "apiVersion", json_string(a, STR("coordination.k8s.io/v1")));
    json_setz(o, "kind", json_string(a, STR("Lease")));
    json_setz(o, "metadata", metadata);
    json_setz(o, "spec", spec);
    return o;
}

static void send_lease(struct registration *r, enum client_verb verb);

static void on_lease_written(void *user, const struct client_result *result)
{
    struct registration *r = user;
    r->lease_call = NULL;
    if (result->code == CLIENT_NOT_FOUND && result->object == NULL)
        send_lease(r, CLIENT_CREATE);
    else if (result->code)
        log_warn_limited("Node %s: cannot renew its lease: %.*s; trying again in %d s", r->config.node_name,
                         STR_ARG(result->message), HEARTBEAT_MS / 1000);
}

static void on_lease_created(void *user, const struct client_result *result)
{
    struct registration *r = user;
    r->lease_call = NULL;
    if (result->code)
        log_warn_limited("Node %s: cannot create its lease: %.*s; trying again in %d s", r->config.node_name,
                         STR_ARG(result->message), HEARTBEAT_MS / 1000);
}

static void send_lease(struct registration *r, enum client_verb verb)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct client_request request = {
        .verb = verb,
        .resource = &leases,
        .namespace = STR("kube-node-lease"),
        .body = lease_object(r, &a),
    };
    if (r->lease_call)
        return;
    if (verb == CLIENT_PATCH) {
        request.name = str_of(r->config.node_name);
        request.patch_type = CLIENT_MERGE_PATCH;
    }
    r->lease_call = client_send(r->config.client, &request,
                                verb == CLIENT_PATCH ? on_lease_written : on_lease_created, r);
}

static void on_heartbeat(struct timer *timer, void *user)
{
    struct registration *r = user;
    timer_arm_ms(&r->heartbeat, HEARTBEAT_MS);
    send_lease(r, CLIENT_PATCH);
    if (!r->status_known || monotime_since_ms(loop_now(r->config.loop), r->status_written) >= STATUS_EVERY_MS)
        send_node(r);
}

static void on_retry(struct timer *timer, void *user)
{
    send_node(user);
}

struct registration *registration_new(const struct registration_config *config)
{
    struct registration *r = mem_new(struct registration);
    r->config = *config;
    timer_init(&r->heartbeat, config->loop, "node heartbeat", on_heartbeat, r);
    timer_init(&r->retry, config->loop, "node retry", on_retry, r);
    return r;
}

void registration_start(struct registration *r)
{
    r->started = loop_wall_now(r->config.loop);
    on_heartbeat(&r->heartbeat, r);
}

void registration_free(struct registration *r)
{
    if (!r)
        return;
    timer_disarm(&r->heartbeat);
    timer_disarm(&r->retry);
    if (r->node_call)
        client_cancel(r->node_call);
    if (r->lease_call)
        client_cancel(r->lease_call);
    free(r);
}
