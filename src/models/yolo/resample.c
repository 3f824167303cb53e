#include "models/yolo/resample.h"

#include <math.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { WEIGHT_ONE = 2048 };

static int32_t clamp_index(int32_t i, int32_t n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

void resample_axis_set(resample_axis *axis, int32_t n_in, int32_t n_out, double step, int fold)
{
    axis->n = n_out;
    for (int32_t i = 0; i < n_out; i++) {
        float position = (float)((i + 0.5) * step - 0.5);
        int32_t first = (int32_t)floorf(position);
        float part = position - (float)first;
        if (fold && (first < 0 || first >= n_in - 1)) {
            part = 0;
            first = clamp_index(first, n_in);
        }
        axis->first[i] = clamp_index(first, n_in);
        axis->second[i] = clamp_index(first + 1, n_in);
        axis->first_weight[i] = (int16_t)lrintf((1 - part) * WEIGHT_ONE);
        axis->second_weight[i] = (int16_t)lrintf(part * WEIGHT_ONE);
    }
}

/* Weighted sums of neighbours, 19 bits, kept as 15: what the vertical pass takes. */
static void filter_row(const resampler *r, const uint8_t *row, int16_t *out, int32_t from)
{
    const resample_axis *x = r->x;
    const int32_t channels = r->channels;
    for (int32_t i = from; i < x->n; i++) {
        const uint8_t *a = row + (ptrdiff_t)x->first[i] * channels,
                      *b = row + (ptrdiff_t)x->second[i] * channels;
        for (int32_t c = 0; c < channels; c++)
            out[i * channels + c] =
                (int16_t)((a[c] * x->first_weight[i] + b[c] * x->second_weight[i]) >> 4);
    }
}

#if defined(__SSE2__)
static __m128i load_four(const uint8_t *from)
{
    int32_t bytes;
    memcpy(&bytes, from, sizeof(bytes));
    return _mm_cvtsi32_si128(bytes);
}

/* (first, second) weights of one output in each 32-bit lane. */
static __m128i load_weights(const resample_axis *x, int32_t i)
{
    return _mm_set1_epi32((int32_t)(uint16_t)x->first_weight[i] | (int32_t)x->second_weight[i]
                                                                      << 16);
}

/* Outputs whose neighbours can be loaded as four bytes without leaving the row; each store writes
 * four values, of which the next output overwrites those that are too many. Returns how many. */
static int32_t filter_row_sse2(const resampler *r, const uint8_t *row, int16_t *out)
{
    const resample_axis *x = r->x;
    const int32_t channels = r->channels, row_bytes = r->n_columns * channels;
    const __m128i zero = _mm_setzero_si128();
    int32_t i = 0;
    for (; i < x->n && x->second[i] * channels + 4 <= row_bytes; i++) {
        __m128i a = load_four(row + (ptrdiff_t)x->first[i] * channels),
                b = load_four(row + (ptrdiff_t)x->second[i] * channels);
        __m128i pairs = _mm_unpacklo_epi8(_mm_unpacklo_epi8(a, b), zero);
        __m128i sums = _mm_srai_epi32(_mm_madd_epi16(pairs, load_weights(x, i)), 4);
        _mm_storel_epi64((__m128i *)(void *)(out + (ptrdiff_t)i * channels),
                         _mm_packs_epi32(sums, sums));
    }
    return i;
}

/* The same for single channels, eight outputs at a time. Neighbours lie side by side except at the
 * edge, where the second one has no weight. */
static int32_t filter_grey_sse2(const resampler *r, const uint8_t *row, int16_t *out)
{
    const resample_axis *x = r->x;
    const __m128i zero = _mm_setzero_si128();
    int32_t i = 0;
    for (; i + 8 <= x->n && x->first[i + 7] + 2 <= r->n_columns; i += 8) {
        uint16_t pairs[8];
        for (int k = 0; k < 8; k++)
            memcpy(&pairs[k], row + x->first[i + k], sizeof(pairs[k]));
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)pairs);
        const __m128i a = _mm_loadu_si128((const __m128i *)(const void *)(x->first_weight + i)),
                      b = _mm_loadu_si128((const __m128i *)(const void *)(x->second_weight + i));
        const __m128i low =
            _mm_madd_epi16(_mm_unpacklo_epi8(bytes, zero), _mm_unpacklo_epi16(a, b));
        const __m128i high =
            _mm_madd_epi16(_mm_unpackhi_epi8(bytes, zero), _mm_unpackhi_epi16(a, b));
        _mm_storeu_si128((__m128i *)(void *)(out + i),
                         _mm_packs_epi32(_mm_srai_epi32(low, 4), _mm_srai_epi32(high, 4)));
    }
    return i;
}

/* Sixteen bytes at a time of the vertical pass; returns how many were done. */
static int32_t blend_rows_sse2(const int16_t *a, const int16_t *b, int32_t wa, int32_t wb,
                               int32_t n, uint8_t *out)
{
    const __m128i va = _mm_set1_epi16((int16_t)wa), vb = _mm_set1_epi16((int16_t)wb),
                  round = _mm_set1_epi16(2);
    int32_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m128i half[2];
        for (int k = 0; k < 2; k++) {
            const __m128i ra = _mm_loadu_si128((const __m128i *)(const void *)(a + i + 8 * k)),
                          rb = _mm_loadu_si128((const __m128i *)(const void *)(b + i + 8 * k));
            const __m128i sum = _mm_add_epi16(_mm_mulhi_epi16(ra, va), _mm_mulhi_epi16(rb, vb));
            half[k] = _mm_srai_epi16(_mm_add_epi16(sum, round), 2);
        }
        _mm_storeu_si128((__m128i *)(void *)(out + i), _mm_packus_epi16(half[0], half[1]));
    }
    return i;
}
#endif

static const int16_t *filtered_row(resampler *r, int32_t index, int32_t keep)
{
    for (int k = 0; k < 2; k++) {
        if (r->row_of[k] == index)
            return r->rows[k];
    }
    const int slot = r->row_of[0] == keep;
    const uint8_t *row = r->data + (ptrdiff_t)index * r->stride_bytes;
    int32_t done = 0;
#if defined(__SSE2__)
    done = r->channels > 1 ? filter_row_sse2(r, row, r->rows[slot])
                           : filter_grey_sse2(r, row, r->rows[slot]);
#endif
    filter_row(r, row, r->rows[slot], done);
    r->row_of[slot] = index;
    return r->rows[slot];
}

void resample_row(resampler *r, int32_t y, uint8_t *out)
{
    const int32_t first = r->y->first[y], second = r->y->second[y];
    const int16_t *a = filtered_row(r, first, second), *b = filtered_row(r, second, first);
    const int32_t wa = r->y->first_weight[y], wb = r->y->second_weight[y];
    const int32_t n = r->x->n * r->channels;
    int32_t i = 0;
#if defined(__SSE2__)
    i = blend_rows_sse2(a, b, wa, wb, n, out);
#endif
    for (; i < n; i++)
        out[i] = (uint8_t)(((wa * a[i] >> 16) + (wb * b[i] >> 16) + 2) >> 2);
}
