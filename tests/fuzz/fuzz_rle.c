/* Reads run lengths as text; what was read has to survive being written. */
#include "format/rle.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    enum { WIDTH = 19, HEIGHT = 13 };
    rle_mask rle = {0}, again = {0};
    rle_text text = {0};
    if (rle_read_text((const char *)data, bytes, WIDTH, HEIGHT, &rle) == ROTO_OK) {
        uint8_t mask[WIDTH * HEIGHT];
        rle_decode(&rle, 1, mask, WIDTH);
        if (rle_encode(mask, WIDTH, HEIGHT, WIDTH, &again) != ROTO_OK ||
            rle_area(&again) != rle_area(&rle) || rle_write_text(&rle, &text) != ROTO_OK ||
            rle_read_text(text.chars, text.n, WIDTH, HEIGHT, &again) != ROTO_OK ||
            again.n != rle.n || memcmp(again.counts, rle.counts, rle.n * sizeof(*rle.counts)) != 0)
            abort();
    }
    rle_free(&rle);
    rle_free(&again);
    rle_text_free(&text);
    return 0;
}
