/* Metadata: what every object has, read and written.
 *
 * Readers borrow from the object and give STR_NONE, 0 or NULL for what is absent. Writers change the object
 * in place, with memory of the arena that holds it. Time and randomness are arguments.
 *
 *     if (!meta_name(object).len && meta_generate_name(a, object, &random))
 *         ...
 *     meta_init(a, object, &(struct meta_new){.ns = ns, .uid = uid, .now = now});
 */
#pragma once

#include "base/datetime.h"
#include "base/random.h"
#include "wire/json.h"

struct json *meta_get(const struct json *object); /* metadata, or NULL */
struct str meta_name(const struct json *object);
struct str meta_namespace(const struct json *object);
struct str meta_uid(const struct json *object);
struct str meta_resource_version(const struct json *object);
int64_t meta_generation(const struct json *object);
const struct json *meta_labels(const struct json *object);      /* a map of strings, or NULL */
const struct json *meta_annotations(const struct json *object); /* a map of strings, or NULL */
struct str meta_label(const struct json *object, const char *key);
struct str meta_annotation(const struct json *object, const char *key);
/* True once a deletion has been asked for. */
bool meta_is_deleted(const struct json *object);

/* Sets or, with an empty value, removes a string of metadata. VALUE is copied. */
void meta_set(struct arena *a, struct json *object, const char *key, struct str value);
void meta_set_label(struct arena *a, struct json *object, struct str key, struct str value);
void meta_set_annotation(struct arena *a, struct json *object, struct str key, struct str value);
void meta_set_resource_version(struct arena *a, struct json *object, int64_t revision);

#define META_GENERATED_SUFFIX   5
#define META_MAX_GENERATED_BASE 58
/* Makes metadata.name from generateName (cut to 58 bytes) and five random characters. False if there is no
 * generateName. */
bool meta_generate_name(struct arena *a, struct json *object, struct random *random);

struct meta_new {
    struct str ns; /* empty for cluster scope */
    struct str uid;
    struct walltime now;
    bool generation; /* the kind counts generations: the first is 1 */
};
/* Fills in what the server decides when an object is created, and removes what a client must not. Also fit
 * for objects that are only printed (dry run). */
void meta_init(struct arena *a, struct json *object, const struct meta_new *n);
/* What an update keeps from the stored object, whatever the client sent: creationTimestamp, uid if absent,
 * deletion*, generation, selfLink. */
void meta_keep(struct arena *a, struct json *object, const struct json *old);

/* Sets metadata.generation: that of OLD, one more if anything but metadata and status differs. True if it
 * counts. */
bool meta_count_generation(struct arena *a, struct json *object, const struct json *old);

/* deletionTimestamp (now + grace) and deletionGracePeriodSeconds. */
void meta_set_deleted(struct arena *a, struct json *object, struct walltime now, int64_t grace_seconds);

bool meta_has_finalizer(const struct json *object, struct str finalizer);
size_t meta_count_finalizers(const struct json *object);
bool meta_remove_finalizer(struct json *object, struct str finalizer); /* true if it was there */
void meta_add_finalizer(struct arena *a, struct json *object, struct str finalizer);

/* The array of ownerReferences, or NULL; iterate with json_foreach. */
struct json *meta_owners(const struct json *object);
/* The reference with controller: true, or NULL. */
const struct json *meta_controller(const struct json *object);
/* The reference with this UID, or NULL. */
const struct json *meta_owner(const struct json *object, struct str uid);
struct meta_owner_ref {
    struct str api_version, kind, name, uid;
};
/* Adds a reference with controller and blockOwnerDeletion set. Strings are copied. */
void meta_add_controller(struct arena *a, struct json *object, const struct meta_owner_ref *owner);

/* The array of managedFields, or NULL. */
struct json *meta_managed_fields(const struct json *object);
