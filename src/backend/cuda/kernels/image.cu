/* Windows over images without products: pooling and resizing. A thread per pixel and 1 or 4
 * channels, which lie side by side. */
#include "backend/cuda/kernels/device.cuh"

enum { THREADS = 256 };

typedef struct pixel {
    int n, y, x, c;
    int64_t row;
} pixel;

/* The pixel and channels of thread `i`; tensors have fewer than 2^31 elements. */
template <int VECTOR>
static __device__ __forceinline__ pixel pixel_of(uint32_t i, int h, int w, int channels)
{
    const uint32_t groups = (uint32_t)(channels / VECTOR), row = i / groups;
    pixel p;
    p.c = (int)(i % groups) * VECTOR;
    p.row = row;
    p.x = (int)(row % (uint32_t)w);
    p.y = (int)(row / (uint32_t)w % (uint32_t)h);
    p.n = (int)(row / (uint32_t)w / (uint32_t)h);
    return p;
}

template <int VECTOR>
static __device__ __forceinline__ void load_some(dev_ptr p, int64_t i, float v[VECTOR])
{
    if (VECTOR == 4)
        *(float4_t *)v = load4(p, i);
    else
        v[0] = load(p, i);
}

template <int VECTOR>
static __device__ __forceinline__ void store_some(dev_ptr p, int64_t i, const float v[VECTOR])
{
    if (VECTOR == 4)
        store4(p, i, *(const float4_t *)v);
    else
        store(p, i, v[0]);
}

template <int VECTOR>
static __global__ void __launch_bounds__(THREADS) pool_kernel(const __grid_constant__ pool_params p)
{
    const uint32_t i = blockIdx.x * THREADS + threadIdx.x;
    if (i >= (uint32_t)(p.n * p.out_h * p.out_w) * (uint32_t)(p.channels / VECTOR))
        return;
    const pixel o = pixel_of<VECTOR>(i, p.out_h, p.out_w, p.channels);
    const int top = o.y * p.stride_h - p.pad_top, left = o.x * p.stride_w - p.pad_left;
    /* A last window may reach past the padding; what lies there never counts. */
    const int bottom = max(top, min(top + p.kernel_h, p.in_h + p.pad_bottom));
    const int right = max(left, min(left + p.kernel_w, p.in_w + p.pad_right));
    const int y0 = max(top, 0), y1 = min(bottom, p.in_h);
    const int x0 = max(left, 0), x1 = min(right, p.in_w);
    alignas(16) float sum[VECTOR], v[VECTOR];
#pragma unroll
    for (int k = 0; k < VECTOR; k++)
        sum[k] = p.average ? 0 : -INFINITY;
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++) {
            const int64_t row = ((int64_t)o.n * p.in_h + y) * p.in_w + x;
            load_some<VECTOR>(p.x.at, row * p.x.row_stride + o.c, v);
#pragma unroll
            for (int k = 0; k < VECTOR; k++) {
                if (p.average)
                    sum[k] += v[k];
                else
                    sum[k] = v[k] > sum[k] || v[k] != v[k] ? v[k] : sum[k];
            }
        }
    const int n = p.count_padding ? (bottom - top) * (right - left) : (y1 - y0) * (x1 - x0);
#pragma unroll
    for (int k = 0; k < VECTOR; k++)
        sum[k] = p.average ? sum[k] / (float)n : sum[k];
    store_some<VECTOR>(p.out.at, o.row * p.out.row_stride + o.c, sum);
}

/* Maxima of 2 x 2 pixels that do not meet, eight channels a thread: all reads are in flight at
 * once. */
template <bool BF16>
static __global__ void __launch_bounds__(THREADS)
    pool_halves_kernel(const __grid_constant__ pool_params p)
{
    const uint32_t i = blockIdx.x * THREADS + threadIdx.x;
    if (i >= (uint32_t)(p.n * p.out_h * p.out_w) * (uint32_t)(p.channels / 8))
        return;
    const pixel o = pixel_of<8>(i, p.out_h, p.out_w, p.channels);
    float4_t v[4][2];
#pragma unroll
    for (int tap = 0; tap < 4; tap++) {
        const int64_t row =
            ((int64_t)o.n * p.in_h + o.y * 2 + tap / 2) * p.in_w + o.x * 2 + tap % 2;
#pragma unroll
        for (int half = 0; half < 2; half++)
            v[tap][half] = load4_of<BF16>(p.x.at.data, row * p.x.row_stride + o.c + half * 4);
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float4_t most = v[0][half];
#pragma unroll
        for (int tap = 1; tap < 4; tap++)
#pragma unroll
            for (int k = 0; k < 4; k++) {
                const float x = v[tap][half].x[k];
                most.x[k] = x > most.x[k] || x != x ? x : most.x[k];
            }
        store4(p.out.at, o.row * p.out.row_stride + o.c + half * 4, most);
    }
}

static bool suits_halves(const pool_params *p)
{
    return !p->average && p->vector == 4 && p->channels % 8 == 0 && p->kernel_h == 2 &&
           p->kernel_w == 2 && p->stride_h == 2 && p->stride_w == 2 && !p->pad_top &&
           !p->pad_left && p->out_h * 2 <= p->in_h && p->out_w * 2 <= p->in_w;
}

cudaError_t pool_launch(const void *params, cudaStream_t stream)
{
    const pool_params *p = (const pool_params *)params;
    if (suits_halves(p)) {
        const dim3 halves(
            blocks_for((int64_t)p->n * p->out_h * p->out_w * (p->channels / 8), THREADS));
        return p->x.at.is_bf16 ? launch(pool_halves_kernel<true>, halves, THREADS, 0, stream, p)
                               : launch(pool_halves_kernel<false>, halves, THREADS, 0, stream, p);
    }
    const int64_t n = (int64_t)p->n * p->out_h * p->out_w * (p->channels / p->vector);
    const dim3 grid(blocks_for(n, THREADS));
    return p->vector == 4 ? launch(pool_kernel<4>, grid, THREADS, 0, stream, p)
                          : launch(pool_kernel<1>, grid, THREADS, 0, stream, p);
}

/* Tables are padded with taps of weight 0 that repeat a position already used. TAPS: of both axes,
 * known to the compiler, so that their reads are in flight together; 0: any. */
template <int VECTOR, int TAPS, bool BF16>
static __global__ void __launch_bounds__(THREADS)
    resize_kernel(const __grid_constant__ resize_params p)
{
    const uint32_t i = blockIdx.x * THREADS + threadIdx.x;
    if (i >= (uint32_t)(p.n * p.out_h * p.out_w) * (uint32_t)(p.channels / VECTOR))
        return;
    const pixel o = pixel_of<VECTOR>(i, p.out_h, p.out_w, p.channels);
    const int n_rows = TAPS ? TAPS : p.rows.n_taps, n_columns = TAPS ? TAPS : p.columns.n_taps;
    alignas(16) float sum[VECTOR] = {0};
#pragma unroll
    for (int a = 0; a < n_rows; a++) {
        const int y = p.rows.index[o.y * n_rows + a];
        const float wy = p.rows.weight[o.y * n_rows + a];
        const int64_t row = ((int64_t)o.n * p.in_h + y) * p.in_w;
        alignas(16) float line[VECTOR] = {0}, v[VECTOR];
#pragma unroll
        for (int b = 0; b < n_columns; b++) {
            const int x = p.columns.index[o.x * n_columns + b];
            const float wx = p.columns.weight[o.x * n_columns + b];
            const int64_t at = (row + x) * p.x.row_stride + o.c;
            if (VECTOR == 4)
                *(float4_t *)v = load4_of<BF16>(p.x.at.data, at);
            else
                v[0] = load(dev_ptr{p.x.at.data, BF16}, at);
#pragma unroll
            for (int k = 0; k < VECTOR; k++)
                line[k] += wx * v[k];
        }
#pragma unroll
        for (int k = 0; k < VECTOR; k++)
            sum[k] += wy * line[k];
    }
    store_some<VECTOR>(p.out.at, o.row * p.out.row_stride + o.c, sum);
}

template <int VECTOR, int TAPS>
static cudaError_t launch_resize(const resize_params *p, cudaStream_t stream)
{
    const dim3 grid(
        blocks_for((int64_t)p->n * p->out_h * p->out_w * (p->channels / VECTOR), THREADS));
    return p->x.at.is_bf16
               ? launch(resize_kernel<VECTOR, TAPS, true>, grid, THREADS, 0, stream, p)
               : launch(resize_kernel<VECTOR, TAPS, false>, grid, THREADS, 0, stream, p);
}

cudaError_t resize_launch(const void *params, cudaStream_t stream)
{
    const resize_params *p = (const resize_params *)params;
    const bool two = p->rows.n_taps == 2 && p->columns.n_taps == 2;
    if (p->vector == 4)
        return two ? launch_resize<4, 2>(p, stream) : launch_resize<4, 0>(p, stream);
    return two ? launch_resize<1, 2>(p, stream) : launch_resize<1, 0>(p, stream);
}
