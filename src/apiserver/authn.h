/* Authentication: who sends a request. Client certificates (verified by the connection) and bearer tokens.
 *
 * Tokens come from the text of a static token file, one `token,user,uid,"group1,group2"` a line. They are
 * kept as SHA-256 digests and compared in constant time, and never printed or logged. There is no anonymous
 * user: without credentials only the public paths answer.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

struct http_peer;
struct http_request;

#define IDENTITY_MAX_GROUPS 64
#define AUTHN_MAX_TOKENS    10000

struct identity {
    struct str user; /* empty: nobody */
    struct str uid;
    struct str groups[IDENTITY_MAX_GROUPS]; /* system:authenticated included */
    size_t n_groups;
};

bool identity_is_anonymous(const struct identity *id);
bool identity_has_group(const struct identity *id, struct str group);

struct authn;

/* TOKENS is the text of a token file, or empty. Errors: -EINVAL with the line number, never the token. */
int authn_new(struct str tokens, struct authn **ret, struct err *err);
void authn_free(struct authn *a);

enum authn_result { AUTHN_OK, AUTHN_ANONYMOUS, AUTHN_REFUSED };

/* Who it is: the bearer token if there is one, else the certificate. AUTHN_REFUSED: a credential was sent and
 * is not good; REFUSAL has one sentence. RET borrows from PEER and A. */
enum authn_result authn_identify(const struct authn *a, const struct http_request *request,
                                 const struct http_peer *peer, struct identity *ret, struct err *refusal);
