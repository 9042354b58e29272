#include "apiserver/authn.h"

#include <errno.h>

#include "base/array.h"
#include "base/encoding.h"
#include "io/http.h"
#include "io/tls-cert.h"

struct token {
    uint8_t digest[SHA256_LEN];
    struct identity identity; /* in the arena */
};

struct authn {
    struct arena arena;
    ARRAY_OF(struct token) tokens;
};

bool identity_is_anonymous(const struct identity *id)
{
    return id->user.len == 0;
}

bool identity_has_group(const struct identity *id, struct str group)
{
    for (size_t i = 0; i < id->n_groups; i++) {
        if (str_eq(id->groups[i], group))
            return true;
    }
    return false;
}

static void add_group(struct identity *id, struct str group)
{
    if (group.len && id->n_groups < IDENTITY_MAX_GROUPS && !identity_has_group(id, group))
        id->groups[id->n_groups++] = group;
}

/* The next field of a CSV line, quoted or not. */
static int csv_field(struct str *rest, struct str *ret)
{
    *rest = str_trim(*rest);
    if (!rest->len || rest->p[0] != '"') {
        struct str part;
        if (!str_split(rest, ',', &part))
            part = STR("");
        *ret = str_trim(part);
        return 0;
    }
    struct str inside = str_slice(*rest, 1, rest->len);
    ptrdiff_t end = str_find_char(inside, '"');
    if (end < 0)
        return -EINVAL;
    *ret = str_slice(inside, 0, (size_t)end);
    *rest = str_trim(str_slice(inside, (size_t)end + 1, inside.len));
    if (rest->len && rest->p[0] != ',')
        return -EINVAL;
    *rest = rest->len ? str_slice(*rest, 1, rest->len) : STR_NONE;
    return 0;
}

static int add_token(struct authn *a, struct str line, size_t number, struct err *err)
{
    struct str fields[4] = {STR_INIT(""), STR_INIT(""), STR_INIT(""), STR_INIT("")};
    for (size_t i = 0; i < 4 && line.p; i++) {
        if (csv_field(&line, &fields[i]) < 0)
            return err_set(err, -EINVAL, "line %zu: a quote is not closed", number);
    }
    if (line.p && str_trim(line).len)
        return err_set(err, -EINVAL, "line %zu: more than four fields", number);
    if (!fields[0].len || !fields[1].len)
        return err_set(err, -EINVAL, "line %zu: a token and a user name are needed", number);
    if (a->tokens.n == AUTHN_MAX_TOKENS)
        return err_set(err, -EINVAL, "more than %d tokens", AUTHN_MAX_TOKENS);
    struct token *t = array_push(&a->tokens);
    *t = (struct token){0};
    sha256(fields[0], t->digest);
    t->identity.user = arena_str(&a->arena, fields[1]);
    t->identity.uid = arena_str(&a->arena, fields[2]);
    struct str groups = arena_str(&a->arena, fields[3]), group;
    while (groups.p && str_split(&groups, ',', &group))
        add_group(&t->identity, str_trim(group));
    add_group(&t->identity, STR("system:authenticated"));
    return 0;
}

int authn_new(struct str tokens, struct authn **ret, struct err *err)
{
    struct authn *a = mem_new(struct authn);
    struct str line;
    size_t number = 0;
    while (tokens.p && str_split(&tokens, '\n', &line)) {
        number++;
        line = str_trim(line);
        if (!line.len || line.p[0] == '#')
            continue;
        int status = add_token(a, line, number, err);
        if (status < 0) {
            authn_free(a);
            return status;
        }
    }
    *ret = a;
    return 0;
}

void authn_free(struct authn *a)
{
    if (!a)
        return;
    array_done(&a->tokens);
    arena_done(&a->arena);
    free(a);
}

/* Looks at every token and every byte, so that time says nothing about either. */
static const struct token *find_token(const struct authn *a, struct str text)
{
    uint8_t digest[SHA256_LEN];
    const struct token *found = NULL;
    sha256(text, digest);
    array_foreach (&a->tokens, t) {
        bool same = tls_secret_eq((struct str){(const char *)t->digest, SHA256_LEN},
                                  (struct str){(const char *)digest, SHA256_LEN});
        found = same ? t : found;
    }
    return found;
}

static enum authn_result identify_token(const struct authn *a, struct str header, struct identity *ret,
                                        struct err *refusal)
{
    struct str scheme = str_slice(header, 0, 7);
    if (!str_case_eq(scheme, STR("Bearer "))) {
        err_set(refusal, -EACCES, "the Authorization header is no bearer token");
        return AUTHN_REFUSED;
    }
    const struct token *t = find_token(a, str_trim(str_slice(header, 7, header.len)));
    if (!t) {
        err_set(refusal, -EACCES, "the bearer token is not known");
        return AUTHN_REFUSED;
    }
    *ret = t->identity;
    return AUTHN_OK;
}

enum authn_result authn_identify(const struct authn *a, const struct http_request *request,
                                 const struct http_peer *peer, struct identity *ret, struct err *refusal)
{
    struct str header = http_request_header(request, STR("authorization"));
    *ret = (struct identity){.user = STR("")};
    if (header.p)
        return identify_token(a, header, ret, refusal);
    if (peer->cert_error) {
        err_set(refusal, -EACCES, "the client certificate was refused: %s", peer->cert_error);
        return AUTHN_REFUSED;
    }
    if (!peer->user.p || !peer->user.len)
        return AUTHN_ANONYMOUS;
    ret->user = peer->user;
    ret->uid = STR("");
    for (size_t i = 0; i < peer->n_groups && i < IDENTITY_MAX_GROUPS - 1; i++)
        add_group(ret, peer->groups[i]);
    add_group(ret, STR("system:authenticated"));
    return AUTHN_OK;
}
