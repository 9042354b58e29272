#include "apiserver/accept.h"

static void set_parameter(struct media_range *m, struct str parameter)
{
    struct str name, value = str_trim(parameter);
    if (!str_split(&value, '=', &name))
        return;
    value = value.p ? str_trim(value) : STR("");
    name = str_trim(name);
    if (str_eq(name, STR("as")))
        m->as = value;
    else if (str_eq(name, STR("g")))
        m->group = value;
    else if (str_eq(name, STR("v")))
        m->version = value;
    else if (str_eq(name, STR("q")) && value.len)
        m->q = value.p[0] == '1' ? 1000 : value.len > 2 ? (value.p[2] - '0') * 100 : 0;
}

/* Stable: among equals the client's order counts. */
static void insert(struct accept *a, const struct media_range *m)
{
    size_t i = a->n++;
    for (; i > 0 && a->v[i - 1].q < m->q; i--)
        a->v[i] = a->v[i - 1];
    a->v[i] = *m;
}

void accept_parse(struct str header, struct accept *ret)
{
    struct str item, part;
    ret->n = 0;
    while (header.p && str_split(&header, ',', &item) && ret->n < ACCEPT_MAX) {
        struct media_range m = {.as = STR(""), .group = STR(""), .version = STR(""), .q = 1000};
        (void)str_split(&item, ';', &part);
        m.type = str_trim(part);
        while (item.p && str_split(&item, ';', &part))
            set_parameter(&m, part);
        if (str_find_char(m.type, '/') > 0 && m.q > 0)
            insert(ret, &m);
    }
}

static bool choose_encoding(struct str type, enum accept_encoding *ret)
{
    if (str_eq(type, STR("application/json")) || str_eq(type, STR("*/*")) ||
        str_eq(type, STR("application/*")))
        *ret = ENCODING_JSON;
    else if (str_eq(type, STR("application/yaml")))
        *ret = ENCODING_YAML;
    else
        return false;
    return true;
}

static bool choose_form(const struct media_range *m, bool list, enum accept_form *ret)
{
    if (!m->as.len) {
        *ret = FORM_OBJECT;
        return true;
    }
    if (!str_eq(m->group, STR("meta.k8s.io")) ||
        !(str_eq(m->version, STR("v1")) || str_eq(m->version, STR("v1beta1"))))
        return false;
    if (str_eq(m->as, STR("Table")))
        *ret = FORM_TABLE;
    else if (str_eq(m->as, list ? STR("PartialObjectMetadataList") : STR("PartialObjectMetadata")))
        *ret = FORM_PARTIAL;
    else
        return false;
    return true;
}

bool accept_choose(const struct accept *a, bool list, struct accept_choice *ret)
{
    *ret = (struct accept_choice){.version = STR("v1")};
    if (a->n == 0)
        return true;
    for (size_t i = 0; i < a->n; i++) {
        if (!choose_encoding(a->v[i].type, &ret->encoding) || !choose_form(&a->v[i], list, &ret->form))
            continue;
        if (a->v[i].version.len)
            ret->version = a->v[i].version;
        return true;
    }
    return false;
}

struct str media_type(struct str header)
{
    struct str type;
    if (!header.p || !str_split(&header, ';', &type))
        return STR("");
    return str_trim(type);
}
