#include "suite.h"

#include <stdio.h>

#include "base/array.h"

struct str suite_read(const char *path)
{
    FILE *f = fopen(path, "r");
    if (!f) {
        fprintf(stderr, "cannot read %s: run make deps\n", path);
        exit(1);
    }
    struct strbuf b = {0};
    char chunk[65536];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
        strbuf_add(&b, chunk, n);
    (void)fclose(f); /* only read */
    struct str text = {.len = b.len};
    text.p = strbuf_take(&b, NULL);
    return text;
}

void suite_open(struct suite *s, const char *name, const char *list_path)
{
    *s = (struct suite){.name = name, .list_path = list_path};
    struct str rest = suite_read(list_path), line;
    s->list_text = (char *)rest.p;
    ARRAY_OF(struct str) ids = {0};
    while (str_split(&rest, '\n', &line)) {
        ptrdiff_t end = str_find_char(line, ' ');
        if (!line.len || line.p[0] == '#')
            continue;
        if (end <= 0 || !str_trim(str_slice(line, (size_t)end, line.len)).len) {
            fprintf(stderr, "%s: no reason in line \"%.*s\"\n", list_path, STR_ARG(line));
            exit(1);
        }
        *array_push(&ids) = str_slice(line, 0, (size_t)end);
    }
    s->ids = ids.v;
    s->n_listed = ids.n;
    s->seen = mem_zalloc(ids.n + 1);
}

void suite_case(struct suite *s, const char *id, const char *why)
{
    s->n_run++;
    for (size_t i = 0; i < s->n_listed; i++) {
        if (!str_eqz(s->ids[i], id))
            continue;
        s->seen[i] = why != NULL;
        return;
    }
    if (why) {
        printf("%s %s\n", id, why);
        s->n_bad++;
    }
}

int suite_close(struct suite *s)
{
    size_t stale = 0;
    for (size_t i = 0; i < s->n_listed; i++) {
        if (s->seen[i])
            continue;
        printf("%.*s is listed in %s, but agrees or does not exist\n", STR_ARG(s->ids[i]), s->list_path);
        stale++;
    }
    printf("%s: %zu cases, %zu listed exceptions, %zu deviate, %zu stale in the list\n", s->name, s->n_run,
           s->n_listed, s->n_bad, stale);
    free(s->ids);
    free(s->seen);
    free(s->list_text);
    return s->n_bad || stale || !s->n_run;
}
