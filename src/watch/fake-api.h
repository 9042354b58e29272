/* A double of the API server for tests: any resource, kept in memory, spoken to as a transport.
 *
 * It knows create (generateName), get, list (pages), watch (bookmarks, initial events), update with
 * optimistic concurrency, the status and finalize subresources, merge patch, delete with finalizers,
 * propagation and preconditions. Nothing new is made in a namespace that is being deleted. It knows no kinds,
 * defaults or validation. Faults are scripted by the test. Everything is answered in a later round of the
 * loop.
 */
#pragma once

#include "base/array.h"
#include "io/http.h"
#include "io/loop.h"
#include "wire/json.h"

struct fake_api;

struct fake_api *fake_api_new(struct loop *loop);
void fake_api_free(struct fake_api *api);
struct http_transport *fake_api_transport(struct fake_api *api);

/* Asked for each request: 0 goes on, a status answers with it, negative breaks the connection. */
typedef int fake_api_fault_fn(void *user, struct str method, struct str target);
void fake_api_set_fault(struct fake_api *api, fake_api_fault_fn *fault, void *user);

/* Writes an object at once; PATH is that of a collection ("/api/v1/namespaces/default/pods") or an object.
 * BODY is JSON with ' instead of ". Fails the test on any refusal. */
void fake_api_post(struct fake_api *api, const char *path, const char *body);
void fake_api_put(struct fake_api *api, const char *path, const char *body);
void fake_api_patch(struct fake_api *api, const char *path, const char *body); /* merge */
void fake_api_delete(struct fake_api *api, const char *path);

/* The object at PATH, parsed into ARENA, or NULL; and the objects of a collection, sorted by name. */
struct json *fake_api_get(struct fake_api *api, const char *path, struct arena *a);
struct json *fake_api_list(struct fake_api *api, const char *path, struct arena *a);

/* Writes by clients since the last call ("POST /api/v1/...": one per line), without reads. */
char *fake_api_take_writes(struct fake_api *api);
size_t fake_api_requests(const struct fake_api *api, const char *method_and_path_prefix);

/* Faults of watches: raw bytes into each open watch, ending each (ERRNO 0: cleanly), forgetting history. */
void fake_api_inject(struct fake_api *api, const char *bytes);
void fake_api_cut_watches(struct fake_api *api, int error);
void fake_api_compact(struct fake_api *api);
/* While held, changes are not sent to the watches. */
void fake_api_hold_watches(struct fake_api *api, bool hold);
size_t fake_api_open_watches(const struct fake_api *api);
uint64_t fake_api_revision(const struct fake_api *api);
