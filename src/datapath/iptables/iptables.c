/* The iptables provider: kube-proxy's chains, written by iptables-restore.
 *
 * nat, filter and mangle are three transactions and the families are two programs: what failed half way is a
 * kernel that has the new nat table and the old filter table, or the new IPv4 and the old IPv6. Both are
 * consistent enough to forward (see restore-input.h), and the next request reads what is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "datapath/iptables/plan.h"
#include "datapath/netfilter/iptables-tool.h"
#include "datapath/provider.h"

extern const struct datapath_provider datapath_provider_iptables;

#define N_FAMILIES 2

enum step {
    STEP_NOTHING,
    STEP_READ_LEGACY,
    STEP_READ_NFT,
    STEP_READ,
    STEP_APPLY,
    STEP_CLEAN_READ,
    STEP_CLEAN_WRITE
};

struct iptables_plan {
    struct datapath_plan base;
    struct strbuf input[N_FAMILIES];
    bool route_localnet;
};

/* One program's rules. */
struct target {
    enum iptables_variant variant;
    int family;
};

struct iptables {
    const struct datapath_options *options;
    struct iptables_tool *tool;
    enum iptables_variant variant; /* IPTABLES_UNKNOWN until the first read */
    uint32_t mark;
    bool drop_invalid;
    bool route_localnet_set;
    struct iptables_dump dumps[N_FAMILIES];

    enum step step; /* what runs */
    int family;     /* index, of a step that goes over them */
    struct datapath_callback callback;
    struct iptables_plan *plan;
    struct strbuf legacy_dump;             /* while both are compared */
    struct target targets[3 * N_FAMILIES]; /* of a cleanup */
    int n_targets, next_target;
    enum iptables_variant clean_variant; /* the one being cleaned */
    struct err first_error;              /* of a cleanup, which goes on */
};

static const enum ip_family families[N_FAMILIES] = {IP_V4, IP_V6};

/* A host needs one variant with the programs of all families asked for. */
static bool has_variant(const struct datapath_options *options, enum iptables_variant variant)
{
    for (int i = 0; i < N_FAMILIES; i++)
        if (options->families[i] && !iptables_tool_exists(variant, families[i]))
            return false;
    return true;
}

static int parse_variant(const struct datapath_options *options, enum iptables_variant *ret, struct err *err)
{
    static const enum iptables_variant all[] = {IPTABLES_LEGACY, IPTABLES_NFT, IPTABLES_PLAIN};
    const char *name = options->variant ? options->variant : "";
    *ret = IPTABLES_UNKNOWN;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (strcmp(name, iptables_variant_name(all[i])) == 0)
            *ret = all[i];
    if (*name && *ret == IPTABLES_UNKNOWN)
        return err_set(err, -EINVAL, "unknown iptables variant \"%s\": legacy, nft or plain", name);
    if (*ret != IPTABLES_UNKNOWN && !has_variant(options, *ret))
        return err_set(err, -ENOTSUP, "iptables of variant %s is not installed", name);
    bool legacy = has_variant(options, IPTABLES_LEGACY), nft = has_variant(options, IPTABLES_NFT);
    if (*ret != IPTABLES_UNKNOWN || (legacy && nft))
        return 0;
    *ret = nft ? IPTABLES_NFT : legacy ? IPTABLES_LEGACY : IPTABLES_PLAIN;
    if (!has_variant(options, *ret))
        return err_set(err, -ENOTSUP,
                       "iptables-restore and iptables-save are not installed (Debian package iptables)");
    return 0;
}

static int iptables_supported(const struct datapath_options *options, struct err *err)
{
    enum iptables_variant variant;
    if (geteuid() != 0)
        return err_set(err, -ENOTSUP, "iptables needs root (CAP_NET_ADMIN)");
    int r = parse_variant(options, &variant, err);
    return r == -EINVAL ? -ENOTSUP : r;
}

/* False also if it cannot be read: then conntrack's default holds. */
static bool conntrack_is_liberal(void)
{
    char c = '0';
    int fd = open("/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool liberal = read(fd, &c, 1) == 1 && c != '0';
    (void)close(fd); /* only read from */
    return liberal;
}

static int iptables_open(const struct datapath_options *options, void **ret_self, struct err *err)
{
    enum iptables_variant variant;
    int r = parse_variant(options, &variant, err);
    if (r < 0)
        return r;
    if (options->masquerade_bit < 0 || options->masquerade_bit > 31)
        return err_set(err, -EINVAL, "masquerade bit %d is not within 0..31", options->masquerade_bit);
    struct iptables *t = mem_new(struct iptables);
    t->options = options;
    t->variant = variant;
    t->tool = iptables_tool_new(options->loop);
    t->mark = UINT32_C(1) << options->masquerade_bit;
    t->drop_invalid = !conntrack_is_liberal();
    *ret_self = t;
    return 0;
}

static void iptables_close(void *self)
{
    struct iptables *t = self;
    iptables_tool_free(t->tool);
    for (int i = 0; i < N_FAMILIES; i++)
        iptables_dump_done(&t->dumps[i]);
    strbuf_done(&t->legacy_dump);
    free(t);
}

static void end_step(struct iptables *t, int result, const struct err *err)
{
    struct datapath_callback callback = t->callback;
    t->step = STEP_NOTHING;
    t->plan = NULL;
    callback.done(callback.user, result, err);
}

static void next_step(struct iptables *t);

/* The next family that is wanted; false behind the last. */
static bool next_family(struct iptables *t)
{
    do {
        t->family++;
    } while (t->family < N_FAMILIES && !t->options->families[t->family]);
    return t->family < N_FAMILIES;
}

static int keep_dump(struct iptables *t, struct str text, struct err *err)
{
    struct iptables_dump *dump = &t->dumps[t->family];
    iptables_dump_done(dump);
    return iptables_dump_parse(text, STR(PLAN_CHAIN_PREFIX), STR(RULES_SHARED_CHAIN), dump, err);
}

static void on_dump(struct iptables *t, int result, struct str out, const struct err *err)
{
    struct err parse_err = {0};
    if (result == 0) {
        result = keep_dump(t, out, &parse_err);
        err = &parse_err;
    }
    if (result < 0)
        end_step(t, result, err);
    else if (next_family(t))
        next_step(t);
    else
        end_step(t, 0, NULL);
}

static void on_legacy_dump(struct iptables *t, int result, struct str out)
{
    if (result == 0) /* a legacy dump that fails says that nobody can use it */
        strbuf_add_str(&t->legacy_dump, out);
    t->step = STEP_READ_NFT;
    next_step(t);
}

static void on_nft_dump(struct iptables *t, int result, struct str out)
{
    t->variant = result < 0 ? IPTABLES_LEGACY : iptables_choose_variant(strbuf_str(&t->legacy_dump), out);
    strbuf_done(&t->legacy_dump);
    t->step = STEP_READ;
    next_step(t);
}

static void iptables_read(void *self, struct datapath_callback callback)
{
    struct iptables *t = self;
    t->callback = callback;
    t->family = -1;
    (void)next_family(t); /* at least one was asked for */
    t->step = t->variant != IPTABLES_UNKNOWN ? STEP_READ
              : iptables_has_legacy_tables() ? STEP_READ_LEGACY
                                             : STEP_READ_NFT;
    next_step(t);
}

static void iptables_plan(void *self, const struct forwarding_state *have,
                          const struct forwarding_state *want, struct datapath_plan **ret_plan)
{
    struct iptables *t = self;
    struct iptables_plan *plan = mem_new(struct iptables_plan);
    *ret_plan = &plan->base;
    plan->base.needs_read = have && !plan_knows_difference(have, want);
    if (plan->base.needs_read)
        return;
    plan->base.is_empty = true;
    for (int i = 0; i < N_FAMILIES; i++) {
        if (!t->options->families[i])
            continue;
        struct rule_context c = {.family = families[i], .mark = t->mark, .drop_invalid = t->drop_invalid};
        if (have)
            plan_from_difference(&c, have, want, &plan->input[i]);
        else
            plan_from_dump(&c, &t->dumps[i], want, &plan->input[i]);
        plan->base.is_empty = plan->base.is_empty && !plan->input[i].len;
    }
    plan->route_localnet = t->options->families[0] && rules_need_route_localnet(want);
    if (plan->route_localnet && !t->route_localnet_set)
        plan->base.is_empty = false;
}

static void iptables_plan_print(const struct datapath_plan *base, struct strbuf *out)
{
    static const char *const programs[] = {"iptables-restore", "ip6tables-restore"};
    const struct iptables_plan *plan = container_of(base, struct iptables_plan, base);
    for (int i = 0; i < N_FAMILIES; i++) {
        if (!plan->input[i].len)
            continue;
        strbuf_addf(out, "# %s --noflush\n", programs[i]);
        strbuf_add_str(out, strbuf_str(&plan->input[i]));
    }
}

static void iptables_plan_free(struct datapath_plan *base)
{
    struct iptables_plan *plan = container_of(base, struct iptables_plan, base);
    for (int i = 0; i < N_FAMILIES; i++)
        strbuf_done(&plan->input[i]);
    free(plan);
}

/* Lets packets to 127.0.0.0/8 be translated. Comes after the rule of KUBE-FIREWALL, without which neighbours
 * could reach what listens on loopback (CVE-2020-8558). */
static int set_route_localnet(struct err *err)
{
    static const char path[] = "/proc/sys/net/ipv4/conf/all/route_localnet";
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : write(fd, "1", 1);
    int r = n == 1 ? 0 : err_set_errno(err, -errno, "cannot set %s", path);
    if (fd >= 0)
        (void)close(fd); /* write(2) reported already */
    return r;
}

/* Goes on with the next family that has something to write, or ends. */
static void apply_next(struct iptables *t)
{
    struct err err = {0};
    while (next_family(t))
        if (t->plan->input[t->family].len) {
            next_step(t);
            return;
        }
    int r = 0;
    if (t->plan->route_localnet && !t->route_localnet_set)
        r = set_route_localnet(&err);
    t->route_localnet_set = t->route_localnet_set || (t->plan->route_localnet && r == 0);
    end_step(t, r, &err);
}

static void on_restored(struct iptables *t, int result, const struct err *err)
{
    if (result < 0)
        end_step(t, result, err);
    else
        apply_next(t);
}

/* Everything that needs no program: the callback must not come inside the call. */
static void on_nothing(void *user, int result, struct str out, const struct err *err);

static void iptables_apply(void *self, struct datapath_plan *base, struct datapath_callback callback)
{
    struct iptables *t = self;
    t->plan = container_of(base, struct iptables_plan, base);
    t->callback = callback;
    t->step = STEP_APPLY;
    t->family = -1;
    while (next_family(t))
        if (t->plan->input[t->family].len) {
            next_step(t);
            return;
        }
    /* Only the sysctl is missing; a dump takes the place of the restore. */
    t->family = N_FAMILIES;
    iptables_tool_save(t->tool, t->variant, t->options->families[0] ? IP_V4 : IP_V6,
                       (struct iptables_callback){on_nothing, t});
}

static void on_nothing(void *user, int result, struct str out, const struct err *err)
{
    (void)out;
    struct iptables *t = user;
    if (result < 0)
        end_step(t, result, err);
    else
        apply_next(t);
}

/* All that may hold chains of ours: both variants, whichever this instance uses. */
static void list_targets(struct iptables *t)
{
    bool nft = iptables_tool_exists(IPTABLES_NFT, IP_V4),
         legacy = iptables_tool_exists(IPTABLES_LEGACY, IP_V4);
    bool wanted[] = {
        [IPTABLES_NFT] = nft,
        [IPTABLES_LEGACY] = legacy && (!nft || iptables_has_legacy_tables()),
        [IPTABLES_PLAIN] = !nft && !legacy,
    };
    t->n_targets = t->next_target = 0;
    for (int v = IPTABLES_LEGACY; v <= IPTABLES_PLAIN; v++)
        for (int f = 0; f < N_FAMILIES; f++)
            if (wanted[v] && iptables_tool_exists((enum iptables_variant)v, families[f]))
                t->targets[t->n_targets++] = (struct target){(enum iptables_variant)v, f};
}

/* The next target, or the end. */
static void clean_next(struct iptables *t)
{
    struct err err = t->first_error;
    if (t->next_target == t->n_targets) {
        end_step(t, err.code, &err);
        return;
    }
    t->clean_variant = t->targets[t->next_target].variant;
    t->family = t->targets[t->next_target].family;
    t->next_target++;
    t->step = STEP_CLEAN_READ;
    next_step(t);
}

static void remember_error(struct iptables *t, const struct err *err)
{
    if (!t->first_error.code)
        t->first_error = *err;
}

static void on_clean_dump(struct iptables *t, int result, struct str out, const struct err *err)
{
    struct err parse_err = {0};
    struct iptables_plan *plan = mem_new(struct iptables_plan);
    if (result == 0 && keep_dump(t, out, &parse_err) < 0)
        err = &parse_err;
    if (result < 0 || parse_err.code)
        remember_error(t, err);
    else
        plan_cleanup(&t->dumps[t->family], &plan->input[t->family]);
    struct str input = strbuf_str(&plan->input[t->family]);
    if (input.len) {
        t->step = STEP_CLEAN_WRITE;
        t->plan = plan;
        next_step(t);
        t->plan = NULL;
    }
    iptables_plan_free(&plan->base);
    if (!input.len)
        clean_next(t);
}

static void iptables_cleanup(void *self, struct datapath_callback callback)
{
    struct iptables *t = self;
    t->callback = callback;
    t->first_error = (struct err){0};
    list_targets(t); /* open() found at least one */
    clean_next(t);
}

static void on_tool(void *user, int result, struct str out, const struct err *err)
{
    struct iptables *t = user;
    switch (t->step) {
    case STEP_NOTHING:
        break;
    case STEP_READ_LEGACY:
        on_legacy_dump(t, result, out);
        break;
    case STEP_READ_NFT:
        on_nft_dump(t, result, out);
        break;
    case STEP_READ:
        on_dump(t, result, out, err);
        break;
    case STEP_APPLY:
        on_restored(t, result, err);
        break;
    case STEP_CLEAN_READ:
        on_clean_dump(t, result, out, err);
        break;
    case STEP_CLEAN_WRITE:
        if (result < 0)
            remember_error(t, err);
        clean_next(t);
        break;
    }
}

/* Starts the program of the current step. */
static void next_step(struct iptables *t)
{
    struct iptables_callback callback = {on_tool, t};
    enum ip_family family = families[t->family];
    switch (t->step) {
    case STEP_NOTHING:
        break;
    case STEP_READ_LEGACY:
        iptables_tool_save(t->tool, IPTABLES_LEGACY, IP_V4, callback);
        break;
    case STEP_READ_NFT:
        iptables_tool_save(t->tool, IPTABLES_NFT, IP_V4, callback);
        break;
    case STEP_READ:
        iptables_tool_save(t->tool, t->variant, family, callback);
        break;
    case STEP_APPLY:
        iptables_tool_restore(t->tool, t->variant, family, strbuf_str(&t->plan->input[t->family]), callback);
        break;
    case STEP_CLEAN_READ:
        iptables_tool_save(t->tool, t->clean_variant, family, callback);
        break;
    case STEP_CLEAN_WRITE:
        iptables_tool_restore(t->tool, t->clean_variant, family, strbuf_str(&t->plan->input[t->family]),
                              callback);
        break;
    }
}

const struct datapath_provider datapath_provider_iptables = {
    .name = "iptables",
    .capabilities = {.needs_root = true, .uses_conntrack = true, .localhost_node_ports = true},
    .supported = iptables_supported,
    .open = iptables_open,
    .close = iptables_close,
    .read = iptables_read,
    .plan = iptables_plan,
    .plan_print = iptables_plan_print,
    .plan_free = iptables_plan_free,
    .apply = iptables_apply,
    .cleanup = iptables_cleanup,
};
