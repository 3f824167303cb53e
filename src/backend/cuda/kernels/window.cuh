/* backend/cuda/kernels/window.cuh - which pixels a convolution's output is made of. */
#ifndef BACKEND_CUDA_KERNELS_WINDOW_CUH
#define BACKEND_CUDA_KERNELS_WINDOW_CUH

#include "backend/cuda/kernels/device.cuh"

typedef struct output_pixel {
    int n, y, x; /* n < 0: there is no such row */
} output_pixel;

static __device__ __forceinline__ output_pixel output_pixel_of(const dev_window *w, int row,
                                                               int rows)
{
    output_pixel o;
    o.x = row % w->out_w;
    o.y = row / w->out_w % w->out_h;
    o.n = row < rows ? row / w->out_w / w->out_h : -1;
    return o;
}

/* The row of x that tap (ky, kx) of an output pixel reads, or -1 outside the image. */
static __device__ __forceinline__ int64_t input_row(const dev_window *w, output_pixel o, int ky,
                                                    int kx)
{
    int y, x;
    if (o.n < 0)
        return -1;
    if (w->transposed) {
        y = o.y + w->pad_top - ky;
        x = o.x + w->pad_left - kx;
        if (y < 0 || x < 0 || y % w->stride_h || x % w->stride_w)
            return -1;
        y /= w->stride_h;
        x /= w->stride_w;
    } else {
        y = o.y * w->stride_h - w->pad_top + ky * w->dilation_h;
        x = o.x * w->stride_w - w->pad_left + kx * w->dilation_w;
    }
    if (y < 0 || x < 0 || y >= w->in_h || x >= w->in_w)
        return -1;
    return ((int64_t)o.n * w->in_h + y) * w->in_w + x;
}

/* Where element (row, column) of a product goes: the row and column of `out`. */
typedef struct output_place {
    int64_t row;
    int column;
} output_place;

static __device__ __forceinline__ output_place output_place_of(const gemm_params *p, int row,
                                                               int column, int group)
{
    output_place o;
    o.row = row;
    o.column = group * p->columns + column;
    if (p->scatter) {
        const int tap = column / p->scatter, ky = tap / p->scatter_w, kx = tap % p->scatter_w;
        const int x = row % p->window.out_w, y = row / p->window.out_w; /* over all images */
        o.row = ((int64_t)y * p->scatter_h + ky) * p->window.out_w * p->scatter_w +
                x * p->scatter_w + kx;
        o.column = column % p->scatter;
    }
    return o;
}

/* What becomes of four sums of a row, side by side, of a product of one group. */
static __device__ __forceinline__ void write_four(const gemm_params *p, int row, int column,
                                                  const float *sums)
{
    if (p->vector == 1) {
#pragma unroll 1
        for (int i = 0; i < 4 && column + i < p->columns; i++) {
            const output_place o = output_place_of(p, row, column + i, 0);
            store(p->out.at, o.row * p->out.row_stride + o.column,
                  apply_epilogue(&p->epi, sums[i], o.column,
                                 o.row * p->epi.residual.row_stride + o.column));
        }
        return;
    }
    const output_place o = output_place_of(p, row, column, 0);
    float4_t v = *(const float4_t *)sums, residual = {{0, 0, 0, 0}};
    if (p->epi.residual_mode)
        residual = load4(p->epi.residual.at, o.row * p->epi.residual.row_stride + o.column);
#pragma unroll
    for (int i = 0; i < 4; i++) {
        if (p->epi.bias)
            v.x[i] += p->epi.bias[o.column + i];
        if (p->epi.residual_mode == 1)
            v.x[i] += residual.x[i];
        v.x[i] = p->epi.act.kind == 5 ? fast_gelu(v.x[i]) : apply_unary(p->epi.act, v.x[i]);
        if (p->epi.residual_mode == 2)
            v.x[i] += residual.x[i];
    }
    store4(p->out.at, o.row * p->out.row_stride + o.column, v);
}

#endif
