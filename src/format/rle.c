#include "format/rle.h"

#include "base/error.h"
#include "base/memory.h"

#include <roto/image.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    STRIP_COLUMNS = 8, /* a 64-bit word of pixels */
    GROUP_BITS = 5,
    GROUP_MASK = 31,
    GROUP_SIGN = 16, /* the highest bit of a last group is the number's sign */
    GROUP_FOLLOWS = 32,
    FIRST_CHAR = 48,
    MAX_GROUPS = 7 /* what 32 bits and a sign need */
};

void rle_free(rle_mask *rle)
{
    free(rle->counts);
    *rle = (rle_mask){0};
}

void rle_text_free(rle_text *text)
{
    free(text->chars);
    *text = (rle_text){0};
}

static roto_status set_size(rle_mask *out, int32_t width, int32_t height)
{
    if (width < 1 || height < 1 || width > ROTO_IMAGE_MAX_PX || height > ROTO_IMAGE_MAX_PX)
        return roto_fail(ROTO_ERROR_ARGUMENT, "run lengths of %d x %d pixels; each must be 1..%d",
                         width, height, ROTO_IMAGE_MAX_PX);
    out->width = width;
    out->height = height;
    out->n = 0;
    return ROTO_OK;
}

static bool put_count(rle_mask *rle, uint32_t count)
{
    if (!memory_grow((void **)&rle->counts, &rle->capacity, rle->n + 1, sizeof(*rle->counts)))
        return false;
    rle->counts[rle->n++] = count;
    return true;
}

/* ---- pixels ----------------------------------------------------------------------------------
 */

static bool strip_is_empty(const uint8_t *at, int32_t height, ptrdiff_t stride_bytes)
{
    uint64_t any = 0;
    for (int32_t y = 0; y < height; y++, at += stride_bytes) {
        uint64_t word;
        memcpy(&word, at, STRIP_COLUMNS);
        any |= word;
    }
    return any == 0;
}

/* The run that columns are added to. */
typedef struct open_run {
    bool on_object;
    uint32_t length;
} open_run;

static bool add_column(rle_mask *rle, open_run *run, const uint8_t *at, ptrdiff_t stride_bytes)
{
    for (int32_t y = 0; y < rle->height; y++, at += stride_bytes) {
        if ((*at != 0) != run->on_object) {
            if (!put_count(rle, run->length))
                return false;
            *run = (open_run){.on_object = !run->on_object};
        }
        run->length++;
    }
    return true;
}

static bool add_empty(rle_mask *rle, open_run *run, int32_t n_columns)
{
    if (n_columns == 0)
        return true;
    if (run->on_object) {
        if (!put_count(rle, run->length))
            return false;
        *run = (open_run){0};
    }
    run->length += (uint32_t)n_columns * (uint32_t)rle->height;
    return true;
}

roto_status rle_encode(const uint8_t *mask, int32_t width, int32_t height, ptrdiff_t stride_bytes,
                       rle_mask *out)
{
    return rle_encode_columns(mask, width, height, stride_bytes, 0, width, out);
}

roto_status rle_encode_columns(const uint8_t *mask, int32_t width, int32_t height,
                               ptrdiff_t stride_bytes, int32_t first, int32_t end, rle_mask *out)
{
    ROTO_TRY(set_size(out, width, height));
    open_run run = {0};
    if (!add_empty(out, &run, first))
        return ROTO_ERROR_MEMORY;
    for (int32_t x = first; x < end;) {
        /* Most of most masks is empty. */
        if (end - x >= STRIP_COLUMNS && strip_is_empty(mask + x, height, stride_bytes)) {
            if (!add_empty(out, &run, STRIP_COLUMNS))
                return ROTO_ERROR_MEMORY;
            x += STRIP_COLUMNS;
            continue;
        }
        for (int i = 0; i < STRIP_COLUMNS && x < end; i++, x++)
            if (!add_column(out, &run, mask + x, stride_bytes))
                return ROTO_ERROR_MEMORY;
    }
    return add_empty(out, &run, width - end) && put_count(out, run.length) ? ROTO_OK
                                                                           : ROTO_ERROR_MEMORY;
}

bool rle_next_strip(const rle_mask *rle, rle_strip *strip)
{
    strip->y += strip->n;
    while (strip->left == 0) {
        if (strip->next + 1 >= rle->n)
            return false;
        strip->at += rle->counts[strip->next];
        strip->left = rle->counts[strip->next + 1];
        strip->x = (int32_t)(strip->at / rle->height);
        strip->y = (int32_t)(strip->at % rle->height);
        strip->at += strip->left;
        strip->next += 2;
    }
    if (strip->y == rle->height) {
        strip->y = 0;
        strip->x++;
    }
    const int32_t room = rle->height - strip->y;
    strip->n = strip->left < (uint32_t)room ? (int32_t)strip->left : room;
    strip->left -= (uint32_t)strip->n;
    return true;
}

void rle_decode(const rle_mask *rle, uint8_t value, uint8_t *mask, ptrdiff_t stride_bytes)
{
    for (int32_t y = 0; y < rle->height; y++)
        memset(mask + y * stride_bytes, 0, (size_t)rle->width);
    for (rle_strip s = {0}; rle_next_strip(rle, &s);) {
        for (int32_t y = s.y; y < s.y + s.n; y++)
            mask[y * stride_bytes + s.x] = value;
    }
}

int64_t rle_area(const rle_mask *rle)
{
    int64_t area = 0;
    for (size_t i = 1; i < rle->n; i += 2)
        area += rle->counts[i];
    return area;
}

/* ---- counts and text -------------------------------------------------------------------------
 */

static roto_status check_sum(const rle_mask *rle)
{
    const uint64_t pixels = (uint64_t)rle->width * (uint64_t)rle->height;
    uint64_t sum = 0;
    for (size_t i = 0; i < rle->n && sum <= pixels; i++)
        sum += rle->counts[i];
    if (sum != pixels)
        return roto_fail(ROTO_ERROR_FORMAT, "run lengths cover %s pixels than the %llu of %d x %d",
                         sum > pixels ? "more" : "fewer", (unsigned long long)pixels, rle->width,
                         rle->height);
    return ROTO_OK;
}

roto_status rle_take(const uint32_t *counts, size_t n, int32_t width, int32_t height, rle_mask *out)
{
    ROTO_TRY(set_size(out, width, height));
    if (!memory_grow((void **)&out->counts, &out->capacity, n, sizeof(*out->counts)))
        return ROTO_ERROR_MEMORY;
    if (n)
        memcpy(out->counts, counts, n * sizeof(*counts));
    out->n = n;
    return check_sum(out);
}

roto_status rle_write_text(const rle_mask *rle, rle_text *out)
{
    size_t most = 0;
    if (!size_mul(rle->n, MAX_GROUPS, &most) || !size_add(most, 1, &most))
        return roto_fail(ROTO_ERROR_MEMORY, "run lengths are too many to write");
    if (!memory_grow((void **)&out->chars, &out->capacity, most, 1))
        return ROTO_ERROR_MEMORY;
    char *to = out->chars;
    for (size_t i = 0; i < rle->n; i++) {
        int64_t rest = rle->counts[i];
        if (i > 2)
            rest -= rle->counts[i - 2];
        bool follows = true;
        while (follows) {
            int group = (int)(rest & GROUP_MASK);
            rest >>= GROUP_BITS; /* keeps the sign */
            follows = rest != (group & GROUP_SIGN ? -1 : 0);
            *to++ = (char)(FIRST_CHAR + group + (follows ? GROUP_FOLLOWS : 0));
        }
    }
    *to = 0;
    out->n = (size_t)(to - out->chars);
    return ROTO_OK;
}

/* One number from text[*at] on. */
static roto_status read_number(const char *text, size_t bytes, size_t *at, int64_t *out)
{
    uint64_t number = 0;
    for (unsigned shift = 0; shift < MAX_GROUPS * GROUP_BITS; shift += GROUP_BITS) {
        if (*at == bytes)
            return roto_fail(ROTO_ERROR_FORMAT, "run lengths break off after character %zu", bytes);
        int group = text[*at] - FIRST_CHAR;
        if (group < 0 || group > (GROUP_FOLLOWS | GROUP_MASK))
            return roto_fail(
                ROTO_ERROR_FORMAT, "run lengths: character %zu is code %d; %d..%d are right", *at,
                (unsigned char)text[*at], FIRST_CHAR, FIRST_CHAR + (GROUP_FOLLOWS | GROUP_MASK));
        (*at)++;
        number |= (uint64_t)(group & GROUP_MASK) << shift;
        if (!(group & GROUP_FOLLOWS)) {
            uint64_t sign = (uint64_t)GROUP_SIGN << shift; /* two's complement, to 64 bits */
            *out = (int64_t)((number ^ sign) - sign);
            return ROTO_OK;
        }
    }
    return roto_fail(ROTO_ERROR_FORMAT, "run lengths: the number before character %zu is too long",
                     *at);
}

roto_status rle_read_text(const char *text, size_t bytes, int32_t width, int32_t height,
                          rle_mask *out)
{
    ROTO_TRY(set_size(out, width, height));
    const int64_t pixels = (int64_t)width * height;
    for (size_t at = 0; at < bytes;) {
        int64_t count = 0;
        ROTO_TRY(read_number(text, bytes, &at, &count));
        if (out->n > 2)
            count += out->counts[out->n - 2];
        if (count < 0 || count > pixels)
            return roto_fail(ROTO_ERROR_FORMAT,
                             "run lengths: count %zu is %lld; the mask has %lld pixels", out->n,
                             (long long)count, (long long)pixels);
        if (!put_count(out, (uint32_t)count))
            return ROTO_ERROR_MEMORY;
    }
    return check_sum(out);
}
