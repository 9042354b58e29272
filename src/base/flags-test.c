#include "base/flags.h"

#include <errno.h>

#include "base/test.h"

struct values {
    const char *dir, *mode;
    bool all;
    int64_t port, wait_ns, v;
    struct flag_list cidrs;
};

static const char *const modes[] = {"iptables", "nftables", NULL};
static const struct flag flags[] = {
    {.name = "data-dir",
     .type = FLAG_STRING,
     .offset = offsetof(struct values, dir),
     .initial = "/d",
     .help = "Dir."},
    {.name = "proxy-mode",
     .type = FLAG_STRING,
     .offset = offsetof(struct values, mode),
     .choices = modes,
     .help = "M."},
    {.name = "all", .type = FLAG_BOOL, .offset = offsetof(struct values, all), .help = "A."},
    {.name = "port",
     .type = FLAG_INT,
     .offset = offsetof(struct values, port),
     .initial = "80",
     .max = 65535,
     .help = "P."},
    {.name = "wait",
     .type = FLAG_DURATION,
     .offset = offsetof(struct values, wait_ns),
     .initial = "30s",
     .help = "W."},
    {.name = "cidrs",
     .type = FLAG_LIST,
     .offset = offsetof(struct values, cidrs),
     .initial = "a,b",
     .help = "C."},
    {.name = "v", .type = FLAG_INT, .offset = offsetof(struct values, v), .help = "V."},
    {.name = "windows-service", .type = FLAG_REFUSED, .help = "there is no Windows form"},
};

static int parse(struct flag_set *set, struct values *v, const char *const *argv, struct err *err)
{
    *set = (struct flag_set){.flags = flags, .n_flags = ARRAY_LEN(flags), .values = v};
    int argc = 0;
    while (argv[argc])
        argc++;
    return flags_parse(set, 1, argc, argv, err);
}

static void test_values(void **state)
{
    struct values v = {0};
    struct flag_set set;
    const char *const argv[] = {"--data_dir=/x", "--all",   "--port", "443",  "--wait=1m30s",
                                "--cidrs=c",     "--cidrs", "d, e",   "-v=3", NULL};
    assert_int_equal(parse(&set, &v, argv, NULL), 0);
    assert_string_equal(v.dir, "/x");
    assert_string_equal(v.mode, "");
    assert_true(v.all && v.port == 443 && v.v == 3 && v.wait_ns == 90000000000);
    assert_int_equal(v.cidrs.n, 3);
    assert_str(v.cidrs.v[2], "e");
    assert_true(flag_was_given(&set, "port") && !flag_was_given(&set, "proxy-mode"));
    assert_string_equal(set.words.v[2], "--port=443");
    flags_done(&set, 1);
}

static void test_defaults(void **state)
{
    struct values v = {0};
    struct flag_set set;
    const char *const argv[] = {NULL};
    assert_int_equal(parse(&set, &v, argv, NULL), 0);
    assert_true(!v.all && v.port == 80 && v.wait_ns == 30000000000 && v.cidrs.n == 2);
    _cleanup_(strbuf_done) struct strbuf help = {0};
    flags_print_help(&set, &help);
    assert_true(str_find(strbuf_str(&help), STR("  --port int\n      P. (default 80)\n")) >= 0);
    flags_done(&set, 1);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *argv[3];
        const char *text;
    } rows[] = {
        {{"--nope"}, "unknown flag: --nope; see --help"},
        {{"-port=1"}, "unknown flag: -port; see --help"},
        {{"here"}, "unexpected argument \"here\": everything is said with flags; see --help"},
        {{"--port"}, "flag needs a value: --port"},
        {{"--port=x"}, "--port: \"x\" is not a whole number"},
        {{"--port", "70000"}, "--port: 70000 is not between 0 and 65535"},
        {{"--wait=soon"}, "--wait: \"soon\" is not a duration such as 30s, 250ms or 1h"},
        {{"--all=maybe"}, "--all: \"maybe\" is neither true nor false"},
        {{"--proxy-mode=magic"}, "--proxy-mode: \"magic\" is not one of iptables, nftables"},
        {{"--windows-service"}, "--windows-service is not supported: there is no Windows form"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct values v = {0};
        struct flag_set set;
        struct err err = {0};
        assert_int_equal(parse(&set, &v, rows[i].argv, &err), -EINVAL);
        assert_string_equal(err.text, rows[i].text);
        flags_done(&set, 1);
    }
}

RUN_TESTS(cmocka_unit_test(test_values), cmocka_unit_test(test_defaults), cmocka_unit_test(test_refusals))
