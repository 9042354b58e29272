/* A datapath, for those who write one. This file and forwarding-state.h are all there is to know.
 *
 * A provider is one constant (struct datapath_provider), listed in meson.build. It says what would change
 * (plan: pure, a value that prints) and makes it so (apply: the only step with effects). datapath.c keeps the
 * order:
 *
 *     supported? -> open -> [ read ] -> plan -> apply -> plan -> apply ... -> close
 *
 * read comes before the first plan and again whenever the kernel's contents are in doubt: after a failed
 * apply, and when the caller asks for repair. Otherwise the plan is made from the difference of two states,
 * which must cost in proportion to what changed. All hooks run on one loop and must not block it; read, apply
 * and cleanup answer later through their callback, exactly once, never inside the call. At most one of them
 * runs at a time, and close may come meanwhile: then the callback must never come.
 *
 * Behaviour all providers share (tests/datapath proves it): section 3 of docs/DATAPATH.md. Where the kernel
 * cannot, the difference stands in docs/COMPAT.md.
 */
#pragma once

#include "datapath/datapath.h"

/* What a plan needs to say to datapath.c; the provider's own struct begins with it. */
struct datapath_plan {
    bool is_empty;   /* nothing to do: apply is not called */
    bool needs_read; /* the difference of these two states does not tell; read, and plan again without HAVE */
};

struct datapath_provider {
    const char *name; /* the word of --proxy-mode */
    struct datapath_capabilities capabilities;

    /* Whether this host has what it takes, without changing anything. Called before open, and alone.
     * Errors: -ENOTSUP, with a sentence that names what is missing. */
    int (*supported)(const struct datapath_options *options, struct err *err);

    /* Makes an instance. OPTIONS live as long as it. Must not write to the kernel. RET_SELF is passed to
     * every hook below. Errors: any; the sentence is shown to the operator. */
    int (*open)(const struct datapath_options *options, void **ret_self, struct err *err);

    /* Frees the instance, cancelling what runs. The kernel keeps its rules. SELF is never NULL. */
    void (*close)(void *self);

    /* Reads what the kernel has of ours and keeps it until the next read, apply or close. Foreign objects are
     * not looked at. Errors: any; the request fails with it. */
    void (*read)(void *self, struct datapath_callback callback);

    /* What leads from HAVE to WANT. HAVE is what was applied last; NULL means: from what read() found, which
     * includes removing our own leftovers. RET_PLAN is freed with plan_free, always. Never fails. Pure. */
    void (*plan)(void *self, const struct forwarding_state *have, const struct forwarding_state *want,
                 struct datapath_plan **ret_plan);

    /* The plan as text that an operator of this datapath can read; stable, since golden tests compare it. */
    void (*plan_print)(const struct datapath_plan *plan, struct strbuf *out);
    void (*plan_free)(struct datapath_plan *plan);

    /* Carries the plan out; it lives until the callback. One kernel transaction where there is one: then a
     * failure has changed nothing; otherwise delete before add, and the provider's header says what half a
     * plan looks like. Errors: any. -EAGAIN: somebody else was in the way, worth repeating soon. The caller
     * reads before it tries again. */
    void (*apply)(void *self, struct datapath_plan *plan, struct datapath_callback callback);

    /* Removes everything of ours of both families, whatever made it. Already gone is success.
     * Errors: any, after having tried all of it. */
    void (*cleanup)(void *self, struct datapath_callback callback);
};

/* The generated list, ending with NULL. */
extern const struct datapath_provider *const datapath_providers[];

/* The provider's instance inside DP if DP is of that provider, else NULL. For a provider's own test
 * interface. */
void *datapath_self(struct datapath *dp, const struct datapath_provider *provider);
