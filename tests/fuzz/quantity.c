/* Quantities: what parses prints, and what is printed parses to the same value and prints the same. */
#include <assert.h>
#include <string.h>

#include "object/quantity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct quantity q, again;
    char text[QUANTITY_MAX_LEN], text_again[QUANTITY_MAX_LEN];
    if (quantity_parse((struct str){(const char *)data, len}, &q, NULL) < 0)
        return 0;
    quantity_format(&q, text);
    int r = quantity_parse(str_of(text), &again, NULL);
    assert(r == 0);
    quantity_format(&again, text_again);
    assert(strcmp(text, text_again) == 0);
    struct quantity sum = quantity_add(&q, &again);
    quantity_format(&sum, text);
    /* A binary quantity below one unit behind the point is printed rounded up; other values come back
     * exactly. */
    assert(quantity_cmp(&again, &q) == 0 || q.notation == QUANTITY_BINARY);
    return 0;
}
