#include "datapath/netfilter/iptables-tool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "datapath/netfilter/iptables-text.h"
#include "io/process.h"

#define LOCK_WAIT_S    "5"
#define RUN_TIMEOUT_MS (5 * 60 * 1000) /* the nft variant takes minutes for 50,000 Services */
#define MAX_PATH_LEN   128
#define EXIT_NO_LOCK   4 /* iptables(8): resource problem, in practice the lock */

struct iptables_tool {
    struct loop *loop;
    struct process *process; /* NULL: nothing runs */
    struct iptables_callback callback;
    char program[MAX_PATH_LEN];
    struct task failed_start; /* reports what could not even start */
    struct err start_error;
};

static void on_failed_start(struct task *task, void *user);

struct iptables_tool *iptables_tool_new(struct loop *loop)
{
    struct iptables_tool *t = mem_new(struct iptables_tool);
    t->loop = loop;
    task_init(&t->failed_start, on_failed_start, t);
    return t;
}

void iptables_tool_free(struct iptables_tool *t)
{
    if (!t)
        return;
    process_cancel(t->process);
    task_cancel(&t->failed_start);
    free(t);
}

const char *iptables_variant_name(enum iptables_variant variant)
{
    static const char *const names[] = {"unknown", "legacy", "nft", "plain"};
    return names[variant];
}

/* "ip6tables-nft-restore" in the first folder that has it; false if none has. */
static bool find_program(enum iptables_variant variant, enum ip_family family, const char *verb,
                         char ret[static MAX_PATH_LEN])
{
    static const char *const folders[] = {"/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin"};
    const char *infix = variant == IPTABLES_PLAIN ? "" : variant == IPTABLES_NFT ? "nft-" : "legacy-";
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        (void)snprintf(ret, MAX_PATH_LEN, "%s/ip%stables-%s%s", folders[i], family == IP_V6 ? "6" : "", infix,
                       verb);
        if (access(ret, X_OK) == 0)
            return true;
    }
    return false;
}

bool iptables_tool_exists(enum iptables_variant variant, enum ip_family family)
{
    char path[MAX_PATH_LEN];
    return find_program(variant, family, "save", path) && find_program(variant, family, "restore", path);
}

static size_t count_rules(struct str dump)
{
    size_t n = 0;
    struct str line;
    while (str_split(&dump, '\n', &line))
        n += str_has_prefix(line, STR("-A "));
    return n;
}

static bool has_kubelet(struct str dump)
{
    return str_find(dump, STR(":KUBE-IPTABLES-HINT ")) >= 0 ||
           str_find(dump, STR(":KUBE-KUBELET-CANARY ")) >= 0;
}

/* What the command "iptables" is: a link to the program of one variant. */
static enum iptables_variant command_variant(void)
{
    static const char *const paths[] = {"/usr/sbin/iptables", "/sbin/iptables", "/usr/bin/iptables"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        char resolved[PATH_MAX];
        if (realpath(paths[i], resolved))
            return strstr(resolved, "legacy") ? IPTABLES_LEGACY : IPTABLES_NFT;
    }
    return IPTABLES_NFT;
}

enum iptables_variant iptables_choose_variant(struct str legacy_dump, struct str nft_dump)
{
    if (has_kubelet(nft_dump))
        return IPTABLES_NFT;
    if (has_kubelet(legacy_dump))
        return IPTABLES_LEGACY;
    size_t legacy = count_rules(legacy_dump), nft = count_rules(nft_dump);
    return legacy > nft ? IPTABLES_LEGACY : nft > legacy ? IPTABLES_NFT : command_variant();
}

bool iptables_has_legacy_tables(void)
{
    char buf[64];
    int fd = open("/proc/self/net/ip_tables_names", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, buf, sizeof buf);
    (void)close(fd); /* only read from */
    return n > 0;
}

static void on_failed_start(struct task *task, void *user)
{
    (void)task;
    struct iptables_tool *t = user;
    t->callback.done(t->callback.user, t->start_error.code, STR_NONE, &t->start_error);
}

/* The last line the program said, which names the cause; its first ones may be warnings. */
static struct str last_line(struct str text)
{
    struct str line, last = STR("it said nothing");
    while (str_split(&text, '\n', &line))
        if (str_trim(line).len)
            last = str_trim(line);
    return last;
}

static void on_exited(const struct process_result *result, void *user)
{
    struct iptables_tool *t = user;
    struct iptables_callback callback = t->callback;
    struct err err = {0};
    struct str said = last_line(result->errors);
    t->process = NULL;
    if (result->timed_out)
        (void)err_set(&err, -ETIMEDOUT, "%s took longer than %d s", t->program, RUN_TIMEOUT_MS / 1000);
    else if (result->exit_code == EXIT_NO_LOCK)
        (void)err_set(&err, -EAGAIN, "%s: %.*s", t->program, STR_ARG(said));
    else if (result->exit_code != 0)
        (void)err_set(&err, -EIO, "%s ended with %d: %.*s", t->program, result->exit_code, STR_ARG(said));
    else if (result->cut)
        (void)err_set(&err, -E2BIG, "%s printed too much", t->program);
    callback.done(callback.user, err.code, result->out, &err);
}

struct run {
    enum iptables_variant variant;
    enum ip_family family;
    const char *verb;
    const char *const *arguments; /* without the program; ends with NULL */
    struct str input;
};

static void start(struct iptables_tool *t, const struct run *run, struct iptables_callback callback)
{
    const char *argv[8] = {t->program};
    t->callback = callback;
    t->start_error = (struct err){0};
    for (size_t i = 0; run->arguments[i] && i + 2 < ARRAY_LEN(argv); i++)
        argv[i + 1] = run->arguments[i];
    struct process_options options = {
        .argv = argv, .input = run->input, .max_output = IPTABLES_DUMP_MAX, .timeout_ms = RUN_TIMEOUT_MS};
    int r = 0;
    if (!find_program(run->variant, run->family, run->verb, t->program))
        r = err_set(&t->start_error, -ENOENT, "there is no ip%stables-%s of variant %s",
                    run->family == IP_V6 ? "6" : "", run->verb, iptables_variant_name(run->variant));
    if (r == 0)
        r = process_start(t->loop, &options, (struct process_callback){on_exited, t}, &t->process,
                          &t->start_error);
    if (r < 0)
        task_post(t->loop, &t->failed_start);
}

void iptables_tool_save(struct iptables_tool *t, enum iptables_variant variant, enum ip_family family,
                        struct iptables_callback callback)
{
    static const char *const none[] = {NULL};
    struct run run = {
        .variant = variant, .family = family, .verb = "save", .arguments = none, .input = STR("")};
    start(t, &run, callback);
}

void iptables_tool_restore(struct iptables_tool *t, enum iptables_variant variant, enum ip_family family,
                           struct str input, struct iptables_callback callback)
{
    static const char *const arguments[] = {"-w", LOCK_WAIT_S, "--noflush", "--counters", NULL};
    struct run run = {
        .variant = variant, .family = family, .verb = "restore", .arguments = arguments, .input = input};
    start(t, &run, callback);
}
