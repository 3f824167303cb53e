/* Windows over images without products: pooling and resizing. A thread an element, channels side by
 * side. */
#include "backend/cuda/kernels/device.cuh"

enum { THREADS = 256 };

typedef struct pixel {
    int n, y, x, c;
    int64_t row;
} pixel;

static __device__ __forceinline__ pixel pixel_of(int64_t i, int h, int w, int channels)
{
    pixel p;
    p.c = (int)(i % channels);
    p.row = i / channels;
    p.x = (int)(p.row % w);
    p.y = (int)(p.row / w % h);
    p.n = (int)(p.row / w / h);
    return p;
}

static __global__ void __launch_bounds__(THREADS) pool_kernel(const __grid_constant__ pool_params p)
{
    const int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (i >= (int64_t)p.n * p.out_h * p.out_w * p.channels)
        return;
    const pixel o = pixel_of(i, p.out_h, p.out_w, p.channels);
    const int top = o.y * p.stride_h - p.pad_top, left = o.x * p.stride_w - p.pad_left;
    /* A last window may reach past the padding; what lies there never counts. */
    const int bottom = max(top, min(top + p.kernel_h, p.in_h + p.pad_bottom));
    const int right = max(left, min(left + p.kernel_w, p.in_w + p.pad_right));
    const int y0 = max(top, 0), y1 = min(bottom, p.in_h);
    const int x0 = max(left, 0), x1 = min(right, p.in_w);
    float sum = 0, highest = -INFINITY;
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++) {
            const int64_t row = ((int64_t)o.n * p.in_h + y) * p.in_w + x;
            const float v = load(p.x.at, row * p.x.row_stride + o.c);
            sum += v;
            highest = v > highest || v != v ? v : highest;
        }
    const int n = p.count_padding ? (bottom - top) * (right - left) : (y1 - y0) * (x1 - x0);
    store(p.out.at, o.row * p.out.row_stride + o.c, p.average ? sum / (float)n : highest);
}

cudaError_t pool_launch(const void *params, cudaStream_t stream)
{
    const pool_params *p = (const pool_params *)params;
    const int64_t n = (int64_t)p->n * p->out_h * p->out_w * p->channels;
    return launch(pool_kernel, dim3(blocks_for(n, THREADS)), THREADS, 0, stream, p);
}

/* Tables are padded with taps of weight 0 that repeat a position already used. */
static __global__ void __launch_bounds__(THREADS)
    resize_kernel(const __grid_constant__ resize_params p)
{
    const int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (i >= (int64_t)p.n * p.out_h * p.out_w * p.channels)
        return;
    const pixel o = pixel_of(i, p.out_h, p.out_w, p.channels);
    float sum = 0;
    for (int a = 0; a < p.rows.n_taps; a++) {
        const int y = p.rows.index[o.y * p.rows.n_taps + a];
        const float wy = p.rows.weight[o.y * p.rows.n_taps + a];
        const int64_t row = ((int64_t)o.n * p.in_h + y) * p.in_w;
        float line = 0;
        for (int b = 0; b < p.columns.n_taps; b++) {
            const int x = p.columns.index[o.x * p.columns.n_taps + b];
            line += p.columns.weight[o.x * p.columns.n_taps + b] *
                    load(p.x.at, (row + x) * p.x.row_stride + o.c);
        }
        sum += wy * line;
    }
    store(p.out.at, o.row * p.out.row_stride + o.c, sum);
}

cudaError_t resize_launch(const void *params, cudaStream_t stream)
{
    const resize_params *p = (const resize_params *)params;
    const int64_t n = (int64_t)p->n * p->out_h * p->out_w * p->channels;
    return launch(resize_kernel, dim3(blocks_for(n, THREADS)), THREADS, 0, stream, p);
}
