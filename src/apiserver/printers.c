#include "apiserver/printers.h"

#include <ctype.h>
#include <inttypes.h>

#include "base/array.h"
#include "object/meta.h"
#include "object/selector.h"

#define NONE "<none>"

struct str printer_age(struct arena *a, struct str time, struct walltime now)
{
    struct walltime then;
    char text[WALLTIME_MAX_LEN];
    if (!time.len || walltime_parse(time, &then) < 0)
        return STR("<unknown>");
    return arena_str(a, str_of(duration_format_age((now.ns - then.ns) / TIME_S_NS, text)));
}

struct str printer_join(struct arena *a, const struct str *v, size_t n, size_t max)
{
    _cleanup_(strbuf_done) struct strbuf out = {0};
    if (!n)
        return STR(NONE);
    for (size_t i = 0; i < n && (!max || i < max); i++) {
        if (i)
            strbuf_addc(&out, ',');
        strbuf_add_str(&out, v[i]);
    }
    if (max && n > max)
        strbuf_addf(&out, " + %zu more...", n - max);
    return arena_str(a, strbuf_str(&out));
}

static struct json *string_or(struct arena *a, struct str s, const char *otherwise)
{
    return json_string(a, s.len ? arena_str(a, s) : str_of(otherwise));
}

static struct json *print_age(struct arena *a, const struct json *o, struct walltime now)
{
    return json_string(a, printer_age(a, json_string_at(o, "metadata", "creationTimestamp"), now));
}

/* Data. */

static struct json *print_configmap_data(struct arena *a, const struct json *o, struct walltime now)
{
    const struct json *data = json_getz(o, "data"), *binary = json_getz(o, "binaryData");
    return json_int(a, (data ? data->n : 0) + (binary ? binary->n : 0));
}

static struct json *print_secret_data(struct arena *a, const struct json *o, struct walltime now)
{
    const struct json *data = json_getz(o, "data");
    return json_int(a, data ? data->n : 0);
}

static struct json *print_serviceaccount_secrets(struct arena *a, const struct json *o, struct walltime now)
{
    const struct json *secrets = json_getz(o, "secrets");
    return json_int(a, secrets ? secrets->n : 0);
}

/* Workloads. */

static int64_t status_number(const struct json *o, const char *field)
{
    return json_int_at(o, 0, "status", field);
}

static struct json *print_deployment_ready(struct arena *a, const struct json *o, struct walltime now)
{
    return json_stringf(a, "%" PRId64 "/%" PRId64, status_number(o, "readyReplicas"),
                        json_int_at(o, 0, "spec", "replicas"));
}

static struct json *print_deployment_updated(struct arena *a, const struct json *o, struct walltime now)
{
    return json_stringf(a, "%" PRId64, status_number(o, "updatedReplicas"));
}

static struct json *print_deployment_available(struct arena *a, const struct json *o, struct walltime now)
{
    return json_stringf(a, "%" PRId64, status_number(o, "availableReplicas"));
}

static struct json *print_replicas_desired(struct arena *a, const struct json *o, struct walltime now)
{
    return json_int(a, json_int_at(o, 0, "spec", "replicas"));
}

static struct json *print_replicas_current(struct arena *a, const struct json *o, struct walltime now)
{
    return json_int(a, status_number(o, "replicas"));
}

static struct json *print_replicas_ready(struct arena *a, const struct json *o, struct walltime now)
{
    return json_int(a, status_number(o, "readyReplicas"));
}

static struct json *print_container_field(struct arena *a, const struct json *o, const char *field)
{
    ARRAY_OF(struct str) names = {0};
    json_foreach (json_path(o, "spec", "template", "spec", "containers", NULL), container)
        *array_push(&names) = json_string_at(container, field);
    struct str text = printer_join(a, names.v, names.n, 0);
    array_done(&names);
    return json_string(a, text);
}

static struct json *print_template_containers(struct arena *a, const struct json *o, struct walltime now)
{
    return print_container_field(a, o, "name");
}

static struct json *print_template_images(struct arena *a, const struct json *o, struct walltime now)
{
    return print_container_field(a, o, "image");
}

static struct json *print_label_selector(struct arena *a, const struct json *o, struct walltime now)
{
    struct label_selector s;
    _cleanup_(strbuf_done) struct strbuf text = {0};
    if (label_selector_from_object(a, json_path(o, "spec", "selector", NULL), &s, NULL) < 0)
        return json_string(a, STR("<error>"));
    label_selector_write(&s, &text);
    return string_or(a, strbuf_str(&text), NONE);
}

/* Nodes. */

static struct json *print_node_status(struct arena *a, const struct json *o, struct walltime now)
{
    struct str ready = STR("Unknown");
    json_foreach (json_path(o, "status", "conditions", NULL), c) {
        if (str_eq(json_string_at(c, "type"), STR("Ready")))
            ready = str_eq(json_string_at(c, "status"), STR("True")) ? STR("Ready") : STR("NotReady");
    }
    bool cordoned = json_bool_at(o, false, "spec", "unschedulable");
    return json_stringf(a, "%.*s%s", STR_ARG(ready), cordoned ? ",SchedulingDisabled" : "");
}

static struct json *print_node_roles(struct arena *a, const struct json *o, struct walltime now)
{
    const struct str prefix = STR("node-role.kubernetes.io/");
    ARRAY_OF(struct str) roles = {0};
    json_foreach (meta_labels(o), label) {
        if (str_has_prefix(label->key, prefix) && label->key.len > prefix.len)
            *array_push(&roles) = str_slice(label->key, prefix.len, label->key.len);
        else if (str_eq(label->key, STR("kubernetes.io/role")) && json_str(label).len)
            *array_push(&roles) = json_str(label);
    }
    if (roles.n > 1)
        qsort(roles.v, roles.n, sizeof *roles.v, str_cmp_qsort);
    for (size_t i = 1; i < roles.n;) {
        if (str_eq(roles.v[i], roles.v[i - 1]))
            array_remove(&roles, i);
        else
            i++;
    }
    struct str text = printer_join(a, roles.v, roles.n, 0);
    array_done(&roles);
    return json_string(a, text);
}

static struct json *print_node_address(struct arena *a, const struct json *o, const char *type)
{
    json_foreach (json_path(o, "status", "addresses", NULL), address) {
        if (str_eqz(json_string_at(address, "type"), type))
            return string_or(a, json_string_at(address, "address"), NONE);
    }
    return json_string(a, STR(NONE));
}

static struct json *print_node_internal_ip(struct arena *a, const struct json *o, struct walltime now)
{
    return print_node_address(a, o, "InternalIP");
}

static struct json *print_node_external_ip(struct arena *a, const struct json *o, struct walltime now)
{
    return print_node_address(a, o, "ExternalIP");
}

static struct json *print_node_info(struct arena *a, const struct json *o, const char *field)
{
    return string_or(a, json_string_at(o, "status", "nodeInfo", field), "<unknown>");
}

static struct json *print_node_os_image(struct arena *a, const struct json *o, struct walltime now)
{
    return print_node_info(a, o, "osImage");
}

static struct json *print_node_kernel(struct arena *a, const struct json *o, struct walltime now)
{
    return print_node_info(a, o, "kernelVersion");
}

static struct json *print_node_runtime(struct arena *a, const struct json *o, struct walltime now)
{
    return print_node_info(a, o, "containerRuntimeVersion");
}

/* Events. */

static struct str first_seen(const struct json *o)
{
    struct str time = json_string_at(o, "firstTimestamp");
    return time.len ? time : json_string_at(o, "eventTime");
}

static struct json *print_event_last_seen(struct arena *a, const struct json *o, struct walltime now)
{
    struct str time = json_string_at(o, "series", "lastObservedTime");
    if (!time.len)
        time = json_string_at(o, "lastTimestamp");
    return json_string(a, printer_age(a, time.len ? time : first_seen(o), now));
}

static struct json *print_event_first_seen(struct arena *a, const struct json *o, struct walltime now)
{
    return json_string(a, printer_age(a, first_seen(o), now));
}

static struct json *print_event_object(struct arena *a, const struct json *o, struct walltime now)
{
    struct str kind = json_string_at(o, "involvedObject", "kind");
    char *lower = arena_dup(a, kind.p ? kind.p : "", kind.len);
    for (size_t i = 0; i < kind.len; i++)
        lower[i] = (char)tolower((unsigned char)lower[i]);
    struct str name = json_string_at(o, "involvedObject", "name");
    return json_stringf(a, "%s%s%.*s", lower, name.len ? "/" : "", STR_ARG(name));
}

static struct json *print_event_source(struct arena *a, const struct json *o, struct walltime now)
{
    struct str component = json_string_at(o, "source", "component"),
               host = json_string_at(o, "source", "host");
    if (!component.len)
        component = json_string_at(o, "reportingComponent");
    if (!host.len)
        host = json_string_at(o, "reportingInstance");
    return json_stringf(a, "%.*s%s%.*s", STR_ARG(component), host.len ? ", " : "", STR_ARG(host));
}

static struct json *print_event_message(struct arena *a, const struct json *o, struct walltime now)
{
    return json_string(a, arena_str(a, str_trim(json_string_at(o, "message"))));
}

static struct json *print_event_count(struct arena *a, const struct json *o, struct walltime now)
{
    int64_t count = json_int_at(o, 0, "series", "count");
    if (!count)
        count = json_int_at(o, 1, "count");
    return json_stringf(a, "%" PRId64, MAX(count, 1));
}

/* Ranges and addresses. */

static struct json *print_servicecidr_cidrs(struct arena *a, const struct json *o, struct walltime now)
{
    ARRAY_OF(struct str) cidrs = {0};
    json_foreach (json_path(o, "spec", "cidrs", NULL), cidr)
        *array_push(&cidrs) = json_str(cidr);
    struct str text = printer_join(a, cidrs.v, cidrs.n, 0);
    array_done(&cidrs);
    return json_string(a, text);
}

static struct json *print_ipaddress_parent(struct arena *a, const struct json *o, struct walltime now)
{
    const struct json *parent = json_path(o, "spec", "parentRef", NULL);
    struct str group = json_string_at(parent, "group"), ns = json_string_at(parent, "namespace");
    if (!parent)
        return json_string(a, STR(NONE));
    return json_stringf(a, "%.*s%s%.*s%s%.*s/%.*s", STR_ARG(json_string_at(parent, "resource")),
                        group.len ? "." : "", STR_ARG(group), ns.len ? "/" : "", STR_ARG(ns),
                        STR_ARG(json_string_at(parent, "name")));
}

static const struct {
    struct str name;
    printer_fn *print;
} printers[] = {
    {STR_INIT("age"), print_age},
    {STR_INIT("configmap-data"), print_configmap_data},
    {STR_INIT("secret-data"), print_secret_data},
    {STR_INIT("serviceaccount-secrets"), print_serviceaccount_secrets},
    {STR_INIT("deployment-ready"), print_deployment_ready},
    {STR_INIT("deployment-updated"), print_deployment_updated},
    {STR_INIT("deployment-available"), print_deployment_available},
    {STR_INIT("replicas-desired"), print_replicas_desired},
    {STR_INIT("replicas-current"), print_replicas_current},
    {STR_INIT("replicas-ready"), print_replicas_ready},
    {STR_INIT("template-containers"), print_template_containers},
    {STR_INIT("template-images"), print_template_images},
    {STR_INIT("label-selector"), print_label_selector},
    {STR_INIT("node-status"), print_node_status},
    {STR_INIT("node-roles"), print_node_roles},
    {STR_INIT("node-internal-ip"), print_node_internal_ip},
    {STR_INIT("node-external-ip"), print_node_external_ip},
    {STR_INIT("node-os-image"), print_node_os_image},
    {STR_INIT("node-kernel"), print_node_kernel},
    {STR_INIT("node-runtime"), print_node_runtime},
    {STR_INIT("event-last-seen"), print_event_last_seen},
    {STR_INIT("event-first-seen"), print_event_first_seen},
    {STR_INIT("event-object"), print_event_object},
    {STR_INIT("event-source"), print_event_source},
    {STR_INIT("event-message"), print_event_message},
    {STR_INIT("event-count"), print_event_count},
    {STR_INIT("servicecidr-cidrs"), print_servicecidr_cidrs},
    {STR_INIT("ipaddress-parent"), print_ipaddress_parent},
    {STR_INIT("pod-ready"), printer_pod_ready},
    {STR_INIT("pod-status"), printer_pod_status},
    {STR_INIT("pod-restarts"), printer_pod_restarts},
    {STR_INIT("pod-ip"), printer_pod_ip},
    {STR_INIT("pod-node"), printer_pod_node},
    {STR_INIT("pod-nominated-node"), printer_pod_nominated_node},
    {STR_INIT("pod-readiness-gates"), printer_pod_readiness_gates},
    {STR_INIT("service-cluster-ip"), printer_service_cluster_ip},
    {STR_INIT("service-external-ip"), printer_service_external_ip},
    {STR_INIT("service-ports"), printer_service_ports},
    {STR_INIT("service-selector"), printer_service_selector},
    {STR_INIT("endpoints"), printer_endpoints},
    {STR_INIT("endpointslice-ports"), printer_endpointslice_ports},
    {STR_INIT("endpointslice-endpoints"), printer_endpointslice_endpoints},
};

printer_fn *printer_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(printers); i++) {
        if (str_eq(printers[i].name, name))
            return printers[i].print;
    }
    return NULL;
}

/* Length of a character at the start of S that a terminal would act on: C0 but tab and line end, DEL, C1, and
 * what turns the direction of writing (U+202A to U+202E, U+2066 to U+2069). 0: it is harmless. */
static size_t control_len(struct str s)
{
    uint8_t c = (uint8_t)s.p[0];
    if ((c < 0x20 && c != '\t' && c != '\n') || c == 0x7f)
        return 1;
    if (c == 0xc2 && s.len > 1 && (uint8_t)s.p[1] < 0xa0)
        return 2;
    if (c != 0xe2 || s.len < 3)
        return 0;
    uint8_t second = (uint8_t)s.p[1], third = (uint8_t)s.p[2];
    bool turns = (second == 0x80 && third >= 0xaa && third <= 0xae) ||
                 (second == 0x81 && third >= 0xa6 && third <= 0xa9);
    return turns ? 3 : 0;
}

struct str printer_harmless(struct arena *a, struct str s)
{
    _cleanup_(strbuf_done) struct strbuf out = {0};
    bool changed = false;
    for (size_t i = 0; i < s.len;) {
        size_t len = control_len(str_slice(s, i, s.len));
        changed |= len > 0;
        for (size_t j = 0; j < len; j++)
            strbuf_addf(&out, "\\x%02x", (uint8_t)s.p[i + j]);
        if (!len)
            strbuf_addc(&out, s.p[i]);
        i += len ? len : 1;
    }
    return changed ? arena_str(a, strbuf_str(&out)) : s;
}
