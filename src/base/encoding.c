#include "base/encoding.h"

#include <errno.h>
#include <openssl/sha.h>

static const char base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64url_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void base64_encode_with(struct str in, const char *alphabet, bool padding, struct strbuf *out)
{
    const uint8_t *p = (const uint8_t *)in.p;
    strbuf_reserve(out, in.len / 3 * 4 + 4);
    for (size_t i = 0; i < in.len; i += 3) {
        size_t n = MIN(in.len - i, (size_t)3);
        uint32_t v = (uint32_t)p[i] << 16 | (n > 1 ? p[i + 1] << 8 : 0) | (n > 2 ? p[i + 2] : 0);
        for (size_t k = 0; k < 4; k++) {
            if (k <= n)
                strbuf_addc(out, alphabet[v >> (18 - 6 * k) & 63]);
            else if (padding)
                strbuf_addc(out, '=');
        }
    }
}

static int base64_decode_with(struct str in, const char *alphabet, bool padding, struct strbuf *out)
{
    if (padding) {
        if (in.len % 4)
            return -EINVAL;
        for (int i = 0; i < 2 && in.len && in.p[in.len - 1] == '='; i++)
            in.len--;
    }
    if (in.len % 4 == 1)
        return -EINVAL;
    uint32_t v = 0;
    int bits = 0;
    strbuf_reserve(out, in.len / 4 * 3 + 3);
    for (size_t i = 0; i < in.len; i++) {
        const char *at = in.p[i] ? strchr(alphabet, in.p[i]) : NULL;
        if (!at)
            return -EINVAL;
        v = v << 6 | (uint32_t)(at - alphabet);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            strbuf_addc(out, (char)(v >> bits));
            v &= (1u << bits) - 1;
        }
    }
    return 0;
}

void base64_encode(struct str bytes, struct strbuf *out)
{
    base64_encode_with(bytes, base64_alphabet, true, out);
}

int base64_decode(struct str text, struct strbuf *out)
{
    return base64_decode_with(text, base64_alphabet, true, out);
}

void base64url_encode(struct str bytes, struct strbuf *out)
{
    base64_encode_with(bytes, base64url_alphabet, false, out);
}

int base64url_decode(struct str text, struct strbuf *out)
{
    return base64_decode_with(text, base64url_alphabet, false, out);
}

void base32_encode(struct str in, struct strbuf *out)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    static const int n_chars[] = {0, 2, 4, 5, 7, 8};
    for (size_t i = 0; i < in.len; i += 5) {
        size_t n = MIN(in.len - i, (size_t)5);
        uint64_t v = 0;
        for (size_t k = 0; k < 5; k++)
            v = v << 8 | (k < n ? (uint8_t)in.p[i + k] : 0);
        for (int k = 0; k < 8; k++)
            strbuf_addc(out, k < n_chars[n] ? alphabet[v >> (35 - 5 * k) & 31] : '=');
    }
}

void hex_encode(struct str in, struct strbuf *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < in.len; i++) {
        strbuf_addc(out, digits[(uint8_t)in.p[i] >> 4]);
        strbuf_addc(out, digits[in.p[i] & 15]);
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int percent_decode(struct str in, enum percent_mode mode, struct strbuf *out)
{
    for (size_t i = 0; i < in.len; i++) {
        if (in.p[i] == '+' && mode == PERCENT_QUERY) {
            strbuf_addc(out, ' ');
        } else if (in.p[i] != '%') {
            strbuf_addc(out, in.p[i]);
        } else {
            int high = in.len - i > 2 ? hex_digit(in.p[i + 1]) : -1;
            int low = in.len - i > 2 ? hex_digit(in.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return -EINVAL;
            strbuf_addc(out, (char)(high << 4 | low));
            i += 2;
        }
    }
    return 0;
}

void percent_encode(struct str in, struct strbuf *out)
{
    for (size_t i = 0; i < in.len; i++) {
        char c = in.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '.' || c == '_' || c == '~';
        if (plain)
            strbuf_addc(out, c);
        else
            strbuf_addf(out, "%%%02X", (uint8_t)c);
    }
}

void sha256(struct str in, uint8_t ret[static SHA256_LEN])
{
    SHA256((const uint8_t *)(in.p ? in.p : ""), in.len, ret);
}
