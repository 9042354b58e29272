/* YAML as kubectl reads it, into JSON documents; and JSON documents as block YAML.
 *
 * libyaml finds the structure, we give scalars their YAML 1.1 meaning the way go-yaml v2 and sigs.k8s.io/yaml
 * do: yes, no, on, off, y, n are booleans; 0644 and 0x1F are integers; 190:20:30 and 2024-01-01 stay strings;
 * keys that are no strings become them ("true", "16"). Merge keys work, in the order written. What JSON has
 * no word for (a null or complex key, .inf) is an error. Of duplicate keys the last wins and all are
 * reported, as in json_parse().
 *
 * Input is hostile: bytes, depth and what aliases expand to are bounded, nothing recurses.
 */
#pragma once

#include "wire/json.h"

#define YAML_MAX_LEN ((size_t)3 * 1024 * 1024)
#define YAML_MAX_EXPANDED_NODES                                                                              \
    ((size_t)100 * 1000)           /* made by aliases and merge keys, all documents together */
#define YAML_MAX_EXPANSION      10 /* the same in bytes, as a multiple of the input */
#define YAML_MIN_EXPANSION_LEN  ((size_t)64 * 1024) /* which small inputs are always granted */
#define YAML_MAX_TAG_DIRECTIVES 100

/* Parses one document. Empty ones behind it are ignored; no document at all gives null. INFO may be NULL.
 * Errors: -EINVAL with line, column and reason, also for a second document; -E2BIG over one of the limits.
 * Source: gopkg.in/yaml.v2 and sigs.k8s.io/yaml as observed through kubectl 1.32. */
int yaml_parse(struct arena *a, struct str text, struct json_parse_info *info, struct json **ret,
               struct err *err);

/* Parses a stream of documents into an array of them; an empty document is null. Errors: as above. */
int yaml_parse_all(struct arena *a, struct str text, struct json_parse_info *info, struct json **ret,
                   struct err *err);

/* Appends V as one block document. Strings that any YAML 1.1 reader could take for something else are quoted.
 * Numbers are written as they are: those no double can hold come back changed, from every YAML reader. */
void yaml_write(const struct json *v, struct strbuf *out);
