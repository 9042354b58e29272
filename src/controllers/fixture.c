#include "controllers/fixture.h"

#include <stdlib.h>

static int fault(void *user, struct str method, struct str target)
{
    struct fixture *f = user;
    if (!f->faults || str_eq(method, STR("GET")) || str_find(target, str_of(f->fault_part)) < 0)
        return 0;
    f->faults--;
    return f->fault_status;
}

struct fixture *fixture_new(void)
{
    struct fixture *f = mem_new(struct fixture);
    f->loop = loop_new_scripted((struct monotime){0}, (struct walltime){FIXTURE_START_S * TIME_S_NS});
    f->api = fake_api_new(f->loop);
    f->fault_part = "";
    random_seed(&f->random, 3);
    fake_api_set_fault(f->api, fault, f);
    return f;
}

void fixture_start(struct fixture *f, const struct controller_type *const *types, size_t n_types)
{
    struct controllers_config config = {
        .loop = f->loop, .transport = fake_api_transport(f->api), .random = &f->random};
    memcpy(config.pod_ranges, f->pod_ranges, sizeof config.pod_ranges);
    config.n_pod_ranges = f->n_pod_ranges;
    f->controllers = controllers_new_selected(&config, types, n_types);
    controllers_start(f->controllers);
}

void fixture_free(struct fixture *f)
{
    controllers_free(f->controllers);
    fake_api_free(f->api);
    loop_free(f->loop);
    arena_done(&f->arena);
    free(f);
}

void fixture_run(struct fixture *f, int64_t ms)
{
    loop_script_advance(f->loop, ms);
}

static int line_cmp(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static struct str sorted_lines(struct fixture *f, struct str text)
{
    struct strbuf out = {0};
    struct str *lines = arena_new_array(&f->arena, struct str, text.len + 1), rest = text, line;
    size_t n = 0;
    while (rest.p && str_split(&rest, '\n', &line)) {
        if (line.len)
            lines[n++] = line;
    }
    qsort(lines, n, sizeof *lines, line_cmp);
    for (size_t i = 0; i < n; i++)
        strbuf_addf(&out, "%.*s\n", STR_ARG(lines[i]));
    struct str result = arena_str(&f->arena, strbuf_str(&out));
    strbuf_done(&out);
    return result;
}

/* Events are left out: they have tests of their own. */
static struct str without_events(struct fixture *f, struct str text)
{
    struct strbuf out = {0};
    struct str rest = text, line;
    while (rest.p && str_split(&rest, '\n', &line)) {
        if (line.len && str_find(line, STR("/events")) < 0)
            strbuf_addf(&out, "%.*s\n", STR_ARG(line));
    }
    struct str result = arena_str(&f->arena, strbuf_str(&out));
    strbuf_done(&out);
    return result;
}

void fixture_expect_writes(struct fixture *f, const char *expected)
{
    fixture_run(f, 1000);
    _cleanup_(mem_freep) char *writes = fake_api_take_writes(f->api);
    assert_str(sorted_lines(f, without_events(f, str_of(writes))), sorted_lines(f, str_of(expected)).p);
}

void fixture_forget_writes(struct fixture *f)
{
    fixture_run(f, 1000);
    free(fake_api_take_writes(f->api));
}

struct json *fixture_only(struct fixture *f, const char *collection)
{
    struct json *all = fake_api_list(f->api, collection, &f->arena);
    assert_int_equal(all->n, 1);
    return json_at(all, 0);
}

struct json *fixture_get(struct fixture *f, const char *path)
{
    struct json *object = fake_api_get(f->api, path, &f->arena);
    assert_non_null(object);
    return object;
}

struct str fixture_at(struct fixture *f, const struct json *object, const char *path)
{
    struct str rest = str_of(path), part;
    struct strbuf out = {0};
    const struct json *v = object;
    while (v && rest.p && str_split(&rest, '.', &part)) {
        uint64_t index;
        bool element = v->type == JSON_ARRAY && str_to_uint64(part, &index) == 0;
        v = element ? json_at(v, index) : json_get(v, part);
    }
    if (v)
        json_write(v, &out);
    struct str result = arena_str(&f->arena, strbuf_str(&out));
    strbuf_done(&out);
    return result;
}

size_t fixture_count(struct fixture *f, const char *collection)
{
    return fake_api_list(f->api, collection, &f->arena)->n;
}

char *fixture_events(struct fixture *f, const char *namespace)
{
    struct strbuf out = {0};
    struct str path = arena_format(&f->arena, "/api/v1/namespaces/%s/events", namespace);
    json_foreach (fake_api_list(f->api, path.p, &f->arena), e)
        strbuf_addf(&out, "%.*s: %.*s\n", STR_ARG(json_string_at(e, "reason")),
                    STR_ARG(json_string_at(e, "message")));
    struct str sorted = sorted_lines(f, strbuf_str(&out));
    strbuf_done(&out);
    return mem_dup(sorted.p, sorted.len);
}
