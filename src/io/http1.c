#include "io/http1.h"

#include <errno.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* RFC 9110 tchar. */
static bool is_token_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && memchr("!#$%&'*+-.^_`|~", c, 15));
}

static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_token_char(s.p[i]))
            return false;
    return s.len > 0;
}

/* Field values: no control bytes but tab; bytes above 0x7f pass. */
static bool is_value(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] == 0x7f)
            return false;
    return true;
}

static bool is_target(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] <= 0x20 || s.p[i] >= 0x7f)
            return false;
    return s.len > 0;
}

bool http1_header_is_valid(struct str name, struct str value)
{
    return is_token(name) && is_value(value);
}

ptrdiff_t http1_head_len(const char *p, size_t len, size_t *scanned)
{
    size_t end = MIN(len, HTTP1_MAX_HEAD_LEN);
    for (size_t i = *scanned; i < end;) {
        const char *lf = memchr(p + i, '\n', end - i);
        if (!lf)
            break;
        i = (size_t)(lf - p);
        if (i == 0 || p[i - 1] != '\r')
            return -EINVAL;
        if (i >= 3 && p[i - 2] == '\n')
            return (ptrdiff_t)i + 1;
        i++;
    }
    *scanned = end;
    return len >= HTTP1_MAX_HEAD_LEN ? -E2BIG : 0;
}

/* Takes the next line without its CRLF. False if a CR or LF stands anywhere else. */
static bool take_line(struct str *rest, struct str *ret)
{
    ptrdiff_t cr = str_find_char(*rest, '\r');
    if (cr < 0 || (size_t)cr + 1 >= rest->len || rest->p[cr + 1] != '\n')
        return false;
    *ret = (struct str){rest->p, (size_t)cr};
    *rest = str_slice(*rest, (size_t)cr + 2, rest->len);
    return str_find_char(*ret, '\n') < 0;
}

static bool parse_version(struct str s, int *ret_minor)
{
    if (s.len != 8 || !str_has_prefix(s, STR("HTTP/1.")) || (s.p[7] != '0' && s.p[7] != '1'))
        return false;
    *ret_minor = s.p[7] - '0';
    return true;
}

/* What the headers say about framing and the connection, while they are being read. */
struct framing {
    int n_host, n_length, n_encoding, n_expect;
    bool chunked, close, keep_alive;
};

static bool parse_length(struct str s, uint64_t *ret)
{
    uint64_t n = 0;
    if (s.len < 1 || s.len > 18)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.p[i]))
            return false;
        n = n * 10 + (uint64_t)(s.p[i] - '0');
    }
    *ret = n;
    return true;
}

static void read_connection(struct str value, struct framing *f)
{
    for (struct str part; str_split(&value, ',', &part);) {
        part = str_trim(part);
        f->close |= str_case_eq(part, STR("close"));
        f->keep_alive |= str_case_eq(part, STR("keep-alive"));
    }
}

/* Returns 0 or the status to answer. */
static int read_framing(const struct http_header *h, struct http1_head *head, struct framing *f,
                        struct err *err)
{
    if (str_eq(h->name, STR("host"))) {
        f->n_host++;
    } else if (str_eq(h->name, STR("content-length"))) {
        if (f->n_length++ || !parse_length(h->value, &head->content_length))
            return err_set(err, 400, "the Content-Length is not one number");
    } else if (str_eq(h->name, STR("transfer-encoding"))) {
        f->chunked = str_case_eq(h->value, STR("chunked"));
        if (f->n_encoding++ || !f->chunked)
            return err_set(err, 501, "the only Transfer-Encoding supported is chunked");
    } else if (str_eq(h->name, STR("connection"))) {
        read_connection(h->value, f);
    } else if (str_eq(h->name, STR("expect"))) {
        head->expect_continue = str_case_eq(h->value, STR("100-continue"));
        if (f->n_expect++ || !head->expect_continue)
            return err_set(err, 417, "the only expectation supported is 100-continue");
    }
    return 0;
}

static int parse_header_line(struct str line, struct http1_head *head, struct err *err)
{
    ptrdiff_t colon = str_find_char(line, ':');
    struct str name = str_slice(line, 0, colon < 0 ? 0 : (size_t)colon);
    if (!is_token(name))
        return err_set(err, 400, "a header line does not start with a name and a colon");
    struct str value = str_slice(line, (size_t)colon + 1, line.len);
    if (!is_value(value))
        return err_set(err, 400, "the value of a header has control bytes");
    if (head->n_headers == HTTP1_MAX_HEADERS)
        return err_set(err, 431, "there are more than %d headers", HTTP1_MAX_HEADERS);
    char *p = (char *)name.p; /* the caller's bytes are writable */
    for (size_t i = 0; i < name.len; i++)
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] - 'A' + 'a');
    head->headers[head->n_headers++] = (struct http_header){name, str_trim(value)};
    return 0;
}

static int parse_headers(struct str rest, struct http1_head *head, struct framing *f, struct err *err)
{
    for (struct str line;;) {
        if (!take_line(&rest, &line))
            return err_set(err, 400, "a header line does not end in CRLF");
        if (line.len == 0)
            break;
        int status = parse_header_line(line, head, err);
        if (status == 0)
            status = read_framing(&head->headers[head->n_headers - 1], head, f, err);
        if (status)
            return status;
    }
    if (rest.len)
        return err_set(err, 400, "there are bytes behind the head");
    if (f->n_encoding && f->n_length)
        return err_set(err, 400, "there is a Content-Length beside a Transfer-Encoding");
    if (f->n_encoding && head->minor == 0)
        return err_set(err, 400, "HTTP/1.0 has no Transfer-Encoding");
    head->keep_alive = !f->close && (head->minor == 1 || f->keep_alive);
    return 0;
}

/* Absolute form becomes origin form. False if it is none of the forms a server takes. */
static bool normalize_target(struct str method, struct str *target)
{
    struct str t = *target;
    if (t.p[0] == '/')
        return true;
    if (t.len == 1 && t.p[0] == '*')
        return str_eq(method, STR("OPTIONS"));
    size_t scheme_len = str_has_prefix(t, STR("http://")) ? 7 : str_has_prefix(t, STR("https://")) ? 8 : 0;
    if (!scheme_len)
        return false;
    struct str rest = str_slice(t, scheme_len, t.len);
    ptrdiff_t slash = str_find_char(rest, '/');
    if (slash < 1)
        return false;
    *target = str_slice(rest, (size_t)slash, rest.len);
    return true;
}

static int parse_request_line(struct str line, struct http1_head *head, struct err *err)
{
    ptrdiff_t a = str_find_char(line, ' ');
    struct str rest = str_slice(line, (size_t)(a + 1), line.len);
    ptrdiff_t b = a < 0 ? -1 : str_find_char(rest, ' ');
    if (b < 0)
        return err_set(err, 400, "the request line is not METHOD TARGET VERSION");
    head->method = str_slice(line, 0, (size_t)a);
    head->target = str_slice(rest, 0, (size_t)b);
    if (!is_token(head->method) || head->method.len > 32 || !is_target(head->target))
        return err_set(err, 400, "the request line has a malformed method or target");
    struct str version = str_slice(rest, (size_t)b + 1, rest.len);
    if (!parse_version(version, &head->minor))
        return str_has_prefix(version, STR("HTTP/"))
                   ? err_set(err, 505, "the version is not HTTP/1.0 or HTTP/1.1")
                   : err_set(err, 400, "the request line has no HTTP version");
    if (!normalize_target(head->method, &head->target))
        return err_set(err, 400, "the request target is not a path");
    return 0;
}

int http1_parse_request(char *p, size_t len, struct http1_head *ret, struct err *err)
{
    struct str rest = {p, len}, line;
    struct framing f = {0};
    ret->n_headers = 0;
    ret->status = 0;
    ret->content_length = 0;
    ret->expect_continue = false;
    if (!take_line(&rest, &line))
        return err_set(err, 400, "the request line does not end in CRLF");
    int status = parse_request_line(line, ret, err);
    if (status == 0)
        status = parse_headers(rest, ret, &f, err);
    if (status)
        return status;
    if (f.n_host > 1 || (f.n_host == 0 && ret->minor == 1))
        return err_set(err, 400, "there is not exactly one Host header");
    ret->body = f.chunked ? HTTP1_CHUNKED : f.n_length ? HTTP1_LENGTH : HTTP1_NO_BODY;
    return 0;
}

/* "HTTP/1.1 200 OK"; some servers leave out the space before an empty phrase. */
static bool parse_status_line(struct str line, struct http1_head *head)
{
    if (line.len < 12 || !parse_version(str_slice(line, 0, 8), &head->minor) || line.p[8] != ' ')
        return false;
    const char *d = line.p + 9;
    if (!is_digit(d[0]) || !is_digit(d[1]) || !is_digit(d[2]) || d[0] == '0')
        return false;
    head->status = (d[0] - '0') * 100 + (d[1] - '0') * 10 + (d[2] - '0');
    struct str phrase = str_slice(line, 12, line.len);
    return phrase.len == 0 || (phrase.p[0] == ' ' && is_value(phrase));
}

int http1_parse_response(char *p, size_t len, struct str method, struct http1_head *ret, struct err *err)
{
    struct str rest = {p, len}, line;
    struct framing f = {0};
    ret->n_headers = 0;
    ret->method = ret->target = STR_NONE;
    ret->content_length = 0;
    ret->expect_continue = false;
    if (!take_line(&rest, &line) || !parse_status_line(line, ret))
        return err_set(err, -EBADMSG, "the reply does not start with an HTTP/1.1 status line");
    if (parse_headers(rest, ret, &f, err))
        return err_set(err, -EBADMSG, "%s", err ? err->text : "");
    bool bodiless = http_status_has_no_body(ret->status) || str_eq(method, STR("HEAD"));
    ret->body = bodiless     ? HTTP1_NO_BODY
                : f.chunked  ? HTTP1_CHUNKED
                : f.n_length ? HTTP1_LENGTH
                             : HTTP1_UNTIL_CLOSE;
    if (ret->body == HTTP1_UNTIL_CLOSE)
        ret->keep_alive = false;
    return 0;
}

/* --- writing --- */

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *http1_reason(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "";
}

static void write_headers(const struct http_header *headers, size_t n_headers, struct strbuf *out)
{
    for (size_t i = 0; i < n_headers; i++) {
        strbuf_add_str(out, headers[i].name);
        strbuf_add(out, ": ", 2);
        strbuf_add_str(out, headers[i].value);
        strbuf_add(out, "\r\n", 2);
    }
    strbuf_add(out, "\r\n", 2);
}

void http1_write_request(struct str method, struct str target, const struct http_header *headers,
                         size_t n_headers, struct strbuf *out)
{
    strbuf_add_str(out, method);
    strbuf_addc(out, ' ');
    strbuf_add_str(out, target);
    strbuf_addz(out, " HTTP/1.1\r\n");
    write_headers(headers, n_headers, out);
}

void http1_write_response(int status, const struct http_header *headers, size_t n_headers, struct strbuf *out)
{
    strbuf_addf(out, "HTTP/1.1 %d %s\r\n", status, http1_reason(status));
    write_headers(headers, n_headers, out);
}

/* --- chunked bodies --- */

enum chunk_state { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER, TRAILER_LF, DONE };

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int broken(struct err *err, const char *what)
{
    return err_set(err, -EBADMSG, "the chunked body is malformed: %s", what);
}

static int step_size(struct http1_chunked *c, char b, struct err *err)
{
    int digit = hex_value(b);
    if (digit >= 0) {
        if (c->n_digits++ == 15)
            return broken(err, "a size has more than 15 digits");
        c->left = c->left * 16 + (uint64_t)digit;
        return 0;
    }
    if (!c->n_digits)
        return broken(err, "a size is missing");
    if (b == ';')
        c->state = EXTENSION;
    else if (b == '\r')
        c->state = SIZE_LF;
    else
        return broken(err, "a size is not hexadecimal");
    return 0;
}

/* Extensions and trailers are dropped, but must not hide a line end or cost without bound. */
static int step_extra(struct http1_chunked *c, char b, struct err *err)
{
    if (++c->n_extra > HTTP1_MAX_CHUNK_EXTRA)
        return broken(err, "extensions and trailers are too long");
    if (b == '\r') {
        c->state = c->state == EXTENSION ? SIZE_LF : TRAILER_LF;
        return 0;
    }
    c->line_len++;
    return is_value((struct str){&b, 1}) ? 0 : broken(err, "control byte in an extension or trailer");
}

static int step_line_end(struct http1_chunked *c, char b, struct err *err)
{
    if (b != '\n')
        return broken(err, "a line does not end in CRLF");
    switch ((enum chunk_state)c->state) {
    case SIZE_LF:
        c->state = c->left ? DATA : TRAILER;
        c->line_len = 0;
        break;
    case TRAILER_LF:
        c->state = c->line_len ? TRAILER : DONE;
        c->line_len = 0;
        break;
    default:
        c->state = SIZE;
        c->n_digits = 0;
        break;
    }
    return 0;
}

static int step_byte(struct http1_chunked *c, char b, struct err *err)
{
    switch ((enum chunk_state)c->state) {
    case SIZE:
        return step_size(c, b, err);
    case EXTENSION:
    case TRAILER:
        return step_extra(c, b, err);
    case DATA_CR:
        c->state = DATA_LF;
        return b == '\r' ? 0 : broken(err, "a chunk is longer than its size");
    default:
        return step_line_end(c, b, err);
    }
}

int http1_chunked_next(struct http1_chunked *c, struct str *in, struct str *ret_data, struct err *err)
{
    *ret_data = (struct str){in->p, 0};
    while (in->len && c->state != DONE && c->state != DATA) {
        int r = step_byte(c, in->p[0], err);
        if (r < 0)
            return r;
        *in = str_slice(*in, 1, in->len);
    }
    if (c->state == DATA) {
        *ret_data = str_slice(*in, 0, (size_t)MIN(c->left, (uint64_t)in->len));
        *in = str_slice(*in, ret_data->len, in->len);
        c->left -= ret_data->len;
        if (c->left == 0)
            c->state = DATA_CR;
    }
    return c->state == DONE ? HTTP1_END : 0;
}
