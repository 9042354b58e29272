/* Host names to addresses without blocking the loop: each lookup is getaddrinfo(3) in a thread of its own. */
#pragma once

#include <sys/socket.h>

#include "base/err.h"
#include "io/loop.h"

#define RESOLVE_MAX 8

struct resolve_result {
    int n; /* > 0 unless there is an error */
    struct sockaddr_storage addrs[RESOLVE_MAX];
    char error[128];
};

struct resolve;
typedef void resolve_fn(void *user, const struct resolve_result *result);

/* DONE comes once, later, on the loop, and *RET is gone with it. Errors: -EAGAIN and others: no thread or
 * pipe. */
int resolve_start(struct loop *loop, const char *host, uint16_t port, resolve_fn *done, void *user,
                  struct resolve **ret);
/* DONE does not come. NULL is fine. */
void resolve_cancel(struct resolve *r);
