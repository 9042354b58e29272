/* Syntax of names. The expressions in the messages are what clients see; the code decides the same by hand.
 */
#include "object/names.h"

#define LABEL_RE     "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
#define SUBDOMAIN_RE LABEL_RE "(\\." LABEL_RE ")*"
#define KEY_RE       "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"

#define TOO_LONG_63  "must be no more than 63 bytes"
#define TOO_LONG_253 "must be no more than 253 bytes"
#define SUBDOMAIN_MESSAGE                                                                                    \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "    \
    "must start "                                                                                            \
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "              \
    "'" SUBDOMAIN_RE "')"
#define KEY_MESSAGE                                                                                          \
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric " \
    "character "                                                                                             \
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '" KEY_RE "')"

static void say(struct name_problems *p, const char *text)
{
    if (p->n < NAME_MAX_PROBLEMS)
        p->text[p->n++] = text;
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static bool is_lower_alnum(char c)
{
    return is_lower(c) || is_digit(c);
}
static bool is_alnum(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/* [a-z0-9]([-a-z0-9]*[a-z0-9])? */
static bool is_label(struct str s)
{
    if (!s.len || !is_lower_alnum(s.p[0]) || !is_lower_alnum(s.p[s.len - 1]))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!is_lower_alnum(s.p[i]) && s.p[i] != '-')
            return false;
    return true;
}

static bool is_subdomain(struct str s)
{
    struct str rest = s.p ? s : STR(""), part;
    while (str_split(&rest, '.', &part))
        if (!is_label(part))
            return false;
    return true;
}

void name_check_dns1123_label(struct str value, struct name_problems *ret)
{
    ret->n = 0;
    if (value.len > 63)
        say(ret, TOO_LONG_63);
    if (is_label(value))
        return;
    if (is_subdomain(value))
        say(ret, "must not contain dots");
    else
        say(ret,
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
            "start and "
            "end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
            "'" LABEL_RE "')");
}

void name_check_dns1123_subdomain(struct str value, struct name_problems *ret)
{
    ret->n = 0;
    if (value.len > 253)
        say(ret, TOO_LONG_253);
    if (!is_subdomain(value))
        say(ret, SUBDOMAIN_MESSAGE);
}

void name_check_dns1035_label(struct str value, struct name_problems *ret)
{
    ret->n = 0;
    if (value.len > 63)
        say(ret, TOO_LONG_63);
    if (!is_label(value) || !is_lower(value.p[0]))
        say(ret, "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
                 "alphabetic "
                 "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex "
                 "used for "
                 "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')");
}

void name_check_path_segment(struct str value, struct name_problems *ret)
{
    ret->n = 0;
    if (str_eqz(value, "."))
        say(ret, "may not be '.'");
    if (str_eqz(value, ".."))
        say(ret, "may not be '..'");
    if (str_find_char(value, '/') >= 0)
        say(ret, "may not contain '/'");
    if (str_find_char(value, '%') >= 0)
        say(ret, "may not contain '%'");
}

/* ([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9] */
static bool is_key_name(struct str s)
{
    if (!s.len || !is_alnum(s.p[0]) || !is_alnum(s.p[s.len - 1]))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != '.')
            return false;
    return true;
}

void name_check_label_key(struct str value, struct name_problems *ret)
{
    ret->n = 0;
    struct str name = value;
    ptrdiff_t slash = str_find_char(value, '/');
    if (slash >= 0) {
        struct str prefix = str_slice(value, 0, (size_t)slash);
        name = str_slice(value, (size_t)slash + 1, value.len);
        if (str_find_char(name, '/') >= 0) {
            say(ret, "a valid label key " KEY_MESSAGE
                     " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')");
            return;
        }
        if (!prefix.len)
            say(ret, "prefix part must be non-empty");
        if (prefix.len > 253)
            say(ret, "prefix part " TOO_LONG_253);
        if (prefix.len && !is_subdomain(prefix))
            say(ret, "prefix part " SUBDOMAIN_MESSAGE);
    }
    if (!name.len)
        say(ret, "name part must be non-empty");
    else if (name.len > 63)
        say(ret, "name part " TOO_LONG_63);
    if (!is_key_name(name))
        say(ret, "name part " KEY_MESSAGE);
}

void name_check_label_value(struct str value, struct name_problems *ret)
{
    ret->n = 0;
    if (value.len > 63)
        say(ret, TOO_LONG_63);
    if (value.len && !is_key_name(value))
        say(ret, "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
                 "'.', and must "
                 "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', "
                 "regex used "
                 "for validation is '(" KEY_RE ")?')");
}

void name_check_port_name(struct str value, struct name_problems *ret)
{
    ret->n = 0;
    bool charset = value.len > 0, letter = false, twice = false;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.p[i];
        charset &= is_lower_alnum(c) || c == '-';
        letter |= is_lower(c);
        twice |= i && c == '-' && value.p[i - 1] == '-';
    }
    if (value.len > 15)
        say(ret, "must be no more than 15 bytes");
    if (!charset)
        say(ret, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    if (!letter)
        say(ret, "must contain at least one letter (a-z)");
    if (twice)
        say(ret, "must not contain consecutive hyphens");
    if (value.len && (value.p[0] == '-' || value.p[value.len - 1] == '-'))
        say(ret, "must not begin or end with a hyphen");
}

void name_check_wildcard_dns1123_subdomain(struct str value, struct name_problems *ret)
{
    ret->n = 0;
    if (value.len > 253)
        say(ret, TOO_LONG_253);
    if (!str_has_prefix(value, STR("*.")) || !is_subdomain(str_slice(value, 2, value.len)))
        say(ret,
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which "
            "must consist "
            "of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. "
            "'*.example.com', regex used for validation is '\\*\\." SUBDOMAIN_RE "')");
}

void name_check_config_key(struct str value, struct name_problems *ret)
{
    ret->n = 0;
    bool charset = value.len > 0;
    for (size_t i = 0; i < value.len; i++)
        charset &= is_alnum(value.p[i]) || value.p[i] == '-' || value.p[i] == '_' || value.p[i] == '.';
    if (value.len > 253)
        say(ret, TOO_LONG_253);
    if (!charset)
        say(ret, "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
                 "'key.name',  or "
                 "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')");
    if (str_eqz(value, "."))
        say(ret, "must not be '.'");
    if (str_eqz(value, ".."))
        say(ret, "must not be '..'");
    else if (str_has_prefix(value, STR("..")))
        say(ret, "must not start with '..'");
}

void name_check_env_var(struct str value, struct name_problems *ret)
{
    ret->n = 0;
    if (!value.len)
        say(ret, "environment variable name must be non-empty");
    for (size_t i = 0; i < value.len; i++) {
        if (value.p[i] >= ' ' && value.p[i] <= '~' && value.p[i] != '=')
            continue;
        say(ret, "a valid environment variable name must consist only of printable ASCII characters other "
                 "than '='");
        break;
    }
}

void name_validate(struct field_errors *e, const struct field_path *path, struct str value,
                   name_check_fn *check)
{
    struct name_problems p;
    check(value, &p);
    for (size_t i = 0; i < p.n; i++)
        field_invalid_str(e, path, value, p.text[i]);
}
