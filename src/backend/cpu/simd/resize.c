#include "backend/cpu/simd/resize.h"

#include "backend/cpu/simd/vec.h"

static void rows(int64_t n_rows, const float *const *from, const float *weights, int64_t n,
                 float *out)
{
    int64_t i = 0;
    for (; i + 2 * VEC_LANES <= n; i += 2 * VEC_LANES) {
        vec a = vec_load(from[0] + i) * weights[0],
            b = vec_load(from[0] + i + VEC_LANES) * weights[0];
        for (int64_t r = 1; r < n_rows; r++) {
            a += vec_load(from[r] + i) * weights[r];
            b += vec_load(from[r] + i + VEC_LANES) * weights[r];
        }
        vec_store(out + i, a);
        vec_store(out + i + VEC_LANES, b);
    }
    for (; i < n; i++) {
        float sum = from[0][i] * weights[0];
        for (int64_t r = 1; r < n_rows; r++)
            sum += from[r][i] * weights[r];
        out[i] = sum;
    }
}

/* `taps` and `channels` are constants wherever this is inlined for few of them. */
SIMD_INLINE void few_channels(int64_t n_out, const int64_t taps, const int64_t channels,
                              const float *row, const int32_t *offsets, const float *weights,
                              float *out, int64_t out_stride)
{
    for (int64_t x = 0; x < n_out; x++, offsets += taps, weights += taps, out += out_stride) {
        for (int64_t c = 0; c < channels; c++) {
            float sum = row[offsets[0] + c] * weights[0];
            for (int64_t t = 1; t < taps; t++)
                sum += row[offsets[t] + c] * weights[t];
            out[c] = sum;
        }
    }
}

static void many_channels(int64_t n_out, int64_t taps, int64_t channels, const float *row,
                          const int32_t *offsets, const float *weights, float *out,
                          int64_t out_stride)
{
    for (int64_t x = 0; x < n_out; x++, offsets += taps, weights += taps, out += out_stride) {
        int64_t c = 0;
        for (; c + VEC_LANES <= channels; c += VEC_LANES) {
            vec sum = vec_load(row + offsets[0] + c) * weights[0];
            for (int64_t t = 1; t < taps; t++)
                sum += vec_load(row + offsets[t] + c) * weights[t];
            vec_store(out + c, sum);
        }
        for (; c < channels; c++) {
            float sum = row[offsets[0] + c] * weights[0];
            for (int64_t t = 1; t < taps; t++)
                sum += row[offsets[t] + c] * weights[t];
            out[c] = sum;
        }
    }
}

static void pixels(int64_t n_out, int64_t taps, int64_t channels, const float *row,
                   const int32_t *offsets, const float *weights, float *out, int64_t out_stride)
{
    if (channels >= VEC_LANES)
        many_channels(n_out, taps, channels, row, offsets, weights, out, out_stride);
    else if (channels == 1 && taps == 2 && out_stride == 1)
        few_channels(n_out, 2, 1, row, offsets, weights, out, 1);
    else if (channels == 1)
        few_channels(n_out, taps, 1, row, offsets, weights, out, out_stride);
    else if (channels == 3)
        few_channels(n_out, taps, 3, row, offsets, weights, out, out_stride);
    else
        few_channels(n_out, taps, channels, row, offsets, weights, out, out_stride);
}

const resize_table SIMD_NAME(resize_table) = {.rows = rows, .pixels = pixels};
