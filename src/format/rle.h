/* format/rle.h - masks as run lengths, as COCO's annotations and tools have them.
 *
 * Pixels are taken column by column, top to bottom; counts are the lengths of runs of pixels that
 * are alternately not on the object (first, perhaps 0 long) and on it. As text ("compressed" in
 * COCO's JSON) a count is written as its difference from the count two places before it, from the
 * fourth count on, in groups of five bits, lowest first, each a printable character.
 */
#ifndef FORMAT_RLE_H
#define FORMAT_RLE_H

#include <roto/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Start with {0}. Encoding and reading reuse the memory of what was there. */
typedef struct rle_mask {
    int32_t width, height; /* 1..ROTO_IMAGE_MAX_PX */
    uint32_t *counts;
    size_t n, capacity;
} rle_mask;

typedef struct rle_text {
    char *chars; /* ends with a NUL; needs no escapes in JSON but for backslashes */
    size_t n, capacity;
} rle_text;

void rle_free(rle_mask *rle);
void rle_text_free(rle_text *text);

/* mask [height, width], not 0: object; rows are stride_bytes apart. */
roto_status rle_encode(const uint8_t *mask, int32_t width, int32_t height, ptrdiff_t stride_bytes,
                       rle_mask *out);

/* The same for a mask that has nothing outside the columns first..end - 1. */
roto_status rle_encode_columns(const uint8_t *mask, int32_t width, int32_t height,
                               ptrdiff_t stride_bytes, int32_t first, int32_t end, rle_mask *out);

/* Takes counts from elsewhere. ROTO_ERROR_FORMAT unless they add up to the pixels of the mask. */
roto_status rle_take(const uint32_t *counts, size_t n, int32_t width, int32_t height,
                     rle_mask *out);

/* Writes `value` on the object, 0 elsewhere. */
void rle_decode(const rle_mask *rle, uint8_t value, uint8_t *mask, ptrdiff_t stride_bytes);

/* Pixels on the object that lie below each other: n from (x, y) on. Start with {0}. */
typedef struct rle_strip {
    int32_t x, y, n;
    uint32_t left; /* of the run, after this strip */
    size_t next;   /* count after the run */
    int64_t at;    /* pixels up to the run's end */
} rle_strip;

/* The next strip; false when there is none. */
bool rle_next_strip(const rle_mask *rle, rle_strip *strip);

/* Pixels on the object. */
int64_t rle_area(const rle_mask *rle);

roto_status rle_write_text(const rle_mask *rle, rle_text *out);

/* ROTO_ERROR_FORMAT: another character, a count cut off, negative or too large, or counts that do
 * not add up. What *out holds then is of no use, but can be used again and has to be freed. */
roto_status rle_read_text(const char *text, size_t bytes, int32_t width, int32_t height,
                          rle_mask *out);

#endif
