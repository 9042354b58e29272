/* What this host is: its name and its addresses, and the rights of this process. */
#pragma once

#include "base/err.h"
#include "base/ip.h"

#define HOST_NAME_LEN 254

/* The host name in lower case. Errors: gethostname(2)'s. */
int host_name(char ret[static HOST_NAME_LEN], struct err *err);

/* The address this host reaches others from: the source address of the default route, else the first global
 * address of an interface. FAMILY IP_NONE: IPv4 if there is one, else IPv6. No packet is sent.
 * Errors: -EADDRNOTAVAIL. */
int host_default_address(enum ip_family family, struct ip *ret, struct err *err);

/* Whether the kernel speaks the family: IPv6 may be compiled out or switched off. */
bool host_has_family(enum ip_family family);

/* Gives up every capability but those in KEEP (bits 1 << CAP_...). A program that root executes afterwards
 * gets them back, so children keep working. Errors: capset(2)'s. */
int host_drop_capabilities(uint64_t keep, struct err *err);
bool host_has_capability(int capability);

/* Writes the kernel's readiness to kill this process when memory is short, -1000..1000. Errors: write(2)'s.
 */
int host_set_oom_score_adj(int value, struct err *err);

/* Raises the number of descriptors this process may have to the most it is allowed, and returns that. The
 * usual soft limit of 1024 is for select(2), which nothing here uses; a server with a thousand watchers needs
 * more. */
uint64_t host_raise_descriptor_limit(void);

/* What a Node object says about its host. Texts are empty where the host does not say. */
struct host_facts {
    char machine_id[64], boot_id[64], kernel[128], os_image[128], architecture[32];
    uint64_t memory_bytes;
    unsigned n_cpus;
};
void host_facts_read(struct host_facts *ret);
