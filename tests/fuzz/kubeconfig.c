/* Kubeconfigs come from people and from other programs: whatever the bytes, there is a kubeconfig or a
 * sentence. */
#include "watch/kubeconfig.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct kubeconfig k = {0};
    struct err err = {0};
    if (kubeconfig_parse((struct str){(const char *)data, len}, "fuzz", "/nonexistent", &k, &err) < 0) {
        assert(err.text[0]);
        return 0;
    }
    assert(k.host.len && k.port && k.server_name.len);
    assert(!k.cert_pem.len == !k.key_pem.len);
    kubeconfig_done(&k);
    return 0;
}
