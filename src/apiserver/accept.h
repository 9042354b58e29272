/* Content negotiation: the Accept header as a list, best first.
 *
 * A media range may carry as=, g=, v= parameters, by which clients ask for another kind than the object's own
 * (Table, PartialObjectMetadata, APIGroupDiscoveryList).
 */
#pragma once

#include "base/arena.h"

struct media_range {
    struct str type;               /* "application/json" */
    struct str as, group, version; /* empty if absent */
    int q;                         /* thousandths */
};

#define ACCEPT_MAX 32

struct accept {
    struct media_range v[ACCEPT_MAX];
    size_t n; /* 0: the header is absent; anything goes */
};

/* What is not a media range is left out. RET borrows from HEADER. */
void accept_parse(struct str header, struct accept *ret);

enum accept_encoding { ENCODING_JSON, ENCODING_YAML };
enum accept_form { FORM_OBJECT, FORM_TABLE, FORM_PARTIAL };

struct accept_choice {
    enum accept_encoding encoding;
    enum accept_form form;
    struct str version; /* of Table and PartialObjectMetadata: "v1", "v1beta1" */
};

/* How an object (or LIST) is answered. False if nothing of what the client takes can be made: 406. */
bool accept_choose(const struct accept *a, bool list, struct accept_choice *ret);

/* The bare type without parameters of a Content-Type header. */
struct str media_type(struct str header);
