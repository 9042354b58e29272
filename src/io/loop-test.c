#include "base/test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "io/loop.h"

/* What happened, as one word after the other. */
struct script {
    struct strbuf text;
    struct loop *loop;
    struct timer again;
    struct task task, other;
    int rounds;
};

static void note(struct script *s, const char *word)
{
    strbuf_addf(&s->text, "%s%s", s->text.len ? " " : "", word);
}

static void fire_name(struct timer *t, void *user)
{
    note(user, t->name);
}

/* Both bodies go through the same script. */
static struct loop *each_body(int i)
{
    return i == 0 ? loop_new() : loop_new_scripted((struct monotime){5 * TIME_S_NS}, (struct walltime){0});
}

static void test_timer_order(void **state)
{
    for (int body = 0; body < 2; body++) {
        struct script s = {.loop = each_body(body)};
        struct timer t[6];
        const char *names[] = {"a", "b", "c", "d", "e", "f"};
        int64_t due_ms[] = {3, 1, 2, 1, 2, 1};
        for (int i = 0; i < 6; i++) {
            timer_init(&t[i], s.loop, names[i], fire_name, &s);
            timer_arm_ms(&t[i], due_ms[i]);
        }
        timer_disarm(&t[3]);
        timer_arm_ms(&t[1], 2); /* moves behind e */
        timer_disarm(&t[3]);    /* no-op */
        assert_false(timer_is_armed(&t[3]));
        assert_true(timer_is_armed(&t[1]));
        while (timer_is_armed(&t[0]))
            loop_step(s.loop, -1);
        assert_string_equal(s.text.p, "f c e b a");
        strbuf_done(&s.text);
        loop_free(s.loop);
    }
}

static void rearm_at_once(struct timer *t, void *user)
{
    struct script *s = user;
    note(s, "again");
    if (++s->rounds < 3)
        timer_arm_at(t, (struct monotime){0});
}

static void test_timer_rearmed_in_the_past_does_not_hold_the_loop(void **state)
{
    for (int body = 0; body < 2; body++) {
        struct script s = {.loop = each_body(body)};
        struct timer later;
        timer_init(&s.again, s.loop, "again", rearm_at_once, &s);
        timer_init(&later, s.loop, "later", fire_name, &s);
        timer_arm_ms(&s.again, 0);
        timer_arm_ms(&later, 0);
        while (s.rounds < 3)
            loop_step(s.loop, -1);
        assert_string_equal(s.text.p, "again later again again");
        strbuf_done(&s.text);
        loop_free(s.loop);
    }
}

static void test_many_timers_fire_in_order(void **state)
{
    enum { N = 1000 };
    struct script s = {.loop = loop_new_scripted((struct monotime){0}, (struct walltime){0})};
    static struct timer t[N];
    for (int i = 0; i < N; i++) {
        timer_init(&t[i], s.loop, "x", fire_name, &s);
        timer_arm_ms(&t[i], 1 + (i * 7919) % 1009);
    }
    for (int i = 0; i < N; i += 3)
        timer_disarm(&t[i]);
    struct monotime last = loop_now(s.loop);
    int fired = 0;
    for (int n; (n = loop_step(s.loop, 0)) > 0; fired += n) {
        assert_true(loop_now(s.loop).ns >= last.ns);
        last = loop_now(s.loop);
        for (int i = 0; i < N; i++)
            assert_true(!timer_is_armed(&t[i]) || t[i].due.ns > last.ns);
    }
    assert_int_equal(fired, N - (N + 2) / 3);
    strbuf_done(&s.text);
    loop_free(s.loop);
}

static void run_task(struct task *t, void *user)
{
    struct script *s = user;
    note(s, t == &s->task ? "task" : "other");
    if (t == &s->task && ++s->rounds < 2)
        task_post(s->loop, t);
}

static void test_task_posted_by_itself_waits_a_round(void **state)
{
    for (int body = 0; body < 2; body++) {
        struct script s = {.loop = each_body(body)};
        task_init(&s.task, run_task, &s);
        task_init(&s.other, run_task, &s);
        task_post(s.loop, &s.task);
        task_post(s.loop, &s.other);
        task_post(s.loop, &s.task); /* waits already */
        assert_int_equal(loop_step(s.loop, -1), 2);
        assert_string_equal(s.text.p, "task other");
        assert_int_equal(loop_step(s.loop, -1), 1);
        assert_int_equal(loop_step(s.loop, 0), 0);
        assert_string_equal(s.text.p, "task other task");
        strbuf_done(&s.text);
        loop_free(s.loop);
    }
}

static void cancel_other(struct task *t, void *user)
{
    struct script *s = user;
    note(s, "cancel");
    task_cancel(&s->other);
}

static void test_task_cancelled_by_another_of_its_round(void **state)
{
    struct script s = {.loop = loop_new()};
    task_init(&s.task, cancel_other, &s);
    task_init(&s.other, run_task, &s);
    task_post(s.loop, &s.task);
    task_post(s.loop, &s.other);
    assert_int_equal(loop_step(s.loop, 0), 1);
    assert_string_equal(s.text.p, "cancel");
    strbuf_done(&s.text);
    loop_free(s.loop);
}

static void stop_loop(struct task *t, void *user)
{
    struct script *s = user;
    note(s, "posted");
    loop_stop(s->loop);
}

static void *post_it(void *arg)
{
    struct script *s = arg;
    loop_post_from_thread(s->loop, &s->task);
    return NULL;
}

static void test_post_from_thread_wakes(void **state)
{
    for (int i = 0; i < 200; i++) {
        struct script s = {.loop = loop_new()};
        pthread_t thread;
        task_init(&s.task, stop_loop, &s);
        assert_int_equal(pthread_create(&thread, NULL, post_it, &s), 0);
        loop_run(s.loop);
        pthread_join(thread, NULL);
        assert_string_equal(s.text.p, "posted");
        strbuf_done(&s.text);
        loop_free(s.loop);
    }
}

static void test_scripted_advance(void **state)
{
    struct walltime wall = {INT64_C(1764000000) * TIME_S_NS};
    struct script s = {.loop = loop_new_scripted((struct monotime){TIME_S_NS}, wall)};
    struct timer at_end, beyond;
    timer_init(&at_end, s.loop, "at-end", fire_name, &s);
    timer_init(&beyond, s.loop, "beyond", fire_name, &s);
    timer_arm_ms(&at_end, 100);
    timer_arm_ms(&beyond, 101);
    loop_script_advance(s.loop, 100);
    assert_string_equal(s.text.p, "at-end");
    assert_int_equal(loop_now(s.loop).ns, TIME_S_NS + 100 * TIME_MS_NS);
    assert_int_equal(loop_wall_now(s.loop).ns, wall.ns + 100 * TIME_MS_NS);
    loop_run(s.loop); /* ends by itself */
    assert_string_equal(s.text.p, "at-end beyond");
    struct fd_watch w;
    fd_watch_init(&w, s.loop, NULL, NULL);
    assert_true(fd_watch_add(&w, 0, EPOLLIN) < 0);
    strbuf_done(&s.text);
    loop_free(s.loop);
}

struct pair {
    struct fd_watch a, b;
    int n_ready;
};

/* Whichever comes first removes the other, which was ready in the same batch. */
static void remove_other(struct fd_watch *w, uint32_t events, void *user)
{
    struct pair *p = user;
    p->n_ready++;
    fd_watch_remove(w == &p->a ? &p->b : &p->a);
}

static void test_watch_removed_in_its_batch_is_not_called(void **state)
{
    struct loop *loop = loop_new();
    struct pair p = {0};
    int one[2], two[2];
    assert_int_equal(pipe(one), 0);
    assert_int_equal(pipe(two), 0);
    fd_watch_init(&p.a, loop, remove_other, &p);
    fd_watch_init(&p.b, loop, remove_other, &p);
    assert_int_equal(fd_watch_add(&p.a, one[0], EPOLLIN), 0);
    assert_int_equal(fd_watch_add(&p.b, two[0], EPOLLIN), 0);
    assert_int_equal(loop_step(loop, 0), 0);
    assert_int_equal(write(one[1], "x", 1), 1);
    assert_int_equal(write(two[1], "x", 1), 1);
    assert_int_equal(loop_step(loop, -1), 1);
    assert_int_equal(p.n_ready, 1);
    struct fd_watch *left = p.a.fd >= 0 ? &p.a : &p.b;
    fd_watch_set(left, 0);
    assert_int_equal(loop_step(loop, 0), 0);
    fd_watch_set(left, EPOLLIN);
    assert_int_equal(loop_step(loop, 0), 1);
    fd_watch_remove(left);
    fd_watch_remove(left); /* no-op */
    assert_int_equal(loop_step(loop, 0), 0);
    loop_free(loop);
    for (int i = 0; i < 2; i++) {
        close(one[i]);
        close(two[i]);
    }
}

static void on_signal(int signo, void *user)
{
    struct script *s = user;
    note(s, signo == SIGUSR1 ? "usr1" : "usr2");
    if (signo == SIGUSR2)
        loop_stop(s->loop);
}

static void test_signals(void **state)
{
    struct script s = {.loop = loop_new()};
    assert_int_equal(loop_on_signal(s.loop, SIGUSR1, on_signal, &s), 0);
    assert_int_equal(loop_on_signal(s.loop, SIGUSR2, on_signal, &s), 0);
    assert_true(loop_on_signal(s.loop, 0, on_signal, &s) < 0);
    kill(getpid(), SIGUSR1);
    loop_step(s.loop, -1);
    kill(getpid(), SIGUSR2);
    loop_run(s.loop);
    assert_string_equal(s.text.p, "usr1 usr2");
    strbuf_done(&s.text);
    loop_free(s.loop);
}

static void test_timer_waits_its_time(void **state)
{
    struct script s = {.loop = loop_new()};
    struct timer t;
    struct monotime start = loop_now(s.loop);
    timer_init(&t, s.loop, "t", fire_name, &s);
    timer_arm_ms(&t, 20);
    while (timer_is_armed(&t))
        loop_step(s.loop, -1);
    assert_true(monotime_since_ms(loop_now(s.loop), start) >= 20);
    loop_stop(s.loop);
    loop_run(s.loop); /* a stop before the run counts */
    strbuf_done(&s.text);
    loop_free(s.loop);
}

RUN_TESTS(cmocka_unit_test(test_timer_order),
          cmocka_unit_test(test_timer_rearmed_in_the_past_does_not_hold_the_loop),
          cmocka_unit_test(test_many_timers_fire_in_order),
          cmocka_unit_test(test_task_posted_by_itself_waits_a_round),
          cmocka_unit_test(test_task_cancelled_by_another_of_its_round),
          cmocka_unit_test(test_post_from_thread_wakes), cmocka_unit_test(test_scripted_advance),
          cmocka_unit_test(test_watch_removed_in_its_batch_is_not_called), cmocka_unit_test(test_signals),
          cmocka_unit_test(test_timer_waits_its_time))
