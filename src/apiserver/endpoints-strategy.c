/* Endpoints: validation of addresses and ports (section 2.5); CVE-2021-25737 is why addresses are looked at.
 */
#include "apiserver/addresses.h"
#include "apiserver/ports.h"
#include "apiserver/registry.h"
#include "apiserver/strategies.h"
#include "object/names.h"

static void check_address(struct field_errors *e, const struct json *address, const struct field_path *path)
{
    struct str ip = json_str(json_getz(address, "ip"));
    const struct json *host = json_getz(address, "hostname"), *node = json_getz(address, "nodeName");
    if (address_validate(e, FIELD(path, "ip"), ip, NULL))
        address_validate_special(e, FIELD(path, "ip"), ip, ADDRESS_OF_ENDPOINT);
    if (json_str(host).len)
        name_validate(e, FIELD(path, "hostname"), json_str(host), name_check_dns1123_label);
    if (node)
        name_validate(e, FIELD(path, "nodeName"), json_str(node), name_check_dns1123_subdomain);
}

static void check_port(struct field_errors *e, const struct json *port, size_t n_ports,
                       const struct field_path *path)
{
    struct str name = json_str(json_getz(port, "name"));
    if (!name.len && n_ports > 1)
        field_required(e, FIELD(path, "name"), "%s", "");
    else if (name.len)
        name_validate(e, FIELD(path, "name"), name, name_check_dns1123_label);
    port_validate_number(e, FIELD(path, "port"), json_getz(port, "port"));
    port_validate_protocol(e, FIELD(path, "protocol"), json_getz(port, "protocol"));
    port_validate_app_protocol(e, FIELD(path, "appProtocol"), json_getz(port, "appProtocol"));
}

static void check_subset(struct field_errors *e, const struct json *subset, const struct field_path *path)
{
    static const char *const lists[] = {"addresses", "notReadyAddresses"};
    if (!json_n(json_getz(subset, lists[0])) && !json_n(json_getz(subset, lists[1])))
        field_required(e, path, "must specify `addresses` or `notReadyAddresses`");
    for (size_t k = 0; k < 2; k++) {
        size_t i = 0;
        json_foreach (json_getz(subset, lists[k]), address) {
            check_address(e, address, FIELD_INDEX(FIELD_STR(path, str_of(lists[k])), i++));
        }
    }
    size_t i = 0;
    const struct json *ports = json_getz(subset, "ports");
    json_foreach (ports, port) {
        check_port(e, port, json_n(ports), FIELD_INDEX(FIELD(path, "ports"), i++));
    }
}

/* Subsets that are stored as they are now are not looked at again. */
static void endpoints_validate(struct change *c)
{
    const struct json *subsets = json_getz(c->object, "subsets"), *old = json_getz(c->old, "subsets");
    if (subsets && old && json_equal(subsets, old))
        return;
    size_t i = 0;
    json_foreach (subsets, subset) {
        check_subset(c->errors, subset, FIELD_INDEX(FIELD(NULL, "subsets"), i++));
    }
}

const struct strategy strategy_endpoints = {
    .group = STR_INIT(""),
    .plural = STR_INIT("endpoints"),
    .create_on_update = true,
    .validate = endpoints_validate,
};
