/* Logs: one line per message on standard error, in klog's form, or as JSON.
 *
 *     I1124 08:14:15.123456   4242 file.c:17] Service created: namespace=default name=web
 *
 * Levels: error, warning, info, and verbose info that -v N lets through. A WARN names the object, what was
 * kept or dropped, and what the operator can do. Libraries return errors instead of logging; the boundary
 * (request, sync, main) logs once. Anything that a packet or a client can cause uses the _limited form.
 * Secrets are never arguments.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO };
enum log_format { LOG_TEXT, LOG_JSON };

/* Process-wide settings, made once by src/cmd. */
void log_set_verbosity(int v);
void log_set_format(enum log_format format);

bool log_enabled(int v);
void log_write(enum log_level level, const char *file, int line, const char *format, ...) _printf_(4, 5);

#define log_error(...) log_write(LOG_ERROR, __FILE__, __LINE__, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __FILE__, __LINE__, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __FILE__, __LINE__, __VA_ARGS__)
#define log_v(v, ...)                                                                                        \
    do {                                                                                                     \
        if (log_enabled(v))                                                                                  \
            log_write(LOG_INFO, __FILE__, __LINE__, __VA_ARGS__);                                            \
    } while (0)

/* At most one line per place and 10 s; says how many were left out. */
struct log_limit {
    int64_t next_ns;
    uint64_t dropped;
};
bool log_limit_pass(struct log_limit *limit, uint64_t *ret_dropped);
#define log_warn_limited(...)                                                                                \
    do {                                                                                                     \
        static struct log_limit limit_;                                                                      \
        uint64_t dropped_;                                                                                   \
        if (log_limit_pass(&limit_, &dropped_)) {                                                            \
            if (dropped_)                                                                                    \
                log_warn("%lu more like the next line in the last 10 s", (unsigned long)dropped_);           \
            log_warn(__VA_ARGS__);                                                                           \
        }                                                                                                    \
    } while (0)
