#include "datapath/datapath.h"

#include <errno.h>

#include "datapath/netfilter/conntrack.h"
#include "datapath/provider.h"

enum request { REQUEST_NONE, REQUEST_APPLY, REQUEST_REPAIR, REQUEST_CLEANUP };

struct datapath {
    const struct datapath_provider *provider;
    void *self;
    struct datapath_options options;
    struct datapath_stats stats;

    enum request request;
    struct datapath_callback callback;
    struct forwarding_state *want; /* of the running request */
    struct datapath_plan *plan;
    bool planned_from_read; /* the running attempt started from what the kernel has */
    struct task finish;     /* ends requests that had nothing to wait for */
    int finish_result;

    struct forwarding_state *applied; /* NULL: nothing yet */
    bool in_doubt;                    /* the kernel's contents must be read before the next plan */
    struct conntrack_cleaner *cleaner;
};

const char *datapath_name(size_t i)
{
    for (size_t k = 0; datapath_providers[k]; k++)
        if (k == i)
            return datapath_providers[k]->name;
    return NULL;
}

static const struct datapath_provider *find_provider(const char *name)
{
    for (size_t i = 0; datapath_providers[i]; i++)
        if (strcmp(datapath_providers[i]->name, name) == 0)
            return datapath_providers[i];
    return NULL;
}

int datapath_supported(const char *name, const struct datapath_options *options, struct err *err)
{
    const struct datapath_provider *provider = find_provider(name);
    if (!provider)
        return err_set(err, -ENOENT, "there is no datapath \"%s\" in this build", name);
    return provider->supported(options, err);
}

static void on_finish(struct task *task, void *user);

int datapath_open(const char *name, const struct datapath_options *options, struct datapath **ret,
                  struct err *err)
{
    const struct datapath_provider *provider = find_provider(name);
    if (!provider)
        return err_set(err, -ENOENT, "there is no datapath \"%s\" in this build", name);
    struct datapath *dp = mem_new(struct datapath);
    dp->provider = provider;
    dp->options = *options;
    dp->in_doubt = true;
    task_init(&dp->finish, on_finish, dp);
    int r = provider->open(&dp->options, &dp->self, err);
    if (r < 0) {
        free(dp);
        return r;
    }
    if (provider->capabilities.uses_conntrack)
        dp->cleaner = conntrack_cleaner_new(options->loop, options->families, &dp->stats.stale_flows);
    *ret = dp;
    return 0;
}

static void drop_plan(struct datapath *dp)
{
    if (dp->plan)
        dp->provider->plan_free(TAKE(dp->plan));
}

void datapath_close(struct datapath *dp)
{
    if (!dp)
        return;
    dp->provider->close(dp->self); /* first: it may still be using the plan */
    drop_plan(dp);
    task_cancel(&dp->finish);
    conntrack_cleaner_free(dp->cleaner);
    forwarding_state_unref(dp->want);
    forwarding_state_unref(dp->applied);
    free(dp);
}

const struct datapath_capabilities *datapath_capabilities(const struct datapath *dp)
{
    return &dp->provider->capabilities;
}

const struct datapath_stats *datapath_stats(const struct datapath *dp)
{
    return &dp->stats;
}

bool datapath_is_applying(const struct datapath *dp)
{
    return dp->request != REQUEST_NONE;
}

bool datapath_is_busy(const struct datapath *dp)
{
    return datapath_is_applying(dp) || (dp->cleaner && conntrack_cleaner_is_busy(dp->cleaner));
}

const struct forwarding_state *datapath_applied(const struct datapath *dp)
{
    return dp->applied;
}

void *datapath_self(struct datapath *dp, const struct datapath_provider *provider)
{
    return dp->provider == provider ? dp->self : NULL;
}

static void end_request(struct datapath *dp, int result, const struct err *err)
{
    struct datapath_callback callback = dp->callback;
    drop_plan(dp);
    forwarding_state_unref(TAKE(dp->want));
    dp->request = REQUEST_NONE;
    callback.done(callback.user, result, err);
}

static void on_finish(struct task *task, void *user)
{
    (void)task;
    struct datapath *dp = user;
    end_request(dp, dp->finish_result, NULL);
}

/* Ends a request from inside its call: the callback must come later. */
static void end_request_later(struct datapath *dp, int result)
{
    dp->finish_result = result;
    task_post(dp->options.loop, &dp->finish);
}

static void accept_state(struct datapath *dp)
{
    if (dp->cleaner)
        conntrack_cleaner_run(dp->cleaner, dp->applied, dp->want);
    forwarding_state_unref(dp->applied);
    dp->applied = forwarding_state_ref(dp->want);
    dp->in_doubt = false;
}

static void start_attempt(struct datapath *dp);

static void fail_attempt(struct datapath *dp, int result, const struct err *err)
{
    dp->stats.failures++;
    dp->in_doubt = true;
    drop_plan(dp);
    /* The difference of two states may have met a kernel that others changed: look, and try once more. */
    if (!dp->planned_from_read)
        start_attempt(dp);
    else
        end_request(dp, result, err);
}

static void on_applied(void *user, int result, const struct err *err)
{
    struct datapath *dp = user;
    if (result < 0) {
        fail_attempt(dp, result, err);
        return;
    }
    dp->stats.applied++;
    bool repaired = dp->request == REQUEST_REPAIR;
    dp->stats.repaired += repaired;
    accept_state(dp);
    end_request(dp, repaired ? DATAPATH_REPAIRED : 0, NULL);
}

static void on_read(void *user, int result, const struct err *err);

/* True if there was nothing to do. */
static bool plan_and_apply(struct datapath *dp, const struct forwarding_state *have)
{
    dp->planned_from_read = !have;
    dp->provider->plan(dp->self, have, dp->want, &dp->plan);
    if (have && dp->plan->needs_read) {
        drop_plan(dp);
        dp->provider->read(dp->self, (struct datapath_callback){on_read, dp});
        return false;
    }
    if (dp->plan->is_empty) {
        dp->stats.unchanged++;
        accept_state(dp);
        return true;
    }
    dp->stats.full += !have;
    dp->stats.partial += have != NULL;
    dp->provider->apply(dp->self, dp->plan, (struct datapath_callback){on_applied, dp});
    return false;
}

static void on_read(void *user, int result, const struct err *err)
{
    struct datapath *dp = user;
    dp->planned_from_read = true;
    if (result < 0)
        fail_attempt(dp, result, err);
    else if (plan_and_apply(dp, NULL))
        end_request(dp, 0, NULL);
}

static void start_attempt(struct datapath *dp)
{
    if (dp->in_doubt || !dp->applied)
        dp->provider->read(dp->self, (struct datapath_callback){on_read, dp});
    else if (plan_and_apply(dp, dp->applied))
        end_request_later(dp, 0);
}

static void begin_request(struct datapath *dp, enum request request, struct datapath_callback callback)
{
    if (dp->request != REQUEST_NONE)
        abort(); /* our own callers' order, never caused from outside */
    dp->request = request;
    dp->callback = callback;
}

void datapath_apply(struct datapath *dp, struct forwarding_state *state, struct datapath_callback callback)
{
    begin_request(dp, REQUEST_APPLY, callback);
    dp->want = forwarding_state_ref(state);
    start_attempt(dp);
}

void datapath_repair(struct datapath *dp, struct datapath_callback callback)
{
    begin_request(dp, REQUEST_REPAIR, callback);
    if (!dp->applied) {
        end_request_later(dp, 0);
        return;
    }
    dp->want = forwarding_state_ref(dp->applied);
    dp->in_doubt = true;
    start_attempt(dp);
}

static void on_cleaned(void *user, int result, const struct err *err)
{
    struct datapath *dp = user;
    dp->stats.failures += result < 0;
    end_request(dp, result, err);
}

void datapath_cleanup(struct datapath *dp, struct datapath_callback callback)
{
    begin_request(dp, REQUEST_CLEANUP, callback);
    forwarding_state_unref(TAKE(dp->applied));
    dp->in_doubt = true;
    dp->provider->cleanup(dp->self, (struct datapath_callback){on_cleaned, dp});
}

void datapath_print_plan(struct datapath *dp, const struct forwarding_state *from,
                         const struct forwarding_state *to, struct strbuf *out)
{
    struct datapath_plan *plan = NULL;
    dp->provider->plan(dp->self, from, to, &plan);
    dp->provider->plan_print(plan, out);
    dp->provider->plan_free(plan);
}
