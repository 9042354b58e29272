/* Values: comparing and building the JSON of objects the way the API means it. */
#pragma once

#include "wire/json.h"

/* Equality in which absent, null, "", {} and [] are the same, as they are to the API server. */
bool value_same(const struct json *a, const struct json *b);

/* object.metadata.labels[KEY]; STR_NONE if there is none. Likewise for annotations. */
struct str value_label(const struct json *object, const char *key);
struct str value_annotation(const struct json *object, const char *key);
bool value_is_leaving(const struct json *object); /* has a deletionTimestamp */
struct str value_uid(const struct json *object);

/* Sets a string, an integer or a boolean member; the text is borrowed. */
void value_set_str(struct arena *a, struct json *object, const char *key, struct str value);
void value_set_int(struct arena *a, struct json *object, const char *key, int64_t value);
void value_set_bool(struct arena *a, struct json *object, const char *key, bool value);

/* The element of a condition list with this type, or NULL. */
struct json *value_condition(const struct json *conditions, struct str type);

struct condition {
    struct str type, status, reason, message; /* status "True", "False", "Unknown" */
};
/* Puts the condition into LIST. lastTransitionTime moves when the status does. True if anything changed. */
bool value_set_condition(struct arena *a, struct json *list, const struct condition *c, struct str now);

/* An owner reference to OWNER. A controller reference also blocks its deletion in the foreground. */
struct json *owner_reference(struct arena *a, const struct json *owner, struct str api_version,
                             struct str kind);
/* The reference with controller=true, or NULL. */
const struct json *owner_controller(const struct json *object);
bool owner_is_controller(const struct json *object, struct str uid);
