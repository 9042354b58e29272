/* Deletions: the options of one, and the write that does it; for delete and deletecollection. */
#pragma once

#include "apiserver/write.h"

enum propagation { PROPAGATE_DEFAULT, PROPAGATE_BACKGROUND, PROPAGATE_FOREGROUND, PROPAGATE_ORPHAN };

struct deletion {
    int64_t grace_seconds; /* -1: not said */
    enum propagation propagation;
    bool dry_run;
    struct str uid, resource_version; /* preconditions; empty: none */
};

/* From body and query. Returns a 400 or NULL. */
struct status *deletion_parse(struct request *r, struct deletion *ret);

/* A write that deletes; OPS->done is called with its outcome. D lives as long as the request. */
struct write *deletion_new(struct request *r, const struct deletion *d, const struct write_ops *ops);
