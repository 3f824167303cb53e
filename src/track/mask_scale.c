#include "track/mask_scale.h"

#include "base/cpu_features.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Logits further from 0 than this are opaque or not there at all: 255 / (1 + e^8) is 0.09. */
enum { MATTE_LOGIT = 8, MATTE_STEPS = 256 /* per unit; an error of a quarter of a level */ };

typedef struct tap { /* an output sample is (1 - part) * in[first] + part * in[second] */
    int32_t first, second;
    float part;
} tap;

/* Half-open ranges of rows and columns of logits. */
typedef mask_edges extent;

struct mask_scaler {
    int32_t mask_w, mask_h, frame_w, frame_h;
    int32_t *first, *second; /* of the columns, apart so that they vectorise */
    float *part;
    float *row;  /* [mask_w] logits of an output row, not yet enlarged sideways */
    float *wide; /* [frame_w] */
    float *best; /* [frame_h, frame_w] highest logit so far of a map; NULL until the first map */
    uint16_t *map;
    ptrdiff_t map_stride;
    bool avx2;
    extent *extents; /* of a matte's masks: rows of logits, columns of the output */
    size_t extent_capacity;
    float *highest;                                    /* [frame_w] */
    uint8_t levels[2 * MATTE_LOGIT * MATTE_STEPS + 1]; /* by logit; made with the first matte */
};

/* In single precision and with a fused multiply-add, as PyTorch computes it on a CPU: places that
 * are rounded otherwise move a logit by up to a thousandth, and pixels on the outline with it. */
static tap tap_of(int32_t i, int32_t n_in, int32_t n_out)
{
    float at = fmaf((float)n_in / (float)n_out, (float)i + 0.5f, -0.5f);
    at = at < 0 ? 0 : at;
    tap t = {.first = (int32_t)at};
    t.first = t.first < n_in ? t.first : n_in - 1;
    t.second = t.first + 1 < n_in ? t.first + 1 : t.first;
    t.part = at - (float)t.first;
    return t;
}

roto_status mask_scaler_new(int32_t mask_w, int32_t mask_h, int32_t frame_w, int32_t frame_h,
                            mask_scaler **out)
{
    *out = NULL;
    mask_scaler *s = memory_new_array(1, sizeof(*s));
    if (!s)
        return ROTO_ERROR_MEMORY;
    *s = (mask_scaler){.mask_w = mask_w,
                       .mask_h = mask_h,
                       .frame_w = frame_w,
                       .frame_h = frame_h,
                       .avx2 = cpu_features_detect().avx2};
    s->first = memory_new_array((size_t)frame_w, sizeof(*s->first));
    s->second = memory_new_array((size_t)frame_w, sizeof(*s->second));
    s->part = memory_new_array((size_t)frame_w, sizeof(float));
    s->wide = memory_new_array((size_t)frame_w, sizeof(float));
    s->row = memory_new_array((size_t)mask_w, sizeof(float));
    if (!s->first || !s->second || !s->part || !s->wide || !s->row) {
        mask_scaler_free(s);
        return ROTO_ERROR_MEMORY;
    }
    for (int32_t i = 0; i < frame_w; i++) {
        const tap t = tap_of(i, mask_w, frame_w);
        s->first[i] = t.first;
        s->second[i] = t.second;
        s->part[i] = t.part;
    }
    *out = s;
    return ROTO_OK;
}

void mask_scaler_free(mask_scaler *s)
{
    if (!s)
        return;
    free(s->first);
    free(s->second);
    free(s->part);
    free(s->wide);
    free(s->row);
    free(s->best);
    free(s->extents);
    free(s->highest);
    free(s);
}

/* Of the logits above `least`; most of a mask is background. */
static extent extent_above(const mask_scaler *s, const float *logits, float least)
{
    extent e = {s->mask_w, s->mask_h, 0, 0};
    for (int32_t y = 0; y < s->mask_h; y++) {
        const float *row = logits + (ptrdiff_t)y * s->mask_w;
        int32_t first = 0, end = s->mask_w;
        while (first < end && !(row[first] > least))
            first++;
        while (end > first && !(row[end - 1] > least))
            end--;
        if (first == end)
            continue;
        e.y0 = y < e.y0 ? y : e.y0;
        e.y1 = y + 1;
        e.x0 = first < e.x0 ? first : e.x0;
        e.x1 = end > e.x1 ? end : e.x1;
    }
    return e;
}

/* The output columns that have a sample of the extent's columns. */
static void output_columns(const mask_scaler *s, const extent *e, int32_t *first, int32_t *end)
{
    *first = 0;
    *end = s->frame_w;
    while (*first < *end && s->second[*first] < e->x0)
        ++*first;
    while (*end > *first && s->first[*end - 1] >= e->x1)
        --*end;
}

static inline __attribute__((always_inline)) void
widen(const int32_t *restrict first, const int32_t *restrict second, const float *restrict part,
      const float *restrict row, int32_t n, float *restrict out)
{
    for (int32_t i = 0; i < n; i++) {
        const float a = row[first[i]], b = row[second[i]];
        out[i] = a + part[i] * (b - a);
    }
}

static void widen_generic(const mask_scaler *s, int32_t from, int32_t end, float *out)
{
    widen(s->first + from, s->second + from, s->part + from, s->row, end - from, out);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static void widen_avx2(const mask_scaler *s, int32_t from,
                                                           int32_t end, float *out)
{
    widen(s->first + from, s->second + from, s->part + from, s->row, end - from, out);
}
#endif

/* Logits of columns from..end - 1 of output row y in s->wide; false when the row has no sample of
 * the extent's rows. */
static bool wide_row(mask_scaler *s, const float *logits, const extent *e, int32_t y, int32_t from,
                     int32_t end)
{
    const tap t = tap_of(y, s->mask_h, s->frame_h);
    if (t.second < e->y0 || t.first >= e->y1)
        return false;
    const float *a = logits + (ptrdiff_t)t.first * s->mask_w,
                *b = logits + (ptrdiff_t)t.second * s->mask_w;
    for (int32_t x = 0; x < s->mask_w; x++)
        s->row[x] = a[x] + t.part * (b[x] - a[x]);
#if defined(__x86_64__)
    if (s->avx2) {
        widen_avx2(s, from, end, s->wide);
        return true;
    }
#endif
    widen_generic(s, from, end, s->wide);
    return true;
}

void mask_scaler_write(mask_scaler *s, const float *logits, uint8_t value, uint8_t *mask,
                       ptrdiff_t stride_bytes)
{
    const extent e = extent_above(s, logits, 0);
    int32_t from, end;
    output_columns(s, &e, &from, &end);
    for (int32_t y = 0; y < s->frame_h; y++, mask += stride_bytes) {
        if (!wide_row(s, logits, &e, y, from, end)) {
            memset(mask, 0, (size_t)s->frame_w);
            continue;
        }
        memset(mask, 0, (size_t)from);
        for (int32_t x = from; x < end; x++)
            mask[x] = s->wide[x - from] > 0 ? value : 0;
        memset(mask + end, 0, (size_t)(s->frame_w - end));
    }
}

/* Columns of the output that are looked at together. */
enum { BOX_COLUMNS = 32 };

/* The logits on either side of each column from..end - 1 of output row y; as wide_row() has them.
 */
static void row_sides(const mask_scaler *s, const float *logits, const tap *t, int32_t from,
                      int32_t end, float *first, float *second)
{
    const float *a = logits + (ptrdiff_t)t->first * s->mask_w,
                *b = logits + (ptrdiff_t)t->second * s->mask_w;
    for (int32_t i = 0; i < end - from; i++) {
        const int32_t x = s->first[from + i];
        first[i] = a[x] + t->part * (b[x] - a[x]);
    }
    for (int32_t i = 0; i < end - from; i++) {
        const int32_t x = s->second[from + i];
        second[i] = a[x] + t->part * (b[x] - a[x]);
    }
}

static inline __attribute__((always_inline)) void between(const float *first, const float *second,
                                                          const float *restrict part, int32_t n,
                                                          float *restrict out)
{
    for (int32_t i = 0; i < n; i++)
        out[i] = first[i] + part[i] * (second[i] - first[i]);
}

static void between_generic(const float *first, const float *second, const float *part, int32_t n,
                            float *out)
{
    between(first, second, part, n, out);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static void
between_avx2(const float *first, const float *second, const float *part, int32_t n, float *out)
{
    between(first, second, part, n, out);
}
#endif

/* Whether output row y is positive in columns from..end - 1, at most BOX_COLUMNS of them; of those
 * the first and the one behind the last widen *found. */
static bool positive_columns(const mask_scaler *s, const float *logits, int32_t y, int32_t from,
                             int32_t end, extent *found)
{
    float first[BOX_COLUMNS], second[BOX_COLUMNS], out[BOX_COLUMNS];
    const tap t = tap_of(y, s->mask_h, s->frame_h);
    row_sides(s, logits, &t, from, end, first, second);
#if defined(__x86_64__)
    if (s->avx2)
        between_avx2(first, second, s->part + from, end - from, out);
    else
#endif
        between_generic(first, second, s->part + from, end - from, out);
    bool any = false;
    for (int32_t i = 0; i < end - from; i++) {
        if (!(out[i] > 0))
            continue;
        any = true;
        found->x0 = from + i < found->x0 ? from + i : found->x0;
        found->x1 = from + i + 1 > found->x1 ? from + i + 1 : found->x1;
    }
    return any;
}

static bool positive_row(const mask_scaler *s, const float *logits, const extent *e, int32_t y,
                         int32_t from, int32_t end)
{
    const tap t = tap_of(y, s->mask_h, s->frame_h);
    extent ignored = {0};
    if (t.second < e->y0 || t.first >= e->y1)
        return false;
    for (int32_t x = from; x < end; x += BOX_COLUMNS) {
        const int32_t next = x + BOX_COLUMNS < end ? x + BOX_COLUMNS : end;
        if (positive_columns(s, logits, y, x, next, &ignored))
            return true;
    }
    return false;
}

/* From each of the four sides inwards: the mask's cells say where it ends but for a few pixels. */
bool mask_scaler_box(const mask_scaler *s, const float *logits, mask_edges *out)
{
    const extent e = extent_above(s, logits, 0);
    int32_t from, end;
    output_columns(s, &e, &from, &end);
    *out = (mask_edges){end, 0, from, s->frame_h};
    while (out->y0 < out->y1 && !positive_row(s, logits, &e, out->y0, from, end))
        out->y0++;
    while (out->y1 > out->y0 && !positive_row(s, logits, &e, out->y1 - 1, from, end))
        out->y1--;
    if (out->y0 == out->y1)
        return false;
    for (int32_t x = from; x < end && out->x0 == end; x += BOX_COLUMNS) {
        const int32_t next = x + BOX_COLUMNS < end ? x + BOX_COLUMNS : end;
        for (int32_t y = out->y0; y < out->y1; y++)
            positive_columns(s, logits, y, x, next, out);
    }
    const int32_t left = out->x0;
    for (int32_t x = end; x > left;) {
        const int32_t first = x - BOX_COLUMNS > left ? x - BOX_COLUMNS : left;
        bool any = false;
        for (int32_t y = out->y0; y < out->y1; y++)
            any = positive_columns(s, logits, y, first, x, out) || any;
        if (any)
            break;
        x = first;
    }
    return true;
}

float mask_scaler_stability(mask_scaler *s, const float *logits, float offset)
{
    const extent e = extent_above(s, logits, -offset);
    int32_t from, end;
    output_columns(s, &e, &from, &end);
    int32_t inner = 0, outer = 0;
    for (int32_t y = 0; y < s->frame_h; y++) {
        if (!wide_row(s, logits, &e, y, from, end))
            continue;
        for (int32_t i = 0; i < end - from; i++) {
            inner += s->wide[i] > offset;
            outer += s->wide[i] > -offset;
        }
    }
    return outer > 0 ? (float)inner / (float)outer : 0;
}

mask_edges mask_scaler_reach(const mask_scaler *s, const float *logits)
{
    const extent e = extent_above(s, logits, 0);
    mask_edges out = {0, 0, 0, 0};
    if (e.y1 == 0)
        return out;
    output_columns(s, &e, &out.x0, &out.x1);
    out.y1 = s->frame_h;
    while (out.y0 < out.y1 && tap_of(out.y0, s->mask_h, s->frame_h).second < e.y0)
        out.y0++;
    while (out.y1 > out.y0 && tap_of(out.y1 - 1, s->mask_h, s->frame_h).first >= e.y1)
        out.y1--;
    return out;
}

roto_status mask_scaler_start_map(mask_scaler *s, uint16_t *map, ptrdiff_t stride)
{
    const size_t n = (size_t)s->frame_w * (size_t)s->frame_h;
    if (!s->best)
        s->best = memory_new_array(n, sizeof(float));
    if (!s->best)
        return ROTO_ERROR_MEMORY;
    memset(s->best, 0, n * sizeof(float));
    for (int32_t y = 0; y < s->frame_h; y++)
        memset(map + y * stride, 0, (size_t)s->frame_w * sizeof(*map));
    s->map = map;
    s->map_stride = stride;
    return ROTO_OK;
}

void mask_scaler_add_to_map(mask_scaler *s, const float *logits, uint16_t id)
{
    const extent e = extent_above(s, logits, 0);
    int32_t from, end;
    output_columns(s, &e, &from, &end);
    for (int32_t y = 0; y < s->frame_h; y++) {
        if (!wide_row(s, logits, &e, y, from, end))
            continue;
        float *best = s->best + (ptrdiff_t)y * s->frame_w + from;
        uint16_t *map = s->map + y * s->map_stride + from;
        for (int32_t i = 0; i < end - from; i++) {
            const bool wins = s->wide[i] > best[i];
            best[i] = wins ? s->wide[i] : best[i];
            map[i] = wins ? id : map[i];
        }
    }
}

static roto_status prepare_matte(mask_scaler *s, int32_t n)
{
    if (!memory_grow((void **)&s->extents, &s->extent_capacity, (size_t)n, sizeof(*s->extents)))
        return ROTO_ERROR_MEMORY;
    if (s->highest)
        return ROTO_OK;
    s->highest = memory_new_array((size_t)s->frame_w, sizeof(float));
    if (!s->highest)
        return ROTO_ERROR_MEMORY;
    for (int i = 0; i <= 2 * MATTE_LOGIT * MATTE_STEPS; i++) {
        const double logit = (double)i / MATTE_STEPS - MATTE_LOGIT;
        s->levels[i] = (uint8_t)lrint(255 / (1 + exp(-logit)));
    }
    s->levels[0] = 0;
    s->levels[2 * MATTE_LOGIT * MATTE_STEPS] = 255;
    return ROTO_OK;
}

static void write_levels(const mask_scaler *s, uint8_t *matte)
{
    for (int32_t x = 0; x < s->frame_w; x++) {
        float logit = s->highest[x] < MATTE_LOGIT ? s->highest[x] : MATTE_LOGIT;
        logit = logit > -MATTE_LOGIT ? logit : -MATTE_LOGIT;
        matte[x] = s->levels[(int32_t)((logit + MATTE_LOGIT) * MATTE_STEPS + 0.5f)];
    }
}

roto_status mask_scaler_matte(mask_scaler *s, const float *logits, int32_t n, uint8_t *matte,
                              ptrdiff_t stride_bytes)
{
    ROTO_TRY(prepare_matte(s, n));
    const ptrdiff_t mask_floats = (ptrdiff_t)s->mask_w * s->mask_h;
    for (int32_t i = 0; i < n; i++) {
        extent *e = &s->extents[i];
        *e = extent_above(s, logits + i * mask_floats, -MATTE_LOGIT);
        const extent of_logits = *e;
        output_columns(s, &of_logits, &e->x0, &e->x1);
    }
    for (int32_t y = 0; y < s->frame_h; y++, matte += stride_bytes) {
        bool any = false;
        for (int32_t x = 0; x < s->frame_w; x++)
            s->highest[x] = -MATTE_LOGIT;
        for (int32_t i = 0; i < n; i++) {
            const extent *e = &s->extents[i];
            if (e->x0 >= e->x1 || !wide_row(s, logits + i * mask_floats, e, y, e->x0, e->x1))
                continue;
            any = true;
            for (int32_t x = e->x0; x < e->x1; x++) {
                const float logit = s->wide[x - e->x0];
                s->highest[x] = logit > s->highest[x] ? logit : s->highest[x];
            }
        }
        if (any)
            write_levels(s, matte);
        else
            memset(matte, 0, (size_t)s->frame_w);
    }
    return ROTO_OK;
}
