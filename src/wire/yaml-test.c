#include "wire/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"

/* Parses YAML; the compact JSON, or words of the error when WANT_ERROR is not 0. */
static void check(const char *yaml, int want_error, const char *want)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf out = {0};
    struct err err = {0};
    struct json *v;
    int r = yaml_parse(&a, str_of(yaml), NULL, &v, &err);
    if (r != want_error)
        fail_msg("%s: returns %d (%s), expected %d", yaml, r, err.text, want_error);
    if (r == 0)
        json_write(v, &out);
    const char *got = r ? err.text : strbuf_cstr(&out);
    if (r ? !strstr(got, want) : strcmp(got, want) != 0)
        fail_msg("%s: gives %s, expected %s", yaml, got, want);
}

/* What kubectl 1.32 prints for each with `kubectl label --local -o json`. */
static void test_scalars_as_kubectl_reads_them(void **state)
{
    static const char *const rows[][2] = {
        {"[y, Y, yes, Yes, YES, yEs]", "[true,true,true,true,true,\"yEs\"]"},
        {"[true, True, TRUE, tRUE, on, On, ON, oN]", "[true,true,true,\"tRUE\",true,true,true,\"oN\"]"},
        {"[n, N, no, No, NO, off, Off, OFF, false, False, FALSE]",
         "[false,false,false,false,false,false,false,false,false,false,false]"},
        {"[~, null, Null, NULL, nULL]", "[null,null,null,null,\"nULL\"]"},
        {"[0644, 0o644, 08, 0x1F, -0x10, 0b11, +0b11, -0b12]", "[420,420,8,31,-16,3,3,\"-0b12\"]"},
        {"[0X1f, 0B11, 0O17, 0o8, 0x, 0x_1, 00, -0, 09.5]", "[31,3,15,\"0o8\",\"0x\",1,0,0,9.5]"},
        {"[1_000, _1, 1__0, 1_2.5_0, .1_0]", "[1000,\"_1\",10,12.5,0.1]"},
        {"[+5, .5, 5., +.5, -.5, .5e1, 1e3, 1E+2, 1.e3, 1e, ., .e3, +, -x]",
         "[5,0.5,5,0.5,-0.5,5,1000,100,1000,\"1e\",\".\",\".e3\",\"+\",\"-x\"]"},
        {"[190:20:30, 2024-01-01, 2024-01-01T00:00:00Z, 1e400, 1.2.3, 10.0.0.1]",
         "[\"190:20:30\",\"2024-01-01\",\"2024-01-01T00:00:00Z\",\"1e400\",\"1.2.3\",\"10.0.0.1\"]"},
        {"[9007199254740993, 9223372036854775807, -9223372036854775808, 18446744073709551615]",
         "[9007199254740993,9223372036854775807,-9223372036854775808,18446744073709551615]"},
        {"[-9223372036854775809, 0x8000000000000000, 123456789012345678901234567890]",
         "[-9223372036854776000,9223372036854775808,1.2345678901234568e+29]"},
        {"[1.50, 1e21, 1e20, 1e-7, 0.000001, 1234567.125, 3.4028234663852886e+38, 1e-400, 5e-324]",
         "[1.5,1e+21,100000000000000000000,1e-7,0.000001,1234567.125,3.4028234663852886e+38,0,5e-324]"},
        {"[!!int \"3\", ! 12, ! \"12\", !!str 12, !foo 12, !!binary aGk=, !!float 1, !!bool yes, !!float "
         "0x10]",
         "[3,\"12\",\"12\",\"12\",\"12\",\"hi\",1,true,16]"},
        {"[!!timestamp 2024-01-01, !!str , !!null ~, !!merge foo]", "[\"2024-01-01\",\"\",null,\"foo\"]"},
        {"['y', \"1\", 'null', \"\"]", "[\"y\",\"1\",\"null\",\"\"]"},
        {"{n: 1, 1: a, 1.5: b, true: c, 0x10: d, 1e3: e, 16777217.0: f, 1e21: g, 12345678.9: h, .inf: i}",
         "{\"false\":1,\"1\":\"a\",\"1.5\":\"b\",\"true\":\"c\",\"16\":\"d\",\"1000\":\"e\",\"1.6777216e+"
         "07\":\"f\","
         "\"1e+21\":\"g\",\"1.2345679e+07\":\"h\",\".inf\":\"i\"}"},
        {"{2024-01-01: 1, 0.0001: c, 0.00001: d, 999999.5: e}",
         "{\"2024-01-01\":1,\"0.0001\":\"c\",\"1e-05\":\"d\",\"999999.5\":\"e\"}"},
        {"!!set {a, b}", "{\"a\":null,\"b\":null}"},
        {"", "null"},
        {"a:", "{\"a\":null}"},
        {"---\na: 1\n---\n", "{\"a\":1}"},
        {"a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\"}"},
        {"\"a\\0b\\u00e9\\U0001F600\"", "\"a\\u0000b\xc3\xa9\xf0\x9f\x98\x80\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(rows[i][0], 0, rows[i][1]);
}

static void test_anchors_and_merge_keys(void **state)
{
    static const char *const rows[][2] = {
        {"a: &x {k: [1]}\nb: *x\nc: [*x, *x]",
         "{\"a\":{\"k\":[1]},\"b\":{\"k\":[1]},\"c\":[{\"k\":[1]},{\"k\":[1]}]}"},
        {"a: &x 1\nb: *x\nc: &x 2\nd: *x", "{\"a\":1,\"b\":1,\"c\":2,\"d\":2}"},
        {"&k key: 1\nb: *k", "{\"key\":1,\"b\":\"key\"}"},
        {"a: &k 0x10\n*k : 1", "{\"a\":16,\"16\":1}"},
        {"a: &x 1\na: 2\nb: *x", "{\"a\":2,\"b\":1}"},
        {"x: &x {a: 1, b: 2}\nm: {a: 9, <<: *x}", "{\"x\":{\"a\":1,\"b\":2},\"m\":{\"a\":1,\"b\":2}}"},
        {"x: &x {a: 1, b: 2}\nm: {<<: *x, a: 9}", "{\"x\":{\"a\":1,\"b\":2},\"m\":{\"a\":9,\"b\":2}}"},
        {"x: &x {a: 1}\nz: &z {a: 7, c: 3}\nm: {<<: [*x, *z], d: 4}",
         "{\"x\":{\"a\":1},\"z\":{\"a\":7,\"c\":3},\"m\":{\"a\":1,\"c\":3,\"d\":4}}"},
        {"{<<: {q: 1}, <<: {q: 2}}", "{\"q\":2}"},
        {"{<<: [{q: 1}, {r: 2}]}", "{\"r\":2,\"q\":1}"},
        {"{\"<<\": {q: 1}}", "{\"\\u003c\\u003c\":{\"q\":1}}"},
        {"[<<]", "[\"\\u003c\\u003c\"]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(rows[i][0], 0, rows[i][1]);
}

static void test_refusals(void **state)
{
    static const char *const rows[][2] = {
        {"v: .inf", "line 1 column 4: JSON has no infinity"},
        {"a: 1\nv: .nan", "line 2 column 4: JSON has no infinity and no not-a-number"},
        {"{~: 1}", "a mapping key is null"},
        {"{[a]: 1}", "a mapping key is a mapping or a sequence"},
        {"{{a: b}: 1}", "a mapping key is a mapping or a sequence"},
        {"a: &x [1]\n*x : 1", "a mapping key is a mapping or a sequence"},
        {"{18446744073709551615: 1}", "beyond 64 bits"},
        {"!!int abc", "cannot decode !!str `abc` as a !!int"},
        {"!!null x", "cannot decode !!str `x` as a !!null"},
        {"!!int 1.5", "cannot decode !!float `1.5` as a !!int"},
        {"!!bool 1", "cannot decode !!int `1` as a !!bool"},
        {"!!int", "cannot decode !!null `` as a !!int"},
        {"!!timestamp foo", "!!timestamp"},
        {"!!binary \"@@\"", "invalid base64"},
        {"!!binary gIA=", "not UTF-8"},
        {"*nope", "unknown anchor"},
        {"&v [*v]", "contains itself"},
        {"a: &v {<<: *v}", "contains itself"},
        {"&v {<<: 3}", "a merge key needs a mapping"},
        {"{<<: [{a: 1}, 3]}", "a merge key needs a mapping"},
        {"a: &s [{b: 1}]\nc: {<<: *s}", "a merge key needs a mapping"},
        {"a: 1\n---\nb: 2\n", "expected one YAML document, found more"},
        {"a: [1", "line 2 column 1: did not find expected"},
        {"a: b: c", "line 1 column 5: mapping values are not allowed in this context"},
        {"\ta: 1", "cannot start any token"},
        {"a: \"\\ud800\"", "Unicode"},
        {"\x01", "control characters are not allowed"},
        {"\xff\xff", "invalid YAML at byte"},
        {"a: &x 1\n---\nb: *x", "unknown anchor"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        check(rows[i][0], -EINVAL, rows[i][1]);
}

static void test_many_documents(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf out = {0};
    struct json *all;
    assert_int_equal(
        yaml_parse_all(&a, STR("# c\n---\na: 1\n---\n---\n[2]\n...\n---\nx\n"), NULL, &all, NULL), 0);
    json_write(all, &out);
    assert_string_equal(strbuf_cstr(&out), "[{\"a\":1},null,[2],\"x\"]");
}

static void test_duplicates_have_paths(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json_parse_info info = {0};
    struct json *v;
    struct str text = STR("x: &x {m: 1}\nspec:\n  ports: [{a: 1}, {name: a, name: b}]\n  1: a\n  '1': b\n"
                          "spec: {q: {<<: *x, m: 2, m: 3}}\n");
    assert_int_equal(yaml_parse(&a, text, &info, &v, NULL), 0);
    assert_int_equal(info.n_duplicates, 4);
    assert_str(info.duplicates[0].path, "spec.ports[1].name");
    assert_str(info.duplicates[1].path, "spec.1");
    assert_str(info.duplicates[2].path, "spec.q.m"); /* one for the merged key would be one too many */
    assert_str(info.duplicates[3].path, "spec");
    assert_int_equal(json_int_at(v, 0, "spec", "q", "m"), 3);
    _cleanup_(strbuf_done) struct strbuf many = {0};
    for (int i = 0; i < 200; i++)
        strbuf_addz(&many, "k: 1\n");
    assert_int_equal(yaml_parse(&a, strbuf_str(&many), &info, &v, NULL), 0);
    assert_int_equal(info.n_duplicates, JSON_MAX_DUPLICATES);
}

static void test_limits(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf text = {0};
    struct json *v;
    struct err err = {0};
    for (int i = 0; i < JSON_MAX_DEPTH; i++)
        strbuf_addc(&text, '[');
    for (int i = 0; i < JSON_MAX_DEPTH; i++)
        strbuf_addc(&text, ']');
    assert_int_equal(yaml_parse(&a, strbuf_str(&text), NULL, &v, &err), 0);
    strbuf_add(&text, "]", 1);
    text.p[0] = '[';
    _cleanup_(strbuf_done) struct strbuf deeper = {0};
    strbuf_addf(&deeper, "[%s", strbuf_cstr(&text));
    assert_int_equal(yaml_parse(&a, strbuf_str(&deeper), NULL, &v, &err), -E2BIG);
    assert_non_null(strstr(err.text, "nested deeper than 512 levels"));
    strbuf_truncate(&text, 0);
    while (text.len <= YAML_MAX_LEN)
        strbuf_addz(&text, "# a comment of no use at all, but long enough to fill the limit soon\n");
    assert_int_equal(yaml_parse(&a, strbuf_str(&text), NULL, &v, &err), -E2BIG);
    assert_non_null(strstr(err.text, "longer than"));
}

/* An alias may not carry a deep value to a deep place. */
static void test_cve_2023_3341_aliases_add_depth(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf text = {0};
    struct json *v;
    struct err err = {0};
    strbuf_addz(&text, "- &a0 [1]\n");
    for (int i = 1; i < 600; i++)
        strbuf_addf(&text, "- &a%d [*a%d]\n", i, i - 1);
    assert_int_equal(yaml_parse(&a, strbuf_str(&text), NULL, &v, &err), -E2BIG);
}

static void round_trip(const struct json *v, const char *want)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf text = {0};
    struct err err = {0};
    struct json *back;
    yaml_write(v, &text);
    if (want)
        assert_string_equal(strbuf_cstr(&text), want);
    if (yaml_parse(&a, strbuf_str(&text), NULL, &back, &err) < 0)
        fail_msg("%s: %s", strbuf_cstr(&text), err.text);
    if (!json_equal(v, back))
        fail_msg("comes back changed: %s", strbuf_cstr(&text));
}

static void test_writer(void **state)
{
    static const char *const rows[][2] = {
        {"{\"apiVersion\":\"v1\",\"clusters\":[{\"cluster\":{\"server\":\"https://"
         "127.0.0.1:6443\"},\"name\":\"a\"}],"
         "\"users\":[],\"preferences\":{}}",
         "apiVersion: v1\nclusters:\n- cluster:\n    server: https://127.0.0.1:6443\n  name: a\nusers: []\n"
         "preferences: {}\n"},
        {"[[1,[2,{}]],{\"a\":null,\"b\":[[]]},\"x\"]",
         "- - 1\n  - - 2\n    - {}\n- a: null\n  b:\n  - []\n- x\n"},
        {"\"x\"", "x\n"},
        {"[\"y\",\"0644\",\"10.0.0.1\",\"a b\",\"a: b\",\"a #b\",\"\",\" "
         "x\",\"-\",\"<<\",\"x:\",\"1e3\",\"null\",\"~\"]",
         "- \"y\"\n- \"0644\"\n- \"10.0.0.1\"\n- a b\n- \"a: b\"\n- \"a #b\"\n- \"\"\n- \" x\"\n- \"-\"\n- "
         "\"<<\"\n- \"x:\"\n"
         "- \"1e3\"\n- \"null\"\n- \"~\"\n"},
        {"[\"l\\nm\\t\\\"\\\\\\u0000\\u007f\\u2028\\ufeff\\u0085\xc3\xa9\"]",
         "- \"l\\nm\\t\\\"\\\\\\u0000\\u007F\\u2028\\uFEFF\\u0085\xc3\xa9\"\n"},
        {"{\"y\":1,\"a\\u0000\":2,\"1\":3}", "\"y\": 1\n\"a\\u0000\": 2\n\"1\": 3\n"},
        {"[true,false,null,-7,1.50,9007199254740993,-0,1E5]", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        _cleanup_(arena_done) struct arena a = {0};
        struct json *v;
        assert_int_equal(json_parse(&a, str_of(rows[i][0]), NULL, &v, NULL), 0);
        round_trip(v, rows[i][1]);
    }
}

/* Every string that YAML 1.1 gives a meaning, and every short one of marks, as value and as key. */
static void test_writer_quotes_what_would_be_misread(void **state)
{
    static const char marks[] = "a1y-.:# ,[]{}&*!|>'\"%@`?=~+_\n\t\x7f";
    _cleanup_(arena_done) struct arena a = {0};
    struct json *all = json_array(&a);
    for (size_t i = 0; i < sizeof marks * sizeof marks * sizeof marks; i++) {
        char s[] = {marks[i % sizeof marks], marks[i / sizeof marks % sizeof marks],
                    marks[i / sizeof marks / sizeof marks]};
        struct str text = {arena_dup(&a, s, 3), 3};
        struct json *o = json_object(&a);
        json_add(o, text, json_string(&a, text));
        json_append(all, o);
    }
    static const char *const words[] = {
        "yes", "No",  "ON",    "off", "TRUE", "null",      "Null",       ".inf",      "-.INF", ".NaN", "0x1F",
        "0b1", "0o7", "017",   "1_0", "1e3",  "190:20:30", "2024-01-01", "<<",        "=",     "---",  "...",
        "- a", "? a", "%YAML", "? ",  "a:",   ": a",       "!!int 3",    "e\xcc\x81", "---\n"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        json_append(all, json_string(&a, str_of(words[i])));
    round_trip(all, NULL);
}

static void test_writer_deep_and_long(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *v = json_int(&a, 1);
    for (int i = 0; i < JSON_MAX_DEPTH; i++) {
        struct json *outer = i % 3 ? json_object(&a) : json_array(&a);
        if (i % 3)
            json_add(outer, STR("k"), v);
        else
            json_append(outer, v);
        v = outer;
    }
    round_trip(v, NULL);
    char *key = arena_alloc(&a, 5000);
    memset(key, 'k', 5000);
    struct json *o = json_object(&a), *list = json_array(&a), *inner = json_object(&a);
    json_append(list, json_int(&a, 1));
    json_add(inner, STR("x"), list);
    json_add(o, (struct str){key, 5000}, json_int(&a, 1));
    json_add(o, (struct str){key, 4000}, inner);
    json_add(o, (struct str){key, 3000}, json_copy(&a, list));
    json_add(o, (struct str){key, 2000}, json_array(&a));
    round_trip(o, NULL);
}

/* Bombs, each in a process of its own, which is how CPU and memory are seen. */

static void add_times(struct strbuf *out, const char *unit, size_t n)
{
    while (n--)
        strbuf_addz(out, unit);
}

static void bomb_aliases(struct strbuf *out, int levels, int width, const char *open, const char *close)
{
    strbuf_addf(out, "a0: &a0 %s\"lol\"%s\n", open, close);
    for (int i = 1; i <= levels; i++) {
        strbuf_addf(out, "a%d: &a%d %s", i, i, open);
        for (int k = 0; k < width; k++)
            strbuf_addf(out, "%s*a%d", k ? "," : "", i - 1);
        strbuf_addf(out, "%s\n", close);
    }
}

static void bomb_merges(struct strbuf *out, int levels, int width)
{
    strbuf_addz(out, "m0: &m0 {");
    for (int k = 0; k < width; k++)
        strbuf_addf(out, "k%d: v, ", k);
    strbuf_addz(out, "}\n");
    for (int i = 1; i <= levels; i++) {
        strbuf_addf(out, "m%d: &m%d {<<: [", i, i);
        add_times(out, "*m0, ", (size_t)width);
        strbuf_addz(out, "]}\n");
    }
}

/* Text of variant N, below 1 MiB each. */
static void bomb(int n, struct strbuf *out)
{
    static const char *const units[] = {"[",    "{a: ", "- ",  "? ",   "[[a,",   "{[",   "!!x [",
                                        "&a [", "[*a,", "[? ", "- - ", "- ? - ", "a: [", "{? {",
                                        "[\n",  "\"\n", "'",   "|\n",  "{a: b,", "[{"};
    int kind = n / 20, size = n % 20;
    switch (kind) {
    case 0: /* nine to the ninth, and its sisters */
        bomb_aliases(out, 4 + size, 9 + size % 3, "[", "]");
        break;
    case 1:
        bomb_merges(out, 10 * (size + 1), 20 + 10 * size);
        break;
    case 2: /* openings without end, all kinds */
        add_times(out, units[size], 900000 / strlen(units[size]));
        break;
    case 3: /* deep and then long: what is quadratic in libyaml */
        add_times(out, "[", 25 * (size_t)(size + 1));
        add_times(out, "a,", 25000);
        break;
    case 4: /* many or long anchors, aliases, tags, directives, keys */
        if (size < 5)
            for (int i = 0; i < 30000; i++)
                strbuf_addf(out, "k%d: &a%d [*a%d]\n", i, i, i ? i - 1 : 0);
        else if (size < 10) {
            strbuf_addz(out, "x: &");
            add_times(out, "a", 100000 << (size - 5) / 2);
            strbuf_addz(out, " 1\n");
            add_times(out, "y: *b\n", 10);
        } else if (size < 15)
            for (int i = 0; i < 40000; i++)
                strbuf_addf(out, "%%TAG !%d! tag:x,%d:\n", i, i);
        else
            add_times(out, size % 2 ? "? a\n: b\n" : "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\": 1\n", 15000);
        break;
    default: /* one alias, used often: within the ratio or beyond it */
        strbuf_addz(out, "s: &s \"");
        add_times(out, "x", 100 << size / 2);
        strbuf_addz(out, "\"\nl: [");
        add_times(out, "*s,", 1000 + 2000 * (size_t)size);
        strbuf_addz(out, "]\n");
    }
}

struct cost {
    long cpu_us, peak_kib;
};

static struct cost cost_of(struct str text, bool parse)
{
    pid_t pid = fork();
    if (pid == 0) {
        _cleanup_(arena_done) struct arena a = {0};
        struct json *v;
        if (parse)
            (void)yaml_parse_all(&a, text, NULL, &v, NULL); /* only the cost matters here */
        _exit(0);
    }
    int status;
    struct rusage use;
    assert_true(pid > 0 && wait4(pid, &status, 0, &use) == pid && WIFEXITED(status) &&
                WEXITSTATUS(status) == 0);
    return (struct cost){use.ru_utime.tv_sec * 1000000L + use.ru_utime.tv_usec, use.ru_maxrss};
}

#ifdef __SANITIZE_ADDRESS__
#define COST_FACTOR 8 /* shadow memory, red zones, quarantine */
#else
#define COST_FACTOR 1
#endif

static void test_cve_2019_11253_and_11254_yaml_bombs(void **state)
{
    for (int n = 0; n < 120; n++) {
        _cleanup_(strbuf_done) struct strbuf text = {0};
        bomb(n, &text);
        struct cost nothing = cost_of(strbuf_str(&text), false), cost = cost_of(strbuf_str(&text), true);
        long cpu_us = cost.cpu_us - nothing.cpu_us, kib = cost.peak_kib - nothing.peak_kib;
        if (getenv("VERBOSE"))
            print_message("bomb %d: %zu bytes, %ld us, %ld KiB\n", n, text.len, cpu_us, kib);
        if (cpu_us > 50000 * COST_FACTOR || kib > 16 * 1024 * COST_FACTOR)
            fail_msg("bomb %d of %zu bytes takes %ld us and %ld KiB", n, text.len, cpu_us, kib);
    }
}

static void test_cve_2019_11253_is_refused(void **state)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *v;
    struct err err = {0};
    for (int n = 4; n < 20; n++) {
        _cleanup_(strbuf_done) struct strbuf text = {0};
        bomb(n, &text);
        assert_int_equal(yaml_parse(&a, strbuf_str(&text), NULL, &v, &err), -E2BIG);
        assert_non_null(strstr(err.text, "aliases expand to too much"));
    }
}

RUN_TESTS(cmocka_unit_test(test_scalars_as_kubectl_reads_them), cmocka_unit_test(test_anchors_and_merge_keys),
          cmocka_unit_test(test_refusals), cmocka_unit_test(test_many_documents),
          cmocka_unit_test(test_duplicates_have_paths), cmocka_unit_test(test_limits),
          cmocka_unit_test(test_cve_2023_3341_aliases_add_depth), cmocka_unit_test(test_writer),
          cmocka_unit_test(test_writer_quotes_what_would_be_misread),
          cmocka_unit_test(test_writer_deep_and_long),
          cmocka_unit_test(test_cve_2019_11253_and_11254_yaml_bombs),
          cmocka_unit_test(test_cve_2019_11253_is_refused))
