/* The files that generate.py wrote. */
#pragma once

#include "base/str.h"

struct torture_case {
    char name[64];
    struct str text;
};

struct torture_list {
    struct torture_case *v; /* sorted by name */
    size_t n;
};

/* Exits with a message if there is nothing to read. */
struct torture_list torture_load(const char *folder);
void torture_unload(struct torture_list *list);
