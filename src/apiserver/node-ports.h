/* Node ports: which numbers of the range are taken, and which one a Service gets next.
 *
 * One number belongs to one Service, whatever the protocol. The table follows the stored Services (observe)
 * and the changes under way (reserve, unreserve); it is rebuilt from the store at start, so that nothing has
 * to be repaired. Dynamic choices prefer the upper part of the range, so that people can use the lower band
 * for static ones (KEP-3668): band = 0 up to 16 ports, else a 32nd, at least 16 and at most 128. Source:
 * upstream's portallocator, 1.36.
 *
 *     int port = node_ports_pick(ports, random);      // reserved
 *     ... commit or abort ...
 *     node_ports_unreserve(ports, port);
 */
#pragma once

#include "base/random.h"
#include "base/str.h"

struct node_ports;

/* FIRST..LAST inclusive, 1..65535. */
struct node_ports *node_ports_new(int first, int last);
void node_ports_free(struct node_ports *p);

bool node_ports_in_range(const struct node_ports *p, int port);

/* A stored Service has, or has no longer, this number. Numbers outside the range are ignored. */
void node_ports_hold(struct node_ports *p, int port);
void node_ports_release(struct node_ports *p, int port);

enum { NODE_PORT_TAKEN = 1, NODE_PORT_OUT_OF_RANGE = 2, NODE_PORT_RANGE_FULL = 3 };

/* Reserves a number for a change under way. Errors: NODE_PORT_TAKEN, NODE_PORT_OUT_OF_RANGE. */
int node_ports_reserve(struct node_ports *p, int port);
/* Reserves a free one. Errors: NODE_PORT_RANGE_FULL. */
int node_ports_pick(struct node_ports *p, struct random *random, int *ret_port);
void node_ports_unreserve(struct node_ports *p, int port);

size_t node_ports_n_taken(const struct node_ports *p);
size_t node_ports_n_total(const struct node_ports *p);
int node_ports_first(const struct node_ports *p);
int node_ports_last(const struct node_ports *p);
