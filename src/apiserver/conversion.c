#include "apiserver/conversion.h"

#include "apiserver/registry.h"

/* events.k8s.io/v1 name, core/v1 name. Source: upstream's pkg/apis/events/v1 conversion. */
static const struct {
    const char *served, *stored;
} event_fields[] = {
    {"regarding", "involvedObject"},
    {"note", "message"},
    {"reportingController", "reportingComponent"},
    {"deprecatedSource", "source"},
    {"deprecatedFirstTimestamp", "firstTimestamp"},
    {"deprecatedLastTimestamp", "lastTimestamp"},
    {"deprecatedCount", "count"},
};

bool conversion_is_needed(const struct resource *resource)
{
    return resource->schema->stored_as != NULL;
}

static struct json *rename_fields(struct arena *a, struct json *object, bool to_stored,
                                  const char *api_version)
{
    json_foreach (object, member) {
        for (size_t i = 0; i < ARRAY_LEN(event_fields); i++) {
            const char *from = to_stored ? event_fields[i].served : event_fields[i].stored;
            const char *to = to_stored ? event_fields[i].stored : event_fields[i].served;
            if (str_eqz(member->key, from)) {
                member->key = str_of(to);
                break;
            }
        }
    }
    json_setz(object, "apiVersion", json_string(a, str_of(api_version)));
    return object;
}

struct json *conversion_to_stored(struct arena *a, const struct resource *resource, struct json *object)
{
    return conversion_is_needed(resource) ? rename_fields(a, object, true, "v1") : object;
}

struct json *conversion_from_stored(struct arena *a, const struct resource *resource, struct json *object)
{
    return conversion_is_needed(resource) ? rename_fields(a, object, false, "events.k8s.io/v1") : object;
}
