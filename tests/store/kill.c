/* kill -9 loses no acknowledged write: a process writes with 16 writers at once through the store's thread on
 * a real directory and says of each write that it was acknowledged; it is killed at a random moment, the
 * store is looked through, and it starts again.
 *
 *     store-kill [TIMES [SEED]]          store-kill write DIRECTORY: the process that is killed
 *
 * Each writer writes one write after the other: number N into two keys of slot N % SLOTS, both or none.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/random.h"
#include "io/clock.h"
#include "io/loop.h"
#include "store/embedded/embedded.h"

#define TIMES     200
#define WRITERS   16
#define SLOTS     8
#define VALUE_LEN 1500
#define MAX_LIFE  100 /* ms */
#define LIVES     2   /* between two looks */

/* What is said of each acknowledged write, whole or not at all: shorter than PIPE_BUF. */
struct acknowledgement {
    uint32_t writer;
    uint64_t number;
    int64_t revision;
};

/* What a store holds: the numbers of the two keys of each slot. */
struct contents {
    uint64_t numbers[WRITERS][SLOTS][2];
    int64_t revision;
    bool is_read;
};

static _noreturn_ void die(const char *what, const char *why)
{
    fprintf(stderr, "store-kill: %s: %s\n", what, why);
    exit(1);
}

static struct store *open_store(struct loop *loop, const char *dir)
{
    struct store *s;
    struct err err = {0};
    /* little history and small checkpoints, so that the kill meets compactions and write-backs too */
    const struct store_embedded_options o = {
        .loop = loop, .path = dir, .max_history = 400, .checkpoint_pages = 200};
    if (store_embedded_open(&o, &s, &err) < 0)
        die("opening", err.text);
    return s;
}

static void close_store(struct loop *loop, struct store *s)
{
    store_close(s);
    (void)loop_step(loop, 0);
    loop_free(loop);
}

static void on_contents(void *user, const struct store_page *page)
{
    struct contents *c = user;
    if (page->status)
        die("reading", page->err->text);
    for (size_t i = 0; i < page->n_items; i++) {
        const struct store_item *item = &page->items[i];
        unsigned writer, slot, half;
        char key[32];
        snprintf(key, sizeof key, "%.*s", STR_ARG(item->key));
        if (sscanf(key, "/w/%02u/%u/%u", &writer, &slot, &half) != 3 || writer >= WRITERS || slot >= SLOTS ||
            half > 1 || item->value.len != VALUE_LEN)
            die("an item that nobody wrote", key);
        memcpy(&c->numbers[writer][slot][half], item->value.p, sizeof(uint64_t));
    }
    c->revision = page->revision;
    c->is_read = true;
}

static void read_contents(struct loop *loop, struct store *s, struct contents *ret)
{
    *ret = (struct contents){0};
    store_read(s, STR("/w/"), STR("/w0"), 0, 0, on_contents, ret);
    while (!ret->is_read)
        (void)loop_step(loop, 1000);
}

/* --- the process that is killed --- */

struct writer {
    struct store *store;
    uint32_t id;
    uint64_t number; /* of the write under way */
};

static void write_next(struct writer *w);

static void on_written(void *user, const struct store_result *result)
{
    struct writer *w = user;
    if (result->status)
        die("writing", result->err->text);
    struct acknowledgement a = {w->id, w->number, result->revision};
    if (write(STDOUT_FILENO, &a, sizeof a) != sizeof a)
        die("acknowledging", "the pipe is gone");
    write_next(w);
}

static void write_next(struct writer *w)
{
    char keys[2][32], value[VALUE_LEN] = {0};
    struct store_op ops[2];
    w->number++;
    memcpy(value, &w->number, sizeof w->number);
    for (unsigned half = 0; half < 2; half++) {
        snprintf(keys[half], sizeof keys[half], "/w/%02u/%u/%u", w->id, (unsigned)(w->number % SLOTS), half);
        ops[half] = (struct store_op){STORE_PUT, str_of(keys[half]), {value, sizeof value}, STORE_ANY};
    }
    store_write(w->store, ops, 2, on_written, w);
}

static void write_until_killed(const char *dir)
{
    struct writer writers[WRITERS];
    struct contents c;
    struct loop *loop = loop_new();
    struct store *s = open_store(loop, dir);
    read_contents(loop, s, &c);
    for (uint32_t id = 0; id < WRITERS; id++) {
        writers[id] = (struct writer){s, id, 0};
        for (int slot = 0; slot < SLOTS; slot++)
            writers[id].number = MAX(writers[id].number, c.numbers[id][slot][0]);
        write_next(&writers[id]);
    }
    loop_run(loop);
}

/* --- the one who kills --- */

struct trial {
    const char *self, *dir;
    struct random random;
    uint64_t acknowledged[WRITERS], n_acknowledged;
    int64_t revision;
    uint64_t n_empty; /* lives too short for a write */
};

static void sleep_ms(uint64_t ms)
{
    struct timespec t = {0, (long)ms * 1000000};
    (void)nanosleep(&t, NULL); /* shorter is as good: the moment is random */
}

static pid_t start_writing(const struct trial *t, int *ret_fd)
{
    extern char **environ;
    const char *argv[] = {t->self, "write", t->dir, NULL};
    posix_spawn_file_actions_t actions;
    int fds[2];
    pid_t pid;
    if (pipe2(fds, O_CLOEXEC) < 0)
        die("pipe", strerror(errno));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    int r = posix_spawn(&pid, t->self, &actions, NULL, (char **)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(fds[1]);
    if (r)
        die(t->self, strerror(r));
    *ret_fd = fds[0];
    return pid;
}

/* Takes in what it says; returns when the pipe is at its end. */
static uint64_t hear(struct trial *t, int fd)
{
    struct acknowledgement a;
    uint64_t n = 0;
    for (; read(fd, &a, sizeof a) == sizeof a; n++) {
        if (a.writer >= WRITERS || a.number <= t->acknowledged[a.writer] || a.revision <= t->revision)
            die("lost", "a number or revision was given out again");
        t->acknowledged[a.writer] = a.number;
        t->revision = a.revision;
    }
    t->n_acknowledged += n;
    return n;
}

static void look_through(struct trial *t)
{
    struct contents c;
    char text[128];
    struct loop *loop = loop_new();
    struct store *s = open_store(loop, t->dir);
    read_contents(loop, s, &c);
    if (c.revision < t->revision)
        die("lost", "the revision went back");
    for (unsigned id = 0; id < WRITERS; id++) {
        uint64_t last = t->acknowledged[id];
        for (uint64_t slot = 0; slot < SLOTS; slot++) {
            const uint64_t *got = c.numbers[id][slot];
            /* the last acknowledged write of this slot; of each life since, one more may have been done */
            uint64_t want = last < slot ? 0 : last - (last - slot) % SLOTS;
            uint64_t next = last < slot ? slot : want + SLOTS;
            if (next > last + LIVES)
                next = want;
            snprintf(text, sizeof text,
                     "writer %u slot %" PRIu64 ": %" PRIu64 "/%" PRIu64 ", acknowledged %" PRIu64, id, slot,
                     got[0], got[1], want);
            if (got[0] != got[1])
                die("half a write", text);
            if (got[0] != want && got[0] != next)
                die(got[0] < want ? "lost" : "never written", text);
        }
    }
    for (unsigned id = 0; id < WRITERS; id++) /* what is there goes on from here */
        for (int slot = 0; slot < SLOTS; slot++)
            t->acknowledged[id] = MAX(t->acknowledged[id], c.numbers[id][slot][0]);
    close_store(loop, s);
}

static void live_and_die(struct trial *t)
{
    int fd, status;
    pid_t pid = start_writing(t, &fd);
    sleep_ms(1 + random_below(&t->random, MAX_LIFE));
    kill(pid, SIGKILL);
    t->n_empty += hear(t, fd) == 0;
    close(fd);
    if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        die("writing", "it ended by itself");
}

int main(int argc, char **argv)
{
    char dir[] = "/var/tmp/fairlead-kill-XXXXXX"; /* on a disk: /tmp may be memory */
    uint64_t times = TIMES, seed = 1;
    if (argc == 3 && !strcmp(argv[1], "write")) {
        write_until_killed(argv[2]);
        return 0;
    }
    if ((argc > 1 && str_to_uint64(str_of(argv[1]), &times) < 0) ||
        (argc > 2 && str_to_uint64(str_of(argv[2]), &seed) < 0))
        die("usage", "store-kill [TIMES [SEED]]");
    if (!mkdtemp(dir))
        die(dir, strerror(errno));
    struct trial t = {.self = argv[0], .dir = dir};
    random_seed(&t.random, seed);
    for (uint64_t i = 0; i < times; i++) {
        live_and_die(&t);
        if (i % LIVES == LIVES - 1)
            look_through(&t); /* the other starts recover by themselves, from what the kill before left */
    }
    look_through(&t);
    printf("killed %" PRIu64 " times, %" PRIu64 " before a write; %" PRIu64
           " writes acknowledged, none lost\n",
           times, t.n_empty, t.n_acknowledged);
    static const char *const names[] = {"store.db", "store.db-wal"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path); /* the log is there only after a kill */
    }
    rmdir(dir);
    return t.n_empty * 2 > times ? 1 : 0; /* it must have been killed while writing, most times */
}
