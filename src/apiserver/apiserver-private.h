/* Inside of the server: what its parts share. */
#pragma once

#include "apiserver/apiserver.h"
#include "apiserver/authn.h"
#include "apiserver/cache.h"
#include "apiserver/metrics.h"
#include "apiserver/registry.h"
#include "base/list.h"
#include "base/map.h"
#include "io/loop.h"

struct bootstrap;

struct apiserver {
    struct apiserver_config config; /* with the limits' defaults filled in */
    struct authn *authn;
    struct cache *cache;
    struct registry *registry;
    struct bootstrap *bootstrap;
    struct metrics *metrics;
    struct list requests; /* struct request */
    struct list writes;   /* struct write, that the store has */
    size_t n_requests;    /* in flight, watches apart */
    size_t n_watches;
    struct map watchers; /* user name -> struct watcher_account of watch.c */
    bool is_ready;
};
