/* Holds json_parse() to the torture list: y_ is accepted and prints back to the same, n_ is refused with a
 * reason. What the RFC leaves open (i_) we accept: big numbers keep their text, a lone surrogate becomes
 * U+FFFD. torture FOLDER */
#include <stdio.h>

#include "cases.h"
#include "wire/json.h"

static const char *judge(const struct torture_case *c, struct err *err)
{
    _cleanup_(arena_done) struct arena a = {0};
    _cleanup_(strbuf_done) struct strbuf out = {0};
    struct json *v, *back;
    bool accept = c->name[0] != 'n';
    int r = json_parse(&a, c->text, NULL, &v, err);
    if (r < 0)
        return accept ? "is refused" : err->text[0] ? NULL : "is refused without a reason";
    if (!accept)
        return "is accepted";
    json_write(v, &out);
    if (json_parse(&a, strbuf_str(&out), NULL, &back, err) < 0)
        return "prints something that cannot be parsed";
    if (!json_equal(v, back))
        return "comes back changed";
    if (strncmp(c->name, "i_number", 8) == 0 && !str_eq(v->text, c->text))
        return "does not keep its text";
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    struct torture_list list = torture_load(argv[1]);
    size_t n_bad = 0;
    for (size_t i = 0; i < list.n; i++) {
        struct err err = {0};
        const char *why = judge(&list.v[i], &err);
        if (!why)
            continue;
        printf("%s %s: %s\n", list.v[i].name, why, err.text);
        n_bad++;
    }
    printf("json torture: %zu cases, %zu wrong\n", list.n, n_bad);
    torture_unload(&list);
    return n_bad != 0;
}
