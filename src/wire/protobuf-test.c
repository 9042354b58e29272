#include "wire/protobuf.h"

#include <errno.h>

#include "base/encoding.h"
#include "base/test.h"

static void assert_hex(struct strbuf *b, const char *want)
{
    _cleanup_(strbuf_done) struct strbuf hex = {0};
    hex_encode(strbuf_str(b), &hex);
    assert_string_equal(strbuf_cstr(&hex), want);
}

/* The examples of the encoding guide. */
static void test_writes_as_documented(void **state)
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    protobuf_put_varint(&b, 1, 150);
    protobuf_put_string(&b, 2, STR("testing"));
    size_t at = protobuf_begin(&b, 3);
    protobuf_put_varint(&b, 1, 150);
    protobuf_end(&b, at);
    protobuf_put_sint(&b, 4, -2);
    protobuf_put_fixed32(&b, 5, 0x01020304);
    protobuf_put_fixed64(&b, 16, 0x0102030405060708);
    protobuf_put_varint(&b, 6, UINT64_MAX);
    assert_hex(&b, "089601120774657374696e671a030896012003"
                   "2d04030201810108070605040302013"
                   "0ffffffffffffffffff01");
}

static void test_nested_lengths_grow(void **state)
{
    static const size_t lengths[] = {0, 1, 125, 126, 127, 128, 129, 16383, 16384, 70000};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        _cleanup_(strbuf_done) struct strbuf b = {0};
        _cleanup_(mem_freep) char *text = mem_zalloc(lengths[i] + 1);
        memset(text, 'x', lengths[i]);
        size_t outer = protobuf_begin(&b, 1), inner = protobuf_begin(&b, 2);
        protobuf_put_string(&b, 3, (struct str){text, lengths[i]});
        protobuf_end(&b, inner);
        protobuf_put_varint(&b, 4, 7);
        protobuf_end(&b, outer);
        struct protobuf_field f;
        struct protobuf_reader r = protobuf_reader(strbuf_str(&b));
        assert_true(protobuf_next(&r, &f) && f.number == 1 && !r.rest.len);
        struct protobuf_reader o = protobuf_reader(f.bytes);
        assert_true(protobuf_next(&o, &f) && f.number == 2);
        struct protobuf_reader n = protobuf_reader(f.bytes);
        assert_true(protobuf_next(&o, &f) && f.number == 4 && f.number_value == 7);
        assert_true(protobuf_next(&n, &f) && f.number == 3 && f.bytes.len == lengths[i]);
        assert_true(str_eqz(f.bytes, text));
        assert_false(protobuf_next(&n, &f) || protobuf_next(&o, &f) || protobuf_next(&r, &f));
        assert_int_equal(n.error | o.error | r.error, 0);
    }
}

static void test_zigzag(void **state)
{
    static const int64_t values[] = {0, -1, 1, -2, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        _cleanup_(strbuf_done) struct strbuf b = {0};
        struct protobuf_field f;
        protobuf_put_sint(&b, 1, values[i]);
        struct protobuf_reader r = protobuf_reader(strbuf_str(&b));
        assert_true(protobuf_next(&r, &f));
        assert_true(protobuf_sint(f.number_value) == values[i]);
    }
}

static void test_broken_input_sticks(void **state)
{
    static const struct {
        struct str bytes;
        const char *why;
    } rows[] = {
        {STR_INIT("\x08"), "a varint is cut off"},
        {STR_INIT("\x08\x80"), "a varint is cut off"},
        {STR_INIT("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), "a varint is too long"},
        {STR_INIT("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), "a varint is too long"},
        {STR_INIT("\x12\x05"
                  "abcd"),
         "a field is longer than its message"},
        {STR_INIT("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "a field is longer than its message"},
        {STR_INIT("\x2d\x01\x02\x03"), "a fixed field is cut off"},
        {STR_INIT("\x09\x01\x02\x03\x04\x05\x06\x07"), "a fixed field is cut off"},
        {STR_INIT("\x00\x00"), "a field number is out of range"},
        {STR_INIT("\x80\x80\x80\x80\x10\x00"), "a field number is out of range"},
        {STR_INIT("\x0b\x0c"), "a group or unknown wire type"},
        {STR_INIT("\x0e"), "a group or unknown wire type"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct protobuf_reader r = protobuf_reader(rows[i].bytes);
        struct protobuf_field f;
        assert_false(protobuf_next(&r, &f));
        assert_int_equal(r.error, -EBADMSG);
        assert_string_equal(r.why, rows[i].why);
        assert_false(protobuf_next(&r, &f));
    }
    struct protobuf_reader r = protobuf_reader(STR("\x08\x01\x08"));
    struct protobuf_field f;
    assert_true(protobuf_next(&r, &f));
    assert_false(protobuf_next(&r, &f));
    assert_int_equal(r.error, -EBADMSG);
}

RUN_TESTS(cmocka_unit_test(test_writes_as_documented), cmocka_unit_test(test_nested_lengths_grow),
          cmocka_unit_test(test_zigzag), cmocka_unit_test(test_broken_input_sticks))
