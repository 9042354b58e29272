/* Scripts: requests and what must come back, as readable text, against a server in this process.
 *
 *     as USER [GROUP,GROUP]            who asks from here on (at first a system:masters)
 *     header NAME: VALUE               for the next request only
 *     METHOD TARGET [BODY]             sends and waits
 *     CODE [CHECK ...]                 the answer; every request needs one
 *     watch NAME TARGET                opens a watch
 *     NAME: TYPE [CHECK ...]           its next event: ADDED, MODIFIED, DELETED, BOOKMARK, ERROR, or END or
 * NOTHING pause, resume                    the client's connection stops and goes on advance MS lets time
 * pass # ...                            says why
 *
 * A CHECK is path=value (dots and indexes: items.0.metadata.name; items.# is the number of items), path=*
 * (there), path=- (not there), path~part (contains), path:=NAME (keeps it for ${NAME} in later lines),
 * @header=value, body~part. Values with blanks stand in single quotes.
 */
#pragma once

#include "apiserver/apiserver.h"
#include "base/random.h"

struct script_server {
    struct loop *loop;
    struct store *store;
    struct random random;
    struct apiserver *server;
    struct apiserver_config config;
};

/* A server on the memory store, ready. TOKENS as in apiserver_config; LIMITS may be NULL. */
void script_server_open(struct script_server *s, struct str tokens, const struct apiserver_limits *limits);
/* The server anew over the same store. */
void script_server_restart(struct script_server *s);
void script_server_close(struct script_server *s);

/* Runs TEXT; fails the test, naming the line, when something else comes back. */
void script_run(struct script_server *s, const char *text);
/* The same with ${1} put in for ARGUMENT. */
void script_run_with(struct script_server *s, const char *text, const char *argument);
