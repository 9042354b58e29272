/* Bootstrap: makes what must exist in every cluster, and keeps asking until it does.
 *
 * Namespaces default, kube-system, kube-public and kube-node-lease; the ServiceCIDR "kubernetes"; the Service
 * default/kubernetes with its Endpoints and EndpointSlice. All of it goes through the API like everybody
 * else's writes.
 */
#pragma once

struct apiserver;
struct bootstrap;

/* Calls DONE once everything exists. */
struct bootstrap *bootstrap_new(struct apiserver *s, void (*done)(void *user), void *user);
void bootstrap_free(struct bootstrap *b);
