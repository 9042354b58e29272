#include "watch/workqueue.h"

#include <stdio.h>

#include "base/test.h"

struct fixture {
    struct loop *loop;
    struct workqueue *queue;
    struct strbuf log;
    bool hold; /* work does not end by itself */
    enum workqueue_outcome outcome;
};

static void work(void *user, struct str key)
{
    struct fixture *f = user;
    strbuf_addf(&f->log, "%.*s@%d ", STR_ARG(key), (int)(loop_now(f->loop).ns / TIME_MS_NS));
    if (!f->hold)
        workqueue_done(f->queue, key, f->outcome);
}

static void setup(struct fixture *f, struct workqueue_config config)
{
    *f = (struct fixture){.loop = loop_new_scripted((struct monotime){0}, (struct walltime){0})};
    config.loop = f->loop;
    config.name = "test";
    config.work = work;
    config.user = f;
    f->queue = workqueue_new(&config);
    workqueue_start(f->queue);
}

static void done(struct fixture *f)
{
    workqueue_free(f->queue);
    loop_free(f->loop);
    strbuf_done(&f->log);
}

static void expect(struct fixture *f, const char *text)
{
    assert_str(strbuf_str(&f->log), text);
    strbuf_truncate(&f->log, 0);
}

static void test_keys_are_worked_once_and_again_if_added_meanwhile(void **state)
{
    struct fixture f;
    setup(&f, (struct workqueue_config){.workers = 2});
    f.hold = true;
    workqueue_add(f.queue, STR("a"));
    workqueue_add(f.queue, STR("a"));
    workqueue_add(f.queue, STR("b"));
    workqueue_add(f.queue, STR("c"));
    loop_script_advance(f.loop, 1);
    expect(&f, "a@0 b@0 ");
    workqueue_add(f.queue, STR("a"));
    assert_int_equal(workqueue_active(f.queue), 2);
    assert_int_equal(workqueue_depth(f.queue), 1);
    workqueue_done(f.queue, STR("a"), WORKQUEUE_OK);
    loop_script_advance(f.loop, 1);
    expect(&f, "c@1 ");
    workqueue_done(f.queue, STR("b"), WORKQUEUE_OK);
    workqueue_done(f.queue, STR("c"), WORKQUEUE_OK);
    loop_script_advance(f.loop, 1);
    expect(&f, "a@2 ");
    workqueue_done(f.queue, STR("a"), WORKQUEUE_OK);
    loop_script_advance(f.loop, 100000);
    expect(&f, "");
    done(&f);
}

static void test_failures_back_off_and_a_success_forgets_them(void **state)
{
    struct fixture f;
    setup(&f, (struct workqueue_config){.base_ms = 5, .max_ms = 40});
    f.outcome = WORKQUEUE_FAILED;
    workqueue_add(f.queue, STR("a"));
    loop_script_advance(f.loop, 160);
    expect(&f, "a@0 a@5 a@15 a@35 a@75 a@115 a@155 ");
    assert_int_equal(workqueue_failures(f.queue, STR("a")), 7);
    f.outcome = WORKQUEUE_OK;
    loop_script_advance(f.loop, 100);
    expect(&f, "a@195 ");
    assert_int_equal(workqueue_failures(f.queue, STR("a")), 0);
    f.outcome = WORKQUEUE_FAILED;
    workqueue_add(f.queue, STR("a"));
    loop_script_advance(f.loop, 6);
    expect(&f, "a@260 a@265 ");
    done(&f);
}

static void test_an_add_during_the_back_off_does_not_wait(void **state)
{
    struct fixture f;
    setup(&f, (struct workqueue_config){.base_ms = 1000});
    f.outcome = WORKQUEUE_FAILED;
    workqueue_add(f.queue, STR("a"));
    loop_script_advance(f.loop, 10);
    f.outcome = WORKQUEUE_OK;
    workqueue_add(f.queue, STR("a"));
    loop_script_advance(f.loop, 5000);
    expect(&f, "a@0 a@10 ");
    done(&f);
}

static void test_a_key_is_dropped_after_too_many_failures(void **state)
{
    struct fixture f;
    setup(&f, (struct workqueue_config){.base_ms = 1, .max_failures = 2});
    f.outcome = WORKQUEUE_FAILED;
    workqueue_add(f.queue, STR("a"));
    loop_script_advance(f.loop, 1000);
    expect(&f, "a@0 a@1 a@3 ");
    assert_int_equal(workqueue_stats(f.queue).drops, 1);
    assert_int_equal(workqueue_failures(f.queue, STR("a")), 0);
    done(&f);
}

static void test_retries_of_all_keys_keep_to_the_rate(void **state)
{
    struct fixture f;
    setup(&f, (struct workqueue_config){
                  .base_ms = 1, .max_ms = 1, .retries_per_s = 10, .retry_burst = 3, .workers = 100});
    f.outcome = WORKQUEUE_FAILED;
    for (int i = 0; i < 20; i++) {
        char key[8];
        (void)snprintf(key, sizeof key, "k%d", i);
        workqueue_add(f.queue, str_of(key));
    }
    loop_script_advance(f.loop, 2000);
    size_t runs = 0;
    for (size_t i = 0; i < f.log.len; i++)
        runs += f.log.p[i] == '@';
    assert_in_range(runs, 20 + 20, 20 + 3 + 21);
    done(&f);
}

static void test_the_earlier_of_two_delays_counts(void **state)
{
    struct fixture f;
    setup(&f, (struct workqueue_config){0});
    workqueue_add_after(f.queue, STR("a"), 500);
    workqueue_add_after(f.queue, STR("a"), 100);
    workqueue_add_after(f.queue, STR("a"), 900);
    loop_script_advance(f.loop, 2000);
    expect(&f, "a@100 ");
    workqueue_add_after(f.queue, STR("b"), 100000); /* freed with the queue */
    done(&f);
}

RUN_TESTS(cmocka_unit_test(test_keys_are_worked_once_and_again_if_added_meanwhile),
          cmocka_unit_test(test_failures_back_off_and_a_success_forgets_them),
          cmocka_unit_test(test_an_add_during_the_back_off_does_not_wait),
          cmocka_unit_test(test_a_key_is_dropped_after_too_many_failures),
          cmocka_unit_test(test_retries_of_all_keys_keep_to_the_rate),
          cmocka_unit_test(test_the_earlier_of_two_delays_counts))
