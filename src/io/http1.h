/* HTTP/1.1 on the wire: message heads and chunked bodies as functions from bytes.
 *
 * Strict where leniency lets two readers disagree about where a message ends: line ends are CRLF and nothing
 * else, no space before the colon, no folded lines, one Content-Length of digits or one "Transfer-Encoding:
 * chunked" but not both, exactly one Host. What is refused comes with the status to answer and a sentence.
 *
 *     ptrdiff_t len = http1_head_len(in.p, in.len, &scanned);   // 0: read more
 *     int status = http1_parse_request(in.p, len, &head, &err); // 0, or the status to answer
 *
 * Source: RFC 9112.
 */
#pragma once

#include "base/err.h"
#include "io/http.h"

#define HTTP1_MAX_HEAD_LEN ((size_t)64 * 1024)
#define HTTP1_MAX_HEADERS  100
/* Chunk extensions and trailers of one body; both are read and dropped. */
#define HTTP1_MAX_CHUNK_EXTRA ((size_t)8 * 1024)

enum http1_body {
    HTTP1_NO_BODY,
    HTTP1_LENGTH, /* content_length bytes, possibly 0 */
    HTTP1_CHUNKED,
    HTTP1_UNTIL_CLOSE, /* responses only */
};

struct http1_head {
    int minor;                 /* HTTP/1.minor, 0 or 1 */
    struct str method, target; /* of a request; the target in origin form, or "*" */
    int status;                /* of a response */
    enum http1_body body;
    uint64_t content_length;
    bool keep_alive;
    bool expect_continue;
    struct http_header headers[HTTP1_MAX_HEADERS];
    size_t n_headers;
};

/* The length of the head at the start of LEN bytes with its empty line; 0 while it is not complete. *SCANNED
 * (start with 0) remembers how far earlier calls looked. Errors: -EINVAL a line that does not end in CRLF;
 * -E2BIG more than HTTP1_MAX_HEAD_LEN. */
ptrdiff_t http1_head_len(const char *p, size_t len, size_t *scanned);

/* Parses a whole head of LEN bytes; names are made lower case in place, and RET points into the bytes.
 * Returns 0, or the status to answer: 400, 417, 431, 501, 505, with a sentence in ERR. */
int http1_parse_request(char *p, size_t len, struct http1_head *ret, struct err *err);

/* The same for a response to METHOD. Errors: -EBADMSG. */
int http1_parse_response(char *p, size_t len, struct str method, struct http1_head *ret, struct err *err);

/* Heads as bytes. Header names and values must be valid (http1_header_is_valid). */
void http1_write_request(struct str method, struct str target, const struct http_header *headers,
                         size_t n_headers, struct strbuf *out);
void http1_write_response(int status, const struct http_header *headers, size_t n_headers,
                          struct strbuf *out);
/* Name is a token, value has no control bytes: it cannot start another line. */
bool http1_header_is_valid(struct str name, struct str value);

/* "Not Found"; "" for a status without a registered phrase. */
const char *http1_reason(int status);

/* Decoder of a chunked body. A zeroed struct is at its start. */
struct http1_chunked {
    int state;
    int n_digits;
    uint64_t left;   /* of the current chunk */
    size_t n_extra;  /* bytes of extensions and trailers so far */
    size_t line_len; /* of the current trailer line */
};

enum { HTTP1_END = 1 };

/* Takes bytes from the front of *IN. Returns 0 with the next piece of body in RET_DATA (a view, may be empty;
 * call again while *IN has bytes), HTTP1_END when the body and its trailers are over. Errors: -EBADMSG. */
int http1_chunked_next(struct http1_chunked *c, struct str *in, struct str *ret_data, struct err *err);
