/* Events: what components tell people about objects ("ScalingReplicaSet"), recorded through the API.
 *
 * Recording never fails and never waits. The same event about the same object again within ten minutes counts
 * up the one that is there; many different messages of one reason become one "(combined from similar
 * events)"; beyond a burst per object events are dropped and counted. How many objects are remembered is
 * bounded.
 *
 *     event_record(recorder, &(struct event){.component = STR("deployment-controller"), .about = deployment,
 *                                            .kind = STR("Deployment"), .api_version = STR("apps/v1"),
 *                                            .reason = STR("ScalingReplicaSet"), .message = text});
 *
 * Source: upstream's client-go tools/record (event correlation).
 */
#pragma once

#include "watch/client.h"

enum event_type { EVENT_NORMAL, EVENT_WARNING };

struct event {
    struct str component;         /* "deployment-controller" */
    struct str host;              /* of components that run on a node; may be empty */
    const struct json *about;     /* the object: its name, namespace and uid are used */
    struct str kind, api_version; /* of it */
    enum event_type type;
    struct str reason, message;
};

#define EVENTS_MAX_SERIES      4096
#define EVENTS_MAX_MESSAGE_LEN 1024
#define EVENTS_BURST           25     /* per object and component */
#define EVENTS_REFILL_MS       300000 /* for one more */
#define EVENTS_SIMILAR         10     /* different messages, before they are combined */
#define EVENTS_WINDOW_MS       600000

struct event_recorder;

struct event_recorder *event_recorder_new(struct client *client, struct loop *loop);
void event_recorder_free(struct event_recorder *r);

void event_record(struct event_recorder *r, const struct event *event);

struct event_stats {
    uint64_t created, counted, dropped, failed;
};
struct event_stats event_recorder_stats(const struct event_recorder *r);
