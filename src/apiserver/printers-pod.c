/* What is printed of a pod: above all one word for its state, out of its phase, its containers and its end.
 */
#include "apiserver/printers.h"

#include <inttypes.h>

#include "object/meta.h"

#define NONE "<none>"

struct pod_summary {
    struct str reason;
    int64_t restarts;
    struct str last_restart; /* RFC 3339; empty if none is known */
    int64_t ready, total;
    bool has_running;
};

static const struct json *find_named(const struct json *list, struct str name)
{
    json_foreach (list, e) {
        if (str_eq(json_string_at(e, "name"), name))
            return e;
    }
    return NULL;
}

static bool condition_is_true(const struct json *pod, const char *type)
{
    json_foreach (json_path(pod, "status", "conditions", NULL), c) {
        if (str_eqz(json_string_at(c, "type"), type))
            return str_eqz(json_string_at(c, "status"), "True");
    }
    return false;
}

/* An init container that keeps running beside the others. */
static bool is_sidecar(const struct json *container)
{
    return str_eqz(json_string_at(container, "restartPolicy"), "Always");
}

/* Counts restarts; the container that ended last says when the last one was (times in UTC sort as text). */
static void add_restarts(struct pod_summary *s, const struct json *status)
{
    struct str end = json_string_at(status, "lastState", "terminated", "finishedAt");
    s->restarts += json_int_at(status, 0, "restartCount");
    if (end.len && str_cmp(end, s->last_restart) > 0)
        s->last_restart = end;
}

/* "Error"; without a reason "Signal:9" or "ExitCode:1". */
static struct str end_reason(struct arena *a, const char *prefix, const struct json *terminated)
{
    struct str reason = json_string_at(terminated, "reason");
    int64_t signal = json_int_at(terminated, 0, "signal");
    if (reason.len)
        return arena_format(a, "%s%.*s", prefix, STR_ARG(reason));
    if (signal)
        return arena_format(a, "%sSignal:%" PRId64, prefix, signal);
    return arena_format(a, "%sExitCode:%" PRId64, prefix, json_int_at(terminated, 0, "exitCode"));
}

/* What an init container that the pod still waits for says; I is its place. */
static struct str init_reason(struct arena *a, const struct json *pod, const struct json *status, int64_t i)
{
    const struct json *terminated = json_path(status, "state", "terminated", NULL);
    const struct json *all = json_path(pod, "spec", "initContainers", NULL);
    struct str waiting = json_string_at(status, "state", "waiting", "reason");
    if (terminated)
        return end_reason(a, "Init:", terminated);
    if (waiting.len && !str_eqz(waiting, "PodInitializing"))
        return arena_format(a, "Init:%.*s", STR_ARG(waiting));
    return arena_format(a, "Init:%" PRId64 "/%u", i, all ? all->n : 0);
}

static bool ended_well(const struct json *status)
{
    const struct json *terminated = json_path(status, "state", "terminated", NULL);
    return terminated && json_int_at(terminated, 0, "exitCode") == 0;
}

/* Adds what init containers say; true if one of them is still to be waited for. SIDECARS gets the restarts of
 * those that run beside the others: once the pod runs, only they count. */
static bool add_init_containers(struct arena *a, const struct json *pod, struct pod_summary *s,
                                struct pod_summary *sidecars)
{
    const struct json *specs = json_path(pod, "spec", "initContainers", NULL);
    int64_t i = 0;
    json_foreach (json_path(pod, "status", "initContainerStatuses", NULL), status) {
        bool sidecar = is_sidecar(find_named(specs, json_string_at(status, "name")));
        add_restarts(s, status);
        if (sidecar)
            add_restarts(sidecars, status);
        bool runs = sidecar && json_bool_at(status, false, "started");
        if (!ended_well(status) && !runs) {
            s->reason = init_reason(a, pod, status, i);
            return true;
        }
        s->ready += runs && !ended_well(status) && json_bool_at(status, false, "ready");
        i++;
    }
    return false;
}

static void add_container(struct arena *a, struct pod_summary *s, const struct json *status)
{
    const struct json *terminated = json_path(status, "state", "terminated", NULL);
    struct str waiting = json_string_at(status, "state", "waiting", "reason");
    add_restarts(s, status);
    if (waiting.len) {
        s->reason = waiting;
    } else if (terminated) {
        s->reason = end_reason(a, "", terminated);
    } else if (json_bool_at(status, false, "ready") && json_path(status, "state", "running", NULL)) {
        s->has_running = true;
        s->ready++;
    }
}

/* From the last to the first: the first container has the last word. */
static void add_containers(struct arena *a, const struct json *pod, struct pod_summary *s)
{
    const struct json *statuses = json_path(pod, "status", "containerStatuses", NULL);
    for (size_t i = json_n(statuses); i-- > 0;)
        add_container(a, s, json_at(statuses, i));
    if (str_eqz(s->reason, "Completed") && s->has_running)
        s->reason = condition_is_true(pod, "Ready") ? STR("Running") : STR("NotReady");
}

static struct str first_reason(const struct json *pod)
{
    json_foreach (json_path(pod, "status", "conditions", NULL), c) {
        if (str_eqz(json_string_at(c, "type"), "PodScheduled") &&
            str_eqz(json_string_at(c, "reason"), "SchedulingGated"))
            return STR("SchedulingGated");
    }
    struct str reason = json_string_at(pod, "status", "reason");
    return reason.len ? reason : json_string_at(pod, "status", "phase");
}

static struct str last_reason(const struct json *pod, struct str reason)
{
    struct str phase = json_string_at(pod, "status", "phase");
    if (!meta_is_deleted(pod))
        return reason;
    if (str_eqz(json_string_at(pod, "status", "reason"), "NodeLost"))
        return STR("Unknown");
    return str_eqz(phase, "Succeeded") || str_eqz(phase, "Failed") ? reason : STR("Terminating");
}

static struct pod_summary summarize(struct arena *a, const struct json *pod)
{
    struct pod_summary s = {.reason = first_reason(pod), .last_restart = STR("")}, sidecars = {0};
    const struct json *containers = json_path(pod, "spec", "containers", NULL);
    sidecars.last_restart = STR("");
    s.total = containers ? containers->n : 0;
    json_foreach (json_path(pod, "spec", "initContainers", NULL), c)
        s.total += is_sidecar(c);
    if (!add_init_containers(a, pod, &s, &sidecars) || condition_is_true(pod, "Initialized")) {
        s.restarts = sidecars.restarts;
        s.last_restart = sidecars.last_restart;
        add_containers(a, pod, &s);
    }
    s.reason = last_reason(pod, s.reason);
    return s;
}

struct json *printer_pod_ready(struct arena *a, const struct json *o, struct walltime now)
{
    struct pod_summary s = summarize(a, o);
    return json_stringf(a, "%" PRId64 "/%" PRId64, s.ready, s.total);
}

struct json *printer_pod_status(struct arena *a, const struct json *o, struct walltime now)
{
    return json_string(a, arena_str(a, summarize(a, o).reason));
}

struct json *printer_pod_restarts(struct arena *a, const struct json *o, struct walltime now)
{
    struct pod_summary s = summarize(a, o);
    if (!s.restarts || !s.last_restart.len)
        return json_stringf(a, "%" PRId64, s.restarts);
    struct str age = printer_age(a, s.last_restart, now);
    return json_stringf(a, "%" PRId64 " (%.*s ago)", s.restarts, STR_ARG(age));
}

static struct json *string_or_none(struct arena *a, struct str s)
{
    return json_string(a, s.len ? arena_str(a, s) : STR(NONE));
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
