/* The verbs of the fairlead command. Each is a file; each returns the exit status: 0 done, 1 failed, 2 wrong
 * usage. */
#pragma once

struct verb {
    const char *name, *summary;
    int (*run)(int argc, const char *const *argv); /* words behind the verb */
};

int verb_server(int argc, const char *const *argv);
int verb_agent(int argc, const char *const *argv);
int verb_proxy(int argc, const char *const *argv);
int verb_version(int argc, const char *const *argv);

/* What --version and `fairlead version` print. */
void version_print(void);
