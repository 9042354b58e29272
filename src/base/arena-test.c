#include "base/arena.h"

#include "base/test.h"

static void test_pieces_keep_their_bytes(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    char *pieces[2000];
    for (int i = 0; i < 2000; i++) {
        pieces[i] = arena_alloc(&a, 1 + i * 7 % 5000);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], i, 1 + i * 7 % 5000);
    }
    for (int i = 0; i < 2000; i++)
        for (int k = 0; k < 1 + i * 7 % 5000; k++)
            assert_int_equal((unsigned char)pieces[i][k], i & 255);
}

static void test_format_of_any_length(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    char big[2000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    assert_str(arena_format(&a, "%d-%s", 7, "a"), "7-a");
    assert_int_equal(arena_format(&a, "%s", big).len, 1999);
}

RUN_TESTS(cmocka_unit_test(test_pieces_keep_their_bytes), cmocka_unit_test(test_format_of_any_length))
