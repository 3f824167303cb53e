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

cudaError_t pool_launch(const void *params, cudaStream_t stream)
{
    const pool_params *p = (const pool_params *)params;
    const int64_t n = (int64_t)p->n * p->out_h * p->out_w * (p->channels / p->vector);
    const dim3 grid(blocks_for(n, THREADS));
    return p->vector == 4 ? launch(pool_kernel<4>, grid, THREADS, 0, stream, p)
                          : launch(pool_kernel<1>, grid, THREADS, 0, stream, p);
}

/* Tables are padded with taps of weight 0 that repeat a position already used. */
template <int VECTOR>
static __global__ void __launch_bounds__(THREADS)
    resize_kernel(const __grid_constant__ resize_params p)
{
    const uint32_t i = blockIdx.x * THREADS + threadIdx.x;
    if (i >= (uint32_t)(p.n * p.out_h * p.out_w) * (uint32_t)(p.channels / VECTOR))
        return;
    const pixel o = pixel_of<VECTOR>(i, p.out_h, p.out_w, p.channels);
    alignas(16) float sum[VECTOR] = {0};
    for (int a = 0; a < p.rows.n_taps; a++) {
        const int y = p.rows.index[o.y * p.rows.n_taps + a];
        const float wy = p.rows.weight[o.y * p.rows.n_taps + a];
        const int64_t row = ((int64_t)o.n * p.in_h + y) * p.in_w;
        alignas(16) float line[VECTOR] = {0}, v[VECTOR];
        for (int b = 0; b < p.columns.n_taps; b++) {
            const int x = p.columns.index[o.x * p.columns.n_taps + b];
            const float wx = p.columns.weight[o.x * p.columns.n_taps + b];
            load_some<VECTOR>(p.x.at, (row + x) * p.x.row_stride + o.c, v);
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

cudaError_t resize_launch(const void *params, cudaStream_t stream)
{
    const resize_params *p = (const resize_params *)params;
    const int64_t n = (int64_t)p->n * p->out_h * p->out_w * (p->channels / p->vector);
    const dim3 grid(blocks_for(n, THREADS));
    return p->vector == 4 ? launch(resize_kernel<4>, grid, THREADS, 0, stream, p)
                          : launch(resize_kernel<1>, grid, THREADS, 0, stream, p);
}
