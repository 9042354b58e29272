/* What a server may send on a watch: whole, broken and nonsensical events. Nothing of it may hurt; whatever
 * came, the informer ends by holding exactly what a list says, and its indexes agree with it. */
#include <stdint.h>
#include <stdlib.h>

#include "watch/fake-api.h"
#include "watch/informer.h"

#define PODS "/api/v1/namespaces/a/pods"

static const struct client_resource pods = {STR_INIT(""), STR_INIT("v1"), STR_INIT("pods"), STR_INIT("Pod")};
static informer_index_fn *const INDEXES[] = {informer_index_labels, informer_index_owners};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(struct fake_api *api, struct informer *informer)
{
    _cleanup_(arena_done) struct arena a = {0};
    struct json *all = fake_api_list(api, PODS, &a);
    if (informer_items(informer)->n != all->n)
        abort();
    json_foreach (all, pod) {
        struct informer_item *item =
            informer_find(informer, STR("a"), json_string_at(pod, "metadata", "name"));
        if (!item || !json_equal(informer_item_parse(item, &a), pod))
            abort();
    }
    if (informer_find_indexed(informer, 0, STR("a/app=web")).n != 2)
        abort();
}

static void changed(void *user, struct informer *informer, const struct informer_change *change)
{
    ++*(size_t *)user;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct informer_handler handler = {.changed = changed};
    struct loop *loop = loop_new_scripted((struct monotime){0}, (struct walltime){0});
    struct fake_api *api = fake_api_new(loop);
    struct random random;
    size_t n_changes = 0;
    char *text = mem_dup(data, len);

    random_seed(&random, 1);
    fake_api_post(api, PODS, "{'metadata':{'name':'one','labels':{'app':'web'}}}");
    fake_api_post(api, PODS, "{'metadata':{'name':'two','labels':{'app':'web'}}}");
    struct client *client = client_new(&(struct client_config){
        .loop = loop, .transport = fake_api_transport(api), .user_agent = STR("fuzz")});
    struct informer *informer = informer_new(&(struct informer_config){.client = client,
                                                                       .loop = loop,
                                                                       .random = &random,
                                                                       .resource = &pods,
                                                                       .indexes = INDEXES,
                                                                       .n_indexes = ARRAY_LEN(INDEXES)});
    informer_add_handler(informer, &handler, &n_changes);
    informer_start(informer);
    loop_script_advance(loop, 100);
    fake_api_inject(api, text);
    loop_script_advance(loop, 100);
    /* The server has lost its history: a list has the last word. */
    fake_api_post(api, PODS, "{'metadata':{'name':'three'}}");
    fake_api_compact(api);
    fake_api_cut_watches(api, 0);
    loop_script_advance(loop, 100000);
    check(api, informer);
    informer_free(informer);
    client_free(client);
    fake_api_free(api);
    loop_free(loop);
    free(text);
    return 0;
}
