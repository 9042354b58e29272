/* Who owns an address and port that several Services claim.
 *
 * Any author of a Service can name any external IP (CVE-2020-8554). Without a rule the winner would be
 * whoever comes first in some rule list, differently in every datapath. The rule: a ClusterIP beats
 * everything else, then the older Service wins, then the one whose namespace and name sort first. The loser's
 * frontend is left out, its others stay.
 */
#pragma once

#include "base/map.h"
#include "service/forwarding-state.h"
#include "service/service.h"

struct claims {
    struct map by_key; /* address, protocol and port -> list of claims */
};

/* Called for the other owners of an address whose claims just changed: what they may have may have changed.
 */
struct claims_callback {
    void (*contested)(void *owner, void *user);
    void *user;
};

void claims_done(struct claims *c);

/* Adds or removes all claims of a Service. It must be the same value both times; OWNER stands for it. */
void claims_add(struct claims *c, const struct service *s, void *owner, struct claims_callback callback);
void claims_remove(struct claims *c, const struct service *s, void *owner, struct claims_callback callback);

/* Whether OWNER has the frontend. True as well if nobody claimed it. */
bool claims_has(const struct claims *c, const struct frontend *f, enum protocol protocol,
                enum ip_family family, const void *owner);
