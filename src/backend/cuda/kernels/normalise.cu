/* Layer norm (Ba et al. 2016) and softmax; a warp a row, sums in a fixed order. */
#include "backend/cuda/kernels/device.cuh"

enum { THREADS = 256, WARPS = THREADS / 32, MOST_FOURS = 9 };

/* Of LANES neighbours; every thread of the warp takes part. */
template <int LANES> static __device__ __forceinline__ float lane_sum(float x)
{
#pragma unroll
    for (int mask = LANES / 2; mask > 0; mask /= 2)
        x += __shfl_xor_sync(~0u, x, mask);
    return x;
}

static __device__ __forceinline__ float warp_sum(float x)
{
    return lane_sum<32>(x);
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
        store(p.out.at, out + i, apply_unary(p.act, y));
    }
}

/* Rows made of fours, read once and kept in registers: LANES neighbouring threads a row, each with
 * FOURS of its fours, all of which are asked for before the first is used. */
template <int LANES, int FOURS, bool BF16>
static __global__ void __launch_bounds__(THREADS)
    layer_norm_fours_kernel(const __grid_constant__ layer_norm_params p)
{
    const int row = (int)((blockIdx.x * THREADS + threadIdx.x) / LANES);
    const int lane = (int)(threadIdx.x % LANES), n_fours = p.channels / 4;
    const int row_read = row < p.rows ? row : p.rows - 1; /* nobody leaves before the sums */
    const int64_t x = row_read * p.x.row_stride, out = row_read * p.out.row_stride;
    float4_t v[FOURS];
#pragma unroll
    for (int f = 0; f < FOURS; f++) {
        const int i = f * LANES + lane;
        v[f] = i < n_fours ? load4_of<BF16>(p.x.at.data, x + i * 4) : float4_t{{0, 0, 0, 0}};
    }
    float sum = 0;
#pragma unroll
    for (int f = 0; f < FOURS; f++)
        sum += (v[f].x[0] + v[f].x[1]) + (v[f].x[2] + v[f].x[3]);
    const float mean = lane_sum<LANES>(sum) / (float)p.channels;
    sum = 0;
#pragma unroll
    for (int f = 0; f < FOURS; f++) {
        if (f * LANES + lane >= n_fours)
            continue;
#pragma unroll
        for (int k = 0; k < 4; k++) {
            v[f].x[k] -= mean;
            sum += v[f].x[k] * v[f].x[k];
        }
    }
    const float inverse = 1 / sqrtf(lane_sum<LANES>(sum) / (float)p.channels + p.epsilon);
    if (row >= p.rows)
        return;
#pragma unroll
    for (int f = 0; f < FOURS; f++) {
        const int i = (f * LANES + lane) * 4;
        if (i >= p.channels)
            continue;
        const float4_t one = {{1, 1, 1, 1}}, zero = {{0, 0, 0, 0}};
        const float4_t gamma = p.gamma ? *(const float4_t *)(p.gamma + i) : one;
        const float4_t beta = p.beta ? *(const float4_t *)(p.beta + i) : zero;
        float4_t y;
#pragma unroll
        for (int k = 0; k < 4; k++)
            y.x[k] = v[f].x[k] * inverse * gamma.x[k] + beta.x[k];
        if (p.act.kind) {
#pragma unroll
            for (int k = 0; k < 4; k++)
                y.x[k] = call_unary(p.act, y.x[k]);
        }
        store4(p.out.at, out + i, y);
    }
}

template <int LANES, int FOURS>
static cudaError_t launch_fours(const layer_norm_params *p, cudaStream_t stream)
{
    const dim3 grid(blocks_for((int64_t)p->rows * LANES, THREADS));
    return p->x.at.is_bf16
               ? launch(layer_norm_fours_kernel<LANES, FOURS, true>, grid, THREADS, 0, stream, p)
               : launch(layer_norm_fours_kernel<LANES, FOURS, false>, grid, THREADS, 0, stream, p);
}

/* As few threads a row as keep at most 9 of its fours each (Hiera's rows have 9 x 4, 8, 16 or 32,
 * 7 x those or 6 x those), but no fewer than 4, which read whole sectors. */
template <int FOURS>
static cudaError_t launch_lanes(const layer_norm_params *p, int lanes, cudaStream_t stream)
{
    switch (lanes) {
    case 4:
        return launch_fours<4, FOURS>(p, stream);
    case 8:
        return launch_fours<8, FOURS>(p, stream);
    case 16:
        return launch_fours<16, FOURS>(p, stream);
    default:
        return launch_fours<32, FOURS>(p, stream);
    }
}

cudaError_t layer_norm_launch(const void *params, cudaStream_t stream)
{
    const layer_norm_params *p = (const layer_norm_params *)params;
    const int n_fours = p->channels / 4;
    if (p->vector != 4 || n_fours > MOST_FOURS * 32)
        return launch(layer_norm_kernel, dim3(blocks_for(p->rows, WARPS)), THREADS, 0, stream, p);
    if (n_fours <= 1)
        return launch_fours<1, 1>(p, stream);
    if (n_fours <= 4)
        return launch_fours<4, 1>(p, stream);
    int lanes = 4;
    while (lanes * MOST_FOURS < n_fours)
        lanes *= 2;
    const int fours = divide_up(n_fours, lanes);
    return fours <= 4   ? launch_lanes<4>(p, lanes, stream)
           : fours <= 7 ? launch_lanes<7>(p, lanes, stream)
                        : launch_lanes<MOST_FOURS>(p, lanes, stream);
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
