#include "apiserver/addresses.h"

bool address_is_stored(const struct json *stored, struct str text)
{
    json_foreach (stored, v) {
        if (str_eq(json_str(v), text))
            return true;
    }
    return false;
}

bool address_validate(struct field_errors *e, const struct field_path *path, struct str text,
                      const struct json *stored)
{
    struct ip ip;
    if (address_is_stored(stored, text) || ip_parse(text, &ip) == 0)
        return true;
    if (ip_parse_sloppy(text, &ip) < 0)
        field_invalid_str(e, path, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
    else if (str_find_char(text, ':') >= 0)
        field_invalid_str(e, path, text, "must not be an IPv4-mapped IPv6 address");
    else
        field_invalid_str(e, path, text, "must not have leading 0s");
    return false;
}

bool address_validate_prefix(struct field_errors *e, const struct field_path *path, struct str text,
                             const struct json *stored)
{
    struct ip_prefix prefix;
    char canonical[IP_TEXT_LEN];
    if (address_is_stored(stored, text))
        return true;
    if (ip_prefix_parse(text, &prefix) == 0) {
        if (ip_prefix_is_canonical(&prefix))
            return true;
        prefix.ip = ip_prefix_first(&prefix);
        field_invalid(e, path, json_string(e->arena, text),
                      "must not have bits set beyond the prefix length; did you mean \"%s\"?",
                      ip_prefix_format(&prefix, canonical));
        return false;
    }
    if (ip_prefix_parse_sloppy(text, &prefix) < 0)
        field_invalid_str(e, path, text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
    else
        field_invalid(e, path, json_string(e->arena, text), "must be in canonical form (\"%s\")",
                      ip_prefix_format(&prefix, canonical));
    return false;
}

void address_validate_special(struct field_errors *e, const struct field_path *path, struct str text,
                              enum address_use use)
{
    struct ip ip;
    if (ip_parse_sloppy(text, &ip) < 0)
        return;
    if (ip_is_unspecified(&ip))
        field_invalid(e, path, json_string(e->arena, text), "may not be unspecified (%s)",
                      use == ADDRESS_OF_SERVICE ? "0.0.0.0 or ::" : "'0.0.0.0' or '::'");
    if (ip_is_loopback(&ip))
        field_invalid_str(e, path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    if (ip_is_link_local(&ip))
        field_invalid_str(e, path, text, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    if (ip_is_link_local_multicast(&ip))
        field_invalid_str(e, path, text,
                          "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
}
