/* Layer norm (Ba et al. 2016) and softmax; a warp a row, sums in a fixed order. */
#include "backend/cuda/kernels/device.cuh"

enum { THREADS = 256, WARPS = THREADS / 32 };

static __device__ __forceinline__ float warp_sum(float x)
{
#pragma unroll
    for (int mask = 16; mask > 0; mask /= 2)
        x += __shfl_xor_sync(~0u, x, mask);
    return x;
}

static __device__ __forceinline__ float warp_max(float x)
{
#pragma unroll
    for (int mask = 16; mask > 0; mask /= 2) {
        const float other = __shfl_xor_sync(~0u, x, mask);
        x = other > x || other != other ? other : x;
    }
    return x;
}

/* Any row. Rows are read three times, the second and third time from the nearest cache. */
static __global__ void __launch_bounds__(THREADS)
    layer_norm_kernel(const __grid_constant__ layer_norm_params p)
{
    const int row = (int)(blockIdx.x * WARPS + threadIdx.x / 32), lane = (int)(threadIdx.x % 32);
    if (row >= p.rows) /* whole warps */
        return;
    const int64_t x = row * p.x.row_stride, out = row * p.out.row_stride;
    float sum = 0;
    for (int i = lane; i < p.channels; i += 32)
        sum += load(p.x.at, x + i);
    const float mean = warp_sum(sum) / (float)p.channels;
    sum = 0;
    for (int i = lane; i < p.channels; i += 32) {
        const float d = load(p.x.at, x + i) - mean;
        sum += d * d;
    }
    const float inverse = 1 / sqrtf(warp_sum(sum) / (float)p.channels + p.epsilon);
    for (int i = lane; i < p.channels; i += 32) {
        float y = (load(p.x.at, x + i) - mean) * inverse;
        if (p.gamma)
            y *= p.gamma[i];
        if (p.beta)
            y += p.beta[i];
        store(p.out.at, out + i, y);
    }
}

/* Rows of up to FOURS * 128 elements, read once and kept in registers. */
template <int FOURS>
static __global__ void __launch_bounds__(THREADS)
    layer_norm_fours_kernel(const __grid_constant__ layer_norm_params p)
{
    const int row = (int)(blockIdx.x * WARPS + threadIdx.x / 32), lane = (int)(threadIdx.x % 32);
    if (row >= p.rows)
        return;
    const int64_t x = row * p.x.row_stride, out = row * p.out.row_stride;
    float4_t v[FOURS];
    float sum = 0;
#pragma unroll
    for (int f = 0; f < FOURS; f++) {
        const int i = (f * 32 + lane) * 4;
        v[f] = i < p.channels ? load4(p.x.at, x + i) : float4_t{{0, 0, 0, 0}};
        sum += (v[f].x[0] + v[f].x[1]) + (v[f].x[2] + v[f].x[3]);
    }
    const float mean = warp_sum(sum) / (float)p.channels;
    sum = 0;
#pragma unroll
    for (int f = 0; f < FOURS; f++) {
        if ((f * 32 + lane) * 4 >= p.channels)
            continue;
#pragma unroll
        for (int k = 0; k < 4; k++) {
            v[f].x[k] -= mean;
            sum += v[f].x[k] * v[f].x[k];
        }
    }
    const float inverse = 1 / sqrtf(warp_sum(sum) / (float)p.channels + p.epsilon);
#pragma unroll
    for (int f = 0; f < FOURS; f++) {
        const int i = (f * 32 + lane) * 4;
        if (i >= p.channels)
            continue;
        const float4_t one = {{1, 1, 1, 1}}, zero = {{0, 0, 0, 0}};
        const float4_t gamma = p.gamma ? *(const float4_t *)(p.gamma + i) : one;
        const float4_t beta = p.beta ? *(const float4_t *)(p.beta + i) : zero;
        float4_t y;
#pragma unroll
        for (int k = 0; k < 4; k++)
            y.x[k] = v[f].x[k] * inverse * gamma.x[k] + beta.x[k];
        store4(p.out.at, out + i, y);
    }
}

cudaError_t layer_norm_launch(const void *params, cudaStream_t stream)
{
    const layer_norm_params *p = (const layer_norm_params *)params;
    const dim3 grid(blocks_for(p->rows, WARPS));
    const int fours = p->vector == 4 ? divide_up(p->channels, 128) : 0;
    if (fours == 1)
        return launch(layer_norm_fours_kernel<1>, grid, THREADS, 0, stream, p);
    if (fours == 2)
        return launch(layer_norm_fours_kernel<2>, grid, THREADS, 0, stream, p);
    if (fours == 3 || fours == 4)
        return launch(layer_norm_fours_kernel<4>, grid, THREADS, 0, stream, p);
    if (fours > 4 && fours <= 9)
        return launch(layer_norm_fours_kernel<9>, grid, THREADS, 0, stream, p);
    return launch(layer_norm_kernel, grid, THREADS, 0, stream, p);
}

/* Along rows: a warp a line. */
static __global__ void __launch_bounds__(THREADS)
    softmax_rows_kernel(const __grid_constant__ softmax_params p)
{
    const int line = (int)(blockIdx.x * WARPS + threadIdx.x / 32), lane = (int)(threadIdx.x % 32);
    if (line >= p.lines)
        return;
    const int64_t x = line * p.x_outer, out = line * p.out_outer;
    float max = -INFINITY, sum = 0;
    for (int i = lane; i < p.n; i += 32) {
        const float v = load(p.x, x + i);
        max = v > max || v != v ? v : max;
    }
    max = warp_max(max);
    for (int i = lane; i < p.n; i += 32)
        sum += expf(load(p.x, x + i) - max);
    sum = warp_sum(sum);
    for (int i = lane; i < p.n; i += 32)
        store(p.out, out + i, expf(load(p.x, x + i) - max) / sum);
}

/* Along another axis: a thread a line, neighbours side by side. */
static __global__ void __launch_bounds__(THREADS)
    softmax_columns_kernel(const __grid_constant__ softmax_params p)
{
    const int line = (int)(blockIdx.x * THREADS + threadIdx.x);
    if (line >= p.lines)
        return;
    const int outer = line / p.inner, side = line % p.inner;
    const int64_t row = side / p.inner_row, column = side % p.inner_row;
    const int64_t x = outer * p.x_outer + row * p.x_row + column;
    const int64_t out = outer * p.out_outer + row * p.out_row + column;
    float max = -INFINITY, sum = 0;
    for (int i = 0; i < p.n; i++) {
        const float v = load(p.x, x + i * p.x_step);
        max = v > max || v != v ? v : max;
    }
    for (int i = 0; i < p.n; i++)
        sum += expf(load(p.x, x + i * p.x_step) - max);
    for (int i = 0; i < p.n; i++)
        store(p.out, out + i * p.out_step, expf(load(p.x, x + i * p.x_step) - max) / sum);
}

cudaError_t softmax_launch(const void *params, cudaStream_t stream)
{
    const softmax_params *p = (const softmax_params *)params;
    if (p->along_rows)
        return launch(softmax_rows_kernel, dim3(blocks_for(p->lines, WARPS)), THREADS, 0, stream,
                      p);
    return launch(softmax_columns_kernel, dim3(blocks_for(p->lines, THREADS)), THREADS, 0, stream,
                  p);
}
