/* fairlead: the Kubernetes Service as one program. This file picks the verb. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/verbs.h"

static int verb_help(int argc, const char *const *argv);

static const struct verb verbs[] = {
    {"server", "run the control plane, and this node too unless --disable-agent", verb_server},
    {"agent", "join this host to a server: its Node object and its Services", verb_agent},
    {"proxy", "program Services on this node, as kube-proxy does", verb_proxy},
    {"version", "print the version", verb_version},
    {"help", "print this", verb_help},
};

static int verb_help(int argc, const char *const *argv)
{
    printf(
        "fairlead guides connections to where they belong: the Kubernetes Service, whole, as one program.\n\n"
        "usage: fairlead VERB [flags]\n\n");
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        printf("  %-9s %s\n", verbs[i].name, verbs[i].summary);
    printf("\nfairlead VERB --help prints the flags of a verb.\n");
    return 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

int main(int argc, char **argv)
{
    const char *const *words = (const char *const *)argv;
    if (argc > 0 && strcmp(base_name(argv[0]), "kube-proxy") == 0)
        return verb_proxy(argc - 1, words + 1);
    if (argc < 2)
        return verb_help(0, NULL) + 2;
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return verbs[i].run(argc - 2, words + 2);
    fprintf(stderr, "fairlead: there is no verb \"%s\"; fairlead help lists them\n", name);
    return 2;
}
