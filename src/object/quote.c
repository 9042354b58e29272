/* Go's %q. */
#include "object/quote.h"

/* Length of the UTF-8 sequence at S, 0 if there is none. */
static size_t quote_sequence(struct str s, uint32_t *ret_rune)
{
    unsigned char c = s.p[0];
    size_t n = c < 0x80                ? 1
               : c >= 0xc2 && c < 0xe0 ? 2
               : c >= 0xe0 && c < 0xf0 ? 3
               : c >= 0xf0 && c < 0xf5 ? 4
                                       : 0;
    if (!n || n > s.len)
        return 0;
    uint32_t rune = n == 1 ? c : c & (0x7f >> n);
    for (size_t i = 1; i < n; i++) {
        unsigned char next = s.p[i];
        if ((next & 0xc0) != 0x80)
            return 0;
        rune = rune << 6 | (next & 0x3f);
    }
    bool overlong = (n == 3 && rune < 0x800) || (n == 4 && rune < 0x10000);
    if (overlong || rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000))
        return 0;
    *ret_rune = rune;
    return n;
}

/* What a terminal could obey (C1 controls, bidirectional marks, separators) is escaped like Go's unprintable
 * runes. */
static bool quote_is_printable(uint32_t rune)
{
    if (rune < 0x20 || (rune >= 0x7f && rune <= 0xa0) || rune == 0xad)
        return false;
    if ((rune >= 0x2000 && rune <= 0x200f) || (rune >= 0x2028 && rune <= 0x202f) ||
        (rune >= 0x205f && rune <= 0x206f))
        return false;
    return rune != 0xfeff && rune != 0xfffe && rune != 0xffff && !(rune >= 0xe000 && rune < 0xf900);
}

static void quote_rune(struct strbuf *out, struct str bytes, uint32_t rune)
{
    static const char plain[] = "\a\b\t\n\v\f\r", letters[] = "abtnvfr";
    const char *at = rune && rune < 0x20 ? strchr(plain, (int)rune) : NULL;
    if (rune == '"' || rune == '\\')
        strbuf_addf(out, "\\%c", (int)rune);
    else if (at)
        strbuf_addf(out, "\\%c", letters[at - plain]);
    else if (quote_is_printable(rune))
        strbuf_add_str(out, bytes);
    else if (rune < 0x80)
        strbuf_addf(out, "\\x%02x", rune);
    else if (rune < 0x10000)
        strbuf_addf(out, "\\u%04x", rune);
    else
        strbuf_addf(out, "\\U%08x", rune);
}

void quote_add(struct strbuf *out, struct str s)
{
    strbuf_addc(out, '"');
    for (size_t i = 0; i < s.len;) {
        uint32_t rune = 0;
        struct str rest = str_slice(s, i, s.len);
        size_t n = quote_sequence(rest, &rune);
        if (n)
            quote_rune(out, str_slice(rest, 0, n), rune);
        else
            strbuf_addf(out, "\\x%02x", (unsigned char)s.p[i]);
        i += n ? n : 1;
    }
    strbuf_addc(out, '"');
}

struct str quote(struct arena *a, struct str s)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    quote_add(&b, s);
    return arena_str(a, strbuf_str(&b));
}
