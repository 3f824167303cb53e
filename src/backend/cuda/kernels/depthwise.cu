/* Convolutions with a group a channel: memory bound, so a thread per pixel and 1 or 4 channels. */
#include "backend/cuda/kernels/window.cuh"

enum { THREADS = 256 };

template <int VECTOR>
static __global__ void __launch_bounds__(THREADS)
    depthwise_kernel(const __grid_constant__ depthwise_params p)
{
    const uint32_t groups = (uint32_t)(p.channels / VECTOR);
    const uint32_t i = blockIdx.x * THREADS + threadIdx.x; /* of fewer than 2^31 */
    const int rows = p.n * p.window.out_h * p.window.out_w;
    if (i >= (uint32_t)rows * groups)
        return;
    const int c = (int)(i % groups) * VECTOR, row = (int)(i / groups);
    const output_pixel o = output_pixel_of(&p.window, row, rows);
    float sum[VECTOR] = {0};
    for (int ky = 0; ky < p.window.kernel_h; ky++)
        for (int kx = 0; kx < p.window.kernel_w; kx++) {
            const int64_t from = input_row(&p.window, o, ky, kx);
            if (from < 0)
                continue;
            const float *w = p.w + (ky * p.window.kernel_w + kx) * p.channels + c;
            if (VECTOR == 4) {
                const float4_t x = load4(p.x.at, from * p.x.row_stride + c);
                const float4_t weight = *(const float4_t *)w;
#pragma unroll
                for (int v = 0; v < VECTOR; v++)
                    sum[v] += x.x[v % 4] * weight.x[v % 4];
            } else {
                sum[0] += load(p.x.at, from * p.x.row_stride + c) * w[0];
            }
        }
#pragma unroll
    for (int v = 0; v < VECTOR; v++)
        sum[v] = apply_epilogue(&p.epi, sum[v], c + v, row * p.epi.residual.row_stride + c + v);
    if (VECTOR == 4) {
        float4_t y;
#pragma unroll
        for (int v = 0; v < VECTOR; v++)
            y.x[v % 4] = sum[v];
        store4(p.out.at, row * p.out.row_stride + c, y);
    } else {
        store(p.out.at, row * p.out.row_stride + c, sum[0]);
    }
}

/* Stride 1, four channels and PIXELS neighbours in a row a thread, which share what they read. */
enum { PIXELS = 4 };

template <int KERNEL>
static __global__ void __launch_bounds__(THREADS)
    depthwise_row_kernel(const __grid_constant__ depthwise_params p)
{
    const uint32_t groups = (uint32_t)p.channels / 4;
    const uint32_t across = (uint32_t)divide_up(p.window.out_w, PIXELS);
    const uint32_t i = blockIdx.x * THREADS + threadIdx.x, line = i / groups / across;
    if (line >= (uint32_t)(p.n * p.window.out_h))
        return;
    const int c = (int)(i % groups) * 4, first = (int)(i / groups % across) * PIXELS;
    const int y = (int)(line % (uint32_t)p.window.out_h) - p.window.pad_top;
    const int image = (int)(line / (uint32_t)p.window.out_h);
    float4_t sums[PIXELS];
#pragma unroll
    for (int o = 0; o < PIXELS; o++)
        sums[o] = {{0, 0, 0, 0}};
#pragma unroll 1
    for (int ky = 0; ky < KERNEL; ky++) {
        if (y + ky < 0 || y + ky >= p.window.in_h)
            continue;
        float4_t w[KERNEL];
#pragma unroll
        for (int kx = 0; kx < KERNEL; kx++)
            w[kx] = *(const float4_t *)(p.w + (ky * KERNEL + kx) * p.channels + c);
        const int64_t row = ((int64_t)image * p.window.in_h + y + ky) * p.window.in_w;
#pragma unroll
        for (int at = 0; at < PIXELS + KERNEL - 1; at++) {
            const int x = first - p.window.pad_left + at;
            float4_t v = {{0, 0, 0, 0}};
            if (x >= 0 && x < p.window.in_w)
                v = load4(p.x.at, (row + x) * p.x.row_stride + c);
#pragma unroll
            for (int o = 0; o < PIXELS; o++) {
                if (at < o || at - o >= KERNEL)
                    continue;
#pragma unroll
                for (int k = 0; k < 4; k++)
                    sums[o].x[k] += v.x[k] * w[at - o].x[k];
            }
        }
    }
#pragma unroll 1
    for (int o = 0; o < PIXELS && first + o < p.window.out_w; o++) {
        const int64_t row = (int64_t)line * p.window.out_w + first + o;
        float4_t sum = sums[0];
#pragma unroll
        for (int k = 1; k < PIXELS; k++) /* no index that only the run knows */
            sum = o == k ? sums[k] : sum;
#pragma unroll
        for (int k = 0; k < 4; k++)
            sum.x[k] =
                apply_epilogue(&p.epi, sum.x[k], c + k, row * p.epi.residual.row_stride + c + k);
        store4(p.out.at, row * p.out.row_stride + c, sum);
    }
}

/* Sharing pays where there are threads enough without those that it saves. */
static bool suits_rows(const depthwise_params *p)
{
    const dev_window *w = &p->window;
    return p->vector == 4 && w->kernel_h == w->kernel_w && (w->kernel_h == 3 || w->kernel_h == 7) &&
           w->stride_h == 1 && w->stride_w == 1 && w->dilation_h == 1 && w->dilation_w == 1 &&
           (int64_t)p->n * w->out_h * w->out_w * (p->channels / 4) >=
               (w->kernel_h == 7 ? 1 << 17 : 1 << 18);
}

cudaError_t depthwise_launch(const void *params, cudaStream_t stream)
{
    const depthwise_params *p = (const depthwise_params *)params;
    if (suits_rows(p)) {
        const int across = divide_up(p->window.out_w, PIXELS);
        const dim3 grid(
            blocks_for((int64_t)p->n * p->window.out_h * across * (p->channels / 4), THREADS));
        return p->window.kernel_h == 3
                   ? launch(depthwise_row_kernel<3>, grid, THREADS, 0, stream, p)
                   : launch(depthwise_row_kernel<7>, grid, THREADS, 0, stream, p);
    }
    const int64_t n = (int64_t)p->n * p->window.out_h * p->window.out_w * (p->channels / p->vector);
    const dim3 grid(blocks_for(n, THREADS));
    return p->vector == 4 ? launch(depthwise_kernel<4>, grid, THREADS, 0, stream, p)
                          : launch(depthwise_kernel<1>, grid, THREADS, 0, stream, p);
}
