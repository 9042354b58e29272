/* Tables: what `kubectl get` prints, as meta.k8s.io Table objects. */
#pragma once

#include "base/datetime.h"
#include "wire/json.h"

/* What goes along with a row (?includeObject=). */
enum table_include { TABLE_METADATA, TABLE_OBJECT, TABLE_NOTHING };

struct resource;

struct table_options {
    const struct resource *resource; /* the columns are those of what is stored */
    struct str version;              /* "v1", "v1beta1" */
    enum table_include include;
    struct walltime now;
};

/* ITEMS are objects in stored form, in A, used up; METADATA of the list. */
struct json *table_make(struct arena *a, const struct table_options *o, struct json *items,
                        struct json *metadata);

/* A Table of one row. */
struct json *table_of_one(struct arena *a, const struct table_options *o, struct json *object);
