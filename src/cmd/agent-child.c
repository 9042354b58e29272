#include "cmd/agent-child.h"

#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "io/child.h"

#define RESTART_MIN_MS 1000
#define RESTART_MAX_MS 30000
#define STOP_WAIT_MS   5000

struct agent_child {
    struct loop *loop;
    struct timer restart;
    struct child *child;
    int64_t restart_ms;
    struct monotime started;
    char program[4096];
    ARRAY_OF(const char *) argv; /* owned, but for the first and the final NULL */
};

static void agent_child_spawn(struct agent_child *a);

static void agent_child_ended(void *user, int status)
{
    struct agent_child *a = user;
    char text[64];
    a->child = NULL;
    bool ran_well = monotime_since_ms(loop_now(a->loop), a->started) > RESTART_MAX_MS;
    a->restart_ms =
        ran_well || !a->restart_ms ? RESTART_MIN_MS : MIN(a->restart_ms * 2, (int64_t)RESTART_MAX_MS);
    log_error("the agent of this node %s; the API stays up and the rules stay in place, it is started again "
              "in %ld ms",
              child_status_text(status, text, sizeof text), a->restart_ms);
    timer_arm_ms(&a->restart, a->restart_ms);
}

static void agent_child_spawn(struct agent_child *a)
{
    struct err err = {0};
    a->started = loop_now(a->loop);
    if (child_start(a->loop, a->argv.v, agent_child_ended, a, &a->child, &err) < 0) {
        log_error("the agent of this node does not start: %s; trying again in %d ms", err.text,
                  RESTART_MAX_MS);
        timer_arm_ms(&a->restart, RESTART_MAX_MS);
    }
}

static void agent_child_restart(struct timer *timer, void *user)
{
    agent_child_spawn(user);
}

static void add_word(struct agent_child *a, const char *name, const char *value)
{
    _cleanup_(strbuf_done) struct strbuf word = {0};
    strbuf_addf(&word, "--%s=%s", name, value);
    *array_push(&a->argv) = strbuf_take(&word, NULL);
}

int agent_child_start(const struct agent_child_options *o, struct agent_child **ret, struct err *err)
{
    char ip[IP_TEXT_LEN], pid[16];
    struct agent_child *a = mem_new(struct agent_child);
    a->loop = o->loop;
    timer_init(&a->restart, o->loop, "agent restart", agent_child_restart, a);
    int r = child_own_program(a->program, sizeof a->program, err);
    if (r < 0) {
        free(a);
        return r;
    }
    *array_push(&a->argv) = a->program;
    *array_push(&a->argv) = mem_strdup("agent");
    array_foreach (&o->flags->words, word)
        *array_push(&a->argv) = mem_strdup(*word);
    add_word(a, "kubeconfig", o->kubeconfig);
    add_word(a, "node-name", o->node_name);
    add_word(a, "node-ip", ip_format(&o->node_ip, ip));
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    add_word(a, "parent-pid", pid);
    *array_push(&a->argv) = NULL;
    agent_child_spawn(a);
    *ret = a;
    return 0;
}

void agent_child_stop(struct agent_child *a)
{
    if (!a)
        return;
    timer_disarm(&a->restart);
    child_stop(a->child, STOP_WAIT_MS);
    for (size_t i = 1; i < a->argv.n; i++)
        free((char *)a->argv.v[i]);
    array_done(&a->argv);
    free(a);
}
