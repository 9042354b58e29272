/* Bootstrap: makes what must exist in every cluster, and makes it again when it goes.
 *
 * Namespaces default, kube-system, kube-public and kube-node-lease; the ServiceCIDR "kubernetes"; the Service
 * default/kubernetes with its Endpoints and EndpointSlice, which follow this server's address. All of it goes
 * through the API like everybody else's writes. What does not depend on each other is sent together, so that
 * the store commits it together.
 */
#pragma once

struct apiserver;
struct bootstrap;

/* Calls DONE once everything exists. */
struct bootstrap *bootstrap_new(struct apiserver *s, void (*done)(void *user), void *user);
void bootstrap_free(struct bootstrap *b);
