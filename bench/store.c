/* What the embedded store costs by itself, without the API in front of it: latency of one client, rate and
 * CPU of many, over few and over many keys. The floor is a bare fdatasync on the same disk.
 *
 *     build/release/bench/bench-store [DIRECTORY]     a directory on the disk to measure; default: build
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/array.h"
#include "io/clock.h"
#include "io/loop.h"
#include "store/embedded/embedded.h"

enum { VALUE_LEN = 2048, N_SYNCS = 500, N_WRITES = 4000, N_FILLERS = 64, N_HISTORY = 15000 };

struct bench {
    struct loop *loop;
    struct store *store;
    char value[VALUE_LEN];
    int n_keys;       /* made so far, and the number of the next one */
    bool is_updating; /* writes keys that are there, so that history grows and is compacted */
    int n_updated;
    int n_left, n_out;  /* still to send; sent and not answered */
    double *latency_us; /* one per write answered, or NULL */
    int n_answered;
};

struct client {
    struct bench *bench;
    struct monotime sent;
};

static _noreturn_ void die(const char *what)
{
    fprintf(stderr, "bench-store: %s\n", what);
    exit(1);
}

static double cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u); /* of both threads */
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *v, int n, double q)
{
    qsort(v, (size_t)n, sizeof *v, compare_doubles);
    return v[(int)(q * (n - 1))];
}

static void on_written(void *user, const struct store_result *result);

static void client_send(struct client *c)
{
    struct bench *b = c->bench;
    char key[64];
    int number = b->is_updating ? (int)(b->n_updated++ * INT64_C(7919) % b->n_keys) : b->n_keys++;
    int len = snprintf(key, sizeof key, "/registry/services/specs/default/bench-%08d", number);
    struct store_op op = {
        STORE_PUT, {key, (size_t)len}, {b->value, VALUE_LEN}, b->is_updating ? STORE_ANY : STORE_ABSENT};
    b->n_left--;
    b->n_out++;
    c->sent = clock_mono();
    store_write(b->store, &op, 1, on_written, c);
}

static void on_written(void *user, const struct store_result *result)
{
    struct client *c = user;
    struct bench *b = c->bench;
    if (result->status)
        die(result->err ? result->err->text : "conflict");
    if (b->latency_us)
        b->latency_us[b->n_answered] = (double)(clock_mono().ns - c->sent.ns) / 1000;
    b->n_answered++;
    b->n_out--;
    if (b->n_left > 0)
        client_send(c);
}

/* Each client has one write outstanding, as a client that waits for its answer. */
static void write_many(struct bench *b, int n_writes, int n_clients, double *latency_us)
{
    struct client clients[N_FILLERS];
    b->n_left = n_writes;
    b->n_answered = 0;
    b->latency_us = latency_us;
    for (int i = 0; i < n_clients; i++) {
        clients[i].bench = b;
        client_send(&clients[i]);
    }
    while (b->n_out)
        loop_step(b->loop, -1);
}

static double bare_fdatasync_us(const char *dir)
{
    char path[512];
    static double us[N_SYNCS];
    char bytes[4096 + 24] = {0};
    snprintf(path, sizeof path, "%s/bench-fdatasync", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        die("cannot make a file there");
    for (int i = 0; i < N_SYNCS; i++) {
        int64_t begun = clock_mono().ns;
        if (write(fd, bytes, sizeof bytes) != sizeof bytes || fdatasync(fd) < 0)
            die("cannot write there");
        us[i] = (double)(clock_mono().ns - begun) / 1000;
    }
    close(fd);
    unlink(path);
    return quantile(us, N_SYNCS, 0.5);
}

static void measure(struct bench *b, double floor_us)
{
    static const int clients[] = {1, 16, 64};
    static double us[N_WRITES];
    double one_rate = 0;
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        int n = clients[i] == 1 ? N_WRITES / 4 : N_WRITES, n_keys = b->n_keys;
        int64_t begun = clock_mono().ns;
        double cpu = cpu_us();
        write_many(b, n, clients[i], us);
        double seconds = (double)(clock_mono().ns - begun) / 1e9, rate = n / seconds;
        one_rate = clients[i] == 1 ? rate : one_rate;
        printf("%s %7d keys %3d clients: %7.0f writes/s (x %4.1f) %6.1f us CPU each, p50 %6.0f p99 %6.0f us",
               b->is_updating ? "update" : "create", n_keys, clients[i], rate, rate / one_rate,
               (cpu_us() - cpu) / n, quantile(us, n, 0.5), quantile(us, n, 0.99));
        if (clients[i] == 1)
            printf(", %.0f above fdatasync", quantile(us, n, 0.5) - floor_us);
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    struct err err = {0};
    char dir[256];
    const char *parent = argc > 1 ? argv[1] : "build";
    struct bench b = {0};
    snprintf(dir, sizeof dir, "%s/bench-store-%d", parent, (int)getpid());
    for (size_t i = 0; i < VALUE_LEN; i++)
        b.value[i] = (char)('a' + i % 26);
    double floor_us = bare_fdatasync_us(parent);
    printf("bare write and fdatasync: p50 %.0f us\n", floor_us);
    b.loop = loop_new();
    if (store_embedded_open(&(struct store_embedded_options){.loop = b.loop, .path = dir}, &b.store, &err) <
        0)
        die(err.text);
    static const int n_keys[] = {1000, 20000};
    for (size_t i = 0; i < ARRAY_LEN(n_keys); i++) {
        write_many(&b, n_keys[i] - b.n_keys, N_FILLERS, NULL);
        measure(&b, floor_us);
    }
    b.is_updating = true;
    write_many(&b, N_HISTORY, N_FILLERS,
               NULL); /* more than is kept: from here on each write is compacted in time */
    measure(&b, floor_us);
    store_close(b.store);
    loop_free(b.loop);
    static const char *const names[] = {"/store.db", "/store.db-wal", ""};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[300];
        snprintf(path, sizeof path, "%s%s", dir, names[i]);
        (void)remove(path); /* the log is gone after a clean stop */
    }
    return 0;
}
