/* jansson's documents under names of their own: its header and wire/json.h share too many. */
#pragma once

#include "base/str.h"

enum peer_type { PEER_NULL, PEER_BOOL, PEER_INT, PEER_REAL, PEER_STRING, PEER_ARRAY, PEER_OBJECT };

struct peer {
    void *document; /* jansson's json_t */
};

/* False if jansson refuses TEXT; WHY says how. */
bool peer_parse(struct str text, struct peer *ret, char why[static 200]);
void peer_done(struct peer *p); /* the whole document; not for parts */

enum peer_type peer_type(struct peer p);
bool peer_bool(struct peer p);
int64_t peer_int(struct peer p);
double peer_real(struct peer p);
struct str peer_string(struct peer p);
size_t peer_size(struct peer p); /* members or elements */
struct peer peer_at(struct peer array, size_t i);
/* False if there is no such member. */
bool peer_get(struct peer object, struct str key, struct peer *ret);
