/* Children: input, output, exit codes, limits, time-outs. */
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "base/test.h"
#include "io/process.h"

struct outcome {
    struct loop *loop;
    int calls;
    struct process_result result;
    struct strbuf out, errors;
};

static void on_exited(const struct process_result *result, void *user)
{
    struct outcome *o = user;
    o->calls++;
    o->result = *result;
    strbuf_add_str(&o->out, result->out);
    strbuf_add_str(&o->errors, result->errors);
    loop_stop(o->loop);
}

static void run(struct outcome *o, const char *script, struct str input, struct process_options options)
{
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    struct process *p;
    *o = (struct outcome){.loop = loop_new()};
    options.argv = argv;
    options.input = input;
    options.max_output = options.max_output ? options.max_output : 1 << 20;
    assert_int_equal(process_start(o->loop, &options, (struct process_callback){on_exited, o}, &p, NULL), 0);
    assert_int_equal(o->calls, 0);
    loop_run(o->loop);
    assert_int_equal(o->calls, 1);
}

static void done(struct outcome *o)
{
    strbuf_done(&o->out);
    strbuf_done(&o->errors);
    loop_free(o->loop);
}

static void test_streams(void **state)
{
    (void)state;
    struct outcome o;
    run(&o, "cat; echo bad >&2; exit 3", STR("hello"), (struct process_options){0});
    assert_str(strbuf_str(&o.out), "hello");
    assert_str(strbuf_str(&o.errors), "bad\n");
    assert_int_equal(o.result.exit_code, 3);
    assert_int_equal(o.result.signal, 0);
    done(&o);
}

static void test_big_input(void **state)
{
    (void)state;
    struct outcome o;
    _cleanup_(strbuf_done) struct strbuf big = {0};
    for (int i = 0; i < 300000; i++)
        strbuf_addz(&big, "0123456789");
    run(&o, "wc -c", strbuf_str(&big), (struct process_options){0});
    assert_str(str_trim(strbuf_str(&o.out)), "3000000");
    done(&o);
    run(&o, "exit 0", strbuf_str(&big), (struct process_options){0}); /* reads nothing of it */
    assert_int_equal(o.result.exit_code, 0);
    done(&o);
}

static void test_output_limit(void **state)
{
    (void)state;
    struct outcome o;
    run(&o, "head -c 500000 /dev/zero", STR(""), (struct process_options){.max_output = 1000});
    assert_int_equal(o.out.len, 1000);
    assert_true(o.result.cut);
    assert_int_equal(o.result.exit_code, 0);
    done(&o);
}

static void test_timeout(void **state)
{
    (void)state;
    struct outcome o;
    run(&o, "sleep 60 & wait", STR(""), (struct process_options){.timeout_ms = 30});
    assert_true(o.result.timed_out);
    assert_int_equal(o.result.signal, SIGKILL);
    done(&o);
}

static void test_missing_and_cancel(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct process *p = NULL;
    struct err err = {0};
    struct outcome o = {0};
    const char *missing[] = {"/nowhere/program", NULL};
    struct process_options options = {.argv = missing, .max_output = 10};
    assert_int_equal(process_start(loop, &options, (struct process_callback){on_exited, &o}, &p, &err),
                     -ENOENT);
    assert_non_null(strstr(err.text, "/nowhere/program"));
    const char *sleep[] = {"/bin/sleep", "60", NULL};
    options.argv = sleep;
    assert_int_equal(process_start(loop, &options, (struct process_callback){on_exited, &o}, &p, &err), 0);
    process_cancel(p);
    (void)loop_step(loop, 0); /* nothing must come */
    assert_int_equal(o.calls, 0);
    loop_free(loop);
}

static void test_run_sync(void **state)
{
    (void)state;
    const char *argv[] = {"/bin/sh", "-c", "cat; echo bad >&2; exit 4", NULL};
    struct process_options options = {.argv = argv, .input = STR("hello"), .max_output = 100};
    struct process_result result = {0};
    _cleanup_(strbuf_done) struct strbuf out = {0}, errors = {0};
    assert_int_equal(process_run_sync(&options, &result, &out, &errors, NULL), 0);
    assert_int_equal(result.exit_code, 4);
    assert_string_equal(out.p, "hello");
    assert_string_equal(errors.p, "bad\n");
    argv[0] = "/no/such/program";
    assert_int_equal(process_run_sync(&options, &result, NULL, NULL, NULL), -ENOENT);
}

/* Nothing of ours reaches the child but its three descriptors. */
static void test_no_descriptor_leaks(void **state)
{
    (void)state;
    const char *argv[] = {"/bin/ls", "/proc/self/fd", NULL};
    struct process_options options = {.argv = argv, .max_output = 100};
    struct process_result result = {0};
    _cleanup_(strbuf_done) struct strbuf out = {0};
    int fd = dup(1); /* without CLOEXEC */
    assert_int_equal(process_run_sync(&options, &result, &out, NULL, NULL), 0);
    close(fd);
    assert_string_equal(out.p, "0\n1\n2\n3\n"); /* 3: the folder it lists */
}

RUN_TESTS(cmocka_unit_test(test_streams), cmocka_unit_test(test_run_sync),
          cmocka_unit_test(test_no_descriptor_leaks), cmocka_unit_test(test_big_input),
          cmocka_unit_test(test_output_limit), cmocka_unit_test(test_timeout),
          cmocka_unit_test(test_missing_and_cancel))
