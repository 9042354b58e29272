/* Runs every case of the npm package json-patch-test-suite, those marked as disabled too.
 *   json-patch-suite FOLDER LIST-OF-EXCEPTIONS */
#include <stdio.h>

#include "suite.h"
#include "wire/json-patch.h"

static void run_case(struct suite *s, struct arena *a, const char *id, const struct json *c)
{
    const struct json *doc = json_getz(c, "doc"), *patch = json_getz(c, "patch");
    const struct json *expected = json_getz(c, "expected");
    if (!doc || !patch)
        return; /* a comment between cases */
    struct err err = {0};
    struct json *got = NULL;
    int r = json_patch_apply(a, doc, patch, &got, &err);
    char why[700];
    if (r && !json_getz(c, "error")) {
        snprintf(why, sizeof why, "fails: %s", err.text);
        suite_case(s, id, why);
    } else if (!r && json_getz(c, "error")) {
        snprintf(why, sizeof why, "is applied, expected: %.*s", STR_ARG(json_str(json_getz(c, "error"))));
        suite_case(s, id, why);
    } else {
        suite_case(s, id, r || !expected || json_equal(got, expected) ? NULL : "gives another result");
    }
}

int main(int argc, char **argv)
{
    static const char *const files[] = {"spec_tests", "tests"};
    if (argc != 3)
        return 2;
    struct suite suite;
    suite_open(&suite, "json-patch-test-suite", argv[2]);
    for (size_t f = 0; f < ARRAY_LEN(files); f++) {
        _cleanup_(arena_done) struct arena a = {0};
        char path[4096], id[64];
        snprintf(path, sizeof path, "%s/%s.json", argv[1], files[f]);
        struct str text = suite_read(path);
        struct json *cases;
        struct err err = {0};
        if (json_parse(&a, text, NULL, &cases, &err) < 0) {
            fprintf(stderr, "%s: %s\n", path, err.text);
            return 1;
        }
        size_t i = 0;
        json_foreach (cases, c) {
            snprintf(id, sizeof id, "%s/%zu", files[f], i++);
            run_case(&suite, &a, id, c);
        }
        free((void *)text.p);
    }
    return suite_close(&suite);
}
