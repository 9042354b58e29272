#include "apiserver/printers.h"

#include <inttypes.h>

#include "object/meta.h"

#define NONE "<none>"

static struct json *string_or_none(struct arena *a, struct str s)
{
    return json_string(a, s.len ? arena_str(a, s) : STR(NONE));
}

struct json *printer_pod_ready(struct arena *a, const struct json *o, struct walltime now)
{
    const struct json *containers = json_path(o, "spec", "containers", NULL);
    unsigned ready = 0;
    json_foreach (json_path(o, "status", "containerStatuses", NULL), c)
        ready += json_bool_at(c, false, "ready") && json_path(c, "state", "running", NULL);
    return json_stringf(a, "%u/%u", ready, containers ? containers->n : 0);
}

/* What a container that does not run says of itself; STR_NONE if it has nothing to say. */
static struct str container_reason(struct arena *a, const struct json *container)
{
    struct str waiting = json_string_at(container, "state", "waiting", "reason");
    const struct json *terminated = json_path(container, "state", "terminated", NULL);
    if (waiting.len)
        return waiting;
    if (!terminated)
        return STR_NONE;
    if (json_string_at(terminated, "reason").len)
        return json_string_at(terminated, "reason");
    int64_t signal = json_int_at(terminated, 0, "signal"), code = json_int_at(terminated, 0, "exitCode");
    return signal ? arena_format(a, "Signal:%" PRId64, signal) : arena_format(a, "ExitCode:%" PRId64, code);
}

/* The first init container that is not through, or STR_NONE. */
static struct str init_reason(struct arena *a, const struct json *o)
{
    const struct json *specs = json_path(o, "spec", "initContainers", NULL);
    unsigned i = 0;
    json_foreach (json_path(o, "status", "initContainerStatuses", NULL), c) {
        const struct json *terminated = json_path(c, "state", "terminated", NULL);
        i++;
        if (terminated && json_int_at(terminated, 0, "exitCode") == 0)
            continue;
        bool sidecar = str_eq(json_string_at(json_at(specs, i - 1), "restartPolicy"), STR("Always"));
        if (sidecar && json_bool_at(c, false, "started"))
            continue;
        struct str reason = container_reason(a, c);
        if (reason.len && !str_eq(reason, STR("PodInitializing")))
            return arena_format(a, "Init:%.*s", STR_ARG(reason));
        return arena_format(a, "Init:%u/%u", i - 1, specs ? specs->n : 0);
    }
    return STR_NONE;
}

static bool is_ready(const struct json *o)
{
    json_foreach (json_path(o, "status", "conditions", NULL), c) {
        if (str_eq(json_string_at(c, "type"), STR("Ready")))
            return str_eq(json_string_at(c, "status"), STR("True"));
    }
    return false;
}

/* The last container with a reason counts; "Completed" beside one that runs does not. */
static struct str containers_reason(struct arena *a, const struct json *o, struct str otherwise)
{
    struct str reason = STR_NONE;
    bool running = false;
    json_foreach (json_path(o, "status", "containerStatuses", NULL), c) {
        struct str own = container_reason(a, c);
        if (own.len && !reason.len)
            reason = own;
        running |= json_bool_at(c, false, "ready") && json_path(c, "state", "running", NULL);
    }
    if (str_eq(reason, STR("Completed")) && running)
        return is_ready(o) ? STR("Running") : STR("NotReady");
    return reason.len ? reason : otherwise;
}

struct json *printer_pod_status(struct arena *a, const struct json *o, struct walltime now)
{
    struct str why = json_string_at(o, "status", "reason"), phase = json_string_at(o, "status", "phase");
    struct str reason = why.len ? why : phase;
    json_foreach (json_path(o, "status", "conditions", NULL), c) {
        if (str_eq(json_string_at(c, "type"), STR("PodScheduled")) &&
            str_eq(json_string_at(c, "reason"), STR("SchedulingGated")))
            reason = STR("SchedulingGated");
    }
    struct str init = init_reason(a, o);
    reason = init.len ? init : containers_reason(a, o, reason);
    if (meta_is_deleted(o))
        reason = str_eq(why, STR("NodeLost")) ? STR("Unknown") : STR("Terminating");
    return json_string(a, arena_str(a, reason));
}

struct json *printer_pod_restarts(struct arena *a, const struct json *o, struct walltime now)
{
    int64_t restarts = 0;
    struct str last = STR("");
    json_foreach (json_path(o, "status", "containerStatuses", NULL), c) {
        struct str finished = json_string_at(c, "lastState", "terminated", "finishedAt");
        restarts += json_int_at(c, 0, "restartCount");
        if (str_cmp(finished, last) > 0)
            last = finished;
    }
    if (!restarts || !last.len)
        return json_stringf(a, "%" PRId64, restarts);
    return json_stringf(a, "%" PRId64 " (%.*s ago)", restarts, STR_ARG(printer_age(a, last, now)));
}

struct json *printer_pod_ip(struct arena *a, const struct json *o, struct walltime now)
{
    struct str first = json_string_at(json_at(json_path(o, "status", "podIPs", NULL), 0), "ip");
    return string_or_none(a, first.len ? first : json_string_at(o, "status", "podIP"));
}

struct json *printer_pod_node(struct arena *a, const struct json *o, struct walltime now)
{
    return string_or_none(a, json_string_at(o, "spec", "nodeName"));
}

struct json *printer_pod_nominated_node(struct arena *a, const struct json *o, struct walltime now)
{
    return string_or_none(a, json_string_at(o, "status", "nominatedNodeName"));
}

struct json *printer_pod_readiness_gates(struct arena *a, const struct json *o, struct walltime now)
{
    const struct json *gates = json_path(o, "spec", "readinessGates", NULL);
    unsigned passed = 0;
    if (!gates || !gates->n)
        return json_string(a, STR(NONE));
    json_foreach (gates, gate) {
        json_foreach (json_path(o, "status", "conditions", NULL), c)
            passed += str_eq(json_string_at(c, "type"), json_string_at(gate, "conditionType")) &&
                      str_eq(json_string_at(c, "status"), STR("True"));
    }
    return json_stringf(a, "%u/%u", passed, gates->n);
}
