/* Text encodings of bytes: base64 (standard and URL), base32, hex, percent; and SHA-256.
 *
 * Decoders are strict: wrong length, alphabet or padding is -EINVAL.
 */
#pragma once

#include "base/str.h"

void base64_encode(struct str bytes, struct strbuf *out);
int base64_decode(struct str text, struct strbuf *out);
void base64url_encode(struct str bytes, struct strbuf *out); /* without padding */
int base64url_decode(struct str text, struct strbuf *out);

/* RFC 4648 base32, upper case, with padding. */
void base32_encode(struct str bytes, struct strbuf *out);

/* Lower case. */
void hex_encode(struct str bytes, struct strbuf *out);

/* "%41" and, if PLUS is set, "+" as a space (form encoding). Errors: -EINVAL on a broken escape. */
enum percent_mode { PERCENT_PATH, PERCENT_QUERY };
int percent_decode(struct str text, enum percent_mode mode, struct strbuf *out);
/* Escapes all but unreserved characters (RFC 3986). */
void percent_encode(struct str bytes, struct strbuf *out);

#define SHA256_LEN 32
void sha256(struct str bytes, uint8_t ret[static SHA256_LEN]);
