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

enum { TILE_X = 4, TILE_Y = THREADS / 8 / TILE_X };

/* Stride 1, four channels and PIXELS neighbours in a row a thread, which share what they read.
 * Reads depend on no condition, so that those of a row of the kernel are in flight together:
 * outside the image they read its border, and count as zeros. */
template <int KERNEL, int PIXELS, bool BF16>
static __global__ void __launch_bounds__(THREADS)
    depthwise_row_kernel(const __grid_constant__ depthwise_params p)
{
    /* A block has 32 channels of TILE_Y rows of TILE_X threads, so that rows are read once or twice
     * into the nearest cache, not once for each row of the kernel. */
    const int c = (int)blockIdx.x * 32 + (int)threadIdx.x % 8 * 4;
    const int tiles_x = divide_up(p.window.out_w, TILE_X * PIXELS);
    const int first = ((int)blockIdx.y % tiles_x * TILE_X + (int)threadIdx.x / 8 % TILE_X) * PIXELS;
    const int out_y = (int)blockIdx.y / tiles_x * TILE_Y + (int)threadIdx.x / 8 / TILE_X;
    const int image = (int)blockIdx.z, y = out_y - p.window.pad_top;
    const int64_t line = (int64_t)image * p.window.out_h + out_y;
    if (c >= p.channels || out_y >= p.window.out_h || first >= p.window.out_w)
        return;
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
            const int inside = min(max(x, 0), p.window.in_w - 1);
            float4_t v = load4_of<BF16>(p.x.at.data, (row + inside) * p.x.row_stride + c);
#pragma unroll
            for (int k = 0; k < 4; k++)
                v.x[k] = x == inside ? v.x[k] : 0;
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
        const int64_t row = line * p.window.out_w + first + o;
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

static bool suits_rows(const depthwise_params *p)
{
    const dev_window *w = &p->window;
    return p->vector == 4 && w->kernel_h == w->kernel_w && (w->kernel_h == 3 || w->kernel_h == 7) &&
           w->stride_h == 1 && w->stride_w == 1 && w->dilation_h == 1 && w->dilation_w == 1 &&
           p->n <= 65535 &&
           (int64_t)divide_up(w->out_w, TILE_X) * divide_up(w->out_h, TILE_Y) <= 65535;
}

template <int KERNEL, int PIXELS>
static cudaError_t launch_rows(const depthwise_params *p, cudaStream_t stream)
{
    const dim3 grid(blocks_for(p->channels, 32),
                    blocks_for(p->window.out_w, TILE_X * PIXELS) *
                        blocks_for(p->window.out_h, TILE_Y),
                    (unsigned)p->n);
    return p->x.at.is_bf16
               ? launch(depthwise_row_kernel<KERNEL, PIXELS, true>, grid, THREADS, 0, stream, p)
               : launch(depthwise_row_kernel<KERNEL, PIXELS, false>, grid, THREADS, 0, stream, p);
}

cudaError_t depthwise_launch(const void *params, cudaStream_t stream)
{
    const depthwise_params *p = (const depthwise_params *)params;
    const int64_t n = (int64_t)p->n * p->window.out_h * p->window.out_w * (p->channels / p->vector);
    /* Sharing pays where there are threads enough without those that it saves. */
    if (suits_rows(p) && p->window.kernel_h == 3)
        return n >= 1 << 18 ? launch_rows<3, 4>(p, stream) : launch_rows<3, 1>(p, stream);
    if (suits_rows(p))
        return n >= 1 << 17 ? launch_rows<7, 4>(p, stream) : launch_rows<7, 1>(p, stream);
    const dim3 grid(blocks_for(n, THREADS));
    return p->vector == 4 ? launch(depthwise_kernel<4>, grid, THREADS, 0, stream, p)
                          : launch(depthwise_kernel<1>, grid, THREADS, 0, stream, p);
}
