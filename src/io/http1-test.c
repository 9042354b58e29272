#include "base/test.h"

#include <errno.h>
#include <stdio.h>

#include "io/http1.h"

/* The status of the refusal, or 0. The head is given without its empty line. */
static int parse(const char *text, struct http1_head *head, char *buf, size_t size)
{
    struct err err = {0};
    size_t scanned = 0;
    int n = snprintf(buf, size, "%s\r\n", text);
    ptrdiff_t len = http1_head_len(buf, (size_t)n, &scanned);
    if (len <= 0)
        return len < 0 ? 400 : 1; /* 1: not complete */
    assert_int_equal(len, n);
    int status = http1_parse_request(buf, (size_t)len, head, &err);
    assert_int_equal(status != 0, err.text[0] != 0);
    return status;
}

static void test_request(void **state)
{
    struct http1_head head;
    char buf[1024];
    assert_int_equal(parse("POST /api/v1/pods?watch=1 HTTP/1.1\r\nHost: a:6443\r\nX-Thing:\t two words \r\n"
                           "Content-Length: 12\r\nExpect: 100-continue\r\nEmpty:\r\n",
                           &head, buf, sizeof buf),
                     0);
    assert_str(head.method, "POST");
    assert_str(head.target, "/api/v1/pods?watch=1");
    assert_int_equal(head.minor, 1);
    assert_int_equal(head.body, HTTP1_LENGTH);
    assert_int_equal(head.content_length, 12);
    assert_true(head.keep_alive);
    assert_true(head.expect_continue);
    assert_int_equal(head.n_headers, 5);
    assert_str(http_header_find(head.headers, head.n_headers, STR("x-thing")), "two words");
    assert_str(http_header_find(head.headers, head.n_headers, STR("empty")), "");
    assert_null(http_header_find(head.headers, head.n_headers, STR("absent")).p);
}

/* Whatever could make two readers see different messages. */
static void test_smuggling_is_refused(void **state)
{
    static const struct {
        int status;
        const char *head;
    } cases[] = {
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3 3\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999999999999\r\n"},
        {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n"},
        {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n"},
        {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n"},
        {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"},
        {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0b"
              "chunked\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\n Transfer-Encoding: chunked\r\n"},
        {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tfolded\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nX: a\nTransfer-Encoding: chunked\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nX: a\rTransfer-Encoding: chunked\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\n: empty name\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nno colon\r\n"},
        {400, "POST / HTTP/1.1\r\nHost: a\r\nX\x01: a\r\n"},
        {400, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"},
        {400, "GET / HTTP/1.1\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n"},
        {400, "GET /\r\nHost: a\r\n"},
        {400, "GET  / HTTP/1.1\r\nHost: a\r\n"},
        {505, "GET / HTTP/1.1 \r\nHost: a\r\n"},
        {400, "GET /a b HTTP/1.1\r\nHost: a\r\n"},
        {400, " GET / HTTP/1.1\r\nHost: a\r\n"},
        {400, "\r\nGET / HTTP/1.1\r\nHost: a\r\n"},
        {400, "G(T / HTTP/1.1\r\nHost: a\r\n"},
        {400, "GET a HTTP/1.1\r\nHost: a\r\n"},
        {400, "GET * HTTP/1.1\r\nHost: a\r\n"},
        {400, "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n"},
        {400, "GET http:///x HTTP/1.1\r\nHost: a\r\n"},
        {400, "GET /\x7f HTTP/1.1\r\nHost: a\r\n"},
        {400, "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n"},
        {400, "GET / http/1.1\r\nHost: a\r\n"},
        {505, "GET / HTTP/2.0\r\nHost: a\r\n"},
        {505, "GET / HTTP/1.2\r\nHost: a\r\n"},
        {505, "GET / HTTP/1.10\r\nHost: a\r\n"},
        {417, "GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n"},
        {0, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n"},
        {0, "GET http://other/x HTTP/1.1\r\nHost: a\r\n"},
        {0, "OPTIONS * HTTP/1.1\r\nHost: a\r\n"},
        {0, "GET / HTTP/1.0\r\n"},
        {0, "GET / HTTP/1.1\r\nHost:\r\n"},
        {0, "GET / HTTP/1.1\r\nHost: a\r\nX: caf\xc3\xa9\r\n"},
    };
    struct http1_head head;
    char buf[1024];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (parse(cases[i].head, &head, buf, sizeof buf) != cases[i].status)
            fail_msg("%d expected: %s", cases[i].status, cases[i].head);
}

static void test_connection(void **state)
{
    static const struct {
        bool keep_alive;
        const char *head;
    } cases[] = {
        {true, "GET / HTTP/1.1\r\nHost: a\r\n"},
        {false, "GET / HTTP/1.0\r\nHost: a\r\n"},
        {true, "GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n"},
        {false, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n"},
        {false, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, close\r\n"},
        {true, "GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n"},
    };
    struct http1_head head;
    char buf[256];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(parse(cases[i].head, &head, buf, sizeof buf), 0);
        assert_int_equal(head.keep_alive, cases[i].keep_alive);
    }
}

static void test_limits(void **state)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    struct http1_head head;
    struct err err = {0};
    size_t scanned = 0;
    strbuf_addz(&b, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < HTTP1_MAX_HEADERS; i++)
        strbuf_addf(&b, "x%d: y\r\n", i);
    strbuf_addz(&b, "\r\n");
    assert_int_equal(http1_parse_request(b.p, b.len, &head, &err), 431);

    strbuf_truncate(&b, 0);
    strbuf_addz(&b, "GET / HTTP/1.1\r\nX: ");
    while (b.len < HTTP1_MAX_HEAD_LEN - 1)
        strbuf_addc(&b, 'a');
    assert_int_equal(http1_head_len(b.p, b.len, &scanned), 0);
    strbuf_addc(&b, 'a');
    assert_int_equal(http1_head_len(b.p, b.len, &scanned), -E2BIG);
}

static void test_head_len_byte_by_byte(void **state)
{
    const char *text = "GET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
    size_t len = strlen(text) - 4, scanned = 0;
    for (size_t i = 0; i < len; i++)
        assert_int_equal(http1_head_len(text, i, &scanned), 0);
    assert_int_equal(http1_head_len(text, len, &scanned), len);
    scanned = 0;
    assert_int_equal(http1_head_len(text, strlen(text), &scanned), len);
}

static void test_response(void **state)
{
    static const struct {
        int r;
        enum http1_body body;
        bool keep_alive;
        const char *method, *head;
    } cases[] = {
        {0, HTTP1_LENGTH, true, "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
        {0, HTTP1_NO_BODY, true, "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
        {0, HTTP1_NO_BODY, true, "GET", "HTTP/1.1 204 No Content\r\n\r\n"},
        {0, HTTP1_NO_BODY, true, "GET", "HTTP/1.1 100\r\n\r\n"},
        {0, HTTP1_CHUNKED, true, "GET", "HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n"},
        {0, HTTP1_UNTIL_CLOSE, false, "GET", "HTTP/1.1 200 OK\r\n\r\n"},
        {0, HTTP1_LENGTH, false, "GET", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n"},
        {-EBADMSG, 0, 0, "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"},
        {-EBADMSG, 0, 0, "GET", "HTTP/1.1 20 OK\r\n\r\n"},
        {-EBADMSG, 0, 0, "GET", "HTTP/1.1 2000\r\n\r\n"},
        {-EBADMSG, 0, 0, "GET", "HTTP/2 200 OK\r\n\r\n"},
        {-EBADMSG, 0, 0, "GET", "SSH-2.0-OpenSSH\r\n\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http1_head head;
        struct err err = {0};
        _cleanup_(mem_freep) char *copy = mem_strdup(cases[i].head);
        assert_int_equal(http1_parse_response(copy, strlen(copy), str_of(cases[i].method), &head, &err),
                         cases[i].r);
        if (cases[i].r < 0)
            continue;
        assert_int_equal(head.body, cases[i].body);
        assert_int_equal(head.keep_alive, cases[i].keep_alive);
    }
}

/* Decodes TEXT in pieces of STEP bytes; the result must not depend on it. */
static int decode(struct str text, size_t step, struct strbuf *out, size_t *ret_used)
{
    struct http1_chunked c = {0};
    size_t used = 0;
    while (used < text.len) {
        struct str in = str_slice(text, used, used + step), data;
        size_t before = in.len;
        struct err err = {0};
        int r = http1_chunked_next(&c, &in, &data, &err);
        used += before - in.len;
        if (r < 0)
            return r;
        strbuf_add_str(out, data);
        if (r == HTTP1_END) {
            *ret_used = used;
            return r;
        }
    }
    return 0;
}

static void test_chunked(void **state)
{
    static const struct {
        int r;
        const char *text, *body;
    } cases[] = {
        {1, "5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n", "hello world"},
        {1, "00A\r\n0123456789\r\n0;x\r\nTrailer: x\r\nOther: y\r\n\r\n", "0123456789"},
        {1, "0\r\n\r\n", ""},
        {0, "5\r\nhel", "hel"},
        {0, "5\r\nhello\r\n0\r\n", "hello"},
        {-EBADMSG, "5\nhello\r\n0\r\n\r\n", ""},
        {-EBADMSG, "5 \r\nhello\r\n0\r\n\r\n", ""},
        {-EBADMSG, " 5\r\nhello\r\n0\r\n\r\n", ""},
        {-EBADMSG, "0x5\r\nhello\r\n0\r\n\r\n", ""},
        {-EBADMSG, "-5\r\nhello\r\n0\r\n\r\n", ""},
        {-EBADMSG, "\r\nhello\r\n0\r\n\r\n", ""},
        {-EBADMSG, "5\r\nhello0\r\n\r\n", "hello"},
        {-EBADMSG, "5\r\nhello\n0\r\n\r\n", "hello"},
        {-EBADMSG, "5;a\nb\r\nhello\r\n0\r\n\r\n", ""},
        {-EBADMSG, "1000000000000000\r\nx", ""},
        {-EBADMSG, "0\r\nA: b\nB: c\r\n\r\n", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (size_t step = 1; step < 30; step++) {
            _cleanup_(strbuf_done) struct strbuf out = {0};
            size_t used = 0;
            struct str text = str_of(cases[i].text);
            if (decode(text, step, &out, &used) != cases[i].r)
                fail_msg("%d expected in steps of %zu: %s", cases[i].r, step, cases[i].text);
            if (cases[i].r >= 0)
                assert_str(strbuf_str(&out), cases[i].body);
            if (cases[i].r == 1)
                assert_int_equal(used, text.len);
        }
}

static void test_chunked_extra_is_bounded(void **state)
{
    for (int trailer = 0; trailer < 2; trailer++) {
        _cleanup_(strbuf_done) struct strbuf b = {0}, out = {0};
        size_t used;
        strbuf_addz(&b, trailer ? "0\r\nX: " : "5;");
        for (size_t i = 0; i < HTTP1_MAX_CHUNK_EXTRA; i++)
            strbuf_addc(&b, 'a');
        strbuf_addz(&b, trailer ? "\r\n\r\n" : "\r\nhello\r\n0\r\n\r\n");
        assert_int_equal(decode(strbuf_str(&b), 4096, &out, &used), -EBADMSG);
    }
}

static void test_write(void **state)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    struct http_header headers[] = {{STR("host"), STR("a")}, {STR("x"), STR("y z")}};
    http1_write_request(STR("GET"), STR("/x"), headers, 2, &b);
    assert_string_equal(b.p, "GET /x HTTP/1.1\r\nhost: a\r\nx: y z\r\n\r\n");
    strbuf_truncate(&b, 0);
    http1_write_response(404, headers + 1, 1, &b);
    assert_string_equal(b.p, "HTTP/1.1 404 Not Found\r\nx: y z\r\n\r\n");
    assert_true(http1_header_is_valid(STR("x-y"), STR("a\tb")));
    assert_false(http1_header_is_valid(STR("x y"), STR("a")));
    assert_false(http1_header_is_valid(STR("x"), STR("a\r\nb: c")));
}

RUN_TESTS(cmocka_unit_test(test_request), cmocka_unit_test(test_smuggling_is_refused),
          cmocka_unit_test(test_connection), cmocka_unit_test(test_limits),
          cmocka_unit_test(test_head_len_byte_by_byte), cmocka_unit_test(test_response),
          cmocka_unit_test(test_chunked), cmocka_unit_test(test_chunked_extra_is_bounded),
          cmocka_unit_test(test_write))
