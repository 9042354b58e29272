/* Admission: rules about a change that no single kind owns. Called on every attempt, with the old object that
 * the commit is conditional on. */
#pragma once

#include "apiserver/registry.h"

/* Refuses new objects in a namespace that is missing (404) or terminating (403), and the deletion of the
 * namespaces that must stay. The commit then also checks that the namespace has not changed. */
struct status *admission_check_namespace(struct change *c);

/* What a node identity may not write although authz lets it at the object: other nodes' objects, labels that
 * select workloads, finalizers and owners (CVE-2025-5187, CVE-2025-4563). */
struct status *admission_check_node(struct change *c);
