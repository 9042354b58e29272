#include "cases.h"

#include <dirent.h>
#include <stdio.h>

static struct str torture_read(const char *path)
{
    struct strbuf b = {0};
    char chunk[65536];
    FILE *f = fopen(path, "r");
    for (size_t n; f && (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
        strbuf_add(&b, chunk, n);
    if (f)
        (void)fclose(f); /* only read */
    struct str text = {.len = b.len};
    text.p = strbuf_take(&b, NULL);
    return text;
}

static int torture_is_case(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

struct torture_list torture_load(const char *folder)
{
    struct dirent **files;
    int n = scandir(folder, &files, torture_is_case, alphasort);
    if (n < 150) {
        fprintf(stderr, "%s: %d cases, there should be hundreds: build first\n", folder, n);
        exit(1);
    }
    struct torture_list list = {.v = mem_zalloc((size_t)n * sizeof *list.v), .n = (size_t)n};
    for (int i = 0; i < n; i++) {
        char path[4096];
        snprintf(list.v[i].name, sizeof list.v[i].name, "%.60s", files[i]->d_name);
        snprintf(path, sizeof path, "%s/%s", folder, files[i]->d_name);
        list.v[i].text = torture_read(path);
        free(files[i]);
    }
    free(files);
    return list;
}

void torture_unload(struct torture_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free((void *)list->v[i].text.p);
    free(list->v);
    *list = (struct torture_list){0};
}
