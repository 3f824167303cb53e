/* Convolutions with a group a channel: memory bound, so a thread per pixel and 1 or 4 channels. */
#include "backend/cuda/kernels/window.cuh"

enum { THREADS = 256 };

template <int VECTOR>
static __global__ void __launch_bounds__(THREADS)
    depthwise_kernel(const __grid_constant__ depthwise_params p)
{
    const int groups = p.channels / VECTOR;
    const int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    const int rows = p.n * p.window.out_h * p.window.out_w;
    if (i >= (int64_t)rows * groups)
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
#pragma unroll
                for (int v = 0; v < VECTOR; v++)
                    sum[v] += x.x[v % 4] * w[v];
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

cudaError_t depthwise_launch(const void *params, cudaStream_t stream)
{
    const depthwise_params *p = (const depthwise_params *)params;
    const int64_t n = (int64_t)p->n * p->window.out_h * p->window.out_w * (p->channels / p->vector);
    const dim3 grid(blocks_for(n, THREADS));
    return p->vector == 4 ? launch(depthwise_kernel<4>, grid, THREADS, 0, stream, p)
                          : launch(depthwise_kernel<1>, grid, THREADS, 0, stream, p);
}
