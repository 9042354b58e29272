/* Text in double quotes as Go prints it with %q: messages of the API carry names and values this way. */
#pragma once

#include "base/arena.h"

/* Appends S quoted: control bytes, quotes and bytes that are not UTF-8 are escaped, printable text stays.
 * Source: Go's strconv.Quote. */
void quote_add(struct strbuf *out, struct str s);

/* The same in an arena. */
struct str quote(struct arena *a, struct str s);
