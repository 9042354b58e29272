#include <stdio.h>

#include "cmd/verbs.h"

void version_print(void)
{
    printf("fairlead %s (Kubernetes API v1.36.2)\n", FAIRLEAD_VERSION);
}

int verb_version(int argc, const char *const *argv)
{
    if (argc > 0) {
        fprintf(stderr, "fairlead version takes no arguments\n");
        return 2;
    }
    version_print();
    return 0;
}
