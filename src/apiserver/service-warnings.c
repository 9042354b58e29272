/* Warnings on Service writes: what works today and should not be relied on (section 1.10). */
#include <stdarg.h>
#include <stdio.h>

#include "apiserver/service-fields.h"
#include "apiserver/service-validate.h"

struct warner {
    void (*warn)(void *user, const char *text);
    void *user;
};

static void say(const struct warner *w, const char *format, ...) _printf_(2, 3);

static void say(const struct warner *w, const char *format, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    w->warn(w->user, text);
}

/* TEXT parses, but is not how it would be printed. FIELD is its path. */
static void warn_ip_form(const struct warner *w, const char *field, struct str text)
{
    struct ip ip;
    char canonical[IP_TEXT_LEN];
    if (ip_parse(text, &ip) == 0) {
        if (!str_eqz(text, ip_format(&ip, canonical)))
            say(w, "%s: IPv6 address \"%.*s\" should be in RFC 5952 canonical format (\"%s\")", field,
                STR_ARG(text), canonical);
    } else if (ip_parse_sloppy(text, &ip) == 0) {
        say(w,
            "%s: non-standard IP address \"%.*s\" will be considered invalid in a future Kubernetes release: "
            "use \"%s\"",
            field, STR_ARG(text), ip_format(&ip, canonical));
    }
}

static void warn_prefix_form(const struct warner *w, const char *field, struct str text)
{
    struct ip_prefix prefix;
    char canonical[IP_TEXT_LEN];
    if (ip_prefix_parse_sloppy(text, &prefix) < 0)
        return;
    prefix.ip = ip_prefix_first(&prefix);
    if (!str_eqz(text, ip_prefix_format(&prefix, canonical)))
        say(w, "%s: CIDR value \"%.*s\" should be in canonical form (\"%s\")", field, STR_ARG(text),
            canonical);
}

static void warn_list(const struct warner *w, const struct json *spec, const char *field,
                      void (*check)(const struct warner *, const char *, struct str))
{
    size_t i = 0;
    json_foreach (json_getz(spec, field), v) {
        char path[64];
        snprintf(path, sizeof path, "spec.%s[%zu]", field, i++);
        if (!str_eqz(json_str(v), "None"))
            check(w, path, str_trim(json_str(v)));
    }
}

static void warn_headless(const struct warner *w, const struct json *spec)
{
    const struct json *external = json_getz(spec, "externalIPs");
    if (json_str(json_getz(spec, "loadBalancerIP")).len)
        say(w, "spec.loadBalancerIP is ignored for headless services");
    if (json_n(external))
        say(w, "spec.externalIPs is ignored for headless services");
    if (str_eqz(json_str(json_getz(spec, "sessionAffinity")), "ClientIP"))
        say(w, "spec.SessionAffinity is ignored for headless services");
}

void service_warnings(const struct json *service, void (*warn)(void *user, const char *text), void *user)
{
    const struct warner w = {warn, user};
    const struct json *spec = json_getz(service, "spec"), *external = json_getz(spec, "externalIPs");
    bool has_external = json_n(external) > 0;
    if (json_path(service, "metadata", "annotations", "service.kubernetes.io/topology-aware-hints", NULL))
        say(&w, "annotation service.kubernetes.io/topology-aware-hints is deprecated, please use "
                "service.kubernetes.io/topology-mode instead");
    warn_list(&w, spec, "clusterIPs", warn_ip_form);
    warn_list(&w, spec, "externalIPs", warn_ip_form);
    warn_list(&w, spec, "loadBalancerSourceRanges", warn_prefix_form);
    if (json_str(json_getz(spec, "loadBalancerIP")).len)
        warn_ip_form(&w, "spec.loadBalancerIP", json_str(json_getz(spec, "loadBalancerIP")));
    if (service_needs_cluster_ip(service) && service_is_headless(service))
        warn_headless(&w, spec);
    else if (has_external)
        say(&w, "spec.externalIPs is deprecated: any Service author can claim any address with it "
                "(CVE-2020-8554)");
    if (service_is_type(service, "ExternalName") && has_external)
        say(&w, "spec.externalIPs is ignored when spec.type is \"ExternalName\"");
    if (!service_is_type(service, "ExternalName") && json_str(json_getz(spec, "externalName")).len)
        say(&w, "spec.externalName is ignored when spec.type is not \"ExternalName\"");
    if (str_eqz(json_str(json_getz(spec, "trafficDistribution")), "PreferClose"))
        say(&w, "spec.trafficDistribution: PreferClose is deprecated, use PreferSameZone instead");
}
