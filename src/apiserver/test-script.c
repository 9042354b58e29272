#include "apiserver/test-script.h"

#include <stdio.h>

#include "apiserver/local.h"
#include "base/array.h"
#include "base/map.h"
#include "base/test.h"
#include "store/memory/memory.h"
#include "wire/json.h"

#define MAX_STREAMS 64
#define STEP_MS     20

/* One answer on its way; a watch keeps its own. */
struct stream {
    struct str name;
    struct http_call *call;
    int status;
    bool has_ended;
    struct strbuf body, headers;
    size_t taken; /* of a watch's body */
};

struct script {
    struct script_server *server;
    struct arena arena;
    struct map variables;
    struct http_transport *transport;
    ARRAY_OF(struct http_transport *) old_transports; /* of earlier identities, with open watches */
    ARRAY_OF(struct http_header) headers;
    struct stream streams[MAX_STREAMS];
    size_t n_streams;
    struct stream answer;
    bool owes_check;
    size_t line;
    struct str line_text;
};

static _noreturn_ void die(const struct script *s, const char *format, ...) _printf_(2, 3);
static void die(const struct script *s, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fail_msg("line %zu: %.*s\n    %s", s->line, STR_ARG(str_slice(s->line_text, 0, 300)), text);
    abort();
}

/* Answers. */

static void on_head(void *user, int status, const struct http_header *headers, size_t n)
{
    struct stream *t = user;
    t->status = status;
    for (size_t i = 0; i < n; i++)
        strbuf_addf(&t->headers, "%.*s: %.*s\n", STR_ARG(headers[i].name), STR_ARG(headers[i].value));
}

static void on_data(void *user, struct str bytes)
{
    struct stream *t = user;
    strbuf_add_str(&t->body, bytes);
}

static void on_end(void *user, const struct err *err)
{
    struct stream *t = user;
    t->has_ended = true;
    t->call = NULL;
}

static const struct http_call_handler handler = {.head = on_head, .data = on_data, .end = on_end};

static void stream_done(struct stream *t)
{
    strbuf_done(&t->body);
    strbuf_done(&t->headers);
    *t = (struct stream){0};
}

static void set_identity(struct script *s, struct str user, struct str groups)
{
    struct str list[8], group;
    size_t n = 0;
    while (groups.p && groups.len && n < 8 && str_split(&groups, ',', &group))
        list[n++] = group;
    if (s->transport)
        *array_push(&s->old_transports) = s->transport;
    s->transport = local_transport_new(&(struct local_options){
        .loop = s->server->loop,
        .handle = apiserver_handle,
        .ctx = s->server->server,
        .user = user,
        .groups = list,
        .n_groups = n,
    });
}

static void send_request(struct script *s, struct stream *t, struct str method, struct str target,
                         struct str body)
{
    struct http_request request = {.method = method, .target = target, .body = body};
    if (body.len)
        *array_push(&s->headers) = (struct http_header){STR("content-type"), STR("application/json")};
    request.headers = s->headers.v;
    request.n_headers = s->headers.n;
    t->call = http_send(s->transport, &request, &handler, t);
    array_done(&s->headers);
}

/* Checks. */

static struct json *walk(struct json *v, struct str path)
{
    struct str part;
    while (v && path.p && str_split(&path, '.', &part)) {
        int64_t index;
        /* Keys with dots are written with '|' for them. */
        char key[256];
        size_t len = MIN(part.len, sizeof key - 1);
        for (size_t i = 0; i < len; i++)
            key[i] = part.p[i] == '|' ? '.' : part.p[i];
        if (v->type == JSON_ARRAY)
            v = str_to_int64(part, &index) == 0 ? json_at(v, (size_t)index) : NULL;
        else
            v = json_get(v, (struct str){key, len});
    }
    return v;
}

static struct str value_text(struct script *s, struct json *v)
{
    _cleanup_(strbuf_done) struct strbuf text = {0};
    if (!v)
        return STR_NONE;
    if (v->type == JSON_STRING)
        return arena_str(&s->arena, v->text);
    json_write(v, &text);
    return arena_str(&s->arena, strbuf_str(&text));
}

static struct str header_value(const struct stream *t, struct str name)
{
    struct str rest = strbuf_str(&t->headers), line;
    while (rest.p && str_split(&rest, '\n', &line)) {
        if (str_has_prefix(line, name) && line.len > name.len && line.p[name.len] == ':')
            return str_trim(str_slice(line, name.len + 1, line.len));
    }
    return STR_NONE;
}

static struct str actual_of(struct script *s, const struct stream *t, struct json *doc, struct str path)
{
    if (path.len && path.p[0] == '@')
        return header_value(t, str_slice(path, 1, path.len));
    if (str_eq(path, STR("body")))
        return strbuf_str(&t->body);
    if (str_has_suffix(path, STR(".#"))) {
        struct json *v = walk(doc, str_slice(path, 0, path.len - 2));
        return v ? arena_format(&s->arena, "%u", v->n) : STR("0");
    }
    return value_text(s, walk(doc, path));
}

static struct str unquote(struct script *s, struct str text)
{
    _cleanup_(strbuf_done) struct strbuf out = {0};
    for (size_t i = 0; i < text.len; i++) {
        i += text.p[i] == '\\';
        strbuf_addc(&out, text.p[i]);
    }
    return arena_str(&s->arena, strbuf_str(&out));
}

/* Bodies are JSON with ' for ". */
static struct str body_of(struct script *s, struct str text)
{
    _cleanup_(strbuf_done) struct strbuf out = {0};
    for (size_t i = 0; i < text.len; i++)
        strbuf_addc(&out, text.p[i] == '\'' ? '"' : text.p[i]);
    return arena_str(&s->arena, strbuf_str(&out));
}

static void check(struct script *s, const struct stream *t, struct json *doc, struct str text)
{
    size_t at = 0;
    while (at < text.len && text.p[at] != '=' && text.p[at] != '~' && text.p[at] != ':')
        at++;
    struct str path = str_slice(text, 0, at), op = str_slice(text, at, at + 1);
    if (str_eq(op, STR(":")))
        op = str_slice(text, at, at + 2);
    struct str expected = str_slice(text, at + op.len, text.len);
    struct str actual = actual_of(s, t, doc, path);
    if (expected.len >= 2 && expected.p[0] == '"')
        expected = unquote(s, str_slice(expected, 1, expected.len - 1));
    bool good;
    if (str_eq(op, STR(":="))) {
        good = actual.p != NULL;
        if (good)
            (void)map_put(&s->variables, expected, (void *)arena_str(&s->arena, actual).p);
    } else if (str_eq(op, STR("~"))) {
        good = actual.p && str_find(actual, expected) >= 0;
    } else if (str_eq(expected, STR("*"))) {
        good = actual.p != NULL;
    } else if (str_eq(expected, STR("-"))) {
        good = actual.p == NULL;
    } else {
        good = actual.p && str_eq(actual, expected);
    }
    if (!good)
        die(s, "%.*s is %.*s, not %.*s\n    %.*s", STR_ARG(path), STR_ARG(actual.p ? actual : STR("absent")),
            STR_ARG(expected), STR_ARG(str_slice(strbuf_str(&t->body), 0, 2000)));
}

/* The next blank-separated word; blanks inside double quotes belong to it. */
static bool next_word(struct str *rest, struct str *ret)
{
    *rest = str_trim(*rest);
    if (!rest->len)
        return false;
    size_t i = 0;
    bool quoted = false;
    for (; i < rest->len && (quoted || rest->p[i] != ' '); i++) {
        if (rest->p[i] == '\\')
            i++;
        else
            quoted ^= rest->p[i] == '"';
    }
    i = MIN(i, rest->len);
    *ret = str_slice(*rest, 0, i);
    *rest = str_slice(*rest, i, rest->len);
    return true;
}

static void check_all(struct script *s, const struct stream *t, struct json *doc, struct str checks)
{
    struct str word;
    while (next_word(&checks, &word))
        check(s, t, doc, word);
}

static struct json *parse(struct script *s, struct str text)
{
    struct json *doc;
    return json_parse(&s->arena, arena_str(&s->arena, text), NULL, &doc, NULL) < 0 ? NULL : doc;
}

static void check_answer(struct script *s, struct stream *t, int code, struct str checks)
{
    if (!t->has_ended)
        die(s, "no answer (%d so far): %.*s", t->status, STR_ARG(str_slice(strbuf_str(&t->body), 0, 500)));
    if (t->status != code)
        die(s, "status %d: %.*s", t->status, STR_ARG(str_slice(strbuf_str(&t->body), 0, 1500)));
    check_all(s, t, parse(s, strbuf_str(&t->body)), checks);
}

static struct stream *find_stream(struct script *s, struct str name)
{
    for (size_t i = 0; i < s->n_streams; i++) {
        if (str_eq(s->streams[i].name, name))
            return &s->streams[i];
    }
    return NULL;
}

static void check_event(struct script *s, struct stream *t, struct str rest)
{
    struct str all = str_slice(strbuf_str(&t->body), t->taken, t->body.len), type;
    ptrdiff_t end = str_find_char(all, '\n');
    int64_t code;
    (void)next_word(&rest, &type);
    if (str_to_int64(type, &code) == 0) {
        check_answer(s, t, (int)code, rest);
        return;
    }
    if (str_eq(type, STR("NOTHING")) || str_eq(type, STR("END"))) {
        if (end >= 0 || (str_eq(type, STR("END")) && !t->has_ended))
            die(s, "%s; next is %.*s", t->has_ended ? "ended" : "open", STR_ARG(str_slice(all, 0, 500)));
        return;
    }
    if (end < 0)
        die(s, "no event is there; the watch is %s", t->has_ended ? "over" : "open");
    t->taken += (size_t)end + 1;
    struct json *doc = parse(s, str_slice(all, 0, (size_t)end));
    if (!str_eq(json_string_at(doc, "type"), type))
        die(s, "the event is %.*s", STR_ARG(str_slice(all, 0, (size_t)end)));
    check_all(s, t, json_getz(doc, "object"), rest);
}

/* Lines. */

static struct str substitute(struct script *s, struct str line)
{
    _cleanup_(strbuf_done) struct strbuf out = {0};
    ptrdiff_t at;
    while ((at = str_find(line, STR("${"))) >= 0) {
        struct str rest = str_slice(line, (size_t)at + 2, line.len);
        ptrdiff_t end = str_find_char(rest, '}');
        const char *value = end < 0 ? NULL : map_find(&s->variables, str_slice(rest, 0, (size_t)end));
        if (!value)
            die(s, "a variable is not set");
        strbuf_add(&out, line.p, (size_t)at);
        strbuf_addz(&out, value);
        line = str_slice(rest, (size_t)end + 1, rest.len);
    }
    strbuf_add_str(&out, line);
    return arena_str(&s->arena, strbuf_str(&out));
}

static bool run_setting(struct script *s, struct str word, struct str rest)
{
    struct str a;
    if (str_eq(word, STR("as"))) {
        (void)next_word(&rest, &a);
        set_identity(s, str_eq(a, STR("nobody")) ? STR("") : a, str_trim(rest));
    } else if (str_eq(word, STR("header"))) {
        struct str value = str_trim(rest);
        (void)str_split(&value, ':', &a);
        *array_push(&s->headers) = (struct http_header){a, str_trim(value)};
    } else if (str_eq(word, STR("pause")) || str_eq(word, STR("resume"))) {
        local_transport_pause(s->transport, str_eq(word, STR("pause")));
        loop_script_advance(s->server->loop, STEP_MS);
    } else if (str_eq(word, STR("advance"))) {
        int64_t ms;
        assert_int_equal(str_to_int64(str_trim(rest), &ms), 0);
        loop_script_advance(s->server->loop, ms);
    } else {
        return false;
    }
    return true;
}

static void run_watch(struct script *s, struct str rest)
{
    struct str name, target;
    assert_true(s->n_streams < MAX_STREAMS);
    (void)next_word(&rest, &name);
    (void)next_word(&rest, &target);
    struct stream *t = &s->streams[s->n_streams++];
    *t = (struct stream){.name = name};
    send_request(s, t, STR("GET"), target, STR(""));
    loop_script_advance(s->server->loop, STEP_MS);
    if (t->status != 200)
        die(s, "status %d: %.*s", t->status, STR_ARG(strbuf_str(&t->body)));
}

static void run_send(struct script *s, struct str rest)
{
    struct str name, method, target;
    if (s->n_streams == MAX_STREAMS)
        die(s, "too many streams");
    (void)next_word(&rest, &name);
    (void)next_word(&rest, &method);
    (void)next_word(&rest, &target);
    struct stream *t = &s->streams[s->n_streams++];
    *t = (struct stream){.name = name};
    send_request(s, t, method, target, body_of(s, str_trim(rest)));
}

static void run_line(struct script *s, struct str line)
{
    struct str word, rest = line, target;
    int64_t code;
    (void)next_word(&rest, &word);
    if (str_to_int64(word, &code) == 0) {
        if (!s->owes_check)
            die(s, "no request was sent before");
        s->owes_check = false;
        check_answer(s, &s->answer, (int)code, rest);
        return;
    }
    if (word.p[word.len - 1] == ':') {
        struct stream *t = find_stream(s, str_slice(word, 0, word.len - 1));
        if (!t)
            die(s, "there is no such watch");
        check_event(s, t, rest);
        return;
    }
    if (run_setting(s, word, rest))
        return;
    if (s->owes_check)
        die(s, "the answer before was not looked at");
    if (str_eq(word, STR("watch"))) {
        run_watch(s, rest);
        return;
    }
    if (str_eq(word, STR("send"))) {
        run_send(s, rest);
        return;
    }
    stream_done(&s->answer);
    (void)next_word(&rest, &target);
    send_request(s, &s->answer, word, target, body_of(s, str_trim(rest)));
    loop_script_advance(s->server->loop, STEP_MS);
    s->owes_check = true;
}

static void script_end(struct script *s)
{
    http_transport_free(s->transport);
    array_foreach (&s->old_transports, t)
        http_transport_free(*t);
    array_done(&s->old_transports);
    for (size_t i = 0; i < s->n_streams; i++)
        stream_done(&s->streams[i]);
    stream_done(&s->answer);
    array_done(&s->headers);
    map_done(&s->variables, NULL);
    arena_done(&s->arena);
    loop_script_advance(s->server->loop, STEP_MS);
}

void script_run_with(struct script_server *server, const char *text, const char *argument)
{
    struct script s = {.server = server};
    struct str rest = str_of(text), line;
    (void)map_put(&s.variables, STR("1"), (void *)argument);
    set_identity(&s, STR("admin"), STR("system:masters"));
    while (rest.p && str_split(&rest, '\n', &line)) {
        s.line++;
        line = str_trim(line);
        s.line_text = line;
        if (line.len && line.p[0] != '#')
            run_line(&s, substitute(&s, line));
    }
    if (s.owes_check)
        die(&s, "the last answer was not looked at");
    script_end(&s);
}

void script_run(struct script_server *server, const char *text)
{
    script_run_with(server, text, "");
}

/* Servers. */

static void start(struct script_server *s)
{
    struct err err = {0};
    s->config.loop = s->loop;
    s->config.store = s->store;
    s->config.random = &s->random;
    if (apiserver_new(&s->config, &s->server, &err) < 0)
        fail_msg("%s", err.text);
    apiserver_start(s->server);
    loop_script_advance(s->loop, 1000);
    assert_true(apiserver_is_ready(s->server));
}

void script_server_open(struct script_server *s, struct str tokens, const struct apiserver_limits *limits)
{
    *s = (struct script_server){0};
    s->loop = loop_new_scripted((struct monotime){0}, (struct walltime){INT64_C(1790000000) * TIME_S_NS});
    s->store = store_memory_new(&(struct store_memory_options){.loop = s->loop});
    random_seed(&s->random, 7);
    s->config = (struct apiserver_config){
        .tokens = tokens,
        .n_service_cidrs = 1,
        .node_port_first = 30000,
        .node_port_last = 32767,
        .secure_port = 6443,
        .version = STR("0.1.0"),
        .git_commit = STR("0123456789abcdef"),
        .build_date = STR("2026-11-24T08:00:00Z"),
    };
    (void)ip_prefix_parse(STR("10.96.0.0/16"), &s->config.service_cidrs[0]);
    (void)ip_parse(STR("192.0.2.1"), &s->config.advertise_ip);
    if (limits)
        s->config.limits = *limits;
    start(s);
}

void script_server_restart(struct script_server *s)
{
    apiserver_free(s->server);
    start(s);
}

void script_server_close(struct script_server *s)
{
    apiserver_free(s->server);
    store_close(s->store);
    loop_free(s->loop);
}
