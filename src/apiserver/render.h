/* Rendering: objects and lists in the form the client asked for. */
#pragma once

#include "apiserver/accept.h"
#include "apiserver/table.h"
#include "wire/json.h"

struct cache_object;
struct request;
struct resource;

/* Chooses the form for R (LIST: of a collection); answers 406 and returns false if there is none. */
bool render_choose(struct request *r, bool list, struct accept_choice *ret);

/* Answers with an object (stored form, in arena A, changed by this). */
void render_object(struct request *r, int code, struct arena *a, struct json *object);
/* The same from its cached bytes, without parsing where the form allows. */
void render_cached(struct request *r, int code, const struct cache_object *o);
/* Answers with a value as it is, in the encoding that was asked for. */
void render_value(struct request *r, int code, struct json *value);

/* What one object is in the form of CHOICE: itself (served form), a PartialObjectMetadata, or a Table of one
 * row. OBJECT is in stored form, in A, and used up. */
struct json *render_form(const struct request *r, struct arena *a, const struct accept_choice *choice,
                         struct json *object);

/* How R wants its Tables. */
struct table_options render_table_options(const struct request *r, const struct accept_choice *choice);

/* True if the cached bytes are what CHOICE wants. */
bool render_is_verbatim(const struct resource *resource, const struct accept_choice *choice);
