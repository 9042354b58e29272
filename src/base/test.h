/* What every unit test includes: cmocka and what it needs, in the order it needs it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include "base/str.h"

/* Compares a view with a literal or C string. */
#define assert_str(actual, expected)                                                                         \
    do {                                                                                                     \
        struct str actual_ = (actual);                                                                       \
        char *copy_ = mem_dup(actual_.p, actual_.len);                                                       \
        assert_string_equal(copy_, (expected));                                                              \
        free(copy_);                                                                                         \
    } while (0)

#define RUN_TESTS(...)                                                                                       \
    int main(void)                                                                                           \
    {                                                                                                        \
        const struct CMUnitTest tests[] = {__VA_ARGS__};                                                     \
        return cmocka_run_group_tests(tests, NULL, NULL);                                                    \
    }
