/* Syntax of names, labels and ports: tests with upstream's messages.
 *
 * Each function fills in what is wrong with VALUE (nothing if it is valid): sentences that upstream's field
 * errors carry, constant, without a final stop. They read only VALUE and are linear in it.
 *
 *     struct name_problems p;
 *     name_check_dns1123_label(name, &p);
 *     for (size_t i = 0; i < p.n; i++)
 *         field_invalid_str(errors, path, name, p.text[i]);
 *
 * Source: upstream's apimachinery util/validation and api/validate/content, 1.36.
 */
#pragma once

#include "object/field-errors.h"

#define NAME_MAX_PROBLEMS 5

struct name_problems {
    const char *text[NAME_MAX_PROBLEMS];
    size_t n;
};

typedef void name_check_fn(struct str value, struct name_problems *ret);

void name_check_dns1123_label(struct str value, struct name_problems *ret);     /* at most 63 bytes */
void name_check_dns1123_subdomain(struct str value, struct name_problems *ret); /* at most 253 bytes */
void name_check_dns1035_label(struct str value, struct name_problems *ret); /* at most 63, a letter first */
/* What can stand in a URL path: not "." or "..", no '/' or '%'. */
void name_check_path_segment(struct str value, struct name_problems *ret);
/* [PREFIX/]NAME: label and annotation keys, finalizers, condition types. */
void name_check_label_key(struct str value, struct name_problems *ret);
void name_check_label_value(struct str value, struct name_problems *ret);
/* IANA service name: 15 bytes, [a-z0-9-], a letter, no hyphens side by side or at the ends. */
void name_check_port_name(struct str value, struct name_problems *ret);
void name_check_wildcard_dns1123_subdomain(struct str value, struct name_problems *ret);
/* Keys of ConfigMaps and Secrets. */
void name_check_config_key(struct str value, struct name_problems *ret);
/* Names of environment variables, relaxed form of 1.34. */
void name_check_env_var(struct str value, struct name_problems *ret);

static inline bool name_is_valid(name_check_fn *check, struct str value)
{
    struct name_problems p;
    check(value, &p);
    return p.n == 0;
}

/* Adds a field error for each problem of VALUE. */
void name_validate(struct field_errors *e, const struct field_path *path, struct str value,
                   name_check_fn *check);
