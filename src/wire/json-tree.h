/* Whole-tree work on JSON documents without recursion: copy and measure.
 *
 * A patch may build a tree deeper than any text that json_parse() would take, so what handles one before its
 * depth is checked keeps its own stack (lesson CVE-2023-3341).
 */
#pragma once

#include "wire/json.h"

/* What a document amounts to. Bytes are those of the compact text before escaping, with a comma
 * behind the last member too. */
struct json_extent {
    size_t bytes, nodes;
    int depth; /* 0 for a scalar */
};

/* Measures V, stopping behind MAX_BYTES (the result is then beyond it, and a lower bound). */
struct json_extent json_measure(const struct json *v, size_t max_bytes);

/* A copy of V without its key. Texts and keys are borrowed from V's document, which must live as long. */
struct json *json_copy_shape(struct arena *a, const struct json *v);
