/* Gives a fuzz target every file of a folder, so that its corpus is an ordinary test.
 *
 *     replay FOLDER
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void feed(const char *path)
{
    _cleanup_(strbuf_done) struct strbuf bytes = {0};
    char chunk[4096];
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(1);
    }
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;)
        strbuf_add(&bytes, chunk, n);
    fclose(f);
    /* An exact copy on the heap, so that a sanitizer sees a read behind its end. */
    uint8_t *copy = mem_alloc(bytes.len ? bytes.len : 1);
    if (bytes.len)
        memcpy(copy, bytes.p, bytes.len);
    LLVMFuzzerTestOneInput(copy, bytes.len);
    free(copy);
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    if (!dir) {
        fprintf(stderr, "usage: replay FOLDER (with the files of a corpus)\n");
        return 2;
    }
    size_t n = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        _cleanup_(strbuf_done) struct strbuf path = {0};
        strbuf_addf(&path, "%s/%s", argv[1], e->d_name);
        feed(path.p);
        n++;
    }
    closedir(dir);
    printf("%zu inputs\n", n);
    return n ? 0 : 1; /* an empty corpus tests nothing */
}
