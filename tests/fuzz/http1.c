/* HTTP/1.1 heads and chunked bodies. The first byte says what the rest is; what parses must mean the same
 * after it is printed and parsed again, and a body must not depend on how its bytes arrive. */
#include <stdlib.h>

#include "io/http1.h"

static void require(bool truth)
{
    if (!truth)
        abort();
}

static void require_same(const struct http1_head *a, const struct http1_head *b)
{
    require(a->body == b->body && a->content_length == b->content_length && a->n_headers == b->n_headers);
    require(a->expect_continue == b->expect_continue && a->status == b->status);
    require(str_eq(a->method, b->method) && str_eq(a->target, b->target));
    for (size_t i = 0; i < a->n_headers; i++)
        require(str_eq(a->headers[i].name, b->headers[i].name) &&
                str_eq(a->headers[i].value, b->headers[i].value));
}

static void fuzz_request(struct str text)
{
    _cleanup_(mem_freep) char *copy = mem_dup(text.p, text.len);
    _cleanup_(strbuf_done) struct strbuf printed = {0};
    struct http1_head head, again;
    size_t scanned = 0;
    ptrdiff_t len = http1_head_len(copy, text.len, &scanned);
    if (len <= 0 || http1_parse_request(copy, (size_t)len, &head, NULL) != 0)
        return;
    for (size_t i = 0; i < head.n_headers; i++)
        require(http1_header_is_valid(head.headers[i].name, head.headers[i].value));
    http1_write_request(head.method, head.target, head.headers, head.n_headers, &printed);
    if (head.minor == 0 && !http_header_find(head.headers, head.n_headers, STR("host")).p)
        return; /* 1.1, which is what is printed, needs one */
    scanned = 0;
    require(http1_head_len(printed.p, printed.len, &scanned) == (ptrdiff_t)printed.len);
    require(http1_parse_request(printed.p, printed.len, &again, NULL) == 0);
    require_same(&head, &again);
}

static void fuzz_response(struct str text)
{
    _cleanup_(mem_freep) char *copy = mem_dup(text.p, text.len);
    _cleanup_(strbuf_done) struct strbuf printed = {0};
    struct http1_head head, again;
    size_t scanned = 0;
    ptrdiff_t len = http1_head_len(copy, text.len, &scanned);
    if (len <= 0 || http1_parse_response(copy, (size_t)len, STR("GET"), &head, NULL) != 0)
        return;
    http1_write_response(head.status, head.headers, head.n_headers, &printed);
    require(http1_parse_response(printed.p, printed.len, STR("GET"), &again, NULL) == 0);
    require_same(&head, &again);
}

/* Returns what http1_chunked_next() returned last; the body is in OUT, the bytes used in RET_USED. */
static int decode(struct str text, size_t step, struct strbuf *out, size_t *ret_used)
{
    struct http1_chunked c = {0};
    int r = 0;
    size_t used = 0;
    while (used < text.len && r == 0) {
        struct str in = str_slice(text, used, used + step), data;
        size_t before = in.len;
        r = http1_chunked_next(&c, &in, &data, NULL);
        used += before - in.len;
        if (r >= 0)
            strbuf_add_str(out, data);
        require(r != 0 || before != in.len); /* it moves */
    }
    *ret_used = used;
    return r;
}

static void fuzz_chunked(struct str text)
{
    _cleanup_(strbuf_done) struct strbuf whole = {0}, single = {0};
    size_t used_whole, used_single;
    int r = decode(text, text.len, &whole, &used_whole);
    require(decode(text, 1, &single, &used_single) == r);
    require(used_whole == used_single && str_eq(strbuf_str(&whole), strbuf_str(&single)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0)
        return 0;
    struct str text = {(const char *)data + 1, len - 1};
    switch (data[0] % 3) {
    case 0:
        fuzz_request(text);
        break;
    case 1:
        fuzz_response(text);
        break;
    default:
        fuzz_chunked(text);
        break;
    }
    return 0;
}
