/* Errors: a code and one sentence.
 *
 * Three classes (ARCHITECTURE.md): 0 is done; a positive value is a named outcome of the module that its
 * direct caller must handle; a negative errno travels up. A function whose failure needs words takes
 * `struct err *err` last; the value lives on the caller's stack and may be NULL. err_wrap() puts context in
 * front on the way up; the boundary (request, sync, main) logs once.
 *
 *     struct err err = {0};
 *     if (store_open(..., &err) < 0)
 *         log_error("cannot open the store: %s", err.text);
 */
#pragma once

#include "base/mem.h"

struct err {
    int code;       /* what the function returned: a negative errno, or a positive outcome of its module */
    char text[480]; /* one sentence without a final stop; always terminated; cut if longer */
};

/* Fills ERR (unless NULL) and returns CODE, so that `return err_set(err, -EINVAL, ...)` reads well. */
int err_set(struct err *err, int code, const char *format, ...) _printf_(3, 4);

/* The same with ": " and the text of errno value -CODE at the end. */
int err_set_errno(struct err *err, int code, const char *format, ...) _printf_(3, 4);

/* Puts "CONTEXT: " in front of the text that is there. Returns the code that is there. */
int err_wrap(struct err *err, const char *format, ...) _printf_(2, 3);
